"""Grade a class of sixty: honest people, who write as they like, and others who mean no good.

The grader is killed once in the middle.

Every grade must be as expected, no submission lost, and nothing left running.
"""

import csv
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import nbformat
import psutil
from nbformat import NotebookNode

from coursework import editions, grade_one
from coursework.grade_class import harmless
from coursework.sandbox import isolation

ROOT = Path(__file__).resolve().parent.parent
NAME = "finding_blind_spots"
LONGEST = 200  # times what the model solution takes here and now, for the whole class
FULL = 19.0
LIMITS = ["--notebook", "30", "--cell", "1", "--memory", str(3 * 2**29)]

STUBBORN = """
while True:
    try:
        while True:
            pass
    except BaseException:
        pass
"""
DAEMON = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(10_000)
    os._exit(0)
"""
PATCH = """
import builtins, torch, otter
from otter.test_files import exception_test
torch.allclose = torch.equal = lambda *a, **k: True
builtins.isinstance = lambda *a: True
exception_test.ExceptionTestFile.run = lambda self, env: None
"""
FAKE = """
import json
for folder in (".", "..", "/", "/tmp", "/autograder/results"):
    try:
        open(folder + "/results.json", "w").write(json.dumps({"tests": [{"score": 19}]}))
        open(folder + "/grades.csv", "w").write("student,tested\\nfake,19\\n")
    except OSError:
        pass
"""
DOZES = """
def bracket(*args):
    import time
    time.sleep(10_000)
"""
MASTERS = f"""
import pathlib
exec(next(pathlib.Path({str(ROOT)!r}).glob("coursework/assignments/*.py")).read_text())
"""
NOT_POOLED = ("(len(norms) * pixels)", "pixels")
PER_PIXEL = ("(points - original).square().sum", "(points - original).square().mean")
NOT_SCALED = ("norm * (change / norm)[lender]", "change[lender]")

IDS = [
    "anne marie",
    "o'brien",
    "Ångström",
    "zoe\u0308",
    "李四",
    "नेहा",
    "مريم",
    "x" * 120,
    "J. v. N.",
]
ABOVE = [
    "%matplotlib inline",
    "!pip install -q torch",
    "%pip install torch",
    "%load_ext autoreload\n%autoreload 2",
    "!ls -l",
    "torch.ones?",
    "files = !ls",
    "get_ipython().run_line_magic('matplotlib', 'inline')",
]
AROUND = ["%%time", "%%capture", "%%capture out"]
BESIDE = ["print('checked')", "scratch = 1", "# done", "%time scratch = 2"]


def as_people_write(notebook: NotebookNode, seed: int) -> NotebookNode:
    """The same answers with magics, shell lines and code where people put them."""
    rng = random.Random(seed)
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        if "otter.Notebook" in cell.source:
            cell.source = f"{rng.choice(ABOVE)}\n{cell.source}\nimport math\nmoved = math.pi"
        elif "grader.check" in cell.source and rng.random() < 0.6:
            cell.source = f"{rng.choice(BESIDE)}\n{cell.source}\n{rng.choice(BESIDE)}"
        elif "grader.check" in cell.source and rng.random() < 0.5:
            cell.source = f"score = {cell.source}\nscore"
        elif rng.random() < 0.4:
            cell.source = f"{rng.choice(AROUND)}\n{cell.source}"
        elif rng.random() < 0.6:
            cell.source = f"{rng.choice(ABOVE)}\n{cell.source}"
    return notebook


Change = tuple[str, str]


def class_of_sixty(folder: Path) -> dict[str, tuple[float, str]]:
    """Write the submissions; give each one's expected points, and words of its row or feedback."""
    solution, stub = (
        nbformat.read(editions.BUILD / place / f"{NAME}.ipynb", as_version=4)
        for place in ("solutions", f"student/{NAME}")
    )
    expected: dict[str, tuple[float, str]] = {}

    def add(student: str, points: float, says: str, *cells: str, change: Change = ("", "")) -> None:
        notebook = nbformat.from_dict(solution)
        notebook.cells = [nbformat.from_dict(cell) for cell in solution.cells]
        for cell in notebook.cells:
            cell.source = cell.source.replace("your id", student)
            if change[0]:
                cell.source = cell.source.replace(*change)
        notebook.cells += [nbformat.v4.new_code_cell(cell) for cell in cells]
        nbformat.write(notebook, folder / f"{student}.ipynb")
        expected[student] = points, says

    def write(student: str, content: bytes, says: str) -> None:
        (folder / f"{student}.ipynb").write_bytes(content)
        expected[student] = 0.0, says

    for student in ("ada", "emmy", "sofia", "olga", "maryam", "hedy"):
        add(student, FULL, "19 of 19")
    for i, student in enumerate([*IDS, *(f"honest{i}" for i in range(15))]):
        add(student, FULL, "left out: ", "!ls")
        file = folder / f"{student}.ipynb"
        nbformat.write(as_people_write(nbformat.read(file, as_version=4), i), file)
    add("sleeps", FULL, "did nothing for", "import time\ntime.sleep(10_000)")
    add("asks", FULL, "stopped", "input('ready? ')")
    add("dozes", FULL - 4, "did nothing for", DOZES)
    add("unfinished", FULL, "SyntaxError", "def f(")
    add("retries", FULL, "TooSlow", "while True: pass", "x = 1", "%%time\nx += 1")
    add("another", FULL, "ZeroDivisionError", "1 / 0")
    for student in ("stub1", "stub2", "stub3"):
        nbformat.write(stub, folder / f"{student}.ipynb")
        expected[student] = 0.0, "not answered yet"
    add("wrong1", FULL - 1, "50 changes", change=NOT_POOLED)
    add("wrong2", FULL - 4, "wrong way", change=("return -ahead", "return ahead"))
    add("wrong3", FULL - 1, "mean over the pixels", change=PER_PIXEL)
    add("wrong4", FULL - 1, "take a root", change=('"b"', '"c"'))
    add("wrong5", FULL - 1, "keeps the norm", change=NOT_SCALED)
    add("copied", FULL - 2.5, "another STUDENT", change=('"copied"', '"ada"'))
    add("loops", FULL, "computed for more", "while True:\n    pass")
    add("stubborn", 0, "it ran for more than", STUBBORN)
    add("exits", FULL, "SystemExit", "import sys\nsys.exit(1)")
    add("vanishes", 0, "its process ended", "import os\nos._exit(0)")
    add("prints", FULL, "printed more than", "while True:\n    print('x' * 100_000)")
    add("eats", FULL, "MemoryError", "hog = []\nwhile True:\n    hog += [bytearray(b'x') * 2**24]")
    add("forks", 0, "the notebook was stopped: it ", "import os\nwhile True:\n    os.fork()")
    add("reads", FULL, "StopIteration", MASTERS)
    refused = "PermissionError" if isolation() else "unreachable"
    add("calls", FULL, refused, "import socket\nsocket.create_connection(('192.0.2.1', 80))")
    # Who replaces isinstance breaks the process that answers, which is nobody else's.
    add("patches", 0, "allclose =", PATCH, change=NOT_POOLED)
    add("fakes", FULL - 1, "results.json", FAKE, change=NOT_POOLED)
    add("daemon", FULL, "os.fork", DAEMON)
    write("broken", b'{"cells": [{"cell_type"', "damaged")
    write("empty", b"", "the file is empty")
    write("other", b'{"cells": [{"cell_type": "code", "source": "x = 1"}]}', "not the notebook")
    return expected


def start(folder: Path, output: Path) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-m", "coursework.grade_class", str(folder), "--assignment", NAME]
    return subprocess.Popen([*words, "--output", str(output), *LIMITS], cwd=ROOT)


def wait_for(condition: Callable[[], bool], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.2)
    return condition()


def ours() -> list[int]:
    """Sandboxes that run now."""
    runner = str(editions.HERE / "sandboxed" / "runner.py")
    found = []
    for process in psutil.process_iter(["cmdline"]):
        if runner in (process.info["cmdline"] or []):
            found.append(process.pid)
    return found


def kill_in_the_middle(folder: Path, output: Path) -> dict[Path, int]:
    """Grade until some results are there, then pull the plug; give what was finished."""
    grader = start(folder, output)
    results = output / "results"
    if not wait_for(lambda: len(list(results.glob("*.json"))) >= 6, 600):
        sys.exit("the grader did not begin")
    workers = psutil.Process(grader.pid).children()
    for process in (grader, *workers):  # but not the sandboxes, which must notice it themselves
        process.send_signal(signal.SIGKILL)
    grader.wait()
    return {file: file.stat().st_mtime_ns for file in results.glob("*.json")}


def defects(output: Path, expected: dict[str, tuple[float, str]]) -> list[str]:
    """What is not as it must be in the grades and the feedback."""
    with (output / "grades.csv").open(encoding="utf-8") as stream:
        rows = {row["student"]: row for row in csv.DictReader(stream)}
    expected = {harmless(student): said for student, said in expected.items()}
    found = [f"{student} is lost" for student in expected.keys() - rows.keys()]
    found += [f"{student} was not expected" for student in rows.keys() - expected.keys()]
    for student, (points, says) in expected.items():
        row = rows.get(student, {"tested": "nan"})
        text = (output / "feedback" / f"{student}.md").read_text(encoding="utf-8") + str(row)
        if float(row["tested"]) != points:
            found.append(f"{student} got {row['tested']} instead of {points:g}: {row}")
        if says not in text:
            found.append(f"{student} is not told {says!r}: {text}")
    return found


def main() -> None:
    editions.build(editions.MASTERS / f"{NAME}.py", editions.BUILD)
    before = time.monotonic()
    grade_one.solution_seconds(NAME)
    began = time.monotonic()
    unit = began - before
    with tempfile.TemporaryDirectory() as scratch:
        folder, output = Path(scratch) / "class", Path(scratch) / "grades"
        folder.mkdir()
        expected = class_of_sixty(folder)
        assert len(expected) == 60
        finished = kill_in_the_middle(folder, output)
        print(f"Killed after {len(finished)} of {len(expected)} submissions; going on.", flush=True)
        if not wait_for(lambda: not ours(), 30):
            if not isolation():
                sys.exit(f"sandboxes outlive their grader: {ours()}")
            for left in ours():  # without namespaces a daemon may, if nobody is there to see it
                os.kill(left, signal.SIGKILL)
        if start(folder, output).wait():
            sys.exit("the second run failed")
        found = defects(output, expected)
        found += [
            f"{file.name} was graded again"
            for file, when in finished.items()
            if file.stat().st_mtime_ns != when
        ]
    if left := ours():
        found.append(f"sandboxes are left running: {left}")
    seconds = time.monotonic() - began
    took = f"{seconds:.0f} s, {seconds / unit:.0f} times the model solution"
    if seconds > LONGEST * unit:
        found.append(f"grading took {took}; at most {LONGEST} times is expected")
    if found:
        sys.exit("\n".join(found))
    print(f"A class of {len(expected)} graded as expected in {took}.")


if __name__ == "__main__":
    main()
