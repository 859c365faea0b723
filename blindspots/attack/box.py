"""Batched box-constrained L-BFGS: many independent problems minimised at once."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

SUFFICIENT_DECREASE = 1e-4  # Armijo's constant
MAX_BACKTRACKS = 10


@dataclass(frozen=True)
class BoxMinimum:
    """Result of `minimize_box`, one entry per problem.

    Attributes:
        x: the best point found, inside the box.
        value: the function there.
        projected_gradient: largest entry of `abs(x - clamp(x - gradient))`, zero at a minimum.
        converged: whether `gtol` or `ftol` was reached.
        iterations: accepted steps.
        evaluations: evaluations of the function with its gradient.
    """

    x: Float[Tensor, "b n"]
    value: Float[Tensor, "b"]
    projected_gradient: Float[Tensor, "b"]
    converged: Bool[Tensor, "b"]
    iterations: Int[Tensor, "b"]
    evaluations: Int[Tensor, "b"]


def minimize_box(
    fun: Callable[[Tensor, Tensor], Tensor],
    x0: Float[Tensor, "b n"],
    *,
    lower: float | Tensor = 0.0,
    upper: float | Tensor = 1.0,
    history: int = 10,
    max_iterations: int = 200,
    gtol: float = 1e-4,
    ftol: float = 1e-9,
) -> BoxMinimum:
    """Minimise b independent smooth functions of n variables, each inside a box.

    Projected L-BFGS, not L-BFGS-B: in each iteration the variables held at a bound by the sign of
    the gradient are frozen, an L-BFGS step is taken in the others, and it is shortened along the
    *projected* path `clamp(x + t * direction)` until the function has decreased enough
    (Armijo). Each problem accepts its own steps and leaves the batch when it is finished.

    Args:
        fun: `fun(points, problems)` returns one value per row; row i of `points` is a trial point
            of problem number `problems[i]`, and the value must depend on that row alone. Rows that
            are finished are not passed any more, hence the numbers.
        x0: start points; they are clamped into the box first.
        lower: lower bound, a number or a tensor that broadcasts to `x0`.
        upper: upper bound, in the same way.
        history: pairs of steps and gradient changes to remember.
        max_iterations: accepted steps at the most, per problem.
        gtol: a problem has converged when no entry of its projected gradient is larger. With
            float32 values smaller than 1e-5 are rarely reached.
        ftol: a problem has also converged after a step that lowers its value by no more than ftol
            times the larger of the value's size and 1. This ends the crawl along a kink, where the
            gradient does not vanish. Never taken smaller than twice the rounding error.

    Returns:
        The best points. A row that stops early, because no shorter step decreases its function any
        more or the iterations are used up, has `converged` False.

    Raises:
        TypeError: if `x0` is not floating point of at least 32 bits.
        ValueError: if `x0` is not a non-empty matrix of finite numbers, a lower bound exceeds its
            upper, an option is out of range, or `fun` gives no finite value, or not one per row.

    References:
        Bertsekas, Projected Newton methods for optimization problems with simple constraints,
        SIAM J. Control Optim. 20 (1982). Nocedal and Wright, Numerical Optimization, algorithm 7.4.

    >>> target = torch.tensor([[0.5, 2.0], [-3.0, 0.25]])
    >>> minimize_box(lambda x, i: (x - target[i]).square().sum(dim=1), torch.zeros(2, 2)).x
    tensor([[0.5000, 1.0000],
            [0.0000, 0.2500]])
    """
    for name, number, least in (
        ("history", history, 1),
        ("max_iterations", max_iterations, 0),
        ("gtol", gtol, 0),
        ("ftol", ftol, 0),
    ):
        if not number >= least:
            raise ValueError(f"{name} must be at least {least}, got {number}")
    lower, upper = _check(x0, lower, upper)
    rows = _start(fun, x0.detach(), lower, upper, history)
    like = rows.x, rows.value, rows.value, rows.settled, rows.iterations, rows.evaluations
    result = BoxMinimum(*map(torch.empty_like, like))
    rounding = 2 * torch.finfo(x0.dtype).eps
    for iteration in range(max_iterations + 1):
        residual = (rows.x - (rows.x - rows.gradient).clamp(rows.lower, rows.upper)).abs().amax(1)
        converged = (residual <= gtol) | rows.settled
        finished = rows.running & (converged | rows.stuck | (iteration == max_iterations))
        if finished.any():
            found = rows.x, rows.value, residual, converged, rows.iterations, rows.evaluations
            done = finished.nonzero()[:, 0]  # once, as a GPU waits for it
            for field, value in zip(vars(result).values(), found, strict=True):
                field[rows.problem[done]] = value[done]
            rows = rows._replace(running=rows.running & ~finished)
            if not rows.running.any():
                break
            # Gathering rows costs as much as an iteration: only when a quarter has finished.
            if rows.running.sum() < 0.75 * len(rows.running):
                kept = rows.running.nonzero()[:, 0]
                rows = _Rows(*(field[kept] for field in rows))
        rows = _iterate(fun, rows, slot=iteration % history, ftol=max(ftol, rounding))
    return result


class _Rows(NamedTuple):
    """The problems still running, one row each in every field."""

    problem: Int[Tensor, "a"]
    running: Bool[Tensor, "a"]
    x: Float[Tensor, "a n"]
    value: Float[Tensor, "a"]
    gradient: Float[Tensor, "a n"]
    lower: Float[Tensor, "a n"]
    upper: Float[Tensor, "a n"]
    steps: Float[Tensor, "a m n"]  # ring buffer; a row of zeros remembers nothing
    changes: Float[Tensor, "a m n"]  # of the gradient, along these steps
    settled: Bool[Tensor, "a"]  # the last step lowered the value by less than ftol
    stuck: Bool[Tensor, "a"]  # no step lowers it
    iterations: Int[Tensor, "a"]
    evaluations: Int[Tensor, "a"]


def _start(
    fun: Callable[[Tensor, Tensor], Tensor], x0: Tensor, lower: Tensor, upper: Tensor, history: int
) -> _Rows:
    problem = torch.arange(len(x0), device=x0.device)
    x = x0.clamp(lower, upper)
    value, gradient = _value_and_gradient(fun, x, problem)
    if not value.isfinite().all():
        worst = int((~value.isfinite()).nonzero()[0])
        raise ValueError(
            f"the function is {value[worst].item()} at the start of problem {worst}: "
            "start where it is finite"
        )
    memory = x.new_zeros(len(x), history, x.shape[1])
    no, count = torch.zeros_like(problem, dtype=torch.bool), torch.zeros_like(problem)
    memories = memory, memory.clone()
    return _Rows(
        problem, ~no, x, value, gradient, lower, upper, *memories, no, no, count, count + 1
    )


def _iterate(
    fun: Callable[[Tensor, Tensor], Tensor], rows: _Rows, *, slot: int, ftol: float
) -> _Rows:
    """One accepted step for every row that can find one; `slot` is where to remember it."""
    held = (rows.x <= rows.lower) & (rows.gradient > 0)
    held |= (rows.x >= rows.upper) & (rows.gradient < 0)
    direction = _lbfgs_direction(rows, (~held).to(rows.x.dtype), newest=slot - 1)
    after, accepted = _backtrack(fun, rows, direction)
    stuck = torch.zeros_like(accepted)
    failed = rows.running & ~accepted
    if failed.any():
        # A row without a step starts over from the gradient; if it did so already, it is stuck.
        stuck[failed] = ~rows.steps[failed].flatten(1).any(dim=1)
        rows.steps[failed], rows.changes[failed] = 0, 0
    rows.steps[:, slot] = after.x - rows.x
    rows.changes[:, slot] = after.gradient - rows.gradient
    settled = accepted & (rows.value - after.value <= ftol * rows.value.abs().clamp(min=1))
    return after._replace(settled=settled, stuck=stuck, iterations=rows.iterations + accepted)


def _lbfgs_direction(rows: _Rows, free: Float[Tensor, "a n"], *, newest: int) -> Tensor:
    """Two-loop recursion in the free variables (Nocedal and Wright, algorithm 7.4).

    All inner products are taken at once; the recursion then runs on the coefficients of the
    gradient, the steps and the changes, of which the direction is a combination.
    """
    history = rows.steps.shape[1]
    order = [(newest - age) % history for age in range(history)]  # newest first
    gradient, steps = rows.gradient * free, rows.steps
    changes = rows.changes * free[:, None]  # the only copy: one free factor is enough
    step_change = steps @ changes.transpose(1, 2)
    change_change = changes @ changes.transpose(1, 2)
    step_gradient = torch.linalg.vecdot(steps, gradient[:, None])
    change_gradient = torch.linalg.vecdot(changes, gradient[:, None])
    product = step_change.diagonal(dim1=1, dim2=2)
    squares = change_change.diagonal(dim1=1, dim2=2)
    # Without positive curvature a pair would spoil the direction of descent.
    lengths = [torch.linalg.vector_norm(step * free, dim=1) for step in steps.unbind(dim=1)]
    sizes = torch.stack(lengths, dim=1) * squares.sqrt()
    usable = product > torch.finfo(free.dtype).eps * sizes
    curvature = product / squares
    scale = 1 / torch.linalg.vector_norm(gradient, dim=1).clamp(min=1)
    for i in reversed(order):
        scale = torch.where(usable[:, i], curvature[:, i], scale)
    down, up = torch.zeros_like(product), torch.zeros_like(product)  # along changes, along steps
    inverse = torch.where(usable, 1 / product, 0).unbind(dim=1)
    downs, ups = down.unbind(dim=1), up.unbind(dim=1)  # views: what is written there is in both
    of_steps, of_changes = step_change.unbind(dim=1), change_change.unbind(dim=1)
    to_steps = step_change.unbind(dim=2)
    step_gradients, change_gradients = step_gradient.unbind(dim=1), change_gradient.unbind(dim=1)
    for i in order:
        along = step_gradients[i] - torch.linalg.vecdot(of_steps[i], down)
        torch.mul(inverse[i], along, out=downs[i])
    for i in reversed(order):
        along = change_gradients[i] - torch.linalg.vecdot(of_changes[i], down)
        along = scale * along + torch.linalg.vecdot(to_steps[i], up)
        torch.sub(downs[i], inverse[i] * along, out=ups[i])
    along_steps = (up[:, None] @ steps)[:, 0] * free
    along_changes = ((scale[:, None] * down)[:, None] @ changes)[:, 0]
    return -(scale[:, None] * gradient + (along_steps - along_changes))


def _backtrack(
    fun: Callable[[Tensor, Tensor], Tensor], rows: _Rows, direction: Tensor
) -> tuple[_Rows, Tensor]:
    """Shorten the step along the projected path until it decreases enough; say for which rows."""
    x, value, gradient = rows.x.clone(), rows.value.clone(), rows.gradient.clone()
    evaluations, length = rows.evaluations.clone(), torch.ones_like(value)
    left = rows.running.nonzero()[:, 0]
    everyone = rows.problem, rows.x, rows.value, rows.gradient, rows.lower, rows.upper, direction
    for _ in range(MAX_BACKTRACKS):
        # Gathering rows costs as much as the rest: at first there is often nothing to leave out.
        here = everyone if len(left) == len(x) else tuple(field[left] for field in everyone)
        problem, start, before, down, lower, upper, way = here
        trial = (start + length[left, None] * way).clamp(lower, upper)
        trial_value, trial_gradient = _value_and_gradient(fun, trial, problem)
        evaluations[left] += 1
        slope = (down * (trial - start)).sum(dim=1)
        good = (slope < 0) & (trial_value <= before + SUFFICIENT_DECREASE * slope)
        taken, others = good.nonzero()[:, 0], (~good).nonzero()[:, 0]
        if len(taken) == len(x):
            x, value, gradient, left = trial, trial_value, trial_gradient, left[:0]
            break
        done, left = left[taken], left[others]
        x[done], value[done] = trial[taken], trial_value[taken]
        gradient[done] = trial_gradient[taken]
        if len(left) == 0:
            break
        # Minimum of the parabola through both values and the slope, kept within [0.1, 0.5].
        excess = trial_value - before - slope
        length[left] *= (-slope / (2 * excess)).nan_to_num(0.5).clamp(0.1, 0.5)[others]
    accepted = rows.running.clone()
    accepted[left] = False
    after = rows._replace(x=x, value=value, gradient=gradient, evaluations=evaluations)
    return after, accepted


def _value_and_gradient(
    fun: Callable[[Tensor, Tensor], Tensor], points: Tensor, problem: Tensor
) -> tuple[Tensor, Tensor]:
    with torch.enable_grad():
        points = points.detach().requires_grad_()
        values = fun(points, problem)
        if values.shape != problem.shape:
            raise ValueError(
                f"the function returned shape {tuple(values.shape)} for {len(problem)} points: "
                "return one value per row"
            )
        (gradient,) = torch.autograd.grad(values, points, torch.ones_like(values))
    return values.detach(), gradient


def _check(x0: Tensor, lower: float | Tensor, upper: float | Tensor) -> tuple[Tensor, Tensor]:
    """Refuse what cannot work; return the bounds as matrices of the shape of x0."""
    if x0.dtype not in (torch.float32, torch.float64):
        raise TypeError(f"x0 must be float32 or float64, got {x0.dtype}: convert it first")
    if x0.ndim != 2 or x0.numel() == 0 or not x0.isfinite().all():
        raise ValueError(
            f"x0 must be a non-empty matrix of finite numbers, one row per problem, got shape "
            f"{tuple(x0.shape)}{'' if x0.isfinite().all() else ' with NaN or infinity'}"
        )
    try:
        low, high = (torch.as_tensor(b).to(x0).expand_as(x0) for b in (lower, upper))
    except RuntimeError as error:
        raise ValueError(f"the bounds do not broadcast to {tuple(x0.shape)}: {error}") from None
    if not (low <= high).all():
        row, column = (low > high).nonzero()[0].tolist()
        raise ValueError(
            f"lower bound {low[row, column]:g} exceeds upper bound {high[row, column]:g} "
            f"in row {row}, column {column}: swap or correct them"
        )
    return low, high
