import pytest
import torch
from sklearn.kernel_ridge import KernelRidge
from torch import nn

from blindspots import (
    LabelledImages,
    convnet,
    correctly_classified,
    error_rate,
    evaluate,
    load_images,
    margin,
    mlp,
    predict,
)
from blindspots.networks import RIDGES, WIDTHS, KernelMachine


def test_mlp_is_the_formula(generator):
    network = mlp((4, 3, 2), generator=generator)
    x = torch.rand(5, 1, 2, 2)
    first, second = network[1], network[3]
    hidden = torch.sigmoid(x.flatten(1) @ first.weight.T + first.bias)
    assert torch.allclose(network(x), hidden @ second.weight.T + second.bias)


def test_widths_become_layers():
    layers = [type(m) for m in mlp((4, 3, 3, 2))]
    assert layers == [nn.Flatten, nn.Linear, nn.Sigmoid, nn.Linear, nn.Sigmoid, nn.Linear]
    assert [type(m) for m in mlp((4, 2))] == [nn.Flatten, nn.Linear]


@pytest.mark.parametrize("shape", [(1, 28, 28), (1, 8, 8), (3, 9, 5)])
def test_convnet_fits_every_image_size(shape, generator):
    network = convnet(shape, channels=(4, 6), classes=7, generator=generator)
    assert network(torch.rand(2, *shape)).shape == (2, 7)


def test_generator_decides_the_weights_and_the_global_one_is_left_alone():
    before = torch.random.get_rng_state()
    first, same, other = (
        mlp((4, 3, 2), generator=torch.Generator().manual_seed(s)) for s in (1, 1, 2)
    )
    assert torch.equal(first[1].weight, same[1].weight)
    assert not torch.equal(first[1].weight, other[1].weight)
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("widths", [(), (4,), (4, 0, 2)])
def test_bad_widths(widths):
    with pytest.raises(ValueError, match="widths must be two or more positive numbers"):
        mlp(widths)


def test_too_many_convolutions():
    with pytest.raises(ValueError, match="cannot be halved 4 times: use fewer channels"):
        convnet((1, 8, 8), channels=(2, 2, 2, 2))


def test_evaluate_is_the_function_whatever_the_batch_size(generator):
    network, images = mlp((4, 3, 2), generator=generator).eval(), torch.rand(7, 1, 2, 2)
    for batch_size in (1, 3, 100):
        result = evaluate(network, images, batch_size=batch_size)
        assert torch.allclose(result, network(images)) and not result.requires_grad
    assert evaluate(network[:-1], images).shape == (7, 3)


def test_predictions_and_errors_of_a_known_model():
    identity = nn.Flatten().eval()  # four pixels as four logits
    images = torch.eye(4).view(4, 1, 2, 2)
    assert predict(identity, images).tolist() == [0, 1, 2, 3]
    assert error_rate(identity, images, torch.tensor([0, 1, 2, 0])) == 0.25


def test_correctly_classified_images_keep_their_labels_and_their_order():
    identity = nn.Flatten().eval()  # four pixels as four logits
    data = LabelledImages(torch.eye(4).view(4, 1, 2, 2), torch.tensor([0, 3, 2, 3]), "pixels")
    kept = correctly_classified(identity, data)
    assert (kept.labels.tolist(), kept.name) == ([0, 2, 3], "pixels")
    assert torch.equal(kept.images, data.images[[0, 2, 3]])
    assert len(correctly_classified(identity, data[[1]])) == 0


@pytest.mark.parametrize("labels", [torch.zeros(3, dtype=torch.long), torch.zeros(4, 1)])
def test_error_rate_needs_one_label_per_image(labels):
    with pytest.raises(ValueError, match="at least one image and one label for each"):
        error_rate(nn.Flatten(), torch.zeros(4, 1, 2, 2), labels)


def test_error_rate_of_nothing():
    with pytest.raises(ValueError, match="0 images"):
        error_rate(nn.Flatten(), torch.zeros(0, 1, 2, 2), torch.zeros(0, dtype=torch.long))


def test_margin_is_right_when_all_other_logits_are_negative():
    logits, targets = torch.tensor([[-3.0, -1.0, -7.0], [2.0, 5.0, 1.0]]), torch.tensor([1, 1])
    rivals = torch.tensor([[True, False, True]] * 2)
    assert margin(logits, targets, rivals).tolist() == [-2.0, -3.0]
    rivals[0, 0] = False
    assert margin(logits, targets, rivals).tolist() == [-6.0, -3.0]


def test_kernel_machine_is_ridge_regression():
    """As scikit-learn's, on the same kernel."""
    train = load_images(split="train")[:300]
    test = load_images(split="test").images[:50]
    machine = KernelMachine(train, ridge=0.1)
    gamma = 1 / torch.cdist(*[train.images.flatten(1)] * 2).median().item() ** 2
    ours = KernelRidge(alpha=0.1, kernel="rbf", gamma=gamma)
    ours.fit(train.images.flatten(1).double(), nn.functional.one_hot(train.labels).double())
    expected = torch.as_tensor(ours.predict(test.flatten(1).double()))
    assert torch.allclose(machine(test).double(), expected, atol=1e-3)
    assert not machine.training


def test_a_kernel_machine_is_chosen_by_held_out_images():
    """None of those to choose from reads more of them, and the best differs from the first."""
    train = load_images(split="train")[:300]
    held_out = load_images(split="train")[300:500]

    def error(machine):
        return error_rate(machine, held_out.images, held_out.labels)

    each = [KernelMachine(train, width=w, ridge=r) for w in WIDTHS for r in RIDGES]
    chosen = KernelMachine.chosen(train, held_out)
    assert error(chosen) == min(map(error, each)) < error(each[0])
    again = KernelMachine(train, **chosen.options)
    assert torch.equal(again(held_out.images), chosen(held_out.images))
    widths = [machine.width.item() for machine in each[:: len(RIDGES)]]
    assert widths == pytest.approx([w * widths[WIDTHS.index(1)] for w in WIDTHS])
