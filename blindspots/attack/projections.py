"""Repeated projection onto averaged linearisations, the search of the nearest attack."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from blindspots.attack._problem import (
    TOGETHER,
    Found,
    Problem,
    difference_gradient,
    nearer,
    select,
)
from blindspots.attack.polytope import Polytopes, combine, nearest_to_origin
from blindspots.attack.walk import walk
from blindspots.perturbations import distortion

AIM = 1e-4  # how far past the boundary the projections aim, as a share of the first margin
LAST_WEIGHT = 0.02  # of a new gradient in its running average; the first weight is 1
LONGEST_STEP = 0.1  # distortion of one step, in units of the pixels
STANDSTILL = 1e-4  # a row whose next step is shorter than this share of its distance is finished
NEWTON_STEPS = 4  # per projection; the next one goes on from there
FALL = 0.25  # a step back to less than this share of the distance goes to half of it instead
EARLY = 1 / 6  # a row that turns until this share of the projections is over takes a walk,
UNSETTLED = 0.05  # and so does one whose last step is longer than this share of its distance
FIRST_STRIDES = 1.0, 0.3  # in the walk of a row that turns, and of one unsettled
AWAY = 3  # how far off another start is, in distances to the linearised boundary


class _Rows(NamedTuple):
    """The images still moving, one row each in every field."""

    at: Int[Tensor, "a"]  # number of the row in the batch
    x: Float[Tensor, "a d"]
    normals: Float[Tensor, "a m d"]  # running averages of gradients
    rival: Int[Tensor, "a m"]  # which class a normal belongs to; -1 if unused (and zero)
    multipliers: Float[Tensor, "a m"]


def project_repeatedly(
    problem: Problem,
    *,
    steps: int,
    more: int = 0,
    start: int = 0,
    on_step: Callable[[int], Any],
) -> Found:
    r"""Move each image to the nearest point where its target's logit exceeds those of its rivals.

    A step linearises, at the present point, the logit differences that matter: the largest, and
    the active constraints of the last projection. It then goes to the point of the box nearest to
    the *original* image that satisfies all of them. For an affine model a few steps find the
    optimum.

    In a network the gradient jumps at every kink of a ReLU or of max-pooling, and the best point
    lies on many kinks at once. So a normal is the running average of the gradients of its class,
    whose newest weight falls from 1 to `LAST_WEIGHT` along half a cosine: at first the steps search
    widely, in the end they average and settle. Only the direction is averaged; the half-spaces pass
    through the logits as they are at the present point. Past the boundary they may ask for too
    little and lead back close to the image: such a step goes half-way instead.

    Two kinds of rows take a `walk` of `more` steps as well, and keep the better of both. A row
    turns if each of its first steps is longer than its distance from the image: its gradients have
    little in common. It leaves for the walk early. A row that has not settled in the end goes round
    in a circle, or between half-spaces that exclude each other.
    `on_step` is told how many rows take each step but those of the walk. A row that got nowhere has
    distortion infinity and the point at which it stopped.

    The search starts from the images if `start` is 0, and else `AWAY` from them, in the direction
    of that number.
    """
    rows, left = _start(problem, start), problem
    best, smallest = problem.images.clone(), torch.full_like(problem.first_margin, torch.inf)
    pressure, evaluations = torch.zeros_like(smallest), torch.zeros_like(problem.targets)
    turning = torch.ones_like(evaluations, dtype=torch.bool)
    early = max(2, round(EARLY * steps))
    for step in range(steps):
        on_step(len(rows.at))
        weight = LAST_WEIGHT + (1 - LAST_WEIGHT) * (1 + math.cos(math.pi * (step / steps))) / 2
        rows, differences, spent = _linearise(left, rows, weight)
        evaluations[rows.at] += spent
        size = distortion(left.images, rows.x)
        reached = differences.amax(dim=1) <= -left.guard
        better = (reached & (size < smallest[rows.at])).nonzero()[:, 0]  # a GPU waits once
        at = rows.at[better]
        best[at], smallest[at] = rows.x[better], size[better]
        holding = rows.multipliers[better].sum(dim=1)  # zero after some steps half-way
        pressure[at] = torch.where(holding > 0, holding, pressure[at])
        rows, moved = _project(left, rows, differences)
        going = ~(reached & (moved <= STANDSTILL * size))
        if more and step <= early:
            turning[rows.at] &= moved.minimum(LONGEST_STEP * left.unit) > size
        if step in (early, steps - 1):  # as rows may stop that never got past the boundary
            lost = (smallest[rows.at] == torch.inf).nonzero()[:, 0]
            best[rows.at[lost]] = rows.x[lost]
            pressure[rows.at[lost]] = rows.multipliers[lost].sum(dim=1)
        if more and step == early:
            going &= ~turning[rows.at]
        if step == steps - 1:
            going = (moved > UNSETTLED * size) | (smallest[rows.at] == torch.inf)
        if not going.all():
            kept = going.nonzero()[:, 0]
            left, rows = select(left, kept), _Rows(*(field[kept] for field in rows))
        if len(rows.at) == 0:
            break
        rows = _forget(rows)
    # Where penalty * squared norm + margin is stationary, the multipliers sum to 1 / (2 penalty).
    found = Found(best, smallest, 1 / (2 * pressure), evaluations)
    return _walk_too(problem, found, turning, rows.at, more) if more else found


def _walk_too(
    problem: Problem, found: Found, turning: Tensor, unsettled: Tensor, steps: int
) -> Found:
    """Let the rows that turn and those unsettled take a walk; each keeps the better of both."""
    walkers = turning.index_fill(0, unsettled, True).nonzero()[:, 0]
    if len(walkers) == 0:
        return found
    wide, narrow = found.distortion.new_tensor(FIRST_STRIDES)
    strides = torch.where(turning[walkers], wide, narrow)
    walked = walk(select(problem, walkers), strides, steps=steps)
    projected = Found(*(field[walkers] for field in found))
    for field, update in zip(found, nearer(projected, walked), strict=True):
        field[walkers] = update
    return found


def _start(problem: Problem, number: int) -> _Rows:
    images, targets, x = problem.images, problem.targets, problem.images
    if number > 0:
        draw = torch.randn(images.shape[1], generator=torch.Generator().manual_seed(number))
        direction = (draw / torch.linalg.vector_norm(draw)).to(images)
        away = AWAY * problem.first_margin / problem.slope
        x = (images + away[:, None] * direction).clamp(problem.lower, problem.upper)
    none = images.new_zeros(len(images), 0)
    normals = images.new_zeros(len(images), 0, images.shape[1])
    everyone = torch.arange(len(images), device=images.device)
    return _Rows(everyone, x, normals, targets.new_zeros(len(images), 0), none)


def _linearise(problem: Problem, rows: _Rows, weight: float) -> tuple[_Rows, Tensor, Tensor]:
    """Renew the normals of the rival ahead and of the active ones; add it if it is new.

    Also returns each rival's logit minus the target's (-inf for the others), and gradients taken.
    """
    differences, gradient, ahead = difference_gradient(problem, rows.x)
    known = rows.rival == ahead[:, None]
    row, column = ((rows.rival >= 0) & ~known).nonzero(as_tuple=True)
    normals, rival = F.pad(rows.normals, (0, 0, 0, 1)), F.pad(rows.rival, (0, 1), value=-1)
    together = max(len(ahead), TOGETHER // rows.x.shape[1])
    for first in range(0, len(row), together):
        r, c = (index[first : first + together] for index in (row, column))
        part = problem._replace(targets=problem.targets[r], rivals=problem.rivals[r])
        others = difference_gradient(part, rows.x[r], rival[r, c])[1]
        normals[r, c] = normals[r, c].lerp(others, weight)
    everyone = torch.arange(len(ahead), device=ahead.device)
    known = F.pad(known, (0, 1))
    known[:, -1] = ~known.any(dim=1)  # a new rival takes the new column
    column = known.int().argmax(dim=1)
    share = torch.where(known[:, -1], 1, weight).to(gradient.dtype)
    normals[everyone, column] = normals[everyone, column].lerp(gradient, share[:, None])
    rival[everyone, column] = ahead
    spent = 1 + torch.bincount(row, minlength=len(ahead))
    multipliers = F.pad(rows.multipliers, (0, 1))
    rows = rows._replace(normals=normals, rival=rival, multipliers=multipliers)
    return rows, differences, spent


def _project(problem: Problem, rows: _Rows, differences: Tensor) -> tuple[_Rows, Tensor]:
    """Go towards the nearest point that satisfies the linearisations; also how far it would be."""
    aim = (AIM * problem.first_margin).maximum(2 * problem.guard)
    ahead = differences.gather(1, rows.rival.clamp(min=0)) + aim[:, None]
    moved = rows.x - problem.images  # not `x`: the digits of a short way would be lost in it
    offsets = torch.linalg.vecdot(rows.normals, moved[:, None]) - ahead
    lengths = torch.linalg.vector_norm(rows.normals, dim=2)
    polytopes = Polytopes(
        lower=problem.lower - problem.images,
        upper=problem.upper - problem.images,
        normals=rows.normals,
        offsets=offsets.masked_fill(rows.rival < 0, 0),
        lengths=lengths,
        tolerances=0.1 * aim / lengths.amax(dim=1),  # or the point would stop before the boundary
    )
    multipliers, _ = nearest_to_origin(polytopes, rows.multipliers, max_iterations=NEWTON_STEPS)
    nearest = (-combine(multipliers, rows.normals)).clamp(polytopes.lower, polytopes.upper)
    near, far = (torch.linalg.vector_norm(way, dim=1) for way in (nearest, moved))
    back = (near < FALL * far) & (differences.amax(dim=1) <= 0)
    goal = torch.where(back[:, None], moved / 2, nearest)
    length = distortion(moved, goal)
    longest = LONGEST_STEP * problem.unit
    share = longest / length.maximum(longest)
    x = (problem.images + moved.lerp(goal, share[:, None])).clamp(problem.lower, problem.upper)
    return rows._replace(x=x, multipliers=multipliers), length


def _forget(rows: _Rows) -> _Rows:
    """Drop the inactive constraints of each row."""
    holding = rows.multipliers > 0
    if holding.all():
        return rows
    width = int(holding.sum(dim=1).amax())
    order = holding.int().argsort(dim=1, descending=True, stable=True)[:, :width]
    row = torch.arange(len(order), device=order.device)[:, None]
    unused = ~holding[row, order]
    return rows._replace(
        normals=rows.normals[row, order].masked_fill_(unused[:, :, None], 0),
        rival=rows.rival[row, order].masked_fill_(unused, -1),
        multipliers=rows.multipliers[row, order],
    )
