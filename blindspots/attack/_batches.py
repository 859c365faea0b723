"""What both attacks are given: checked, cut into batches, and put together again.

Both attacks are a search for one batch; all around it is here.
"""

import warnings
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from tqdm.auto import tqdm

from blindspots.attack._problem import Found, Problem, select, state_problem
from blindspots.attack.results import AdversarialImages
from blindspots.data import class_numbers, refuse_other_than_tensors
from blindspots.networks import classify, refuse_training_mode
from blindspots.perturbations import Bounds

BATCH_SIZE = 256  # images attacked at once

Part = TypeVar("Part")


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
