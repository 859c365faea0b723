import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from blindspots import affine_minimum, convnet, mlp
from blindspots.bounds._rules import times
from blindspots.bounds._trace import _agree
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
    (nn.LogSoftmax(dim=1), math.sqrt(2)),
    (nn.Softmax2d(), 0.5),
    (nn.PixelUnshuffle(2), 1),
    (nn.ChannelShuffle(2), 1),
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
        (nn.Sequential(nn.Softplus(threshold=1)).eval(), None, "softplus jumps"),
        (nn.Sequential(nn.BatchNorm2d(1, track_running_stats=False)).eval(), ValueError, "batch"),
        (nn.Sequential(nn.Conv2d(3, 1, 3)).eval(), ValueError, "does not take images of shape"),
    ],
)
def test_what_is_not_known_is_refused(model, error, message):
    with pytest.raises(error or NotImplementedError, match=message):
        layer_bounds(model, (1, 6, 6))


class Of(nn.Module):
    """A model that is a function of its layers and of the image."""

    def __init__(self, function, **layers):
        super().__init__()
        self.function = function
        for name, layer in layers.items():
            setattr(self, name, layer)

    def forward(self, x):
        return self.function(self, x)


class Masked(Of):
    def forward(self, x, mask=None):
        return self.a(x) if mask is None else self.b(x)


class Tenfold(nn.Sequential):
    def forward(self, x):
        return 10 * super().forward(x)


def eye(n, scale):
    layer = nn.Linear(n, n, bias=False)
    nn.init.eye_(layer.weight).data.mul_(scale)
    return layer


def ones(inputs, outputs):
    layer = nn.Linear(inputs, outputs)
    nn.init.ones_(layer.weight)
    return layer


def constants(*numbers):
    return nn.Parameter(torch.tensor(numbers).view(-1, 1, 1), requires_grad=False)


@pytest.mark.parametrize(
    "model, shape, bound",
    [
        (Of(lambda s, x: torch.cat([x, x], 1)), (3,), 2**0.5),
        (Of(lambda s, x: torch.cat([x, x, s.a(x)], 1), a=eye(3, 2)), (3,), 6**0.5),
        # (n, 1) + (n, k): what is added to all is repeated k times
        (Of(lambda s, x: s.l(x) + s.z(x), l=ones(3, 1), z=eye(3, 1e-3)), (3,), 3.001),
        (Of(lambda s, x: x - x.mean(1, keepdim=True)), (4,), 2),
        (Masked(None, a=eye(3, 10), b=eye(3, 1)), (3,), 10),
        (Tenfold(eye(3, 2)), (3,), 20),
        (Of(lambda s, x: s.a(x.view(x.size(0), -1)), a=ones(12, 2)), (3, 2, 2), 24**0.5),
        (Of(lambda s, x: x.mean((2, 3))), (3, 4, 4), 0.25),
        (Of(lambda s, x: F.max_pool2d(x, 3, 2)), (3, 7, 7), 2),
        (Of(lambda s, x: F.max_pool2d(x, 2)), (3, 7, 7), 1),
        (Of(lambda s, x: F.adaptive_avg_pool2d(x, (1, 1))), (3, 7, 7), 1 / 7),
        (Of(lambda s, x: (x - s.m) / s.d, m=constants(1.0, 2, 3), d=constants(0.5, 1, 0.25)), 0, 4),
        (Of(lambda s, x: s.m * x, m=constants(0.5, -3.0, 1.0)), 0, 3),
        (nn.ZeroPad2d((1, 2, 0, 1)), (1, 5, 5), 1),
        (nn.ReplicationPad2d(1), (1, 5, 5), 2),  # a corner is there four times
        (nn.ReflectionPad2d((1, 1, 0, 0)), (1, 5, 5), 2**0.5),
        (nn.Conv2d(1, 1, 1, padding="same"), (1, 5, 5), None),
        (nn.Conv2d(1, 1, 3, padding="valid"), (1, 5, 5), None),
        (nn.Conv1d(1, 1, 3, padding=1), (1, 5), None),
        (nn.Conv2d(1, 2, 3, padding=1, padding_mode="circular"), (1, 8, 8), None),
        (nn.Conv2d(1, 2, 3, stride=2, padding=1, padding_mode="circular"), (1, 8, 8), None),
        (Of(lambda s, x: torch.cat(x.chunk(2, 1), 1) + s.a(x), a=eye(4, 2)), (4,), 3),
        (Of(lambda s, x: torch.stack(x.unbind(1), 1).flatten(1)), (2, 3), 1),
        (Of(lambda s, x: s.a(x).clamp(min=-100 * torch.ones(16)), a=ones(4, 1)), (4,), 8),
        (
            Of(lambda s, x: x * s.c, c=nn.Buffer(torch.tensor([-128, 1], dtype=torch.int8))),
            (2,),
            128,
        ),
        (Of(lambda s, x: x * (s.c > 0), c=nn.Buffer(torch.tensor([-1.0, 1]))), (2,), 1),
        (Of(lambda s, x: F.softmax(x, dim=1)), (4,), 0.5),
        (nn.Sequential(nn.Linear(3, 2)), (3,), None),
        (nn.Linear(3, 2), (3,), None),
        (nn.DataParallel(nn.Linear(3, 2)), (3,), None),
        # Padding that winds around twice repeats each pixel nine times.
        (nn.Conv2d(1, 1, 1, padding=4, padding_mode="circular"), (1, 4, 4), None),
        (nn.Sequential(*[eye(3, 1e-40)] * 12), (3,), 5e-324),  # not zero
        (nn.Sequential(*[eye(3, 1e38)] * 12), (3,), math.inf),
    ],
)
def test_what_the_model_computes_is_bounded(model, shape, bound):
    """Exactly, in these cases."""
    model, shape = model.eval(), shape or (3, 4, 4)
    if bound is None:  # an affine map: its matrix is at hand
        point = torch.zeros(1, *shape)
        matrix = (
            torch.autograd.functional.jacobian(model, point).flatten(-len(shape)).flatten(0, -2)
        )
        bound = torch.linalg.matrix_norm(matrix, 2).item()
    assert layer_bounds(model, shape).bound == pytest.approx(bound, rel=1e-3)


def spoiled(x):
    """In place on a part of what is used again."""
    parts = x.chunk(3, 1)
    parts[0].mul_(10)
    return torch.cat([parts[0], parts[1]], 1)


def test_what_does_not_depend_on_the_image_does_not_under_any_bound():
    assert times(0.0, math.inf) == times(math.inf, 0.0) == 0 and times(2.0, math.inf) == math.inf


def offset(n):
    layer = nn.Linear(n, n)
    nn.init.constant_(layer.bias, 1e5)
    return layer


def hooked(model, kind):
    if kind == "forward":
        model[0].register_forward_hook(lambda module, given, out: 10 * out)
    else:
        model.register_forward_pre_hook(lambda module, given: (10 * given[0],))
    return model


def patched(model):
    forward = model[0].forward
    model[0].forward = lambda x: 10 * forward(x)
    return model


@pytest.mark.parametrize(
    "model, message",
    [
        (Of(lambda s, x: (x, s.a(x)), a=eye(3, 10)), "returns tuple"),
        (Of(lambda s, x: {"logits": s.a(x)}, a=eye(3, 10)), "returns dict.*logits alone"),
        (Of(lambda s, x: x.argmax(1)), "a tensor of torch.int64"),
        (hooked(nn.Sequential(eye(3, 1)), "forward"), "0 has a hook.*remove the hook"),
        (hooked(nn.Sequential(eye(3, 1)), "before"), "the model has a hook"),
        (patched(nn.Sequential(eye(3, 1))), "method of the layer '0' was replaced"),
        (Of(lambda s, x: (x.mul_(10), x)[1]), "uses x after it was changed in place"),
        (Of(lambda s, x: (F.relu_(x[:, :2]), x)[1]), "uses x after it was changed in place"),
        (Of(lambda s, x: spoiled(x * 1)), "uses chunk after it was changed in place"),
        (Of(lambda s, x: x * (10 if torch.is_grad_enabled() else 1)), "something else when"),
        (
            Of(lambda s, x: s.l(x) + (20 * x if isinstance(x, torch.Tensor) else 0), l=offset(3)),
            "trace",
        ),
        (Of(lambda s, x: x.view(dtype=torch.float16)), "cannot be bounded"),
        (Of(lambda s, x: s.a(x).squeeze(), a=ones(3, 1)), "one row for each"),
        (Of(lambda s, x: x if x.sum() > 0 else -x), "cannot be traced.*bound its parts"),
        (Of(lambda s, x: F.dropout(x)), "it is random"),
        (Of(lambda s, x: F.dropout(x, 1e-12)), "always on is random"),  # too rarely to be noticed
        (Of(lambda s, x: x - x.mean(0)), "depends on the others of its batch"),
        (Of(lambda s, x: x * x.size(0)), "depends on the others of its batch"),
        (Of(lambda s, x: s.a(x) * x, a=eye(3, 1)), "a product of two things"),
        (Of(lambda s, x: 1 / x), "a division by what depends"),
        (Of(lambda s, x: x / s.z, z=nn.Parameter(torch.zeros(()))), "not finite, or it divides"),
        (Of(lambda s, x: x[:, [0, 0]]), "only numbers and slices"),
        (Of(lambda s, x: x.sort(1).values), "cannot be bounded"),
        (Of(lambda s, x: x + s.calls.add_(1), calls=nn.Buffer(torch.zeros(()))), "remembers"),
        (nn.Sequential(eye(3, math.nan)), "layer '0'.*NaN"),
    ],
)
def test_what_cannot_be_known_is_refused(model, message):
    with pytest.raises((NotImplementedError, ValueError), match=message):
        layer_bounds(model.eval(), (3,))


@pytest.mark.filterwarnings("ignore:`torch.nn.utils.weight_norm` is deprecated")
def test_weights_that_a_hook_computes_are_those_of_the_next_call(generator):
    """Just after `load_state_dict` the attribute still holds the weight of the last call."""

    def chain():
        first, last = nn.Linear(4, 4), nn.Linear(4, 3)
        return nn.Sequential(nn.utils.weight_norm(first), nn.ReLU(), nn.utils.weight_norm(last))

    steep, fresh = chain().eval(), chain().eval()
    for parameter in steep.parameters():
        parameter.data.mul_(5)
    fresh.load_state_dict(steep.state_dict())
    found = pair_bounds(fresh, (4,))
    assert found.equal(pair_bounds(fresh, (4,)))
    plain = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 3)).eval()
    with torch.no_grad():
        steep(torch.zeros(1, 4))
        for i in (0, 2):
            plain[i].weight.copy_(steep[i].weight)
    assert torch.allclose(found, pair_bounds(plain, (4,)))


class Called(nn.Sequential):
    def __call__(self, x):
        return 10 * super().__call__(x)


def test_what_all_modules_are_hooked_with_is_refused():
    model = nn.Sequential(eye(3, 1), nn.ReLU(), eye(3, 1)).eval()
    hook = nn.modules.module.register_module_forward_hook(lambda module, given, out: 3 * out)
    try:
        for bound in (lambda: layer_bounds(model, (3,)), lambda: pair_bounds(model, (3,))):
            with pytest.raises(NotImplementedError, match="hooks on all modules"):
                bound()
    finally:
        hook.remove()


def test_a_chain_that_does_more_has_no_bounds_per_pair():
    with pytest.raises(NotImplementedError, match="forward of its own"):
        pair_bounds(Called(eye(3, 1)).eval(), (3,))
    with pytest.raises(NotImplementedError, match="forward of its own"):
        pair_bounds(Tenfold(eye(3, 1)).eval(), (3,))


def test_the_radius_is_not_of_a_model_in_training_mode():
    with pytest.raises(ValueError, match="training mode"):
        certified_radius(nn.Sequential(nn.Dropout(), eye(3, 1)), torch.rand(2, 3), bound=1.0)


def test_a_layer_that_is_called_twice_counts_twice():
    layer = eye(3, 2)
    assert layer_bounds(nn.Sequential(layer, layer).eval(), (3,)).bound == pytest.approx(4)
    assert layer_bounds(Of(lambda s, x: s.a(s.a(x)), a=layer).eval(), (3,)).bound == pytest.approx(
        4
    )


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


class Sideways(nn.Module):
    """Changes in place what it also passes on, which no trace sees."""

    def __init__(self, mask=0.0, shift=0.0, scale=1.0):
        super().__init__()
        self.layer = nn.Linear(4, 4, bias=False)
        nn.init.eye_(self.layer.weight)
        self.mask = nn.Buffer(torch.tensor([0.0, 0.0, 0.0, mask]))
        self.shift, self.scale = shift, scale

    def forward(self, x):
        kept = hidden = self.layer(torch.relu(x / self.scale - self.shift))
        hidden *= 10
        return kept + self.mask


def test_rounding_in_one_entry_beside_others_that_are_silent_is_no_difference(generator):
    """As behind a last ReLU: their spread is nothing to compare with."""
    one = torch.zeros(3, 5)
    one[:, 0] = torch.tensor([0.0101, 0.0102, 0.01])
    other = one.clone()
    other[:, 0] += 1e-7 * torch.tensor([1.0, -1.0, 1.0])
    other[0, 1] = 1e-9
    assert _agree(one, other) and not _agree(one, one + 1e-5)
    masked = torch.cat([one, torch.full((3, 7), -1e9)], dim=1)
    assert _agree(masked, masked) and not _agree(masked, masked + 1e-5 * (masked > -1))


class OfTheBatch(Sideways):
    def forward(self, x):
        hidden = self.layer(torch.relu(x / self.scale - self.shift))
        return hidden - hidden.mean(dim=0) + self.mask


@pytest.mark.parametrize("model", [Sideways, OfTheBatch])
@pytest.mark.parametrize(
    "options",
    [
        {"mask": -1e9},
        {"mask": -math.inf},
        {"shift": 0.1, "scale": 255},
        {"mask": -1e6, "scale": 99},
    ],
)
def test_neither_a_mask_nor_the_size_of_pixels_hides_what_is_not_known(model, options):
    with pytest.raises(NotImplementedError, match=r"than its trace|others of its batch"):
        layer_bounds(model(**options).eval(), (4,))


@pytest.mark.parametrize("factor", [0.7, 0.1, 1 / 3])
def test_numbers_of_python_have_64_bits(factor):
    class Times(nn.Module):
        def forward(self, x):
            return x * factor

    class Over(nn.Module):
        def forward(self, x):
            return x / factor

    assert layer_bounds(Times().eval(), (3,)).bound >= factor
    assert layer_bounds(Over().eval(), (3,)).bound >= 1 / factor


def test_no_lower_bound_is_above_the_upper(generator):
    images = torch.rand(3, 1, 8, 8, generator=generator)
    one = nn.Conv2d(1, 1, 1, bias=False).eval()
    nn.init.ones_(one.weight)
    assert lipschitz_lower_bound(one, images) == pytest.approx(1)
    part = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)).eval()
    assert lipschitz_lower_bound(part, images) <= layer_bounds(part, (1, 8, 8)).bound

    class Identity(nn.Module):
        def forward(self, x):
            return 2 * x - torch.relu(x) + torch.relu(-x)

    assert lipschitz_lower_bound(Identity().eval(), 0 * images) == pytest.approx(1)

    class Two(nn.Module):
        def forward(self, x):
            return x, x

    with pytest.raises(ValueError, match="returns tuple, not a tensor"):
        lipschitz_lower_bound(Two().eval(), images)
