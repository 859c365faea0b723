"""The built book in headless Chromium, with every other host cut off.

Needs the site and Chromium, so it runs only where BLINDSPOTS_SITE names the built site:
`make check-site`.
"""

import ast
import contextlib
import functools
import http.server
import json
import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from bs4 import BeautifulSoup
from playwright.sync_api import TimeoutError

import blindspots
from blindspots.book.ledger import CLAIMS, read_records
from coursework import editions, leaks

SITE = Path(os.environ.get("BLINDSPOTS_SITE", "")).resolve()
if "BLINDSPOTS_SITE" not in os.environ:
    pytest.skip("BLINDSPOTS_SITE names no built site", allow_module_level=True)
PAGES = sorted(
    path.relative_to(SITE).as_posix()
    for path in SITE.rglob("*.html")
    if not {"_static", "_modules", "genindex.html", "slides"} & set(path.relative_to(SITE).parts)
)
assert PAGES, f"there is no page in {SITE}: run make book first"
CHAPTERS = [page for page in PAGES if page.startswith("chapters/")]
EXERCISES = [page for page in PAGES if page.startswith("exercises/")]


@pytest.mark.parametrize("name", PAGES)
def test_each_page_names_its_version_and_each_notebook_its_editions(name):
    page = BeautifulSoup((SITE / name).read_text(encoding="utf-8"), "html.parser")
    footers = " ".join(footer.get_text() for footer in page.select("footer"))
    assert f"Version {blindspots.__version__}" in footers or name == "index.html"  # a redirect
    said = {
        link.get_text(): (SITE / name).parent / link["href"] for link in page.select(".editions a")
    }
    assert all(file.is_file() for file in said.values())
    wanted = {"a notebook"} if name.startswith(("chapters/", "exercises/", "attack_it")) else set()
    wanted |= {"slides"} if name in CHAPTERS else set()
    assert wanted <= said.keys()


def test_the_ledger_is_there_as_data():
    ledger = json.loads((SITE / "ledger.json").read_text(encoding="utf-8"))
    assert [*ledger["claims"]] == [*CLAIMS] and ledger["version"] == blindspots.__version__
    page = BeautifulSoup((SITE / "ledger.html").read_text(encoding="utf-8"), "html.parser")
    for name, row in ledger["claims"].items():
        shown = page.select_one(f"#row-{name} .verdict")
        assert shown is not None and shown.get_text() == row["verdict"]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None: ...

    handler = functools.partial(Quiet, directory=str(SITE))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.fixture
def visit(browser, address):
    """Opens a page and returns it with the list that collects its complaints."""
    contexts = []

    def open_page(name, *, scheme="light", width=1300, base=None):
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        contexts.append(context)
        page, complaints, start = context.new_page(), [], base or address

        def notice(request):
            if not request.url.startswith((start, "data:", "blob:")):
                complaints.append(f"asks for {request.url}")

        def hear(message):
            # A redirecting index.html names no icon, so the browser tries its own guess.
            if message.type == "error" and "favicon.ico" not in message.location["url"]:
                complaints.append(message.text)

        page.on("request", notice)
        page.on("requestfailed", lambda r: complaints.append(f"cannot load {r.url}"))
        page.on("pageerror", lambda error: complaints.append(f"script error {error}"))
        page.on("console", hear)
        page.goto(start + name)  # on a slow machine the network may idle before all is parsed
        page.wait_for_load_state("networkidle")
        return page, complaints

    yield open_page
    for context in contexts:
        context.close()


@pytest.mark.parametrize("name", PAGES)
def test_page(visit, name):
    page, complaints = visit(name, width=360)
    page.wait_for_function("() => !document.querySelector('.math:not(:has(mjx-container))')")
    assert page.locator("mjx-merror").count() == 0
    assert page.locator("article summary[aria-label]").count() == 0  # names are what is shown
    for width in (360, 1300):  # formulas take long to set, so once for both
        page.set_viewport_size({"width": width, "height": 900})
        assert defects(page) == {}, width
    # The theme lets the keyboard scroll what is wider than the page, 0.3 s after a new width.
    page.wait_for_timeout(600)
    page.wait_for_function(
        "() => [...document.querySelectorAll('pre[tabindex]')]"
        ".every(e => e.tabIndex === 0 || e.scrollWidth <= e.clientWidth)"
    )
    assert complaints == []
    for scheme, rules in (("light", None), ("dark", ["color-contrast"])):
        page.emulate_media(color_scheme=scheme)
        page.wait_for_function("(to) => document.documentElement.dataset.theme === to", arg=scheme)
        page.wait_for_function("() => document.getAnimations().length === 0")  # of the colours
        assert defects(page) == {}, scheme
        found = Axe().run(page, options={"runOnly": rules} if rules else None)
        assert found.violations_count == 0, found.generate_report()


def defects(page):
    """What a reader would see go wrong at this width, by kind."""
    wide = page.evaluate("document.scrollingElement.scrollWidth - innerWidth")
    outside = page.eval_on_selector_all(
        "article :is(.blindspots-scroll, table, figure, .math, .jupyter-widgets)"
        ":not(.blindspots-scroll > table)",
        "all => all.filter(e => e.checkVisibility() && "
        "e.getBoundingClientRect().right > innerWidth + 1).map(e => e.textContent.slice(0, 40))",
    )
    clipped = page.eval_on_selector_all(
        "article div.math, article div.math mjx-container",
        "all => all.filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.textContent)",
    )
    # Below this width, what scrolls in a box has a shadow.
    silent = page.eval_on_selector_all(
        "article *:not(mjx-container *, .jupyter-widgets *)",
        "all => all.filter(e => innerWidth <= 960 && e.checkVisibility() && "
        "e.scrollWidth > e.clientWidth + 1 && "
        "['auto', 'scroll'].includes(getComputedStyle(e).overflowX) && "
        "!getComputedStyle(e).backgroundAttachment.includes('local'))"
        ".map(e => e.className + ' ' + e.textContent.slice(0, 40))",
    )
    wrapped = page.eval_on_selector_all(
        "article pre", "all => all.filter(e => getComputedStyle(e).whiteSpace !== 'pre').length"
    )
    cut = page.eval_on_selector_all(
        "article .blindspots-scroll caption",
        "all => all.filter(e => e.getBoundingClientRect().right > "
        "e.closest('.blindspots-scroll').getBoundingClientRect().right + 1)"
        ".map(e => e.textContent)",
    )
    parted = page.eval_on_selector_all(
        "article .verdict", "all => all.filter(e => e.getClientRects().length > 1).length"
    )
    broken = page.eval_on_selector_all(
        "article img", "all => all.filter(e => e.complete && !e.naturalWidth).map(e => e.src)"
    )
    found = {
        "pixels to scroll sideways": max(wide, 0),
        "wider than the screen": outside,
        "formula wider than the screen": clipped,
        "scrolls without a cue": silent,
        "blocks of wrapped code": wrapped,
        "caption cut off": cut,
        "verdicts on two lines": parted,
        "image not shown": broken,
    }
    return {kind: what for kind, what in found.items() if what}


def test_chapters_have_formulas():
    assert sum('class="math' in (SITE / page).read_text() for page in CHAPTERS) >= 2


def test_no_graded_solution_is_in_the_site_or_on_a_slide(tmp_path):
    read = {".html", ".ipynb", ".md", ".txt"}
    files = [file for file in SITE.rglob("*") if file.suffix in read]
    files.append(SITE / "searchindex.js")
    built = [editions.build(master, tmp_path) for master in editions.masters()]
    secret = set().union(*(leaks.secret_lines(tmp_path, assignment) for assignment in built))
    for file in files:
        assert leaks.leaked(secret, file) == [], file


@pytest.mark.parametrize("name", CHAPTERS + EXERCISES)
def test_a_notebook_can_be_launched_and_downloaded(name):
    page = BeautifulSoup((SITE / name).read_text(), "html.parser")
    links = [link["href"] for link in page.select("a[href]")]
    notebook = f"{name.removesuffix('.html')}.ipynb"  # of the notebook edition, in its own branch
    assert any(
        "colab.research.google.com" in x and x.endswith(f"notebooks/{notebook}") for x in links
    )
    assert any(
        "mybinder.org" in x and x.endswith(f"notebooks?urlpath=lab/tree/{notebook}") for x in links
    )
    (download,) = {x for x in links if x.endswith(".ipynb") and "_sources/" in x}
    assert (SITE / name).parent.joinpath(download).is_file()
    words = page.select_one("article details.hide > summary").get_text().strip().split("\n")
    assert words[0] == "Show how to install on Colab"


@pytest.mark.parametrize("name", EXERCISES)
def test_hints_and_solutions_open_by_mouse_and_by_keyboard(visit, name):
    page, complaints = visit(name)
    folds = page.locator("article details:not([class])")
    assert folds.count() >= 6
    hidden = "e => [...e.children].slice(1).every(child => !child.checkVisibility())"
    assert all(fold.evaluate(hidden) for fold in folds.all())
    code = page.locator("article .highlight-python:not(.cell_input *)")
    assert not any(block.is_visible() for block in code.all())
    for fold in folds.all():
        fold.locator("summary").click()
        assert not fold.evaluate(hidden)
        fold.locator("summary").press("Enter")
        assert fold.evaluate(hidden)
        fold.locator("summary").press("Enter")
    assert all(block.is_visible() for block in code.all()) and complaints == []


@pytest.mark.parametrize("name", ["intro.html", *CHAPTERS])
def test_figures_open_at_full_size_by_mouse_and_by_keyboard(visit, name):
    page, complaints = visit(name)
    links = page.locator("article figure:has(img) a.full-size")
    assert links.count() == page.locator("article figure img").count() > 0
    for link in links.all():
        address = link.evaluate("e => e.href")
        assert address == link.locator("img").evaluate("e => e.src")
        assert link.locator("img").get_attribute("alt").strip()
    links.first.focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/_images/*")
    if page.url.endswith(".svg"):  # the page is the picture, of any size without loss
        assert page.evaluate("document.documentElement.viewBox.baseVal.width") > 300
    else:
        assert page.locator("img").evaluate("e => e.naturalWidth") > 500
    assert complaints == []


def test_slides_and_figures_can_be_downloaded(visit):
    page, _ = visit("teaching.html")
    decks = page.eval_on_selector_all("article a[href^='slides/']", "all => all.map(e => e.href)")
    assert len(set(decks)) == len(CHAPTERS) + 2  # the lecture, and the list of them all
    page.click("text=Slides and figures to download")
    files = page.eval_on_selector_all("a[download]", "all => all.map(e => e.href)")
    assert len(files) > len(CHAPTERS) / 2
    assert all(page.request.get(address).ok for address in {*decks, *files})
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


@pytest.mark.parametrize("chapter", ["finding_blind_spots", "units_and_directions"])
@pytest.mark.parametrize("protocol", ["http", "file"])
def test_flipbook_turns_its_pages_by_keyboard(visit, protocol, chapter):
    base = SITE.as_uri() + "/" if protocol == "file" else None
    page, complaints = visit(f"chapters/{chapter}.html", base=base)
    handle = page.locator(".jupyter-widgets [role=slider]").first
    handle.wait_for(timeout=20_000)
    picture = page.locator(".jupyter-widgets img:visible")
    seen = {picture.get_attribute("alt")}
    assert handle.get_attribute("aria-label") in ("penalty", "turn by α")
    handle.focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowRight", "End"):
        page.keyboard.press(key)
        page.wait_for_timeout(200)
        seen.add(picture.get_attribute("alt"))
        beside = page.locator(".jupyter-widgets .widget-html p").first.inner_text()
        assert handle.get_attribute("aria-valuetext") == beside
    assert len(seen) == 5 and complaints == []
    right = "e => e.getBoundingClientRect().right"
    box = page.locator(".jupyter-widgets.widget-vbox").first
    assert handle.evaluate(right) <= box.evaluate(right)


# From FC10(1), shown to the twin; at an edge a key leads nowhere.
WAY = [
    ("ArrowDown", "FC100-100-10", "twin"),
    ("ArrowUp", "FC10(1)", "twin"),
    ("End", "FC10(1)", "nearest neighbours"),
    ("ArrowRight", "FC10(1)", "nearest neighbours"),
    ("Home", "FC10(1)", "FC10(1e-4)"),
    ("ArrowLeft", "FC10(1)", "FC10(1e-4)"),
    ("Control+End", "convnet", "nearest neighbours"),
    ("ArrowDown", "convnet", "nearest neighbours"),
    ("Control+Home", "FC10(1e-4)", "FC10(1e-4)"),
    ("ArrowUp", "FC10(1e-4)", "FC10(1e-4)"),
]


@pytest.mark.parametrize("protocol", ["http", "file"])
def test_cells_of_a_matrix_show_their_images(visit, protocol):
    base = SITE.as_uri() + "/" if protocol == "file" else None
    page, complaints = visit("chapters/transfer_hyperparameters.html", base=base)

    def heads():
        return [p.inner_text() for p in page.locator(".mb-panel:visible b").all()]

    assert heads() == ["Made for FC10(1e-2), shown to FC10(1e-4):"]
    cell = page.locator("input[aria-label^='Made for FC10(1), shown to convnet:'] + label")
    cell.click()  # a tap
    assert heads()[0] == "Made for FC10(1), shown to convnet:"
    picture = page.locator(".mb-panel:visible i").first
    assert picture.bounding_box()["width"] == 56
    assert "data:image/png" in picture.evaluate("e => getComputedStyle(e).backgroundImage")
    page.mouse.move(0, 0)
    page.keyboard.press("ArrowRight")
    assert heads() == ["Made for FC10(1), shown to twin:"]
    for key, source, receiver in WAY:
        page.keyboard.press(key)
        assert heads() == [f"Made for {source}, shown to {receiver}:"], key
    page.locator("input[aria-label^='Made for convnet, shown to FC10(1):'] + label").hover()
    assert "Made for convnet, shown to FC10(1):" in heads()
    assert complaints == []


WANTED = {
    "Table 1": {"chapters/networks.html", "chapters/finding_blind_spots.html"},
    "Table 2": {"chapters/transfer_hyperparameters.html"},
    "Table 3": {"chapters/transfer_training_sets.html"},
    "table 4": {"chapters/transfer_training_sets.html"},
    "Table 5": {"chapters/spectral_bounds.html"},
    "section 4.3": {"chapters/spectral_bounds.html"},
    "adversarial training": {"chapters/training_on_blind_spots.html"},
    "weight decay": {"glossary.html", "chapters/networks.html"},
    "PGD": {"chapters/training_on_blind_spots.html"},
    "certified radius": {"chapters/spectral_bounds.html"},
    "yardstick": {"glossary.html"},
    "lbfgs_attack": {"api/attacks.html"},
}


def results(page):
    """Pages found, the best first, and the excerpts beside them."""
    page.wait_for_selector("#search-results li a")
    page.wait_for_load_state("networkidle")
    found = page.eval_on_selector_all(
        "#search-results li a", "all => all.map(e => e.getAttribute('href').split('#')[0])"
    )
    return found, page.locator("#search-results p.context").all_inner_texts()


@pytest.mark.parametrize("query", WANTED)
def test_search_puts_first_what_a_reader_wants(visit, query):
    page, complaints = visit(f"search.html?q={query.replace(' ', '+')}")
    found, excerpts = results(page)
    assert found[0] in WANTED[query] and complaints == []
    assert len(excerpts) >= 2
    for excerpt in excerpts:
        assert not re.search(r"^(from|import) \w|\bimport |Contents|Show code|\\\(", excerpt)


def test_search_by_keyboard_from_a_chapter(visit):
    page, _ = visit("chapters/networks.html")
    page.wait_for_load_state("load")
    field = page.locator("dialog[open] input[type=search]")
    for _ in range(3):  # on a busy machine the page may not listen yet
        page.keyboard.press("Control+k")
        with contextlib.suppress(TimeoutError):
            field.wait_for(timeout=10_000)
            break
    page.keyboard.type("Table 2")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search.html?q=Table+2", wait_until="commit")
    assert results(page)[0][0] == "chapters/transfer_hyperparameters.html"


def test_search_without_a_server_finds_the_same(visit):
    page, _ = visit("search.html?q=Table+2", base=SITE.as_uri() + "/")
    page.wait_for_selector("#search-results li a")
    first = page.locator("#search-results li a").first.get_attribute("href")
    assert first == "chapters/transfer_hyperparameters.html"


def test_places_of_the_old_reference_lead_on(visit):
    """It was one page; its places are now entries of the overview."""
    page, _ = visit("api.html#blindspots.attack.lbfgs.lbfgs_attack")
    page.locator("[id='blindspots.attack.lbfgs.lbfgs_attack']").click()
    page.wait_for_url("**/api/attacks.html#blindspots.attack.lbfgs.lbfgs_attack")
    described = page.locator("dt[id='blindspots.attack.lbfgs.lbfgs_attack'] + dd")
    used = described.locator("dl.field-list").last.locator("dd").last
    assert "Finding blind spots" in used.inner_text()


def test_words_lead_to_the_glossary_quietly(visit):
    page, _ = visit("chapters/spectral_bounds.html")
    word = page.locator("a.glossary-link", has_text="operator norm").first
    assert word.evaluate("e => getComputedStyle(e).textDecorationStyle") == "dotted"
    assert word.get_attribute("title").startswith("The most that a linear layer stretches")
    word.click()
    page.wait_for_url("**/glossary.html#term-operator-norm")


def test_sources_are_named_by_author_and_year(visit):
    page, _ = visit("bibliography.html")
    labels = page.locator("div.citation > span.label").all_inner_texts()
    assert len(labels) > 30
    assert all(re.fullmatch(r"\D+, (19|20)\d\d", label.strip("[]")) for label in labels)
    links = page.eval_on_selector_all("div.citation p a", "all => all.map(e => e.href)")
    assert "https://arxiv.org/abs/1312.6199v4" in links
    assert "https://doi.org/10.23915/distill.00019" in links
    for chapter in CHAPTERS:
        text = (SITE / chapter).read_text(encoding="utf-8")
        assert not re.search(r">\[?[A-Z]\w*\+?\d\d\]?</span>", text), chapter


def test_ledger_prints_what_the_rules_give_and_leads_to_the_evidence(visit):
    glued = {}
    for file in (SITE.parent / "jupyter_execute").rglob("*.glue.json"):
        values = json.loads(file.read_text(encoding="utf-8"))
        glued[file.name.removesuffix(".glue.json")] = {
            key: ast.literal_eval(value["data"]["text/plain"]) for key, value in values.items()
        }
    verdicts = {name: evidence.verdict for name, (_, evidence) in read_records(glued).items()}
    page, _ = visit("ledger.html")
    visited = {}
    for name, verdict in verdicts.items():
        row = page.locator(f"#row-{name}")
        assert row.locator(".verdict").inner_text() == verdict
        address = row.locator("a.reference:not(.headerlink)").last.evaluate("link => link.href")
        chapter, anchor = address.rsplit("#", 1)
        if chapter not in visited:
            visited[chapter], _ = visit(chapter.split("/", 3)[3])
        note = visited[chapter].locator(f"#{anchor}")
        assert note.locator(".verdict").inner_text() == verdict
        back = note.locator("a").evaluate("link => link.href")
        assert back.endswith(f"ledger.html#row-{name}")


@pytest.mark.parametrize("name", ["intro.html", "ledger.html"])
def test_front_page_and_ledger_list_all_verdicts(visit, name):
    page, _ = visit(name)
    rows = page.locator("table", has=page.locator(".verdict")).locator("tbody tr")
    assert rows.count() == len(CLAIMS)
    for row, claim in zip(rows.all(), CLAIMS.values(), strict=True):
        assert claim.title in row.inner_text() and row.locator(".verdict").count() == 1
