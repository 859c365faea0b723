"""From one master of an assignment: the edition for students, the solution, and what grades it.

    python -m coursework.editions

A master is a Python file in `coursework/assignments`, cells in jupytext's percent form, with
Otter's marks in raw cells; see CONTRIBUTING.md.
"""

import ast
import contextlib
import io
import json
import re
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import jupytext
import nbformat
import otter.assign
import yaml
from nbformat import NotebookNode

from coursework.cells import plain
from coursework.run_tests import HANDOUT, run_tests, set_up

HERE = Path(__file__).resolve().parent
MASTERS = HERE / "assignments"
BUILD = HERE.parent / "_build" / "assignments"
CONFIG = """\
# ASSIGNMENT CONFIG
init_cell: true
check_all_cell: true
export_cell: false
run_tests: false
generate: true
files: {files}
tests:
  ok_format: false
  files: false
"""
CHECK = re.compile(r'grader\.check\("(.+?)"\)')


class Question(NamedTuple):
    """One question, as the grader needs it.

    Attributes:
        name: such as q1.
        title: the bold words with which the question begins.
        points: that it is worth, or None where its tests say so.
        rubric: for a question that a person grades, the model answer and what earns points.
        stubs: the cells that the student fills in, as they are handed out.
        names: what those cells define.
    """

    name: str
    title: str
    points: float | None
    rubric: str | None
    stubs: list[str]
    names: list[str]


class Assignment(NamedTuple):
    """What grading an assignment takes. `tests` are the sources of Otter's test files.

    `cells` are those of the student edition, kind and source.
    """

    name: str
    questions: list[Question]
    cells: list[tuple[str, str]]
    setup: list[str]
    files: dict[str, str]
    tests: dict[str, str]


def masters() -> list[Path]:
    """All masters, in the order of their names."""
    return sorted(MASTERS.glob("*.py"))


def read_master(master: Path) -> NotebookNode:
    """The master as the notebook that Otter expects."""
    notebook = jupytext.read(master, fmt="py:percent")
    config = CONFIG.format(files=json.dumps(sorted(handout_files())))
    notebook.cells.insert(0, nbformat.v4.new_raw_cell(config))
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
    )
    return notebook


def handout_files() -> dict[str, str]:
    """The files that go to the students with every notebook."""
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(HANDOUT.glob("*.py"))}


def build(master: Path, folder: Path) -> Assignment:
    """Write the three editions of a master below the folder; replace older ones.

    `student/<name>/` is to be given out, `solutions/<name>.ipynb` to be given out later, and
    `grading/<name>/` is for the grader.
    """
    name = master.stem
    notebook = read_master(master)
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch) / f"{name}.ipynb"
        nbformat.write(notebook, source)
        for file, text in handout_files().items():
            (Path(scratch) / file).write_text(text, encoding="utf-8")
        with contextlib.redirect_stdout(io.StringIO()):
            otter.assign.main(str(source), str(Path(scratch) / "dist"), no_run_tests=True)
        student, solution = (
            _with_stable_ids(Path(scratch) / "dist" / kind / source.name)
            for kind in ("student", "autograder")
        )
        (archive,) = (Path(scratch) / "dist" / "autograder").glob("*.zip")
        with zipfile.ZipFile(archive) as packed:
            tests = {
                Path(file).stem: packed.read(file).decode()
                for file in sorted(packed.namelist())
                if file.startswith("tests/")
            }
        assignment = Assignment(
            name=name,
            questions=_questions(notebook, student),
            cells=[(cell.cell_type, cell.source) for cell in student.cells],
            setup=_setup(notebook),
            files=handout_files(),
            tests=tests,
        )
        given, kept = folder / "student" / name, folder / "grading" / name
        for place in (given, kept):
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir(parents=True)
        (folder / "solutions").mkdir(exist_ok=True)
        nbformat.write(student, given / source.name)
        for file, text in assignment.files.items():
            (given / file).write_text(text, encoding="utf-8")
        nbformat.write(solution, folder / "solutions" / source.name)
        shutil.copy(archive, kept / "otter.zip")  # for those who grade with Otter's own services
        questions = [question._asdict() for question in assignment.questions]
        content = assignment._asdict() | {"questions": questions}
        text = json.dumps(content, indent=1, sort_keys=True)
        (kept / "assignment.json").write_text(text, encoding="utf-8")
    return assignment


def load(name: str, folder: Path = BUILD) -> Assignment:
    """Read the grading edition of an assignment.

    Raises:
        FileNotFoundError: if it was not built.
    """
    file = folder / "grading" / name / "assignment.json"
    if not file.exists():
        known = ", ".join(master.stem for master in masters())
        raise FileNotFoundError(
            f"there is no grading edition of {name!r}: build it by make assignments; the "
            f"assignments are {known}"
        )
    content = json.loads(file.read_text(encoding="utf-8"))
    content["questions"] = [Question(**question) for question in content["questions"]]
    content["cells"] = [(kind, source) for kind, source in content["cells"]]
    return Assignment(**content)


def solution_cells(name: str, folder: Path = BUILD) -> list[str]:
    """The code of the solution, check cells left out."""
    notebook = nbformat.read(folder / "solutions" / f"{name}.ipynb", as_version=4)
    return code_to_run([c.source for c in notebook.cells if c.cell_type == "code"])


def code_to_run(sources: list[str]) -> list[str]:
    """Leave out what is for the notebook alone."""
    return [plain(source).code for source in sources]


# What is assigned in these is not seen outside of them.
OF_ITS_OWN = ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp


def defined_names(source: str) -> list[str]:
    """What a cell defines outside of functions and classes; nothing if it is not Python."""
    try:
        return list(_defined(ast.parse(plain(source).code)))
    except (SyntaxError, ValueError, RecursionError):
        return []


def _defined(node: ast.AST) -> Iterator[str]:
    for part in ast.iter_child_nodes(node):
        if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield part.name
        elif isinstance(part, ast.alias):  # an import
            yield (part.asname or part.name).partition(".")[0]
        elif isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
            yield part.id
        elif not isinstance(part, OF_ITS_OWN):
            yield from _defined(part)


def _with_stable_ids(file: Path) -> NotebookNode:
    """Otter draws the ids of its cells at random; the same master shall give the same notebook."""
    notebook = nbformat.read(file, as_version=4)
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number:03}"
        cell.metadata.pop("lines_to_next_cell", None)
    return notebook


def _setup(master: NotebookNode) -> list[str]:
    """The code before the first question, of which the grader runs its own copy."""
    before = []
    for cell in master.cells:
        if cell.cell_type == "raw" and "BEGIN QUESTION" in cell.source:
            break
        if cell.cell_type == "code":
            before.append(cell.source)
    return before


def _questions(master: NotebookNode, student: NotebookNode) -> list[Question]:
    stubs: dict[str, list[str]] = {}
    answers: list[str] = []
    for cell in student.cells:
        if cell.cell_type == "code" and "otter_answer_cell" in cell.metadata.get("tags", []):
            answers.append(cell.source)
        elif check := CHECK.search(cell.source):
            stubs[check[1]], answers = answers, []
    questions = []
    config: dict[str, object] = {}
    inside, title, rubric = False, "", ""
    for cell in master.cells:
        if cell.cell_type == "raw" and "BEGIN QUESTION" in cell.source:
            config, title, rubric = yaml.safe_load(cell.source), "", ""
        elif cell.cell_type == "raw" and "SOLUTION" in cell.source:
            inside = "BEGIN" in cell.source
        elif cell.cell_type == "raw" and "END QUESTION" in cell.source:
            name, points = str(config["name"]), config.get("points")
            cells = stubs.get(name, [])
            names = [n for stub in cells for n in defined_names(stub)]
            worth = float(str(points)) if points is not None else None
            manual = rubric if config.get("manual") else None
            questions.append(Question(name, title, worth, manual, cells, names))
        elif cell.cell_type == "markdown" and config:
            bold = re.search(r"\*\*(.+?)\*\*", cell.source, re.S)
            title = title or (bold[1] if bold else "")
            rubric += f"{cell.source}\n" if inside else ""
    return questions


def main() -> None:
    for master in masters():
        assignment = build(master, BUILD)
        names = set_up(solution_cells(master.stem), "solution")
        for question, result in run_tests(assignment.tests, names).items():
            if result["points"] != result["possible"]:
                hints = "\n".join(f"  {failed['hint']}" for failed in result["failed"])
                sys.exit(f"{master}: the solution of {question} fails its own tests:\n{hints}")
        print(f"{master.stem}: {len(assignment.questions)} questions")
    print(f"Give out the folders in {BUILD / 'student'}, keep the others for yourself.")


if __name__ == "__main__":
    main()
