"""The comparison of verdicts between variants of the machine notices what it is for."""

from pathlib import Path

import nbformat
import pytest

TOOLS = Path(__file__).resolve().parent.parent / "tools"


@pytest.fixture
def variants(monkeypatch):
    for folder in (TOOLS, TOOLS.parent / "book" / "extensions"):
        monkeypatch.syspath_prepend(folder)
    import machine_variants

    return machine_variants


def test_a_verdict_that_turns_is_named(variants):
    found = {"plain": {"one": "holds", "two": "holds"}, "busy": {"one": "holds", "two": "weaker"}}
    assert variants.differences(found) == ["two: holds (plain), weaker (busy)"]
    found["busy"].pop("two")
    assert variants.differences(found) == ["two: holds (plain), nothing (busy)"]
    assert variants.differences({}) == variants.differences({"plain": {"one": "holds"}}) == []


def test_verdicts_are_read_from_an_executed_chapter(variants, tmp_path):
    data = {"text/plain": repr('{"verdict": "holds"}')}
    output = nbformat.v4.new_output(
        "display_data", data, metadata={"scrapbook": {"name": "claim_one"}}
    )
    plain = nbformat.v4.new_output("display_data", data)
    cells = [nbformat.v4.new_code_cell(outputs=[plain, output])]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "one.ipynb")
    assert list(variants.glued_in(tmp_path / "one.ipynb")) == [
        ("claim_one", '{"verdict": "holds"}')
    ]
