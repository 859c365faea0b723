"""The teaching guide: nothing in it is missing, misnamed or badly added up."""

import re
from pathlib import Path

import nbformat
import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
BOOK = ROOT / "book"
GUIDE = (BOOK / "teaching.md").read_text(encoding="utf-8")
LINKS = re.findall(r"\[([^\]]*)\]\(([^)]*)\)", GUIDE)
TABLES = re.findall(r"(?:^\|.*\n)+", GUIDE, re.M)


def text_of(notebook):
    cells = nbformat.read(BOOK / notebook, as_version=4).cells
    return "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


def rows(table):
    lines = [line.strip("|").split("|") for line in table.splitlines()]
    return [[cell.strip() for cell in line] for line in lines]


TIMED = [rows(t) for t in TABLES if t.startswith(("| Minutes |", "| Weeks |"))]
CHAPTERS = [
    entry["file"]
    for entry in yaml.safe_load((BOOK / "_toc.yml").read_text())["parts"][0]["chapters"]
    if entry["file"].startswith("chapters/")
]


@pytest.mark.parametrize("table", TIMED, ids=lambda table: table[2][1][:30])
def test_times_add_up(table):
    *parts, total = table[2:]
    assert total[:2] == [f"**{sum(int(row[0]) for row in parts)}**", "**together**"]


def test_routes_have_their_length():
    def totals(section):
        route = GUIDE.split(f"\n## {section}\n")[1].split("\n## ")[0]
        return [int(n) for n in re.findall(r"^\| \*\*(\d+)\*\* \| \*\*together", route, re.M)]

    assert totals("One lecture of 90 minutes") == [90]
    assert totals("Two weeks").count(75) == 4
    assert totals("A project") == [8]
    assert len(re.findall("^### ", GUIDE.split("\n## A project\n")[1].split("\n## ")[0], re.M)) == 4


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_chapter_has_questions_and_pitfalls(chapter):
    title = text_of(f"{chapter}.ipynb").splitlines()[0].removeprefix("# ")
    section = GUIDE.split(f"\n### {title}\n")[1].split("\n### ")[0]
    assert f"({chapter}.ipynb)" in section and f"{{minutes}}`{chapter}`" in section
    asked, wrong = section.split("What goes wrong:")
    questions = re.findall("^- .*", asked, re.M)
    assert 3 <= len(questions) <= 5
    assert 3 <= len(re.findall("^- ", wrong, re.M)) <= 5


@pytest.mark.parametrize(("words", "address"), LINKS)
def test_link_leads_to_what_it_says(words, address):
    assert (BOOK / address).is_file()
    if address.endswith(".ipynb") and words not in ("", "The chapter", "practice"):
        assert f"\n## {words}\n" in text_of(address)


def test_figures_exist():
    named = set()
    for chapter in CHAPTERS:
        for cell in nbformat.read(BOOK / f"{chapter}.ipynb", as_version=4).cells:
            named.add(cell.metadata.get("mystnb", {}).get("figure", {}).get("name"))
    assert set(re.findall(r"\{numref\}`(.*?)`", GUIDE)) <= named


def test_exercises_take_as_long_as_their_pages_say():
    found = 0
    for table in TIMED:
        for minutes, what, *_ in table[2:-1]:
            for title, page in re.findall(r"\[(.*?)\]\((exercises/.*?)\)", what):
                heading = text_of(page).split(f"\n## {title}\n")[1]
                assert f", {minutes} minutes.*" in heading.split("\n## ")[0], title
                found += 1
    assert found >= 12


def test_no_measured_number_is_typed():
    """Percentages, seconds and decimals come from a build."""
    assert not re.search(r"\d ?%|\d seconds|\b0\.\d", GUIDE)


def test_tables_fit_a_phone():
    for table in TABLES:
        for row in rows(table)[2:]:
            assert len(row) <= 3 and max(map(len, " ".join(row).split())) <= 60, row


def test_commands_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    commands = set(re.findall(r"`make ([\w-]+)", GUIDE))
    for command in commands:
        assert re.search(rf"^(\S+ )*{command}( \S+)*:", makefile, re.M), command
