"""No bound is below what is found, on models and convolutions made at random.

`make check-bounds` tries thousands; here are a few.
"""

import math
import os
import random
import signal
from contextlib import contextmanager

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations, prune, spectral_norm, weight_norm

from blindspots.bounds.layers import layer_bounds
from blindspots.bounds.norms import conv_norm

MODELS = int(os.environ.get("BLINDSPOTS_RANDOM_MODELS", "120"))
CONVOLUTIONS = int(os.environ.get("BLINDSPOTS_RANDOM_CONVOLUTIONS", "300"))
PARTS = 4  # side by side
SECONDS = 60  # for one case

# PyTorch warns of its older ways, which people use.
pytestmark = pytest.mark.filterwarnings("ignore")


class Step(nn.Module):
    """A step that is a function of its own layers and of the input."""

    def __init__(self, function, *layers):
        super().__init__()
        self.function = function
        self.layers = nn.ModuleList(layers)

    def forward(self, x):
        return self.function(x, *self.layers)


class Masked(nn.Module):
    """What it does without its second argument is what counts."""

    def __init__(self, one, other):
        super().__init__()
        self.one, self.other = one, other

    def forward(self, x, mask=None):
        return self.one(x) if mask is None else self.other(x)


class Normalised(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.register_buffer("mean", torch.randn(shape))
        self.register_buffer("deviation", torch.rand(shape) + 0.2)

    def forward(self, x):
        return (x - self.mean) / self.deviation


class Chain(nn.Sequential):
    """A chain with a forward that does more."""

    def forward(self, x):
        return 2 * super().forward(x) + 1


def pick(*options):
    return random.choice(options)


def weighted(layer):
    """Sometimes with weights that something computes, or that are extreme."""
    with torch.no_grad():
        layer.weight.mul_(pick(0.3, 1.0, 1.0, 3.0, 1e-3, 30.0))
    change = pick(None, None, None, "prune", "twice", "weight", "spectral", "old", "old spectral")
    if change in ("prune", "twice"):
        prune.random_unstructured(layer, "weight", 0.4)
    if change == "twice":
        prune.l1_unstructured(layer, "weight", 0.3)
    if change == "weight":
        parametrizations.weight_norm(layer)
    if change == "spectral":
        parametrizations.spectral_norm(layer)
    if change == "old":
        weight_norm(layer)
    if change == "old spectral":
        spectral_norm(layer)
    if change in ("weight", "old"):
        for name, parameter in layer.named_parameters():
            if name.endswith(("_g", "original0")):
                parameter.data *= 4
    return layer


def convolution(channels, height, width):
    groups = pick(1, 1, 1, channels)
    mode = pick("zeros", "zeros", "zeros", "circular", "reflect", "replicate")
    kernel = pick(1, 2, 3, (3, 1), (1, 2))
    padding = pick(0, 1, (1, 0), "same", "valid")
    stride = 1 if padding in ("same", "valid") else pick(1, 1, 2, (2, 1))
    outputs = groups * random.randint(1, 3)
    dilation = pick(1, 1, 2)
    return weighted(
        nn.Conv2d(channels, outputs, kernel, stride, padding, dilation, groups, padding_mode=mode)
    )


def batch_norm(kind, channels):
    layer = kind(channels, affine=pick(True, False))
    layer.running_mean.normal_()
    layer.running_var.uniform_(0.05, 2)
    if layer.affine:
        layer.weight.data.normal_()
    return layer


def activation():
    modules = [nn.ReLU(), nn.ReLU(inplace=True), nn.LeakyReLU(pick(0.1, -2.0)), nn.Tanh()]
    modules += [nn.Sigmoid(), nn.GELU(), nn.SiLU(), nn.Mish(), nn.ELU(1.7), nn.SELU(), nn.CELU(0.3)]
    modules += [nn.Softplus(pick(1, 5)), nn.Hardswish(), nn.Hardsigmoid(), nn.PReLU(init=1.6)]
    modules += [nn.ReLU6(), nn.Hardtanh(), nn.Softsign(), nn.LogSigmoid(), nn.Softshrink()]
    functions = [torch.relu, F.relu, F.gelu, torch.tanh, torch.sigmoid, F.silu, F.softplus, F.elu]
    functions += [torch.abs, lambda x: x.relu(), lambda x: x.clamp(-1, 1), lambda x: -x]
    functions += [lambda x: F.leaky_relu(x, -1.5), lambda x: F.relu(x, inplace=True)]
    functions += [lambda x: x.tanh(), lambda x: F.hardtanh(x, -2, 2), lambda x: x.relu_()]
    return pick(*modules, *[Step(function) for function in functions])


def of_images(channels, height, width):
    """A step for images."""
    same = nn.Conv2d(channels, channels, 3, padding=1)
    one = nn.Conv2d(channels, 1, 1)
    constant = 3 * torch.randn(pick(1, channels), 1, pick(1, width))
    number, mode = pick(0.5, -2.0, 7), pick("constant", "replicate")
    arithmetic = [
        Step(lambda x: torch.cat([x, x], 1)),
        Step(lambda x, a: torch.cat([x, a(x), x], dim=1), same),
        Step(lambda x, a: x + a(x), same),
        Step(lambda x, a: a(x) - x, same),
        Step(lambda x, a: torch.add(x, a(x), alpha=3), same),
        Step(lambda x, a: x + a(x), one),
        Step(lambda x, a: a(x) + a(a(x)), same),
        Step(lambda x: x + x + x),
        Step(lambda x: x + x.mean((2, 3), keepdim=True)),
        Step(lambda x: x - x.sum(1, keepdim=True)),
        Step(lambda x: x * number + 3),
        Step(lambda x: (1 - x) / number),
        Step(lambda x: x * constant),
        Step(lambda x: constant + x),
        Step(lambda x: x[:, :1] + x),
        Step(lambda x: x[:, :, ::2]),
        Step(lambda x: torch.stack([x, -x], 1).flatten(1, 2)),
        Step(lambda x: x.chunk(2, dim=2)[0] * number),
        Step(lambda x: x.permute(0, 1, 3, 2).contiguous()),
        Step(lambda x: x.repeat(1, 2, 1, 1)),
        Step(lambda x: x.expand(-1, -1, -1, -1)),
        Step(lambda x: x.amax(1, keepdim=True) + x),
        Step(lambda x: F.pad(x, (1, 0, 2, 1), mode=mode)),
        Masked(same, one),
        Normalised((channels, 1, 1)),
    ]
    in_place = [
        Step(lambda x: x.mul_(number)),
        Step(lambda x: x.add_(x)),
        Step(lambda x, a: a(x).add_(x), same),
        Step(lambda x: F.relu_(x)),
    ]
    pools = [
        nn.MaxPool2d(2),
        nn.MaxPool2d(3, stride=pick(1, 2), padding=1),
        nn.AvgPool2d(2),
        nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=pick(True, False)),
        nn.AvgPool2d(2, ceil_mode=True),
        nn.AdaptiveAvgPool2d(pick(1, 2, (3, 2))),
        nn.AdaptiveMaxPool2d(pick(2, (3, 2))),
        Step(lambda x: F.max_pool2d(x, 3, 1, 1)),
        Step(lambda x: F.avg_pool2d(x, 2, stride=1)),
        Step(lambda x: F.adaptive_avg_pool2d(x, (2, 2))),
    ]
    pads = [
        nn.ZeroPad2d(1),
        nn.ZeroPad2d((2, 0, 1, -1)),
        nn.ConstantPad2d(1, 3.0),
        nn.ReflectionPad2d(1),
        nn.ReplicationPad2d((1, 2, 0, 1)),
        nn.CircularPad2d(1),
    ]
    others = [nn.Dropout(), nn.Dropout2d(), nn.Identity(), batch_norm(nn.BatchNorm2d, channels)]
    return pick(
        convolution(channels, height, width),
        convolution(channels, height, width),
        activation(),
        activation(),
        pick(*arithmetic),
        pick(*arithmetic),
        pick(*in_place),
        pick(*pools),
        pick(*pads),
        pick(*others),
    )


def of_vectors(inputs):
    """A step for vectors."""
    square = nn.Linear(inputs, inputs)
    matrix = torch.randn(inputs, 3)
    return pick(
        weighted(nn.Linear(inputs, pick(3, 5, 9), bias=pick(True, False))),
        weighted(nn.Linear(inputs, pick(3, 5, 9))),
        activation(),
        activation(),
        batch_norm(nn.BatchNorm1d, inputs),
        nn.Softmax(dim=1),
        nn.LogSoftmax(dim=1),
        Step(lambda x: F.log_softmax(x, dim=1)),
        Step(lambda x: x.clamp_min(-0.5).clamp_max(1)),
        Step(lambda x: x - x.sum(axis=1, keepdim=True) / 7),
        Step(lambda x, a: x + a(x), square),
        Step(lambda x, a: a(a(x)), square),
        Step(lambda x, a: F.linear(x, a.weight, a.bias), square),
        Step(lambda x: x @ matrix),
        Step(lambda x: torch.cat([x, x], 1)),
        Step(lambda x: x / 3 - x.mean(1, keepdim=True)),
        Normalised((inputs,)),
    )


def trap(model, inputs):
    """Things by which a bound was once too low; right is refused, or the truth."""
    kind = pick("hook", "pre-hook", "two", "dict", "chain", "reuse", "patched", "state", "random")
    layers = [m for m in model.modules() if not list(m.children())]
    if kind == "hook":
        pick(model, *layers).register_forward_hook(lambda m, i, o: 10 * o)
    elif kind == "pre-hook":
        pick(model, *layers).register_forward_pre_hook(lambda m, i: (10 * i[0],))
    elif kind == "two":
        return Step(lambda x, a: (x, 10 * a(x)), model)
    elif kind == "dict":
        return Step(lambda x, a: {"logits": a(x), "more": 10 * x}, model)
    elif kind == "chain":
        return Chain(model)
    elif kind == "reuse":
        return Step(lambda x, a: (x.mul_(10), a(x))[1], model)
    elif kind == "patched":
        layer = pick(*layers)
        forward = layer.forward
        layer.forward = lambda x: 10 * forward(x)
    elif kind == "state":
        memory = torch.zeros(1)
        return Step(lambda x, a: a(x) + memory.add_(x.sum()), model)
    else:
        return Step(lambda x, a: a(F.dropout(x)), model)
    return model


@pytest.fixture(autouse=True)
def double():
    """In 64 bits rounding cannot hide a bound that is too low."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def random_model(seed):
    """Make a model in evaluation mode and the shape of its images."""
    random.seed(seed)
    torch.manual_seed(seed)
    if random.random() < 0.15:
        return of_signals()
    shape = random.randint(1, 3), random.randint(2, 7), random.randint(2, 7)
    steps, x = [], torch.zeros(2, *shape)
    for _ in range(random.randint(1, 6)):
        x = extended(steps, x, of_images(*x.shape[1:]))
    flatten = [nn.Flatten(), Step(lambda x: torch.flatten(x, 1)), Step(lambda x: x.mean((2, 3)))]
    flatten += [Step(lambda x: x.view(x.size(0), -1)), Step(lambda x: x.reshape(x.shape[0], -1))]
    if random.random() < 0.8:
        x = extended(steps, x, pick(*flatten))
        for _ in range(random.randint(0, 4)):
            x = extended(steps, x, of_vectors(x.shape[1]))
    model = nn.Sequential(*steps).eval()
    if random.random() < 0.2:
        model = trap(model, shape)
    return model.eval(), shape


def of_signals():
    """A model along one axis."""
    channels, length = random.randint(1, 3), random.randint(4, 12)
    outputs = random.randint(1, 4)
    dilation = pick(1, 2) if length > 5 else 1
    model = nn.Sequential(
        weighted(nn.Conv1d(channels, outputs, 3, pick(1, 2), pick(1, 2), dilation)),
        pick(batch_norm(nn.BatchNorm1d, outputs), nn.Identity(), nn.ConstantPad1d((1, 0), 2.0)),
        activation(),
        pick(nn.MaxPool1d(2, 1), nn.AvgPool1d(2, 1), nn.AdaptiveAvgPool1d(2), nn.CircularPad1d(1)),
        nn.Flatten(),
    )
    return model.eval(), (channels, length)


def extended(steps, x, step):
    """Append a step if it can follow what gave x, and give what it makes of it; x otherwise."""
    try:
        with torch.no_grad():
            y = step.eval()(x.clone())
    except (RuntimeError, ValueError):  # a kernel or a padding larger than the image
        return x
    if not 0 < y.numel() < 600:
        return x
    steps.append(step)
    return y


@contextmanager
def an_end():
    """Stop what does not end by itself, where the system can."""

    def stop(*_):
        raise TimeoutError(f"no end after {SECONDS} s")

    if not hasattr(signal, "SIGALRM"):
        yield
        return
    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@torch.no_grad()
def steepest(model, shape, seed):
    """The largest stretch that is found: of differences at random, and of the steepest here."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(20, *shape, generator=generator, dtype=torch.float64)
    reach = 10 ** torch.linspace(-3, 1, 20, dtype=torch.float64).view(-1, *[1] * len(shape))
    y = x + reach * torch.randn(x.shape, generator=generator, dtype=torch.float64)
    found = stretch(model, x, y)
    for point in x[:3]:
        # Without derivatives, which PyTorch does not give after some steps in place.
        axes = 1e-6 * torch.eye(point.numel(), dtype=torch.float64).view(-1, *shape)
        jacobian = model(point + axes).flatten(1) - model(point[None].clone()).flatten(1)
        direction = torch.linalg.svd(jacobian, full_matrices=False).U[:, 0].view(shape)
        reach = torch.tensor([1e-5, 1e-2, 1.0], dtype=torch.float64).view(-1, *[1] * len(shape))
        found = max(found, stretch(model, point.expand(3, *shape), point + reach * direction))
    return found


def stretch(model, x, y):
    difference = (model(x.clone()) - model(y.clone())).flatten(1).norm(dim=1)
    return (difference / (x - y).flatten(1).norm(dim=1)).max().item()


@pytest.mark.parametrize("part", range(PARTS))
def test_bounds_of_random_models_hold(part):
    bounded = refused = 0
    for seed in range(part, MODELS, PARTS):
        model, shape = random_model(seed)
        with an_end():
            try:
                found = layer_bounds(model, shape).bound
            except (NotImplementedError, ValueError) as error:
                refused += 1
                assert len(str(error)) > 30, error
                continue
        bounded += 1
        assert steepest(model, shape, seed) <= found * (1 + 1e-7) + 1e-9, f"seed {seed}: {model}"
    assert bounded > refused  # or this would say little


def random_convolution(seed):
    """A kernel and its geometry, often of maps that hardly hold it, with weights of any size."""
    rng, generator = random.Random(seed), torch.Generator().manual_seed(seed)
    groups = rng.randint(1, 2)
    inputs, outputs = groups * rng.randint(1, 3), groups * rng.randint(1, 3)
    longest = rng.choice([3, 9, 14])
    size = rng.randint(1, longest), rng.randint(1, longest)
    shape = outputs, inputs // groups, rng.randint(1, 4), rng.randint(1, 4)
    weight = torch.randn(shape, generator=generator, dtype=torch.float64)
    uniform = torch.rand(shape, generator=generator, dtype=torch.float64)
    weight = rng.choice(
        [
            weight,
            weight * 10.0 ** rng.randint(-250, 250),
            weight * 10 ** (16 * uniform - 8).round(),
            weight * (uniform < 0.3),
            torch.ones_like(weight),
            uniform,
        ]
    )
    geometry = {
        "stride": (rng.randint(1, 5), rng.randint(1, 5)),
        "padding": (rng.randint(0, 4), rng.randint(0, 4)),
        "dilation": (rng.randint(1, 3), rng.randint(1, 3)),
        "groups": groups,
    }
    return weight, size, geometry


@pytest.mark.parametrize("part", range(PARTS))
def test_norms_of_random_convolutions_are_enclosed(part):
    done = 0
    for seed in range(part, CONVOLUTIONS, PARTS):
        weight, size, geometry = random_convolution(seed)
        try:
            with an_end():
                found = conv_norm(weight, size, **geometry)
        except ValueError as error:
            assert "does not fit" in str(error)
            continue
        done += 1
        scale = weight.abs().max().item() or 1.0
        channels = weight.shape[1] * geometry["groups"]
        impulses = torch.eye(channels * math.prod(size), dtype=torch.float64)
        matrix = F.conv2d(impulses.view(-1, channels, *size), weight / scale, **geometry).flatten(1)
        norm = torch.linalg.matrix_norm(matrix, 2).item() * scale
        assert norm * (1 - 1e-13) <= found <= 1.001 * norm, f"seed {seed}: {size}, {geometry}"
    assert done > CONVOLUTIONS / PARTS / 2
