import math

import pytest
import torch
from torch import nn

from blindspots import affine_minimum, convnet, mlp
from blindspots.bounds.layers import (
    certified_radius,
    layer_bounds,
    lipschitz_lower_bound,
    pair_bounds,
)


def ratio(model, shape, generator, pairs=300):
    """The largest stretch of the difference of two inputs, near and far, that was found."""
    x = torch.randn(pairs, *shape, generator=generator, dtype=torch.float64)
    reach = 10 ** torch.linspace(-3, 1, pairs, dtype=torch.float64).view(-1, *[1] * len(shape))
    y = x + reach * torch.randn(pairs, *shape, generator=generator, dtype=torch.float64)
    with torch.no_grad():
        out = (model.double()(x) - model(y)).flatten(1).norm(dim=1)
    return (out / (x - y).flatten(1).norm(dim=1)).max().item()


LAYERS = [
    (nn.ReLU(), 1),
    (nn.LeakyReLU(0.2), 1),
    (nn.LeakyReLU(-3.0), 3),
    (nn.Tanh(), 1),
    (nn.Sigmoid(), 0.25),
    (nn.GELU(), 1.12906),
    (nn.GELU(approximate="tanh"), 1.12906),
    (nn.Softmax(dim=1), 0.5),
    (nn.Flatten(), 1),
    (nn.Dropout(0.3), 1),
    (nn.Identity(), 1),
    (nn.MaxPool2d(2), 1),
    (nn.MaxPool2d(3, stride=2), 2),
    (nn.MaxPool2d(3, stride=1), 3),
    (nn.MaxPool2d(2, stride=1, dilation=2), 2),
    (nn.MaxPool2d(3, stride=(3, 2), padding=1), math.sqrt(2)),
    (nn.AvgPool2d(2), 0.5),
]


@pytest.mark.parametrize("layer, bound", LAYERS, ids=str)
def test_layers_without_weights(layer, bound, generator):
    model = nn.Sequential(nn.Conv2d(2, 2, 1), layer).eval()
    nn.init.dirac_(model[0].weight)
    nn.init.zeros_(model[0].bias)
    found = layer_bounds(model, (2, 6, 6))
    assert found.layers[1].bound == pytest.approx(bound, rel=1e-3)
    assert ratio(model, (2, 6, 6), generator) <= found.bound


def test_max_pooling_reaches_its_bound_where_windows_overlap():
    """The paper calls it contractive; a pixel that four windows share makes it 2."""
    image = torch.zeros(1, 1, 7, 7)
    image[0, 0, 2, 2] = 1
    assert nn.MaxPool2d(3, stride=2)(image).norm() == 2


@pytest.mark.parametrize("size", [3, (5, 2), (2, 5), (None, 4)], ids=str)
def test_adaptive_average_pooling_has_its_exact_norm(size):
    layer, image = nn.AdaptiveAvgPool2d(size).eval(), torch.zeros(1, 1, 6, 7, dtype=torch.float64)
    matrix = torch.autograd.functional.jacobian(layer, image).reshape(-1, 42)
    bound = layer_bounds(nn.Sequential(layer).eval(), (1, 6, 7)).bound
    assert bound == pytest.approx(torch.linalg.matrix_norm(matrix, 2).item(), rel=1e-9)


@pytest.mark.parametrize(
    "layer",
    [
        nn.AvgPool2d(3, stride=1, padding=1),
        nn.AvgPool2d(3, stride=2, padding=1, count_include_pad=False),
        nn.AvgPool2d(3, stride=2, ceil_mode=True),
        nn.AdaptiveAvgPool2d(3),
        nn.AdaptiveAvgPool2d((5, 2)),
        nn.BatchNorm2d(2),
        nn.Conv2d(2, 3, 3, stride=2, padding=1),
        nn.Conv2d(2, 4, 3, groups=2, dilation=2),
    ],
    ids=str,
)
def test_bounds_hold_for_random_pairs(layer, generator):
    if isinstance(layer, nn.BatchNorm2d):
        layer.running_var.copy_(torch.tensor([0.3, 4.0]))
        nn.init.constant_(layer.weight, -1.7)
    model = nn.Sequential(nn.Conv2d(2, 2, 1), layer).eval()
    nn.init.dirac_(model[0].weight)
    found = layer_bounds(model, (2, 7, 7))
    assert found.bound < 4
    assert ratio(model, (2, 7, 7), generator) <= found.bound


def test_a_chain_is_bounded_by_the_product(generator):
    model = mlp((12, 20, 20, 5), generator=generator).eval()
    found = layer_bounds(model, (1, 3, 4))
    norms = [torch.linalg.matrix_norm(model[i].weight, 2).item() for i in (1, 3, 5)]
    assert found.bound == pytest.approx(math.prod(norms) / 16, rel=1e-5)
    assert [layer.kind for layer in found.layers][:3] == ["Flatten", "Linear", "Sigmoid"]
    assert [layer.output_shape for layer in found.layers][:2] == [(12,), (20,)]
    assert ratio(model, (1, 3, 4), generator) <= found.bound


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.branch = nn.Conv2d(2, 2, 3, padding=1)

    def forward(self, x):
        doubled = x + x
        return torch.cat([torch.relu(self.branch(doubled)) + doubled, x], dim=1)


def test_branches_are_added(generator):
    model = Residual().eval()
    found = layer_bounds(model, (2, 5, 5))
    branch = found.layers[0].bound
    assert found.bound == pytest.approx(math.sqrt((2 * branch + 2) ** 2 + 1), rel=1e-9)
    assert ratio(model, (2, 5, 5), generator) <= found.bound


class Strange(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, x):
        return x * x


@pytest.mark.parametrize(
    "model, error, message",
    [
        (nn.Sequential(nn.Linear(4, 2)), ValueError, "training mode"),
        (nn.Sequential(nn.Conv2d(1, 5, 1), nn.LocalResponseNorm(5)).eval(), None, "LocalResponse"),
        (Strange().eval(), None, "mul"),
        (nn.Sequential(nn.Conv2d(1, 1, 3, padding="same")).eval(), None, "state the padding"),
    ],
)
def test_what_is_not_known_is_refused(model, error, message):
    with pytest.raises(error or NotImplementedError, match=message):
        layer_bounds(model, (1, 6, 6))


@pytest.mark.slow
def test_torchvision_networks_are_traced():
    """A residual network, and one with overlapping pooling; thin ones, as the wide take minutes."""
    from torchvision.models.resnet import BasicBlock, ResNet

    model = ResNet(BasicBlock, [1, 1, 1, 1], num_classes=4, width_per_group=64).eval()
    found = layer_bounds(model, (3, 16, 16), tight=False)
    kinds = [layer.kind for layer in found.layers]
    assert kinds.count("BatchNorm2d") == 12 and "AdaptiveAvgPool2d" in kinds
    assert math.isfinite(found.bound) and found.bound > 0


def test_alexnet_has_three_poolings_of_factor_two():
    from torchvision.models import alexnet

    model = alexnet().eval()
    model.classifier = nn.Sequential(nn.Dropout(), nn.Linear(9216, 4), nn.ReLU(inplace=True)).eval()
    found = layer_bounds(model, (3, 64, 64), tight=False)
    by_kind = {kind: [x.bound for x in found.layers if x.kind == kind] for kind in ("MaxPool2d",)}
    assert by_kind == {"MaxPool2d": [2, 2, 2]}
    assert found.bound == pytest.approx(math.prod(x.bound for x in found.layers), rel=1e-12)


def test_a_folded_batch_norm_is_the_product_s_tighter_form(generator):
    """Convolution and normalisation as one layer stretch at most as much as one after the other."""
    convolution, norm = nn.Conv2d(2, 3, 3, padding=1), nn.BatchNorm2d(3)
    norm.running_var.copy_(torch.tensor([0.5, 1.0, 4.0]))
    model = nn.Sequential(convolution, norm).eval()
    folded = nn.utils.fuse_conv_bn_eval(convolution.eval(), norm.eval())
    one = layer_bounds(nn.Sequential(folded).eval(), (2, 6, 6)).bound
    assert ratio(model, (2, 6, 6), generator) <= one < layer_bounds(model, (2, 6, 6)).bound


def test_pairs_of_an_affine_model_are_exact(generator):
    model = mlp((12, 5), generator=generator).eval()
    rows = model[1].weight.detach().double()
    bounds = pair_bounds(model, (1, 3, 4))
    assert bounds[1, 3].item() == pytest.approx((rows[1] - rows[3]).norm().item(), rel=1e-12)
    assert not bounds.diagonal().any()


def test_pairs_of_a_chain_are_a_product(generator):
    model = mlp((12, 7, 5), generator=generator).eval()
    first, last = (model[i].weight.detach().double() for i in (1, 3))
    expected = torch.linalg.matrix_norm(first, 2) / 4 * (last[0] - last[4]).norm()
    assert pair_bounds(model, (1, 3, 4))[0, 4].item() == pytest.approx(expected.item(), rel=1e-9)


def test_pairs_are_at_most_the_square_root_of_two_of_the_whole(generator):
    model = convnet((1, 8, 8), channels=(3, 4), classes=5, generator=generator).eval()
    whole, pairs = layer_bounds(model, (1, 8, 8)).bound, pair_bounds(model, (1, 8, 8))
    assert (pairs <= math.sqrt(2) * whole * (1 + 1e-9)).all() and pairs.max() > whole / 2


def test_radius_of_an_affine_model_is_the_distance_to_the_boundary(generator):
    model = mlp((64, 4), generator=generator).eval()
    images = torch.rand(20, 1, 8, 8, generator=generator)
    radius = certified_radius(model, images, bound=pair_bounds(model, (1, 8, 8)))
    free = affine_minimum(model, images, None, bounds=(-100.0, 100.0))
    distance = (free - images).flatten(1).norm(dim=1).double()
    assert torch.allclose(radius, distance, rtol=1e-4)
    boxed = (affine_minimum(model, images, None) - images).flatten(1).norm(dim=1)
    assert (radius <= boxed * (1 + 1e-5)).all()


def test_nothing_within_the_radius_changes_its_class(generator):
    model = mlp((64, 30, 4), activation=nn.ReLU, generator=generator).eval()
    images = torch.rand(200, 1, 8, 8, generator=generator)
    for bound in (layer_bounds(model, (1, 8, 8)).bound, pair_bounds(model, (1, 8, 8))):
        radius = certified_radius(model, images, bound=bound)
        directions = torch.randn(images.shape, generator=generator, dtype=torch.float64)
        directions *= (radius / directions.flatten(1).norm(dim=1)).view(-1, 1, 1, 1)
        before = model.double()(images.double()).argmax(dim=1)
        assert torch.equal(model(images.double() + directions).argmax(dim=1), before)
        model.float()
    assert (radius > certified_radius(model, images, bound=1e6)).all()


def test_radius_from_one_number_is_the_margin_over_root_two_of_it():
    model = nn.Sequential(nn.Flatten(), nn.Linear(2, 3, bias=False)).eval()
    model[1].weight.data = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    image = torch.tensor([[[[0.9, 0.4]]]])
    assert certified_radius(model, image, bound=2.0).item() == pytest.approx(0.5 / 8**0.5)


@pytest.mark.parametrize("bound", [0.0, -1.0, torch.ones(2, 2), torch.zeros(4, 4)])
def test_bounds_that_cannot_be_are_refused(bound, generator):
    model = mlp((4, 4), generator=generator).eval()
    with pytest.raises(ValueError, match="bound must be positive"):
        certified_radius(model, torch.zeros(1, 1, 2, 2), bound=bound)


def test_pairs_need_a_linear_end():
    with pytest.raises(NotImplementedError, match="last layer must be linear"):
        pair_bounds(nn.Sequential(nn.Linear(4, 2), nn.ReLU()).eval(), (4,))
    with pytest.raises(ValueError, match="training mode"):
        pair_bounds(mlp((4, 2)).train(), (1, 2, 2))


def test_the_largest_gradient_of_an_affine_model_is_its_norm(generator):
    model = mlp((12, 5), generator=generator).eval()
    images = torch.rand(3, 1, 3, 4, generator=generator)
    norm = torch.linalg.matrix_norm(model[1].weight.detach().double(), 2).item()
    assert lipschitz_lower_bound(model, images, steps=3) == pytest.approx(norm, rel=1e-9)


@pytest.mark.parametrize("activation", [nn.Sigmoid, nn.ReLU])
def test_climbing_finds_steeper_places_below_the_bound(activation, generator):
    model = mlp((12, 20, 20, 5), activation=activation, generator=generator).eval()
    images = torch.rand(50, 1, 3, 4, generator=generator)
    there = lipschitz_lower_bound(model, images)
    climbed = lipschitz_lower_bound(model, images, steps=40)
    jacobians = [
        torch.autograd.functional.jacobian(model.double(), image[None].double()).view(5, 12)
        for image in images
    ]
    assert there == pytest.approx(max(torch.linalg.matrix_norm(j, 2).item() for j in jacobians))
    assert 1.02 * there < climbed <= layer_bounds(model, (1, 3, 4)).bound
