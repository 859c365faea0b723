"""Check the built pages: links, pictures, and that nothing comes from another host."""

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import yaml

LOADING = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src"}
LOADING_LINKS = {"stylesheet", "preload", "modulepreload", "icon", "shortcut"}
RAW_MARKUP = re.compile(r"\{(glue|minutes|cite|eq|ref)[:}]")
VOID = {"img", "br", "hr", "input", "link", "meta", "source", "col", "wbr"}


class Page(HTMLParser):
    """What one page links to, loads and shows."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.pictures: list[tuple[str, str, bool, bool]] = []  # source, alt, computed, captioned
        self.open: list[tuple[str, str]] = []  # tag and class
        self.text = ""
        self.figure_pictures: list[int] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.ids.update(values[name] for name in ("id", "name") if name in values)
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        if tag in LOADING and LOADING[tag] in values:
            self.loads.append(values[LOADING[tag]])
        if tag == "link" and LOADING_LINKS & set(values.get("rel", "").split()):
            self.loads.append(values.get("href", ""))
        if tag == "figure":
            self.figure_pictures.clear()
        if tag == "img" and self._inside("article"):
            computed = self._inside(css="cell_output")
            self.figure_pictures.append(len(self.pictures))
            self.pictures.append((values.get("src", ""), values.get("alt", ""), computed, False))
        if tag == "figcaption":
            for index in self.figure_pictures:
                self.pictures[index] = (*self.pictures[index][:3], True)
        if tag not in VOID:
            self.open.append((tag, values.get("class", "")))

    def handle_endtag(self, tag: str) -> None:
        if any(tag == opened for opened, _ in self.open):
            while self.open.pop()[0] != tag:
                pass

    def handle_data(self, data: str) -> None:
        if not any(tag in ("script", "style", "code", "pre") for tag, _ in self.open):
            self.text += data

    def _inside(self, tag: str = "", *, css: str = "") -> bool:
        return any(t == tag or (css and css in c.split()) for t, c in self.open)


def defects(site: Path, toc: Path) -> list[str]:
    """One line per defect; none if the site is sound."""
    pages = {
        path: Page(path.read_text(encoding="utf-8"))
        for path in sorted(site.rglob("*.html"))
        if "_static" not in path.parts
    }
    found = [f"{name}: in the table of contents but not built" for name in missing(site, toc)]
    for path, page in pages.items():
        name = path.relative_to(site).as_posix()
        found += [f"{name}: {defect}" for defect in page_defects(path, page, pages)]
    for sheet in site.rglob("*.css"):
        for address in re.findall(r"url\(['\"]?((?:https?:)?//[^)'\"]+)", sheet.read_text("utf-8")):
            found.append(f"{sheet.relative_to(site).as_posix()}: loads {address}")
    return found


def missing(site: Path, toc: Path) -> list[str]:
    """Documents of the table of contents that have no page."""

    def files(entry: object) -> list[str]:
        if isinstance(entry, list):
            return [name for item in entry for name in files(item)]
        if isinstance(entry, dict):
            own = [str(entry[key]) for key in ("file", "root") if key in entry]
            return own + [name for value in entry.values() for name in files(value)]
        return []

    names = files(yaml.safe_load(toc.read_text(encoding="utf-8")))
    return [name for name in names if not (site / f"{name}.html").is_file()]


def page_defects(path: Path, page: Page, pages: dict[Path, Page]) -> list[str]:
    found = [f"loads {address}" for address in page.loads if is_remote(address)]
    for address in [*page.links, *page.loads]:
        if not is_remote(address) and (defect := link_defect(path, address, pages)):
            found.append(defect)
    for source, alt, computed, captioned in page.pictures:
        if not alt.strip() or "_images/" in alt or alt.strip() == Path(source).name:
            found.append(f"picture {source[:60]} has no description")
        if computed and not captioned:
            found.append(f"picture {source[:60]} has no caption")
    if raw := RAW_MARKUP.search(page.text):
        found.append(f"unprocessed markup {raw.group()}")
    return found


def is_remote(address: str) -> bool:
    parts = urlsplit(address)
    return parts.scheme in ("http", "https") or bool(parts.netloc)


def link_defect(path: Path, address: str, pages: dict[Path, Page]) -> str | None:
    parts = urlsplit(address)
    if parts.scheme:  # mailto:, data:, javascript:
        return None
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if target.is_dir():
        target = target / "index.html"
    if not target.exists():
        return f"link to {address}, which does not exist"
    if parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].ids:
        return f"link to {address}, where there is no such place"
    return None


if __name__ == "__main__":
    folder = Path(__file__).resolve().parent.parent
    lines = defects((folder / "_build" / "html").resolve(), folder / "book" / "_toc.yml")
    print(*lines, sep="\n")
    sys.exit(1 if lines else 0)
