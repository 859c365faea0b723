"""The paper's networks by their names in Table 1, trained on first use and then cached."""

import hashlib
import re
import time
import warnings
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from blindspots._resumable import atomic_write, fingerprint, read_verified
from blindspots.data import LabelledImages, cache_folder
from blindspots.networks import convnet, evaluate, mlp
from blindspots.training import BATCH_SIZE, fit, fit_sparse_autoencoder, fit_to_convergence

# Networks trained by other code, or by another PyTorch, are other networks.
CODE = fingerprint(
    *(Path(__file__).with_name(f"{name}.py") for name in ("networks", "training", "zoo"))
)
LEAST_STEPS = 2000  # so that a small data set still gets a trained network


@dataclass(frozen=True)
class Recipe:
    """How a named network is built and trained.

    Attributes:
        hidden: units of each hidden layer, or channels of each convolution.
        weight_decay: one factor per linear or convolutional layer that is trained with labels,
            input side first, as in the paper's Table 1 (the convnet's are ours).
        method: `"convergence"` (L-BFGS on all images), `"batches"` (Adam), or `"autoencoder"` (the
            hidden layer by Adam without labels, then the softmax until convergence).
        epochs: passes of Adam through the training set.
        learning_rate: of Adam, the initial one.
        convolutional: whether the hidden layers are convolutions.
        activation: of the hidden layers.
    """

    hidden: tuple[int, ...]
    weight_decay: tuple[float, ...]
    method: Literal["convergence", "batches", "autoencoder"]
    epochs: float = 0
    learning_rate: float = 0.0
    convolutional: bool = False
    activation: type[nn.Module] = nn.Sigmoid


def trained(
    name: str, data: LabelledImages, *, seed: int = 0, progress: bool = False
) -> nn.Sequential:
    """Train the named network on the data the first time; read it from the cache afterwards.

    The cache (`BLINDSPOTS_CACHE`, or the user's cache folder) knows a network by its recipe, seed,
    data and device type, by the code that builds and trains it and by the version of PyTorch. A
    file appears in it only when it is complete, and is verified by checksum when it is read; a
    damaged one is reported and retrained. Where it cannot be written, the network is returned with
    a warning.

    Args:
        name: a key of `RECIPES`.
        data: the training set; the network is trained and returned on its device.
        seed: of the initial weights and of the order of the images.
        progress: show a progress bar while training.

    Returns:
        The network in evaluation mode; none of its parameters requires a gradient.

    Raises:
        ValueError: if there is no recipe of that name, or there are no data.
    """
    file = _cache_file(name, data, seed)
    recipe, generator = RECIPES[name], torch.Generator().manual_seed(seed)
    network = _build(recipe, data, generator)
    weights = read_verified(file, _parse, _checksum, remedy="training again")
    if weights is None:
        start = time.perf_counter()
        _train(recipe, network, data, generator, progress)
        _keep(network, file, time.perf_counter() - start)
    else:
        network.load_state_dict(weights)
    return network.requires_grad_(False).eval()


def untrained(name: str, data: LabelledImages, *, seed: int = 0) -> nn.Sequential:
    """Make the named network as it is before `trained` trains it: a control for what training adds.

    Args:
        name: a key of `RECIPES`.
        data: the training set that it would get, which decides its shape and device.
        seed: of the initial weights.

    Raises:
        ValueError: if there is no recipe of that name, or there are no data.
    """
    _check(name, data)
    network = _build(RECIPES[name], data, torch.Generator().manual_seed(seed))
    return network.requires_grad_(False).eval()


def training_seconds(name: str, data: LabelledImages, *, seed: int = 0) -> float:
    """Tell how long the cached network took to train, in seconds on the machine that did it.

    Raises:
        FileNotFoundError: if it has not been trained yet.
    """
    file = _cache_file(name, data, seed)
    if not file.exists():
        raise FileNotFoundError(f"{name} is not trained on these data yet: call trained first")
    with safetensors.safe_open(file, "pt") as content:
        return float(content.metadata()["seconds"])


def _build(recipe: Recipe, data: LabelledImages, generator: torch.Generator) -> nn.Sequential:
    channels, height, width = data.images.shape[1:]
    classes = int(data.labels.max()) + 1
    if recipe.convolutional:
        make = partial(convnet, (channels, height, width), channels=recipe.hidden, classes=classes)
    else:
        make = partial(mlp, (channels * height * width, *recipe.hidden, classes))
    network = make(activation=recipe.activation, generator=generator)
    return network.to(data.images.device)


def _train(
    recipe: Recipe,
    network: nn.Sequential,
    data: LabelledImages,
    generator: torch.Generator,
    progress: bool,
) -> None:
    adam: dict[str, Any] = {
        "steps": max(LEAST_STEPS, round(recipe.epochs * len(data) / BATCH_SIZE)),
        "learning_rate": recipe.learning_rate,
        "generator": generator,
        "progress": progress,
    }
    if recipe.method == "batches":
        fit(network, data, weight_decay=recipe.weight_decay, **adam)
        return
    if recipe.method == "autoencoder":
        encoder, head = network[1], network[-1]
        assert isinstance(encoder, nn.Linear)
        fit_sparse_autoencoder(encoder, data, **adam)
        # Only the head is trained with labels, and all it ever sees is the frozen encoder's output.
        features = evaluate(network.eval()[:-1], data.images)[:, :, None, None]
        data = LabelledImages(features, data.labels, data.name)
        network = nn.Sequential(nn.Flatten(), head)
    fit_to_convergence(network, data, weight_decay=recipe.weight_decay, progress=progress)


_SIGMOID = Recipe((100, 100), (1e-5, 1e-5, 1e-6), "batches", epochs=33, learning_rate=2e-3)

#: Recipes by name, first those of the paper's Table 1 in its order, then another of its Table 3,
#: and ours.
RECIPES: dict[str, Recipe] = {
    "FC10(1e-4)": Recipe((), (1e-4,), "convergence"),
    "FC10(1e-2)": Recipe((), (1e-2,), "convergence"),
    "FC10(1)": Recipe((), (1.0,), "convergence"),
    "FC100-100-10": _SIGMOID,
    "FC200-200-10": replace(_SIGMOID, hidden=(200, 200)),
    "AE400-10": Recipe((400,), (1e-6,), "autoencoder", epochs=17, learning_rate=1e-3),
    "FC123-456-10": replace(_SIGMOID, hidden=(123, 456)),
    "convnet": Recipe(
        (16, 32),
        (1e-5, 1e-5, 1e-5),
        "batches",
        epochs=7.5,
        learning_rate=3e-3,
        convolutional=True,
        activation=nn.ReLU,
    ),
    "FC100-100-10, ReLU": replace(_SIGMOID, activation=nn.ReLU),
}


def _check(name: str, data: LabelledImages) -> None:
    if name not in RECIPES:
        raise ValueError(f"there is no recipe for {name!r}: use one of {', '.join(RECIPES)}")
    if len(data) == 0:
        raise ValueError(f"{name} cannot be trained on no images: pass a training set")


def _cache_file(name: str, data: LabelledImages, seed: int) -> Path:
    _check(name, data)
    device = data.images.device.type
    identity = hashlib.sha256(f"{CODE} {RECIPES[name]} {device} {seed} ".encode())
    for tensor in (data.images, data.labels):
        identity.update(repr(tuple(tensor.shape)).encode())
        identity.update(tensor.contiguous().cpu().numpy().data)
    slug = re.sub(r"[^a-zA-Z0-9]+", "-", f"{name}-{data.name}")[:80].strip("-")
    return cache_folder() / f"{slug}-{identity.hexdigest()[:16]}.safetensors"


def _parse(file: Path) -> tuple[dict[str, Tensor], str]:
    with safetensors.safe_open(file, "pt") as content:
        metadata = content.metadata() or {}
    return safetensors.torch.load_file(file), metadata["sha256"]


def _keep(network: nn.Module, file: Path, seconds: float) -> None:
    """Write the network into the cache, if that is possible; what was trained is not lost."""
    weights = {name: weight.detach().cpu() for name, weight in network.state_dict().items()}
    metadata = {"seconds": f"{seconds:.2f}", "sha256": _checksum(weights)}
    try:
        with atomic_write(file) as scratch:
            safetensors.torch.save_file(weights, scratch, metadata)
    except (KeyboardInterrupt, OSError, SafetensorError) as error:
        warnings.warn(
            f"the trained network could not be written to {file} ({error!r}), so it will be "
            "trained again the next time: make room there, or set BLINDSPOTS_CACHE to a folder "
            "that can be written",
            stacklevel=3,
        )


def _checksum(weights: dict[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(weights):
        digest.update(name.encode() + weights[name].contiguous().numpy().tobytes())
    return digest.hexdigest()
