"""The EPUB and the PDF: pages without scripts, formulas without TeX, links that lead somewhere."""

import shutil
import zipfile
from xml.etree import ElementTree

import pytest
from bs4 import BeautifulSoup

from tools import build_print
from tools.build_notebooks import online
from tools.build_print import in_one, lead_online, polish, still

needs_chromium = pytest.mark.skipif(
    not (shutil.which("chromium") or shutil.which("chromium-browser")), reason="needs Chromium"
)
STATE = {
    "box": {"model_name": "VBoxModel", "state": {"children": ["IPY_MODEL_s", "IPY_MODEL_t"]}},
    "s": {"model_name": "IntSliderModel", "state": {"value": 0}},
    "t": {
        "model_name": "StackModel",
        "state": {"children": ["IPY_MODEL_a", "IPY_MODEL_b"], "selected_index": 1},
    },
    "a": {"model_name": "HTMLModel", "state": {"value": "<p>first</p>"}},
    "b": {"model_name": "HTMLModel", "state": {"value": "<p>second</p>"}},
}
PAGE = """<html><head><meta charset="utf-8"><title>T</title><link href="x.css"></head><body>
<div class="body"><h1 id="top">T<a class="headerlink" href="#top">#</a></h1>
<p>In <span class="math">\\(a < b_1\\)</span>, see <a href="other.xhtml#there">there</a>,
<a href="../slides/x.html">slides</a> and <a href="#top">above</a>.</p>
<div class="math" id="equation-e"><span class="eqno">(3)</span>\\[\\frac{1}{2}\\]</div>
<svg viewBox="0 0 1 1" role="group"><path d="M0 0"/></svg>
<details><summary>Hint</summary><p>Think.</p></details>
<details class="hide"><summary><p class="admonition-title">Show</p></summary><pre>x</pre></details>
<script type="application/vnd.jupyter.widget-view+json">{"model_id": "box"}</script>
<script>alert(1)</script><p>fewer &lt; &amp; more</p></div></body></html>"""
OTHER = '<html><head><title>O</title></head><body><h1 id="there">O</h1></body></html>'


@pytest.fixture
def files():
    pages = {"a/page.xhtml": polish(PAGE, STATE), "a/other.xhtml": polish(OTHER, {})}
    lead_online(pages)
    return pages


def test_a_widget_is_what_it_shows_first():
    assert still(STATE, "IPY_MODEL_box") == "<p>second</p>"


def test_what_needs_a_script_is_replaced_and_folds_are_open(files):
    page = files["a/page.xhtml"]
    assert not page.select("script, link, .headerlink")
    assert "second" in page.get_text() and build_print.MOVES in page.get_text()
    assert [fold["open"] for fold in page.select("details")] == ["open"]  # and no folded code
    assert page.svg["viewBox"] == "0 0 1 1" and "role" not in page.svg.attrs


def test_links_lead_into_the_pages_or_online(files):
    links = [link["href"] for link in files["a/page.xhtml"].select("a[href]")]
    assert links == ["other.xhtml#there", f"{online()}slides/x.html", "#top"]
    one = BeautifulSoup(in_one(files), "html.parser")
    inside = [link["href"] for link in one.select("a[href]") if link["href"].startswith("#")]
    assert inside == ["#a-other--there", "#a-page--top"]
    assert all(one.find(id=link.removeprefix("#")) for link in inside)


@needs_chromium
def test_formulas_become_mathml_that_keeps_their_words_and_numbers(files, browser):
    build_print.set_formulas([*files.values()], browser)
    inline, alone = files["a/page.xhtml"].select("math")
    assert inline["alttext"] == "a < b_1" and inline.msub
    assert alone.mfrac and alone["display"] == "block"
    assert alone.find_next(class_="eqno").get_text() == "(3)"
    assert "\\" not in files["a/page.xhtml"].get_text()
    bad = {"p": polish('<span class="math">\\(\\frac{1\\)</span>', {})}
    with pytest.raises(SystemExit, match="cannot set"):
        build_print.set_formulas([*bad.values()], browser)


PACKAGE = """<?xml version="1.0" encoding="utf-8"?>
<package xmlns="http://www.idpf.org/2007/opf" version="3.0"><manifest>
<item href="a/page.xhtml" id="p" media-type="application/xhtml+xml"/>
<item href="genindex.xhtml" id="g" media-type="application/xhtml+xml"/>
<item href="_static/x.css" id="c" media-type="text/css"/></manifest>
<spine><itemref idref="p"/><itemref idref="g"/></spine></package>"""


@needs_chromium
def test_an_epub_holds_well_formed_pages_and_lists_what_it_holds(
    files, browser, tmp_path, monkeypatch
):
    monkeypatch.setattr(build_print, "PAGES", tmp_path)
    for folder in ("META-INF", "a", "_static", "_images"):
        (tmp_path / folder).mkdir()
    (tmp_path / "META-INF" / "container.xml").write_text("<container/>")
    (tmp_path / "content.opf").write_text(PACKAGE)
    assert build_print.order(tmp_path) == ["a/page.xhtml", "genindex.xhtml"]
    del files["a/other.xhtml"]
    build_print.set_formulas([*files.values()], browser)
    build_print.write_epub(files, tmp_path / "book.epub")
    with zipfile.ZipFile(tmp_path / "book.epub") as packed:
        first, *_ = packed.infolist()
        assert first.filename == "mimetype" and first.compress_type == zipfile.ZIP_STORED
        assert packed.read("mimetype") == b"application/epub+zip"
        page = packed.read("a/page.xhtml").decode()
        ElementTree.fromstring(page)
        assert "fewer &lt; &amp; more" in page and 'href="../print.css"' in page
        package = packed.read("content.opf").decode()
        assert "genindex" not in package and "_static" not in package
        assert 'properties="mathml svg"' in package
        assert {*packed.namelist()} == {
            "mimetype", "META-INF/container.xml", "content.opf", "a/page.xhtml", "print.css",
        }  # fmt: skip


@needs_chromium
def test_a_pdf_has_all_pages_and_what_is_too_wide_is_said(files, browser, tmp_path, monkeypatch):
    monkeypatch.setattr(build_print, "PAGES", tmp_path)
    build_print.set_formulas([*files.values()], browser)
    assert build_print.write_pdf(files, tmp_path / "book.pdf", browser) == []
    made = (tmp_path / "book.pdf").read_bytes()
    assert made.startswith(b"%PDF") and b"/Outlines" in made and b"/StructTreeRoot" in made
    wide = polish("<html><body><p style='width: 2000px'>wide</p></body></html>", {})
    (said,) = build_print.write_pdf({"w.xhtml": wide}, tmp_path / "wide.pdf", browser)
    assert said == "w--: P wide"
