"""Checks of the book's practice exercises, whose messages are meant to teach.

`check("name", answer)` says what an answer gets wrong, and how one might go on. One module for the
exercises of each chapter; solutions are in the book.
"""

import importlib
import pkgutil
from collections.abc import Callable
from typing import Any

Check = Callable[[Any], None]
_CHECKS: dict[str, Check] = {}


class Wrong(Exception):
    """What is wrong with an answer, and a hint."""


def check(name: str, answer: Any) -> bool:
    """Check the answer to an exercise, print what was found, and return whether it is right.

    Args:
        name: of the exercise, as printed beside it.
        answer: a function, a number, a word or a tensor, as the exercise says. `...` and a function
            that raises NotImplementedError are answers that have not been given yet.

    Raises:
        KeyError: if there is no such exercise.

    >>> check("exercise_of_this_docstring", 3)
    Not yet: the half of 4 is wanted, got 3. Divide by two.
    False
    >>> check("exercise_of_this_docstring", ...)
    Not answered yet: put your answer in the place of the dots, and run both cells again.
    False
    >>> check("exercise_of_this_docstring", 2)
    Right.
    True
    """
    try:
        if answer is ...:
            raise NotImplementedError
        _checks()[name](answer)
    except NotImplementedError:
        print(
            "Not answered yet: put your answer in the place of the dots, and run both cells again."
        )
    except Wrong as wrong:
        print(f"Not yet: {wrong}")
    except Exception as error:  # whatever a reader's code may raise
        print(f"Not yet: your code ends in {type(error).__name__}: {error}")
    else:
        print("Right.")
        return True
    return False


def exercise(judge: Check) -> Check:
    """Register the check of the exercise that the function is named after."""
    _CHECKS[judge.__name__] = judge
    return judge


def require(condition: object, message: str) -> None:
    """Tell the reader what is wrong unless the condition holds."""
    if not condition:
        raise Wrong(message)


def _checks() -> dict[str, Check]:
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    return _CHECKS


@exercise
def exercise_of_this_docstring(answer: Any) -> None:
    require(answer == 2, f"the half of 4 is wanted, got {answer}. Divide by two.")
