"""Every claim of the ledger has its evidence in a chapter, and its note beside it."""

import ast
import re
from pathlib import Path
from typing import get_args

import nbformat
import pytest

from blindspots.book.ledger import CLAIMS, Verdict

ROOT = Path(__file__).resolve().parent.parent
CHAPTERS = {
    file.stem: [cell for cell in nbformat.read(file, as_version=4).cells]
    for file in sorted((ROOT / "book" / "chapters").glob("*.ipynb"))
}


@pytest.mark.parametrize("name", CLAIMS)
def test_every_claim_has_its_note_in_one_chapter(name):
    """The build refuses a note on another page than the evidence, and a claim without evidence."""
    notes = [
        chapter
        for chapter, cells in CHAPTERS.items()
        for cell in cells
        if cell.cell_type == "markdown" and f"```{{claim}} {name}\n```" in cell.source
    ]
    assert len(notes) == 1


def without_magics(source):
    """As they are not Python."""
    return re.sub(r"^(\s*)%.*", r"\1pass", source, flags=re.M)


def test_what_is_measured_is_no_constant():
    """No record states its numbers: each is computed by an expression with a name in it."""
    recorded = 0
    for cells in CHAPTERS.values():
        for cell in cells:
            if cell.cell_type != "code" or "record" not in cell.source:
                continue
            for call in ast.walk(
                ast.parse(re.sub(r"^(\s*)%.*", r"\1pass", cell.source, flags=re.M))
            ):
                if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "record":
                    recorded += 1
                    given = {keyword.arg: keyword.value for keyword in call.keywords}
                    for part in (given["interval"], given["negative"]):
                        names = [n for n in ast.walk(part) if isinstance(n, ast.Name)]
                        assert names, f"{ast.unparse(part)} is a constant"
    assert recorded > 10


JUDGEMENT = re.compile(
    r"\s*((does )?not )?(hold|fail|agree|testable|undecided|reproduced|supported|met)s?\b", re.I
)


def judgements(source):
    """Strings that read like verdicts, but for those with which a verdict is compared."""
    tree = ast.parse(without_magics(source))
    asked = [n for node in ast.walk(tree) if isinstance(node, ast.Compare) for n in ast.walk(node)]
    strings = [n for n in ast.walk(tree) if isinstance(n, ast.Constant) and n not in asked]
    return [n.value for n in strings if isinstance(n.value, str) and JUDGEMENT.match(n.value)]


def test_judgements_are_found():
    assert all(JUDGEMENT.match(verdict) for verdict in get_args(Verdict))
    assert judgements('glue(a="Holds" if share > 0.9 else "does not hold")') == [
        "Holds",
        "does not hold",
    ]
    assert judgements('said = f"fails ({share:.1f})"') == ["fails ("]
    assert not judgements('verdict = record("models")\nprint("well" if verdict == "holds" else "")')


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_no_chapter_gives_a_verdict_of_its_own(chapter):
    """What a page calls a verdict is what the ledger's rule returned."""
    for cell in CHAPTERS[chapter]:
        assert cell.cell_type != "code" or not judgements(cell.source)


def test_front_page_and_ledger_show_the_verdicts():
    front = (ROOT / "book" / "intro.md").read_text(encoding="utf-8")
    ledger = (ROOT / "book" / "ledger.md").read_text(encoding="utf-8")
    assert "```{ledger-short}" in front and "```{ledger-short}" in ledger
    assert "```{ledger}\n```" in ledger
