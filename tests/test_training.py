from functools import partial

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import nn

from blindspots import (
    LabelledImages,
    add_equal_noise,
    error_rate,
    fit,
    fit_to_convergence,
    fit_with_adversaries,
    mlp,
    nearest_attack,
    predict,
)
from blindspots.attack.adversaries import pgd
from blindspots.training import fit_sparse_autoencoder, weight_decay_loss


def parameters(network):
    return torch.cat([p.detach().flatten() for p in network.parameters()])


def test_weight_decay_by_hand(generator):
    network = mlp((4, 3, 2), generator=generator)
    nn.init.constant_(network[1].bias, 2.0)
    first, second = network[1], network[3]
    half = weight_decay_loss(network, [0.1, 0.3])
    by_hand = 0.05 * (first.weight.square().sum() + 3 * 4) + 0.15 * second.weight.square().sum()
    assert half.item() == pytest.approx(by_hand.item())
    printed = weight_decay_loss(network, [0.1, 0.3], convention="printed")
    by_hand = 0.1 * first.weight.square().sum() / 3 + 0.3 * second.weight.square().sum() / 2
    assert printed.item() == pytest.approx(by_hand.item())


@pytest.mark.parametrize(
    ("decay", "convention", "message"),
    [
        ([0.1], "printed", "does not fit a model with 2"),
        ([0.1, -1], "printed", "each one factor >= 0"),
        ([0.1, 0.1], "l1", "convention 'l1' is unknown"),
    ],
)
def test_bad_weight_decay(decay, convention, message):
    with pytest.raises(ValueError, match=message):
        weight_decay_loss(mlp((4, 3, 2)), decay, convention=convention)


def test_softmax_regression_agrees_with_scikit_learn(train):
    """Mean cross-entropy + decay / 2 * |W|^2 is its objective with C = 1 / (n * decay)."""
    decay = 1e-2
    data = LabelledImages(train.images.double(), train.labels, train.name)
    network = mlp((64, 10)).double()
    nn.init.zeros_(network[1].weight)
    with torch.no_grad():  # no bias, since ours is decayed and theirs is not
        network[1].bias.requires_grad_(False)
    rest = fit_to_convergence(network, data, weight_decay=[decay], max_iterations=1000)
    assert rest < 1e-4
    assert (
        fit_to_convergence(mlp((64, 10)).double(), data, weight_decay=[0], max_iterations=1) > rest
    )
    reference = LogisticRegression(
        C=1 / (len(train) * decay), fit_intercept=False, tol=1e-8, max_iter=5000
    ).fit(data.images.flatten(1).numpy(), data.labels.numpy())
    ours = network[1].weight.detach().numpy()
    assert np.abs(ours - reference.coef_).max() < 2e-3 * np.abs(reference.coef_).max()


@pytest.mark.parametrize("trainer", [fit, fit_to_convergence])
def test_training_works_and_shuffled_labels_do_not(trainer, train, test, generator):
    options = {}
    if trainer is fit:
        options = {"steps": 600, "learning_rate": 1e-2, "generator": generator}
    order = torch.randperm(len(train), generator=generator)
    errors = []
    for labels in (train.labels, train.labels[order]):
        network = mlp((64, 10), generator=generator)
        trainer(network, LabelledImages(train.images, labels, ""), weight_decay=[1e-2], **options)
        assert not network.training
        errors.append(error_rate(network, test.images, test.labels))
    assert errors[0] < 0.1 and errors[1] > 0.75


def test_one_seed_gives_the_same_bits(train):
    def once(seed):
        generator = torch.Generator().manual_seed(seed)
        network = mlp((64, 20, 10), generator=generator)
        fit(network, train, weight_decay=[0, 0], steps=50, generator=generator)
        return parameters(network)

    assert torch.equal(once(3), once(3)) and not torch.equal(once(3), once(4))


def test_every_image_is_used_once_per_epoch(generator):
    seen = []

    class Spy(nn.Linear):
        def forward(self, images):
            seen.append(images.flatten(1)[:, 0])
            return super().forward(images.flatten(1))

    data = LabelledImages(torch.arange(7).view(7, 1, 1, 1) / 10, torch.zeros(7).long(), "")
    fit(Spy(1, 2), data, weight_decay=[0], steps=7, batch_size=3, generator=generator)
    for epoch in torch.cat(seen).view(3, 7):
        assert torch.equal(epoch.sort().values, torch.arange(7) / 10)


def test_batches_larger_than_the_data_work(generator):
    data = LabelledImages(torch.rand(5, 1, 2, 2), torch.arange(5), "")
    fit(mlp((4, 5)), data, weight_decay=[0], steps=3, batch_size=50, generator=generator)


@pytest.mark.parametrize("trainer", [fit, fit_to_convergence])
def test_frozen_parameters_stay(trainer, train, generator):
    network = mlp((64, 5, 10), generator=generator)
    network[1].requires_grad_(False)
    frozen, free = network[1].weight.clone(), network[3].weight.clone()
    options = {"steps": 5, "generator": generator} if trainer is fit else {"max_iterations": 5}
    trainer(network, train, weight_decay=[1e-3, 1e-3], **options)
    assert torch.equal(network[1].weight, frozen) and not torch.equal(network[3].weight, free)


def test_autoencoder_learns_sparse_features_without_labels(train, generator):
    network = mlp((64, 40, 10), generator=generator)
    unlabelled = LabelledImages(train.images, torch.zeros_like(train.labels), "")
    before = torch.sigmoid(network[1](train.images.flatten(1))).mean()
    options = {"steps": 1000, "learning_rate": 5e-3, "generator": generator}
    fit_sparse_autoencoder(network[1], unlabelled, **options)
    after = torch.sigmoid(network[1](train.images.flatten(1))).mean()
    assert before > 0.3 and 0.03 < after < 0.15


@pytest.mark.parametrize("sparsity", [0.0, 1.0, -0.1])
def test_sparsity_out_of_range(sparsity, train, generator):
    with pytest.raises(ValueError, match="strictly between 0 and 1"):
        fit_sparse_autoencoder(nn.Linear(64, 3), train, sparsity=sparsity, generator=generator)


def spoil(head, features, labels):
    """An attack that can be recognised."""
    return torch.full_like(features, 0.5)


def test_adversaries_are_asked_for_all_the_time_at_every_depth(train, generator):
    network, calls = mlp((64, 20, 15, 10), generator=generator), []

    def attack(head, features, labels):
        assert not any(module.training for module in head.modules())
        assert not features.requires_grad
        calls.append((len(head), tuple(features.shape), head[-1] is network[-1]))
        return features

    fit_with_adversaries(
        network,
        train,
        attack,
        weight_decay=[0, 0, 0],
        depths=(0, 3, 5),
        pool_size=50,
        refresh=7,
        every=5,
        steps=30,
        generator=generator,
    )
    shapes = [(6, (7, 1, 8, 8), True), (3, (7, 20), True), (1, (7, 15), True)]
    assert calls == 2 * shapes and not network.training


def test_only_the_layers_above_learn_from_the_pool(train):
    """Adam's first step goes by the sign of the gradient, whatever its size."""
    networks = []
    for attack in (lambda head, features, labels: features, spoil):
        generator = torch.Generator().manual_seed(0)
        network = mlp((64, 20, 10), generator=generator)
        options = {"depths": [3], "pool_size": 100, "refresh": 100, "examples": 100, "steps": 1}
        options |= {"weight_decay": [0, 0], "generator": generator}
        fit_with_adversaries(network, train, attack, **options)
        networks.append(network)
    same, other = networks
    assert torch.allclose(same[1].weight, other[1].weight)
    assert not torch.allclose(same[3].weight, other[3].weight)


def test_updates_take_turns_between_the_depths(train):
    """The second of two updates learns from what the attack did at the second depth."""

    def spoil_hidden(head, features, labels):
        return features if len(head) == 4 else spoil(head, features, labels)

    weights = []
    for attack in (lambda head, features, labels: features, spoil_hidden):
        generator = torch.Generator().manual_seed(0)
        network = mlp((64, 20, 10), generator=generator)
        options = {"pool_size": 100, "refresh": 100, "examples": 100, "every": 1, "steps": 2}
        options |= {"weight_decay": [0, 0], "generator": generator}
        fit_with_adversaries(network, train, attack, depths=[0, 3], **options)
        weights.append(network[3].weight)
    assert not torch.allclose(*weights)


def test_what_the_pool_holds_is_learnt_with_its_true_label(train, generator):
    """Images on which a bright square stands for nothing: only the pool shows it."""
    square = torch.zeros(1, 8, 8)
    square[:, :3, :3] = 1

    def attack(head, images, labels):
        return (images + square).clamp(max=1)

    errors = []
    for fitted in ("plain", "pool"):
        network = mlp((64, 30, 10), generator=torch.Generator().manual_seed(0))
        options = {"weight_decay": [1e-5, 1e-5], "steps": 600, "learning_rate": 1e-2}
        if fitted == "plain":
            fit(network, train, **options, generator=generator)
        else:
            fit_with_adversaries(
                network, train, attack, pool_size=500, **options, generator=generator
            )
        errors.append(error_rate(network, attack(None, train.images, None), train.labels))
    assert errors[1] < 0.5 * errors[0]


def test_a_pool_keeps_perturbations_and_the_layers_below_go_on(train, generator):
    """What is learnt from is what these make of the images now, plus the perturbation."""
    network, learnt = mlp((64, 20, 10), generator=generator), []

    def attack(head, features, labels):
        return features + 3

    def watch(module, inputs):
        if module.training:
            (features,) = inputs
            now = network[:3](train.images)
            apart = (features[:, None] - 3 - now[None]).abs().amax(dim=2)
            learnt.append(apart.amin(dim=1).max().item())

    network[3].register_forward_pre_hook(watch)
    options = {"depths": [3], "pool_size": 100, "refresh": 100, "examples": 20, "every": 99}
    options |= {"weight_decay": [0, 0], "learning_rate": 0.5, "steps": 10}
    fit_with_adversaries(network, train, attack, **options, generator=generator)
    of_pool = learnt[1::2]  # after the images themselves
    assert len(of_pool) == 10 and max(of_pool) < 1e-5 < min(learnt[::2])


def test_a_perturbation_stays_with_its_image(train, generator):
    """An attack that doubles: what is learnt from is twice an image, and not the sum of two."""
    network, learnt = mlp((64, 20, 10), generator=generator), []

    def watch(module, inputs):
        if module.training:
            learnt.append(inputs[0])

    network[0].register_forward_pre_hook(watch)
    options = {"pool_size": 50, "refresh": 20, "examples": 50, "every": 1, "steps": 30}
    options |= {"weight_decay": [0, 0], "generator": generator}
    fit_with_adversaries(network, train, lambda head, images, labels: 2 * images, **options)
    found = learnt[-1].flatten(1)  # of the pool, when all of it has been renewed
    apart = (found[:, None] / 2 - train.images.flatten(1)[None]).abs().amax(dim=2)
    assert apart.amin(dim=1).max() < 1e-6


def test_without_a_pool_the_images_learnt_from_are_attacked(train, generator):
    network, calls, batches = mlp((64, 20, 10), generator=generator), [], []

    def attack(head, features, labels):
        calls.append((len(head), features, labels))
        return features

    def watch(module, inputs):
        if module.training and inputs[0].ndim == 4:
            batches.append(inputs[0])

    network[0].register_forward_pre_hook(watch)
    options = {"depths": [0, 3], "pool_size": None, "weight_decay": [0, 0], "steps": 4}
    fit_with_adversaries(network, train, attack, **options, generator=generator)
    assert [above for above, _, _ in calls] == [4, 1, 4, 1]
    assert torch.equal(calls[0][1], batches[0]) and torch.equal(calls[2][1], batches[3])
    assert torch.equal(calls[0][2], train.labels[matching(train, calls[0][1])])


def matching(data, images):
    """The places of images in the data."""
    return torch.cdist(images.flatten(1), data.images.flatten(1)).argmin(dim=1)


@pytest.mark.slow
def test_adversaries_push_the_boundary_away_and_noise_hardly(train, digits):
    data, _ = digits
    attack = partial(pgd, size=0.2, steps=1)

    def noise(head, images, labels):
        found = attack(head, images, labels)
        drawn = torch.Generator().manual_seed(2)
        return add_equal_noise(images, found, bounds=(0, 1), generator=drawn)

    distances = []
    for adversary in (None, noise, attack):
        generator = torch.Generator().manual_seed(0)
        network = mlp((64, 30, 10), generator=generator)
        options = {"weight_decay": [1e-5, 1e-5], "steps": 2000, "learning_rate": 1e-2}
        if adversary is None:
            fit(network, train, **options, generator=generator)
        else:
            fit_with_adversaries(
                network, train, adversary, examples=100, **options, generator=generator
            )
        read = predict(network, data.images) == data.labels
        found = nearest_attack(network, data.images[read])
        distances.append(found.distortion.median().item())
    plain, noisy, adversarial = distances
    assert adversarial > 1.2 * plain
    assert adversarial - plain > 2 * (noisy - plain)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"depths": (0, 4)}, r"from 0 to 3, got \(0, 4\)"),
        ({"depths": ()}, "depths must be numbers of layers"),
        ({"pool_size": 50}, "pool of 50 is too small .* replace 100"),
    ],
)
def test_bad_pools(train, generator, options, message):
    network = mlp((64, 20, 10), generator=generator)
    with pytest.raises(ValueError, match=message):
        fit_with_adversaries(
            network, train, spoil, weight_decay=[0, 0], **options, generator=generator
        )
