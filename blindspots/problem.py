"""The problem of section 4.1 for a batch: what both searches are given, and what they return."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from blindspots.networks import margin
from blindspots.perturbations import Bounds


class Problem(NamedTuple):
    """A batch of flattened images, each to be moved as little as possible behind a boundary.

    Attributes:
        logits: of flattened images, row by row.
        images: the originals.
        targets: the class whose logit must exceed those of the rivals.
        rivals: per class, whether it is a rival.
        first_margin: the margin at the originals, positive.
        guard: how negative a margin must be to survive rounding in 32 bits.
        bounds: of every pixel.
    """

    logits: Callable[[Tensor], Tensor]
    images: Float[Tensor, "n d"]
    targets: Int[Tensor, "n"]
    rivals: Bool[Tensor, "n k"]
    first_margin: Float[Tensor, "n"]
    guard: Float[Tensor, "n"]
    bounds: Bounds


class Found(NamedTuple):
    """The adversarial images, one entry per original; see `AdversarialImages`."""

    images: Float[Tensor, "n d"]
    distortion: Float[Tensor, "n"]
    penalty: Float[Tensor, "n"]
    evaluations: Int[Tensor, "n"]


def select(problem: Problem, rows: Tensor) -> Problem:
    """The problem of some of the rows."""
    return problem._replace(
        images=problem.images[rows],
        targets=problem.targets[rows],
        rivals=problem.rivals[rows],
        first_margin=problem.first_margin[rows],
        guard=problem.guard[rows],
    )


def towards(problem: Problem, targets: Int[Tensor, "n"]) -> Problem:
    """The same problem with other targets."""
    other = problem._replace(targets=targets)
    with torch.no_grad():
        return other._replace(first_margin=margin_at(other, other.images))


def margin_at(problem: Problem, x: Float[Tensor, "n d"]) -> Float[Tensor, "n"]:
    """The margin of one point per row; at most minus the guard where the attack has succeeded."""
    return margin(problem.logits(x), problem.targets, problem.rivals)
