"""How much each kind of layer, and each step of a traced model, can stretch a difference."""

import math
import operator
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

from blindspots.bounds._enclosure import ROUNDOFF, pair
from blindspots.bounds._trace import kind_of
from blindspots.bounds.norms import both_sides, conv_norm, dense_norm, torus_norm

GELU_SLOPE = 1.12906  # above the largest derivative of GELU, 1.12890..., and of its tanh form
SILU_SLOPE = 1.09984
MISH_SLOPE = 1.08850
SELU_SLOPE = 1.75810


class Seen(NamedTuple):
    """A tensor, or some in a tuple, that a step of the model is given or gives.

    Attributes:
        value: for the example.
        bound: on its Lipschitz constant as a function of the image; zero for a constant.
    """

    value: Any
    bound: float


def up(number: float) -> float:
    """Round outwards, after a few operations."""
    return 0.0 if number == 0 else math.nextafter(number * (1 + 4 * ROUNDOFF), math.inf)


def root(number: float) -> float:
    """The square root, rounded outwards where it is not a whole number."""
    nearest = math.sqrt(number)
    return nearest if nearest.is_integer() and nearest**2 == number else up(nearest)


def times(*factors: float) -> float:
    """Multiply bounds: zero only if one of them is, and then even if another is infinite."""
    if 0 in factors:
        return 0.0
    product = 1.0
    for factor in factors:
        exact = 1 in (product, factor)
        product = product * factor if exact else math.nextafter(up(product * factor), math.inf)
    return product


# Layers: the module and the shape of its input, with the batch axis, in; a bound out.


def _linear(module: nn.Linear, shape: tuple[int, ...], tight: bool) -> float:
    return dense_norm(module.weight)


def _convolution(module: nn.Conv1d | nn.Conv2d, shape: tuple[int, ...], tight: bool) -> float:
    return _convolved(
        module.weight,
        shape,
        module.stride,
        module.padding,
        module.dilation,
        module.groups,
        tight,
        module.padding_mode,
    )


def _convolved(
    weight: Tensor,
    shape: tuple[int, ...],
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
    tight: bool,
    mode: str = "zeros",
) -> float:
    if weight.ndim == 3:  # along one axis: of images with one row
        weight, shape = weight[:, :, None], (*shape[:-1], 1, shape[-1])
        stride, dilation = (1, *_each(stride, 1)), (1, *_each(dilation, 1))
        padding = padding if isinstance(padding, str) else (0, *_each(padding, 1))
    size, stride, dilation = pair(shape[-2:]), pair(stride), pair(dilation)
    padding = both_sides(padding, weight.shape[2:], dilation)
    geometry = {"stride": stride, "dilation": dilation}
    if mode == "zeros":
        geometry |= {"padding": padding, "groups": groups, "tight": tight}
        return conv_norm(weight, size, **geometry)
    if mode == "circular" and all(n % s == 0 for n, s in zip(size, stride, strict=True)):
        laps = 1
        for n, k, s, p, d in zip(size, weight.shape[2:], stride, padding, dilation, strict=True):
            outputs = (n + 2 * p - d * (k - 1) - 1) // s + 1
            laps *= -(-outputs * s // n)
        parts = weight.chunk(groups)
        return times(max(torus_norm(w, size, **geometry) for w in parts), root(laps))
    grown = size[0] + 2 * padding[0], size[1] + 2 * padding[1]
    around = [padding[1], padding[1], padding[0], padding[0]]
    return times(
        _pad_norm(size, around, mode),
        conv_norm(weight, grown, groups=groups, tight=tight, **geometry),
    )


def _batch_norm(
    module: nn.modules.batchnorm._BatchNorm, shape: tuple[int, ...], tight: bool
) -> float:
    assert module.running_var is not None  # or the model was refused
    scale = 1 / (module.running_var.double() + module.eps).sqrt()
    if module.weight is not None:
        scale = scale * module.weight.double().abs()
    if not scale.isfinite().all():
        raise ValueError("a batch norm divides by zero, or holds a NaN or an infinity")
    return scale.max().item() * (1 + 8 * ROUNDOFF)


def _each(number: Any, axes: int) -> tuple[int, ...]:
    """Repeat a number for all axes, unless there is one for each."""
    return (number,) * axes if isinstance(number, int) else tuple(number)


def _axes(module: nn.Module) -> int:
    along_one = nn.MaxPool1d, nn.AvgPool1d, nn.AdaptiveAvgPool1d, nn.AdaptiveMaxPool1d
    return 1 if isinstance(module, along_one) else 2


def _max_pool(module: nn.MaxPool1d | nn.MaxPool2d, shape: tuple[int, ...], tight: bool) -> float:
    return _shared_windows(module, module.dilation)


def _shared_windows(module: Any, dilation: Any) -> float:
    """The root of how many windows one pixel can lie in, and so be the maximum of.

    It lies in two windows at places of theirs that are equal modulo the stride.
    """
    most, axes = 1, _axes(module)
    settings = (_each(n, axes) for n in (module.kernel_size, module.stride, dilation))
    for points, s, d in zip(*settings, strict=True):
        places = [u * d % s for u in range(points)]
        most *= max(places.count(place) for place in places)
    return root(most)


def _average_pool(
    module: nn.AvgPool1d | nn.AvgPool2d, shape: tuple[int, ...], tight: bool
) -> float:
    if getattr(module, "divisor_override", None) is not None:
        raise NotImplementedError(
            "average pooling with divisor_override is not known here: use the default"
        )
    # At a border that does not count the zeros, or is rounded up, a window is smaller and a pixel
    # weighs more; but never more than 1, as in max-pooling.
    border = any(_each(module.padding, 1)) and not module.count_include_pad
    if border or module.ceil_mode:
        return _shared_windows(module, 1)
    kernel = _each(module.kernel_size, _axes(module))
    weight = torch.full((1, 1, *kernel), 1 / math.prod(kernel), dtype=torch.float64)
    return _convolved(weight, shape, module.stride, module.padding, 1, 1, tight)


def _adaptive_average_pool(
    module: nn.AdaptiveAvgPool1d | nn.AdaptiveAvgPool2d, shape: tuple[int, ...], tight: bool
) -> float:
    """Along each axis a matrix of averages; together their Kronecker product."""
    norm = 1.0
    for averages in _averages(module, shape):
        norm = times(norm, dense_norm(averages))
    return norm


def _adaptive_max_pool(
    module: nn.AdaptiveMaxPool1d | nn.AdaptiveMaxPool2d, shape: tuple[int, ...], tight: bool
) -> float:
    """Windows that overlap share pixels."""
    return root(math.prod(int((a > 0).sum(dim=1).max()) for a in _averages(module, shape)))


def _averages(module: Any, shape: tuple[int, ...]) -> Iterator[Tensor]:
    """Per axis, the matrix from its pixels to the averages of its windows."""
    wanted = _each(module.output_size, _axes(module))
    for size, outputs in zip(shape[-len(wanted) :], wanted, strict=True):
        impulses = torch.eye(size, dtype=torch.float64)[:, None]
        yield F.adaptive_avg_pool1d(impulses, outputs or size)[:, 0]


def _pad(module: Any, shape: tuple[int, ...], tight: bool) -> float:
    names = {"Const": "constant", "ZeroP": "constant", "Refle": "reflect", "Repli": "replicate"}
    mode = names.get(type(module).__name__[:5], "circular")
    around = list(module.padding)
    return _pad_norm(shape[-(len(around) // 2) :], around, mode)


def _pad_norm(size: tuple[int, ...], around: list[int], mode: str) -> float:
    """The root of how often padding repeats a pixel; `around` begins with the last axis."""
    most = 1
    if mode != "constant":
        for axis, n in enumerate(reversed(size)):
            sides = around[2 * axis : 2 * axis + 2]
            places = torch.arange(n, dtype=torch.float64)[None, None]
            most *= int(F.pad(places, sides, mode=mode).long().flatten().bincount().max())
    return root(most)


def _softplus(module: nn.Softplus, shape: tuple[int, ...], tight: bool) -> float:
    if module.beta <= 0 or module.threshold < 20:
        raise NotImplementedError(
            f"softplus jumps where it becomes linear, with the threshold {module.threshold}: use "
            "the default, and a positive beta"
        )
    return 1.0


def _celu(module: nn.CELU, shape: tuple[int, ...], tight: bool) -> float:
    if module.alpha <= 0:
        raise NotImplementedError(f"CELU is known here for positive alpha, got {module.alpha}")
    return 1.0


def _log_softmax(module: nn.LogSoftmax, shape: tuple[int, ...], tight: bool) -> float:
    """The norm of its Jacobian I - 1 p^T, with all of p on one class."""
    if module.dim is None:
        raise NotImplementedError("state its dim, which is guessed otherwise")
    return root(shape[module.dim])


def _constant(bound: float) -> Callable[[nn.Module, tuple[int, ...], bool], float]:
    return lambda module, shape, tight: bound


Rule = Callable[[Any, tuple[int, ...], bool], float]

LAYERS: dict[type[nn.Module], Rule] = {
    nn.Linear: _linear,
    **dict.fromkeys((nn.Conv1d, nn.Conv2d), _convolution),
    **dict.fromkeys((nn.BatchNorm1d, nn.BatchNorm2d, nn.SyncBatchNorm), _batch_norm),
    **dict.fromkeys((nn.MaxPool1d, nn.MaxPool2d), _max_pool),
    **dict.fromkeys((nn.AvgPool1d, nn.AvgPool2d), _average_pool),
    **dict.fromkeys((nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d), _adaptive_average_pool),
    **dict.fromkeys((nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d), _adaptive_max_pool),
    **dict.fromkeys((nn.ZeroPad1d, nn.ZeroPad2d, nn.ConstantPad1d, nn.ConstantPad2d), _pad),
    **dict.fromkeys((nn.ReflectionPad1d, nn.ReflectionPad2d), _pad),
    **dict.fromkeys((nn.ReplicationPad1d, nn.ReplicationPad2d), _pad),
    **dict.fromkeys((nn.CircularPad1d, nn.CircularPad2d), _pad),
    **dict.fromkeys((nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.AlphaDropout), _constant(1)),
    **dict.fromkeys((nn.Flatten, nn.Unflatten, nn.Identity), _constant(1)),
    **dict.fromkeys((nn.PixelShuffle, nn.PixelUnshuffle, nn.ChannelShuffle), _constant(1)),
    **dict.fromkeys((nn.ReLU, nn.ReLU6, nn.Hardtanh, nn.Tanh, nn.Softsign), _constant(1)),
    **dict.fromkeys((nn.LogSigmoid, nn.Softshrink, nn.Tanhshrink), _constant(1)),
    nn.Sigmoid: _constant(0.25),
    nn.Hardsigmoid: _constant(up(1 / 6)),
    nn.Hardswish: _constant(1.5),
    nn.SiLU: _constant(SILU_SLOPE),
    nn.Mish: _constant(MISH_SLOPE),
    nn.GELU: _constant(GELU_SLOPE),
    nn.SELU: _constant(SELU_SLOPE),
    nn.CELU: _celu,
    nn.Softplus: _softplus,
    nn.LeakyReLU: lambda module, shape, tight: max(1.0, abs(module.negative_slope)),
    nn.ELU: lambda module, shape, tight: max(1.0, abs(module.alpha)),
    nn.PReLU: lambda module, shape, tight: max(1.0, module.weight.abs().max().item()),
    # Their Jacobian is diag(p) - p p^T.
    **dict.fromkeys((nn.Softmax, nn.Softmax2d), _constant(0.5)),
    nn.LogSoftmax: _log_softmax,
}


# Steps without a layer of their own: what they give and what they are given in, a bound out.

StepRule = Callable[..., float]


def _sum(out: Tensor, x: Any, y: Any, *, alpha: float = 1) -> float:
    """A summand that is smaller than the sum is repeated in it."""
    terms = [(x, 1.0), (y, abs(alpha))]
    return up(
        sum(
            times(factor, term.bound, _repeated(out, term))
            for term, factor in terms
            if isinstance(term, Seen)
        )
    )


def _repeated(out: Tensor, term: Seen) -> float:
    """The root of how often a tensor is repeated in another."""
    return root(out.numel() / max(1, term.value.numel()))


def _product(out: Tensor, x: Any, y: Any) -> float:
    x, y = (x, y) if _bound(x) else (y, x)
    if _bound(y):
        raise NotImplementedError("a product of two things that depend on the image has no bound")
    return times(x.bound, _largest(y), _repeated(out, x))


def _quotient(out: Tensor, x: Any, y: Any) -> float:
    if _bound(y):
        raise NotImplementedError("a division by what depends on the image has no bound")
    return times(x.bound, _largest(1 / _number(y).double()), _repeated(out, x))


def _bound(x: Any) -> float:
    return x.bound if isinstance(x, Seen) else 0.0


def _number(x: Any) -> Tensor:
    """A constant as a tensor; Python's numbers have 64 bits."""
    x = x.value if isinstance(x, Seen) else x
    return torch.as_tensor(x, dtype=torch.float64 if isinstance(x, float) else None)


def _largest(x: Any) -> float:
    """The largest absolute value of a constant."""
    x = _number(x)
    if x.is_complex():
        raise NotImplementedError("complex constants are not known here")
    x = x.double()  # in which every integer has an opposite
    if not x.isfinite().all():
        raise ValueError("a constant of the model is not finite, or it divides by zero")
    return up(x.abs().max().item())


def _multiplied(out: Tensor, x: Any, y: Any) -> float:
    if not _bound(x) or _bound(y) or y.value.ndim != 2:
        raise NotImplementedError(
            "a matrix product has a bound only if its right factor is one constant matrix"
        )
    return times(x.bound, dense_norm(y.value))


def _applied_linear(out: Tensor, x: Any, weight: Any, bias: Any = None) -> float:
    _constants(weight, bias)
    return times(x.bound, dense_norm(weight.value))


def _applied_convolution(
    out: Tensor,
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> float:
    _constants(weight, bias)
    shape = tuple(x.value.shape)
    norm = _convolved(weight.value, shape, stride, padding, dilation, groups, tight=True)
    return times(x.bound, norm)


def _constants(*tensors: Any) -> None:
    if any(_bound(tensor) for tensor in tensors):
        raise NotImplementedError("weights that depend on the image have no bound")


def _mean(out: Tensor, x: Seen, dim: Any = None, keepdim: bool = False, axis: Any = None) -> float:
    return up(_added(out, x) * out.numel() / x.value.numel())


def _added(out: Tensor, x: Seen, dim: Any = None, keepdim: bool = False, axis: Any = None) -> float:
    return times(x.bound, root(x.value.numel() / out.numel()))


def _same(out: Any, x: Seen, *args: Any, **kwargs: Any) -> float:
    """Every number of the input is at most once in the output."""
    return x.bound


def _joined(out: Tensor, parts: Any, dim: int = 0) -> float:
    if isinstance(parts, Seen):  # all the parts of one tensor
        return parts.bound
    return up(math.hypot(*map(_bound, parts)))


def _item(out: Any, x: Seen, index: Any) -> float:
    places = index if isinstance(index, tuple) else (index,)
    if not all(i is None or i is ... or isinstance(i, (int, slice)) for i in places):
        raise NotImplementedError("only numbers and slices are known here as indices")
    return x.bound


def _expanded(out: Tensor, x: Seen, *sizes: Any) -> float:
    return times(x.bound, _repeated(out, x))


def _clamped(out: Tensor, x: Seen, min: Any = None, max: Any = None) -> float:
    _constants(min, max)
    return times(x.bound, _repeated(out, x))


def _dropped(
    out: Tensor, x: Seen, p: float = 0.5, training: bool = True, inplace: bool = False
) -> float:
    if training:
        raise NotImplementedError("dropout that is always on is random: pass self.training")
    return x.bound


def _padded(
    out: Tensor, x: Seen, pad: Any, mode: str = "constant", value: float | None = None
) -> float:
    around = list(pad)
    size = tuple(x.value.shape[-(len(around) // 2) :])
    return times(x.bound, _pad_norm(size, around, mode))


def _like(kind: Callable[..., nn.Module], arguments: str = "") -> StepRule:
    """The rule of a function that does what a layer does; its arguments in their order."""

    def rule(out: Tensor, x: Seen, *args: Any, **kwargs: Any) -> float:
        named = dict(zip(arguments.split(), args, strict=False)) | kwargs
        for name in ("_stacklevel", "dtype"):  # which softmax adds to what was written
            named.pop(name, None)
        if len(args) > len(arguments.split()):
            raise TypeError
        module = kind(**named)
        return times(x.bound, LAYERS[type(module)](module, tuple(x.value.shape), True))

    return rule


PARTS = ("split", "chunk", "unbind", "tensor_split")


RESHAPING = (
    "flatten unflatten view view_as reshape reshape_as squeeze unsqueeze permute transpose "
    "swapaxes swapdims movedim moveaxis t flip roll contiguous clone detach narrow select"
)
SLOPE_ONE = "neg negative abs absolute amax amin positive pos"
LIKE_LAYERS = (  # a function, the layer that does the same, and the function's arguments in order
    ("relu", nn.ReLU, "inplace"),
    ("relu6", nn.ReLU6, "inplace"),
    ("hardtanh", nn.Hardtanh, "min_val max_val inplace"),
    ("sigmoid", nn.Sigmoid, ""),
    ("tanh", nn.Tanh, ""),
    ("silu", nn.SiLU, "inplace"),
    ("mish", nn.Mish, "inplace"),
    ("selu", nn.SELU, "inplace"),
    ("gelu", nn.GELU, "approximate"),
    ("elu", nn.ELU, "alpha inplace"),
    ("leaky_relu", nn.LeakyReLU, "negative_slope inplace"),
    ("softplus", nn.Softplus, "beta threshold"),
    ("hardsigmoid", nn.Hardsigmoid, "inplace"),
    ("hardswish", nn.Hardswish, "inplace"),
    ("softmax", nn.Softmax, "dim"),
    ("log_softmax", nn.LogSoftmax, "dim"),
    ("max_pool1d", nn.MaxPool1d, "kernel_size stride padding dilation ceil_mode"),
    ("max_pool2d", nn.MaxPool2d, "kernel_size stride padding dilation ceil_mode"),
    ("avg_pool1d", nn.AvgPool1d, "kernel_size stride padding ceil_mode count_include_pad"),
    (
        "avg_pool2d",
        nn.AvgPool2d,
        "kernel_size stride padding ceil_mode count_include_pad divisor_override",
    ),
    ("adaptive_avg_pool1d", nn.AdaptiveAvgPool1d, "output_size"),
    ("adaptive_avg_pool2d", nn.AdaptiveAvgPool2d, "output_size"),
    ("adaptive_max_pool1d", nn.AdaptiveMaxPool1d, "output_size"),
    ("adaptive_max_pool2d", nn.AdaptiveMaxPool2d, "output_size"),
)
# Each step that is known, as a function, an operator, a method of tensors or one in place.
STEPS: dict[str, StepRule] = {
    **dict.fromkeys(("add", "sub", "iadd", "isub"), _sum),
    **dict.fromkeys(("mul", "multiply", "imul"), _product),
    **dict.fromkeys(("div", "divide", "true_divide", "truediv", "itruediv"), _quotient),
    **dict.fromkeys(("matmul", "mm"), _multiplied),
    **dict.fromkeys(("cat", "concat", "concatenate", "stack"), _joined),
    **dict.fromkeys(("expand", "expand_as", "repeat", "tile"), _expanded),
    **dict.fromkeys(("clamp", "clip", "clamp_min", "clamp_max"), _clamped),
    **dict.fromkeys(("dropout", "dropout1d", "dropout2d", "alpha_dropout"), _dropped),
    **dict.fromkeys((*RESHAPING.split(), *SLOPE_ONE.split(), *PARTS), _same),
    **dict.fromkeys(("conv1d", "conv2d"), _applied_convolution),
    **{name: _like(kind, arguments) for name, kind, arguments in LIKE_LAYERS},
    "linear": _applied_linear,
    "mean": _mean,
    "sum": _added,
    "getitem": _item,
    "pad": _padded,
}
METHODS = {
    n: rule for name, rule in STEPS.items() for n in (name, f"{name}_") if hasattr(Tensor, n)
}
FUNCTIONS = {
    getattr(home, n): rule
    for name, rule in STEPS.items()
    for n in (name, f"{name}_")
    for home in (operator, torch, F)
    if hasattr(home, n) and (home, n) != (operator, "concat")
}
SEVERAL = {*PARTS, *(getattr(torch, name) for name in PARTS)}  # these give more than one tensor
# What depends on the shape of a tensor, not on its numbers.
SHAPES = {"size", "dim", "numel", "ndimension", "is_floating_point"}
ATTRIBUTES = {"shape", "ndim", "dtype", "device", "is_cuda"}


def is_about_shapes(node: fx.Node) -> bool:
    """Whether a step asks for what does not depend on the numbers in a tensor."""
    attribute = node.target is getattr and node.args[1] in ATTRIBUTES
    return attribute or (node.op == "call_method" and node.target in SHAPES)


def layer_bound(
    name: str, module: nn.Module, sources: list[Seen], value: Any, tight: bool
) -> float:
    """Bound the Lipschitz constant of one layer.

    Args:
        name: its path, for a message.
        module: the layer.
        sources: what it is given.
        value: what it gave.
        tight: enclose the norm of a convolution.
    """
    kind = kind_of(module)
    if kind is None and type(module) in LAYERS:
        raise NotImplementedError(
            f"a method of the layer {name!r} was replaced, so what it computes is not known: write "
            "what it does into the model's forward"
        )
    if kind not in LAYERS or not isinstance(value, Tensor) or len(sources) != 1:
        raise NotImplementedError(
            f"the layer {name!r} is a {type(module).__name__}, whose Lipschitz constant is not "
            "known here: replace it, or bound the layers before and after it separately"
        )
    try:
        return LAYERS[kind](module, tuple(sources[0].value.shape), tight)
    except (NotImplementedError, ValueError) as error:
        raise type(error)(f"the layer {name!r}: {error}") from error


def step_bound(node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> float:
    """Bound a step without a layer of its own, as a function of the image.

    Args:
        node: of the graph.
        args: what it is given, tensors as `Seen`, at least one of which depends on the image.
        kwargs: the same by name.
        out: what it gave.
    """
    rules: Any = METHODS if node.op == "call_method" else FUNCTIONS
    rule = rules.get(node.target)
    if node.target is getattr and args[1] in ("T", "mT", "real"):
        rule = _same
    reason = "its Lipschitz constant is not known here"
    several = node.target in SEVERAL or node.target is operator.getitem
    real = isinstance(out, Tensor) and out.is_floating_point()
    given = (*args, *kwargs.values())
    typed = any(type(value) is torch.dtype for value in given)
    whole = all(not isinstance(v, Seen) or isinstance(v.value, Tensor) for v in given)
    fits = rule in (_item, _joined) or (rule is not None and whole and (real or several))
    try:
        if fits and not typed:
            return rule(out, *args, **kwargs)
    except (AssertionError, TypeError):
        reason = "it is called with arguments that are not known here"
    except (NotImplementedError, ValueError) as error:
        reason = str(error)
    name = getattr(node.target, "__name__", node.target)
    raise NotImplementedError(
        f"the step {node} ({name}) of the model cannot be bounded: {reason}; write it with layers "
        "that are known, or bound the parts before and after it separately"
    )
