"""Which class is the nearest, if any will do."""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Bool, Int, Shaped
from torch import Tensor

from blindspots.attack._problem import TOGETHER, Problem, difference_gradient, select, towards
from blindspots.attack.boundary import end_on_boundary
from blindspots.attack.projections import project_repeatedly

CONTENDERS = 9  # classes whose boundaries are linearised to find the nearest
FINALISTS = 4  # of them, those that compete at most,
NEARBY = 1.5  # if their boundary, linearised, is at most so many times as far as the nearest
HEAT_SHARE = 1 / 16  # of the search's projections, for the trial of each finalist
LEAST_HEAT = 6  # projections of a trial at least
HEAT_REFINEMENTS = 3  # at the end of a trial, which only has to be compared


def nearest_class(
    problem: Problem, *, steps: int, start: int = 0, on_step: Callable[[int], Any]
) -> tuple[Int[Tensor, "n"], Int[Tensor, "n"]]:
    """Choose the class with the nearest adversarial image, by short trials of the best.

    The `CONTENDERS` with the largest logits are ranked by the distance of their linearised
    boundaries. The first `FINALISTS` of them, as far as they are `NEARBY`, are given a share of the
    `steps` that the search will have, from the same start. What they find is compared on the
    boundary, as it may lie far behind it, and the largest logit there wins: on the way to one class
    another may come first. Also returns the gradient evaluations spent.
    """
    heat_steps = max(LEAST_HEAT, round(HEAT_SHARE * steps))
    with torch.no_grad():
        logits = problem.logits(problem.images).masked_fill(problem.rivals, -torch.inf)
    contenders = logits.topk(min(CONTENDERS, logits.shape[1] - 1), dim=1).indices

    def boundary(rival: Problem) -> tuple[Tensor]:
        differences, gradient, _ = difference_gradient(rival, rival.images)
        return (differences.amax(dim=1) / torch.linalg.vector_norm(gradient, dim=1),)

    def heat(rival: Problem) -> tuple[Tensor, Tensor, Tensor]:
        found = project_repeatedly(rival, steps=heat_steps, start=start, on_step=on_step)
        ended = end_on_boundary(rival, found, refinements=HEAT_REFINEMENTS)
        with torch.no_grad():
            logits = rival.logits(ended.images).masked_fill(rival.rivals, -torch.inf)
        return ended.distortion, logits.argmax(dim=1), found.evaluations

    everyone = torch.ones_like(contenders, dtype=torch.bool)
    (distances,) = _for_each_class(boundary, problem, contenders, everyone)
    distances, order = distances.sort(dim=1)
    close = ~(distances > NEARBY * distances[:, :1])[:, :FINALISTS]  # even if none is a number
    finalists = contenders.gather(1, order[:, :FINALISTS])
    distances, largest, spent = _for_each_class(heat, problem, finalists, close)
    winner = distances.masked_fill(~close, torch.inf).argmin(dim=1, keepdim=True)
    return largest.gather(1, winner)[:, 0], spent.sum(dim=1) + contenders.shape[1]


def _for_each_class(
    function: Callable[[Problem], tuple[Tensor, ...]],
    problem: Problem,
    classes: Int[Tensor, "n c"],
    asked: Bool[Tensor, "n c"],
) -> list[Shaped[Tensor, "n c"]]:
    """Call the function for each image with each class that is asked for, many at once.

    What is not asked for is 0 in the results.
    """
    column, image = asked.T.nonzero(as_tuple=True)
    together = max(len(classes), TOGETHER // problem.images.shape[1])
    parts = [
        function(towards(select(problem, rows), classes[rows, columns]))
        for rows, columns in zip(image.split(together), column.split(together), strict=True)
    ]
    results = []
    for field in zip(*parts, strict=True):
        values = torch.cat(field)
        results.append(values.new_zeros(classes.shape).index_put((image, column), values))
    return results
