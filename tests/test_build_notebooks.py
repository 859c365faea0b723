"""The notebook edition says what the book says, in Markdown that needs no Sphinx."""

import os
import re
from itertools import pairwise
from pathlib import Path

import nbformat
import pytest
import torch
from bs4 import BeautifulSoup
from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin

from blindspots.book.ledger import CLAIMS
from blindspots.book.matrix_browser import matrix_browser
from blindspots.networks import TransferMatrix
from tests.test_build_slides import as_executed
from tools import build_notebooks, executed
from tools.build_notebooks import Page, convert, lead, plain

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = [ROOT / "book" / f"{document}.ipynb" for document in build_notebooks.documents()]
ONLINE = build_notebooks.online()
NOTHING = Page({}, [])


def source(file):
    return nbformat.read(file, as_version=4).cells


def page_of(cells):
    """Numbers for everything that can be referred to, and a source for every cell."""
    captions = [c.metadata["mystnb"]["figure"]["caption"] for c in cells if "mystnb" in c.metadata]
    text = "\n".join([*(cell.source for cell in cells), *captions])
    labels = re.findall(r"\{(?:eq|numref|minutes)\}`([^`]+)`|\$\$ \((eq-[\w-]+)\)", text)
    numbers = {label: "(7)" for pair in labels for label in pair if label}
    figures = [c.metadata["mystnb"]["figure"]["name"] for c in cells if "mystnb" in c.metadata]
    count = sum(cell.cell_type == "code" for cell in cells)
    numbers |= {f"claim-{name}": "stored" for name in CLAIMS}
    return Page(numbers | {name: "Fig. 7" for name in figures}, ["(digits, this build)"] * count)


@pytest.fixture(params=NOTEBOOKS, ids=lambda file: f"{file.parent.name}/{file.stem}")
def edition(request):
    """A notebook of the book and that of the edition."""
    cells = source(request.param)
    made = convert(as_executed(request.param), page_of(cells))
    nbformat.validate(made)
    return cells, made.cells


def rendered(text):
    return MarkdownIt("commonmark").enable("table").use(dollarmath_plugin).render(text)


def test_nothing_is_left_that_only_sphinx_understands(edition):
    for cell in edition[1]:
        if cell.cell_type == "markdown":
            shown = BeautifulSoup(rendered(cell.source), "html.parser")
            for code in shown.select("code, .math"):
                code.extract()
            assert not re.search(r"\{[\w:-]+\}|\(eq-|^:::|\)=$", shown.get_text(), re.MULTILINE)


def test_the_code_is_that_of_the_book(edition):
    book, made = ([c.source for c in cells if c.cell_type == "code"] for cells in edition)
    assert made == book


def test_every_figure_has_its_caption_below_and_words_for_those_who_do_not_see_it(edition):
    book, made = edition
    captions = [c.metadata["mystnb"] for c in book if "mystnb" in c.metadata]
    drawn = [
        (cell, below)
        for cell, below in pairwise(made)
        if any({"image/png", "image/svg+xml"} & {*o.data} for o in cell.get("outputs", []))
    ]
    assert len(drawn) == len(captions)
    for (cell, below), figure in zip(drawn, captions, strict=True):
        assert below.source.startswith("Fig. 7. ")
        assert below.source.endswith("(digits, this build)")
        assert cell.outputs[0].data["text/plain"] == figure["image"]["alt"]


def test_links_lead_into_the_edition_or_to_the_online_book():
    assert lead("chapters/a", "b", "b.ipynb") == "[b](b.ipynb)"
    assert lead("chapters/a", "", "networks.ipynb").startswith("[The networks")
    assert lead("chapters/a", "c", "../exercises/c.ipynb") == "[c](../exercises/c.ipynb)"
    assert lead("chapters/a", "l", "../ledger.md#x") == f"[l]({ONLINE}ledger.html#x)"
    assert lead("attack", "l", "ledger.md") == f"[l]({ONLINE}ledger.html)"
    assert lead("chapters/a", "p", "https://x.org/y") == "[p](https://x.org/y)"


def test_boxes_are_quotations_and_equations_have_their_numbers():
    box = "```{admonition} In short\n:class: note\n- {glue:text}`x` %\n\n  more\n```\nafter"
    assert plain(box, "chapters/a", {"x": "7"}, NOTHING) == (
        "> **In short**\n>\n> - 7 %\n>\n>   more\nafter"
    )
    claim = "```{claim} found\n```\n"
    told = Page({"claim-found": "stored (MNIST)"}, [])
    said = plain(claim, "chapters/a", {"claim_found": '{"verdict": "holds"}'}, told)
    assert (
        said.startswith("> **In the ledger**\n>\n> ") and "**holds**, stored (MNIST). See" in said
    )
    assert f"({ONLINE}ledger.html#row-found)" in said
    formula = "$$\nx = 1\n$$ (eq-one)\nSee {eq}`eq-one`."
    assert plain(formula, "chapters/a", {}, Page({"eq-one": "(3)"}, [])) == (
        "$$\nx = 1\n\\tag{3}\n$$\nSee (3)."
    )
    cited = plain("{cite:t}`szegedy2013`", "chapters/a", {}, NOTHING)
    assert cited == f"[Szegedy et al. (2013)]({ONLINE}bibliography.html)"


@pytest.mark.parametrize("text", ["{glue:text}`y`", "{eq}`eq-two`", "```{margin}\nx\n```"])
def test_what_cannot_be_shown_is_refused(text):
    cells = [nbformat.v4.new_markdown_cell(t) for t in ("# Title", text)]
    with pytest.raises(executed.Unfit, match=r"cannot be filled in|is left"):
        convert(executed.Chapter("chapters/a", cells, [[], []], {}), NOTHING)


def test_outputs_are_those_of_the_build_without_what_the_book_hides():
    def cell(*tags, **data):
        made = nbformat.v4.new_code_cell("x", metadata={"tags": [*tags]})
        return made, [nbformat.v4.new_output("display_data", data=data)]

    table = '<table><caption>Words.</caption></table><a href="../ledger.html">l</a>'
    cells, outputs = zip(
        cell("hide-input", **{"text/html": table}),
        cell("remove-output", **{"text/plain": "100 %"}),
        cell("remove-cell", **{"application/papermill.record/text/plain": "7"}),
        cell(**{"text/plain": "7"}),
        strict=True,
    )
    title = nbformat.v4.new_markdown_cell("# Title")
    chapter = executed.Chapter("chapters/a", [title, *cells], [[], *outputs], {})
    made = convert(chapter, Page({}, ["(stored)", "", ""])).cells[2:]
    assert made[0].outputs[0].data["text/html"] == (
        f'<table><caption>Words. (stored)</caption></table><a href="{ONLINE}ledger.html">l</a>'
    )
    assert [len(c.outputs) for c in made] == [1, 0, 0, 1]
    assert [c.metadata.get("cellView") for c in made] == ["form", None, "form", None]


def test_a_matrix_is_shown_without_what_its_style_would_hide(test):
    names, images = ["one", "two"], {name: test.images[:8] for name in ("one", "two")}
    error = torch.tensor([[0.25, 0.5], [0.75, 1.0]])
    matrix = TransferMatrix(error, sources=names, receivers=names)
    predicted = {(a, b): test.labels[:8] for a in names for b in names}
    labels = dict.fromkeys(names, test.labels[:8])
    made = matrix_browser(matrix, images, labels, predicted, notes={}, caption="A caption.").data
    shown = build_notebooks.without_panels(made)
    words = " ".join(BeautifulSoup(shown, "html.parser").get_text(" ").split())
    assert words == (
        "made for ↓, shown to → one two one 25 50 two 75 100 A caption. In "
        "the online book, each cell shows its images."
    )


def test_numbers_and_sources_are_those_of_the_page(tmp_path, monkeypatch):
    (tmp_path / "a.html").write_text(
        '<div class="math" id="equation-eq-x"><span class="eqno">(3)<a>#</a></span></div>'
        '<div class="cell"><figure id="fig-y"><figcaption><span class="caption-number">Fig. 5 '
        '</span>Words <span class="source">(stored)</span></figcaption></figure></div>'
        '<a href="b.html#fig-z"><span class="std-numref">Fig. 2</span></a>'
        '<div class="cell"></div><span class="minutes-of-chapters/a">2 minutes</span>'
    )
    monkeypatch.setattr(build_notebooks, "SITE", tmp_path)
    assert build_notebooks.look_up("a") == Page(
        {"eq-x": "(3)", "fig-y": "Fig. 5", "fig-z": "[Fig. 2](b.ipynb)", "chapters/a": "2 minutes"},
        ["(stored)", ""],
    )


@pytest.mark.skipif("BLINDSPOTS_SITE" not in os.environ, reason="BLINDSPOTS_SITE names no site")
@pytest.mark.parametrize("document", build_notebooks.documents())
def test_the_site_offers_the_edition_and_its_links_lead_somewhere(document):
    site = Path(os.environ["BLINDSPOTS_SITE"])
    cells = source(site / "_sources" / f"{document}.ipynb")
    assert "The notebook edition of" in cells[1].source
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    page = BeautifulSoup(rendered(text), "html.parser")
    for address in (link["href"] for link in page.select("a[href]")):
        path, _, place = address.removeprefix(ONLINE).partition("#")
        if address.startswith(ONLINE):
            found = BeautifulSoup((site / path).read_text(), "html.parser")
            assert not place or found.find(id=place), address
        elif not address.startswith("http"):
            assert (site / "_sources" / document).parent.joinpath(path).resolve().exists(), address


def test_code_has_no_links():
    fenced = "```python\nmodel[depth:](found)\n```\n"
    text = f"`a[0](b)` and\n{fenced}[`c`](c.ipynb) `d` [e](e.md)"
    assert plain(text, "a", {}, NOTHING) == (
        f"`a[0](b)` and\n{fenced}[`c`](c.ipynb) `d` [e]({ONLINE}e.html)"
    )
