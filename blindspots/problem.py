"""The problem of section 4.1 for a batch: what both searches are given, and what they return."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from blindspots.networks import margin
from blindspots.perturbations import Bounds

# Logits of the same image differ by this many rounding errors from one batch or device to another.
ROUNDING = 16 * torch.finfo(torch.float32).eps


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


def state_problem(
    model: nn.Module, images: Tensor, targets: Tensor | None, bounds: Bounds
) -> Problem:
    """The problem of one batch; refuses what would make every later result meaningless."""

    def logits_of(x: Tensor) -> Tensor:
        return model(x.view(-1, *images.shape[1:]))

    with torch.enable_grad():
        points = images.flatten(1).detach().requires_grad_()
        logits = logits_of(points)
        if logits.ndim != 2 or len(logits) != len(images) or logits.shape[1] < 2:
            raise ValueError(
                f"the model returned shape {tuple(logits.shape)} for {len(images)} images: it must "
                "return one row of logits per image"
            )
        classes = logits.shape[1]
        if targets is None:
            # Any class may become the target; the one predicted now is its only rival.
            first, second = logits.topk(2, dim=1).indices.unbind(dim=1)
            targets, rivals = second, nn.functional.one_hot(first, classes).bool()
        elif not (int(targets.min()) >= 0 and int(targets.max()) < classes):
            raise ValueError(
                f"targets lie in {int(targets.min())}..{int(targets.max())} but the model has "
                f"classes 0..{classes - 1}: choose targets among them"
            )
        else:
            rivals = ~nn.functional.one_hot(targets, classes).bool()
        first_margin = margin(logits, targets, rivals)
        (gradient,) = torch.autograd.grad(first_margin.sum(), points)
    logits, first_margin = logits.detach(), first_margin.detach()
    if not logits.isfinite().all():
        raise ValueError("the model returned NaN or infinite logits: mend the model")
    sums = logits.sum(dim=1)
    if (logits >= 0).all() and torch.allclose(sums, torch.ones_like(sums), atol=1e-4):
        raise ValueError(
            "the model's outputs look like probabilities (each row sums to 1): leave out its "
            "softmax, the attack needs logits"
        )
    if (already := first_margin <= 0).any():
        raise ValueError(
            f"{int(already.sum())} targets are already predicted (the first is class "
            f"{int(targets[already][0])}): choose another class, or leave these images out"
        )
    if not (alive := gradient.any(dim=1)).all():
        raise ValueError(
            f"the gradient is exactly zero at {int((~alive).sum())} images, so no step can be "
            "taken: the model is saturated or not differentiable there"
        )
    guard = ROUNDING * logits.abs().amax(dim=1)
    return Problem(logits_of, points.detach(), targets, rivals, first_margin, guard, bounds)


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
