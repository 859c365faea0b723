"""Write the notebook edition: every notebook of the book in Markdown that any front end shows.

What Jupyter Book fills in (numbers, citations, boxes, verdicts, captions, references) stands in the
text; code and outputs are those of the build. Links to other notebooks lead to those of the
edition, all others to the online book.
"""

import html
import json
import posixpath
import re
import sys
from collections.abc import Mapping
from functools import cache, partial
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import nbformat
import yaml
from bs4 import BeautifulSoup

from blindspots.book.ledger import CLAIMS
from tools.executed import (
    BOOK,
    EXECUTED,
    ROOT,
    Chapter,
    Unfit,
    documents,
    fill,
    load,
    read,
    title_at,
    widgets,
)

SITE = ROOT / "_build" / "html"
NOTEBOOKS = ROOT / "_build" / "notebooks"
VIEW = "application/vnd.jupyter.widget-view+json"
KERNEL = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
# For Binder, which installs what the branch of this edition asks for.
REQUIREMENTS = "blindspots[book,imagenet] @ git+https://github.com/blindspots-book/blindspots\n"
ASIDE = " Its numbers and outputs are those of the build; what you run may differ."
MOVES = "A figure that moves: run this cell, or see the online page."
HIDDEN = {"hide-cell", "hide-input", "remove-cell"}
SILENT = {"remove-cell", "remove-output"}

EQUATION = re.compile(r"\$\$ \((eq-[\w-]+)\)")
BOX = re.compile(r"^(`{3,})\{(admonition|claim)\} (.+)\n((?:.*\n)*?)\1$", re.MULTILINE)
OPTION = re.compile(r"\A(?::\w+:.*\n)+")
END = re.compile(r"(?=</caption>|</p></div>$)")  # of a caption, of a table or a figure in HTML
LEFT = re.compile(r"\{[\w:-]+\}`|^(`{3,}|:{3,})\{", re.MULTILINE)


class Page(NamedTuple):
    """What the built page says of a notebook's parts.

    Attributes:
        numbers: by label: of equations, as "(3)", of figures, as "Fig. 5", of a chapter, minutes;
            of claims, where the numbers of their verdict are from.
        sources: of each cell of code that is shown, where its numbers come from, or nothing.
    """

    numbers: dict[str, str]
    sources: list[str]


@cache
def online() -> str:
    """Where the book is read online."""
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    owner, name = PurePosixPath(config["repository"]["url"]).parts[-2:]
    return f"https://{owner}.github.io/{name}/"


def look_up(document: str) -> Page:
    """Numbers and sources of a built page."""
    soup = BeautifulSoup((SITE / f"{document}.html").read_text(encoding="utf-8"), "html.parser")
    numbers = {}
    for equation in soup.select("div.math[id^=equation-]"):
        if number := equation.select_one(".eqno"):
            label = str(equation["id"]).removeprefix("equation-")
            numbers[label] = number.get_text().rstrip("#¶")
    for figure in soup.select("figure[id]"):
        if number := figure.select_one(".caption-number"):
            numbers[str(figure["id"])] = number.get_text().strip()
    for elsewhere in soup.select("a[href]:has(> .std-numref)"):
        address, _, label = str(elsewhere["href"]).partition("#")
        notebook = address.replace(".html", ".ipynb")
        numbers.setdefault(label, f"[{elsewhere.get_text()}]({notebook})")
    for claim in soup.select("div.claim-note[id]"):
        origin = claim.select_one("em")
        numbers[str(claim["id"])] = origin.get_text().strip() if origin else ""
    for span in soup.select("span[class^=minutes-of-]"):
        numbers[span["class"][0].removeprefix("minutes-of-")] = span.get_text()
    said = [cell.select_one(".source") for cell in soup.select("div.cell")]
    return Page(numbers, [source.get_text() if source else "" for source in said])


def lead(document: str, words: str, address: str) -> str:
    """A link of a notebook, to a notebook of the edition or into the online book."""
    path, hash_mark, place = address.partition("#")
    if not path or ":" in path:
        return f"[{words}]({address})"
    if path.endswith(".ipynb"):
        return f"[{words or title_at(path)}]({address})"
    inside = posixpath.normpath(posixpath.join(posixpath.dirname(document), path))
    target = re.sub(r"\.md$", ".html", inside)
    return f"[{words or title_at(path)}]({online()}{target}{hash_mark}{place})"


def plain(text: str, document: str, glued: Mapping[str, str], page: Page) -> str:
    """A text of a chapter in Markdown that needs no Sphinx."""
    text = BOX.sub(lambda found: quote(found, glued, page), text)
    text = EQUATION.sub(lambda found: f"\\tag{{{page.numbers[found[1]].strip('()')}}}\n$$", text)
    return fill(text, glued, partial(lead, document), cite, page.numbers)


def cite(words: str) -> str:
    """A citation, leading to the bibliography."""
    return f"[{words}]({online()}bibliography.html)"


def quote(found: re.Match[str], glued: Mapping[str, str], page: Page) -> str:
    """A box of the book as a quotation with a title; of a claim, with its verdict."""
    _, kind, title, body = found.groups()
    if kind == "claim":
        evidence = json.loads(glued[f"claim_{title}"])
        link = f"[the ledger]({online()}ledger.html#row-{title})"
        origin = page.numbers[f"claim-{title}"]
        body = f"{CLAIMS[title].title}: **{evidence['verdict']}**, {origin}. See {link}."
        title = "In the ledger"
    lines = ["**" + title + "**", "", *OPTION.sub("", body).strip().split("\n")]
    return "\n".join(f"> {line}".rstrip() for line in lines)


def convert(chapter: Chapter, page: Page) -> Any:
    """The notebook of the edition, which says at its head where the page itself is.

    Raises:
        Unfit: if something in a text cannot be shown.
    """
    cells, sources = [], iter(page.sources)
    text = partial(plain, document=chapter.document, glued=chapter.glued, page=page)
    for number, (cell, outputs) in enumerate(zip(chapter.cells, chapter.outputs, strict=True)):
        if cell.cell_type == "markdown":
            source = text(cell.source)
            if left := LEFT.search(source):
                raise Unfit(f"{chapter.document}, cell {number}: {left.group()!r} is left")
            cells.append(nbformat.v4.new_markdown_cell(source))
            continue
        shown = "remove-cell" not in cell.metadata.get("tags", [])
        source = next(sources) if shown else ""
        cells.append(code_cell(cell, outputs, source))
        if figure := cell.metadata.get("mystnb", {}).get("figure"):
            below = f"{page.numbers[figure['name']]}. {text(figure['caption'])} {source}"
            cells.append(nbformat.v4.new_markdown_cell(below.rstrip()))
    address = f"{online()}{chapter.document}.html"
    head = (
        f"*The notebook edition of [this page]({address}).{ASIDE if any(chapter.outputs) else ''}*"
    )
    cells.insert(1, nbformat.v4.new_markdown_cell(head))
    for number, cell in enumerate(cells):
        cell.id = str(number)
    return nbformat.v4.new_notebook(cells=cells, metadata=dict(KERNEL))


def code_cell(cell: Any, outputs: list[Any], source: str) -> Any:
    """A cell of code; folded where the book folds or leaves out its code."""
    tags = {*cell.metadata.get("tags", [])}
    made = nbformat.v4.new_code_cell(cell.source)
    if tags & HIDDEN:
        made.metadata = {"jupyter": {"source_hidden": True}, "cellView": "form"}
    if not tags & SILENT:
        alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt")
        shown = [plain_output(output, alt, source) for output in outputs]
        made.outputs = [output for output in shown if output]
    return made


def plain_output(output: Any, alt: str | None, source: str) -> Any:
    """An output as any front end shows it: links into the online book, no numbers for glue."""
    data = output.get("data", {})
    if output.output_type == "stream" and output.name == "stderr":
        return None
    if any("papermill" in mime for mime in data):
        return None
    output = nbformat.from_dict(output)
    output.pop("execution_count", None)
    if output.output_type == "execute_result":
        output.execution_count = None
    if "text/html" in data:
        linked = data["text/html"].replace('href="../', f'href="{online()}')
        said = END.sub(f" {html.escape(source)}" if source else "", linked)
        output.data["text/html"] = without_panels(said)
    if alt or VIEW in data:
        output.data["text/plain"] = alt or MOVES
    return output


def without_panels(content: str) -> str:
    """A matrix of which each cell has images, without them: a front end may leave out their style.

    Who runs the cell sees them again.
    """
    if "mb-panel" not in content:
        return content
    soup = BeautifulSoup(content, "html.parser")
    for part in soup.select("style, .mb input, .mb-panel"):
        part.extract()
    for label in soup.select(".mb label"):
        label.unwrap()
    for caption in soup.select(".mb .blindspots-caption"):
        words = re.sub(r"Point at a cell[^.]*\.", "", caption.get_text())
        caption.string = f"{words.strip()} In the online book, each cell shows its images."
    return str(soup)


def build(document: str) -> Any:
    """One notebook of the edition: as it was executed, or an exercise as it is handed out."""
    if (EXECUTED / f"{document}.glue.json").exists():
        chapter = load(document)
    else:
        cells = read(BOOK / f"{document}.ipynb")
        chapter = Chapter(document, cells, [[] for _ in cells], {})
    notebook = convert(chapter, look_up(document))
    if kept := widgets(document):
        notebook.metadata["widgets"] = kept
    return notebook


def main() -> None:
    for document in documents():
        try:
            notebook = build(document)
        except Unfit as problem:
            sys.exit(f"No notebooks: {problem}.")
        file = NOTEBOOKS / f"{document}.ipynb"
        file.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, file)
        # What the book offers for download is the edition, too.
        nbformat.write(notebook, SITE / "_sources" / f"{document}.ipynb")
    (NOTEBOOKS / "requirements.txt").write_text(REQUIREMENTS, encoding="utf-8")
    print(f"The notebook edition is in {NOTEBOOKS}")


if __name__ == "__main__":
    main()
