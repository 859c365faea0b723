"""The nearest adversarial image, by repeated projection onto averaged linearisations."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor, nn
from torch.nn import functional as F

from blindspots.attack._problem import (
    Found,
    Problem,
    attack_in_batches,
    margin_at,
    select,
    towards,
)
from blindspots.attack.polytope import Polytopes, combine, nearest_to_origin
from blindspots.attack.results import AdversarialImages
from blindspots.perturbations import Bounds, distortion

AIM = 1e-4  # how far past the boundary the projections aim, as a share of the first margin
LAST_WEIGHT = 0.02  # of a new gradient in its running average; the first weight is 1
LONGEST_STEP = 0.1  # distortion of one step, in units of the pixels
STANDSTILL = 1e-4  # a row whose next step is shorter than this share of its distance is finished
NEWTON_STEPS = 4  # per projection; the next one goes on from there
REFINEMENTS = 6  # evaluations that end on the boundary
FALL = 0.25  # a step back to less than this share of the distance goes to half of it instead
EARLY = 1 / 6  # a row that turns until this share of the projections is over takes a walk,
UNSETTLED = 0.05  # and so does one whose last step is longer than this share of its distance
WALK = 3  # steps of it per projection
SHARPNESS = 10.0  # of its smooth maximum, in which the first margin counts so many units
FIRST_STRIDES = 1.0, 0.3  # of a row that turns and of one unsettled, as shares of the distance
LAST_STRIDE = 0.01  # of both
SWAY = 0.05  # the share of it by which a step changes the distance
AWAY = 3  # how far off another start is, in distances to the linearised boundary
FARTHEST = 10  # how many times its perturbation a row may go to get past the boundary
TOGETHER = 2**18  # pixels of which gradients are taken at once, if one per row are fewer
CONTENDERS = 9  # classes whose boundaries are linearised to find the nearest
FINALISTS = 4  # of them, those that compete at most,
NEARBY = 1.5  # if their boundary, linearised, is at most so many times as far as the nearest
HEAT_SHARE = 1 / 16  # of the search's projections, for the trial of each finalist
LEAST_HEAT = 6  # projections of a trial at least
HEAT_REFINEMENTS = 3  # at the end of a trial, which only has to be compared


class _Rows(NamedTuple):
    """The images still moving, one row each in every field."""

    at: Int[Tensor, "a"]  # number of the row in the batch
    x: Float[Tensor, "a d"]
    normals: Float[Tensor, "a m d"]  # running averages of gradients
    rival: Int[Tensor, "a m"]  # which class a normal belongs to; -1 if unused (and zero)
    multipliers: Float[Tensor, "a m"]


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
        ValueError: if the model is in training mode, returns probabilities or has no gradient; if
            images are empty, outside the bounds or not finite; if targets are out of range or
            already predicted; or if shapes, devices or options do not fit.
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


def nearer(found: Found, other: Found) -> Found:
    """Take the nearer of each row, or the first if none is; their evaluations add up."""
    rows = other.distortion < found.distortion
    return Found(
        images=torch.where(rows[:, None], other.images, found.images),
        distortion=found.distortion.minimum(other.distortion),
        penalty=torch.where(rows, other.penalty, found.penalty),
        evaluations=found.evaluations + other.evaluations,
    )


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
    if more and len(walkers := turning.index_fill(0, rows.at, True).nonzero()[:, 0]):
        wide, narrow = smallest.new_tensor(FIRST_STRIDES)
        strides = torch.where(turning[walkers], wide, narrow)
        walked = walk(select(problem, walkers), strides, steps=more)
        projected = Found(*(field[walkers] for field in found))
        for field, update in zip(found, nearer(projected, walked), strict=True):
            field[walkers] = update
    return found


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
            differences = _differences(problem, points)
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
        differences, gradient, _ = _difference_gradient(rival, rival.images)
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
    differences, gradient, ahead = _difference_gradient(problem, rows.x)
    known = rows.rival == ahead[:, None]
    row, column = ((rows.rival >= 0) & ~known).nonzero(as_tuple=True)
    normals, rival = F.pad(rows.normals, (0, 0, 0, 1)), F.pad(rows.rival, (0, 1), value=-1)
    together = max(len(ahead), TOGETHER // rows.x.shape[1])
    for first in range(0, len(row), together):
        r, c = (index[first : first + together] for index in (row, column))
        part = problem._replace(targets=problem.targets[r], rivals=problem.rivals[r])
        others = _difference_gradient(part, rows.x[r], rival[r, c])[1]
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


def _difference_gradient(
    problem: Problem, x: Tensor, chosen: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Each rival's logit minus the target's; the gradient of the chosen one, or the largest."""
    with torch.enable_grad():
        points = x.detach().requires_grad_()
        differences = _differences(problem, points)
        which = differences.argmax(dim=1) if chosen is None else chosen
        (gradient,) = torch.autograd.grad(differences.gather(1, which[:, None]).sum(), points)
    return differences.detach(), gradient, which


def _differences(problem: Problem, points: Tensor) -> Float[Tensor, "n k"]:
    """Each rival's logit minus the target's, and minus infinity for the others."""
    logits = problem.logits(points)
    differences = logits - logits.gather(1, problem.targets[:, None])
    return differences.masked_fill(~problem.rivals, -torch.inf)


def _project(problem: Problem, rows: _Rows, differences: Tensor) -> tuple[_Rows, Tensor]:
    """Go towards the nearest point that satisfies the linearisations; also how far it would be."""
    if not rows.normals.sum().isfinite():  # in one pass
        raise ValueError(
            "the model's gradient is NaN or infinite on the way to an adversarial image: attack "
            "the images in smaller batches and leave out those for which this is said"
        )
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
