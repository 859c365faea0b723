"""What nbval compares, compared in the book that was built: its chapters need not run twice.

`BLINDSPOTS_EXECUTED` names the folder of executed chapters of a digits book.
"""

import json
import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
if "BLINDSPOTS_EXECUTED" not in os.environ:
    pytest.skip("BLINDSPOTS_EXECUTED names no executed chapters", allow_module_level=True)
EXECUTED = Path(os.environ["BLINDSPOTS_EXECUTED"]).resolve()


def compared():
    """Cells whose outputs are kept in the source for comparison."""
    for file in sorted((ROOT / "book" / "chapters").glob("*.ipynb")):
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
    cells = json.loads((EXECUTED / name).read_text(encoding="utf-8"))["cells"]
    assert "".join(cells[number]["source"]) == "".join(source["source"])
    assert texts(source) and texts(cells[number]) == texts(source)
