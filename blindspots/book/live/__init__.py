"""The book's attacks, live in a page: without kernel, server or network."""

import base64
import copy
import hashlib
import html
import inspect
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlencode

import torch
from IPython.display import HTML
from jaxtyping import Float, Int
from torch import Tensor, nn

from blindspots.attack import (
    _problem,
    boundary,
    box,
    classes,
    lbfgs,
    nearest,
    polytope,
    projections,
    walk,
)
from blindspots.book.figures import image_url
from blindspots.bounds.layers import pair_bounds
from blindspots.data import LabelledImages
from blindspots.networks import refuse_training_mode

SCRIPTS = "core.js", "draw.js", "page.js"
OF_DIGITS, OF_FILES = 16, 255  # the largest grey level of the digits, and of all other images
HERE = Path(__file__).parent


def live_attack(
    networks: Mapping[str, nn.Sequential],
    images: Float[Tensor, "n 1 side side"],
    labels: Int[Tensor, "n"],
    *,
    still: Float[Tensor, "h w"] | None = None,
) -> HTML:
    """Show a page in which a reader attacks the networks: the same algorithm, in JavaScript.

    It is one piece of HTML with everything in it, for a cell of a notebook or a page of the book.
    The weights are rounded to 16 bits, and certified radii are those of the rounded networks (see
    `rounded`).

    Args:
        networks: in evaluation mode, by name: chains of flattening, linear layers, convolutions
            with an odd kernel that keep the size of the picture, sigmoids, ReLUs, and max-pooling
            of two by two. All of the same classes.
        images: to choose from, square and grey, in [0, 1]; rounded to grey levels.
        labels: their true classes.
        still: a picture in its place where no script runs: in print, or where it is turned off.

    Raises:
        ValueError: if a network is in training mode, the images are not square and grey, or labels
            or pixels are not those of `LabelledImages`.
        NotImplementedError: if a network has another layer; it is named.
    """
    if images.ndim != 4 or images.shape[1] != 1 or images.shape[2] != images.shape[3]:
        raise ValueError(
            f"images must be square and grey, (n, 1, side, side), got {tuple(images.shape)}"
        )
    LabelledImages(images, labels, "to choose from")  # refuses what does not fit
    levels = grey_levels(images)
    shape = tuple(images.shape[1:])
    described = {name: describe(network, shape, name) for name, network in networks.items()}
    content = {
        "constants": constants(),
        "networks": [{"name": name, **parts} for name, parts in described.items()],
        "side": images.shape[2],
        "levels": levels,
        "images": _encode(_levels(images, levels)),
        "labels": labels.tolist(),
    }
    data = json.dumps(content, separators=(",", ":")).replace("<", "\\u003c")
    name = "live-" + hashlib.sha256(data.encode()).hexdigest()[:8]
    scripts = "\n".join(_read(script) for script in SCRIPTS)
    picture = ""
    if still is not None:
        picture = (
            f"<figure><img alt='Two digits, twice' src='{image_url(still)}'>"
            "<figcaption>Images, and what the attack makes of them.</figcaption></figure>"
        )
    return HTML(
        f"<style>{_read('page.css')}</style>"
        f"<div class='live' id='{html.escape(name)}'>"
        "<div class='live-still'><p>In a browser that runs scripts you can attack the "
        f"networks here; this is what comes out.</p>{picture}</div></div>"
        f"<script type='application/json' id='{name}-data'>{data}</script>"
        f"<script>(() => {{\n{scripts}\nblindspotsPage('{name}');\n}})();</script>"
    )


def live_link(
    image: Float[Tensor, "1 side side"],
    network: str,
    target: int,
    *,
    data: LabelledImages,
    attack: Literal["lbfgs", "nearest"] = "lbfgs",
) -> HTML:
    """Link from a chapter to the book's live page, where this image is attacked at once.

    Args:
        image: with pixels in [0, 1]; its values travel in the link.
        network: its name on that page.
        target: the class that the network shall see.
        data: the data set of the page, whose grey levels the image must have.
        attack: the paper's search, or the nearest attack.

    Raises:
        ValueError: if the image is not like those of the page.

    >>> from blindspots import load_images
    >>> digits = load_images("digits", split="test")
    >>> link = live_link(digits.images[0], "convnet", 3, data=digits)
    >>> "attack_it_yourself.html#live" in link.data
    True
    """
    if image.shape != data.images.shape[1:]:
        raise ValueError(
            f"the page shows images of {tuple(data.images.shape[1:])}, got {tuple(image.shape)}"
        )
    LabelledImages(image[None], torch.zeros(1, dtype=torch.long), "to attack")  # checks its pixels
    levels = _levels(image, grey_levels(data.images))
    pixels = base64.urlsafe_b64encode(levels.cpu().numpy().tobytes()).decode()
    state = {"i": "drawn", "n": network, "t": target, "a": attack, "f": 1, "d": pixels}
    address = f"../attack_it_yourself.html#live&{urlencode(state)}"
    return HTML(
        f'<a class="live-link" href="{html.escape(address)}">Attack this image in the page '
        "<em>Attack it yourself</em></a>"
    )


def grey_levels(images: Tensor) -> int:
    """Say into how many grey levels these images are divided: those of the digits, or of files."""
    coarse = images * OF_DIGITS
    return OF_DIGITS if torch.equal(coarse.round(), coarse) else OF_FILES


def rounded(network: nn.Sequential) -> nn.Sequential:
    """Copy a network with its weights rounded to 16 bits, in 64: that which the page attacks.

    >>> network = nn.Sequential(nn.Flatten(), nn.Linear(4, 2)).eval()
    >>> rounded(network)[1].weight.dtype
    torch.float64
    """
    return copy.deepcopy(network).cpu().half().double()


def describe(network: nn.Sequential, shape: tuple[int, ...], name: str) -> dict[str, Any]:
    """Describe a network to the page: its layers, with weights, and bounds on pairs of logits."""
    refuse_training_mode(network)
    exact, described, point = rounded(network), [], torch.zeros(1, *shape, dtype=torch.float64)
    for number, layer in enumerate(exact):
        described.append(_layer(layer, tuple(point.shape[1:]), f"layer {number} of {name}"))
        point = layer(point)
    return {"layers": described, "bounds": pair_bounds(exact, shape).tolist()}


def constants() -> dict[str, Any]:
    """Give the constants of both attacks, by the names that the script has for them."""
    given: dict[str, Any] = {"LBFGS_AIM": lbfgs.AIM, "NEAREST_AIM": projections.AIM}
    given |= {"PENALTIES": _default(lbfgs.lbfgs_attack, "penalties")}
    given |= {"PROJECTIONS": _default(nearest.nearest_attack, "projections")}
    for module in (_problem, box, lbfgs, polytope, projections, walk, boundary, classes, nearest):
        for key, value in vars(module).items():
            if key.isupper() and isinstance(value, (int, float, tuple)):
                assert key == "AIM" or given.get(key, value) == value, f"there are two {key}"
                given[key] = value
    return given


def _default(function: Callable[..., Any], option: str) -> Any:
    return inspect.signature(function).parameters[option].default


def _layer(layer: nn.Module, shape: tuple[int, ...], name: str) -> dict[str, Any]:
    match layer:
        case nn.Flatten(start_dim=1, end_dim=-1):
            return {"kind": "flatten"}
        case nn.Linear():
            return {"kind": "linear", **_weights(layer)}
        case nn.Conv2d() if _keeps_size(layer):
            side = layer.kernel_size[0]
            size = {"side": side, "height": shape[1], "width": shape[2]}
            return {"kind": "conv", **_weights(layer), **size}
        case nn.Sigmoid():
            return {"kind": "sigmoid"}
        case nn.ReLU():
            return {"kind": "relu"}
        case nn.MaxPool2d() if _halves(layer):
            return dict(zip(("kind", "channels", "height", "width"), ("pool", *shape), strict=True))
    raise NotImplementedError(
        f"{name} is {layer}, which the page cannot compute: use flattening, linear layers, "
        "convolutions with an odd kernel that keep the size, sigmoids, ReLUs, max-pooling by two"
    )


def _weights(layer: nn.Linear | nn.Conv2d) -> dict[str, Any]:
    weight = layer.weight
    bias = weight.new_zeros(len(weight)) if layer.bias is None else layer.bias
    kept = {"weight": _encode(weight.half()), "bias": _encode(bias.half())}
    return kept | {"outputs": weight.shape[0], "inputs": weight.shape[1]}


def _keeps_size(layer: nn.Conv2d) -> bool:
    side, reach = layer.kernel_size[0], layer.kernel_size[0] // 2
    padded = layer.padding in ("same", (reach, reach)) and layer.padding_mode == "zeros"
    plain = layer.stride == layer.dilation == (1, 1) and layer.groups == 1
    return layer.kernel_size == (side, side) and side % 2 == 1 and padded and plain


def _halves(layer: nn.MaxPool2d) -> bool:
    given = layer.kernel_size, layer.stride, layer.padding, layer.dilation, layer.ceil_mode
    return given in ((2, 2, 0, 1, False), ((2, 2), (2, 2), 0, 1, False))


def _levels(images: Tensor, levels: int) -> Tensor:
    return (images * levels).round().to(torch.uint8)


def _encode(numbers: Tensor) -> str:
    return base64.b64encode(numbers.detach().cpu().contiguous().numpy().tobytes()).decode()


def _read(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")
