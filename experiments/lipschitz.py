"""Compare bounds and estimates of the norms of convolutions: one run, one table; and Table 5.

Everything runs in one process with one thread; costs are comparable within a run only.
"""

import importlib.metadata
import platform
import time
from collections.abc import Iterator, Sequence

import torch
from torch import nn
from tqdm import tqdm

from blindspots import LabelledImages, dense_norm, load_images, trained
from blindspots.imagenet import load_alexnet
from experiments.command import Results, parser, store_results
from experiments.lipschitz_methods import METHODS, Layer, exact


def main(words: Sequence[str] | None = None) -> None:
    arguments = parser(__file__, __doc__).parse_args(words)
    torch.set_num_threads(1)
    data = load_images(split="train")
    model, pretrained = load_alexnet()
    layers = [*book_layers(data), *resnet_layers(), *alexnet_layers(model)]
    small = Layer("", "", torch.randn(2, 2, 3, 3), 6, 1, 1)
    for method in METHODS.values():  # loaded before the clock runs
        method(small)
    rows = []
    for layer in (bar := tqdm(layers)):
        bar.set_description(f"{layer.network} {layer.name}")
        rows.append(measure(layer))
    linear = [m for m in model.modules() if isinstance(m, nn.Linear)]
    dense = {f"FC. {i}": dense_norm(layer.weight) for i, layer in enumerate(linear, start=1)}
    libraries = "torch", "torchvision", "scipy"
    store_results(
        arguments,
        data.name,
        device=f"{platform.machine()} CPU",
        versions={name: importlib.metadata.version(name) for name in libraries},
        alexnet_pretrained=pretrained,
        alexnet_dense=dense,
        rows=rows,
    )


def measure(layer: Layer) -> Results:
    """Compute the norm by all methods, and what each costs."""
    values, seconds = {}, {}
    for name, method in METHODS.items():
        start = time.process_time()
        values[name] = method(layer)
        seconds[name] = time.process_time() - start
    return {
        "network": layer.network,
        "layer": layer.name,
        "shape": list(layer.weight.shape),
        "size": layer.size,
        "stride": layer.stride,
        "padding": layer.padding,
        "exact": exact(layer),
        "values": values,
        "cpu_seconds": seconds,
    }


def book_layers(data: LabelledImages) -> Iterator[Layer]:
    """Give those of the book's convolutional network, trained."""
    size = data.images.shape[2]
    model = trained("convnet", data, progress=True)
    convolutions = [m for m in model if isinstance(m, nn.Conv2d)]
    for number, layer in enumerate(convolutions, start=1):
        yield Layer("convnet", f"Conv. {number}", layer.weight.detach(), size, 1, 1)
        size //= 2


def resnet_layers() -> Iterator[Layer]:
    """Give all nineteen of a ResNet-20 for 32 x 32 images, at their initial weights."""
    generator = torch.Generator().manual_seed(0)
    size, inputs, number = 32, 3, 0
    for outputs, stride, times in ((16, 1, 7), (32, 2, 1), (32, 1, 5), (64, 2, 1), (64, 1, 5)):
        for _ in range(times):
            weight = torch.empty(outputs, inputs, 3, 3)
            nn.init.kaiming_normal_(weight, generator=generator)
            number += 1
            yield Layer("ResNet-20", f"Conv. {number}", weight, size, stride, 1)
            size, inputs = size // stride, outputs


def alexnet_layers(model: nn.Module) -> Iterator[Layer]:
    """Give all five, at 224 x 224 pixels."""
    sizes = 224, 27, 13, 13, 13
    convolutions = [m for m in model.modules() if isinstance(m, nn.Conv2d)]
    for number, (layer, size) in enumerate(zip(convolutions, sizes, strict=True), start=1):
        weight, stride, padding = layer.weight.detach(), layer.stride[0], int(layer.padding[0])
        yield Layer("AlexNet", f"Conv. {number}", weight, size, stride, padding)


if __name__ == "__main__":
    main()
