"""Which chapters use a function is read from their code; the overview leads to every page."""

import ast
import json
from pathlib import Path

import pytest
import yaml
from docutils import nodes
from docutils.utils import new_document
from sphinx import addnodes

from book.extensions import api_pages

BOOK = Path(__file__).resolve().parent.parent / "book"
PAGES = sorted((BOOK / "api").glob("*.md"))


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("from blindspots import fit", {"blindspots.training.fit"}),
        ("from blindspots import fit as learn", {"blindspots.training.fit"}),
        ("from blindspots.training import fit", {"blindspots.training.fit"}),
        ("def f():\n    from blindspots import fit", {"blindspots.training.fit"}),
        ("from blindspots.book.paper import TABLE_1", {"blindspots.book.paper.TABLE_1"}),
        (
            "from blindspots.book import figures as draw\ndraw.table([])",
            {"blindspots.book.figures.table"},
        ),
        ("from blindspots.book import figures", set()),
        ("from torch import nn\nnn.Linear(1, 1)\nfit = 3", set()),
    ],
)
def test_what_code_uses_is_named_in_full(code, names):
    assert api_pages.used(ast.parse(code)) == names


def test_magics_and_text_are_no_code(tmp_path):
    cells = [
        {"cell_type": "code", "source": ["%matplotlib inline\n", "x = 1"]},
        {"cell_type": "markdown", "source": ["from blindspots import fit"]},
    ]
    (tmp_path / "a.ipynb").write_text(json.dumps({"cells": cells}))
    assert ast.unparse(api_pages.read_code(tmp_path / "a.ipynb")) == "pass\nx = 1"


def test_chapters_come_in_the_order_of_the_book():
    found = api_pages.chapters(BOOK / "_toc.yml")
    assert found[0] == "chapters/networks" and len(found) == 10
    assert {Path(name).name for name in found} == {p.stem for p in BOOK.glob("chapters/*.ipynb")}


def test_every_chapter_uses_the_package():
    for chapter in api_pages.chapters(BOOK / "_toc.yml"):
        names = api_pages.used(api_pages.read_code(BOOK / f"{chapter}.ipynb"))
        assert len(names) >= 3, chapter


EXAMPLE = ["Do it.", "", ">>> a", ">>> b", "1"]


@pytest.mark.parametrize(
    "lines",
    [
        ["Do it.", "", ">>> a", ":rtype: int", "", ">>> b", "1"],
        ["Do it.", "", ">>> a", ":rtype: int", ">>> b", "1"],
        [*EXAMPLE, "", ":rtype: int"],
        ["Do it.", "", ":rtype: int", "", ">>> a", ">>> b", "1"],
    ],
)
def test_a_type_is_taken_out_of_an_example(lines):
    api_pages.put_types_before_examples(None, "function", "f", None, {}, lines)
    assert lines[:4] == ["Do it.", "", ":rtype: int", ""]
    assert [line for line in lines if line][2:] == EXAMPLE[2:]
    begin = lines.index(">>> a")
    assert lines[begin : begin + 3] == [">>> a", ">>> b", "1"]


@pytest.mark.parametrize("lines", [EXAMPLE, ["Do it.", "", ":rtype: int"], ["Do it."]])
def test_what_has_no_type_in_an_example_stays(lines):
    before = list(lines)
    api_pages.put_types_before_examples(None, "function", "f", None, {}, lines)
    assert lines == before


class Reading:
    """As much of Sphinx as a description meets."""

    def __init__(self):
        self.api_users = {"chapters/one": {"package.f", "package.C"}, "chapters/two": {"package.f"}}
        self.env, self.noted = self, set()

    def doc2path(self, name):
        return f"{name}.ipynb"

    def note_dependency(self, name):
        self.noted.add(name)


@pytest.mark.parametrize(
    ("what", "name", "said"),
    [
        ("function", "package.f", [":Used in: :doc:`/chapters/one`, :doc:`/chapters/two`"]),
        ("class", "package.C", [":Used in: :doc:`/chapters/one`"]),
        ("data", "package.g", [":Used in: no chapter; other functions need it"]),
        ("method", "package.C.m", []),
        ("module", "package", []),
    ],
)
def test_descriptions_say_where_their_object_is_used(what, name, said):
    reading, lines = Reading(), ["Do it."]
    api_pages.say_where_used(reading, what, name, None, {}, lines)
    assert [line for line in lines[1:] if line] == said
    assert reading.noted == ({"chapters/one.ipynb", "chapters/two.ipynb"} if said else set())


def description(objtype, *names, text="Do it. Then rest."):
    made = addnodes.desc(objtype=objtype)
    made += addnodes.desc_signature("", ids=[names[0]])
    made += addnodes.desc_content("", nodes.paragraph("", text))
    for name in names[1:]:
        made[-1] += description("method", name)
    return made


def test_members_stand_with_their_class_and_only_the_first_sentence_is_said():
    page = new_document("page")
    page += [description("class", "p.C", "p.C.m", "p.C.n"), description("function", "p.f")]
    assert list(api_pages.described(page)) == [
        (["p.C", "p.C.m", "p.C.n"], "Do it."),
        (["p.f"], "Do it."),
    ]


def test_all_pages_are_below_the_overview():
    toc = yaml.safe_load((BOOK / "_toc.yml").read_text(encoding="utf-8"))
    (reference,) = [
        chapter for part in toc["parts"] for chapter in part["chapters"] if chapter["file"] == "api"
    ]
    assert sorted(s["file"] for s in reference["sections"]) == [f"api/{p.stem}" for p in PAGES]
