"""The problem of section 4.1: arguments checked, images in batches, results put together.

Both attacks are a search for one batch; all else is here.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from tqdm.auto import tqdm

from blindspots.networks import margin, refuse_training_mode
from blindspots.perturbations import Bounds

# Logits of the same image differ by this many rounding errors from one batch or device to another.
ROUNDING = 16 * torch.finfo(torch.float32).eps


class Problem(NamedTuple):
    """A batch of flattened images, each to be moved as little as possible across a boundary.

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


@dataclass(frozen=True)
class AdversarialImages:
    """Result of `lbfgs_attack` and of `nearest_attack`, one entry per image.

    Attributes:
        images: the adversarial images, inside the bounds; the original where the attack failed.
        success: whether the model's predicted class is the target, or, without targets, another
            than at the original.
        distortion: root mean square change of a pixel; infinite where the attack failed.
        penalty: the penalty whose minimiser this is; zero where the attack failed.
        evaluations: gradient evaluations of the model.
    """

    images: Float[Tensor, "n *shape"]
    success: Bool[Tensor, "n"]
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
    batch_size: int,
    progress: bool,
) -> AdversarialImages:
    """Check the arguments, search batch by batch, and put together what is found.

    A batch that does not fit into the memory is split. If `progress` is shown, Ctrl-C ends the
    attack with a warning and returns what is finished; the other rows count as failed.

    Args:
        search: the attack on one batch; it tells the function how many rows take each step.
        model: what the attacks are given, like the images, the targets and the bounds.
        steps: of the search at most, for the progress bar.
        batch_size: images attacked at once.
        progress: show a progress bar.
    """
    _check_arguments(model, images, targets, bounds)
    batches = images.split(batch_size)
    wanted = [None] * len(batches) if targets is None else targets.split(batch_size)
    problems = [
        problem
        for batch in zip(batches, wanted, strict=True)
        for problem in _problems(model, *batch, bounds)
    ]
    parts = []
    with tqdm(total=len(images) * steps, disable=not progress, leave=False) as bar:
        try:
            for problem in problems:
                parts.append(_split_if_too_large(lambda part: search(part, bar.update), problem))
        except KeyboardInterrupt:
            if not (progress and parts):
                raise
            done = sum(len(part.images) for part in parts)
            warnings.warn(f"interrupted: {done} of {len(images)} images are finished", stacklevel=3)
            parts += [_failed(problem) for problem in problems[len(parts) :]]
    found = Found(*(torch.cat(field) for field in zip(*parts, strict=True)))
    return AdversarialImages(
        found.images.view_as(images),
        found.distortion < torch.inf,
        found.distortion,
        found.penalty,
        found.evaluations,
    )


def at_least_one(**numbers: int) -> None:
    """Refuse options that count something if they are not positive."""
    for name, number in numbers.items():
        if number < 1:
            raise ValueError(f"{name} must be at least 1, got {number}")


def state_problem(
    model: nn.Module, images: Tensor, targets: Tensor | None, bounds: Bounds
) -> Problem:
    """State the problem of one batch; refuse what would make every later result meaningless."""

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
    guard = ROUNDING * logits.abs().amax(dim=1)
    return Problem(logits_of, points.detach(), targets, rivals, first_margin, guard, bounds)


def select(problem: Problem, rows: Tensor) -> Problem:
    """Take the problem of some of the rows."""
    return problem._replace(
        images=problem.images[rows],
        targets=problem.targets[rows],
        rivals=problem.rivals[rows],
        first_margin=problem.first_margin[rows],
        guard=problem.guard[rows],
    )


def towards(problem: Problem, targets: Int[Tensor, "n"]) -> Problem:
    """Give the same problem other targets."""
    other = problem._replace(targets=targets)
    with torch.no_grad():
        return other._replace(first_margin=margin_at(other, other.images))


def margin_at(problem: Problem, x: Float[Tensor, "n d"]) -> Float[Tensor, "n"]:
    """Compute the margin of one point per row: at most minus the guard if the attack succeeded."""
    return margin(problem.logits(x), problem.targets, problem.rivals)


def _problems(
    model: nn.Module, images: Tensor, targets: Tensor | None, bounds: Bounds
) -> list[Problem]:
    """The problem of a batch, or those of its halves if the memory does not hold it."""
    try:
        return [state_problem(model, images, targets, bounds)]
    except torch.OutOfMemoryError:
        if len(images) == 1:
            raise
    halves = images.chunk(2)
    wanted = (None, None) if targets is None else targets.chunk(2)
    return [p for half in zip(halves, wanted, strict=True) for p in _problems(model, *half, bounds)]


def _split_if_too_large(attack: Callable[[Problem], Found], problem: Problem) -> Found:
    """Attack a batch, or its halves if the memory does not hold it."""
    try:
        return attack(problem)
    except torch.OutOfMemoryError:
        rows = torch.arange(len(problem.images), device=problem.images.device)
        if len(rows) == 1:
            raise
    halves = rows.chunk(2)
    parts = [_split_if_too_large(attack, select(problem, half)) for half in halves]
    return Found(*(torch.cat(field) for field in zip(*parts, strict=True)))


def _failed(problem: Problem) -> Found:
    zero = torch.zeros_like(problem.first_margin)
    return Found(problem.images, zero + torch.inf, zero, torch.zeros_like(problem.targets))


def _check_arguments(
    model: nn.Module, images: Tensor, targets: Tensor | None, bounds: Bounds
) -> None:
    refuse_training_mode(model)
    if images.dtype not in (torch.float32, torch.float64):
        raise TypeError(f"images must be float32 or float64, got {images.dtype}: convert them")
    if targets is not None and targets.dtype != torch.int64:
        raise TypeError(f"targets must be int64 class numbers, got {targets.dtype}: convert them")
    if images.ndim < 2 or images.numel() == 0:
        raise ValueError(
            f"images have shape {tuple(images.shape)}: pass at least one, with a batch axis first"
        )
    if targets is not None and targets.shape != images.shape[:1]:
        raise ValueError(
            f"{len(images)} images need as many targets, got shape {tuple(targets.shape)}: "
            "pass one class per image"
        )
    if not bounds[0] < bounds[1]:
        raise ValueError(f"the lower bound must be below the upper, got {bounds}")
    if not images.isfinite().all():
        raise ValueError("images contain NaN or infinity: leave these images out")
    if images.min() < bounds[0] or images.max() > bounds[1]:
        raise ValueError(
            f"pixels lie in [{images.min():.3g}, {images.max():.3g}], outside the bounds {bounds}: "
            "rescale the images, or state their range as bounds"
        )
    weights = next(model.parameters(), images)
    for name, tensor in (("targets", targets), ("the model", weights)):
        if tensor is not None and tensor.device != images.device:
            raise ValueError(
                f"images are on {images.device} but {name} on {tensor.device}: use one device"
            )
    if weights.dtype != images.dtype:
        raise ValueError(
            f"images are {images.dtype} but the model is {weights.dtype}: convert one of them"
        )
