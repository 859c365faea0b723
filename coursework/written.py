"""What students wrote, wherever they typed it: all that was added to the notebook handed out."""

import difflib
from collections.abc import Iterator
from typing import NamedTuple

from coursework.editions import Question

LONGEST = 20_000  # characters of an answer
MOST_LINES = 3000  # of a notebook that are compared
ALIKE = 0.7  # how similar a line is to one handed out that was retouched


class Line(NamedTuple):
    """A line of a notebook, and the kind of its cell."""

    text: str
    kind: str


def written_answers(
    cells: list[tuple[str, str]], handed_out: list[tuple[str, str]], questions: list[Question]
) -> dict[str, str]:
    """Collect the text that was added to each question that a person grades.

    The notebook is compared, line by line, with the one handed out. What is new belongs to the
    question whose heading comes before it: in its own cell, below it, or instead of the mark for
    the answer. Lines that were only retouched are no answer.
    """
    before, after = list(_lines(handed_out)), list(_lines(cells))[:MOST_LINES]
    owners = list(_owners(before, questions))
    answers: dict[str, list[Line]] = {q.name: [] for q in questions if q.rubric is not None}
    old, new = ([line.text.strip() for line in lines] for lines in (before, after))
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    for kind, i1, i2, j1, j2 in matcher.get_opcodes():
        if kind == "equal":
            continue
        owner = owners[i1 - 1] if i1 else ""
        for line in after[j1:j2]:
            retouched = [i for i in range(i1, i2) if _alike(before[i].text, line.text)]
            if retouched:
                owner = owners[retouched[0]]
            elif owner in answers:
                answers[owner].append(line)
    return {name: _together(lines)[:LONGEST] for name, lines in answers.items()}


def _lines(cells: list[tuple[str, str]]) -> Iterator[Line]:
    for kind, source in cells:
        yield from (Line(text, kind) for text in source.splitlines() if text.strip())


def _owners(lines: list[Line], questions: list[Question]) -> Iterator[str]:
    """Per line handed out, the question that it belongs to."""
    headings = {f"**{q.title.splitlines()[0]}": q.name for q in questions if q.title}
    owner = ""
    for line in lines:
        owner = next((q for h, q in headings.items() if line.text.startswith(h)), owner)
        yield owner


def _alike(given: str, line: str) -> bool:
    return difflib.SequenceMatcher(None, given.strip(), line.strip()).ratio() >= ALIKE


def _together(lines: list[Line]) -> str:
    """The lines as one text; code as such."""
    text, kind = "", ""
    for line in lines:
        if line.kind == "code" != kind:
            text += "```python\n"
        elif kind == "code" != line.kind:
            text += "```\n"
        text, kind = f"{text}{line.text}\n", line.kind
    return (text + ("```" if kind == "code" else "")).strip()
