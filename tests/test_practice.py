"""Every practice exercise: its solution is right, its stub is met politely, typical errors are met
with the hint that is meant for them."""

import contextlib
import importlib.util
import io
import re
from pathlib import Path

import nbformat
import pytest
from bs4 import BeautifulSoup
from markdown_it import MarkdownIt

from blindspots.book import practice

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted((ROOT / "book" / "exercises").glob("*.ipynb"))
CHECK = re.compile(r'^check\("(\w+)", (\w+)\)$', re.M)
KIND = re.compile(r"^\*(\w[\w ,-]*), (easy|medium|hard), [\w ]+\.\*", re.M)


def answers(page: Path):
    """Of a page's exercises: `WRONG`, the typical errors, name -> [(code, part of the hint), ...],
    and `RIGHT`, name -> code that is right in another style than the solution."""
    file = Path(__file__).parent / "practice_answers" / f"{page.stem}.py"
    spec = importlib.util.spec_from_file_location(f"answers_{page.stem}", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def exercises(page: Path):
    """Of each checked exercise: its name, imports, stub and solution."""
    cells = nbformat.read(page, as_version=4).cells
    imports = "\n".join(
        c.source
        for c in cells
        if c.cell_type == "code" and "import" in c.source and "%pip" not in c.source
    )
    for i, cell in enumerate(cells):
        if cell.cell_type == "code" and (found := CHECK.search(cell.source)):
            text = "\n".join(c.source for c in cells[i + 1 :] if c.cell_type == "markdown")
            solution = re.search(r"~~~python\n(.*?)~~~", text.split("\n## ")[0], re.S)
            yield found[1], imports, cells[i - 1].source, solution and solution[1]


ALL = [(page, *parts) for page in PAGES for parts in exercises(page)]
NAMES = [f"{page.stem}-{name}" for page, name, *_ in ALL]


def said(name, answer):
    """What the check of an exercise prints."""
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        practice.check(name, answer)
    return printed.getvalue()


def said_of(name, *code):
    """The same, for the answer that the code defines."""
    space = {}
    for part in code:
        exec(part, space)
    return said(name, space[name])


@pytest.mark.parametrize(("page", "name", "imports", "stub", "solution"), ALL, ids=NAMES)
def test_solution_is_right(page, name, imports, stub, solution):
    assert solution, "there is no folded solution"
    assert said_of(name, imports, stub, solution) == "Right.\n"


@pytest.mark.parametrize(("page", "name", "imports", "stub", "solution"), ALL, ids=NAMES)
def test_stub_is_met_politely(page, name, imports, stub, solution):
    assert said_of(name, imports, stub).startswith("Not answered yet: ")


@pytest.mark.parametrize(("page", "name", "imports", "stub", "solution"), ALL, ids=NAMES)
def test_typical_errors_get_their_hints(page, name, imports, stub, solution):
    wrong = answers(page).WRONG[name]
    assert len({code for code, _ in wrong}) >= 3
    for code, hint in wrong:
        found = said_of(name, imports, stub, code)
        assert found.startswith("Not yet: ") and hint in found, f"{code}\n{found}"


@pytest.mark.parametrize(
    ("name", "imports", "code"),
    [
        (name, imports, answers(page).RIGHT[name])
        for page, name, imports, *_ in ALL
        if name in answers(page).RIGHT
    ],
)
def test_another_style_is_right(name, imports, code):
    assert said_of(name, imports, code) == "Right.\n"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_page_has_six_to_ten_exercises_of_all_kinds(page):
    text = "\n".join(
        c.source for c in nbformat.read(page, as_version=4).cells if c.cell_type == "markdown"
    )
    parts = text.split("\n## ")[1:]
    kinds = [KIND.search(part) for part in parts]
    assert 6 <= len(parts) <= 10 and all(kinds), "each needs its kind, difficulty and time"
    said = " ".join(kind[1].lower() for kind in kinds)
    assert all(kind in said for kind in ("predict", "implement", "explain", "open-ended"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_page_has_stubs_and_checks_only(page):
    """Anything else would have to be executed by the build, which leaves these pages out."""
    cells = nbformat.read(page, as_version=4).cells
    colab, imports, *rest = [cell.source for cell in cells if cell.cell_type == "code"]
    assert "%pip" in colab and "from blindspots.book.practice import check" in imports
    assert all(CHECK.search(after) for after in rest[1::2]) and len(rest) % 2 == 0
    assert not any(CHECK.search(stub) for stub in rest[::2])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_hints_and_solutions_are_folded_in_every_front_end(page):
    """By HTML that all of them know; a directive, which only the book knows, they show as text."""
    kinds = []
    for cell in nbformat.read(page, as_version=4).cells:
        if cell.cell_type != "markdown":
            continue
        assert "```{" not in cell.source
        shown = BeautifulSoup(MarkdownIt("commonmark").render(cell.source), "html.parser")
        for fold in shown.select("details"):
            assert not fold.has_attr("open")
            kinds.append(fold.find(recursive=False).extract().get_text())
            # What is read as Markdown is in elements of its own.
            assert not "".join(fold.find_all(string=True, recursive=False)).strip()
            fold.extract()
        assert not shown.select("code.language-python"), "a solution stands outside of a fold"
    assert set(kinds) <= {"Hint", "Hint 1", "Hint 2", "Solution", "What a good answer says"}
    checks = sum(page == other for other, *_ in ALL)
    assert kinds.count("Solution") >= checks and len(kinds) > checks


def test_every_check_belongs_to_an_exercise():
    registered = set(practice._checks()) - {"exercise_of_this_docstring"}
    assert registered == {name for _, name, *_ in ALL}


def test_what_pytorch_has_not_implemented_is_no_missing_answer():
    def answer(kernel, side, stride):
        raise NotImplementedError("only 3D")

    found = said("ring_convolution_matrix", answer)
    assert "your code ends in NotImplementedError: only 3D" in found


def test_code_that_fails_is_no_crash(monkeypatch):
    def answer(model):
        raise ZeroDivisionError("division by zero")

    monkeypatch.setitem(practice._CHECKS, "broken", lambda answer: answer(None))
    expected = "Not yet: your code ends in ZeroDivisionError: division by zero\n"
    assert said("broken", answer) == expected


def test_no_such_exercise():
    with pytest.raises(KeyError, match="there is no exercise 'unheard'"):
        practice.check("unheard", 3)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_pages_show_no_complaint_about_stubs(page):
    """Whoever only reads the page did not ask."""
    for cell in nbformat.read(page, as_version=4).cells:
        assert bool(CHECK.search(cell.source)) == ("remove-output" in cell.metadata.get("tags", []))
