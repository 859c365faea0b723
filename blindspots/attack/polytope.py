"""The nearest point of a box cut by half-spaces: the exact answer for affine classifiers."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

SUFFICIENT_INCREASE = 1e-4  # Armijo's constant
BACKTRACKS = 8


@dataclass(frozen=True)
class PolytopeProjection:
    """Result of `project_to_polytope`, one entry per row.

    Attributes:
        x: the nearest point, inside the box.
        multipliers: Lagrange multiplier of each half-space; zero if it is inactive.
        violation: the largest distance by which `x` violates a half-space, or misses one whose
            multiplier is positive; zero at the exact solution.
        converged: whether the violation is within the tolerance.
    """

    x: Float[Tensor, "b n"]
    multipliers: Float[Tensor, "b m"]
    violation: Float[Tensor, "b"]
    converged: Bool[Tensor, "b"]


def project_to_polytope(
    points: Float[Tensor, "b n"],
    normals: Float[Tensor, "b m n"],
    offsets: Float[Tensor, "b m"],
    *,
    lower: float | Float[Tensor, "b n"] = 0.0,
    upper: float | Float[Tensor, "b n"] = 1.0,
    multipliers: Float[Tensor, "b m"] | None = None,
    tolerance: float | Float[Tensor, "b"] = 1e-5,
    max_iterations: int = 50,
) -> PolytopeProjection:
    r"""Project each row onto its own polytope, a box cut by a few half-spaces.

    .. math::

        \text{minimise } & \tfrac12 \|x - \text{point}\|_2^2 \\
        \text{subject to } & \text{normals}\, x \le \text{offsets}, \\
        & \text{lower} \le x \le \text{upper}

    For an affine classifier, with the differences of its logits as normals, this is the paper's
    attack (section 4.1) solved exactly. The dual has one variable per half-space, since for given
    multipliers x is `clamp(point - multipliers @ normals)`; a projected Newton method maximises it.

    Args:
        points: to be projected.
        normals: of the half-spaces; a row of zeros (with offset 0) stands for none.
        offsets: of the half-spaces.
        lower: bound of every variable; one number, or one per variable.
        upper: bound of every variable; one number, or one per variable.
        multipliers: where to start, from an earlier similar projection; zero by default.
        tolerance: largest violation that counts as converged; one number, or one per row.
        max_iterations: of Newton's method.

    Returns:
        The nearest points. A row whose polytope is empty has `converged` False.

    Raises:
        ValueError: if shapes do not fit, numbers are not finite, or lower bounds exceed upper ones.

    References:
        Bertsekas, Projected Newton methods for optimization problems with simple constraints,
        SIAM J. Control Optim. 20 (1982).

    >>> point, normal = torch.tensor([[0.0, 0.0]]), torch.tensor([[[-1.0, -1.0]]])
    >>> project_to_polytope(point, normal, torch.tensor([[-0.5]])).x
    tensor([[0.2500, 0.2500]])
    """
    _check(points, normals, offsets, multipliers, lower, upper)
    lower, upper = torch.as_tensor(lower).to(points), torch.as_tensor(upper).to(points)
    # Seen from the points: a short way to go keeps its digits, which beside a point would be lost.
    offsets = offsets - torch.linalg.vecdot(normals, points[:, None])
    polytopes = _Polytopes(lower - points, upper - points, normals, offsets)
    lengths = torch.linalg.vector_norm(normals, dim=2)
    lengths = torch.where(lengths > 0, lengths, 1)
    solution, violation = torch.empty_like(offsets), torch.empty_like(points[:, 0])
    tolerances = torch.as_tensor(tolerance).to(points).expand(len(points))
    rows = torch.arange(len(points), device=points.device)
    start = torch.zeros_like(offsets) if multipliers is None else multipliers
    dual = _evaluate(polytopes, start)
    inside = torch.zeros_like(points).clamp(polytopes.lower, polytopes.upper)
    worse = dual.value < inside.square().sum(dim=1) / 2
    if worse.any():  # than zero multipliers: drop such a start
        dual = _evaluate(polytopes, start.masked_fill(worse[:, None], 0))
    for iteration in range(max_iterations + 1):
        excess = torch.where(dual.multipliers > 0, dual.gradient.abs(), dual.gradient.clamp(min=0))
        solution[rows], violation[rows] = dual.multipliers, (excess / lengths[rows]).amax(dim=1)
        going = violation[rows] > tolerances[rows]
        if iteration == max_iterations or not going.any():
            break
        # Gathering rows costs as much as an iteration: only when it halves what is left.
        if going.sum() <= len(rows) // 2:
            kept = going.nonzero()[:, 0]
            rows, going = rows[kept], going[kept]
            polytopes = _Polytopes(*(field[kept] for field in polytopes))
            dual = _Dual(*(field[kept] for field in dual))
        dual = _newton(polytopes, dual, going)
    x = (points - _combine(solution, normals)).clamp(lower, upper)
    return PolytopeProjection(x, solution, violation, violation <= tolerances)


class _Polytopes(NamedTuple):
    """Boxes and half-spaces, with the points to be projected as their origins."""

    lower: Float[Tensor, "a n"]
    upper: Float[Tensor, "a n"]
    normals: Float[Tensor, "a m n"]
    offsets: Float[Tensor, "a m"]


class _Dual(NamedTuple):
    """The dual function at the multipliers."""

    multipliers: Float[Tensor, "a m"]
    free: Bool[Tensor, "a n"]  # variables whose bounds are inactive
    gradient: Float[Tensor, "a m"]  # how far outside the half-spaces, times the normals' lengths
    value: Float[Tensor, "a"]


def _combine(multipliers: Tensor, normals: Tensor) -> Float[Tensor, "b n"]:
    return torch.bmm(multipliers[:, None], normals)[:, 0]


def _evaluate(polytopes: _Polytopes, multipliers: Tensor) -> _Dual:
    lower, upper, normals, offsets = polytopes
    unclamped = -_combine(multipliers, normals)
    displacement = unclamped.clamp(lower, upper)
    gradient = torch.linalg.vecdot(normals, displacement[:, None]) - offsets
    value = displacement.square().sum(dim=1) / 2 + (multipliers * gradient).sum(dim=1)
    return _Dual(multipliers, unclamped == displacement, gradient, value)


def _newton(polytopes: _Polytopes, dual: _Dual, going: Tensor) -> _Dual:
    """One projected Newton step of each row going, shortened until the dual increases enough."""
    normals, tiny = polytopes.normals, torch.finfo(dual.value.dtype).eps
    # A multiplier that is zero and would become negative stays out of the step.
    moving = ((dual.multipliers > 0) | (dual.gradient > 0)).to(normals.dtype)
    hessian = torch.bmm(normals * dual.free[:, None], normals.transpose(1, 2))
    hessian = hessian * moving[:, :, None] * moving[:, None, :]
    largest = hessian.diagonal(dim1=1, dim2=2).amax(dim=1, keepdim=True)
    # What is left of the normals may be next to nothing, where nearly all bounds are active.
    negligible = torch.finfo(normals.dtype).tiny / tiny
    damping = torch.where(moving * largest > negligible, 100 * tiny * largest, 1)
    step = torch.linalg.solve(hessian + torch.diag_embed(damping), moving * dual.gradient)
    best = _Dual(*(field.clone() for field in dual))
    length = torch.ones_like(dual.value)[:, None]
    left = going.nonzero()[:, 0]
    for _ in range(BACKTRACKS):
        here, there = dual, polytopes
        if len(left) < len(step):
            here = _Dual(*(field[left] for field in dual))
            there = _Polytopes(*(field[left] for field in polytopes))
        trial = (here.multipliers + length[left] * step[left]).clamp(min=0) * moving[left]
        result = _evaluate(there, trial)
        promised = (here.gradient * (trial - here.multipliers)).sum(dim=1)
        rounding = 10 * tiny * here.value.abs()
        good = result.value >= here.value + SUFFICIENT_INCREASE * promised - rounding
        taken = good.nonzero()[:, 0]
        for field, update in zip(best, result, strict=True):
            field[left[taken]] = update[taken]
        left = left[~good]
        length[left] *= 0.4
        if len(left) == 0:
            break
    return best


def _check(
    points: Tensor,
    normals: Tensor,
    offsets: Tensor,
    multipliers: Tensor | None,
    lower: float | Tensor,
    upper: float | Tensor,
) -> None:
    rows, half_spaces = points.shape[:1], offsets.shape[1:]
    wanted = {
        "normals": (normals, rows + half_spaces + points.shape[1:]),
        "offsets": (offsets, rows + half_spaces),
        "multipliers": (offsets if multipliers is None else multipliers, offsets.shape),
    }
    if points.ndim != 2 or offsets.ndim != 2:
        raise ValueError(
            f"points and offsets must be matrices, got shapes {tuple(points.shape)} and "
            f"{tuple(offsets.shape)}: pass one row per problem"
        )
    for name, (tensor, shape) in wanted.items():
        if tensor.shape != shape:
            raise ValueError(
                f"{name} have shape {tuple(tensor.shape)} where {tuple(shape)} fits "
                f"{points.shape[0]} points of {points.shape[1]} variables: pass one per half-space"
            )
    for bound in (lower, upper):
        if isinstance(bound, Tensor) and bound.ndim and bound.shape != points.shape:
            raise ValueError(
                f"a bound has shape {tuple(bound.shape)} where the points have "
                f"{tuple(points.shape)}: pass one number, or one per variable"
            )
    if (crossed := ~torch.as_tensor(lower <= upper)).any():  # NaN too
        low, high = (
            torch.as_tensor(bound).expand_as(crossed)[crossed][0] for bound in (lower, upper)
        )
        raise ValueError(f"the lower bound {low:g} exceeds the upper {high:g}: swap them")
    for name, tensor in (("points", points), ("normals", normals), ("offsets", offsets)):
        if not tensor.sum().isfinite():  # in one pass: this runs once per step of an attack
            raise ValueError(f"{name} contain NaN or infinity: leave these rows out")
