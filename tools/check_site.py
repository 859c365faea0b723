"""Check the built pages: links, pictures, and that nothing comes from another host."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import yaml
from bs4 import BeautifulSoup

LOADING = "script[src], img[src], iframe[src], source[src], video[src]"
LOADING_LINKS = ", ".join(
    f"link[rel~={kind}]" for kind in ("stylesheet", "preload", "modulepreload", "icon")
)
# Words of the glossary that no chapter uses, and where readers meet them.
UNLINKED = {
    "term-adversarial-training": "the name that others gave to training on blind spots",
    "term-aligned-directions": "the API reference",
    "term-multiplier": "the API reference",
}
RAW_MARKUP = re.compile(r"\{(glue|minutes|cite|eq|ref)[:}]")


def defects(site: Path, toc: Path) -> list[str]:
    """One line per defect; none if the site is sound."""
    pages = {
        path: BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
        for path in sorted(site.rglob("*.html"))
        if "_static" not in path.parts
    }
    places = {
        path: {tag.get("id") or tag["name"] for tag in page.select("[id], [name]")}
        for path, page in pages.items()
    }
    found = [f"{name}: in the table of contents but not built" for name in missing(site, toc)]
    for path, page in pages.items():
        name = path.relative_to(site).as_posix()
        found += [f"{name}: {defect}" for defect in page_defects(path, page, places)]
    found += glossary_defects(site, pages)
    for sheet in site.rglob("*.css"):
        for address in re.findall(r"url\(['\"]?((?:https?:)?//[^)'\"]+)", sheet.read_text("utf-8")):
            found.append(f"{sheet.relative_to(site).as_posix()}: loads {address}")
    return found


def listed(toc: Path) -> list[str]:
    """All documents of the table of contents."""

    def files(entry: object) -> list[str]:
        if isinstance(entry, list):
            return [name for item in entry for name in files(item)]
        if isinstance(entry, dict):
            own = [str(entry[key]) for key in ("file", "root") if key in entry]
            return own + [name for value in entry.values() for name in files(value)]
        return []

    return files(yaml.safe_load(toc.read_text(encoding="utf-8")))


def missing(site: Path, toc: Path) -> list[str]:
    """Documents of the table of contents that have no page."""
    return [name for name in listed(toc) if not (site / f"{name}.html").is_file()]


def page_defects(path: Path, page: BeautifulSoup, places: dict[Path, set[str]]) -> Iterator[str]:
    loads = [tag["src"] for tag in page.select(LOADING)]
    loads += [tag["href"] for tag in page.select(LOADING_LINKS)]
    for address in [*(tag["href"] for tag in page.select("a[href]")), *loads]:
        if not is_remote(address) and (defect := link_defect(path, address, places)):
            yield defect
    yield from (f"loads {address}" for address in loads if is_remote(address))
    for picture in page.select("article img"):
        source, alt = picture["src"], picture.get("alt", "").strip()
        if not alt or "_images/" in alt or alt == Path(source).name:
            yield f"picture {source[:60]} has no description"
    for picture in page.select(".cell_output img"):
        if not picture.find_parent(lambda tag: tag.name == "figure" and tag.figcaption):
            yield f"picture {picture['src'][:60]} has no caption"
    for text in page.find_all(string=RAW_MARKUP):
        if not text.find_parent(["script", "style", "code", "pre"]):
            yield f"unprocessed markup {RAW_MARKUP.search(text).group()}"


def glossary_defects(site: Path, pages: dict[Path, BeautifulSoup]) -> Iterator[str]:
    """Chapters that link no word to the glossary, and words that no chapter links."""
    linked = set(UNLINKED)
    for path, page in pages.items():
        if path.parent == site / "chapters":
            found = {urlsplit(a["href"]).fragment for a in page.select("a.glossary-link")}
            if not found:
                yield f"chapters/{path.name}: no word is linked to the glossary"
            linked |= found
    for glossary in (page for path, page in pages.items() if path == site / "glossary.html"):
        for entry in glossary.select("dl.glossary > :is(dt:first-child, dd + dt)"):
            if entry["id"] not in linked:
                yield f"glossary.html: no chapter links to {entry['id']}"


def is_remote(address: str) -> bool:
    parts = urlsplit(address)
    return parts.scheme in ("http", "https") or bool(parts.netloc)


def link_defect(path: Path, address: str, places: dict[Path, set[str]]) -> str | None:
    parts = urlsplit(address)
    if parts.scheme:  # mailto:, data:, javascript:
        return None
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if target.is_dir():
        target = target / "index.html"
    if not target.exists():
        return f"link to {address}, which does not exist"
    place = unquote(parts.fragment)
    if place.startswith("live&"):  # what a reader chose, of which the page makes a place itself
        place = ""
    if place and target in places and place not in places[target]:
        return f"link to {address}, where there is no such place"
    return None


if __name__ == "__main__":
    folder = Path(__file__).resolve().parent.parent
    lines = defects((folder / "_build" / "html").resolve(), folder / "book" / "_toc.yml")
    print(*lines, sep="\n")
    sys.exit(1 if lines else 0)
