"""Upper Lipschitz bounds, layer by layer and of a whole network, and what they guarantee."""

import copy
import math
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, fx, nn
from torch.func import jacrev, vmap
from torch.fx.passes.shape_prop import ShapeProp
from torch.nn import functional as F
from tqdm.auto import tqdm, trange

from blindspots.bounds._enclosure import ROUNDOFF, pair
from blindspots.bounds.norms import conv_norm, dense_norm
from blindspots.networks import evaluate, refuse_training_mode

GELU_SLOPE = 1.12906  # above the largest derivative of GELU, 1.12890..., and of its tanh form


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

    The model may be a chain or a graph with additions, concatenations and flattening, such as
    torchvision's networks; it is traced, not run on images. A batch norm after a convolution is
    bounded separately; `torch.nn.utils.fuse_conv_bn_eval` makes one layer of both, with a tighter
    bound.

    Args:
        model: in evaluation mode.
        input_shape: of one image: channels, height, width.
        tight: enclose the norms of convolutions within 0.1 %; otherwise bound them by Fourier
            analysis, which is fast; see `conv_norm`.
        progress: show a progress bar.

    Raises:
        ValueError: if the model is in training mode.
        NotImplementedError: for a layer whose Lipschitz constant is not known here. To skip it
            would make the bound false.
    """
    refuse_training_mode(model)
    traced = fx.symbolic_trace(model)
    example = next(model.parameters(), torch.empty(0)).new_zeros(1, *input_shape)
    ShapeProp(traced).propagate(example)
    layers: list[LayerBound] = []
    bounds: dict[fx.Node, float] = {}
    for node in tqdm(list(traced.graph.nodes), disable=not progress, leave=False):
        sources = [bounds[a] for a in node.all_input_nodes]
        if node.op == "placeholder":
            bounds[node] = 1.0
        elif node.op == "get_attr":  # a constant
            bounds[node] = 0.0
        elif node.op == "call_module":
            module = traced.get_submodule(node.target)
            shape = _shape(node.all_input_nodes[0])
            own = _module_bound(node.target, module, shape, tight)
            layers.append(LayerBound(node.target, type(module).__name__, own, _shape(node)))
            bounds[node] = _up(sources[0] * own)
        elif node.op == "output":
            return NetworkBound(layers, sources[0])
        else:
            bounds[node] = _up(_function_bound(node, sources))
    raise AssertionError("a traced graph ends in its output")


def pair_bounds(
    model: nn.Sequential, input_shape: tuple[int, ...], *, tight: bool = True
) -> Float[Tensor, "classes classes"]:
    """Bound the difference of two logits, for each pair of classes; zeros on the diagonal.

    The bound of all layers but the last, times the norm of the difference of the two rows of the
    last. Exact for an affine model.

    Args:
        model: a chain that ends in a linear layer.
        input_shape: as in `layer_bounds`, like the next.
        tight: enclose the norms of convolutions.

    Raises:
        NotImplementedError: if the last layer is not linear, and as `layer_bounds`.
    """
    last = model[-1]
    if not isinstance(last, nn.Linear):
        raise NotImplementedError(
            f"the last layer must be linear, got {type(last).__name__}: use layer_bounds, whose "
            "bound times the square root of 2 holds for every pair"
        )
    refuse_training_mode(model)
    rows = last.weight.detach().double().cpu()
    differences = (rows[:, None] - rows).norm(dim=2) * (1 + 2 * rows.shape[1] * ROUNDOFF)
    return differences * layer_bounds(model[:-1].eval(), input_shape, tight=tight).bound


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
        ValueError: if the bounds are not positive or do not fit the classes.

    >>> from blindspots import mlp
    >>> model = mlp((64, 10), generator=torch.Generator().manual_seed(0)).eval()
    >>> bounds = pair_bounds(model, (1, 8, 8))
    >>> certified_radius(model, torch.rand(3, 1, 8, 8), bound=bounds).shape
    torch.Size([3])
    """
    model = copy.deepcopy(model).double()
    logits = evaluate(model, images.double())
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

    The spectral norm of the Jacobian of the logits at every image, and then, for `steps` steps of
    Adam, uphill from the `starts` images where it is largest, out of the box if need be: a bound
    holds for all points. For the way uphill ReLU is softened, as its Jacobian is piecewise
    constant; what counts is the model itself at the points on the way.

    Args:
        model: in evaluation mode.
        images: where to look.
        starts: how many of them to climb from.
        steps: how far to climb.
        progress: show a progress bar.
    """
    model = copy.deepcopy(model).double()
    softened = copy.deepcopy(model)
    for parent in list(softened.modules()):
        for name, layer in parent.named_children():
            if isinstance(layer, nn.ReLU):
                setattr(parent, name, nn.Softplus(beta=2))
    images = images.double()
    norms = torch.cat([_jacobian_norms(model, batch).detach() for batch in images.split(200)])
    largest = norms.max().item()
    points = images[norms.topk(min(starts, len(norms))).indices].clone().requires_grad_()
    optimizer = torch.optim.Adam([points], lr=0.05)
    for _ in trange(steps, disable=not progress, leave=False):
        height = _jacobian_norms(softened, points).log().sum()
        if not height.requires_grad:
            break  # an affine model has no way up
        optimizer.zero_grad()
        (-height).backward()
        optimizer.step()
        largest = max(largest, _jacobian_norms(model, points.detach()).max().item())
    return largest


def _jacobian_norms(model: nn.Module, images: Tensor) -> Float[Tensor, "n"]:
    jacobians = vmap(jacrev(lambda image: model(image[None])[0]))(images)
    return torch.linalg.matrix_norm(jacobians.flatten(2), 2)


def _shape(node: fx.Node) -> tuple[int, ...]:
    return tuple(node.meta["tensor_meta"].shape[1:])


def _up(number: float) -> float:
    """Rounded outwards, after one operation."""
    return number * (1 + 4 * ROUNDOFF)


def _module_bound(name: str, module: nn.Module, shape: tuple[int, ...], tight: bool) -> float:
    for kinds, rule in RULES.items():
        if isinstance(module, kinds):
            return rule(module, shape, tight)
    raise NotImplementedError(
        f"the layer {name!r} is a {type(module).__name__}, whose Lipschitz constant is not known "
        "here: replace it, or bound the layers before and after it separately"
    )


def _linear(module: nn.Linear, shape: tuple[int, ...], tight: bool) -> float:
    return dense_norm(module.weight)


def _convolution(module: nn.Conv2d, shape: tuple[int, ...], tight: bool) -> float:
    if module.padding_mode != "zeros" or isinstance(module.padding, str):
        raise NotImplementedError(
            f"a convolution with padding {module.padding!r} in mode {module.padding_mode!r} is not "
            "known here: state the padding in numbers, of zeros"
        )
    return conv_norm(
        module.weight,
        pair(shape[1:]),
        stride=pair(module.stride),
        padding=pair(module.padding),
        dilation=pair(module.dilation),
        groups=module.groups,
        tight=tight,
    )


def _batch_norm(
    module: nn.modules.batchnorm._BatchNorm, shape: tuple[int, ...], tight: bool
) -> float:
    if module.running_var is None:
        raise NotImplementedError(
            "a batch norm without running statistics divides by those of the batch, and has no "
            "Lipschitz constant: set track_running_stats"
        )
    scale = 1 / (module.running_var.double() + module.eps).sqrt()
    if module.weight is not None:
        scale = scale * module.weight.double().abs()
    return scale.max().item() * (1 + 8 * ROUNDOFF)


def _max_pool(module: nn.MaxPool2d, shape: tuple[int, ...], tight: bool) -> float:
    return math.sqrt(_windows_of_a_pixel(module.kernel_size, module.stride, module.dilation))


def _windows_of_a_pixel(kernel: Any, stride: Any, dilation: Any) -> int:
    """How many windows one pixel can lie in, and so be the maximum of.

    It lies in two windows at places of theirs that are equal modulo the stride.
    """
    most = 1
    for points, s, d in zip(pair(kernel), pair(stride), pair(dilation), strict=True):
        places = [u * d % s for u in range(points)]
        most *= max(places.count(place) for place in places)
    return most


def _average_pool(module: nn.AvgPool2d, shape: tuple[int, ...], tight: bool) -> float:
    if module.divisor_override is not None:
        raise NotImplementedError(
            "average pooling with divisor_override is not known here: use the default"
        )
    # At a border that does not count the zeros, or is rounded up, a window is smaller and a pixel
    # weighs more; but never more than 1, as in max-pooling.
    if (any(pair(module.padding)) and not module.count_include_pad) or module.ceil_mode:
        return math.sqrt(_windows_of_a_pixel(module.kernel_size, module.stride, 1))
    kernel = pair(module.kernel_size)
    weight = torch.full((1, 1, *kernel), 1 / math.prod(kernel), dtype=torch.float64)
    return conv_norm(
        weight,
        pair(shape[1:]),
        stride=pair(module.stride),
        padding=pair(module.padding),
        tight=tight,
    )


def _adaptive_average_pool(
    module: nn.AdaptiveAvgPool2d, shape: tuple[int, ...], tight: bool
) -> float:
    """Along each axis a matrix of averages; together their Kronecker product."""
    norm = 1.0
    for size, wanted in zip(shape[1:], pair(module.output_size), strict=True):
        impulses = torch.eye(size, dtype=torch.float64)[:, None]
        norm *= dense_norm(F.adaptive_avg_pool1d(impulses, wanted or size)[:, 0])
    return norm


def _constant(bound: float) -> Callable[[nn.Module, tuple[int, ...], bool], float]:
    return lambda module, shape, tight: bound


Rule = Callable[[Any, tuple[int, ...], bool], float]

# By kind of layer, the module and the shape of its input in, a bound out.
RULES: dict[Any, Rule] = {
    nn.Linear: _linear,
    nn.Conv2d: _convolution,
    (nn.BatchNorm1d, nn.BatchNorm2d): _batch_norm,
    nn.MaxPool2d: _max_pool,
    nn.AvgPool2d: _average_pool,
    nn.AdaptiveAvgPool2d: _adaptive_average_pool,
    (nn.Flatten, nn.Dropout, nn.Dropout2d, nn.Identity): _constant(1),
    (nn.ReLU, nn.ReLU6, nn.Tanh): _constant(1),
    nn.Sigmoid: _constant(0.25),
    nn.LeakyReLU: lambda module, shape, tight: max(1.0, abs(module.negative_slope)),
    nn.GELU: _constant(GELU_SLOPE),
    nn.Softmax: _constant(0.5),  # its Jacobian diag(p) - p p^T
}


def _function_bound(node: fx.Node, sources: list[float]) -> float:
    """What a step of the graph without a layer of its own makes of the bounds on its inputs."""
    if node.target in (operator.add, operator.iadd, torch.add, "add") and not node.kwargs:
        return sum(sources) * (2 if len(sources) == 1 else 1)  # x + x
    if node.target in (torch.cat, torch.concat):
        return math.sqrt(sum(bound**2 for bound in sources))
    if node.target in (torch.flatten, torch.relu, F.relu, "flatten", "view", "reshape", "relu"):
        return sources[0]
    raise NotImplementedError(
        f"the step {node} ({node.target}) of the model is not known here: its Lipschitz constant "
        "cannot be bounded"
    )
