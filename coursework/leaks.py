"""Looks for lines of the graded solutions where students could read them."""

import html
import json
import re
from collections.abc import Iterable
from pathlib import Path

import nbformat

from coursework.editions import Assignment

SHORTEST = 12  # characters; shorter lines give nothing away


def secret_lines(folder: Path, assignment: Assignment) -> set[str]:
    """Lines that only the solution, the rubrics and the hidden tests of an assignment contain.

    Args:
        folder: where its editions were built.
        assignment: what `editions.build` returned.
    """
    given, kept = (
        nbformat.read(folder / place / f"{assignment.name}.ipynb", as_version=4)
        for place in (f"student/{assignment.name}", "solutions")
    )
    known = _lines(cell.source for cell in given.cells)
    secret = _lines(cell.source for cell in kept.cells)
    secret |= _lines(q.rubric for q in assignment.questions if q.rubric)
    for source in assignment.tests.values():
        for test in source.split("@test_case")[1:]:
            if "hidden=True" in test:
                secret |= _lines([test])
            else:
                known |= _lines([test])
    ordinary = re.compile(
        r"import |.*isinstance\(|\w+ = torch\.Generator|(\w+) = (float|int)\(\1\)$|\W*\w*\W*$"
    )
    return {x for x in secret - known if len(x) >= SHORTEST and not ordinary.match(x)}


def leaked(secret: Iterable[str], file: Path) -> list[str]:
    """Those of the secret lines that a reader of this file would see."""
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".ipynb":
        cells = json.loads(text)["cells"]
        text = "\n".join("".join(cell["source"]) for cell in cells)
    elif file.suffix == ".html":
        text = html.unescape(re.sub(r"<[^>]*>", "", text))
    flat = _flat(text)
    return sorted(line for line in secret if line in flat)


def _lines(texts: Iterable[str]) -> set[str]:
    return {_flat(line) for text in texts for line in text.splitlines()}


def _flat(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()
