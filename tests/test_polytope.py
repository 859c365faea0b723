import numpy as np
import pytest
import scipy.optimize
import torch

from blindspots.attack import polytope
from blindspots.attack.polytope import project_to_polytope


def random_polytopes(generator, rows=40, half_spaces=5, variables=12):
    """Points of the unit cube, and half-spaces that cut them off but leave the cube's middle."""
    points = torch.rand(rows, variables, generator=generator, dtype=torch.float64)
    points[:, ::3] = points[:, ::3].round()  # many variables on a bound
    normals = torch.randn(rows, half_spaces, variables, generator=generator, dtype=torch.float64)
    middle = normals.sum(dim=2) / 2
    return points, normals, middle + 0.1 * torch.rand(middle.shape, generator=generator)


def least_distance(point, normals, offsets):
    """Lawson and Hanson's least distance programming by SciPy's non-negative least squares."""
    identity = np.eye(len(point))
    sides = np.concatenate([-normals, identity, -identity])
    least = np.concatenate([-offsets, 0 * point, 0 * point - 1]) - sides @ point
    system = np.concatenate([sides.T, least[None]])
    wanted = np.append(0 * point, 1.0)
    multipliers, _ = scipy.optimize.nnls(system, wanted, maxiter=1000)
    residual = system @ multipliers - wanted
    return point - residual[:-1] / residual[-1]


def test_foot_of_the_perpendicular():
    point = torch.tensor([[0.5, 0.5, 0.5]])
    normal = torch.tensor([[[2.0, 1.0, 2.0]]])
    found = project_to_polytope(point, normal, torch.tensor([[1.6]]), tolerance=1e-7)
    assert torch.allclose(found.x, point - 0.1 * normal[:, 0])
    assert found.multipliers.item() == pytest.approx(0.1, rel=1e-5)
    assert found.converged.all()


def test_the_box_takes_its_share():
    """The first variable stops at its bound; the second goes the rest of the way."""
    found = project_to_polytope(
        torch.tensor([[0.9, 0.2]]), torch.tensor([[[-1.0, -1.0]]]), torch.tensor([[-1.6]])
    )
    assert torch.allclose(found.x, torch.tensor([[1.0, 0.6]]), atol=1e-5)


def test_agrees_with_scipy_on_random_polytopes(generator):
    points, normals, offsets = random_polytopes(generator)
    found = project_to_polytope(points, normals, offsets, tolerance=1e-10, max_iterations=15)
    assert found.converged.all()  # so soon only with the right Hessian
    for x, *problem in zip(found.x, points, normals, offsets, strict=True):
        reference = least_distance(*(tensor.numpy() for tensor in problem))
        assert np.allclose(x, reference, atol=1e-8)


def test_steps_too_long_are_shortened(generator):
    """Where normals have nearly one direction, a full Newton step goes round in circles."""
    points, normals, offsets = random_polytopes(generator, rows=200)
    room = offsets - normals.sum(dim=2) / 2
    normals = normals + 5 * normals.mean(dim=1, keepdim=True)
    offsets = normals.sum(dim=2) / 2 + room
    found = project_to_polytope(points, normals, offsets, tolerance=1e-9, max_iterations=30)
    assert found.converged.double().mean() > 0.95  # with full steps seven in ten


def test_a_short_way_keeps_its_digits(generator):
    """In 32 bits a pixel is known to 3e-8, the length of a short way far more exactly."""
    points = torch.rand(200, 64, generator=generator)
    normals = torch.randn(200, 1, 64, generator=generator)
    ahead = 1e-4 * torch.linalg.vector_norm(normals, dim=2)
    offsets = torch.linalg.vecdot(normals, points[:, None]) - ahead
    assert project_to_polytope(points, normals, offsets, tolerance=1e-8).converged.all()


def test_kuhn_tucker(generator):
    """Inside everything; a multiplier only where its half-space holds the point."""
    points, normals, offsets = random_polytopes(generator)
    found = project_to_polytope(points, normals, offsets, tolerance=1e-10)
    slack = offsets - (normals @ found.x[:, :, None])[:, :, 0]
    assert (slack > -1e-8).all() and (found.x >= 0).all() and (found.x <= 1).all()
    assert (found.multipliers >= 0).all() and (found.multipliers > 0).any()
    assert (found.multipliers * slack).abs().max() < 1e-8
    assert (found.multipliers.sum(dim=1) == 0).logical_not().any()


def test_a_point_inside_stays_where_it_is():
    points = torch.tensor([[0.25, 0.5]])
    found = project_to_polytope(points, torch.tensor([[[1.0, 0.0]]]), torch.tensor([[0.3]]))
    assert torch.equal(found.x, points) and found.multipliers.item() == 0


def test_a_row_alone_and_a_warm_start_find_the_same(generator):
    problem = random_polytopes(generator)
    whole = project_to_polytope(*problem, tolerance=1e-10)
    alone = project_to_polytope(*(tensor[7:8] for tensor in problem), tolerance=1e-10)
    assert torch.allclose(alone.x, whole.x[7:8], atol=1e-9)
    roughly = project_to_polytope(*problem, tolerance=0.05)  # some rows are done before others
    for row in range(len(roughly.x)):
        alone = project_to_polytope(*(part[row : row + 1] for part in problem), tolerance=0.05)
        assert torch.allclose(alone.x[0], roughly.x[row], atol=1e-9)
    start = 3 * torch.rand(whole.multipliers.shape, generator=generator, dtype=torch.float64)
    warm = project_to_polytope(*problem, multipliers=start, tolerance=1e-10)
    assert torch.allclose(warm.x, whole.x, atol=1e-8)


def test_an_empty_half_space_changes_nothing(generator):
    points, normals, offsets = random_polytopes(generator)
    padded = torch.cat([normals, torch.zeros_like(normals[:, :2])], dim=1)
    more = torch.cat([offsets, torch.zeros_like(offsets[:, :2])], dim=1)
    found = project_to_polytope(points, padded, more, tolerance=1e-10)
    usual = project_to_polytope(points, normals, offsets, tolerance=1e-10)
    assert torch.allclose(found.x, usual.x, atol=1e-9)
    assert (found.multipliers[:, -2:] == 0).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("left", [1e-10, 1e-16, 1e-19, 1e-21, 1e-23, 1e-30, 1e-160, 1e-170, 0.0])
def test_normals_may_be_next_to_nothing_where_the_box_leaves_room(left, dtype):
    """Their squares are so small that they are nothing, and equations of them are singular."""
    normals = torch.tensor([[[-1.0, -left, 0.0], [-1.0, 0.0, 0.0]]], dtype=dtype)
    offsets = torch.tensor([[-2.0, -3.0]], dtype=dtype)  # nowhere in the box
    for start in (None, torch.full((1, 2), 5.0, dtype=dtype)):
        found = project_to_polytope(
            torch.zeros(1, 3, dtype=dtype), normals, offsets, multipliers=start
        )
        assert not found.converged.any() and found.x.isfinite().all()
        assert found.x[0, 0] == 1 and found.multipliers.isfinite().all()


def test_an_empty_polytope_does_not_converge():
    points, normals = torch.full((2, 2), 0.5), torch.tensor([[[-1.0, -1.0]]] * 2)
    found = project_to_polytope(points, normals, torch.tensor([[-3.0], [-1.5]]))
    assert found.converged.tolist() == [False, True]


def test_a_row_that_cannot_go_on_is_not_tried_again(generator, monkeypatch):
    """Where half-spaces exclude each other, no length of a step is good in the end."""
    rows, evaluate = [], polytope._evaluate

    def watched(polytopes, multipliers):
        rows.append(len(multipliers))
        return evaluate(polytopes, multipliers)

    monkeypatch.setattr(polytope, "_evaluate", watched)
    points = torch.rand(300, 12, generator=generator)
    normals = torch.randn(300, 3, 12, generator=generator)
    offsets = normals.sum(dim=2) / 2 + 0.1
    turned = 0.05 * torch.randn(150, 12, generator=generator)
    normals[::2, 1], offsets[::2, :2] = turned - normals[::2, 0], -0.5
    found = project_to_polytope(points, normals, offsets, max_iterations=50)
    assert not found.converged[::2].any() and found.converged[1::2].all()
    assert sum(rows) / 150 < 90  # 145 if each is tried again, 109 if all are tried together
    assert min(rows) < 15  # few have to shorten a step


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"points": torch.rand(3)}, "must be matrices"),
        ({"normals": torch.rand(2, 3, 5)}, r"normals have shape \(2, 3, 5\) where \(2, 3, 4\)"),
        ({"offsets": torch.rand(1, 3)}, "pass one per half-space"),
        ({"multipliers": torch.rand(2, 4)}, "multipliers have shape"),
        ({"lower": 2.0}, "lower bound 2 exceeds the upper 1"),
        ({"lower": float("nan")}, "lower bound nan exceeds the upper 1"),
        (
            {"upper": torch.tensor([[1.0, 1, 1, -2], [1, 1, 1, 1]])},
            "lower bound 0 exceeds the upper -2",
        ),
        ({"upper": torch.ones(2, 5)}, r"shape \(2, 5\) where the points have \(2, 4\)"),
        ({"normals": torch.rand(2, 3, 4) / 0}, "normals contain NaN or infinity"),
    ],
)
def test_bad_input(changes, message):
    usual = {
        "points": torch.rand(2, 4),
        "normals": torch.rand(2, 3, 4),
        "offsets": torch.rand(2, 3),
    }
    with pytest.raises(ValueError, match=message):
        project_to_polytope(**(usual | changes))
