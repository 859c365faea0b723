"""The attacks do not know the unit of a pixel, nor that of a logit."""

import pytest
import torch
from torch import nn

from blindspots import (
    affine_minimum,
    distortion,
    lbfgs_attack,
    mlp,
    nearest_attack,
    random_targets,
    trained,
)
from blindspots.networks import correctly_classified

IMAGES = 64


class Rescaled(nn.Module):
    """A model of images in other units: pixel = offset + scale * (pixel in [0, 1])."""

    def __init__(self, model, scale=1.0, offset=0.0, sharpness=1.0):
        super().__init__()
        self.model, self.scale, self.offset, self.sharpness = model, scale, offset, sharpness

    def forward(self, x):
        return self.sharpness * self.model((x - self.offset) / self.scale)


@pytest.fixture(scope="module", params=["FC10(1e-2)", "FC100-100-10", "convnet"])
def problem(request, train, test):
    """A network in 64 bits, where rounding does not decide between two ways; images, targets."""
    model = trained(request.param, train).double().eval()
    images = correctly_classified(trained(request.param, train), test)[:IMAGES]
    generator = torch.Generator().manual_seed(0)
    targets = random_targets(images.labels, classes=10, generator=generator)
    return model, images.images.double(), targets


ATTACKS = [lbfgs_attack, nearest_attack]


def alike(model, found, expected, **tolerance):
    """Which rows are equal; at a kink rounding may decide between two ways, on few of them."""
    same = torch.isclose(found, expected, **tolerance).flatten(1 if found.ndim > 1 else 0)
    same = same.all(dim=1) if found.ndim > 1 else same
    kinks = any(isinstance(module, nn.ReLU) for module in model.modules())
    return same.double().mean() >= (0.95 if kinks else 1)


@pytest.mark.slow
@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("low, high", [(0.0, 255.0), (0.0, 8.0), (-1.0, 1.0), (5.0, 5.001)])
def test_pixels_in_other_units(problem, attack, low, high):
    model, images, targets = problem
    usual = attack(model, images, targets)
    scale = high - low
    moved = (low + scale * images).clamp(low, high)
    other = attack(Rescaled(model, scale, low).eval(), moved, targets, bounds=(low, high))
    assert usual.success.all() and other.success.all()
    assert torch.allclose(other.distortion, scale * usual.distortion, rtol=0.05)
    assert alike(model, other.distortion, scale * usual.distortion, rtol=1e-4)
    assert alike(model, (other.images - low) / scale, usual.images, atol=1e-3)
    assert alike(model, other.penalty * scale**2, usual.penalty, rtol=1e-2)


@pytest.mark.slow
@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("low, high", [(0.0, 256.0), (0.0, 2.0**-10)])
def test_pixels_in_units_that_round_nothing(problem, attack, low, high):
    """A power of two changes no digit, so no image is left out."""
    model, images, targets = problem
    usual, scale = attack(model, images, targets), high - low
    moved = attack(Rescaled(model, scale).eval(), scale * images, targets, bounds=(low, high))
    assert torch.allclose(moved.distortion, scale * usual.distortion, rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("sharpness", [2.0**-13, 2.0**-7, 2.0**7, 2.0**13])
def test_logits_in_units_that_round_nothing_change_nothing(problem, sharpness):
    model, images, targets = problem
    usual = nearest_attack(model, images, targets)
    other = nearest_attack(Rescaled(model, sharpness=sharpness).eval(), images, targets)
    assert torch.allclose(other.distortion, usual.distortion, rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("sharpness", [1e-4, 1e-2, 1e2, 1e4])
def test_logits_in_other_units_change_nothing_for_the_nearest_attack(problem, sharpness):
    model, images, targets = problem
    usual = nearest_attack(model, images, targets)
    other = nearest_attack(Rescaled(model, sharpness=sharpness).eval(), images, targets)
    assert other.success.all()
    assert torch.allclose(other.distortion, usual.distortion, rtol=0.05)
    assert alike(model, other.distortion, usual.distortion, rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("sharpness", [1e-4, 1e4])
def test_logits_in_other_units_do_not_stop_the_paper_s_attack(problem, sharpness):
    """But the cross-entropy of many classes is another function then, with other minimisers."""
    model, images, targets = problem
    usual = lbfgs_attack(model, images, targets)
    other = lbfgs_attack(Rescaled(model, sharpness=sharpness).eval(), images, targets)
    assert other.success.all()
    assert 0.8 < (other.distortion / usual.distortion).mean().item() < 1.5


@pytest.mark.parametrize("sharpness", [1e-4, 1e4])
def test_between_two_classes_the_unit_of_the_logits_changes_nothing(sharpness, generator):
    """There every level set of the cross-entropy is one of the margin."""
    model = mlp((16, 20, 2), generator=generator).double().eval()
    images = torch.rand(20, 1, 4, 4, generator=generator).double()
    targets = 1 - model(images).argmax(dim=1)
    usual = lbfgs_attack(model, images, targets, bounds=(-9.0, 9.0))
    scaled = Rescaled(model, sharpness=sharpness).eval()
    other = lbfgs_attack(scaled, images, targets, bounds=(-9.0, 9.0))
    assert other.success.all()
    assert torch.allclose(other.distortion, usual.distortion, rtol=5e-3)


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("width", [1.0, 1e4, 1e8, torch.inf])
def test_bounds_far_away_change_nothing(attack, width):
    model = nn.Sequential(nn.Flatten(), nn.Linear(2, 2)).eval()
    with torch.no_grad():
        model[1].weight.copy_(torch.eye(2))
        model[1].bias.zero_()
    image, bounds = torch.tensor([[[[0.8, 0.4]]]]), (-width, width)
    found = attack(model, image, torch.tensor([1]), bounds=bounds)
    assert found.success and found.distortion.item() == pytest.approx(0.2, rel=2e-3)


@pytest.mark.parametrize("attack", ATTACKS)
def test_pixels_up_to_255(attack):
    model = nn.Sequential(nn.Flatten(), nn.Linear(2, 2)).eval()
    with torch.no_grad():
        model[1].weight.copy_(torch.eye(2) / 255)
        model[1].bias.zero_()
    found = attack(
        model, torch.tensor([[[[200.0, 100.0]]]]), torch.tensor([1]), bounds=(0.0, 255.0)
    )
    assert found.images.flatten().tolist() == pytest.approx([150, 150], rel=2e-3)


@pytest.mark.parametrize("attack", ATTACKS)
def test_large_images_with_small_gradients(attack, generator):
    model = nn.Sequential(nn.AvgPool2d(32), nn.Flatten(), nn.Linear(3 * 49, 2)).eval()
    with torch.no_grad():
        model[2].weight.mul_(1e-3)
        model[2].bias.mul_(1e-3)
    images = torch.rand(6, 3, 224, 224, generator=generator)
    targets = (model(images).argmax(dim=1) + 1) % 2
    found = attack(model, images, targets)
    exact = affine_minimum(model, images, targets)
    assert found.success.all()
    assert (found.distortion <= 1.1 * distortion(images.double(), exact)).all()


@pytest.mark.parametrize("attack", ATTACKS)
def test_bounds_of_each_channel(attack, generator):
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16, 4)).eval()
    lower = torch.tensor([-2.0, 0.0, 0.4]).view(3, 1, 1)
    upper = torch.tensor([2.0, 1.0, 0.6]).view(3, 1, 1)
    images = lower + (upper - lower) * torch.rand(5, 3, 4, 4, generator=generator)
    targets = (model(images).argmax(dim=1) + 1) % 4
    found = attack(model, images, targets, bounds=(lower, upper))
    assert found.success.all()
    assert ((found.images >= lower) & (found.images <= upper)).all()
    one = attack(model, images[:1], targets[:1], bounds=(lower.expand(1, 3, 4, 4), upper))
    assert torch.allclose(one.images, found.images[:1], atol=1e-3)
    assert torch.equal(distortion(images, found.images), found.distortion)


def test_bounds_that_do_not_fit_are_refused():
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 4)).eval()
    images, targets = torch.zeros(1, 3, 2, 2), torch.tensor([1])
    with pytest.raises(ValueError, match=r"do not broadcast.*one per channel"):
        nearest_attack(model, images, targets, bounds=(torch.zeros(5), torch.ones(5)))
    with pytest.raises(ValueError, match="must be below the upper"):
        nearest_attack(
            model, images, targets, bounds=(0.0, torch.tensor([1.0, 1, -1]).view(3, 1, 1))
        )
