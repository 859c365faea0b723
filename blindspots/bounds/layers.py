"""Upper Lipschitz bounds, layer by layer and of a whole network, and what they guarantee."""

import copy
import math
from collections import ChainMap
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, fx, nn
from torch.func import jacrev, vmap
from torch.fx.node import map_arg
from tqdm.auto import tqdm, trange

from blindspots.bounds._rules import Seen, is_about_shapes, layer_bound, step_bound, times
from blindspots.bounds._trace import (
    ROUNDING,
    SCALES,
    check_model,
    examples,
    kind_of,
    refuse_other_forward,
    steps,
)
from blindspots.bounds.norms import dense_norm
from blindspots.data import refuse_other_than_floats
from blindspots.networks import compute_logits, evaluate, refuse_training_mode

NEAR = 1e-4  # step of the finite difference that checks a Jacobian
FLAT = 1e-300  # a slope that counts as none


@dataclass(frozen=True)
class LayerBound:
    """How much one layer can stretch the difference of two inputs, in the L2 norm.

    Attributes:
        name: its path in the model, such as `features.0`.
        kind: what it is, such as `Conv2d`.
        bound: a number that its Lipschitz constant does not exceed.
        output_shape: of one image, without the batch axis.
    """

    name: str
    kind: str
    bound: float
    output_shape: tuple[int, ...]


@dataclass(frozen=True)
class NetworkBound:
    """Bounds of all layers, and what they give for the network.

    Attributes:
        layers: in the order in which they are computed; functions without a layer of their own,
            such as `torch.flatten` or an addition, are not listed.
        bound: of the network: along a chain the product, and where two branches are added, the sum
            of theirs.
    """

    layers: list[LayerBound]
    bound: float


def layer_bounds(
    model: nn.Module, input_shape: tuple[int, ...], *, tight: bool = True, progress: bool = False
) -> NetworkBound:
    """Bound the Lipschitz constant of every layer, and of the network.

    The model may be a chain or a graph with additions, concatenations, reshaping, pooling and
    products with constants, such as torchvision's networks. It is traced, then checked on random
    images: it must compute what its trace does, treat each image alone, and stretch no difference
    by more than the bound. A batch norm after a convolution is bounded separately;
    `torch.nn.utils.fuse_conv_bn_eval` makes one layer of both, with a tighter bound.

    Args:
        model: in evaluation mode.
        input_shape: of one image: channels, height, width.
        tight: enclose the norms of convolutions within 0.1 %; otherwise bound them by Fourier
            analysis, which is fast; see `conv_norm`.
        progress: show a progress bar.

    Raises:
        ValueError: if the model is in training mode, does not take such images, returns anything
            but one tensor of floating point numbers, or holds a NaN or an infinity.
        NotImplementedError: for a layer or a step whose Lipschitz constant is not known here (to
            skip it would make the bound false), for hooks, and for a model that cannot be traced or
            is not a function of each image alone.
    """
    images = examples(model, input_shape)
    layers: list[LayerBound] = []
    seen: dict[fx.Node, Seen] = {}
    bound = 0.0
    for node, module, values in tqdm(steps(model, images), disable=not progress, leave=False):
        value = values[node]
        sources = [seen[source] for source in node.all_input_nodes if source in seen]
        if node.op == "placeholder":
            bound = 1.0
        elif node.op == "output":
            bound = sources[0].bound
        elif module is not None:
            name = node.target.removeprefix("model.")
            own = layer_bound(name, module, sources, value, tight)
            layers.append(LayerBound(name, type(module).__name__, own, tuple(value.shape[1:])))
            bound = times(sources[0].bound, own)
        elif any(source.bound for source in sources) and not is_about_shapes(node):
            given = map_arg((node.args, node.kwargs), ChainMap(seen, values).get)
            bound = step_bound(node, *given, value)
        else:
            bound = 0.0  # a constant
        if isinstance(value, Tensor) or _are_tensors(value):
            seen[node] = Seen(value, bound)
    _check_bound(model, images, bound)
    return NetworkBound(layers, bound)


def _are_tensors(value: Any) -> bool:
    return isinstance(value, (tuple, list)) and any(isinstance(part, Tensor) for part in value)


def _check_bound(model: nn.Module, images: Tensor, bound: float) -> None:
    """Look whether the model itself stretches a small difference by more than the bound."""
    directions = torch.ones_like(images), images.flip(0), images.roll(1, -1)
    with torch.no_grad():
        unmoved = {scale: model(scale * images).double() for scale in SCALES}
    for (scale, before), direction in product(unmoved.items(), directions):
        moved = scale * (images + 0.1 * direction)
        with torch.no_grad():
            after = model(moved.clone()).double()
        change = torch.where(after == before, 0, after - before)  # also where both are infinite
        size = before.abs().maximum(after.abs()).where(change != 0, 0)
        allowed = bound * (moved.double() - scale * images.double()).norm().item()
        # Entry by entry: what a class that is masked out has would hide all others.
        stretch = (change.abs() - ROUNDING * size).clamp(min=0).norm().item()
        allowed += 1e-4 * allowed + ROUNDING * change.norm().item()
        if bound < math.inf and not stretch <= allowed:
            raise NotImplementedError(
                f"the model stretches a difference by more than {bound:g}, the product of what is "
                "known of its steps: one of them does something else"
            )


def pair_bounds(
    model: nn.Sequential, input_shape: tuple[int, ...]
) -> Float[Tensor, "classes classes"]:
    """Bound the difference of two logits, for each pair of classes; zeros on the diagonal.

    The bound of all layers but the last, times the norm of the difference of the two rows of the
    last. Exact for an affine model.

    Args:
        model: a chain that ends in a linear layer.
        input_shape: as in `layer_bounds`.

    Raises:
        NotImplementedError: if the model is no plain chain or its last layer is not linear, and as
            `layer_bounds`.
    """
    images = examples(model, input_shape)
    refuse_other_forward(model)
    check_model(model, images)
    *before, last = model if len(model) else [model]
    if not isinstance(last, nn.Linear) or kind_of(last) is not nn.Linear:
        raise NotImplementedError(
            f"the last layer must be linear, got {type(last).__name__}: use layer_bounds, whose "
            "bound times the square root of 2 holds for every pair"
        )
    rows = last.weight.detach().double().cpu()
    norms = [[dense_norm((one - other)[None]) for other in rows] for one in rows]
    bound = layer_bounds(nn.Sequential(*before).eval(), input_shape).bound
    bounds = [[times(norm, bound) for norm in row] for row in norms]
    return torch.tensor(bounds, dtype=torch.float64)


def certified_radius(
    model: nn.Module,
    images: Float[Tensor, "n *shape"],
    *,
    bound: float | Float[Tensor, "classes classes"],
) -> Float[Tensor, "n"]:
    """Compute how far each image can be moved, in any direction, with its class unchanged.

    The smallest margin between the top logit and another, each divided by a bound on their
    difference. From the bound L of a whole network follows sqrt(2) L for every difference, which is
    coarser than a bound of its own for each.

    The logits are computed in 64 bits, with rounding errors far below the bound's accuracy.

    Args:
        model: in evaluation mode.
        images: any; the class is the predicted one.
        bound: of the network (`layer_bounds(...).bound`, `lipsdp_bound`), or per pair of classes
            (`pair_bounds`, `lipsdp_pair_bounds`).

    Returns:
        L2 distances in 64 bits. Inside them there is no adversarial example at all.

    Raises:
        TypeError: if the images are not floating point, or the bound is not a number or tensor.
        ValueError: if the bounds are not positive or do not fit the classes.

    >>> from blindspots import mlp
    >>> model = mlp((64, 10), generator=torch.Generator().manual_seed(0)).eval()
    >>> bounds = pair_bounds(model, (1, 8, 8))
    >>> certified_radius(model, torch.rand(3, 1, 8, 8), bound=bounds).shape
    torch.Size([3])
    """
    refuse_other_than_floats(images)
    check_model(model, images[:1])
    if not isinstance(bound, (int, float, np.ndarray, Tensor)):
        raise TypeError(
            f"bound must be a number or a tensor, got {type(bound).__name__}: of what layer_bounds "
            "returns pass .bound"
        )
    images = images.double()
    model = _in_64_bits(model, images)
    logits = compute_logits(model, images)
    classes = logits.shape[1]
    own = nn.functional.one_hot(logits.argmax(dim=1), classes).bool()
    bounds = torch.as_tensor(bound, dtype=torch.float64, device=logits.device)
    if bounds.ndim == 0:
        bounds = (math.sqrt(2) * bounds).expand(classes, classes)
    between = ~torch.eye(classes, dtype=torch.bool, device=bounds.device)
    if bounds.shape != (classes, classes) or not (bounds[between] > 0).all():
        raise ValueError(
            f"bound must be positive, and a number or one for each pair of the {classes} classes, "
            f"got shape {tuple(bounds.shape)} with the least {bounds.min().item():g}"
        )
    gaps = logits.amax(dim=1, keepdim=True) - logits
    return (gaps / bounds[logits.argmax(dim=1)]).masked_fill(own, torch.inf).amin(dim=1)


def lipschitz_lower_bound(
    model: nn.Module,
    images: Float[Tensor, "n *shape"],
    *,
    starts: int = 8,
    steps: int = 0,
    progress: bool = False,
) -> float:
    """Find the largest local stretch near some images: no Lipschitz bound can be lower.

    The spectral norm of the Jacobian of the outputs at every image, and then, for `steps` steps of
    Adam, uphill from the `starts` images where it is largest, out of the box if need be: a bound
    holds for all points. For the way uphill ReLU is softened, as its Jacobian is piecewise
    constant; what counts is the model itself at the points on the way.

    Args:
        model: in evaluation mode.
        images: where to look.
        starts: how many of them to climb from.
        steps: how far to climb.
        progress: show a progress bar.

    Raises:
        TypeError: if the images are not floating point.
        ValueError: if there are no images or no starts, the model is in training mode, cannot take
            the images in 64 bits, or does not return one tensor with a row per image.
    """
    refuse_training_mode(model)
    refuse_other_than_floats(images)
    if len(images) == 0 or starts < 1 or steps < 0:
        raise ValueError(
            f"need at least one image, one start and no negative steps, got {len(images)}, "
            f"{starts} and {steps}"
        )
    if not images.isfinite().all():
        raise ValueError("images contain NaN or infinity: leave these images out")
    images = images.double()
    model = _in_64_bits(model, images)
    softened = copy.deepcopy(model)
    for parent in list(softened.modules()):
        for name, layer in parent.named_children():
            if isinstance(layer, nn.ReLU):
                setattr(parent, name, nn.Softplus(beta=2))
    norms = torch.cat([_stretches(model, batch) for batch in images.split(200)])
    largest = norms.max().item()
    points = images[norms.topk(min(starts, len(norms))).indices].clone().requires_grad_()
    optimizer = torch.optim.Adam([points], lr=0.05)
    for _ in trange(steps, disable=not progress, leave=False):
        height = torch.linalg.matrix_norm(_jacobians(softened, points), 2)
        if not height.requires_grad:
            break  # an affine model has no way up
        optimizer.zero_grad()
        (-height.clamp_min(FLAT).log()).sum().backward()
        optimizer.step()
        largest = max(largest, _stretches(model, points.detach()).max().item())
    return largest


def _in_64_bits(model: nn.Module, images: Tensor) -> nn.Module:
    """A copy that takes 64-bit images."""
    if not isinstance(model, nn.Module):
        raise TypeError(
            f"a {type(model).__name__} cannot be computed in 64 bits: pass an nn.Module"
        )
    try:
        exact = copy.deepcopy(model).double()
    except RuntimeError as error:
        raise ValueError(
            "the model keeps a tensor with its history, so it cannot be copied: call it once more "
            "inside torch.no_grad(), or let it keep tensor.detach()"
        ) from error
    try:
        evaluate(exact, images[:1])
    except ValueError as error:
        raise ValueError(
            f"{error}. It is computed in 64 bits here: its forward must not convert types, and "
            "constants must be buffers (register_buffer)"
        ) from error
    return exact


@torch.no_grad()
def _stretches(model: nn.Module, images: Tensor) -> Float[Tensor, "n"]:
    """Norms of the Jacobians, or finite differences if smaller: PyTorch's are too large at kinks.

    Zero where they are not finite, which bounds the slope from below, too.
    """
    jacobians = _jacobians(model, images)
    norms = torch.linalg.matrix_norm(jacobians, 2)
    steepest = torch.linalg.eigh(jacobians @ jacobians.mT).eigenvectors[:, None, :, -1] @ jacobians
    step = NEAR * nn.functional.normalize(steepest, dim=2, eps=FLAT).view_as(images)
    seen = (model(images + step) - model(images - step)).flatten(1).norm(dim=1) / (2 * NEAR)
    return torch.where(seen >= norms * (1 - 1e-6), norms, seen)


def _jacobians(model: nn.Module, images: Tensor) -> Float[Tensor, "n k d"]:
    jacobians = vmap(jacrev(lambda image: model(image[None].clone())[0].flatten()))(images)
    return jacobians.flatten(2).nan_to_num(0, 0, 0)
