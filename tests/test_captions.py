"""Captions: the claim first, and where the numbers come from."""

import ast
import re
from pathlib import Path

import caption_sources
import nbformat
import pytest

from blindspots.book.stored import load_stored

ROOT = Path(__file__).parent.parent
CHAPTERS = sorted((ROOT / "book" / "chapters").glob("*.ipynb"))


def code_cells(file):
    cells = nbformat.read(file, as_version=4).cells
    return [c for c in cells if c.cell_type == "code" and "%pip" not in c.source]


def stored_cells(cells):
    """Which cells end in a value that may come from stored results: an upper bound, by names."""
    come_from, found = {}, []

    def sources(node):
        names = set()
        for part in ast.walk(node):
            if isinstance(part, ast.Call) and getattr(part.func, "id", "") == "load_stored":
                names.add(part.args[0].value)
            elif isinstance(part, ast.Name):
                names |= come_from.get(part.id, set())
        return names

    for cell in cells:
        body = ast.parse(cell.source).body
        for statement in body:
            used = sources(statement)
            if isinstance(statement, ast.FunctionDef):
                come_from[statement.name] = used
            for part in ast.walk(statement):
                if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
                    before = set() if isinstance(statement, ast.Assign) else come_from.get(part.id)
                    come_from[part.id] = used | (before or set())
        last = body[-1] if body else None
        found.append(sources(last) if isinstance(last, ast.Expr) else set())
    return found


@pytest.mark.parametrize("file", CHAPTERS, ids=lambda file: file.stem)
def test_cells_that_draw_stored_results_say_so(file):
    cells = code_cells(file)
    for cell, names in zip(cells, stored_cells(cells), strict=True):
        tags = cell.metadata.get("tags", [])
        tagged = {tag.removeprefix("stored-") for tag in tags if tag.startswith("stored-")}
        assert tagged <= names
        if re.search(r"^(figures\.|show\(|drawn)", cell.source, re.M):
            assert tagged or not re.search(r"\bstored\b|\breferee\b", cell.source), cell.source
        for name in tagged:
            assert load_stored(name)["date"]


@pytest.mark.parametrize("file", CHAPTERS, ids=lambda file: file.stem)
def test_captions_begin_with_their_claim(file):
    for cell in code_cells(file):
        if figure := cell.metadata.get("mystnb", {}).get("figure"):
            assert re.match(r"\*\*[^*]+[.?]\*\* ", figure["caption"]), figure["name"]


def test_sources_are_named():
    stored = load_stored("transfer")
    said = caption_sources.source(["cell", "tag_hide-input", "tag_stored-transfer"])
    assert said == f"MNIST, stored on {stored['date']}"
    assert caption_sources.source(["cell"]).endswith(", this build")
    without = caption_sources.source(["cell", "tag_no-data", "tag_stored-transfer"])
    assert without == f"no images, stored on {stored['date']}"
