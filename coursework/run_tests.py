"""Running an assignment's tests (Otter's test files) on a set of answers."""

import contextlib
import io
import re
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

from otter.test_files import TestFile
from otter.test_files.exception_test import ExceptionTestFile

HANDOUT = Path(__file__).resolve().parent / "handout"  # goes to the students with every notebook
sys.path.append(str(HANDOUT))  # where the set-up cells import from

LONGEST = 5000  # characters of a message

CANARY = """
from otter.test_files import test_case
import torch
name, points = "canary", 4

@test_case(points=1)
def test_false():
    assert False

@test_case(points=1)
def test_equal():
    assert 1 == 2

@test_case(points=1)
def test_close():
    assert torch.allclose(torch.zeros(2), torch.ones(2))

@test_case(points=1)
def test_isinstance():
    assert isinstance("text", float)
"""


def run_tests(
    tests: Mapping[str, str], answers: Mapping[str, Any], *, seconds: float = 60.0
) -> dict[str, dict[str, Any]]:
    """Points, and the hints of the tests that failed, for each question.

    Args:
        tests: Otter's test files by question.
        answers: by name.
        seconds: that the tests of one question may compute here.

    Raises:
        RuntimeError: if a test passes that no honest Python can pass. Then something has changed
            the Python that grades, and no result of it may be believed.
    """
    canary = ExceptionTestFile.from_string(CANARY)
    canary.run({})
    if canary.score:
        raise RuntimeError("impossible tests pass: this Python was tampered with")
    return {question: _run(source, answers, seconds) for question, source in tests.items()}


def _run(source: str, answers: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    file: TestFile = ExceptionTestFile.from_string(source)
    with contextlib.redirect_stdout(io.StringIO()), limited(seconds):
        file.run(dict(answers))
    failed = [
        {"what": r.test_case.failure_message or "", "hint": hint(r.message or "")}
        for r in file.test_case_results
        if not r.passed
    ]
    return {"points": file.score, "possible": file.possible, "failed": failed}


@contextlib.contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Interrupt a test that computes too long with some answer, such as a power of a huge number.

    Seconds of this process; a submission's own are limited where it runs.
    """
    if not hasattr(signal, "SIGPROF") or threading.current_thread() != threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"it computed for more than {seconds:g} seconds")

    before = signal.signal(signal.SIGPROF, interrupt)
    signal.setitimer(signal.ITIMER_PROF, seconds, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def hint(message: str) -> str:
    """What a failed test has to say to the student, out of Otter's message with the source line."""
    message = message[:LONGEST]  # it may quote the answer
    found = re.match(r".*\nError at line .*\n.*\n(\w+): (.*)", message, re.S)
    kind, text = found.groups() if found else ("", message)
    if kind in ("AssertionError", "AnswerError", "Stopped"):
        return str(text).strip() or "wrong"
    return f"the test could not work with this answer ({kind}: {str(text).strip()})"


def set_up(cells: list[str], student: str) -> dict[str, Any]:
    """The names that these cells define when they run here, with this student's id in them."""
    names: dict[str, Any] = {"__name__": "__main__"}
    stated = f"STUDENT = {student!r}"
    with contextlib.redirect_stdout(io.StringIO()):
        for cell in cells:
            exec(re.sub(r"^STUDENT = .*$", lambda _: stated, cell, flags=re.M), names)
    return names
