"""Written answers are found wherever they were typed."""

import re
import textwrap

import nbformat
import pytest

from coursework import editions, written

pytestmark = pytest.mark.slow

NAMES = [master.stem for master in editions.masters()]


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("assignments")
    return folder, {master.stem: editions.build(master, folder) for master in editions.masters()}


def answered(built, answer, place):
    """The handed-out notebook with the answer to its written question somewhere."""
    notebook = nbformat.read(built[0] / "student/finding_blind_spots/finding_blind_spots.ipynb", 4)
    heading = next(i for i, c in enumerate(notebook.cells) if "**Question 2" in c.source)
    given = next(i for i in range(heading, 99) if "_Type your" in notebook.cells[i].source)
    if place == "instead":
        notebook.cells[given].source = answer
    elif place == "below the mark":
        notebook.cells[given].source += f"\n\n{answer}"
    elif place == "in the question":
        notebook.cells[heading].source += f"\n\n{answer}"
        del notebook.cells[given]
    elif place == "a cell of its own":
        notebook.cells.insert(given + 1, nbformat.v4.new_markdown_cell(answer))
    elif place == "code":
        notebook.cells[given] = nbformat.v4.new_code_cell(f'"""{answer}"""')
    elif place == "retouched heading":
        cell = notebook.cells[heading]
        cell.source = cell.source.replace("**Question 2", "## **Question 2 (mine)")
        notebook.cells[given].source = answer
    elif place == "after the mark":
        notebook.cells[given].source += f" {answer}"
    elif place == "rewrapped question":
        cell = notebook.cells[heading]
        cell.source = " ".join(cell.source.split())
        notebook.cells[given].source = answer
    elif place == "rewrapped below its heading":
        cell = notebook.cells[heading]
        cell.source = textwrap.fill(cell.source, 60)
        notebook.cells[given].source = answer
    elif place == "no heading":
        cell = notebook.cells[heading]
        cell.source = "<!-- BEGIN QUESTION -->"
        notebook.cells[given].source = answer
    elif place == "at the end":
        notebook.cells += [notebook.cells.pop(heading)]
        notebook.cells.append(nbformat.v4.new_markdown_cell(answer))
    elif place == "after a long cell":
        notebook.cells.insert(0, nbformat.v4.new_code_cell("x = 1\n" * 4000))
        notebook.cells[given + 1].source = answer
    elif place == "one large cell":
        texts = [c.source for c in notebook.cells[heading : given + 1]]
        notebook.cells[heading].source = "\n\n".join([*texts[:-1], answer])
        del notebook.cells[heading + 1 : given + 1]
    return [(cell.cell_type, cell.source) for cell in notebook.cells]


MOVED = ["after the mark", "rewrapped question", "no heading", "at the end", "after a long cell"]
MOVED += ["rewrapped below its heading"]
PLACES = ["instead", "below the mark", "in the question", "a cell of its own", "code"]


@pytest.mark.parametrize("place", [*PLACES, *MOVED, "retouched heading", "one large cell"])
def test_a_written_answer_is_found_where_it_was_typed(built, place):
    assignment = built[1]["finding_blind_spots"]
    text = "By the inequality of Cauchy and Schwarz.\n\nSo the mean is at most the root."
    typed = answered(built, text, place)
    found = written.written_answers(typed, assignment.cells, assignment.questions)
    assert all(line in found["q2"] for line in text.split("\n\n"))
    assert not any(words in found["q2"] for words in ("_Type your", "Question", "cheapest"))


@pytest.mark.parametrize("name", NAMES)
def test_what_was_handed_out_is_no_answer(built, name):
    assignment = built[1][name]
    answers = written.written_answers(assignment.cells, assignment.cells, assignment.questions)
    assert answers and not any(answers.values())
    typed = [
        (kind, source.replace("_Type your answer here, replacing this text._", f"Answer {i}."))
        for i, (kind, source) in enumerate(assignment.cells)
    ]
    found = written.written_answers(typed, assignment.cells, assignment.questions)
    assert all(re.fullmatch(r"Answer \d+\.", text) for text in found.values())
    assert len(set(found.values())) == len(found)


@pytest.mark.parametrize("place", ["instead", "below the mark", "a cell of its own"])
def test_an_answer_may_repeat_the_question(built, place):
    assignment = built[1]["finding_blind_spots"]
    handed = "\n".join(source for _, source in assignment.cells).partition("**Question 2")[2]
    repeated = [line for line in handed.splitlines()[1:9] if len(line) > 12][:2]
    text = "\n".join(["Claim:", *repeated, "Proof. Lagrange."])
    found = written.written_answers(
        answered(built, text, place), assignment.cells, assignment.questions
    )
    assert found["q2"].splitlines() == text.splitlines()


def test_short_lines_that_were_moved_are_no_answer(built):
    questions = built[1]["finding_blind_spots"].questions
    question = next(q for q in questions if q.rubric is not None)
    heading = f"**{question.title.splitlines()[0]}**"
    handed_out = [("markdown", f"A note.\n\n{heading}"), ("markdown", written.MARK)]
    cells = [("markdown", heading), ("markdown", "Mine."), ("markdown", "A note.")]
    assert written.written_answers(cells, handed_out, questions)[question.name] == "Mine."


@pytest.mark.parametrize(
    "typed, expected",
    [
        ("**Question 2: explanation (3 points)**\n\nMine.", "Mine."),
        ("**Question 2: my proof** Mine.", "Mine."),
        ("As I said in question 1.\n\nMine.", None),
    ],
)
def test_an_answer_may_begin_with_its_heading_or_name_another_question(built, typed, expected):
    """A number counts more than the words behind it."""
    assignment = built[1]["finding_blind_spots"]
    cells = answered(built, typed, "instead")
    found = written.written_answers(cells, assignment.cells, assignment.questions)
    assert found.pop("q2") == (expected or typed)
    assert not any(found.values())


def test_what_is_said_in_a_sentence_is_no_heading(built):
    assignment = built[1]["finding_blind_spots"]
    title = next(q for q in assignment.questions if q.name == "q3").title.splitlines()[0]
    typed = f"By **{title}** it is unique. Mine."
    cells = answered(built, typed, "instead")
    found = written.written_answers(cells, assignment.cells, assignment.questions)
    assert found["q2"] == typed
