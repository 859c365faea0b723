"""Checks of the book's practice exercises, whose messages are meant to teach.

`check("name", answer)` says what an answer gets wrong, and how one might go on. One module for the
exercises of each chapter; solutions are in the book.
"""

import importlib
import pkgutil
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

Check = Callable[[Any], None]
_CHECKS: dict[str, Check] = {}


class Wrong(Exception):
    """What is wrong with an answer, and a hint."""


def check(name: str, answer: Any) -> None:
    """Check the answer to an exercise, and print what was found.

    Args:
        name: of the exercise, as printed beside it.
        answer: a function, a number, a word or a tensor, as the exercise says. `...` and a function
            that raises NotImplementedError are answers that have not been given yet.

    Raises:
        KeyError: if there is no such exercise.

    >>> check("exercise_of_this_docstring", 3)
    Not yet: the half of 4 is wanted, got 3. Divide by two.
    >>> check("exercise_of_this_docstring", ...)
    Not answered yet: put your answer in the place of the dots, then run both cells again.
    >>> check("exercise_of_this_docstring", 2)
    Right.
    """
    checks = _checks()
    if name not in checks:
        raise KeyError(f"there is no exercise {name!r}: take the name as its cell had it")
    print(_verdict(checks[name], answer))


def _verdict(judge: Check, answer: Any) -> str:
    place = "the dots" if answer is ... else "`raise NotImplementedError`"
    missing = (
        f"Not answered yet: put your answer in the place of {place}, then run both cells again."
    )
    if answer is ...:
        return missing
    try:
        judge(answer)
    except Wrong as wrong:
        return f"Not yet: {wrong}"
    except Exception as error:  # whatever a reader's code may raise
        # PyTorch too raises NotImplementedError, but says why.
        if isinstance(error, NotImplementedError) and not error.args:
            return missing
        if _is_ours(error):
            return (
                f"Not yet: the check cannot use your answer ({type(error).__name__}: {error}). Is "
                "it of the kind that is asked for? Is a `return` missing?"
            )
        return f"Not yet: your code ends in {type(error).__name__}: {error}"
    return "Right."


def exercise(judge: Check) -> Check:
    """Register the check of the exercise that the function is named after."""
    _CHECKS[judge.__name__] = judge
    return judge


def require(condition: object, message: str) -> None:
    """Tell the reader what is wrong unless the condition holds."""
    if not condition:
        raise Wrong(message)


def _is_ours(error: Exception) -> bool:
    """Whether an error was raised in a check, not in the code that it checks."""
    return (
        Path(traceback.extract_tb(error.__traceback__)[-1].filename).parent == Path(__file__).parent
    )


def numbers(got: Any) -> torch.Tensor:
    """Convert what an answer returned to a tensor of 64 bits: from lists, arrays, other types."""
    require(got is not None, "your function gave None. Is a `return` missing?")
    if isinstance(got, torch.Tensor):
        return got.detach().double()
    return torch.as_tensor(got, dtype=torch.float64)


def _checks() -> dict[str, Check]:
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    return _CHECKS


@exercise
def exercise_of_this_docstring(answer: Any) -> None:
    """Check the exercise that the docstring of `check` shows."""
    require(answer == 2, f"the half of 4 is wanted, got {answer}. Divide by two.")
