"""Grade a folder of notebooks.

    python -m coursework.grade_class FOLDER --assignment NAME [--jobs 2]

Each file of the folder is one submission, `<student's id>.ipynb`. Results are kept as they come, so
an interrupted run that is started again grades only what is missing.
"""

import argparse
import csv
import hashlib
import os
import re
import sys
import unicodedata
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import joblib

from blindspots import run_sweep
from blindspots._resumable import atomic_write, fingerprint
from coursework import grade_one
from coursework.editions import BUILD, HERE, Assignment, build, load, masters
from coursework.handout.variants import normal
from coursework.sandbox import Limits, isolation

# What browsers, Jupyter and desktops write behind the name of a copy: "ada (1)", "ada-Copy1".
COPY = re.compile(r"( \(\d+\)|-Copy\d+| - Copy| copy( \d+)?)+$")
LONGEST = 200  # bytes of an id in the name of a file, of which a file system takes 255
GRADES = HERE.parent / "_build" / "grades"


def grade(
    submissions: Path,
    name: str,
    *,
    folder: Path,
    jobs: int = 2,
    limits: Limits = Limits(),  # noqa: B008
    progress: bool = True,
) -> list[dict[str, Any]]:
    """Grade every file of a folder; write `grades.csv` and `feedback/<student>.md`.

    Args:
        submissions: the folder.
        name: of the assignment, whose grading edition must have been built.
        folder: where the grades go.
        jobs: submissions that are graded at a time.
        limits: of each submission.
        progress: show a progress bar.

    Raises:
        FileNotFoundError: if there is no such folder, or nothing in it.
        ValueError: if the names of two files stand for one student, or something is not a file.
    """
    files = sorted(submissions.glob("[!.]*")) if submissions.is_dir() else []
    if not files:
        raise FileNotFoundError(f"there are no files in {submissions}: name a folder of notebooks")
    if folders := [file.name for file in files if not file.is_file()]:
        raise ValueError(
            f"{', '.join(folders)} in {submissions} cannot be graded, only files can: take the "
            "notebooks out"
        )
    owners: dict[str, Path] = {}
    for file in files:
        student = harmless(normal(student_of(file)))
        if (other := owners.setdefault(student, file)) != file:
            raise ValueError(f"{other.name} and {file.name} would both be {student}'s: rename one")
    assignment = load(name)
    grader = grader_version(name)
    settings = [
        {
            "submission": str(file.resolve()),
            "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
            "student": student_of(file),
            "name": name,
            "grader": grader,
            "limits": asdict(limits),
        }
        for file in files
    ]
    with joblib.parallel_config(n_jobs=jobs):
        results = run_sweep(
            grade_one.assess, settings, folder=folder / "results", progress=progress
        )
    write_grades(folder / "grades.csv", assignment, results)
    for result in results:
        with atomic_write(folder / "feedback" / f"{harmless(result['student'])}.md") as scratch:
            scratch.write_text(feedback(assignment, result), encoding="utf-8")
    return results


def student_of(file: Path) -> str:
    """The id in a file's name, as it is but for marks of copies: the numbers follow from it."""
    name = file.stem if file.suffix.lower() == ".ipynb" else file.name
    try:
        name.encode()
    except UnicodeEncodeError:  # from an archive of Windows
        name = os.fsencode(name).decode("cp1252", errors="replace")
    return COPY.sub("", name) or name


def harmless(student: str) -> str:
    """An id as the name of a file and as the cell of a spreadsheet, for which `=` is a formula.

    Letters of all scripts stay, with their accents, and digits, spaces, apostrophes, `.`, `@`, `-`.
    """
    text = unicodedata.normalize("NFC", student)
    name = "".join(
        c if unicodedata.category(c)[0] in "LMN" or c in " .'’@+-" else "_" for c in text
    )
    name = re.sub(r"^[^\w]", "_", name)
    if name != text or len(name.encode()) > LONGEST:  # others may look the same now
        digest = hashlib.sha256(text.encode()).hexdigest()[:8]
        name = f"{name.encode()[: LONGEST - 9].decode(errors='ignore')}-{digest}"
    return name


def grader_version(name: str) -> str:
    """Return a text that changes when the assignment or the grader does."""
    assignment = BUILD / "grading" / name / "assignment.json"
    code = fingerprint(HERE, assignment, without=[HERE / "assignments"])
    return f"{code}{' weak' if isolation() else ''}"


def write_grades(file: Path, assignment: Assignment, results: Iterable[dict[str, Any]]) -> None:
    """One row per submission; `written` is left for the person who grades the written parts."""
    written = sum(q.points or 0 for q in assignment.questions if q.rubric is not None)
    with atomic_write(file) as scratch, scratch.open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream)
        last = ("tested", "tested_possible", "written", "written_possible", "problem", "notes")
        table.writerow(["student", *assignment.tests, *last])
        for result in results:
            points = [result["questions"][q]["points"] for q in assignment.tests]
            possible = sum(result["questions"][q]["possible"] for q in assignment.tests)
            notes = "; ".join([*result["remarks"], *result["notes"]])
            remarks = [result["problem"] or "", quoted_cell(notes)]
            student = harmless(result["student"])
            table.writerow([student, *points, sum(points), possible, "", written, *remarks])


def quoted_cell(text: str) -> str:
    """Somebody else's words as a cell of a spreadsheet: no formula, no line of its own."""
    return re.sub(r"\s+", " ", f"'{text}" if text[:1] in tuple("=+-@") else text)


def feedback(assignment: Assignment, result: dict[str, Any]) -> str:
    """What the student gets to read, and where the person who grades fills in the rest."""
    questions = result["questions"]
    earned = sum(q["points"] for q in questions.values())
    possible = sum(q["possible"] for q in questions.values())
    lines = [
        f"# {assignment.name.replace('_', ' ').capitalize()}: {harmless(result['student'])}",
        "",
    ]
    lines += [f"Tested questions: **{earned:g} of {possible:g} points**.", ""]
    if result["problem"]:
        lines += [f"Nothing could be tested: {result['problem']}.", ""]
    if result["remarks"]:
        lines += ["Not everything in the notebook was understood:", ""]
        lines += [line for remark in result["remarks"] for line in quoted(remark)]
    for cell in result["stopped_cells"]:
        lines += ["A cell stopped before its end:", ""]
        lines += quoted(f"{cell['cell']} ...\n{cell['error']}")
    for question in assignment.questions:
        lines += [f"## {question.title}", ""]
        if question.rubric is None:
            lines += tested(questions[question.name], blank=bool(result["problem"]))
        else:
            lines += by_hand(question.rubric, question.points, result["written"].get(question.name))
    if warning := isolation():
        lines += ["", f"*Graded with weaker isolation: {warning}.*"]
    return "\n".join(lines) + "\n"


def tested(result: dict[str, Any], *, blank: bool) -> list[str]:
    """The part of the feedback about a question with tests."""
    if blank:
        return [f"0 of {result['possible']:g} points.", ""]
    if not result["answered"]:
        return [f"0 of {result['possible']:g} points: not answered yet.", ""]
    lines = [f"{result['points']:g} of {result['possible']:g} points.", ""]
    for failed in result["failed"]:
        lines += [f"- {failed['what']}", "", *(f"  {line}" for line in quoted(failed["hint"]))]
    return lines


def by_hand(rubric: str, points: float | None, answer: str | None) -> list[str]:
    """The part of the feedback about a question that a person grades."""
    lines = ["**Points: ____ of " + f"{points or 0:g}**", ""]
    lines += quoted(answer) if answer else ["Not answered yet.", ""]
    if answer:
        lines += [rubric[rubric.find("**Rubric**") :].strip(), ""]
    return lines


def quoted(text: str) -> list[str]:
    """Somebody else's words, indented, so that nothing in them acts as Markdown."""
    clean = re.sub(r"[^\n\t -~\u00a0-\ud7ff\ue000-\uffff]", "?", text)
    return [*(f"    {line}" for line in clean.splitlines()), ""]


def main() -> None:
    parser = argparse.ArgumentParser(description="Grade a folder of notebooks.")
    parser.add_argument("submissions", type=Path, help="a folder of <student's id>.ipynb")
    parser.add_argument("--assignment", default="", help="which one")
    parser.add_argument("--jobs", type=int, default=2, help="submissions graded at a time")
    parser.add_argument("--output", type=Path, help="where the grades go")
    for field, default in asdict(Limits()).items():
        if field == "unit":
            continue
        parser.add_argument(f"--{field.replace('_', '-')}", type=type(default), default=default)
    options = vars(parser.parse_args())
    submissions, name, jobs = (options.pop(o) for o in ("submissions", "assignment", "jobs"))
    output = options.pop("output")
    known = {master.stem: master for master in masters()}
    if name not in known:
        sys.exit(f"Which assignment? Say make grade ASSIGNMENT=..., one of: {', '.join(known)}.")
    if not (BUILD / "grading" / name).exists():
        build(known[name], BUILD)
    if warning := isolation():
        print(f"Note: {warning}.")
    folder = output or GRADES / name
    try:
        results = grade(submissions, name, folder=folder, jobs=jobs, limits=Limits(**options))
    except (FileNotFoundError, ValueError) as error:
        sys.exit(f"Nothing was graded: {error}.")
    for result in results:
        remarks = [result["problem"], *result["remarks"], *result["notes"]]
        if said := "; ".join(filter(None, remarks)):
            print(f"{harmless(result['student'])}: {said}")
    print(f"{len(results)} submissions: {folder / 'grades.csv'}")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("Interrupted. Run the same command again to go on.")
