"""From what an attack has found to the decision boundary."""

import torch
from torch import Tensor

from blindspots.attack._problem import Found, Problem, margin_at
from blindspots.perturbations import distortion

REFINEMENTS = 6  # evaluations that end on the boundary
FARTHEST = 10  # how many times its perturbation a row may go to get past the boundary


def end_on_boundary(problem: Problem, found: Found, *, refinements: int = REFINEMENTS) -> Found:
    """Move each image along its perturbation until it is just past the boundary.

    By the rule of false position (Illinois). A row that is not past the boundary yet is first
    moved outwards, up to `FARTHEST` times its perturbation.
    """

    def point(length: Tensor) -> Tensor:
        x = problem.images + length[:, None] * (found.images - problem.images)
        return x.clamp(problem.lower, problem.upper)

    def excess(length: Tensor) -> Tensor:
        with torch.no_grad():
            return margin_at(problem, point(length)) + problem.guard

    outer = torch.ones_like(problem.first_margin)
    beyond = excess(outer)
    farther = 0.01
    while (beyond > 0).any() and farther < FARTHEST:
        outer = torch.where(beyond > 0, 1 + farther, outer)
        beyond, farther = excess(outer), 2 * farther
    success = beyond <= 0
    inner, before = torch.zeros_like(outer), problem.first_margin + problem.guard
    side = torch.zeros_like(outer)  # of the boundary on which the last evaluation was
    for _ in range(refinements):
        middle = (inner * beyond - outer * before) / (beyond - before)
        value = excess(middle)
        behind, same = value <= 0, value.sign() == side
        before = torch.where(behind, torch.where(same, before / 2, before), value)
        beyond = torch.where(behind, value, torch.where(same, beyond / 2, beyond))
        inner, outer = torch.where(behind, inner, middle), torch.where(behind, middle, outer)
        side = value.sign()
    images = torch.where(success[:, None], point(outer), problem.images)
    return found._replace(
        images=images,
        distortion=torch.where(success, distortion(problem.images, images), torch.inf),
        penalty=torch.where(success, found.penalty, 0),
    )
