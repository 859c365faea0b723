"""Grading one submission: its code runs in the sandbox, the tests run here."""

import ast
import contextlib
import functools
import json
import re
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from coursework.cells import plain
from coursework.editions import (
    BUILD,
    MASTERS,
    Assignment,
    code_to_run,
    defined_names,
    load,
    solution_cells,
)
from coursework.handout.variants import normal
from coursework.run_tests import run_tests, set_up
from coursework.sandbox import Limits, sandbox
from coursework.sandboxed.wire import AnswerError, Peer, Stopped
from coursework.written import written_answers

LARGEST = 10 * 2**20  # bytes of a notebook
SUSPICIOUS = (
    "results.json",
    "grades.csv",
    "autograder",
    "coursework",
    "otter.check",
    "otter.test_files",
    "GradingResults",
    "os.kill",
    "os._exit",
    "os.fork",
    "/proc",
    "socket",
    "subprocess",
    "allclose =",
)


class Unusable(Exception):
    """The file cannot be graded at all; the message says why, to the student."""


def assess(
    submission: str, sha256: str, student: str, name: str, grader: str, limits: Mapping[str, float]
) -> dict[str, Any]:
    """Grade one file. Whatever is in it, this returns a result.

    Args:
        submission: the file.
        sha256: of its content; with `grader`, it tells whether an older result still holds.
        student: whose it is, by the name of the file; the student's numbers follow from it.
        name: of the assignment.
        grader: fingerprint of everything that grades.
        limits: see `Limits`.
    """
    started = time.monotonic()
    assignment = load(name, BUILD)
    result: dict[str, Any] = {
        "student": student,
        "file": Path(submission).name,
        "problem": None,
        "questions": {q: {"points": 0.0} | _nothing(q, assignment) for q in assignment.tests},
        "written": {},
        "stopped_cells": [],
        "remarks": [],
        "notes": [],
    }
    try:
        cells = read_notebook(Path(submission))
        result["written"] = written_answers(cells, assignment.cells, assignment.questions)
        sources = [source for kind, source in cells if kind == "code"]
        result["notes"] = notes(sources, student)
        names = {n for source in sources for n in defined_names(source)}
        stubs = "\n".join(stub for question in assignment.questions for stub in question.stubs)
        if not names & set(re.findall(r"^def (\w+)", stubs, re.M)):  # others recur elsewhere
            raise Unusable(f"this is not the notebook of the assignment {name}")
        measured = replace(Limits(**limits), unit=solution_seconds(name))  # type: ignore[arg-type]
        graded, stopped = _grade(assignment, student, sources, measured)
        result["questions"] = graded
        result["stopped_cells"] = stopped
        result["remarks"] = remarks(sources, stopped)
    except Unusable as problem:
        result["problem"] = str(problem)
    except Exception as error:  # one file must not end the grading of the others
        result["problem"] = f"the grader failed, please tell the instructor: {error!r}"[:500]
        result["notes"].append("the grader failed on this file: grade it by hand")
    result["seconds"] = round(time.monotonic() - started, 1)
    return result


@functools.cache
def solution_seconds(name: str) -> float:
    """Seconds of the processor that the model solution takes here, the loading of PyTorch included.

    Raises:
        RuntimeError: if it does not run.
    """
    files, cells = load(name, BUILD).files, solution_cells(name, BUILD)
    with sandbox(Limits(unit=120.0)) as box:
        peer = Peer(box.connection, [], trusting=False)
        if stopped := peer.call(0, files, cells):
            raise RuntimeError(f"the model solution of {name} does not run: {stopped}")
        return float(peer.call(2))


def read_notebook(file: Path) -> list[tuple[str, str]]:
    """Kind and source of each cell.

    Raises:
        Unusable: if the file is no notebook.
    """
    if file.suffix.lower() != ".ipynb":
        raise Unusable("this is not a notebook: its name must end in .ipynb")
    size = file.stat().st_size
    if size == 0:
        raise Unusable("the file is empty")
    if size > LARGEST:
        raise Unusable(
            f"the file has {size / 2**20:.0f} MB, more than {LARGEST / 2**20:.0f}: clear outputs"
        )
    try:
        content = json.loads(file.read_bytes())
        sheets = content.get("worksheets", [content])  # of notebooks before the fourth format
        cells = [cell for sheet in sheets for cell in sheet["cells"]]
        pairs = [(c["cell_type"], c["source"] if "source" in c else c["input"]) for c in cells]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Unusable(
            "the file is damaged, it cannot be read as a notebook: open it in Jupyter, save it and "
            f"hand it in again ({type(error).__name__})"
        ) from error
    return [
        (str(kind), "".join(map(str, source)) if isinstance(source, list) else str(source))
        for kind, source in pairs
    ]


def notes(sources: list[str], student: str) -> list[str]:
    """What a person should look at. None of it changes a grade."""
    code = "\n".join(sources)
    found = [f"the notebook contains {word!r}" for word in SUSPICIOUS if word in code]
    others = [s for s in map(_stated, sources) if s and normal(s) != normal(student)]
    return found + [f"STUDENT is {o[:60]!r} in the notebook, the file {student}'s" for o in others]


def remarks(sources: list[str], stopped: list[dict[str, str]]) -> list[str]:
    """What was not understood, for the student too."""
    left_out = [line for source in sources for line in plain(source).left_out]
    found = [f"{cell['cell']!r} stopped: {cell['error']}"[:200] for cell in stopped]
    return found + ([f"left out: {', '.join(left_out)}"[:300]] if left_out else [])


def _stated(source: str) -> str | None:
    """The id that a cell gives to STUDENT."""
    with contextlib.suppress(SyntaxError, ValueError, RecursionError):
        for statement in ast.parse(plain(source).code).body:
            match statement:
                case ast.Assign(targets=[ast.Name(id="STUDENT")], value=ast.Constant(str(name))):
                    return name
    return None


def _nothing(question: str, assignment: Assignment) -> dict[str, Any]:
    return {"possible": _possible(question, assignment), "answered": False, "failed": []}


def _possible(name: str, assignment: Assignment) -> float:
    (question,) = (q for q in assignment.questions if q.name == name)
    return float(question.points or 0)


def _grade(
    assignment: Assignment, student: str, sources: list[str], limits: Limits
) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """Results by question, and the cells that stopped."""
    to_run = code_to_run(sources)
    untouched = {source.strip() for source in sources}
    stubs = {stub.strip() for question in assignment.questions for stub in question.stubs}
    # In the cell handed out, or in another one that defines the same names.
    added = {n for source in sources if source.strip() not in stubs for n in defined_names(source)}
    answered = {
        question.name
        for question in assignment.questions
        if not all(stub.strip() in untouched for stub in question.stubs)
        or added & {*question.names}
    }
    answers = set_up(assignment.setup, student)
    stopped: list[dict[str, str]] = []
    missing: dict[str, str] = {}
    with sandbox(limits, hidden=(MASTERS, BUILD)) as box:
        peer = Peer(box.connection, [], trusting=False)
        try:
            for i, error in peer.call(0, assignment.files, to_run):
                stopped.append({"cell": _first_line(sources[i]), "error": str(error)})
            for name in (n for question in assignment.questions for n in question.names):
                try:
                    answers[name] = peer.call(1, name)
                except AnswerError as error:
                    undefined = str(error).startswith("KeyError")
                    reason = "is not defined after the notebook has run"
                    missing[name] = reason if undefined else f"cannot be read: {error}"
                    answers[name] = None
            reached = {q: source for q, source in assignment.tests.items() if q in answered}
            # More than the answers of one question may take: these must end first, over there.
            results = run_tests(reached, answers, seconds=5 * limits.cell_seconds)
        except Stopped as gone:
            raise Unusable(f"the notebook was stopped: {_reason(box.ended, gone)}") from gone
        except (ValueError, TypeError, IndexError, RecursionError) as error:
            raise Unusable("the notebook's process sent something that is not an answer") from error
        ended = box.ended
    graded = {}
    for question in assignment.questions:
        if question.rubric is not None:
            continue
        if question.name not in results:
            graded[question.name] = {"points": 0.0} | _nothing(question.name, assignment)
            continue
        graded[question.name] = results[question.name] | {"answered": True}
        for failed in graded[question.name]["failed"]:
            if absent := [n for n in question.names if n in missing]:
                failed["hint"] = "; ".join(f"{n} {missing[n]}" for n in absent)
            elif ended and failed["hint"] == "its process ended":
                failed["hint"] = f"the notebook was stopped: {ended}"
    return graded, stopped


def _reason(ended: str | None, gone: Stopped) -> str:
    return ended or f"{gone} before it could be graded, by os._exit or a crash"


def _first_line(source: str) -> str:
    lines = [line for line in source.splitlines() if line.strip()]
    return lines[0][:80] if lines else ""
