"""The problem of section 4.1: arguments checked, images in batches, results put together.

Both attacks are a search for one batch; all else is here.
"""

import math
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from tqdm.auto import tqdm

from blindspots.attack.results import AdversarialImages
from blindspots.data import class_numbers, refuse_other_than_tensors
from blindspots.networks import classify, margin, refuse_training_mode
from blindspots.perturbations import Bounds

# Logits of the same image differ by this many rounding errors from one batch or device to another.
ROUNDING = 16 * torch.finfo(torch.float32).eps
BATCH_SIZE = 256  # images attacked at once
MASK = 1e3  # a logit this many times the competing ones only excludes its class
# Bounds wider than this many times the distance to the linearised boundary do not tell the scale of
# the pixels.
WIDE = 30

Part = TypeVar("Part")


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


def attack_in_batches(
    search: Callable[[Problem, Callable[[int], Any]], Found],
    model: nn.Module,
    images: Float[Tensor, "n *shape"],
    targets: Int[Tensor, "n"] | None,
    *,
    steps: int,
    bounds: Bounds,
    progress: bool,
) -> AdversarialImages:
    """Check the arguments, search batch by batch, and put together what is found.

    What does not fit into the memory, and Ctrl-C, are treated as `lbfgs_attack` says.

    Args:
        search: the attack on one batch; it tells the function how many rows take each step.
        model: what the attacks are given, like the images, the targets and the bounds.
        steps: of the search at most, for the progress bar.
        progress: show a progress bar.
    """
    images, targets, (lower, upper) = _checked(model, images, targets, bounds)
    _warn_of_chance(model, images[:1])

    def state(rows: Tensor) -> Problem:
        wanted = None if targets is None else targets[rows]
        return state_problem(model, images[rows], wanted, lower[rows], upper[rows])

    everyone = torch.arange(len(images), device=images.device)
    problems = [p for rows in everyone.split(BATCH_SIZE) for p in _in_parts(state, rows)]
    parts: list[Found] = []
    with tqdm(total=len(images) * steps, disable=not progress, leave=False) as bar:
        try:
            for problem in problems:

                def attack(rows: Tensor, problem: Problem = problem) -> Found:
                    return search(select(problem, rows), bar.update)

                parts += _in_parts(attack, everyone[: len(problem.images)])
        except KeyboardInterrupt:
            if not (progress and parts):
                raise
            done = sum(len(part.images) for part in parts)
            warnings.warn(f"interrupted: {done} of {len(images)} images are finished", stacklevel=3)
            rest = images[done:].detach().flatten(1)
            zero = rest.new_zeros(len(rest))
            parts.append(Found(rest, zero + torch.inf, zero, zero.long()))
    found = Found(*(torch.cat(field) for field in zip(*parts, strict=True)))
    success = found.distortion < torch.inf
    return AdversarialImages(found.images.view_as(images), success, *found[1:])


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


def _in_parts(function: Callable[[Tensor], Part], rows: Tensor) -> list[Part]:
    """Call the function for the rows, or for each half of them if the memory does not hold all."""
    try:
        return [function(rows)]
    except torch.OutOfMemoryError:
        if len(rows) == 1:
            raise
    return [part for half in rows.chunk(2) for part in _in_parts(function, half)]


def _checked(
    model: nn.Module, images: Any, targets: Any, bounds: Bounds
) -> tuple[Tensor, Tensor | None, tuple[Tensor, Tensor]]:
    """Images, class numbers of 64 bits, and both bounds in the shape of the images."""
    refuse_training_mode(model)
    refuse_short_numbers(images)
    lower, upper = checked_bounds(images, bounds)
    if targets is not None:
        device = (targets if isinstance(targets, Tensor) else images).device
        targets = class_numbers(targets, len(images)).to(device)
    weights = next(model.parameters(), images) if isinstance(model, nn.Module) else images
    for name, tensor in (("targets", targets), ("the model", weights)):
        if tensor is not None and tensor.device != images.device:
            raise ValueError(
                f"images are on {images.device} but {name} on {tensor.device}: use one device"
            )
    if weights.dtype != images.dtype:
        raise ValueError(
            f"images are {images.dtype} but the model is {weights.dtype}: convert one of them"
        )
    return images, targets, (lower, upper)


def refuse_short_numbers(images: Any) -> None:
    """Refuse what is no tensor of 32- or 64-bit floating point numbers."""
    refuse_other_than_tensors(images)
    if images.dtype not in (torch.float32, torch.float64):
        raise TypeError(f"images must be float32 or float64, got {images.dtype}: convert them")


def checked_bounds(
    images: Float[Tensor, "n *shape"], bounds: Bounds
) -> tuple[Float[Tensor, "n d"], Float[Tensor, "n d"]]:
    """Flatten the bounds like the images (numbers to one column), which must lie within them."""
    if images.ndim < 2 or images.numel() == 0:
        raise ValueError(
            f"images have shape {tuple(images.shape)}: pass at least one, with a batch axis first"
        )
    if not images.isfinite().all():
        raise ValueError("images contain NaN or infinity: leave these images out")

    def flat(bound: float | Tensor) -> Tensor:
        numbers = torch.as_tensor(bound, dtype=images.dtype, device=images.device)
        if numbers.ndim == 0:
            return numbers.expand(len(images), 1)
        return numbers.expand_as(images).flatten(1)

    try:
        lower, upper = map(flat, bounds)
    except (RuntimeError, TypeError, ValueError) as error:
        raise ValueError(
            f"the bounds do not broadcast to images of shape {tuple(images.shape)} ({error}): pass "
            "a lower and an upper one, numbers or one per channel in the shape (channels, 1, 1)"
        ) from error
    if not ((lower <= upper).all() and (lower < upper).any(dim=1).all()):
        row = int((~(lower <= upper).all(dim=1) | ~(lower < upper).any(dim=1)).nonzero()[0])
        raise ValueError(
            f"the lower bound must be below the upper, or equal to it where a pixel is to stay as "
            f"it is; for image {row} it is not, or no pixel is free: choose other bounds"
        )
    points = images.flatten(1)
    if (points < lower).any() or (points > upper).any():
        raise ValueError(
            f"pixels lie in [{images.min():.3g}, {images.max():.3g}], outside the bounds {bounds}: "
            "rescale the images, or state their range as bounds"
        )
    return lower, upper


@torch.no_grad()
def _warn_of_chance(model: nn.Module, image: Tensor) -> None:
    first, second = (classify(model, image.clone()) for _ in range(2))
    if not torch.allclose(first, second, rtol=1e-3, atol=0, equal_nan=True):
        warnings.warn(
            "the model gives other logits when it is called again: it is random, and what fools it "
            "once may not fool it again",
            stacklevel=4,
        )
