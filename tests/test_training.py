import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import nn

from blindspots import (
    LabelledImages,
    error_rate,
    fit,
    fit_sparse_autoencoder,
    fit_to_convergence,
    mlp,
    weight_decay_loss,
)


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
    fit_sparse_autoencoder(
        network[1],
        unlabelled,
        sparsity=0.05,
        sparsity_weight=3.0,
        steps=1000,
        learning_rate=5e-3,
        generator=generator,
    )
    after = torch.sigmoid(network[1](train.images.flatten(1))).mean()
    assert before > 0.3 and 0.03 < after < 0.09


@pytest.mark.parametrize("sparsity", [0.0, 1.0, -0.1])
def test_sparsity_out_of_range(sparsity, train, generator):
    with pytest.raises(ValueError, match="strictly between 0 and 1"):
        fit_sparse_autoencoder(nn.Linear(64, 3), train, sparsity=sparsity, generator=generator)
