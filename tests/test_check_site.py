import pytest

from tools import check_site

FIGURE = (
    '<div class="cell_output"><figure><img src="a.png" alt="A digit.">'
    "<figcaption>Caption</figcaption></figure></div>"
)
WORD = '<a class="glossary-link" href="../glossary.html#term-box">box</a>'
GLOSSARY = (
    '<dl class="glossary"><dt id="term-box">box</dt><dt id="term-cube">cube</dt><dd>All.</dd>'
    '<dt id="term-multiplier">multiplier</dt><dd>A price.</dd></dl>'
)


@pytest.fixture
def site(tmp_path):
    """A sound site of three pages, and its table of contents."""
    folder = tmp_path / "html"
    (folder / "chapters").mkdir(parents=True)
    (folder / "chapters" / "a.png").write_bytes(b"")
    write(folder, "index.html", '<article><a href="chapters/one.html#place">one</a></article>')
    write(
        folder, "chapters/one.html", f'<article></p><h1 id="place">One</h1>{FIGURE}{WORD}</article>'
    )
    write(folder, "glossary.html", GLOSSARY)
    toc = tmp_path / "_toc.yml"
    toc.write_text("root: index\nparts:\n  - chapters:\n      - file: chapters/one\n")
    return folder, toc


def write(folder, name, body):
    (folder / name).write_text(f"<html><head></head><body>{body}</body></html>")


def test_a_sound_site_has_no_defects(site):
    assert check_site.defects(*site) == []


@pytest.mark.parametrize(
    ("body", "defect"),
    [
        ('<a href="nowhere.html">x</a>', "link to nowhere.html, which does not exist"),
        ('<a href="one.html#lost">x</a>', "link to one.html#lost, where there is no such place"),
        ('<a href="#lost">x</a>', "link to #lost, where there is no such place"),
        ('<script src="https://cdn.example/a.js"></script>', "loads https://cdn.example/a.js"),
        ('<script src="//cdn.example/a.js"></script>', "loads //cdn.example/a.js"),
        ('<link rel="stylesheet" href="http://x.example/a.css">', "loads http://x.example/a.css"),
        ('<img src="https://x.example/a.png" alt="A">', "loads https://x.example/a.png"),
        (FIGURE.replace("A digit.", ""), "picture a.png has no description"),
        (FIGURE.replace("A digit.", "../_images/a.png"), "picture a.png has no description"),
        (FIGURE.replace("figcaption", "p"), "picture a.png has no caption"),
        ("<p>error of {glue:text}`x` %</p>", "unprocessed markup {glue:"),
    ],
)
def test_every_defect_is_found(site, body, defect):
    folder, toc = site
    write(
        folder, "chapters/one.html", f'<article></p><h1 id="place">One</h1>{body}{WORD}</article>'
    )
    assert f"chapters/one.html: {defect}" in check_site.defects(folder, toc)


def test_missing_page_and_remote_font(site):
    folder, toc = site
    (folder / "chapters" / "one.html").unlink()
    (folder / "style.css").write_text("@font-face { src: url('https://fonts.example/a.woff') }")
    found = check_site.defects(folder, toc)
    assert "chapters/one: in the table of contents but not built" in found
    assert "style.css: loads https://fonts.example/a.woff" in found


def test_words_that_no_chapter_links_and_chapters_that_link_none(site):
    folder, toc = site
    write(folder, "glossary.html", GLOSSARY.replace("</dl>", '<dt id="term-unit">unit</dt></dl>'))
    assert check_site.defects(folder, toc) == ["glossary.html: no chapter links to term-unit"]
    write(folder, "chapters/one.html", '<article><h1 id="place">One</h1></article>')
    assert "chapters/one.html: no word is linked to the glossary" in check_site.defects(*site)
    assert "glossary.html: no chapter links to term-box" in check_site.defects(*site)
