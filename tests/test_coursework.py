"""The graded coursework: every solution, stub and typical wrong answer; what a submission may not.

A whole class, with its hostile members, is graded by `make check-grading`.
"""

import json
import os
import re
import textwrap
import unicodedata
from dataclasses import asdict, replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch
from nbclient import NotebookClient

from coursework import editions, grade_class, grade_one, leaks, run_tests
from coursework.handout import variants
from coursework.sandbox import Limits, isolation, sandbox
from coursework.sandboxed.wire import DTYPES, AnswerError, Foreign, Peer, pack, unpack
from tools.check_grading import as_people_write

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent
NAMES = [master.stem for master in editions.masters()]
STUDENTS = ("ada", "emmy.noether", "s1234567", "Ångström", "x")
LIMITS = Limits(notebook=60, cell=1, memory=2 * 2**30)


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("assignments")
    return folder, {master.stem: editions.build(master, folder) for master in editions.masters()}


def other_answers():
    """Typical answers: chapter, question, code, and the hint that it must get or "full marks"."""
    for name in NAMES:
        text = (ROOT / "tests" / "coursework_answers" / f"{name}.py").read_text(encoding="utf-8")
        head, *cells = re.split(r"^# %% ", text, flags=re.M)
        for cell in cells:
            title, code = cell.split("\n", 1)
            question, which, hint = re.fullmatch(r"(\w+): (.+) -> (.+)", title).groups()
            yield pytest.param(name, question, head + code, hint, id=f"{name}-{question}-{which}")


RIGHT = [p for p in other_answers() if p.values[3] == "full marks"]
WRONG = [p for p in other_answers() if p.values[3] != "full marks"]


@pytest.fixture(scope="session")
def solved(built):
    """The names that a solution defines, and functions that run its tests."""
    folder, assignments = built
    cells = {name: editions.solution_cells(name, folder) for name in assignments}
    return {name: lambda s, cells=cells[name]: run_tests.set_up(cells, s) for name in assignments}


@pytest.mark.parametrize("student", STUDENTS)
@pytest.mark.parametrize("name", NAMES)
def test_the_solution_gets_full_marks(built, solved, name, student):
    results = run_tests.run_tests(built[1][name].tests, solved[name](student))
    assert all(r["points"] == r["possible"] and not r["failed"] for r in results.values()), results


@pytest.mark.parametrize("name", NAMES)
def test_the_stub_gets_nothing_politely(built, name):
    assignment = built[1][name]
    stubs = [stub for question in assignment.questions for stub in question.stubs]
    answers = run_tests.set_up([*assignment.setup, *stubs], "ada")
    for question, result in run_tests.run_tests(assignment.tests, answers).items():
        assert result["points"] == 0, question
        assert "not answered yet" in result["failed"][0]["hint"]


@pytest.mark.parametrize("name", NAMES)
def test_every_question_has_wrong_answers_tests_and_points(built, name):
    assignment = built[1][name]
    wrong = [p.values[1] for p in WRONG if p.values[0] == name]
    for question in assignment.questions:
        assert question.title and question.points
        if question.rubric is None:
            assert wrong.count(question.name) >= 3
            assert question.stubs and question.names
            assert "hidden=True" in assignment.tests[question.name]
            assert "hidden=False" in assignment.tests[question.name]
            result = run_tests.run_tests({"q": assignment.tests[question.name]}, {})["q"]
            assert result["possible"] == question.points
        else:
            assert "**Rubric**" in question.rubric
            assert question.points == sum(
                map(int, re.findall(r"^- (\d+) point", question.rubric, re.M))
            )


@pytest.mark.parametrize(("name", "question", "code", "hint"), RIGHT)
def test_another_style_gets_full_marks(built, solved, name, question, code, hint):
    answers = solved[name]("ada")
    exec(code, answers)
    result = run_tests.run_tests({question: built[1][name].tests[question]}, answers)[question]
    assert not result["failed"] and result["points"] == result["possible"]


@pytest.mark.parametrize(("name", "question", "code", "hint"), WRONG)
def test_a_wrong_answer_gets_its_hint(built, solved, name, question, code, hint):
    answers = solved[name]("ada")
    exec(code, answers)
    result = run_tests.run_tests({question: built[1][name].tests[question]}, answers)[question]
    assert result["points"] < result["possible"]
    assert any(hint in failed["hint"] for failed in result["failed"]), result["failed"]


def public_files():
    """What students can read in the repository."""
    for kind in ("README.md", "book/**/*.md", "book/**/*.ipynb", "blindspots/**/*.py"):
        yield from ROOT.glob(kind)


@pytest.mark.parametrize("name", NAMES)
def test_no_solution_is_given_away(built, name):
    folder, assignments = built
    secret = leaks.secret_lines(folder, assignments[name])
    assert len(secret) > 30
    for file in [*(folder / "student" / name).iterdir(), *public_files()]:
        assert leaks.leaked(secret, file) == [], file


def test_leaks_are_seen(built, tmp_path):
    """In a solution, a rubric or a hidden test; in a notebook, in a page, in highlighted code."""
    folder, assignments = built
    name = "finding_blind_spots"
    secret = leaks.secret_lines(folder, assignments[name])
    assert leaks.leaked(secret, folder / "solutions" / f"{name}.ipynb")
    rubric = next(q.rubric for q in assignments[name].questions if q.rubric)
    (tmp_path / "rubric.md").write_text(rubric, encoding="utf-8")
    assert leaks.leaked(secret, tmp_path / "rubric.md")
    hidden = next(t for t in assignments[name].tests.values() if "hidden=True" in t)
    spans = re.sub(r"(\w+)", r"<span>\1</span>", hidden.replace("<", "&lt;").replace(">", "&gt;"))
    (tmp_path / "page.html").write_text(f"<pre>{spans}</pre>", encoding="utf-8")
    assert leaks.leaked(secret, tmp_path / "page.html")


def test_a_forgotten_id_is_noticed(built, capsys):
    """Before the assignment is handed in, not after."""
    files = built[1]["networks"].files
    names = {}
    exec(files["variants.py"], names)
    names["variant"]("ada")
    assert not capsys.readouterr().out
    names["variant"]("your id")
    assert "set STUDENT to your id" in capsys.readouterr().out


def test_the_masters_give_the_same_editions_again(built, tmp_path):
    folder, _ = built
    editions.build(editions.masters()[0], tmp_path)
    file = f"student/{NAMES[0]}/{NAMES[0]}.ipynb"
    assert (tmp_path / file).read_bytes() == (folder / file).read_bytes()


def test_students_can_check_their_answers(built, tmp_path):
    """In Jupyter, with Otter, where functions are functions."""
    folder, assignments = built
    notebook = nbformat.read(folder / "student/finding_blind_spots/finding_blind_spots.ipynb", 4)
    for file, text in assignments["finding_blind_spots"].files.items():
        (tmp_path / file).write_text(text, encoding="utf-8")
    nbformat.write(notebook, tmp_path / "finding_blind_spots.ipynb")
    stub = assignments["finding_blind_spots"].questions[0].stubs[0]
    for cell in notebook.cells:
        cell.source = cell.source.replace(
            stub, f"{stub.replace('...', '...', 1)}\nmy_distortion = 2"
        )
    done = NotebookClient(
        notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    (output,) = (str(c.outputs) for c in done.cells if c.source == 'grader.check("q1")')
    assert "not answered yet: the function must return a number" in output


def submission(built, path, *, change=(), extra=(), student=None):
    """A notebook with the solution, some of its text replaced and cells added."""
    folder, _ = built
    notebook = nbformat.read(folder / "solutions" / "finding_blind_spots.ipynb", as_version=4)
    for cell in notebook.cells:
        cell.source = cell.source.replace("your id", student or path.stem)
        for old, new in change:
            cell.source = cell.source.replace(old, new)
    notebook.cells += [nbformat.v4.new_code_cell(source) for source in extra]
    nbformat.write(notebook, path)
    return path


@pytest.fixture
def assess(built, monkeypatch):
    monkeypatch.setattr(grade_one, "BUILD", built[0])

    def run(path, limits=LIMITS):
        student = grade_class.student_of(path)
        return grade_one.assess(str(path), "", student, "finding_blind_spots", "", asdict(limits))

    return run


def points(result):
    return {name: question["points"] for name, question in result["questions"].items()}


FULL = {"q1": 2, "q3": 4, "q4": 3, "q5": 4, "q6": 2, "q7": 4}


def test_a_submission_is_graded_through_the_border(built, assess, tmp_path):
    result = assess(submission(built, tmp_path / "ada.ipynb"))
    assert points(result) == FULL and result["problem"] is None
    assert result["notes"] == [] and result["stopped_cells"] == []
    assert "Cauchy" in result["written"]["q2"]
    text = grade_class.feedback(built[1]["finding_blind_spots"], result)
    assert "19 of 19 points" in text and "**Points: ____ of 3**" in text and "- 1 point" in text


def test_the_id_is_that_of_the_file(built, assess, tmp_path):
    result = assess(submission(built, tmp_path / "bob.ipynb", student="ada"))
    assert points(result) == FULL | {"q1": 1, "q3": 2.5}
    assert any("another STUDENT" in f["hint"] for f in result["questions"]["q3"]["failed"])
    assert result["notes"] == ["STUDENT is 'ada' in the notebook, the file bob's"]


ALWAYS = """
class Always(float):
    __eq__ = __lt__ = __gt__ = __ge__ = __le__ = lambda *a: True
    __sub__ = __rsub__ = __mul__ = lambda *a: Always(0)
my_distortion = Always(1)
"""
PATCHES = """
import builtins, sys, torch, otter
from otter.test_files import abstract_test, exception_test
torch.allclose = torch.equal = lambda *a, **k: True
builtins.isinstance = builtins.all = lambda *a: True
builtins.abs = lambda x: 0
torch.Tensor.__eq__ = torch.Tensor.__lt__ = lambda *a: True
exception_test.ExceptionTestFile.run = lambda self, env: None
abstract_test.TestFile.score = abstract_test.TestFile.grade = 19
"""


def test_patching_what_compares_changes_nothing(built, assess, tmp_path):
    wrong = [("(len(norms) * pixels)", "pixels")]
    path = submission(built, tmp_path / "eve.ipynb", change=wrong, extra=[ALWAYS, PATCHES])
    result = assess(path)
    assert points(result)["q1"] == 0 and sum(points(result).values()) <= 17
    assert "the notebook contains 'allclose ='" in result["notes"]


def test_nothing_of_the_grader_is_in_reach(built, assess, tmp_path):
    look = f"""
import os, socket, pathlib
found = []
for path in {[str(editions.MASTERS), str(built[0]), str(ROOT / "tests"), str(tmp_path)]!r}:
    try:
        found += os.listdir(path)
        found.append(open(path + '/finding_blind_spots.py').read())
    except OSError:
        pass
try:
    pathlib.Path({str(tmp_path)!r}, 'grades.csv').write_text('eve,100')
except OSError:
    pass
try:
    socket.create_connection(("127.0.0.1", 9), timeout=2)
    found.append("network")
except ConnectionRefusedError:
    found.append("network")
except OSError:
    pass
if found:
    del pooled_distortion, my_distortion
"""
    result = assess(submission(built, tmp_path / "eve.ipynb", extra=[look]))
    assert not (tmp_path / "grades.csv").exists()
    if isolation() is None:
        assert points(result) == FULL


def test_without_namespaces_the_plainest_is_refused(built, assess, tmp_path, monkeypatch):
    monkeypatch.setenv("BLINDSPOTS_ISOLATION", "weak")
    isolation.cache_clear()
    target = tmp_path / "grades.csv"
    extra = [
        f"open({str(editions.MASTERS / 'finding_blind_spots.py')!r})",
        f"open({str(target)!r}, 'w').write('eve,100')",
        "import socket; socket.create_connection(('127.0.0.1', 9))",
        "import os; os.kill(os.getppid(), 9)",
    ]
    try:
        result = assess(submission(built, tmp_path / "eve.ipynb", extra=extra))
        assert len(result["stopped_cells"]) == 4 and not target.exists()
        assert all("PermissionError" in cell["error"] for cell in result["stopped_cells"])
        assert points(result) == FULL
        text = grade_class.feedback(built[1]["finding_blind_spots"], result)
        assert "weaker isolation" in text
    finally:
        isolation.cache_clear()


def test_a_canary_that_passes_stops_the_grading(monkeypatch):
    monkeypatch.setattr(torch, "allclose", lambda *args, **kwargs: True)
    with pytest.raises(RuntimeError, match="tampered"):
        run_tests.run_tests({}, {})


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "empty"),
        (b'{"cells": [', "damaged"),
        (b"[" * 100_000, "damaged"),
        (b'{"cells": 3}', "damaged"),
        (b'{"cells": [{"cell_type": "code", "source": "x = 1"}]}', "not the notebook"),
    ],
)
def test_files_that_are_no_answer(assess, tmp_path, content, problem):
    path = tmp_path / "ada.ipynb"
    path.write_bytes(content)
    result = assess(path)
    assert problem in result["problem"] and sum(points(result).values()) == 0
    assert all(question["possible"] for question in result["questions"].values())


VALUES = [
    None,
    True,
    3,
    2.5,
    "text",
    ...,
    [1, (2, "a")],
    {"a": [1.0], 2: None},
    float("inf"),
]


def test_other_numbers_cross_the_border_as_floats():
    for value in (Fraction(1, 4), Decimal("0.25"), np.float32(0.25)):
        assert unpack(pack(value, []), None) == 0.25


@pytest.mark.parametrize("value", VALUES, ids=str)
def test_plain_data_cross_the_border(value):
    assert unpack(json.loads(json.dumps(pack(value, []))), None) == value


@pytest.mark.parametrize("dtype", ["torch.float32", "torch.bool", "torch.bfloat16", "torch.int64"])
@pytest.mark.parametrize("shape", [(), (0, 3), (2, 3)], ids=str)
def test_tensors_cross_the_border(dtype, shape):
    value = torch.ones(shape).to(DTYPES[dtype])
    back = unpack(json.loads(json.dumps(pack(value, []))), None)
    assert back.dtype == value.dtype and back.shape == value.shape and torch.equal(back, value)


def test_nothing_else_comes_out():
    class Evil:
        def __reduce__(self):
            return (print, ("evil",))

    assert repr(unpack(pack(Evil(), []), None)) == "<an object of type Evil>"
    assert isinstance(unpack(pack({1: Evil()}, []), None)[1], Foreign)
    whole = pack(Evil(), [], whole=True)
    with pytest.raises(ValueError, match="not an answer"):
        unpack(whole, None)
    with pytest.raises(ValueError):
        unpack(["tensor", "torch.float32", [10**9], ""], None)


def test_too_large_an_answer_costs_only_its_question(built, assess, tmp_path):
    large = "def borrowed(*args): return torch.zeros(2**24)\nprediction = 'x' * 2**25\n"
    deep = "my_cheapest = 1\nfor _ in range(100_000): my_cheapest = [my_cheapest]"
    result = assess(submission(built, tmp_path / "eve.ipynb", extra=[large, deep]))
    assert points(result) == FULL | {"q3": 2.5, "q6": 0, "q7": 0}
    hints = [f["hint"] for q in ("q3", "q6", "q7") for f in result["questions"][q]["failed"]]
    assert "my_cheapest cannot be read: RecursionError" in hints[0]
    assert "prediction cannot be read: ValueError: an answer of 32 MB is too large" in hints[1]
    assert "an answer of 64 MB is too large" in hints[3]


SILENT = """
class Silent(BaseException):
    def __str__(self): raise self
raise Silent
"""


def test_an_error_may_say_anything_or_nothing(built, assess, tmp_path):
    odd = 'raise ValueError("half a character: \\udc80")'
    result = assess(submission(built, tmp_path / "eve.ipynb", extra=[SILENT, odd]))
    assert points(result) == FULL
    text = grade_class.feedback(built[1]["finding_blind_spots"], result)
    assert "an error whose message cannot be shown" in text
    assert "half a character: ?" in text and text.encode("utf-8")


def test_an_endless_loop_leaves_time_for_the_others(built, assess, tmp_path):
    endless = "def bracket(*args):\n    while True: pass"
    result = assess(submission(built, tmp_path / "bob.ipynb", extra=[endless]), LIMITS)
    hints = [failed["hint"] for failed in result["questions"]["q5"]["failed"]]
    assert points(result) == FULL | {"q5": 0}
    waited = [float(re.search(r"more than ([\d.]+) seconds", hint)[1]) for hint in hints]
    first = LIMITS.cell * grade_one.solution_seconds("finding_blind_spots")
    assert waited == pytest.approx([first, first / 2, first / 4, first / 8], rel=0.01)


def test_an_endless_loop_of_calls_leaves_the_border_in_order(built, assess, tmp_path):
    endless = "def bracket(succeeds, *args):\n    while True: succeeds(1.0)"
    # Calls wait for each other, so on a busy machine the clock runs far ahead of the processor.
    patient = replace(LIMITS, notebook=4 * LIMITS.notebook)
    result = assess(submission(built, tmp_path / "bob.ipynb", extra=[endless]), patient)
    assert points(result) == FULL | {"q5": 0}
    assert all("TooSlow" in failed["hint"] for failed in result["questions"]["q5"]["failed"][:1])


def test_a_test_that_computes_too_long_is_stopped():
    head = "from otter.test_files import test_case\nname, points = 'q', 1\n@test_case(points=1)\n"
    power = head + "def test_power(n):\n    while n: n += 1"
    (failed,) = run_tests.run_tests({"q": power}, {"n": 1}, seconds=0.5)["q"]["failed"]
    assert "more than 0.5 seconds" in failed["hint"]


@pytest.mark.parametrize("name", NAMES)
def test_huge_numbers_do_not_stop_the_tests(built, name):
    names = [n for question in built[1][name].questions for n in question.names]
    answers = run_tests.set_up(built[1][name].setup, "ada") | dict.fromkeys(names, 2**62)
    results = run_tests.run_tests(built[1][name].tests, answers).values()
    assert not any("TimeoutError" in failed["hint"] for r in results for failed in r["failed"])


def test_long_messages_are_cut():
    assert len(run_tests.hint("x" * 10**6)) < 2 * run_tests.LONGEST


def test_the_notebook_of_another_assignment_is_noticed(built, assess, tmp_path):
    path = tmp_path / "ada.ipynb"
    path.write_bytes((built[0] / "solutions" / "networks.ipynb").read_bytes())
    assert "not the notebook of the assignment" in assess(path)["problem"]


def test_functions_are_called_across_the_border():
    with sandbox(LIMITS) as box:
        peer = Peer(box.connection, [], trusting=False)
        cells = [
            "def twice(f, x):\n    return f(f(x))",
            "def slow(): \n    while True: pass",
            "def loud(): \n    while True: print('x' * 1000)",
            "1/0",
            "import sys; sys.exit()",
        ]
        stopped = peer.call(0, {}, cells)
        assert [(i, error.split(":")[0]) for i, error in stopped] == [
            (3, "ZeroDivisionError"),
            (4, "SystemExit"),
        ]
        seen = []
        twice, slow, loud = (peer.call(1, name) for name in ("twice", "slow", "loud"))
        assert twice(lambda x: seen.append(x) or 2 * x, 3) == 12 and seen == [3, 6]
        assert twice(torch.nn.Identity(), torch.ones(2)).tolist() == [1, 1]
        for function, reason in ((slow, "computed for more"), (loud, "printed more")):
            with pytest.raises(AnswerError, match=reason):
                function()


def test_a_name_from_an_archive_of_windows_stops_nobody():
    file = Path(os.fsdecode("Ångström.ipynb".encode("latin-1")))
    assert grade_class.harmless(grade_class.student_of(file)) == "Ångström"


def test_names_of_files_become_harmless():
    files = ("ada.ipynb", "=1+2.ipynb", "a b.ipynb", "x.pdf", "<b>.ipynb", "A\u030angström.ipynb")
    names = [grade_class.harmless(grade_class.student_of(Path(file))) for file in files]
    begins = ["ada", "_1+2-", "a b", "x.pdf", "_b_-", "Ångström"]
    assert all(n.startswith(begin) for n, begin in zip(names, begins, strict=True))
    assert names[0] == "ada" and names[5] == "Ångström"
    assert grade_class.harmless("a,b") != grade_class.harmless("a;b")
    long = [grade_class.harmless("Å" * 120 + last) for last in "ab"]
    assert long[0] != long[1] and max(len(name.encode()) for name in long) <= grade_class.LONGEST
    assert grade_class.quoted_cell("=cmd()\nnext") == "'=cmd() next"


IDS = [
    "anne marie",
    "o'brien",
    "Ångström",
    "A\u030angstro\u0308m",
    "李四",
    "नेहा",
    "مريم",
    "x" * 180,
]


@pytest.mark.parametrize("student", IDS)
def test_any_id_gives_the_numbers_that_its_owner_has(built, assess, tmp_path, student):
    """Composed or decomposed: file systems change that on the way."""
    path = submission(built, tmp_path / f"{student}.ipynb", student=student)
    other = "NFD" if unicodedata.is_normalized("NFC", student) else "NFC"
    path = path.rename(tmp_path / f"{unicodedata.normalize(other, student)}.ipynb")
    result = assess(path)
    assert points(result) == FULL and result["notes"] == []


def test_pretty_quotes_and_hyphens_are_plain_ones():
    ids = "o’brien", "jean‐luc", "ze\u200bro", "１２３", "  A  B "
    assert [variants.normal(i) for i in ids] == ["o'brien", "jean-luc", "zero", "123", "a b"]


@pytest.mark.parametrize("other", ["zoe\u0308", "Zoë (1)"])
def test_two_forms_of_one_id_are_one_student(tmp_path, other):
    for name in ("Zoë", other):
        (tmp_path / f"{name}.ipynb").write_text("{}", encoding="utf-8")
    with pytest.raises(ValueError, match="would both be zoë's"):
        grade_class.grade(tmp_path, "networks", folder=tmp_path / "grades")


@pytest.mark.parametrize(
    "mark",
    ["", " (1)", " (12)", "-Copy1", "-Copy2 (3)", " - Copy", " - Copy (2)", " copy", " copy 2"],
)
@pytest.mark.parametrize("student", ["ada", "anne marie", "a (b)", "copy", "(1)"])
def test_a_copy_has_the_id_of_its_original(student, mark):
    """Whose numbers else would be another student's."""
    assert grade_class.student_of(Path(f"{student}{mark}.ipynb")) == student


@pytest.mark.parametrize("seed", range(6))
def test_an_honest_notebook_gets_full_marks_however_it_is_written(built, assess, tmp_path, seed):
    path = submission(built, tmp_path / "ada.ipynb")
    nbformat.write(as_people_write(nbformat.read(path, 4), seed), path)
    result = assess(path)
    assert points(result) == FULL, result
    assert result["problem"] is None and result["stopped_cells"] == [] and result["notes"] == []
    assert any(remark.startswith("left out: ") for remark in result["remarks"])


def test_imports_that_fail_cost_only_themselves(built, assess, tmp_path):
    """On Colab, for example; and a shell that is asked by its name."""
    path = submission(built, tmp_path / "ada.ipynb")
    notebook = nbformat.read(path, 4)
    first = next(c for c in notebook.cells if c.cell_type == "code" and "import torch" in c.source)
    first.source = (
        "from google.colab import drive\nip = get_ipython()\n"
        f"ip.run_line_magic('matplotlib', 'inline')\n{first.source}"
    )
    nbformat.write(notebook, path)
    result = assess(path)
    assert points(result) == FULL
    assert "No module named 'google" in result["stopped_cells"][0]["error"]


@pytest.mark.parametrize(
    "around", ["", "if True:\n", "try:\n", "with open(__import__('os').devnull):\n"]
)
def test_an_answer_below_its_stub_counts(built, assess, tmp_path, around):
    path = submission(built, tmp_path / "ada.ipynb")
    solved = nbformat.read(path, 4)
    handed = nbformat.read(built[0] / "student/finding_blind_spots/finding_blind_spots.ipynb", 4)
    stubs = {s for q in built[1]["finding_blind_spots"].questions for s in q.stubs}
    stubs = [c for c in handed.cells if c.source in stubs]
    cells = []
    for cell in solved.cells:
        begin = cell.source.split("(")[0]
        below = [stub for stub in stubs if stub.source.split("(")[0] == begin]
        cells += [nbformat.v4.new_code_cell(stub.source) for stub in below]
        cells.append(cell)
        if below and around:
            end = "\nfinally:\n    pass" if "try" in around else ""
            cell.source = around + textwrap.indent(cell.source, "    ") + end
    assert len(cells) > len(solved.cells) + 2
    solved.cells = cells
    nbformat.write(solved, path)
    assert points(assess(path)) == FULL


def test_a_cell_that_waits_costs_only_itself(built, assess, tmp_path):
    waits = ["import time\ntime.sleep(10_000)", "input('ready? ')", "moved = 1"]
    result = assess(submission(built, tmp_path / "ada.ipynb", extra=waits))
    assert points(result) == FULL
    stopped = [cell["error"] for cell in result["stopped_cells"]]
    assert len(stopped) == 2 and "did nothing for" in stopped[0]
    sleepy = "def bracket(*args):\n    import time\n    time.sleep(10_000)"
    result = assess(submission(built, tmp_path / "eve.ipynb", extra=[sleepy]))
    assert points(result) == FULL | {"q5": 0}
    assert "did nothing for" in result["questions"]["q5"]["failed"][0]["hint"]


def test_a_second_run_grades_only_what_is_missing(built, tmp_path, monkeypatch):
    monkeypatch.setattr(grade_class, "BUILD", built[0])
    monkeypatch.setattr(grade_class, "load", lambda name: built[1][name])
    monkeypatch.setattr(grade_one, "load", lambda name, folder: built[1][name])
    class_of = tmp_path / "class"
    class_of.mkdir()
    (class_of / "ada.ipynb").write_bytes(b"")
    arguments = {"folder": tmp_path / "grades", "jobs": 1, "progress": False}
    grade_class.grade(class_of, "finding_blind_spots", **arguments)
    (kept,) = (tmp_path / "grades" / "results").iterdir()
    before = kept.stat().st_mtime_ns
    (class_of / "notes.pdf").write_bytes(b"x")
    results = grade_class.grade(class_of, "finding_blind_spots", **arguments)
    assert kept.stat().st_mtime_ns == before and len(results) == 2
    table = (tmp_path / "grades" / "grades.csv").read_text().splitlines()
    assert table[0].startswith("student,q1,q3") and len(table) == 3
    assert "not a notebook" in (tmp_path / "grades/feedback/notes.pdf.md").read_text()
    (class_of / "ada.ipynb").write_bytes(b"{")
    again = grade_class.grade(class_of, "finding_blind_spots", **arguments)
    assert ["damaged" in result["problem"] for result in again] == [True, False]
    with pytest.raises(FileNotFoundError, match="no files"):
        grade_class.grade(tmp_path / "nowhere", "finding_blind_spots", **arguments)
    (class_of / "emmy").mkdir()
    with pytest.raises(ValueError, match=r"emmy in .* cannot be graded"):
        grade_class.grade(class_of, "finding_blind_spots", **arguments)
    (class_of / "emmy").rmdir()
    for name in ("Ada.ipynb", "ADA.ipynb"):
        (class_of / name).write_bytes(b"")
    with pytest.raises(ValueError, match=r"would both be ada's"):
        grade_class.grade(class_of, "finding_blind_spots", **arguments)


def test_another_grader_or_another_edition_grades_again(tmp_path, monkeypatch):
    monkeypatch.setattr(grade_class, "HERE", tmp_path / "coursework")
    monkeypatch.setattr(grade_class, "BUILD", tmp_path / "build")
    seen = (
        "coursework/grade_class.py",
        "coursework/sandboxed/run.sh",
        "build/grading/one/assignment.json",
    )
    for name in (*seen, "coursework/assignments/one.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("first")
    before = grade_class.grader_version("one")
    (tmp_path / "coursework/assignments/one.py").write_text("second")  # its edition counts
    assert grade_class.grader_version("one") == before
    for name in seen:
        (tmp_path / name).write_text("second")
        assert grade_class.grader_version("one") != before
        before = grade_class.grader_version("one")


def test_a_notebook_of_the_third_format_is_read(tmp_path):
    cells = [
        {"cell_type": "markdown", "source": ["some ", "text"]},
        {"cell_type": "code", "input": "x = 1"},
    ]
    file = tmp_path / "old.ipynb"
    file.write_text(json.dumps({"nbformat": 3, "worksheets": [{"cells": cells}]}))
    assert grade_one.read_notebook(file) == [("markdown", "some text"), ("code", "x = 1")]
