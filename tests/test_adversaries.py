import pytest
import torch
from torch import nn
from torch.nn import functional as F

from blindspots import lbfgs_attack, mlp, predict, random_targets
from blindspots.attack.adversaries import lbfgs_adversary, pgd


def affine(generator, pixels=6, classes=4):
    network = nn.Sequential(nn.Flatten(), nn.Linear(pixels, classes)).requires_grad_(False).eval()
    nn.init.normal_(network[1].weight, generator=generator)
    return network


def test_blind_spots_are_the_papers_and_what_is_misread_stays(generator):
    network = affine(generator)
    images = torch.rand(40, 1, 2, 3, generator=generator)
    labels = predict(network, images)
    labels[::4] = (labels[::4] + 1) % 4
    wrong = torch.arange(40) % 4 == 0
    found = lbfgs_adversary(network, images, labels, generator=torch.Generator().manual_seed(5))
    assert (found[wrong] == images[wrong]).all()
    seeded = torch.Generator().manual_seed(5)
    targets = random_targets(labels[~wrong], classes=4, generator=seeded)
    expected = lbfgs_attack(network, images[~wrong], targets, penalties=6)
    assert expected.success.float().mean() > 0.5
    assert torch.equal(found[~wrong], expected.images)
    now = predict(network, found[~wrong])
    assert (now[expected.success] == targets[expected.success]).all()


def test_blind_spots_of_a_hidden_layer_lie_among_its_outputs(generator):
    network = mlp((6, 5, 3), generator=generator).eval()
    features = network[:3](torch.rand(20, 6, generator=generator)).detach()
    head = network[3:].eval()
    labels = predict(head, features)
    found = lbfgs_adversary(head, features, labels, generator=generator)
    assert found.shape == features.shape and not found.requires_grad
    assert found.min() >= 0 and found.max() <= 1
    assert (predict(head, found) != labels).any()


def test_where_all_is_misread_there_is_nothing_to_find(generator):
    network = affine(generator)
    images = torch.rand(5, 6, generator=generator)
    found = lbfgs_adversary(
        network, images, (predict(network, images) + 1) % 4, generator=generator
    )
    assert torch.equal(found, images) and found is not images


@pytest.mark.parametrize("steps", [1, 4])
def test_pgd_of_two_classes_goes_to_the_corner_of_its_cube(steps, generator):
    """The gradient of an affine model with two classes has one direction everywhere."""
    network = affine(generator, classes=2)
    images = torch.rand(30, 1, 2, 3, generator=generator)
    labels = torch.randint(2, (30,), generator=generator)
    weight = network[1].weight[0] - network[1].weight[1]
    uphill = torch.where(labels[:, None] == 0, -weight, weight).sign().view_as(images)
    moved = pgd(network, images, labels, size=0.25, steps=steps)
    assert torch.allclose(moved, (images + 0.25 * uphill).clamp(0, 1))


def test_more_steps_find_a_larger_loss_within_the_same_bounds(generator):
    network = mlp((16, 12, 3), generator=generator).eval()
    for layer in (network[1], network[3]):
        layer.weight.data *= 6  # far from linear
    images = torch.rand(200, 16, generator=generator)
    labels = predict(network, images)
    losses = []
    for steps in (1, 10):
        moved = pgd(network, images, labels, size=0.3, steps=steps)
        assert (moved - images).abs().max() <= 0.3 + 1e-6
        assert moved.min() >= 0 and moved.max() <= 1 and not moved.requires_grad
        losses.append(F.cross_entropy(network(moved), labels).item())
    assert losses[1] > 1.02 * losses[0] > 1.02 * F.cross_entropy(network(images), labels).item()


@pytest.mark.parametrize(("size", "steps"), [(0, 1), (-0.1, 3), (0.1, 0)])
def test_pgd_without_a_step(size, steps, generator):
    network = affine(generator)
    with pytest.raises(ValueError, match=f"must be positive, got {size} and {steps}"):
        pgd(network, torch.rand(2, 6), torch.tensor([0, 1]), size=size, steps=steps)
