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
    tolerances = torch.as_tensor(tolerance).to(points).expand(len(points))
    # Seen from the points: a short way to go keeps its digits, which beside a point would be lost.
    offsets = offsets - torch.linalg.vecdot(normals, points[:, None])
    lengths = torch.linalg.vector_norm(normals, dim=2)
    polytopes = Polytopes(lower - points, upper - points, normals, offsets, lengths, tolerances)
    start = torch.zeros_like(offsets) if multipliers is None else multipliers
    multipliers, violation = nearest_to_origin(polytopes, start, max_iterations=max_iterations)
    x = (points - combine(multipliers, normals)).clamp(lower, upper)
    return PolytopeProjection(x, multipliers, violation, violation <= tolerances)


class Polytopes(NamedTuple):
    """Boxes and half-spaces, with the points to be projected as their origins."""

    lower: Float[Tensor, "a n"]
    upper: Float[Tensor, "a n"]
    normals: Float[Tensor, "a m n"]
    offsets: Float[Tensor, "a m"]
    lengths: Float[Tensor, "a m"]  # of the normals
    tolerances: Float[Tensor, "a"]


def nearest_to_origin(
    polytopes: Polytopes, start: Float[Tensor, "a m"], *, max_iterations: int
) -> tuple[Float[Tensor, "a m"], Float[Tensor, "a"]]:
    """Compute the multipliers of the nearest points to the origins, and the violations.

    As `project_to_polytope` does, of which this is what an attack repeats: nothing is checked.
    """
    lengths = torch.where(polytopes.lengths > 0, polytopes.lengths, 1)
    polytopes = polytopes._replace(lengths=lengths)
    dual = _evaluate(polytopes, start)
    inside = dual.value.new_zeros(()).clamp(polytopes.lower, polytopes.upper)
    worse = dual.value < inside.square().sum(dim=1) / 2
    if worse.any():  # than zero multipliers: drop such a start
        dual = _evaluate(polytopes, start.masked_fill(worse[:, None], 0))
    solution, violation = torch.empty_like(start), torch.empty_like(dual.value)
    rows = torch.arange(len(start), device=start.device)
    going = torch.ones_like(rows, dtype=torch.bool)
    for iteration in range(max_iterations + 1):
        excess = torch.where(dual.multipliers > 0, dual.gradient.abs(), dual.gradient.clamp(min=0))
        farthest = (excess / polytopes.lengths).amax(dim=1)
        solution[rows], violation[rows] = dual.multipliers, farthest
        going = going & (farthest > polytopes.tolerances)
        count = int(going.sum())
        if iteration == max_iterations or count == 0:
            break
        # Gathering rows costs as much as an iteration: only when it halves what is left.
        if count <= len(rows) // 2:
            kept = going.nonzero()[:, 0]
            rows, going = rows[kept], going[kept]
            polytopes = Polytopes(*(field[kept] for field in polytopes))
            dual = _Dual(*(field[kept] for field in dual))
        before = dual.multipliers
        dual = _newton(polytopes, dual, going)
        # But for rounding, a row that stays would stay again.
        going = (dual.multipliers != before).any(dim=1)
    return solution, violation


class _Dual(NamedTuple):
    """The dual function at the multipliers."""

    multipliers: Float[Tensor, "a m"]
    free: Bool[Tensor, "a n"]  # variables whose bounds are inactive
    gradient: Float[Tensor, "a m"]  # how far outside the half-spaces, times the normals' lengths
    value: Float[Tensor, "a"]


def combine(multipliers: Float[Tensor, "a m"], normals: Float[Tensor, "a m n"]) -> Tensor:
    """Add up the normals of each row, each times its multiplier."""
    return torch.bmm(multipliers[:, None], normals)[:, 0]


def _evaluate(polytopes: Polytopes, multipliers: Tensor) -> _Dual:
    unclamped = -combine(multipliers, polytopes.normals)
    displacement = unclamped.clamp(polytopes.lower, polytopes.upper)
    gradient = torch.linalg.vecdot(polytopes.normals, displacement[:, None]) - polytopes.offsets
    value = displacement.square().sum(dim=1) / 2 + (multipliers * gradient).sum(dim=1)
    return _Dual(multipliers, unclamped == displacement, gradient, value)


def _newton(polytopes: Polytopes, dual: _Dual, going: Tensor) -> _Dual:
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
    step = torch.where(going[:, None], step, 0)
    return _search_line(polytopes, dual, moving, step, torch.ones_like(dual.value[0]), BACKTRACKS)


def _search_line(
    polytopes: Polytopes, dual: _Dual, moving: Tensor, step: Tensor, length: Tensor, tries: int
) -> _Dual:
    """Go that share of the step, or a shorter one where the dual does not increase enough."""
    trial = (dual.multipliers + length * step).clamp(min=0) * moving
    there = _evaluate(polytopes, trial)
    promised = (dual.gradient * (trial - dual.multipliers)).sum(dim=1)
    rounding = 10 * torch.finfo(dual.value.dtype).eps * dual.value.abs()
    good = there.value >= dual.value + SUFFICIENT_INCREASE * promised - rounding
    if good.all():
        return there
    bad = (~good).nonzero()[:, 0]
    nearer = _Dual(*(field[bad] for field in dual))
    if tries > 1:
        part = Polytopes(*(field[bad] for field in polytopes))
        nearer = _search_line(part, nearer, moving[bad], step[bad], 0.4 * length, tries - 1)
    pairs = zip(there, nearer, strict=True)
    return _Dual(*(field.index_copy(0, bad, update) for field, update in pairs))


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
        if not tensor.sum().isfinite():  # in one pass
            raise ValueError(f"{name} contain NaN or infinity: leave these rows out")
