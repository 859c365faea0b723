"""The extensions of the book, each on a small page that Sphinx builds."""

import base64
import io
import re
from pathlib import Path
from typing import get_args

import pytest
import reading_aids
from bs4 import BeautifulSoup
from docutils import nodes
from sphinx.application import Sphinx

from blindspots.book.ledger import CLAIMS, Proven, Verdict
from coursework import editions
from coursework.overview import MASTERS, overview

EXTENSIONS = Path(__file__).resolve().parent.parent / "book" / "extensions"
NAMES = [master.stem for master in sorted(MASTERS.glob("*.py"))]
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJg"
    "gg=="
)


@pytest.fixture
def build(tmp_path, monkeypatch):
    """Builds pages of MyST, by name, and returns them parsed; `complaints` has the warnings."""
    complaints = io.StringIO()
    monkeypatch.syspath_prepend(str(EXTENSIONS))

    def built(**pages):
        for name, text in pages.items():
            file = tmp_path / "source" / f"{name}.md"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        names = ["myst_nb", "claim_ledger", "graded_assignments", "reading_aids"]
        folders = [str(tmp_path / name) for name in ("source", "html", "doctrees")]
        app = Sphinx(
            folders[0],
            None,
            *folders[1:],
            "html",
            confoverrides={
                "extensions": names,
                "root_doc": next(iter(pages)),
                "nb_execution_mode": "off",
            },
            status=None,
            warning=complaints,
        )
        app.build()
        files = {name: tmp_path / "html" / f"{name}.html" for name in pages}
        return {
            name: BeautifulSoup(f.read_text("utf-8"), "html.parser") for name, f in files.items()
        }

    built.complaints = complaints.getvalue
    return built


def cells(row):
    return [cell.get_text(" ", strip=True) for cell in row.select("td")]


def test_a_ballot_has_every_statement_and_no_verdict(build):
    page = build(index="# Ballot\n\n```{ballot}\n```\n")["index"]
    claims = [claim for name, claim in CLAIMS.items() if not name.startswith("table-")]
    rows = page.select("tbody tr")
    assert len(rows) == len(claims) > 20
    straight = str.maketrans("’", "'")
    for number, (row, claim) in enumerate(zip(rows, claims, strict=True), start=1):
        assert cells(row)[0] == str(number) and cells(row)[2] == "☐ yes ☐ no"
        assert row.em.extract().get_text() == f"{claim.words} ({claim.source})"
        assert cells(row)[1].translate(straight) == claim.statement
    # The paper's own words, extracted above, have "does not hold" in them.
    verdicts = "|".join((*get_args(Verdict), *get_args(Proven), "theorem", "threshold"))
    assert not re.search(rf"\b({verdicts})\b", page.table.get_text())
    assert not page.select(".verdict")


def test_assignments_are_as_the_graders_know_them(build, tmp_path):
    pages = {f"chapters/{name}": f"# Chapter {name}\n" for name in NAMES}
    listed = "\n".join(reversed(NAMES))
    page = build(index=f"# Table\n\n```{{assignments}}\n{listed}\n```\n", **pages)["index"]
    rows = page.select("tbody tr")
    assert [row.a["href"] for row in rows] == [f"chapters/{name}.html" for name in reversed(NAMES)]
    for row, name in zip(rows, reversed(NAMES), strict=True):
        built = editions.build(editions.MASTERS / f"{name}.py", tmp_path)
        points = {True: 0.0, False: 0.0}
        for question in built.questions:
            points[question.rubric is None] += question.points
        what, numbers = cells(row)
        assert what.startswith(f"Chapter {name} ") and what.endswith(".")
        assert numbers == (
            f"{len(built.questions)} questions {points[True]:g} + {points[False]:g} points "
            f"{5 * sum(points.values()):g} minutes"
        )
    assert "estimated, at 5 for a point; nobody has measured them" in page.get_text()


def test_an_assignment_that_is_missing_from_the_table_is_named(build):
    build(index="# Table\n\n```{assignments}\nnetworks\nunheard_of\n```\n")
    assert re.search("attacks_compared, .*, unheard_of, .*: not an assignment", build.complaints())


def test_a_master_that_does_not_say_what_it_asks_is_refused(tmp_path):
    master = tmp_path / "one.py"
    master.write_text("# %% [markdown]\n# # One\n#\n# Nothing.\n\n# %%\n# You will see.\n")
    with pytest.raises(ValueError, match=r"one\.py: the first cell must say what is asked"):
        overview(master)


def test_figures_open_at_full_size(build, tmp_path):
    (tmp_path / "source" / "deep").mkdir(parents=True)
    (tmp_path / "source" / "deep" / "pixel.png").write_bytes(PIXEL)
    text = "# Deep\n\n```{figure} pixel.png\n:alt: A pixel\n\nCaption\n```\n"
    page = build(index="# Top\n\n```{toctree}\ndeep/page\n```\n", **{"deep/page": text})[
        "deep/page"
    ]
    link = page.select_one("figure a")
    assert link.img["alt"] == "A pixel" and link["href"] == link.img["src"]
    assert (tmp_path / "html" / "deep" / link["href"]).read_bytes() == PIXEL
    assert link["title"] == "Open this figure at full size"


NOTEBOOK = """---
file_format: mystnb
kernelspec: {name: python3, display_name: Python 3}
---

# Notebook

```{code-cell}
:tags: [hide-cell]
# On Colab, run this cell first. Where it is installed, it does nothing.
1
```

```{code-cell}
:tags: [hide-cell]
2
```

```{code-cell}
:tags: [hide-input]
import math
```
"""


def test_the_cell_that_installs_says_so(build):
    page = build(index=NOTEBOOK)["index"]
    shown = [fold.get_text() for fold in page.select("summary .collapsed")]
    assert shown == [
        "Show how to install on Colab",
        "Show the code",
        "Show the imports",
    ]


@pytest.mark.parametrize(
    ("mode", "output", "said"),
    [
        ("input", nodes.raw("", "<table><caption>Two</caption></table>"), "the code of this table"),
        ("output", nodes.raw("", "<table><caption>Two</caption></table>"), "the table: Two"),
        ("input", nodes.figure("", nodes.image()), "the code of this figure"),
        ("output", nodes.literal_block(text="2"), "the output"),
    ],
)
def test_folds_say_what_is_in_them(mode, output, said):
    cell = nodes.container("", nodes.literal_block(text="draw()"), output, hide_mode=mode)
    assert reading_aids.folded(cell) == said
