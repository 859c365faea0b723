"""Numbers that flow from the cells of a chapter into its sentences, and how they are written."""

import math
from collections.abc import Iterable, Mapping

from torch import Tensor

from blindspots.intervals import seed_interval

Number = float | Tensor

try:
    from myst_nb import glue as _glue
except ImportError:  # a reader without the book's tools, on Colab for instance

    def _glue(name: str, variable: object, display: bool = True) -> None:
        """Outside the build nothing reads the value."""


def glue(**values: str) -> None:
    """Make computed values available to the text of the page, for its `glue:text` role.

    Silent in a notebook, and does nothing where the book's tools are not installed.

    Raises:
        TypeError: if a value is not a string: the chapter says how many digits a sentence shows.

    >>> glue(test_error=f"{100 * 0.0738:.1f}")
    """
    for name, value in values.items():
        if not isinstance(value, str):
            raise TypeError(f"glue({name}=...) needs a string, got {value!r}: format it first")
        _glue(name, value, display=False)


def percent(share: Number, digits: int = 1) -> str:
    """Write a share as a percentage, as the book does.

    >>> percent(0.0738), percent(0.5, 0)
    ('7.4 %', '50 %')
    """
    return f"{100 * share:.{digits}f} %"


def at_least(share: Number, digits: int = 1) -> str:
    """Write the least of several shares, rounded down; nothing is more than all.

    >>> at_least(0.9876), at_least(1.0)
    ('at least 98.7 %', '100 %')
    """
    unit = 10 ** (digits + 2)
    floor = math.floor(float(share) * unit + 1e-9) / unit  # 0.29 * 100 is a little less than 29
    return f"at least {percent(floor, digits)}" if share < 1 else "100 %"


def at_least_of(count: int, total: int) -> str:
    """Write the least of several counts out of the same total.

    >>> at_least_of(430, 433), at_least_of(433, 433)
    ('at least 430 of 433', 'all 433')
    """
    return f"at least {count} of {total}" if count < total else f"all {total}"


def interval(ends: Iterable[Number], style: str = ".2f") -> str:
    """Write an interval in brackets, each end in the style of a format string.

    >>> interval((-0.5, 1), "+.1f")
    '[-0.5, +1.0]'
    """
    return "[" + ", ".join(_written(end, style) for end in ends) + "]"


def with_interval(number: Number, ends: Iterable[Number], style: str = ".2f") -> str:
    """Write a number and the interval around it.

    >>> with_interval(0.25, (0, 1), ".1f")
    '0.2 [0.0, 1.0]'
    """
    return f"{_written(number, style)} {interval(ends, style)}"


def mean_interval(runs: Tensor, style: str = ".2f") -> str:
    """Write the mean of several runs, and its 95 % interval.

    >>> mean_interval(Tensor([1.0, 2.0, 3.0]), ".1f")
    '2.0 [-0.5, 4.5]'
    """
    return with_interval(runs.mean(), seed_interval(runs), style)


def span(values: Iterable[Number], style: str = ".2f") -> str:
    """Write the least and the largest of several numbers; once, if they are written alike.

    >>> span([3, 1, 2], ".0f"), span([1, 1.1], ".0f")
    ('1 to 3', '1')
    """
    ends = [float(value) for value in values]
    low, high = _written(min(ends), style), _written(max(ends), style)
    return low if low == high else f"{low} to {high}"


def named(values: Mapping[str, Number], style: str = ".2f", unit: str = "") -> str:
    """Write several numbers, each with the name of what it belongs to.

    >>> named({"FC10": 0.5, "convnet": 2}, ".1f", " s")
    '0.5 s (FC10), 2.0 s (convnet)'
    """
    return ", ".join(f"{_written(x, style)}{unit} ({name})" for name, x in values.items())


def _written(number: Number, style: str) -> str:
    """What is rounded to zero is zero, not less."""
    text = format(float(number), style)
    return text if float(text) else format(0.0, style)
