"""The comparison of verdicts between variants of the machine notices what it is for."""

import nbformat
import pytest

from tools import machine_variants as variants


def test_a_verdict_that_turns_is_named():
    found = {"plain": {"one": "holds", "two": "holds"}, "busy": {"one": "holds", "two": "weaker"}}
    assert variants.differences(found) == ["two: holds (plain), weaker (busy)"]
    found["busy"].pop("two")
    assert variants.differences(found) == ["two: holds (plain), nothing (busy)"]
    assert variants.differences({}) == variants.differences({"plain": {"one": "holds"}}) == []


@pytest.mark.parametrize("prefix", ["", "application/papermill.record/"])
def test_verdicts_are_read_from_an_executed_chapter(tmp_path, prefix):
    """What is glued without being shown has a prefix before its type."""
    text = repr('{"verdict": "holds"}')
    mark = {"scrapbook": {"name": "claim_one", "mime_prefix": prefix}}
    glued = nbformat.v4.new_output("display_data", {f"{prefix}text/plain": text}, metadata=mark)
    plain = nbformat.v4.new_output("display_data", {"text/plain": text})
    cells = [nbformat.v4.new_code_cell(outputs=[plain, glued])]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "one.ipynb")
    assert list(variants.glued_in(tmp_path / "one.ipynb")) == [
        ("claim_one", '{"verdict": "holds"}')
    ]
