"""The networks under study: images in [0, 1] go in, logits come out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise, product
from typing import Any, TypeVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from blindspots.data import LabelledImages, class_numbers, refuse_other_than_tensors

Layer = TypeVar("Layer", nn.Linear, nn.Conv2d)
WIDTHS, RIDGES = (0.25, 0.5, 1.0, 2.0), (0.001, 0.01, 0.1)  # of kernel machines to choose from


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


class KernelMachine(nn.Module):
    """Learn the labels by ridge regression with a Gaussian kernel.

    For comparison: the paper sets the smoothness of such machines against networks (section 4).

    Args:
        data: what it learns; its images become part of the machine.
        width: of the kernel, as a multiple of the median distance of two images; positive.
        ridge: how strongly large weights are avoided; positive.

    >>> data = LabelledImages(torch.eye(3).view(3, 1, 1, 3), torch.arange(3), "three")
    >>> predict(KernelMachine(data), data.images)
    tensor([0, 1, 2])
    """

    def __init__(self, data: LabelledImages, *, width: float = 1.0, ridge: float = 0.01) -> None:
        super().__init__()
        self.options = {"width": width, "ridge": ridge}
        self.points = nn.Buffer(data.images.flatten(1))
        self.width = nn.Buffer(width * torch.cdist(self.points, self.points[:500]).median())
        gram = self.kernel(data.images).double()  # a small ridge is lost in 32 bits
        gram.diagonal().add_(ridge)
        wanted = nn.functional.one_hot(data.labels).double()
        self.weights = nn.Buffer(torch.linalg.solve(gram, wanted).to(self.points.dtype))
        self.eval()

    @classmethod
    def chosen(cls, data: LabelledImages, held_out: LabelledImages) -> "KernelMachine":
        """Fit with several widths and ridges; keep what classifies most held-out images correctly.

        Widths of a quarter to twice the median distance, ridges of 0.001 to 0.1.
        """
        machines = (cls(data, width=width, ridge=ridge) for width, ridge in product(WIDTHS, RIDGES))
        return min(machines, key=lambda m: error_rate(m, held_out.images, held_out.labels))

    def kernel(self, images: Float[Tensor, "n *shape"]) -> Float[Tensor, "n points"]:
        """Compare images with those that were learnt from: 1 where they are equal."""
        apart = torch.cdist(images.flatten(1), self.points)
        return (-(apart / self.width).square()).exp()

    def forward(self, images: Float[Tensor, "n *shape"]) -> Float[Tensor, "n k"]:
        """Give the scores of all classes."""
        return self.kernel(images) @ self.weights


def evaluate(
    function: Callable[[Tensor], Tensor],
    images: Float[Tensor, "n *shape"],
    *,
    batch_size: int = 1000,
) -> Float[Tensor, "n *features"]:
    """Apply a model, or a part of one (`model[:-1]`), to many images, without gradients.

    It is given a copy of them, so that steps in place do not change what the caller has.

    Raises:
        ValueError: if the model is in training mode, normalises by the statistics of a batch,
            cannot take the images, or does not return one tensor with a row per image.
    """
    refuse_training_mode(function)
    refuse_other_than_tensors(images)
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}")
    with torch.no_grad():
        parts = [_call(function, batch.clone()) for batch in images.split(batch_size)]
    if sum(part.shape[0] if part.ndim else 0 for part in parts) != len(images):
        raise ValueError(
            f"the model returned shape {tuple(parts[0].shape)} for {min(batch_size, len(images))} "
            "images: it must return one row per image"
        )
    return torch.cat(parts)


def predict(
    model: Callable[[Tensor], Tensor], images: Float[Tensor, "n *shape"]
) -> Int[Tensor, "n"]:
    """Find the class with the largest logit (or other score), per image.

    Raises:
        ValueError: if the model is in training mode, normalises by the statistics of a batch, or
            does not return one row of two or more scores per image.
    """
    return compute_logits(model, images).argmax(dim=1)


def compute_logits(
    model: Callable[[Tensor], Tensor], images: Float[Tensor, "n *shape"]
) -> Float[Tensor, "n k"]:
    """Compute the logits of many images, in batches, without gradients.

    Raises:
        ValueError: as `evaluate`, and as `classify`.
    """
    refuse_training_mode(model)
    return evaluate(partial(classify, model), images)


def classify(
    model: Callable[[Tensor], Tensor], images: Float[Tensor, "n *shape"]
) -> Float[Tensor, "n k"]:
    """Call a model; refuse what it returns if that is not one row of logits per image.

    Every public function that needs logits comes by here. A tuple, a dictionary or an object with
    `.logits` is refused: which entry counts is for the caller to say.

    Raises:
        ValueError: if the model cannot take the images, or returns anything else.
    """
    logits = _call(model, images)
    if logits.shape[:1] != images.shape[:1] or logits.ndim != 2 or logits.shape[1] < 2:
        raise ValueError(
            f"the model returned shape {tuple(logits.shape)} for {len(images)} images: it must "
            "return one row of two or more logits per image"
        )
    if not logits.is_floating_point():
        raise ValueError(f"the model returns {logits.dtype}: logits are floating point numbers")
    if logits.isnan().any():
        raise ValueError("the model returned NaN: check its weights and the images")
    return logits


def _call(function: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    try:
        outputs = function(images)
    except RuntimeError as error:
        if isinstance(error, torch.OutOfMemoryError):
            raise
        raise ValueError(
            f"the model does not take {images.dtype} images of shape {tuple(images.shape)} "
            f"({error}): pass a batch of the size and type that it was made for; a single image is "
            "images[None]"
        ) from error
    if not isinstance(outputs, Tensor):
        raise ValueError(
            f"the model returns {type(outputs).__name__}, not a tensor of logits: wrap it in a "
            "function or module that returns the logits alone"
        )
    return outputs


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
        TypeError: if the labels are not integers.
        ValueError: if there are no images, not one label per image, or one that the model has not.
    """
    labels = torch.as_tensor(labels)
    if len(images) == 0 or labels.shape != images.shape[:1]:
        raise ValueError(
            f"{len(images)} images and labels of shape {tuple(labels.shape)} give no error rate: "
            "pass at least one image and one label for each"
        )
    logits = compute_logits(model, images)
    labels = class_numbers(labels, classes=logits.shape[1], name="labels").to(logits.device)
    return (logits.argmax(dim=1) != labels).double().mean().item()


def correctly_classified(model: Callable[[Tensor], Tensor], data: LabelledImages) -> LabelledImages:
    """Select the images whose predicted class is their label; there may be none."""
    return data[predict(model, data.images) == data.labels]


@dataclass(frozen=True)
class TransferMatrix:
    """What `transfer_matrix` measured.

    Attributes:
        error: share of a source's images that a receiver misclassifies, in [0, 1], in 64 bits.
        sources: names of the rows.
        receivers: names of the columns.
    """

    error: Float[Tensor, "sources receivers"]
    sources: tuple[str, ...]
    receivers: tuple[str, ...]


def transfer_matrix(
    receivers: Mapping[str, Callable[[Tensor], Tensor]],
    sets: Mapping[str, tuple[Tensor, Tensor] | LabelledImages],
) -> TransferMatrix:
    """Show every set of images to every receiver and count the errors (Tables 2 and 4).

    An image is misclassified if the predicted class is not its label, whichever class the attack
    wanted. This includes the receivers' own errors: compare with a row of unperturbed images.

    Args:
        receivers: networks, or other functions from images to one score per class, by name.
        sets: images and their true labels, by the network that the images were made for (or by
            the kind of noise); labelled images or pairs. They need not lie in [0, 1]: the
            paper's noise does not.

    Raises:
        TypeError: if receivers or sets have no names.
        ValueError: if there is no receiver, no set, no image in a set, or not one label for each.

    >>> images, labels = torch.zeros(4, 1, 2, 2), torch.tensor([0, 0, 0, 1])
    >>> zero = lambda x: torch.tensor([1.0, 0.0]).expand(len(x), 2)
    >>> transfer_matrix({"always 0": zero}, {"blank": (images, labels)}).error
    tensor([[0.2500]], dtype=torch.float64)
    """
    if not (isinstance(receivers, Mapping) and isinstance(sets, Mapping)):
        raise TypeError("receivers and sets need names: pass dictionaries")
    if not receivers or not sets:
        raise ValueError(
            f"need at least one receiver and one set of images, got {len(receivers)} receivers "
            f"and {len(sets)} sets"
        )
    pairs = [(s.images, s.labels) if isinstance(s, LabelledImages) else s for s in sets.values()]
    error = [
        [error_rate(receiver, images, labels) for receiver in receivers.values()]
        for images, labels in pairs
    ]
    return TransferMatrix(torch.tensor(error, dtype=torch.float64), tuple(sets), tuple(receivers))


def refuse_training_mode(model: Callable[..., object]) -> None:
    """Refuse a model whose output for one image depends on others, or changes from call to call.

    Raises:
        ValueError: if a part of it is in training mode, or is a batch norm without statistics.
    """
    called: Any = model
    while called is not None and not isinstance(called, nn.Module):
        called = getattr(called, "func", None) or getattr(called, "__self__", None)  # a partial's
    for module in called.modules() if called is not None else ():
        # A slice of a chain is a new chain, in training mode, which means nothing to it.
        if module.training and type(module) is not nn.Sequential:
            raise ValueError("the model is in training mode: call model.eval() first")
        batch_norm = isinstance(module, nn.modules.batchnorm._BatchNorm)
        if batch_norm and module.running_var is None:
            raise ValueError(
                "a batch norm without running statistics divides by those of the batch, so an "
                "image's logits depend on the others: set track_running_stats and train again"
            )


def make_layer(
    kind: type[Layer], *sizes: int, generator: torch.Generator | None, **options: int
) -> Layer:
    """Make a layer on the generator's device, its weights Glorot uniform and its biases zero."""
    device = "cpu" if generator is None else generator.device
    layer = nn.utils.skip_init(kind, *sizes, device=device, **options)
    nn.init.xavier_uniform_(layer.weight, generator=generator)
    nn.init.zeros_(layer.bias)
    return layer
