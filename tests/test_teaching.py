"""The teaching guide: nothing in it is missing, misnamed or badly added up."""

import re
import sys
from pathlib import Path

import nbformat
import otter
import pytest
import yaml

from coursework.overview import MASTERS, READING, overview

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

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


README, COURSEWORK = (
    (ROOT / place / "README.md").read_text(encoding="utf-8") for place in ("", "coursework")
)


def test_what_a_class_costs_is_said_alike_everywhere():
    hours = [overview(master).reading(30) / 60 for master in MASTERS.glob("*.py")]
    reading = f"for a class of thirty, {min(hours):g} to {max(hours):g} hours an assignment"
    for text in (GUIDE, COURSEWORK):
        assert "about ten seconds" in text and "two" in text  # 30 of them: 2.5 minutes
        assert "class of thirty takes about three minutes" in text
        assert "about a minute for each point by hand and student" in text and reading in text
    assert "class of thirty takes about three minutes" in README
    assert READING == 1


def test_how_long_the_book_builds_is_said_alike():
    said = [
        re.findall(r"\d+ to \d+ minutes on the digits, \d+ to \d+ on MNIST", t)
        for t in (README, GUIDE)
    ]
    assert said[0] == said[1] and len(said[0]) == 1


def test_what_a_class_installs_is_said_in_full():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    command = f'pip install "blindspots[teach] @ git+{project["urls"]["Repository"]}"'
    assert command in GUIDE and command in COURSEWORK
    assert "8 GB of disk" in README and "8 GB of disk" in GUIDE


def test_votes_are_taken_where_no_verdict_is_printed():
    votes = [row for table in TIMED for row in table if re.search("(?i)vote on|class vote", row[1])]
    assert [row[2] for row in votes] == ["[the ballot](ballot.md)"] * 2


def test_assignments_that_go_out_are_named():
    named = [
        re.search(r"assignment \*(.+)\*", row[1]) for t in TIMED for row in t if "out" in row[1]
    ]
    titles = {text_of(f"{c}.ipynb").splitlines()[0].removeprefix("# ") for c in CHAPTERS}
    assert [name[1] for name in named if name] == ["Finding blind spots", "Rare, or dense?"]
    assert {name[1] for name in named if name} <= titles


def test_assignments_do_not_run_in_colab_as_the_guide_says(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("otter.check.utils.get_ipython", lambda: "<google.colab._shell.Shell>")
    with pytest.raises(ValueError, match=r"Tests directory .* does not exist"):
        otter.Notebook("networks.ipynb")
    assert "Otter, which makes the checks, wants a folder of tests on Colab" in GUIDE


def test_slides_are_linked_under_the_names_of_the_chapters():
    decks = set(re.findall(r'href="slides/(.*?)\.html"', GUIDE))
    assert decks == {"index", "lecture", *(c.removeprefix("chapters/") for c in CHAPTERS)}
