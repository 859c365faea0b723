"""What a model computes when it is called, step by step; refused where that cannot be known."""

import copy
from collections.abc import Iterator
from numbers import Integral
from typing import Any, NamedTuple

import torch
from torch import Tensor, fx, nn
from torch.nn.utils import parametrize
from torch.nn.utils.prune import BasePruningMethod
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from blindspots.networks import refuse_training_mode

# Hooks that only renew the layer's weight, before it is read.
RENEWING = (BasePruningMethod, SpectralNorm, WeightNorm)
IMAGES = 3  # in the random batch on which a model is checked
SCALES = 1.0, 255.0  # of its pixels: small ones may not reach every branch
AGREEMENT = 1e-3  # tolerance, as a share of the difference between images
ROUNDING = 1e-5  # tolerance, as a share of the result itself


class Step(NamedTuple):
    """A step of the traced model.

    Attributes:
        node: of the graph; its target begins with the name of the layer, if it calls one.
        module: the layer that it calls, if it calls one.
        values: what this step and those before it computed for the images.
    """

    node: fx.Node
    module: nn.Module | None
    values: dict[fx.Node, Any]


def examples(model: nn.Module, input_shape: tuple[int, ...]) -> Tensor:
    """Draw images for a model, which are not its own: always the same."""
    if not isinstance(model, nn.Module):
        raise TypeError(f"a {type(model).__name__} has no layers to bound: pass an nn.Module")
    if any(isinstance(p, nn.parameter.UninitializedParameter) for p in model.parameters()):
        raise ValueError("a lazy layer has no weights yet: call the model once, with images")
    sizes = input_shape if isinstance(input_shape, (tuple, list)) else []
    if not sizes or any(not isinstance(n, Integral) or n < 1 for n in sizes):
        raise ValueError(
            f"input_shape is that of one image, such as (3, 224, 224), got {input_shape!r}"
        )
    numbers = torch.randn(IMAGES, *input_shape, generator=torch.Generator().manual_seed(0))
    floating = (p for p in model.parameters() if p.is_floating_point())
    return numbers.to(next(floating, numbers))


@torch.no_grad()
def check_model(model: nn.Module, images: Tensor) -> None:
    """Check a model by a call, which also renews the weights that hooks compute.

    Raises:
        ValueError: if it is in training mode, cannot take the images or gives anything but one
            tensor of floating point numbers.
        NotImplementedError: if there are hooks that may change what a layer computes.
    """
    refuse_training_mode(model)
    refuse_hooks(model)
    if torch.is_inference_mode_enabled():
        raise ValueError("bounds cannot be computed inside torch.inference_mode: call them outside")
    try:
        with torch.enable_grad():  # which a model can ask for
            again = model(images.clone())
        output = model(images.clone())
    except RuntimeError as error:
        raise ValueError(
            f"the model does not take images of shape {tuple(images.shape[1:])} ({error}): pass "
            "the input_shape of one image, without the batch axis"
        ) from error
    if not (isinstance(output, Tensor) and output.is_floating_point()):
        kind = (
            f"a tensor of {output.dtype}" if isinstance(output, Tensor) else type(output).__name__
        )
        raise ValueError(
            f"the model returns {kind}, not one tensor of floating point numbers: wrap it in a "
            "module whose forward returns the logits alone"
        )
    if not _agree(output, again):
        raise NotImplementedError(
            "the model computes something else when it is called again: it is random, or remembers "
            "what it saw"
        )


def refuse_hooks(model: nn.Module) -> None:
    """Refuse hooks, except those by which PyTorch renews weights."""
    everywhere = nn.modules.module
    if everywhere._global_forward_hooks or everywhere._global_forward_pre_hooks:
        raise NotImplementedError(
            "there are hooks on all modules, which may change what they compute: remove them"
        )
    for name, module in model.named_modules():
        hooks = [*module._forward_pre_hooks.values(), *module._forward_hooks.values()]
        if any(not isinstance(hook, RENEWING) for hook in hooks):
            raise NotImplementedError(
                f"{name or 'the model'} has a hook, which may change what it computes: remove the "
                "hook, or write what it does into the model's forward"
            )


def refuse_other_forward(model: nn.Module) -> None:
    """Refuse what is not a chain that is called layer by layer, whatever its class."""
    own_call = type(model).__call__ is not nn.Module.__call__
    if own_call or getattr(model.forward, "__func__", None) is not nn.Sequential.forward:
        raise NotImplementedError(
            f"the model must be a plain chain, got a {type(model).__name__} with a forward of its "
            "own: use layer_bounds"
        )


class _Root(nn.Module):
    """Calls the model with one argument, so that others keep their defaults."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)


class _Tracer(fx.Tracer):
    """Stops at layers of PyTorch, as usual, and looks into all others."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return kind_of(m) is not None or super().is_leaf_module(m, module_qualified_name)


def kind_of(module: nn.Module) -> type[nn.Module] | None:
    """PyTorch's class of a layer that does what its class says; otherwise None."""
    kind = type(module)
    if parametrize.is_parametrized(module):  # then it is of a class made for it
        kind = kind.__bases__[0]
    own = vars(module)
    patched = any(callable(getattr(kind, name, None)) for name in own)
    known = kind.__module__.startswith("torch.nn.modules") and kind is not nn.Sequential
    return kind if known and not patched else None


@torch.no_grad()
def steps(model: nn.Module, images: Tensor) -> Iterator[Step]:
    """Go through what a model computes for the images, step by step.

    Raises:
        ValueError: as `check_model`.
        NotImplementedError: as `check_model`, and if the model cannot be traced, does something
            else when it is called, does not treat each image alone, or changes what it uses again.
    """
    check_model(model, images)
    model = copy.deepcopy(model)  # tracing may leave things in it
    root = _Root(model.module if isinstance(model, nn.DataParallel) else model)
    try:
        graph = _Tracer().trace(root)
    except Exception as error:  # whatever a foreign forward raises when it is given no numbers
        raise NotImplementedError(
            f"the model cannot be traced ({error}): its forward must not look at numbers to decide "
            "what it does; bound its parts separately, or write it without such decisions"
        ) from error
    traced = fx.GraphModule(root, graph)
    for scale in SCALES:
        _compare(model, traced, scale * images)
    run = fx.Interpreter(traced, garbage_collect_values=False)
    run.args_iter = iter([images.clone()])
    versions: dict[fx.Node, list[int]] = {}
    for node in graph.nodes:
        for used in node.all_input_nodes:
            if versions[used] != _versions(run.env[used]):
                raise NotImplementedError(
                    f"the step {node} uses {used} after it was changed in place: write the model "
                    "without steps in place"
                )
        value = run.env[node] = run.run_node(node)
        versions[node] = _versions(value)
        module = traced.get_submodule(node.target) if node.op == "call_module" else None
        yield Step(node, module, run.env)


def _versions(value: Any) -> list[int]:
    """How often each tensor was changed in place, or what it is a view of."""
    values = value if isinstance(value, (tuple, list)) else [value]
    return [tensor._version for tensor in values if isinstance(tensor, Tensor)]


def _compare(model: nn.Module, traced: fx.GraphModule, images: Tensor) -> None:
    """Compare the trace with the model, on the batch and image by image."""
    whole = model(images.clone())
    if not _agree(whole, traced(images.clone())):
        raise NotImplementedError(
            "the model computes something else than its trace: it is random, remembers what it "
            "saw, or decides by what cannot be traced"
        )
    try:
        singles = torch.cat([model(image[None]) for image in images.clone()])
    except RuntimeError as error:
        raise ValueError(
            f"the model does not take one image of shape {tuple(images.shape[1:])} ({error}): pass "
            "the input_shape of one image, and return one row for each"
        ) from error
    if not _agree(whole, singles):
        raise NotImplementedError(
            "what the model computes of an image depends on the others of its batch: it must treat "
            "each image alone"
        )


def _agree(one: Tensor, other: Tensor) -> bool:
    """Whether two results differ by rounding only; a large constant in both does not hide more.

    Not even in one of their entries, such as the minus a billion of a class that is excluded.
    """
    if one.shape != other.shape:
        return False
    if not one.numel():
        return True
    one, other = (result.reshape(len(result) if result.ndim else 1, -1) for result in (one, other))
    size = one.abs().nan_to_num().amax(dim=0)
    spread = (one - one[:1]).abs().nan_to_num().amax(dim=0)
    spread = torch.where(spread > ROUNDING * size, spread, 0).max()  # what is more than rounding
    equal = (one == other) | (one.isnan() & other.isnan())
    return bool((equal | ((one - other).abs() <= AGREEMENT * spread + ROUNDING * size)).all())
