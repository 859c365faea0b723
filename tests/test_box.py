import numpy as np
import pytest
import scipy.optimize
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from blindspots.attack import box
from blindspots.attack.box import minimize_box


def random_quadratics(b, n, generator, condition=100.0):
    """b strictly convex quadratics with known spectrum, as (A, c): f(x) = x'Ax / 2 - c'x."""
    q = torch.linalg.qr(torch.randn(b, n, n, dtype=torch.float64, generator=generator)).Q
    spectrum = torch.logspace(0, float(np.log10(condition)), n, dtype=torch.float64)
    matrix = q @ (spectrum[:, None] * q.mT)
    return matrix, 20 * torch.randn(b, n, dtype=torch.float64, generator=generator)


def quadratic(matrix, linear):
    def fun(x, rows):
        return torch.einsum("bi,bij,bj->b", x, matrix[rows], x) / 2 - (linear[rows] * x).sum(1)

    return fun


def rosenbrock(x, rows):
    return (100 * (x[:, 1:] - x[:, :-1] ** 2) ** 2 + (1 - x[:, :-1]) ** 2).sum(dim=1)


def scipy_minimum(fun, x0, lower, upper):
    def value_and_gradient(x):
        point = torch.tensor(x[None], requires_grad=True)
        value = fun(point)
        return value.item(), torch.autograd.grad(value.sum(), point)[0][0].numpy()

    return scipy.optimize.minimize(
        value_and_gradient,
        x0,
        jac=True,
        method="L-BFGS-B",
        bounds=[(lower, upper)] * len(x0),
        options={"ftol": 1e-15, "gtol": 1e-9, "maxiter": 5000, "maxfun": 50000},
    )


def test_separable_quadratic_has_a_closed_form(device, generator):
    """The minimum of weighted squares in a box is the clamped centre."""
    center = (4 * torch.rand(6, 30, generator=generator) - 1.5).double().to(device)
    weight = torch.logspace(-1, 1, 30).double().to(device)
    result = minimize_box(
        lambda x, rows: (weight * (x - center[rows]).square()).sum(dim=1),
        torch.full_like(center, 0.5),
        gtol=1e-7,
        ftol=0,
    )
    assert result.x.device.type == device
    assert torch.allclose(result.x, center.clamp(0, 1), atol=1e-6)
    assert result.converged.all() and (result.projected_gradient <= 1e-7).all()


def test_agrees_with_scipy_when_most_variables_start_on_a_bound(generator):
    matrix, linear = random_quadratics(8, 40, generator)
    x0 = torch.rand(8, 40, dtype=torch.float64, generator=generator)
    at_bound = torch.rand(8, 40, generator=generator) < 0.8
    x0 = torch.where(at_bound, x0.round(), x0)
    fun = quadratic(matrix, linear)
    result = minimize_box(fun, x0, gtol=1e-6, ftol=0, max_iterations=1000)
    for i in range(8):
        row = torch.tensor([i])
        reference = scipy_minimum(lambda x, row=row: fun(x, row), x0[i].numpy(), 0, 1)
        assert result.value[i].item() == pytest.approx(reference.fun, rel=1e-10)
        assert np.abs(result.x[i].numpy() - reference.x).max() < 1e-5
    assert 0.1 < ((result.x == 0) | (result.x == 1)).double().mean() < 0.9  # the box matters


@pytest.mark.parametrize("upper", [0.5, 2.0])
def test_agrees_with_scipy_on_a_curved_valley(upper):
    x0 = torch.full((1, 6), -0.5, dtype=torch.float64)
    ours = minimize_box(
        rosenbrock, x0, lower=-1, upper=upper, gtol=1e-7, ftol=0, max_iterations=2000
    )
    reference = scipy_minimum(lambda x: rosenbrock(x, None), x0[0].numpy(), -1, upper)
    assert np.abs(ours.x[0].numpy() - reference.x).max() < 1e-4


def test_uses_curvature(generator):
    """A condition number of 1e4 takes gradient descent thousands of steps."""
    matrix, linear = random_quadratics(4, 30, generator, condition=1e4)
    result = minimize_box(
        quadratic(matrix, linear),
        torch.zeros(4, 30).double(),
        lower=-1e6,
        upper=1e6,
        gtol=1e-4,
        ftol=0,
        max_iterations=400,
    )
    assert torch.allclose(result.x, torch.linalg.solve(matrix, linear), atol=1e-3)


def two_loops(gradient, pairs):
    """Nocedal and Wright, algorithm 7.4, of one problem; the newest pair is the last."""
    direction, alphas = gradient.clone(), []
    for step, change in reversed(pairs):
        alphas.append((step @ direction) / (step @ change))
        direction -= alphas[-1] * change
    step, change = pairs[-1]
    direction *= (step @ change) / (change @ change)
    for (step, change), alpha in zip(pairs, reversed(alphas), strict=True):
        direction += (alpha - (change @ direction) / (step @ change)) * step
    return -direction


def test_a_direction_is_that_of_two_loops_in_the_free_variables(generator):
    def draw(*shape):
        return torch.randn(*shape, dtype=torch.float64, generator=generator)

    rows = box._start(lambda x, _: x.square().sum(1), draw(3, 9), *(2 * [torch.zeros(3, 9)]), 4)
    steps = draw(3, 4, 9)
    rows = rows._replace(gradient=draw(3, 9), steps=steps, changes=steps + 0.1 * draw(3, 4, 9))
    free = (draw(3, 9) > -0.5).to(torch.float64)
    assert 0 < free.mean() < 1
    found = box._lbfgs_direction(rows, free, newest=2)  # so 3, 0, 1, 2 from old to new
    assert (found[free == 0] == 0).all()
    for row in range(3):
        pairs = [
            (rows.steps[row, i] * free[row], rows.changes[row, i] * free[row]) for i in (3, 0, 1, 2)
        ]
        assert torch.allclose(found[row], two_loops(rows.gradient[row] * free[row], pairs))


class Copies(TorchDispatchMode):
    """Counts the results of a size that share no memory with what they were made from."""

    def __init__(self, size):
        super().__init__()
        self.size, self.count = size, 0

    def __torch_dispatch__(self, function, types, arguments=(), options=None):
        result = function(*arguments, **(options or {}))
        given = {a.untyped_storage().data_ptr() for a in arguments if isinstance(a, torch.Tensor)}
        if isinstance(result, torch.Tensor) and result.numel() == self.size:
            self.count += result.untyped_storage().data_ptr() not in given
        return result


def test_a_direction_copies_only_half_of_the_history(generator, monkeypatch):
    """For large images the history is most of what the search itself keeps."""
    counts, direction = [], box._lbfgs_direction

    def counted(rows, free, *, newest):
        with Copies(rows.steps.numel()) as copies:
            found = direction(rows, free, newest=newest)
        counts.append(copies.count)
        return found

    monkeypatch.setattr(box, "_lbfgs_direction", counted)
    fun = quadratic(*random_quadratics(2, 7, generator))
    start = torch.zeros(2, 7, dtype=torch.float64)
    minimize_box(fun, start, lower=-1, upper=1, history=5, max_iterations=20)
    # One copy stays, and two inner products with the gradient pass through one each.
    assert len(counts) > 5 and max(counts) <= 3


def test_properties_of_every_result(generator):
    """Feasible, never above the start, and honest about value and gradient."""
    matrix, linear = random_quadratics(30, 12, generator)
    lower = -torch.rand(30, 12, generator=generator).double()
    upper = torch.rand(12, generator=generator).double()
    fun, rows = quadratic(matrix, linear), torch.arange(30)
    x0 = 3 * torch.randn(30, 12, generator=generator).double()
    for iterations in (0, 1, 5, 200):
        result = minimize_box(fun, x0, lower=lower, upper=upper, max_iterations=iterations)
        assert (result.x >= lower).all() and (result.x <= upper).all()
        assert (result.value <= fun(x0.clamp(lower, upper), rows)).all()
        assert torch.allclose(result.value, fun(result.x, rows))
        gradient = torch.einsum("bij,bj->bi", matrix, result.x) - linear
        projected = result.x - (result.x - gradient).clamp(lower, upper)
        assert torch.allclose(result.projected_gradient, projected.abs().amax(dim=1))
        assert (result.iterations <= iterations).all()
    assert result.converged.all()


def test_a_row_alone_is_the_row_in_the_batch_in_any_order(generator):
    matrix, linear = random_quadratics(9, 15, generator)
    x0 = torch.rand(9, 15, generator=generator).double()
    together = minimize_box(quadratic(matrix, linear), x0)
    alone = minimize_box(quadratic(matrix[4:5], linear[4:5]), x0[4:5])
    assert torch.allclose(alone.x[0], together.x[4], atol=1e-9)
    order = torch.randperm(9, generator=generator)
    permuted = minimize_box(quadratic(matrix[order], linear[order]), x0[order])
    assert torch.allclose(permuted.x, together.x[order], atol=1e-9)
    assert torch.equal(permuted.evaluations, together.evaluations[order])


def test_finished_rows_are_not_evaluated_and_evaluations_are_counted(generator):
    matrix, linear = random_quadratics(5, 20, generator)
    matrix[0], linear[0] = torch.eye(20), 0.5  # solved in a step or two
    seen = []

    def fun(x, rows):
        seen.extend(rows.tolist())
        return quadratic(matrix, linear)(x, rows)

    result = minimize_box(fun, torch.zeros(5, 20).double())
    assert result.evaluations.tolist() == [seen.count(i) for i in range(5)]
    assert result.evaluations[0] < result.evaluations[1:].min()


def test_start_at_the_minimum_stays():
    result = minimize_box(lambda x, rows: x.sum(dim=1), torch.zeros(2, 3))
    assert result.x.eq(0).all() and result.iterations.eq(0).all() and result.converged.all()


def test_equal_bounds_fix_a_variable():
    lower, upper = torch.tensor([0.3, 0.0]), torch.tensor([0.3, 1.0])
    result = minimize_box(
        lambda x, rows: (x - 0.7).square().sum(dim=1), torch.zeros(1, 2), lower=lower, upper=upper
    )
    assert torch.allclose(result.x, torch.tensor([[0.3, 0.7]]))


def test_crawling_along_a_kink_ends():
    """|x| + small slope: the gradient never vanishes, so only ftol can end it."""
    result = minimize_box(
        lambda x, rows: (x[:, 0] - 0.31).abs() + 0.01 * (x[:, 1] - 0.7).square(),
        torch.zeros(1, 2),
        ftol=1e-5,
        max_iterations=1000,
    )
    assert result.value.item() < 0.01 and result.iterations.item() < 100


def test_a_row_misled_by_its_only_pair_starts_over_from_the_gradient():
    """The remembered curvature is far too small, so no backtracking makes the step short enough."""
    wide = torch.full((1, 3), 1e30, dtype=torch.float64)
    rows = box._start(sphere, torch.ones_like(wide), -wide, wide, 1)
    rows.steps[:, 0], rows.changes[:, 0] = 1.0, 1e-16
    misled = box._iterate(sphere, rows, slot=0, ftol=0)
    assert not misled.stuck.any() and torch.equal(misled.x, rows.x)
    recovered = box._iterate(sphere, misled, slot=0, ftol=0)
    assert (recovered.value < rows.value).all()


def test_unfinished_rows_say_so():
    x0 = torch.full((1, 6), -0.5, dtype=torch.float64)
    result = minimize_box(rosenbrock, x0, lower=-1, upper=2, max_iterations=3)
    assert not result.converged.any() and result.iterations.item() == 3


def test_a_step_into_nan_is_shortened():
    result = minimize_box(
        lambda x, rows: (-(0.2 - x).log() - 40 * x).sum(dim=1), torch.zeros(1, 1).double()
    )
    assert result.x.item() == pytest.approx(0.2 - 1 / 40, abs=1e-4)


def sphere(x, rows):
    return x.square().sum(dim=1)


@pytest.mark.parametrize(
    ("x0", "options", "error", "message"),
    [
        (torch.zeros(2, 3, dtype=torch.long), {}, TypeError, "must be float32 or float64"),
        (torch.zeros(2, 3, dtype=torch.float16), {}, TypeError, "got torch.float16"),
        (torch.zeros(3), {}, ValueError, "must be a non-empty matrix"),
        (torch.zeros(0, 3), {}, ValueError, "must be a non-empty matrix"),
        (torch.full((1, 2), torch.nan), {}, ValueError, "with NaN or infinity"),
        (torch.zeros(1, 2), {"lower": 1.0, "upper": 0.5}, ValueError, "lower bound 1 exceeds"),
        (torch.zeros(1, 2), {"upper": torch.ones(3)}, ValueError, "bounds do not broadcast"),
        (torch.zeros(1, 2), {"history": 0}, ValueError, "history must be at least 1, got 0"),
        (torch.zeros(1, 2), {"max_iterations": -1}, ValueError, "max_iterations must be at least"),
        (torch.zeros(1, 2), {"gtol": -1.0}, ValueError, "gtol must be at least 0, got -1"),
        (torch.zeros(1, 2), {"ftol": float("nan")}, ValueError, "ftol must be at least 0, got nan"),
    ],
)
def test_bad_input(x0, options, error, message):
    with pytest.raises(error, match=message):
        minimize_box(sphere, x0, **options)


def test_bad_functions():
    with pytest.raises(ValueError, match="return one value per row"):
        minimize_box(lambda x, rows: x.sum(), torch.zeros(2, 3))
    with pytest.raises(ValueError, match="nan at the start of problem 1"):
        minimize_box(lambda x, rows: x.sum(dim=1) / rows.ne(1), torch.zeros(2, 3))
