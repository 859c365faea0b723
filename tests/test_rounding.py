import pytest
import torch
from torch import nn

from blindspots import nearest_attack, predict, random_targets, trained
from blindspots.attack.rounding import round_adversarial


@pytest.fixture
def adversarial(train, test, generator):
    network = trained("FC100-100-10", train)
    right = test[predict(network, test.images) == test.labels][:64]
    targets = random_targets(right.labels, classes=10, generator=generator)
    return network, right.images, nearest_attack(network, right.images, targets).images, targets


@pytest.mark.parametrize("levels", [256, 17, 5])
def test_what_is_rounded_is_on_the_levels_and_leads_by_as_much_as_asked(adversarial, levels):
    network, _, found, targets = adversarial
    rounded, success = round_adversarial(network, found, targets, levels=levels, ahead=0.2)
    steps = rounded * (levels - 1)
    assert torch.equal(steps, steps.round()) and rounded.min() >= 0 and rounded.max() <= 1
    logits = network(rounded)
    own = logits.gather(1, targets[:, None])[:, 0]
    others = logits.scatter(1, targets[:, None], -torch.inf).amax(dim=1)
    assert success.all() and (own - others >= 0.2 - 1e-5).all()


def test_plain_rounding_falls_back(adversarial):
    """The control: otherwise there would be nothing to correct."""
    network, _, found, targets = adversarial
    assert (predict(network, (found * 255).round() / 255) != targets).any()


def test_each_image_is_rounded_as_if_it_were_alone(adversarial):
    """So one that is done does not move on with the others."""
    network, _, found, targets = adversarial
    together, _ = round_adversarial(network, found[:12], targets[:12], ahead=0.5)
    for image, target, expected in zip(found, targets, together, strict=False):
        alone, _ = round_adversarial(network, image[None], target[None], ahead=0.5)
        assert torch.equal(alone[0], expected)


def test_it_stays_as_near_as_the_levels_allow(adversarial):
    network, images, found, targets = adversarial
    rounded, _ = round_adversarial(network, found, targets, ahead=0.0)
    longer = (rounded - images).flatten(1).norm(dim=1) / (found - images).flatten(1).norm(dim=1)
    assert longer.mean() < 1.05


def test_in_an_affine_network_the_steepest_pixels_move_by_one_level():
    network = nn.Sequential(nn.Flatten(), nn.Linear(4, 2, bias=False)).eval()
    network[1].weight.data = torch.tensor([[0.0, 0, 0, 0], [1.0, -3.0, 2.0, 0.0]])
    image = torch.tensor([152.0, 102, 51, 204]).div(255).view(1, 1, 2, 2)
    rounded, success = round_adversarial(network, image, torch.tensor([1]), ahead=0.0)
    moved = ((rounded - image) * 255).round().flatten().int().tolist()
    # The target lacks 306 - 152 - 102 = 52 levels, and the second pixel counts three times.
    assert success.item() and moved == [0, -18, 0, 0]


def test_what_cannot_be_reached_is_said_not_to_be(adversarial):
    network, images, _, targets = adversarial
    _, success = round_adversarial(network, images[:3], targets[:3], ahead=1e6)
    assert not success.any()


def test_pixels_stay_in_the_box():
    network = nn.Sequential(nn.Flatten(), nn.Linear(2, 2, bias=False)).eval()
    network[1].weight.data = torch.tensor([[0.0, 0.0], [5.0, 1.0]])
    image = torch.tensor([1.0, 0.0]).view(1, 1, 1, 2)
    rounded, success = round_adversarial(network, image, torch.tensor([1]), ahead=5.5)
    assert success.item() and rounded.max() <= 1 and rounded[0, 0, 0, 0] == 1


def test_one_level_is_none(adversarial):
    network, images, _, targets = adversarial
    with pytest.raises(ValueError, match="needs two levels or more, got 1"):
        round_adversarial(network, images, targets, levels=1)
    with pytest.raises(ValueError, match="training mode"):
        round_adversarial(network.train(), images, targets)
