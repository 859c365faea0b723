"""Slides are cut from the marked cells of the chapters, and from nothing else."""

import ast
import base64
import re
import zipfile
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from bs4 import BeautifulSoup

from blindspots.book.ledger import CLAIMS
from tools import build_slides, executed

ROOT = Path(__file__).resolve().parent.parent
CHAPTERS = sorted((ROOT / "book" / "chapters").glob("*.ipynb"))
# A picture of one pixel.
PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJg"
    "gg=="
)


class Deck(HTMLParser):
    """What a deck says and loads."""

    def __init__(self, html):
        super().__init__()
        self.loads, self.said, self.slides, self.unsaid = [], [], 0, 0
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.loads += [values[key] for key in ("src", "href") if key in values]
        self.slides += tag == "section"
        self.unsaid += tag in ("script", "title")

    def handle_endtag(self, tag):
        self.unsaid -= tag in ("script", "title")

    def handle_data(self, data):
        if not self.unsaid:
            self.said.append(data)


def as_executed(file):
    """A chapter with made-up outputs and numbers, since executing it takes minutes."""
    cells = list(nbformat.read(file, as_version=4).cells)
    outputs = []
    for cell in cells:
        data = {"image/png": PNG} if "mystnb" in cell.metadata else {"text/html": "<p>table</p>"}
        if "sketch" in cell.metadata.get("tags", []):
            data = {"image/svg+xml": "<svg/>"}
        made = nbformat.v4.new_output("execute_result", data=data, execution_count=1)
        outputs.append([made] if cell.cell_type == "code" else [])
    code = "\n".join(c.source for c in cells if c.cell_type == "code")
    code = re.sub(r"^(\s*)%.*", r"\1pass", code, flags=re.M)  # magics are not Python
    glued = {}
    for call in ast.walk(ast.parse(code)):
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "glue":
            glued |= {keyword.arg: "NUMBER" for keyword in call.keywords}
    glued |= {f"claim_{name}": '{"verdict": "holds"}' for name in CLAIMS}
    return executed.Chapter(f"chapters/{file.stem}", cells, outputs, glued)


@pytest.fixture(scope="module")
def decks(tmp_path_factory):
    """All decks of the book: name -> page."""
    folder = tmp_path_factory.mktemp("slides")
    build_slides.write([as_executed(file) for file in CHAPTERS], folder)
    return {page.stem: page for page in folder.glob("*.html") if page.stem != "index"}


def test_every_chapter_is_in_the_table_of_decks(decks):
    found = [document.rpartition("/")[2] for document in build_slides.marked_documents()]
    assert sorted(found) == [file.stem for file in CHAPTERS]
    assert set(decks) == {*found, "lecture"}
    index = (decks["lecture"].parent / "index.html").read_text(encoding="utf-8")
    assert all(f'href="{name}.html"' in index for name in decks)


def test_archives_hold_all_decks_and_all_figures(decks):
    """And the page says how large each is."""
    folder = decks["lecture"].parent
    page = BeautifulSoup((folder / "index.html").read_text(encoding="utf-8"), "html.parser")
    listed = {link["href"]: link.parent.get_text() for link in page.select("a[download]")}
    assert set(listed) == {"slides.zip", *(f"figures-{file.stem}.zip" for file in CHAPTERS)}
    for name, said in listed.items():
        number, unit = re.search(r", ([\d.]+) (MB|kB)$", said).groups()
        count = float(number) * {"MB": 1e6, "kB": 1e3}[unit]
        assert count == pytest.approx((folder / name).stat().st_size, rel=0.05, abs=500)
    with zipfile.ZipFile(folder / "slides.zip") as packed:
        assert {f"slides/{name}.html" for name in decks} <= set(packed.namelist())
        assert "slides/reveal/reveal.js" in packed.namelist()
        assert not any(name.endswith(".zip") for name in packed.namelist())
    for file in CHAPTERS:
        found = set()
        for cell in nbformat.read(file, as_version=4).cells:
            if "mystnb" in cell.metadata:
                kind = "svg" if "sketch" in cell.metadata.get("tags", []) else "png"
                found.add(f"{file.stem}/{cell.metadata['mystnb']['figure']['name']}.{kind}")
        with zipfile.ZipFile(folder / f"figures-{file.stem}.zip") as packed:
            assert set(packed.namelist()) == found
            for name in found:
                drawn = b"<svg/>" if name.endswith("svg") else base64.b64decode(PNG)
                assert packed.read(name) == drawn


@pytest.mark.parametrize("file", CHAPTERS, ids=lambda file: file.stem)
def test_chapter_has_six_to_twelve_slides(file):
    slides = build_slides.cut(as_executed(file))
    assert 6 <= len(slides) <= 12
    assert slides[0].opening and not any(slide.opening for slide in slides[1:])
    assert any("Verdict" in slide.heading for slide in slides)
    assert all(slide.heading and slide.body for slide in slides)


def words(text):
    return re.findall(r"\w+", text)


@pytest.mark.parametrize("file", CHAPTERS, ids=lambda file: file.stem)
def test_deck_says_what_the_marked_cells_say(file, decks):
    """Every word on a slide is from a marked cell, a heading, or its outputs."""
    chapter = as_executed(file)
    allowed = {"NUMBER", "table", "holds", "Blind", "Spots", "text", "and", "figures", "CC", "BY"}
    allowed |= {"4", "0"}
    for cell in chapter.cells:
        allowed |= set(words(" ".join(re.findall(r"^#+ .*|\{admonition\}.*", cell.source, re.M))))
        if "slideshow" in cell.metadata:
            figure = cell.metadata.get("mystnb", {}).get("figure", {})
            allowed |= set(words(cell.source + figure.get("caption", "")))
            for keys in re.findall(r"\{cite:[tp]\}`(.*?)`", cell.source):
                allowed |= set(words(executed.cited(keys.split(","), in_text=False)))
            for name in re.findall(r"\{claim\} (\S+)", cell.source):
                allowed |= set(words(build_slides.CLAIMS[name].title))
    deck = Deck(decks[file.stem].read_text(encoding="utf-8"))
    assert set(words(" ".join(deck.said))) <= allowed


def test_a_sketch_is_shown_with_its_caption():
    book = {"figure": {"caption": "**A claim.** More.", "name": "x"}, "image": {"alt": "A box."}}
    cell = nbformat.v4.new_code_cell("draw()", metadata={"mystnb": book})
    drawn = nbformat.v4.new_output("display_data", data={"image/svg+xml": "<svg/>"})
    shown = build_slides.output_html(drawn, cell, {})
    assert base64.b64encode(b"<svg/>").decode() in shown and 'alt="A box."' in shown
    assert "<figcaption><strong>A claim.</strong> More.</figcaption>" in shown


def test_decks_show_no_markup_and_load_nothing_from_elsewhere(decks):
    for name, page in decks.items():
        deck = Deck(page.read_text(encoding="utf-8"))
        said = " ".join(deck.said)
        assert deck.slides >= 6, name
        assert not re.search(r"\{[\w:-]+\}`|\$\$|\(eq-|```|\]\(", said), name
        for address in deck.loads:
            assert address.startswith("data:") or (page.parent / address).is_file(), address
        styles = (page.parent / "slides.css").read_text(encoding="utf-8")
        styles += (page.parent / "reveal" / "reveal.css").read_text(encoding="utf-8")
        assert "@import" not in styles and "://" not in styles


def test_lecture_is_made_of_slides_of_the_chapters(decks):
    def sections(name):
        text = decks[name].read_text(encoding="utf-8")
        return re.findall(r"<section.*?</section>", text, re.S)

    lecture = sections("lecture")
    assert 30 <= len(lecture) <= 45  # about two minutes each
    everything = {section for name in decks if name != "lecture" for section in sections(name)}
    assert set(lecture) <= everything


def chapter(*cells):
    """A small chapter: cells are (text, mark) or, for code, (text, mark, output)."""
    made, outputs = [], []
    for text, mark, *output in cells:
        cell = nbformat.v4.new_code_cell(text) if output else nbformat.v4.new_markdown_cell(text)
        if mark is not None:
            cell.metadata["slideshow"] = mark
        made.append(cell)
        outputs.append([nbformat.v4.new_output("execute_result", data=data) for data in output])
    return executed.Chapter("chapters/one", made, outputs, {"n": "12 %"})


TEXT = "# One\n\nFirst words. Last words.\n\n## Two\n\nMore: {glue:text}`n`."


def test_headings_numbers_code_and_fragments():
    slides = build_slides.cut(
        chapter(
            (TEXT, {"slide_type": "slide", "parts": ["First … words.", "---", "More … `n`."]}),
            ("1 < 2", {"slide_type": "-", "code": True}, {"text/plain": "True"}),
            ("3", None, {"text/plain": "3"}),
            ("4", {"slide_type": "fragment"}, {"text/plain": "four"}),
        )
    )
    assert [(slide.heading, slide.opening) for slide in slides] == [("One", True), ("Two", False)]
    assert slides[0].body == ["<p>First words.</p>\n"]
    text, code, waiting = slides[1].body
    assert text == "<p>More: 12 %.</p>\n"
    assert "&lt;" in code and code.endswith("<pre>True</pre>")
    assert waiting == '<div class="fragment"><pre>four</pre></div>'


@pytest.mark.parametrize(
    ("mark", "complaint"),
    [
        ({"slide_type": "-"}, "nothing to go on with"),
        ({"slide_type": "skip"}, "slide_type is 'skip'"),
        ({"slide_type": "slide", "parts": ["Lost words."]}, "'Lost words.' is in the cell 0 times"),
        ({"slide_type": "slide", "parts": ["words. … More"]}, "is in the cell 2 times"),
        ({"slide_type": "slide", "parts": ["More … First"]}, "'First' does not follow 'More'"),
    ],
)
def test_what_a_mark_gets_wrong_is_said(mark, complaint):
    with pytest.raises(executed.Unfit, match=r"chapters/one, cell 0: ") as error:
        build_slides.cut(chapter((TEXT, mark)))
    assert complaint in str(error.value)


def test_tables_of_the_text_are_shown_with_their_numbers():
    shown = build_slides.to_html("| a | b |\n| --- | --- |\n| c | {glue:text}`x` % |", {"x": "7"})
    assert "<th>a</th>" in shown and "<td>7 %</td>" in shown


def test_what_no_slide_can_show_is_said():
    mark = {"slide_type": "slide"}
    for text in ("see {eq}`eq-one`", "{glue:text}`other`", "```{warning}\nno\n```"):
        with pytest.raises(executed.Unfit, match="naming other parts"):
            build_slides.cut(chapter((text, mark)))
    with pytest.raises(executed.Unfit, match="no output that a slide can show"):
        build_slides.cut(chapter(("widget", mark, {"application/x": "1", "text/plain": "W()"})))


def test_a_chapter_that_was_not_executed_or_has_changed(tmp_path):
    def notebook(folder, code):
        (tmp_path / folder).mkdir(exist_ok=True)
        cells = [nbformat.v4.new_code_cell(code)]
        nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / folder / "one.ipynb")

    def load():
        return executed.load("one", tmp_path / "book", tmp_path / "executed")

    notebook("book", "1")
    with pytest.raises(executed.Unfit, match="has not been executed: run make book first"):
        load()
    notebook("executed", "2")
    with pytest.raises(executed.Unfit, match="has changed since it was executed"):
        load()
    notebook("executed", "1")
    (tmp_path / "executed" / "one.glue.json").write_text(
        '{"n": {"data": {"text/plain": "\'12 %\'"}}}'
    )
    assert load().glued == {"n": "12 %"}


def test_tall_pictures_have_their_caption_beside_them():
    assert build_slides.is_tall(PNG)
    output = SimpleNamespace(output_type="stream", name="stderr", text="noise")
    assert build_slides.output_html(output, None, {}) == ""
