import pytest
import torch
from torch import nn

from blindspots.attack._batches import checked_bounds
from blindspots.attack._problem import (
    Found,
    margin_at,
    nearer,
    select,
    state_problem,
    towards,
)


@pytest.fixture
def linear():
    """Three classes whose logits are the pixels of a 1x1 image with three channels."""
    return nn.Flatten().eval()


IMAGES = torch.tensor([[0.9, 0.5, 0.1], [0.2, 0.3, 0.8]]).view(2, 3, 1, 1)


def test_with_targets_all_other_classes_are_rivals(linear):
    problem = state_problem(linear, IMAGES, torch.tensor([1, 0]), *checked_bounds(IMAGES, (0, 1)))
    assert problem.rivals.tolist() == [[True, False, True], [False, True, True]]
    assert torch.allclose(problem.first_margin, torch.tensor([0.4, 0.6]))
    assert (problem.guard > 0).all() and (problem.guard < 1e-5).all()


def test_without_targets_only_the_prediction_is_a_rival(linear):
    problem = state_problem(linear, IMAGES, None, *checked_bounds(IMAGES, (0, 1)))
    assert problem.rivals.tolist() == [[True, False, False], [False, False, True]]
    assert torch.allclose(problem.first_margin, torch.tensor([0.4, 0.5]))


def test_other_targets_have_other_margins(linear):
    problem = towards(
        state_problem(linear, IMAGES, None, *checked_bounds(IMAGES, (0, 1))), torch.tensor([2, 0])
    )
    assert torch.allclose(problem.first_margin, torch.tensor([0.8, 0.6]))
    one = select(problem, torch.tensor([1]))
    assert torch.allclose(one.first_margin, torch.tensor([0.6]))
    assert torch.allclose(margin_at(one, one.images), torch.tensor([0.6]))


def test_the_nearer_of_two_searches_is_kept_and_both_are_paid_for():
    """Of three rows the other one is nearer, farther, and nowhere."""
    inf = torch.inf
    first = Found(
        torch.zeros(3, 2), torch.tensor([2.0, 1.0, inf]), torch.full((3,), 5.0), torch.arange(3)
    )
    other = Found(
        torch.ones(3, 2), torch.tensor([1.0, 2.0, inf]), torch.full((3,), 6.0), torch.arange(3)
    )
    found = nearer(first, other)
    assert found.images.tolist() == [[1, 1], [0, 0], [0, 0]]
    assert found.distortion.tolist() == [1, 1, inf] and found.penalty.tolist() == [6, 5, 5]
    assert found.evaluations.tolist() == [0, 2, 4]


def test_a_target_already_predicted_is_refused(linear):
    with pytest.raises(ValueError, match=r"1 targets are already predicted \(the first is class 2"):
        state_problem(linear, IMAGES, torch.tensor([1, 2]), *checked_bounds(IMAGES, (0, 1)))


@pytest.mark.parametrize("factor", [0, 1])
def test_a_gradient_that_is_no_number_is_refused(factor):
    """A root's at zero: infinity, or zero times infinity."""

    class Rooted(nn.Module):
        def forward(self, images):
            points = images.flatten(1)
            return points + (factor * (points - points.detach())).sqrt()

    with pytest.raises(ValueError, match="gradient at 2 images is NaN or infinite"):
        state_problem(Rooted().eval(), IMAGES, None, *checked_bounds(IMAGES, (0, 1)))


def test_one_class_is_refused():
    model = nn.Sequential(nn.Flatten(), nn.Linear(3, 1)).eval()
    with pytest.raises(ValueError, match="one row of two or more logits"):
        state_problem(model, IMAGES, None, *checked_bounds(IMAGES, (0, 1)))
