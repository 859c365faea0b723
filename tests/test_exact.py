import pytest
import torch
from scipy.optimize import linprog
from torch import nn

from blindspots import affine_minimum, distortion, lbfgs_attack, mlp, predict, trained


@pytest.fixture
def softmax_regression(train, test):
    model = trained("FC10(1e-2)", train)
    correct = test[predict(model, test.images) == test.labels][:20]
    return model, correct


def test_distance_to_a_plane_in_closed_form(generator):
    model = mlp((6, 2), generator=generator).eval()
    images = 0.5 + 0.1 * torch.rand(9, 6, generator=generator)
    logits = model(images).detach()
    targets = 1 - logits.argmax(dim=1)
    normal = model[1].weight[1] - model[1].weight[0]
    distance = (logits[:, 1] - logits[:, 0]).abs() / normal.norm()
    minima = affine_minimum(model, images, targets)
    assert torch.allclose((minima - images).norm(dim=1).float(), distance, rtol=1e-5)


def test_the_target_ties_with_another_class(softmax_regression):
    model, data = softmax_regression
    targets = (data.labels + 3) % 10
    minima = affine_minimum(model, data.images, targets)
    assert minima.min() >= 0 and minima.max() <= 1
    logits = model(minima.float()).detach()
    wanted = logits.gather(1, targets[:, None])
    assert torch.allclose(wanted, logits.amax(dim=1, keepdim=True), atol=1e-4)
    ties = (logits > wanted - 1e-3).sum(dim=1)
    assert ties.min() >= 2 and ties.max() >= 3  # at a corner: where the cross-entropy errs


def test_no_nearer_point_in_random_directions(softmax_regression, generator):
    """The control: no other way of the same length leads into the target's class."""
    model, data = softmax_regression
    targets = (data.labels + 1) % 10
    minima = affine_minimum(model, data.images, targets)
    size = distortion(data.images.double(), minima)
    for _ in range(50):
        turned = minima - data.images
        turned = turned + 0.2 * size.view(-1, 1, 1, 1) * torch.randn(
            turned.shape, generator=generator
        )
        turned *= (0.999 * size / turned.flatten(1).square().mean(dim=1).sqrt()).view(-1, 1, 1, 1)
        trial = (data.images + turned).clamp(0, 1)
        assert not (predict(model, trial.float()) == targets).any()


def test_the_nearest_of_all_classes(softmax_regression):
    model, data = softmax_regression
    nearest = distortion(data.images.double(), affine_minimum(model, data.images, None))
    each = torch.stack(
        [
            distortion(
                data.images.double(), affine_minimum(model, data.images, (data.labels + shift) % 10)
            )
            for shift in range(1, 10)
        ]
    )
    assert torch.allclose(nearest, each.amin(dim=0), rtol=1e-6)


def test_a_network_with_a_hidden_layer_is_refused(network, test):
    with pytest.raises(ValueError, match=r"not affine.*use nearest_attack"):
        affine_minimum(network, test.images[:5], test.labels[:5])


@pytest.mark.parametrize("seed", range(12, 20))
def test_a_class_is_found_wherever_a_linear_programme_finds_it(seed):
    """From corners of the box, too."""
    generator = torch.Generator().manual_seed(seed)
    model = nn.Sequential(nn.Flatten(), nn.Linear(8, 4)).eval()
    for parameter in model.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator) / 3
    weight, bias = (p.detach().double() for p in model.parameters())
    images = torch.rand(16, 2, 2, 2, generator=generator).round()
    for target in range(4):
        others = [k for k in range(4) if k != target]
        margins = torch.cat([weight[others] - weight[target], torch.ones(3, 1)], dim=1)
        slack = -linprog(
            [0] * 8 + [-1],
            A_ub=margins.numpy(),
            b_ub=(bias[target] - bias[others]).numpy(),
            bounds=[(0, 1)] * 8 + [(None, None)],
        ).fun
        if slack > 1e-4:
            for image in images:
                affine_minimum(model, image[None], [target])
        elif slack < -1e-4:
            with pytest.raises(ValueError, match="no image within the bounds"):
                affine_minimum(model, images[:1], [target])


def test_an_unreachable_class_is_refused():
    model = nn.Sequential(nn.Flatten(), nn.Linear(2, 2)).eval()
    model[1].weight.data, model[1].bias.data = torch.eye(2), torch.tensor([0.0, -5.0])
    with pytest.raises(ValueError, match=r"class 1 \(wanted of image 0\): choose another"):
        affine_minimum(model, torch.full((1, 1, 1, 2), 0.5), torch.tensor([1]))


def test_the_paper_s_search_ends_above_the_minimum(softmax_regression, monkeypatch):
    """It minimises the distance at a given cross-entropy, which is not the boundary."""
    model, data = softmax_regression
    targets = (data.labels + 1) % 10
    exact = distortion(data.images.double(), affine_minimum(model, data.images, targets)).mean()
    monkeypatch.setattr("blindspots.attack.lbfgs.TOLERANCE", 1e-7)
    found = lbfgs_attack(model, data.images, targets).distortion.mean()
    assert 1.005 * exact < found < 2 * exact


@pytest.mark.parametrize("mask", [-1e6, -1e9])
def test_a_class_that_is_masked_out_hides_no_kink(mask, generator):
    network = mlp((16, 20, 5), activation=nn.ReLU, generator=generator).eval()
    network[-1].bias.data[4] = mask
    images = torch.rand(20, 1, 4, 4, generator=generator)
    with pytest.raises(ValueError, match="not affine"):
        affine_minimum(network, images, None)


def test_a_constant_in_all_logits_changes_nothing(generator):
    network = mlp((16, 5), generator=generator).eval()
    images = torch.rand(20, 1, 4, 4, generator=generator)
    before = affine_minimum(network, images, None)
    network[-1].bias.data += 1e4  # in which 32 bits keep three decimals
    network[-1].bias.data -= 1e4
    exact = affine_minimum(network, images, None)
    network[-1].bias.data += 1e4
    assert (affine_minimum(network, images, None) - exact).abs().max() < 1e-9
    assert (exact - before).abs().max() < 1e-2


def test_the_model_may_be_any_function(softmax_regression):
    model, correct = softmax_regression
    whole = affine_minimum(model, correct.images, None)
    found = affine_minimum(lambda x: model(x), correct.images, None)
    assert torch.allclose(found, whole, atol=1e-5)


def test_where_no_other_class_is_in_reach_there_is_no_minimum():
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2)).eval()
    model[1].weight.data = torch.tensor([[2.0] * 4, [1.0] * 4])
    model[1].bias.data = torch.tensor([10.0, 0.0])
    with pytest.raises(ValueError, match="of another class than that of image 0"):
        affine_minimum(model, torch.full((2, 1, 2, 2), 0.5), None)
