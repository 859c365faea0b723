"""The paper's search (section 4.1): the largest penalty whose minimiser is still adversarial."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from blindspots.box import BoxMinimum
from blindspots.perturbations import distortion
from blindspots.problem import Found, Problem, margin_at, select

PENALTY_STEP = 10.0  # factor by which the search moves until it has a success and a failure
AIM = 1e-3  # how far behind the boundary the next penalty aims, as a share of the first margin
CLOSE = 2e-3  # a row is finished when its perturbation can become shorter only by this share


def search_penalty(
    problem: Problem,
    minimize: Callable[[Callable[[Tensor, Tensor], Tensor], Tensor], BoxMinimum],
    *,
    steps: int,
    on_step: Callable[[int], Any],
) -> Found:
    """Minimise penalty * squared norm + cross-entropy for up to `steps` penalties per image.

    Each row tries factors of ten until one penalty succeeds and one fails. From there on it
    interpolates: the margin at the minimisers is a smooth function of the logarithm of the penalty,
    and the penalty wanted is where it is zero. `on_step` is told how many rows take each step.
    """
    images, first = problem.images, problem.first_margin
    # The first penalty makes a tenth of the pixels' range as dear as the margin at the image.
    unit = (0.1 * (problem.bounds[1] - problem.bounds[0])) ** 2 * images.shape[1]
    penalty = first / unit
    # Both ends of the bracket: a penalty, the margin there and the size of the perturbation.
    succeeds = torch.stack([torch.zeros_like(first), -first, torch.full_like(first, torch.inf)])
    fails = torch.stack([torch.full_like(first, torch.inf), first, torch.zeros_like(first)])
    best, latest = images.clone(), images.clone()
    smallest, largest = succeeds[2].clone(), succeeds[0].clone()
    evaluations = torch.ones_like(problem.targets)
    rows = torch.arange(len(images), device=images.device)
    for _ in range(steps):
        on_step(len(rows))
        left = select(problem, rows)

        def objective(
            points: Tensor, at: Tensor, left: Problem = left, weight: Tensor = penalty[rows]
        ) -> Tensor:
            squared_norm = (points - left.images[at]).square().sum(dim=1)
            losses = F.cross_entropy(left.logits(points), left.targets[at], reduction="none")
            return weight[at] * squared_norm + losses

        minimum = minimize(objective, latest[rows])
        latest[rows] = minimum.x
        evaluations[rows] += minimum.evaluations
        with torch.no_grad():
            behind = margin_at(left, minimum.x)
        success = behind <= -left.guard
        size = distortion(left.images, minimum.x)
        end = torch.stack([penalty[rows], behind, size])
        succeeds[:, rows] = torch.where(success, end, succeeds[:, rows])
        fails[:, rows] = torch.where(success, fails[:, rows], end)
        better = success & (size < smallest[rows])
        at = rows[better]
        best[at], smallest[at], largest[at] = minimum.x[better], size[better], penalty[at]
        penalty, nearest = _interpolate(succeeds, fails, AIM * first)
        rows = rows[(succeeds[2, rows] > (1 + CLOSE) * nearest[rows])]
        if len(rows) == 0:
            break
    return Found(best, smallest, largest, evaluations)


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
