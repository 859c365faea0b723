"""The search that trusts a gradient only for its direction."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from blindspots.attack._problem import Found, Problem, differences_at
from blindspots.perturbations import distortion

SHARPNESS = 10.0  # of its smooth maximum, in which the first margin counts so many units
LAST_STRIDE = 0.01  # of every row, as a share of the distance
SWAY = 0.05  # the share by which a step changes the distance


def walk(problem: Problem, strides: Float[Tensor, "n"], *, steps: int) -> Found:
    """Take each image across the boundary by steps that trust a gradient only for its direction.

    As DDN does (Rony et al. 2019, arXiv:1811.09600): a step against the gradient of the smooth
    maximum of the logit differences, then to the present distance from the original, which shrinks
    while the point is past the boundary and grows while it is not. It begins with the distance of
    the linearised boundary. The steps get shorter along half a cosine. The first is the row's
    stride, a share of the distance; after wide strides less is left of the first gradients. Where
    the gradient turns within a short way, this finds what projections step over.
    """
    x, best = problem.images, problem.images.clone()
    smallest, penalty = torch.full_like(problem.first_margin, torch.inf), problem.first_margin * 0
    distance, tiny = None, torch.finfo(x.dtype).tiny
    unit = problem.first_margin / SHARPNESS  # so that the logits' own does not matter
    for step in range(steps):
        with torch.enable_grad():
            points = x.detach().requires_grad_()
            differences = differences_at(problem, points)
            highest = unit * (differences / unit[:, None]).logsumexp(dim=1)
            (gradient,) = torch.autograd.grad(highest.sum(), points)
        margins, moved = differences.detach().amax(dim=1), x - problem.images
        slope = torch.linalg.vector_norm(gradient, dim=1).clamp(min=tiny)
        size = torch.linalg.vector_norm(moved, dim=1)
        distance = margins / slope if distance is None else distance
        reached = margins <= -problem.guard
        better = (reached & (size < smallest)).nonzero()[:, 0]
        best[better], smallest[better] = x[better], size[better]
        penalty[better] = (slope / (2 * size))[better]
        turn = (1 + math.cos(math.pi * (step / steps))) / 2
        stride = (LAST_STRIDE + (strides - LAST_STRIDE) * turn) * distance
        moved = moved - (stride / slope)[:, None] * gradient
        distance = distance * torch.where(reached, 1 - SWAY, 1 + SWAY)
        length = torch.linalg.vector_norm(moved, dim=1).clamp(min=tiny)
        x = problem.images + (distance / length)[:, None] * moved
        x = x.clamp(problem.lower, problem.upper)
    smallest = torch.where(smallest < torch.inf, distortion(problem.images, best), torch.inf)
    return Found(best, smallest, penalty, torch.full_like(problem.targets, steps))
