"""What replaces the names of the last version; each is told for one version, then forgotten."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

NAMES = {
    "load_stored": "import it from blindspots.book.stored",
    "figures": "it is blindspots.book.figures",
    "prose": "it is blindspots.book.words",
    "ledger": "it is blindspots.book.ledger",
    "practice": "it is blindspots.book.practice",
    "lipschitz": "its functions are in blindspots itself, their module is blindspots.bounds.layers",
    "transfer_verdict": 'use CLAIMS["models"].judge of blindspots.book.ledger',
    "basis_verdict": "it is compare_units of blindspots.book.ledger",
}

P = ParamSpec("P")
R = TypeVar("R")


def former_options(**advice: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make a function say what replaces the options that it no longer has.

    Args:
        **advice: by the name of the option.
    """

    def wrap(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def called(*args: P.args, **options: P.kwargs) -> R:
            for name in options:
                if name in advice:
                    raise TypeError(f"{function.__name__} has no {name} any more: {advice[name]}")
            return function(*args, **options)

        return called

    return wrap
