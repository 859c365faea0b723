import subprocess
import sys

import myst_nb
import pytest
import torch

from blindspots.book import words


def test_values_reach_the_page_as_plain_text(monkeypatch):
    pasted = {}
    monkeypatch.setattr(
        words, "_glue", lambda name, value, display: pasted.update({name: (value, display)})
    )
    words.glue(error="7.4", name="MNIST")
    assert pasted == {"error": ("7.4", False), "name": ("MNIST", False)}
    assert words._glue is not myst_nb.glue


@pytest.mark.parametrize("value", [7.4, None, 3])
def test_numbers_must_be_formatted_by_the_chapter(value):
    with pytest.raises(TypeError, match=r"glue\(error=\.\.\.\) needs a string.*format it first"):
        words.glue(error=value)


def test_numbers_in_words():
    assert words.percent(torch.tensor(0.25), 0) == "25 %"
    assert words.interval(torch.tensor([-0.25, 1.0]), "+.1f") == "[-0.2, +1.0]"
    assert words.mean_interval(torch.tensor([1.0, 2.0, 3.0]), ".1f") == "2.0 [-0.5, 4.5]"
    assert words.span(torch.tensor([2.0, 1.0, 3.0]), ".0f") == "1 to 3"
    assert words.named({"FC10": torch.tensor(7.0)}, ".0f", " %") == "7 % (FC10)"


@pytest.mark.slow
def test_silent_without_the_books_tools():
    """A reader on Colab has no myst_nb."""
    code = (
        "import sys; sys.modules['myst_nb'] = None\n"
        "from blindspots.book.words import glue; glue(error='7.4')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_nothing_is_at_least_all():
    assert words.at_least(0.9) == "at least 90.0 %" and words.at_least(torch.tensor(1.0)) == "100 %"
    assert (
        words.at_least(0.9999, 0) == "at least 99 %" and words.at_least(0.29, 0) == "at least 29 %"
    )
    assert words.at_least_of(2, 3) == "at least 2 of 3" and words.at_least_of(3, 3) == "all 3"


def test_zero_has_no_minus():
    assert words.interval((-0.001, -0.01), "+.2f") == "[+0.00, -0.01]"
    assert words.span([-0.001, 1], ".1f") == "0.0 to 1.0"
    assert words.named({"a": -0.001}, ".1f", " %") == "0.0 % (a)"
    assert words.mean_interval(torch.tensor([-0.001, -0.001]), "+.2f") == "+0.00 [+0.00, +0.00]"
