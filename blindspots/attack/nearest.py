"""The nearest adversarial image, by repeated projection onto averaged linearisations."""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from blindspots.attack._batches import attack_in_batches
from blindspots.attack._problem import Found, Problem, nearer, towards
from blindspots.attack.boundary import end_on_boundary
from blindspots.attack.classes import nearest_class
from blindspots.attack.projections import project_repeatedly
from blindspots.attack.results import AdversarialImages
from blindspots.perturbations import Bounds

WALK = 3  # steps of a walk per projection


def nearest_attack(
    model: nn.Module,
    images: Float[Tensor, "n *shape"],
    targets: Int[Tensor, "n"] | None = None,
    *,
    bounds: Bounds = (0.0, 1.0),
    projections: int = 30,
    starts: int = 1,
    progress: bool = False,
) -> AdversarialImages:
    r"""Find the nearest image that the model takes for its target, or for any other class.

    The problem of section 4.1 without a loss: minimise the norm of r so that no other logit exceeds
    the target's at x + r, inside the bounds. The image is projected, again and again, onto running
    averages of the linearised logits (see `project_repeatedly`), and what is found is moved onto
    the decision boundary in the end. For an affine model this is exact. It needs fewer
    gradients than `lbfgs_attack`, and on small networks it comes nearer; it is not in the paper.

    Batches, memory and Ctrl-C are treated as in `lbfgs_attack`.

    Args:
        model: in evaluation mode; maps images to logits, row by row. It is left as it is.
        images: floating point (32 bits or more), within the bounds.
        targets: the wanted wrong class of each image; None for any but the one predicted now.
        bounds: as in `lbfgs_attack`.
        projections: at most; more come closer in networks with kinks. An image on which they do
            not settle is given three times as many steps of another kind (see `walk`).
        starts: how many times to search: first from the images, then from places beyond the
            boundary, in random directions that are the same in every call. The nearest image of
            all is kept. Where there are many minima, this pays better than more projections.
        progress: show a progress bar.

    Returns:
        The adversarial images. Their `penalty` is the one whose minimiser they would be, from the
        Lagrange multipliers of the last projection.

    Raises:
        TypeError: if images or targets have a type that cannot work.
        ValueError: if the model is in training mode, returns probabilities or has no gradient, or
            none that is finite; if images are empty, outside the bounds or not finite; if targets
            are out of range or already predicted; or if shapes, devices or options do not fit.
    """
    if projections < 1:
        raise ValueError(f"projections must be at least 1, got {projections}")
    if starts < 1:
        raise ValueError(f"starts must be at least 1, got {starts}")

    def search_from(start: int, problem: Problem, on_step: Callable[[int], Any]) -> Found:
        options: Any = {"steps": projections, "start": start, "on_step": on_step}
        spent = torch.zeros_like(problem.targets)
        if targets is None:
            nearest, spent = nearest_class(problem, **options)
            problem = towards(problem, nearest)
        more = 0 if start else WALK * projections  # the walk would be the same from each
        found = end_on_boundary(problem, project_repeatedly(problem, more=more, **options))
        return found._replace(evaluations=found.evaluations + spent)

    def search(problem: Problem, on_step: Callable[[int], Any]) -> Found:
        best = search_from(0, problem, on_step)
        for start in range(1, starts):
            best = nearer(best, search_from(start, problem, on_step))
        return best._replace(evaluations=best.evaluations + 1)

    steps = starts * projections
    return attack_in_batches(
        search, model, images, targets, steps=steps, bounds=bounds, progress=progress
    )
