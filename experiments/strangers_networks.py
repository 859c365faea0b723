"""Networks of many kinds that the attacks were not made on, small enough to train in a minute.

What may be chosen by them (constants of the attack) is chosen on the first of `HALVES`; the second
half judges it.
"""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations, parametrize
from tqdm import tqdm

from blindspots import LabelledImages
from blindspots.attack.adversaries import pgd
from blindspots.imagenet import Residual

STEPS = 2000
BATCH = 64
LEARNING_RATE = 2e-3
SIZE = 0.05  # of the perturbations of adversarial training: distortion, in units of the pixels


def conv(
    into: int, out: int, activation: type[nn.Module] = nn.ReLU, *, size: int = 3, stride: int = 1
) -> list[nn.Module]:
    return [nn.Conv2d(into, out, size, stride, padding=size // 2), activation()]


def normed(
    into: int, out: int, *, size: int = 3, stride: int = 1, groups: int = 1
) -> list[nn.Module]:
    layer = nn.Conv2d(into, out, size, stride, size // 2, groups=groups, bias=False)
    return [layer, nn.BatchNorm2d(out), nn.ReLU()]


def separable(into: int, out: int, *, stride: int = 1) -> list[nn.Module]:
    return [*normed(into, into, stride=stride, groups=into), *normed(into, out, size=1)]


def dense(*widths: int, activation: type[nn.Module] = nn.ReLU) -> list[nn.Module]:
    layers: list[nn.Module] = [nn.Flatten()]
    for width in widths:
        layers += [nn.LazyLinear(width), activation()]
    return layers


def layer_normed(*widths: int) -> list[nn.Module]:
    layers: list[nn.Module] = [nn.Flatten()]
    for width in widths:
        layers += [nn.LazyLinear(width), nn.LayerNorm(width), nn.GELU()]
    return layers


def pooled(pool: nn.Module) -> list[nn.Module]:
    return [*conv(1, 16), pool, *conv(16, 32), pool, *dense(64)]


def strided(activation: type[nn.Module]) -> list[nn.Module]:
    return [*conv(1, 16, activation), *conv(16, 32, activation, stride=2), *dense(64)]


def residual() -> list[nn.Module]:
    blocks = [Residual(*normed(16, 16), *normed(16, 16)) for _ in range(3)]
    return [*normed(1, 16, stride=2), *blocks, nn.AvgPool2d(2), nn.Flatten()]


# Everything below the last linear layer.
KINDS: dict[str, Callable[[], list[nn.Module]]] = {
    "batch norm": lambda: [*normed(1, 16), *normed(16, 32, stride=2), *normed(32, 32, stride=2)],
    "residual": residual,
    "max-pooling": lambda: pooled(nn.MaxPool2d(2)),
    "overlapping pools": lambda: pooled(nn.MaxPool2d(3, stride=2, padding=1)),
    "large pools": lambda: [*conv(1, 24, size=5), nn.MaxPool2d(4), *dense(100)],
    "GELU": lambda: strided(nn.GELU),
    "LeakyReLU": lambda: strided(nn.LeakyReLU),
    "tanh": lambda: dense(200, 200, activation=nn.Tanh),
    "depthwise": lambda: [*normed(1, 16), *separable(16, 32, stride=2), *separable(32, 32)],
    "wide": lambda: dense(2000),
    "deep": lambda: dense(*[64] * 8),
    "layer norm": lambda: layer_normed(128, 128, 128),
    "adversarially trained": lambda: pooled(nn.MaxPool2d(2)),
    "spectrally normalised": lambda: strided(nn.ReLU),
    "nearly linear": lambda: dense(100, 100),
    "batch norm, wide": lambda: [nn.Flatten(), nn.LazyLinear(300), nn.BatchNorm1d(300), nn.ReLU()],
}
HALVES = list(KINDS)[::2], list(KINDS)[1::2]


def build(kind: str, data: LabelledImages) -> nn.Sequential:
    """Build a network with random weights, the same in every call."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Sequential(*KINDS[kind](), nn.Flatten(), nn.LazyLinear(10))
        model(data.images[:2])
        if kind == "spectrally normalised":
            for layer in model:
                if isinstance(layer, nn.Conv2d | nn.Linear):
                    parametrizations.spectral_norm(layer)
    return model.to(data.images.device)


def train_stranger(kind: str, data: LabelledImages, *, steps: int = STEPS) -> nn.Sequential:
    """Build and train a network as one trains them anywhere: Adam, a cosine, cross-entropy."""
    model = build(kind, data)
    generator = torch.Generator().manual_seed(0)
    decay = 1.0 if kind == "nearly linear" else 0.0
    adam = torch.optim.AdamW(model.parameters(), LEARNING_RATE, weight_decay=decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(adam, steps)
    for _ in tqdm(range(steps), desc=kind, leave=False):
        batch = data[torch.randint(len(data), (BATCH,), generator=generator)]
        images = batch.images
        if kind == "adversarially trained":
            images = pgd(model.eval(), images, batch.labels, size=SIZE, steps=5)
        adam.zero_grad()
        F.cross_entropy(model.train()(images), batch.labels).backward()
        adam.step()
        schedule.step()
    for layer in model:
        if parametrize.is_parametrized(layer):  # the attacks shall not pay for it
            parametrize.remove_parametrizations(layer, "weight")
    return model.eval().requires_grad_(False)
