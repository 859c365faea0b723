"""Affine classifiers, for which the attack's problem (section 4.1) can be solved exactly."""

import copy
from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.optimize import minimize
from torch import Tensor, nn

from blindspots.attack._batches import checked_bounds, refuse_short_numbers
from blindspots.attack.polytope import project_to_polytope
from blindspots.data import class_numbers
from blindspots.networks import classify, evaluate, refuse_training_mode
from blindspots.perturbations import Bounds, distortion

MOST_ITERATIONS = 500  # of Newton's method; a thousand classes take more than its default
TOLERANCE = 1e-9  # of the projection, as a distance, in 64 bits


def affine_minimum(
    model: nn.Module,
    images: Float[Tensor, "n *shape"],
    targets: Int[Tensor, "n"] | None,
    *,
    bounds: Bounds = (0.0, 1.0),
) -> Float[Tensor, "n *shape"]:
    """Compute the nearest image on the boundary of the target's class, exactly (section 4.1).

    Where the logits are an affine function of the pixels, the images that a model takes for a class
    fill a polytope, and the nearest of them is a projection (`project_to_polytope`), computed in 64
    bits. No attack can find a nearer one, so this is what attacks on affine models are measured by.

    Args:
        model: affine in its images, such as a softmax regression; in evaluation mode.
        images: within the bounds.
        targets: the wanted wrong class of each image; None for the nearest of all wrong classes,
            that is, other than the one predicted.
        bounds: as in `lbfgs_attack`.

    Returns:
        The minima, in 64 bits, on the boundary itself, where the target's logit ties with another.

    Raises:
        TypeError: if the images are not of 32 or 64 bits, or the targets not class numbers.
        ValueError: if the model is not affine or in training mode, a target is not one of its
            classes or has no image within the bounds, or images lie outside them.
    """
    refuse_training_mode(model)
    refuse_short_numbers(images)
    bounds = checked_bounds(images, bounds)
    weight, bias = _coefficients(model, images, bounds)
    if targets is not None:
        targets = class_numbers(targets, len(images), classes=len(bias)).to(images.device)
    points = images.flatten(1).double()
    logits = points @ weight.T + bias
    classes = torch.arange(len(bias), device=images.device)
    if targets is not None:
        minima = _project(points, targets, classes.expand(len(points), -1), weight, bias, bounds)
        if (lost := minima.isinf().any(dim=1)).any():
            row = int(lost.nonzero()[0])
            raise ValueError(
                f"no image within the bounds was found of class {int(targets[row])} (wanted of "
                f"image {row}): choose another target"
            )
        return minima.view_as(images)
    predicted = logits.argmax(dim=1)
    nearest, least = points.clone(), torch.full_like(points[:, 0], torch.inf)
    for shift in range(1, len(bias)):
        targets = (predicted + shift) % len(bias)
        minima = _project(points, targets, predicted[:, None], weight, bias, bounds)
        size = distortion(points, minima)
        nearest = torch.where((size < least)[:, None], minima, nearest)
        least = least.minimum(size)
    if (lost := least.isinf()).any():
        raise ValueError(
            f"no image within the bounds was found of another class than that of image "
            f"{int(lost.nonzero()[0])}: leave it out, or widen the bounds"
        )
    return nearest.view_as(images)


def _coefficients(
    model: nn.Module, images: Tensor, bounds: tuple[Tensor, Tensor]
) -> tuple[Tensor, Tensor]:
    """The matrix and the constant of the logits, in 64 bits; refuse a model that has none."""
    exact: Callable[..., object] = model
    with torch.enable_grad():
        point = images[:1].detach()
        if isinstance(model, nn.Module):  # any other function computes as it was written
            exact, point = copy.deepcopy(model).double(), point.double()
        outputs = classify(exact, point.requires_grad_().clone())[0]
        rows = [torch.autograd.grad(output, point, retain_graph=True)[0] for output in outputs]
    weight = torch.cat(rows).flatten(1).double()
    bias = outputs.detach().double() - weight @ point.detach().flatten().double()
    # The images, each other's pixels, and all corners of the box towards which a class pulls.
    lower, upper = (bound.clamp(-1e3, 1e3) for bound in bounds)
    corners = [torch.where(row.to(images) > 0, upper[:1], lower[:1]) for row in weight]
    others = torch.cat([images.flatten(1), images.flatten(1).roll(1, 1), *corners])
    points = others.view(-1, *images.shape[1:])
    logits = evaluate(model, points).double()
    error = (others.double() @ weight.T + bias - logits).abs().amax(dim=0)
    spread = (logits - bias).abs().amax(dim=0)
    wrong = error > 1e-4 * spread.maximum(spread.median()) + 1e-6 * bias.abs()  # class by class
    if wrong.any():
        raise ValueError(
            f"the model is not affine: its logits differ by up to {error.max():.3g} from those of "
            "its linearisation at the first image; use nearest_attack"
        )
    return weight, bias


def _project(
    points: Tensor,
    targets: Tensor,
    rivals: Tensor,
    weight: Tensor,
    bias: Tensor,
    bounds: tuple[Tensor, Tensor],
) -> Tensor:
    """The nearest points at which no rival is ahead of the target; infinite if there are none."""
    normals = weight[rivals] - weight[targets, None]
    offsets = bias[targets, None] - bias[rivals]
    lower, upper = (bound.double().expand_as(points) for bound in bounds)
    minima = torch.full_like(points, torch.inf)
    multipliers = torch.zeros_like(offsets)
    for again in (False, True):
        left = minima.isinf().any(dim=1)
        # Newton's method may stall at a kink of the dual, as in corners of the box.
        for row in left.nonzero()[:, 0].tolist() if again else ():
            fields = points, normals, offsets, lower, upper
            multipliers[row] = _climb_dual(*(field[row] for field in fields))
        found = project_to_polytope(
            points[left],
            normals[left],
            offsets[left],
            lower=lower[left],
            upper=upper[left],
            multipliers=multipliers[left],
            tolerance=TOLERANCE,
            max_iterations=MOST_ITERATIONS,
        )
        minima[left] = torch.where(found.converged[:, None], found.x, torch.inf)
    return minima


def _climb_dual(
    point: Tensor, normals: Tensor, offsets: Tensor, lower: Tensor, upper: Tensor
) -> Tensor:
    """Multipliers near the maximum of the dual, by SciPy, if it has one."""

    def descent(numbers: np.ndarray) -> tuple[float, np.ndarray]:
        multipliers = torch.from_numpy(numbers).to(point)
        x = (point - multipliers @ normals).clamp(lower, upper)
        outside = normals @ x - offsets
        value = (x - point).square().sum() / 2 + multipliers @ outside
        return -value.item(), -outside.cpu().numpy()

    start = np.zeros(len(offsets))
    options = {"maxiter": MOST_ITERATIONS}
    found = minimize(
        descent,
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=[(0, None)] * len(start),
        options=options,
    )
    return torch.from_numpy(found.x).to(point)
