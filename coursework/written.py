"""What students wrote, wherever they typed it: what is not in the notebook handed out."""

import difflib
import re
from collections.abc import Iterator
from typing import NamedTuple

from coursework.editions import Question

LONGEST = 20_000  # characters of an answer
MARK = "_Type your answer here, replacing this text._"
BEGIN = "<!-- BEGIN QUESTION -->"  # before each question that a person grades
ALIKE = 0.7  # how similar a line is to a heading that was retouched
BOLD = re.compile(r"^#*\s*\*\*.*?\*\*|^#.*$")  # a heading
NUMBER = re.compile(r"\W*question\s+(\d+)", re.IGNORECASE)
REWRAPPED = 20  # characters from which a piece of the text handed out is recognised as such


class Line(NamedTuple):
    """A line of a notebook, and the kind of its cell."""

    text: str
    kind: str


def written_answers(
    cells: list[tuple[str, str]], handed_out: list[tuple[str, str]], questions: list[Question]
) -> dict[str, str]:
    """Collect the text that was added to each question that a person grades.

    A new line belongs to the question whose heading came last, be it retouched; or, where headings
    are gone, to that of the last mark. So an answer is found in the question's own cell, below it,
    or instead of the mark for the answer. Text handed out is no answer, also with other breaks or
    elsewhere; what repeats it is one.
    """
    lines = list(_lines(cells))
    kept, missing = _compare(
        [line.text.strip() for line in lines], [line.text.strip() for line in _lines(handed_out)]
    )
    given, whole = set(missing), " ".join(" ".join(missing).split())
    headings = {f"**{q.title.splitlines()[0]}": q.name for q in questions if q.title}
    graded = [q.name for q in questions if q.rubric is not None]
    answers: dict[str, list[Line]] = {name: [] for name in graded}
    marks, owner = iter(graded), ""
    for number, line in enumerate(lines):
        text = line.text.replace(MARK, "").strip()
        if BEGIN in text:
            owner = next(marks, owner)
        if heading := _heading(text, headings):
            owner = headings[heading]
            text = BOLD.sub("", text, count=1).strip()
            if not text or owner not in answers or number in kept or _is_part(text, whole):
                continue
            answers[owner].append(line._replace(text=text))  # what was typed beside the heading
        elif number in kept or text in given or _is_part(text, whole):
            continue
        elif text and owner in answers:
            answers[owner].append(line._replace(text=line.text.replace(MARK, "")))
        elif not text and answers.get(owner):
            answers[owner].append(Line("", answers[owner][-1].kind))
    return {name: _together(lines)[:LONGEST] for name, lines in answers.items()}


def _compare(found: list[str], handed_out: list[str]) -> tuple[set[int], list[str]]:
    """Which lines are those handed out, in their order, by number; and what is not there any more.

    Empty lines are neither.
    """
    numbers = [number for number, text in enumerate(found) if text]
    given = [text for text in handed_out if text]
    matcher = difflib.SequenceMatcher(None, [found[n] for n in numbers], given, autojunk=False)
    kept, missing = set(), [*given]
    for here, there, length in reversed(matcher.get_matching_blocks()):
        kept |= {*numbers[here : here + length]}
        del missing[there : there + length]
    return kept, missing


def _lines(cells: list[tuple[str, str]]) -> Iterator[Line]:
    for kind, source in cells:
        yield from (Line(text, kind) for text in [*source.splitlines(), ""])


def _heading(text: str, headings: dict[str, str]) -> str | None:
    """The heading with which a line begins, or that its beginning resembles."""
    start = text.lstrip("# ")
    for heading in headings:
        if start.startswith(heading):
            return heading
    if not start.startswith("**") and not text.startswith("#"):
        return None
    if number := _number(start):  # which says more than the words behind it
        return next((heading for heading in headings if _number(heading) == number), None)

    def likeness(heading: str) -> float:
        return difflib.SequenceMatcher(None, heading, start[: len(heading) + 10]).ratio()

    closest = max(headings, key=likeness, default="")
    return closest if closest and likeness(closest) >= ALIKE else None


def _number(heading: str) -> str:
    found = NUMBER.match(heading)
    return found[1] if found else ""


def _is_part(text: str, whole: str) -> bool:
    return len(text) >= REWRAPPED and " ".join(text.split()) in whole


def _together(lines: list[Line]) -> str:
    """The lines as one text; code as such."""
    while lines and not lines[-1].text:
        lines = lines[:-1]
    text, kind = "", ""
    for line in lines:
        if line.kind == "code" != kind:
            text += "```python\n"
        elif kind == "code" != line.kind:
            text += "```\n"
        text, kind = f"{text}{line.text}\n", line.kind
    return (text + ("```" if kind == "code" else "")).strip()
