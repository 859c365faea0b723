"""What nbval compares, compared in chapters that the book's build has executed already.

Those that it has not, nbval executes.
"""

import json
from pathlib import Path

import pytest

from tools.build_book import is_current
from tools.executed import EXECUTED

ROOT = Path(__file__).resolve().parent.parent


def compared():
    """Cells whose outputs are kept in the source for comparison."""
    for file in sorted((ROOT / "book" / "chapters").glob("*.ipynb")):
        if not is_current(f"chapters/{file.stem}"):
            continue
        cells = json.loads(file.read_text(encoding="utf-8"))["cells"]
        for number, cell in enumerate(cells):
            if "nbval-check-output" in cell["metadata"].get("tags", []):
                yield pytest.param(file.name, number, cell, id=f"{file.stem}-{number}")


def texts(cell):
    """What a cell prints and returns, as text."""
    found = [output.get("text") or output["data"]["text/plain"] for output in cell["outputs"]]
    return ["".join(text) for text in found]


@pytest.mark.parametrize(("name", "number", "source"), [*compared()])
def test_the_book_prints_what_the_chapter_keeps(name, number, source):
    executed = EXECUTED / "chapters" / name
    cells = json.loads(executed.read_text(encoding="utf-8"))["cells"]
    assert "".join(cells[number]["source"]) == "".join(source["source"])
    assert texts(source) and texts(cells[number]) == texts(source)
