"""Make the EPUB and the PDF of the built book: `make epub`, `make pdf`.

Sphinx writes the pages of an EPUB. In them, formulas become MathML, a figure that moves becomes a
still picture with a sentence, and scripts go. The PDF is all these pages after one another, printed
by Chromium.
"""

import json
import os
import posixpath
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import yaml
from bs4 import BeautifulSoup, Tag
from playwright.sync_api import Browser, sync_playwright

import blindspots
from tools import link_editions
from tools.build_book import JUPYTER_BOOK, chapters
from tools.build_notebooks import VIEW, online, without_panels
from tools.executed import EXECUTED, widgets
from tools.run_chapters import write_executed

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "_build"
PAGES = BUILD / "epub"
STYLE = Path(__file__).parent / "print" / "print.css"
MATHJAX = ROOT / "book" / "assets" / "vendor" / "mathjax" / "tex-chtml.js"
STATE = "application/vnd.jupyter.widget-state+json"
MOVES = "In the online book, this figure moves."
LARGEST = 15_000_000  # bytes of an edition
TYPES = {".xhtml", ".css", ".svg", ".png", ".jpg", ".ncx"}  # of the files of an EPUB
INSIDE = {"math": "mathml", "svg": "svg"}  # what a reader has to be told of a page
SPACES = {"opf": "http://www.idpf.org/2007/opf", "dc": "http://purl.org/dc/elements/1.1/"}
SHEET = {"format": "A4", "margin": dict.fromkeys(("top", "right", "bottom", "left"), "18mm")}
FOOT = (
    '<div style="font-size: 8px; width: 100%; text-align: center">'
    '<span class="pageNumber"></span> / <span class="totalPages"></span></div>'
)


def write_pages() -> None:
    """Let Sphinx write the pages of the EPUB, from the outputs of the last build."""
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    del config["launch_buttons"]  # with them, the theme's extension fails
    sphinx = config["sphinx"]["config"]
    sphinx |= {"html_static_path": [], "html_css_files": [], "html_js_files": []}
    sphinx |= {"version": blindspots.__version__, "epub_show_urls": "no", "epub_tocdepth": 2}
    sphinx |= {"epub_title": config["title"], "epub_basename": "blind-spots"}
    sphinx |= {"epub_identifier": "blind-spots", "epub_uid": "blind-spots"}
    sphinx |= {"epub_scheme": "name", "epub_author": config["author"]}
    sphinx["nb_ipywidgets_js"] = {}
    shutil.rmtree(PAGES, ignore_errors=True)
    file = ROOT / ".print.yml"  # beside the extensions that it names
    file.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    build = [sys.executable, "-c", JUPYTER_BOOK, "build", "book", "--builder", "custom"]
    build += ["--custom-builder", "epub", "--config", file.name, "--path-output", "."]
    try:
        done = subprocess.run(build, cwd=ROOT, env=os.environ | built_on())
    finally:
        file.unlink()
    if done.returncode:
        sys.exit("The pages were not written: the reason is above.")
    # MyST-NB wrote the notebooks anew, without the outputs that it took from the cache.
    write_executed(chapters(), BUILD / ".jupyter_cache", ROOT / "book", EXECUTED)


def built_on() -> dict[str, str]:
    """The data set on which the book was built, as the build wrote it down."""
    name = (BUILD / "fingerprint").read_text().split()[1]
    return {"BLINDSPOTS_DATASET": "mnist" if name == "MNIST" else "digits"}


@contextmanager
def chromium() -> Iterator[Browser]:
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if not program:
        sys.exit("Chromium is not installed: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND"]
        )
        yield browser
        browser.close()


def manifest(package: ElementTree.ElementTree) -> Iterator[ElementTree.Element]:
    """What a package lists as its files."""
    return package.iterfind("opf:manifest/opf:item", SPACES)


def order(folder: Path) -> list[str]:
    """The pages in the order of the book."""
    package = ElementTree.parse(folder / "content.opf")
    files = {item.attrib["id"]: item.attrib["href"] for item in manifest(package)}
    listed = package.iterfind("opf:spine/opf:itemref", SPACES)
    return [files[item.attrib["idref"]] for item in listed]


def lead_online(files: Mapping[str, BeautifulSoup]) -> None:
    """Let links that lead out of the pages lead into the online book."""
    for name, page in files.items():
        for link in page.select("a[href]"):
            path, mark, anchor = str(link["href"]).partition("#")
            there = posixpath.normpath(posixpath.join(posixpath.dirname(name), path))
            if path and ":" not in path and there not in files:
                link["href"] = online() + there.replace(".xhtml", ".html") + mark + anchor


def state_of(name: str) -> Mapping[str, Any]:
    """The state of the widgets of a page."""
    state: Mapping[str, Any] = widgets(name.removesuffix(".xhtml")).get(STATE, {}).get("state", {})
    return state


def polish(text: str, state: Mapping[str, Any]) -> BeautifulSoup:
    """A page without what needs a script; its formulas are still TeX."""
    page = BeautifulSoup(text, "html.parser")
    for script in page.find_all("script", type=VIEW):
        shown = still(state, json.loads(script.get_text())["model_id"])
        note = f'<p class="edition-note">{MOVES}</p>'
        script.insert_after(BeautifulSoup(shown + note, "html.parser"))
    for matrix in page.select(".mb"):
        matrix.replace_with(BeautifulSoup(without_panels(str(matrix)), "html.parser"))
    for part in page.select("script, style, link, input, button, .headerlink, .blindspots-files"):
        part.extract()
    for picture in page.select("a.full-size"):
        picture.unwrap()
    for drawing in page.select("svg"):
        drawing.attrs.pop("role", "")  # an EPUB knows other ones
        drawing["xmlns"] = "http://www.w3.org/2000/svg"
        if box := drawing.attrs.pop("viewbox", ""):  # HTML does not tell capitals
            drawing["viewBox"] = box
    for folded in page.select("details"):
        folded["open"] = "open"
    for cell in page.select("details.hide"):  # the code of figures and tables
        if not cell.select_one("p:not(.admonition-title)"):
            cell.extract()
    return page


def still(state: Mapping[str, Any], model: str) -> str:
    """What a widget shows before anybody has touched it, as HTML."""
    widget = state[model.removeprefix("IPY_MODEL_")]
    values = widget["state"]
    if widget["model_name"] == "HTMLModel":
        return str(values["value"])
    children: Sequence[str] = values.get("children", [])
    if widget["model_name"] == "StackModel":
        children = [children[values.get("selected_index") or 0]]
    return "".join(still(state, child) for child in children)


def formulas(page: BeautifulSoup) -> Iterator[tuple[Tag, str, bool]]:
    """The formulas of a page: element, TeX, and whether it stands alone."""
    for element in page.select(".math"):
        text = "".join(element.find_all(string=True, recursive=False)).strip()
        if found := re.fullmatch(r"\\[(\[](.*)\\[)\]]", text, re.DOTALL):
            yield element, found[1], element.name == "div"


def set_formulas(pages: Sequence[BeautifulSoup], browser: Browser) -> None:
    """Replace the TeX of all pages by MathML, with the TeX as its alternative text."""
    found = [formula for page in pages for formula in formulas(page)]
    tab = browser.new_page()
    tab.goto("about:blank")
    tab.evaluate("() => { window.MathJax = { startup: { typeset: false } }; }")
    tab.add_script_tag(path=MATHJAX)
    tab.wait_for_function("() => window.MathJax.tex2mml")
    set_in_mathml: list[str] = tab.evaluate(
        "(all) => MathJax.startup.promise.then(() => Promise.all("
        "all.map(([tex, display]) => MathJax.tex2mmlPromise(tex, { display }))))",
        [[tex, alone] for _, tex, alone in found],
    )
    tab.close()
    for (element, tex, _), mathml in zip(found, set_in_mathml, strict=True):
        if "<merror" in mathml:
            sys.exit(f"MathJax cannot set {tex!r}.")
        formula = BeautifulSoup(mathml, "html.parser").math
        assert formula
        formula["alttext"] = tex
        for part in element.find_all(string=True, recursive=False):
            part.extract()
        element.insert(0, formula)  # before the number of the equation


def write_epub(files: Mapping[str, BeautifulSoup], target: Path) -> None:
    """Pack the pages, with what they show and the style, as an EPUB."""
    for name, page in files.items():
        style = posixpath.relpath("print.css", posixpath.dirname(name))
        head = page.head
        assert head
        for meta in head.select("meta[charset], meta[name=viewport]"):
            meta.extract()
        sheet = {"rel": "stylesheet", "type": "text/css", "href": style}
        head.append(page.new_tag("link", attrs=sheet))
        (PAGES / name).write_text(str(page), encoding="utf-8")
    for drawing in (PAGES / "_images").glob("*.svg"):  # matplotlib's space has no outline
        lines = drawing.read_text(encoding="utf-8")
        drawing.write_text(re.sub(r"<path(?![^>]* d=)", '<path d="M0 0"', lines), encoding="utf-8")
    shutil.copy(STYLE, PAGES / "print.css")
    shutil.rmtree(PAGES / "_static", ignore_errors=True)
    package = ElementTree.parse(PAGES / "content.opf")
    root = package.getroot()
    items, spine = (root.find(f"opf:{name}", SPACES) for name in ("manifest", "spine"))
    assert items is not None and spine is not None
    for item in [*manifest(package)]:
        name = item.attrib["href"]
        wanted = name in files or name == "nav.xhtml" or not name.endswith(".xhtml")
        if name.startswith("_static/") or Path(name).suffix not in TYPES or not wanted:
            items.remove(item)
            for use in spine.findall(f"opf:itemref[@idref='{item.attrib['id']}']", SPACES):
                spine.remove(use)
        elif name in files:
            inside = [kind for tag, kind in INSIDE.items() if files[name].find(tag)]
            item.attrib |= {"properties": " ".join(inside)} if inside else {}
    style = {"id": "style", "href": "print.css", "media-type": "text/css"}
    ElementTree.SubElement(items, f"{{{SPACES['opf']}}}item", style)
    package.write(PAGES / "content.opf", encoding="utf-8", xml_declaration=True)
    listed = [item.attrib["href"] for item in manifest(package)]
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("mimetype", "application/epub+zip", zipfile.ZIP_STORED)
        for name in ["META-INF/container.xml", "content.opf", *listed]:
            packed.write(PAGES / name, name)


def in_one(files: Mapping[str, BeautifulSoup]) -> str:
    """All pages after one another; what led from page to page leads to a place in this one."""
    bodies = []
    for name, page in files.items():
        for element in page.select("[id]"):
            element["id"] = place(name, str(element["id"]))
        for link in page.select("a[href]"):
            path, _, anchor = str(link["href"]).partition("#")
            there = posixpath.normpath(posixpath.join(posixpath.dirname(name), path))
            if not path or there in files:
                link["href"] = f"#{place(there if path else name, anchor)}"
        for image in page.select("img[src]"):
            if not str(image["src"]).startswith("data:"):
                image["src"] = posixpath.join(posixpath.dirname(name), str(image["src"]))
        body = page.select_one(".body") or page.body
        assert body
        bodies.append(f'<section id="{place(name, "")}">{body.decode_contents()}</section>')
    style = STYLE.read_text(encoding="utf-8")
    head = f"<meta charset='utf-8'><title>Blind Spots</title><style>{style}</style>"
    return (
        f"<!doctype html><html lang='en'><head>{head}</head><body>{''.join(bodies)}</body></html>"
    )


def place(page: str, anchor: str) -> str:
    """A place of a page in the one document of all pages."""
    return f"{page.removesuffix('.xhtml').replace('/', '-')}--{anchor}"


def write_pdf(files: Mapping[str, BeautifulSoup], target: Path, browser: Browser) -> list[str]:
    """Print all pages; return what is wider than the paper."""
    (PAGES / "all.html").write_text(in_one(files), encoding="utf-8")
    tab = browser.new_page(viewport={"width": 658, "height": 1000})  # the paper without its margins
    tab.emulate_media(media="print")
    tab.goto((PAGES / "all.html").as_uri())
    wide: list[str] = tab.evaluate(
        "() => [...document.querySelectorAll('body *')]"
        ".filter((e) => e.getBoundingClientRect().right > innerWidth + 2)"
        ".map((e) => `${e.closest('section[id]').id}: ${e.tagName} ${e.textContent.slice(0, 60)}`)"
    )
    tab.pdf(
        path=target,
        **SHEET,
        outline=True,
        tagged=True,
        print_background=True,
        display_header_footer=True,
        header_template="<span></span>",
        footer_template=FOOT,
    )
    return wide


for prefix, space in ({"": SPACES["opf"], "dc": SPACES["dc"]}).items():
    ElementTree.register_namespace(prefix, space)


def main() -> None:
    kind = sys.argv[1] if len(sys.argv) == 2 else ""
    if kind not in ("epub", "pdf"):
        sys.exit("Which edition? Say python -m tools.build_print epub, or pdf")
    if not (BUILD / "html" / "index.html").exists():
        sys.exit("There is no book yet: run make book first")
    write_pages()
    names = [name for name in order(PAGES) if not name.startswith(("genindex", "py-modindex"))]
    texts = {name: (PAGES / name).read_text(encoding="utf-8") for name in names}
    files = {name: polish(text, state_of(name)) for name, text in texts.items()}
    lead_online(files)
    target = BUILD / "html" / f"blind-spots.{kind}"
    with chromium() as browser:
        set_formulas([*files.values()], browser)
        if kind == "epub":
            write_epub(files, target)
        elif wide := write_pdf(files, target, browser):
            print(*wide, sep="\n")
            sys.exit(f"{len(wide)} things are wider than the paper.")
    size = target.stat().st_size
    if size > LARGEST:
        sys.exit(f"{target} has {size:,} bytes, of at most {LARGEST:,}: what made it so large?")
    link_editions.main()
    print(f"{target}: {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
