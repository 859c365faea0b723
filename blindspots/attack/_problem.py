"""The problem of section 4.1 for one batch of images, and what is asked of it on the way."""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from blindspots.data import class_numbers
from blindspots.networks import classify, margin

# Logits of the same image differ by this many rounding errors from one batch or device to another.
ROUNDING = 16 * torch.finfo(torch.float32).eps
MASK = 1e3  # a logit this many times the competing ones only excludes its class
# Bounds wider than this many times the distance to the linearised boundary do not tell the scale of
# the pixels.
WIDE = 30
TOGETHER = 2**18  # pixels of which gradients are taken at once, if one per row are fewer


class Problem(NamedTuple):
    """A batch of flattened images, each to be moved as little as possible across a boundary.

    Attributes:
        logits: of flattened images, row by row.
        images: the originals.
        targets: the class whose logit must exceed those of the rivals.
        rivals: per class, whether it is a rival.
        first_margin: the margin at the originals, positive.
        guard: how negative a margin must be to survive rounding in 32 bits.
        slope: the norm of the margin's gradient at the originals.
        unit: what counts as one for the pixels of an image: the width of the bounds, unless they
            are so wide that this says nothing.
        lower: bound of every pixel.
        upper: bound of every pixel.
    """

    logits: Callable[[Tensor], Tensor]
    images: Float[Tensor, "n d"]
    targets: Int[Tensor, "n"]
    rivals: Bool[Tensor, "n k"]
    first_margin: Float[Tensor, "n"]
    guard: Float[Tensor, "n"]
    slope: Float[Tensor, "n"]
    unit: Float[Tensor, "n"]
    lower: Float[Tensor, "n d"]
    upper: Float[Tensor, "n d"]


class Found(NamedTuple):
    """The adversarial images, one entry per original; see `AdversarialImages`."""

    images: Float[Tensor, "n d"]
    distortion: Float[Tensor, "n"]
    penalty: Float[Tensor, "n"]
    evaluations: Int[Tensor, "n"]


def state_problem(
    model: nn.Module, images: Tensor, targets: Tensor | None, lower: Tensor, upper: Tensor
) -> Problem:
    """State the problem of one batch; refuse what would make every later result meaningless."""

    def logits_of(x: Tensor) -> Tensor:
        x = x.view(-1, *images.shape[1:])
        return model(x.clone() if in_place else x).to(x.dtype)  # it may end in 16 bits

    with torch.enable_grad():
        points = images.flatten(1).detach().clone().requires_grad_()
        copy = points.view_as(images).clone()
        logits = classify(model, copy).to(points.dtype)
        if not logits.requires_grad:
            raise ValueError(
                "the model gives no gradient, so no step can be taken: it detaches what it "
                "computes, or is called inside torch.inference_mode"
            )
        # Whether the model changes what it is given; a write to `.data` counts as no version.
        in_place = copy._version > 0 or not torch.equal(copy.view_as(points), points)
        classes = logits.shape[1]
        if targets is None:
            # Any class may become the target; the one predicted now is its only rival.
            (high, low), (first, second) = (pair.unbind(dim=1) for pair in logits.topk(2, dim=1))
            if (tied := high == low).any():
                raise ValueError(
                    f"the two largest logits of {int(tied.sum())} images are equal, so these lie "
                    "on a decision boundary already: leave them out, or pass targets"
                )
            targets, rivals = second, nn.functional.one_hot(first, classes).bool()
        else:
            targets = class_numbers(targets, len(images), classes=classes)
            rivals = ~nn.functional.one_hot(targets, classes).bool()
        first_margin = margin(logits, targets, rivals)
        (gradient,) = torch.autograd.grad(first_margin.sum(), points)
    logits, first_margin = logits.detach(), first_margin.detach()
    if not logits.isfinite().all():
        raise ValueError("the model returned NaN or infinite logits: check its weights and inputs")
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
    if not (finite := gradient.isfinite().all(dim=1)).all():
        raise ValueError(
            f"the model's gradient at {int((~finite).sum())} images is NaN or infinite: check its "
            "weights, roots and logarithms, or leave these images out"
        )
    if not (alive := gradient.any(dim=1)).all():
        raise ValueError(
            f"the gradient is exactly zero at {int((~alive).sum())} images, so no step can be "
            "taken: the model is saturated or not differentiable there"
        )
    # The logit of an excluded class, such as minus a billion, tells nothing about rounding.
    compete = logits.gather(1, targets[:, None]).abs().maximum(logits.amax(dim=1)[:, None].abs())
    sizes = logits.abs()
    sizes = torch.where(sizes <= MASK * compete, sizes, 0).amax(dim=1)
    # Where the box lies far from zero, more cancels than the logits show.
    away = lower.clamp(min=0) + (-upper).clamp(min=0)
    cancelling = torch.linalg.vector_norm(gradient * away, dim=1)
    guard = (ROUNDING * sizes).maximum(4 * torch.finfo(points.dtype).eps * cancelling)
    slope = torch.linalg.vector_norm(gradient, dim=1)
    width = (upper - lower).square().mean(dim=1).sqrt()
    unit = width.minimum(WIDE * first_margin / slope / math.sqrt(points.shape[1]))
    return Problem(
        logits_of, points.detach(), targets, rivals, first_margin, guard, slope, unit, lower, upper
    )


def select(problem: Problem, rows: Tensor) -> Problem:
    """Take the problem of some of the rows."""
    return Problem(problem.logits, *(field[rows] for field in problem[1:]))


def towards(problem: Problem, targets: Int[Tensor, "n"]) -> Problem:
    """Give the same problem other targets."""
    other = problem._replace(targets=targets)
    with torch.no_grad():
        return other._replace(first_margin=margin_at(other, other.images))


def margin_at(problem: Problem, x: Float[Tensor, "n d"]) -> Float[Tensor, "n"]:
    """Compute the margin of one point per row: at most minus the guard if the attack succeeded."""
    return margin(problem.logits(x), problem.targets, problem.rivals)


def differences_at(problem: Problem, points: Tensor) -> Float[Tensor, "n k"]:
    """Each rival's logit minus the target's, and minus infinity for the others."""
    logits = problem.logits(points)
    differences = logits - logits.gather(1, problem.targets[:, None])
    return differences.masked_fill(~problem.rivals, -torch.inf)


def difference_gradient(
    problem: Problem, x: Tensor, chosen: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Each rival's logit minus the target's; the gradient of the chosen one, or the largest."""
    with torch.enable_grad():
        points = x.detach().requires_grad_()
        differences = differences_at(problem, points)
        which = differences.argmax(dim=1) if chosen is None else chosen
        (gradient,) = torch.autograd.grad(differences.gather(1, which[:, None]).sum(), points)
    return differences.detach(), gradient, which


def nearer(found: Found, other: Found) -> Found:
    """Take the nearer of each row, or the first if none is; their evaluations add up."""
    rows = other.distortion < found.distortion
    return Found(
        images=torch.where(rows[:, None], other.images, found.images),
        distortion=found.distortion.minimum(other.distortion),
        penalty=torch.where(rows, other.penalty, found.penalty),
        evaluations=found.evaluations + other.evaluations,
    )
