"""The paper's attack (section 4.1): adversarial images as near to the originals as possible."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal, get_args

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from tqdm.auto import tqdm

from blindspots.box import minimize_box
from blindspots.nearest import end_on_boundary, nearest_class, project_repeatedly
from blindspots.networks import refuse_training_mode
from blindspots.penalty_search import search_penalty
from blindspots.perturbations import Bounds
from blindspots.problem import Found, Problem, select, state_problem, towards

Loss = Literal["cross_entropy", "margin"]

SEARCH_STEPS = {"cross_entropy": 12, "margin": 30}


@dataclass(frozen=True)
class AdversarialImages:
    """Result of `lbfgs_attack`, one entry per image.

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


def lbfgs_attack(
    model: nn.Module,
    images: Float[Tensor, "n *shape"],
    targets: Int[Tensor, "n"] | None,
    *,
    loss: Loss = "cross_entropy",
    bounds: Bounds = (0.0, 1.0),
    search_steps: int | None = None,
    history: int = 5,
    max_iterations: int = 200,
    gtol: float = 1e-4,
    ftol: float = 1e-4,
    batch_size: int = 256,
    progress: bool = False,
) -> AdversarialImages:
    r"""Perturb each image as little as possible so that the model takes it for its target.

    Section 4.1 of the paper: for each image x and target l, box-constrained L-BFGS finds the
    minimiser x + r of

    .. math::

        & \text{penalty} \cdot \|r\|_2^2 + \mathrm{loss}(x + r, l) \\
        & \text{subject to lower} \le x + r \le \text{upper} ,

    and a search in the penalty, image by image, keeps the minimiser of the *largest* penalty for
    which the prediction is the target: the larger the penalty, the smaller the perturbation. Each
    minimisation starts from the last minimiser, and an image leaves the batch when another penalty
    could shorten its perturbation by less than 0.2%.

    Departures from the paper: the squared norm in place of `|r|`, which traces the same curve and
    is smooth at zero; and the largest penalty in place of the "minimum c", which would be right if
    c stood before the loss.

    With more than two classes the cross-entropy does not lead to the nearest adversarial image,
    because its level sets are not the decision boundary. The *margin*, the largest other logit
    minus the target's, has no such bias, but L-BFGS gets stuck at its kinks. So with
    `loss="margin"` the same problem is solved in another way: the image is projected, again and
    again, onto running averages of the linearised logits, and the Lagrange multipliers take the
    part of the penalty (see `blindspots.nearest`). For an affine model that is exact; it needs
    fewer gradients, and the result is moved onto the decision boundary in the end.

    A row's result does not depend on the others in its batch. A batch that does not fit into the
    memory is split. If `progress` is shown, Ctrl-C ends the attack with a warning and returns what
    is finished; the other rows count as failed.

    Args:
        model: in evaluation mode; maps images to logits, row by row. It is left as it is.
        images: floating point (32 bits or more), within the bounds.
        targets: the wanted wrong class of each image. None, for the margin only, asks for the
            nearest image of any class other than the one predicted now.
        loss: `"cross_entropy"` as in the paper, or `"margin"`.
        bounds: lower and upper bound of every pixel.
        search_steps: penalties tried per image at most (default 12) or, for the margin, projections
            (default 30; more come closer in networks with kinks).
        history: see `minimize_box`; of no effect on the margin, like the next three.
        max_iterations: see `minimize_box`; per penalty.
        gtol: see `minimize_box`; the objective is in units of the loss.
        ftol: see `minimize_box`.
        batch_size: images attacked at once.
        progress: show a progress bar.

    Raises:
        TypeError: if images or targets have a type that cannot work.
        ValueError: if the model is in training mode, returns probabilities or has no gradient; if
            images are empty, outside the bounds or not finite; if targets are out of range or
            already predicted, or missing where the loss needs them; or if shapes, devices or
            options do not fit.
    """
    if loss not in get_args(Loss):
        raise ValueError(f"loss {loss!r} is unknown: use one of {', '.join(get_args(Loss))}")
    if targets is None and loss == "cross_entropy":
        raise ValueError('the cross-entropy needs targets: pass them, or use loss="margin"')
    steps = SEARCH_STEPS[loss] if search_steps is None else search_steps
    for name, number in (("search_steps", steps), ("batch_size", batch_size)):
        if number < 1:
            raise ValueError(f"{name} must be at least 1, got {number}")
    _check_arguments(model, images, targets, bounds)
    minimize = partial(
        minimize_box,
        lower=bounds[0],
        upper=bounds[1],
        history=history,
        max_iterations=max_iterations,
        gtol=gtol,
        ftol=ftol,
    )

    def attack(problem: Problem) -> Found:
        if loss == "cross_entropy":
            return search_penalty(problem, minimize, steps=steps, on_step=bar.update)
        spent = torch.zeros_like(problem.targets)
        if targets is None:
            nearest, spent = nearest_class(problem, steps=steps, on_step=bar.update)
            problem = towards(problem, nearest)
        found = project_repeatedly(problem, steps=steps, on_step=bar.update)
        found = end_on_boundary(problem, found)
        return found._replace(evaluations=found.evaluations + spent + 1)

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
                parts.append(_split_if_too_large(attack, problem))
        except KeyboardInterrupt:
            if not (progress and parts):
                raise
            done = sum(len(part.images) for part in parts)
            warnings.warn(f"interrupted: {done} of {len(images)} images are finished", stacklevel=2)
            parts += [_failed(problem) for problem in problems[len(parts) :]]
    found = Found(*(torch.cat(field) for field in zip(*parts, strict=True)))
    return AdversarialImages(
        found.images.view_as(images),
        found.distortion < torch.inf,
        found.distortion,
        found.penalty,
        found.evaluations,
    )


def random_targets(
    labels: Int[Tensor, "n"], *, classes: int, generator: torch.Generator
) -> Int[Tensor, "n"]:
    """A wrong class for each label, every wrong class equally likely.

    The paper does not say how it chose the targets for MNIST; nearest wrong classes give
    distortions far below its own, random ones give its range.

    Raises:
        ValueError: if there are fewer than two classes, or a label is not one of them.

    >>> labels = torch.tensor([0, 1, 2])
    >>> targets = random_targets(labels, classes=3, generator=torch.Generator().manual_seed(0))
    >>> (targets != labels).all().item(), targets.max().item() < 3
    (True, True)
    """
    if classes < 2:
        raise ValueError(f"there is no wrong class among {classes}: use at least 2 classes")
    if len(labels) and not (int(labels.min()) >= 0 and int(labels.max()) < classes):
        raise ValueError(
            f"labels lie in {int(labels.min())}..{int(labels.max())}, outside 0..{classes - 1}: "
            "state the right number of classes"
        )
    shift = torch.randint(1, classes, labels.shape, generator=generator, device=generator.device)
    return (labels + shift.to(labels.device)) % classes


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
        raise ValueError("images contain NaN or infinity: mend or leave them out")
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
