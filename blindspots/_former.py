"""What replaces the names of the last version; each is told for one version, then forgotten."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

MOVED = {
    "attack.results": ["AdversarialImages"],
    "attack.adversaries": ["pgd"],
    "attack.box": ["BoxMinimum", "minimize_box"],
    "attack.polytope": ["PolytopeProjection", "project_to_polytope"],
    "book": ["figures", "ledger", "practice"],
    "book.stored": ["load_stored"],
    "bounds.layers": ["LayerBound", "NetworkBound"],
    "bounds.lipsdp": ["lipsdp_pair_bounds"],
    "directions": ["aligned_directions", "partial_rotations"],
    "intervals": ["share_bound"],
    "networks": ["TransferMatrix"],
    "training": ["fit_sparse_autoencoder", "weight_decay_loss"],
    "units": ["BasisTest", "basis_tests", "count_detectors", "participation_ratio"],
    "zoo": ["RECIPES", "training_seconds"],
}
NAMES = {
    name: f"import it from blindspots.{home}" for home, names in MOVED.items() for name in names
} | {
    "basis_verdict": "it is compare_units of blindspots.book.ledger",
    "blind_spots": "it is lbfgs_adversary of blindspots.attack.adversaries",
    "largest_gradient": "it is lipschitz_lower_bound",
    "lipschitz": "its functions are in blindspots itself, their module is blindspots.bounds.layers",
    "prose": "it is blindspots.book.words",
    "transfer_verdict": 'use CLAIMS["models"].rule of blindspots.book.ledger',
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
