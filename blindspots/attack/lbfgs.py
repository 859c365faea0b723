"""The paper's attack (section 4.1): the largest penalty whose minimiser is still adversarial."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from blindspots._former import former_options
from blindspots.attack._batches import attack_in_batches
from blindspots.attack._problem import Found, Problem, margin_at, select
from blindspots.attack.box import minimize_box
from blindspots.attack.results import AdversarialImages
from blindspots.data import class_numbers
from blindspots.perturbations import Bounds, distortion

HISTORY = 5  # changes of point and gradient from which L-BFGS knows the curvature
PENALTY_STEP = 10.0  # factor by which the search moves until it has a success and a failure
TOLERANCE = 1e-4  # of L-BFGS: its gtol, in units of the loss, and its ftol
# Margins at the original for which the cross-entropy can be minimised: far below them it is flat,
# far above it has kinks. Where the margin lies outside, the logits are scaled until it does not.
MARGINS = 0.1, 100.0
CHANGE = 3.0  # of the loss, and its slope per unit: where it is less, the loss is scaled up to it
AIM = 1e-3  # how far past the boundary the next penalty aims, as a share of the first margin
CLOSE = 2e-3  # a row is finished when its perturbation can become shorter only by this share


@former_options(
    loss="for the margin call nearest_attack, for the cross-entropy leave it out",
    search_steps="it is called penalties now",
    history="leave it out",
    max_iterations="leave it out",
    gtol="leave it out",
    ftol="leave it out",
    batch_size="leave it out, what does not fit into the memory is split",
)
def lbfgs_attack(
    model: nn.Module,
    images: Float[Tensor, "n *shape"],
    targets: Int[Tensor, "n"],
    *,
    bounds: Bounds = (0.0, 1.0),
    penalties: int = 12,
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
    because its level sets are not the decision boundary; `nearest_attack` has no such bias.

    The unit of the pixels does not matter. That of the logits matters to the cross-entropy of more
    than two classes, whose level sets change with it; the search comes to its end in any. Margins
    outside of [0.1, 100] at the image are scaled into it.

    A row's result does not depend on the others in its batch. A batch that does not fit into the
    memory is split. If `progress` is shown, Ctrl-C ends the attack with a warning and returns what
    is finished; the other rows count as failed.

    Args:
        model: in evaluation mode; maps images to logits, row by row. It is left as it is.
        images: floating point (32 bits or more), within the bounds.
        targets: the wanted wrong class of each image: integers in a tensor or a list.
        bounds: lower and upper bound of every pixel: numbers, or tensors that broadcast to the
            images, such as one per channel. They may be infinite.
        penalties: tried per image at most.
        progress: show a progress bar.

    Raises:
        TypeError: if images or targets have a type that cannot work.
        ValueError: if the model is in training mode, returns probabilities or has no gradient, or
            none that is finite; if images are empty, outside the bounds or not finite; if targets
            are out of range, missing or already predicted; or if shapes, devices or options do not
            fit.
    """
    if targets is None:
        raise ValueError("the cross-entropy needs targets: pass them, or use nearest_attack")
    if penalties < 1:
        raise ValueError(f"penalties must be at least 1, got {penalties}")
    search = partial(search_penalty, steps=penalties)
    return attack_in_batches(
        search, model, images, targets, steps=penalties, bounds=bounds, progress=progress
    )


def search_penalty(problem: Problem, on_step: Callable[[int], Any], *, steps: int) -> Found:
    """Minimise penalty * squared norm + cross-entropy for up to `steps` penalties per image.

    Each row tries factors of ten until one penalty succeeds and one fails. From there on it
    interpolates: the margin at the minimisers is a smooth function of the logarithm of the penalty,
    and the penalty wanted is where it is zero. `on_step` is told how many rows take each step.
    """
    first, unit = problem.first_margin, problem.unit[:, None]
    # The solver's tolerances are numbers, so it must see neither pixels' units nor logits'.
    images, lower, upper = problem.images / unit, problem.lower / unit, problem.upper / unit
    sharpness = first.clamp(*MARGINS) / first
    change = sharpness * first.minimum(problem.slope * problem.unit)
    share = (change / CHANGE).clamp(max=1)

    def loss(x: Tensor, at: Tensor, sharpness: Tensor) -> Tensor:
        logits = sharpness[:, None] * problem.logits(x)
        return F.cross_entropy(logits, problem.targets[at], reduction="none")

    # The first penalty makes a tenth of the unit as expensive as the margin at the image.
    penalty = sharpness * first / (0.1**2 * images.shape[1])
    # Both ends of the bracket: a penalty, the margin there and the size of the perturbation.
    succeeds = torch.stack([torch.zeros_like(first), -first, torch.full_like(first, torch.inf)])
    fails = torch.stack([torch.full_like(first, torch.inf), first, torch.zeros_like(first)])
    best, latest = problem.images.clone(), images.clone()
    smallest, largest = succeeds[2].clone(), succeeds[0].clone()
    evaluations = torch.ones_like(problem.targets)
    rows = torch.arange(len(images), device=images.device)
    with torch.no_grad():  # where the loss changes little, only its change counts
        start = torch.where(share < 1, loss(problem.images, rows, sharpness), 0)
    for _ in range(steps):
        on_step(len(rows))
        left = select(problem, rows)

        # One look-up for all of a row's numbers, as this is called in every evaluation.
        numbers = torch.stack([penalty, problem.unit, sharpness, start, share])[:, rows]

        def objective(
            points: Tensor, at: Tensor, rows: Tensor = rows, numbers: Tensor = numbers
        ) -> Tensor:
            penalty, unit, sharpness, start, share = numbers[:, at]
            at = rows[at]
            squared_norm = (points - images[at]).square().sum(dim=1)
            losses = loss(points * unit[:, None], at, sharpness) - start
            return (penalty * squared_norm + losses) / share

        minimum = minimize_box(
            objective,
            latest[rows],
            lower=lower[rows],
            upper=upper[rows],
            history=HISTORY,
            gtol=TOLERANCE,
            ftol=TOLERANCE,
        )
        latest[rows] = minimum.x
        evaluations[rows] += minimum.evaluations
        x = (minimum.x * unit[rows]).clamp(left.lower, left.upper)
        with torch.no_grad():
            behind = margin_at(left, x)
        success = behind <= -left.guard
        size = distortion(left.images, x)
        end = torch.stack([penalty[rows], behind, size])
        succeeds[:, rows] = torch.where(success, end, succeeds[:, rows])
        fails[:, rows] = torch.where(success, fails[:, rows], end)
        better = success & (size < smallest[rows])
        at = rows[better]
        best[at], smallest[at], largest[at] = x[better], size[better], penalty[at]
        penalty, nearest = _interpolate(succeeds, fails, AIM * first)
        rows = rows[(succeeds[2, rows] > (1 + CLOSE) * nearest[rows])]
        if len(rows) == 0:
            break
    return Found(best, smallest, largest / (sharpness * problem.unit**2), evaluations)


def _interpolate(succeeds: Tensor, fails: Tensor, aim: Tensor) -> tuple[Tensor, Tensor]:
    """The next penalty, and the size of the perturbation expected at the boundary itself."""
    share = (fails[1] + aim) / (fails[1] - succeeds[1])
    between = fails[0] * (succeeds[0] / fails[0]) ** share.clamp(0.05, 0.95)
    penalty = torch.where(succeeds[0] == 0, fails[0] / PENALTY_STEP, between)
    penalty = torch.where(fails[0] == torch.inf, succeeds[0] * PENALTY_STEP, penalty)
    bracketed = (succeeds[0] > 0) & (fails[0] < torch.inf)
    share = fails[1] / (fails[1] - succeeds[1])
    nearest = fails[2] + share * (succeeds[2] - fails[2])
    return penalty, torch.where(bracketed, nearest, 0)


def random_targets(
    labels: Int[Tensor, "n"], *, classes: int, generator: torch.Generator
) -> Int[Tensor, "n"]:
    """Draw a wrong class for each label, every wrong class equally likely.

    The paper does not say how it chose the targets for MNIST; nearest wrong classes give
    distortions far below its own, random ones give its range.

    Raises:
        TypeError: if the labels are not integers.
        ValueError: if there are fewer than two classes, or a label is not one of them.

    >>> labels = torch.tensor([0, 1, 2])
    >>> targets = random_targets(labels, classes=3, generator=torch.Generator().manual_seed(0))
    >>> (targets != labels).all().item(), targets.max().item() < 3
    (True, True)
    """
    if classes < 2:
        raise ValueError(f"there is no wrong class among {classes}: use at least 2 classes")
    labels = class_numbers(labels, classes=classes, name="labels")
    shift = torch.randint(1, classes, labels.shape, generator=generator, device=generator.device)
    return (labels + shift.to(labels.device)) % classes
