"""The networks under study: images in [0, 1] go in, logits come out."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TypeVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from blindspots.data import LabelledImages

Layer = TypeVar("Layer", nn.Linear, nn.Conv2d)


def mlp(
    widths: Sequence[int],
    *,
    activation: Callable[[], nn.Module] = nn.Sigmoid,
    generator: torch.Generator | None = None,
) -> nn.Sequential:
    """Make a fully connected network: flatten, linear, activation, ..., linear.

    Args:
        widths: number of pixels, of units in each hidden layer, of classes; `(784, 100, 100, 10)`
            is the paper's FC100-100-10, `(784, 10)` its FC10.
        activation: makes one layer of nonlinearities; the paper's networks are sigmoid (Table 1).
        generator: source of the weights (Glorot uniform; biases are zero), and of their device.

    Raises:
        ValueError: if fewer than two widths are given, or one is not positive.

    >>> mlp((64, 100, 10))(torch.zeros(5, 1, 8, 8)).shape
    torch.Size([5, 10])
    """
    if len(widths) < 2 or min(widths) < 1:
        raise ValueError(f"widths must be two or more positive numbers, got {tuple(widths)}")
    layers: list[nn.Module] = [nn.Flatten()]
    for inputs, outputs in pairwise(widths):
        layers += [make_layer(nn.Linear, inputs, outputs, generator=generator), activation()]
    return nn.Sequential(*layers[:-1])


def convnet(
    input_shape: tuple[int, int, int],
    *,
    channels: Sequence[int],
    classes: int = 10,
    activation: Callable[[], nn.Module] = nn.ReLU,
    generator: torch.Generator | None = None,
) -> nn.Sequential:
    """Make a small convolutional network: (3x3 convolution, activation, max-pooling)..., linear.

    The paper names convolutional networks (section 3) without describing them; this one is ours.

    Args:
        input_shape: channels, height and width of one image.
        channels: output channels of each convolution; each halves the image.
        classes: number of logits.
        activation: makes one layer of nonlinearities.
        generator: source of the initial weights; the network is made on its device.

    Raises:
        ValueError: if the image is too small to be halved that often.
    """
    inputs, height, width = input_shape
    if min(height, width) >> len(channels) < 1:
        raise ValueError(
            f"an image of {height} x {width} cannot be halved {len(channels)} times: "
            "use fewer channels"
        )
    layers: list[nn.Module] = []
    for outputs in channels:
        convolution = make_layer(nn.Conv2d, inputs, outputs, 3, padding=1, generator=generator)
        layers += [convolution, activation(), nn.MaxPool2d(2)]
        inputs, height, width = outputs, height // 2, width // 2
    head = make_layer(nn.Linear, inputs * height * width, classes, generator=generator)
    return nn.Sequential(*layers, nn.Flatten(), head)


def evaluate(
    function: Callable[[Tensor], Tensor],
    images: Float[Tensor, "n *shape"],
    *,
    batch_size: int = 1000,
) -> Float[Tensor, "n *features"]:
    """Apply a model, or a part of one (`model[:-1]`), to many images, without gradients."""
    with torch.no_grad():
        return torch.cat([function(batch) for batch in images.split(batch_size)])


def predict(
    model: Callable[[Tensor], Tensor], images: Float[Tensor, "n *shape"]
) -> Int[Tensor, "n"]:
    """Find the class with the largest logit (or other score), per image."""
    return evaluate(model, images).argmax(dim=1)


def margin(
    logits: Float[Tensor, "n k"], targets: Int[Tensor, "n"], rivals: Bool[Tensor, "n k"]
) -> Float[Tensor, "n"]:
    """Subtract the target's logit from the rivals' largest: negative where the target beats them.

    >>> logits = torch.tensor([[-1.0, -3.0, -2.0]])
    >>> margin(logits, torch.tensor([1]), torch.tensor([[True, False, True]]))
    tensor([2.])
    """
    best = logits.masked_fill(~rivals, -torch.inf).amax(dim=1)
    return best - logits.gather(1, targets[:, None])[:, 0]


def error_rate(
    model: Callable[[Tensor], Tensor], images: Float[Tensor, "n *shape"], labels: Int[Tensor, "n"]
) -> float:
    """Compute the share of images, in [0, 1], whose predicted class is not their label.

    Raises:
        ValueError: if there are no images, or not one label per image.
    """
    if len(images) == 0 or labels.shape != images.shape[:1]:
        raise ValueError(
            f"{len(images)} images and labels of shape {tuple(labels.shape)} give no error rate: "
            "pass at least one image and one label for each"
        )
    return (predict(model, images) != labels).double().mean().item()


def correctly_classified(model: Callable[[Tensor], Tensor], data: LabelledImages) -> LabelledImages:
    """Select the images whose predicted class is their label; there may be none."""
    return data[predict(model, data.images) == data.labels]


def refuse_training_mode(model: nn.Module) -> None:
    """Raise a ValueError if a part of the model would behave otherwise when it is used."""
    if any(module.training for module in model.modules()):
        raise ValueError("the model is in training mode: call model.eval() first")


def make_layer(
    kind: type[Layer], *sizes: int, generator: torch.Generator | None, **options: int
) -> Layer:
    """Make a layer on the generator's device, its weights Glorot uniform and its biases zero."""
    device = "cpu" if generator is None else generator.device
    layer = nn.utils.skip_init(kind, *sizes, device=device, **options)
    nn.init.xavier_uniform_(layer.weight, generator=generator)
    nn.init.zeros_(layer.bias)
    return layer
