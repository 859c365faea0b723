"""Bounds of whole fully connected networks that see which stretches cannot happen together."""

import math
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from tqdm.auto import tqdm

from blindspots.bounds._enclosure import ROUNDOFF
from blindspots.bounds._trace import check_model, examples, kind_of, refuse_other_forward
from blindspots.bounds.norms import dense_norm

#: Activations whose slope lies between zero and a number.
SLOPES: dict[type[nn.Module], float] = {nn.Sigmoid: 0.25, nn.ReLU: 1.0, nn.Tanh: 1.0}
GAP = 1e-4  # relative, between the squared bound and the best that weights can prove
SHRINK = 0.3  # of the barrier, once it is centred
RESTRAINT = 0.01  # cost of a weight, beside a barrier of one per row
MAX_NEWTON_STEPS = 300


def lipsdp_bound(model: nn.Sequential) -> float:
    r"""Bound the Lipschitz constant of a fully connected network, far below the product of norms.

    The product assumes that every layer meets its worst direction with every unit at its steepest.
    LipSDP asks for one weight :math:`\lambda_k > 0` per hidden unit instead. Let h be the change of
    a layer's output, :math:`\Lambda` the diagonal matrix of its weights and :math:`\beta` the
    steepest slope; then :math:`h^T \Lambda (\beta W h' - h) \ge 0` for the change h' of the layer's
    input, and so :math:`h^T M h \le \|r\|^2` passes from layer to layer, r being the change of the
    image, with

    .. math::

        M &= 2 \Lambda - \beta^2 \Lambda W M'^{-1} W^T \Lambda, \\
        L^2 &= \lambda_{\max}(V M^{-1} V^T),

    M' = I in front of the first layer and V the last weight matrix. Any weights with M positive
    definite give a bound, and the best of them are found by an interior-point method.

    The number is certified: that the weights prove it is checked by a Cholesky decomposition of the
    whole chain, with its rounding errors bounded and granted. Neither the search nor the arithmetic
    can make it too small.

    Args:
        model: as `mlp` makes it: flatten, linear, activation, ..., linear, with sigmoid, ReLU or
            tanh units.

    Raises:
        ValueError: if the model is in training mode.
        NotImplementedError: for a model of other layers, or one that does more than call them.

    References:
        Fazlyab et al., Efficient and accurate estimation of Lipschitz constants for deep neural
        networks (LipSDP-Neuron), NeurIPS 2019; they call a solver for semidefinite programs.

    >>> from blindspots import mlp
    >>> model = mlp((64, 20, 20, 10), generator=torch.Generator().manual_seed(0)).eval()
    >>> norms = [dense_norm(model[i].weight) for i in (1, 3, 5)]
    >>> lipsdp_bound(model) < 0.6 * (norms[0] / 4) * (norms[1] / 4) * norms[2]
    True
    """
    chain = _chain(model)
    return _bounds(chain, chain.last[None], progress=False)[0].item()


def lipsdp_pair_bounds(
    model: nn.Sequential, *, progress: bool = False
) -> Float[Tensor, "classes classes"]:
    """Bound the difference of two logits, for each pair of classes; zeros on the diagonal.

    As `lipsdp_bound`, with the difference of two rows in place of the last weight matrix. What
    `certified_radius` needs. Half a minute for 100-100-10; the time grows with the cube of the
    number of hidden units.

    Args:
        model: as in `lipsdp_bound`.
        progress: show a progress bar.

    Raises:
        ValueError: as `lipsdp_bound`, like the next.
        NotImplementedError: for a model of other layers.
    """
    chain = _chain(model)
    classes = len(chain.last)
    first, second = torch.triu_indices(classes, classes, offset=1)
    differences = (chain.last[first] - chain.last[second])[:, None]
    bounds = torch.zeros(classes, classes, dtype=torch.float64)
    bounds[first, second] = _bounds(chain, differences, progress=progress)
    return bounds + bounds.T


class _Chain(NamedTuple):
    """The weight matrices in 64 bits, those before an activation multiplied by its slope."""

    hidden: list[Float[Tensor, "units inputs"]]
    last: Float[Tensor, "classes units"]

    @property
    def widths(self) -> list[int]:
        return [len(weight) for weight in self.hidden]


def _chain(model: nn.Sequential) -> _Chain:
    """The chain that the model is when it is called; refused if it is none, or does more."""
    refuse_other_forward(model)
    # Nothing that flattening, dropout and the identity do changes a norm.
    kinds: dict[Any, Any] = {m: kind_of(m) for m in model}
    layers: list[Any] = [m for m in model if kinds[m] not in (nn.Flatten, nn.Dropout, nn.Identity)]
    linear, activations = layers[::2], layers[1::2]
    if (
        len(layers) < 3
        or len(layers) % 2 == 0
        or not all(kinds[m] is nn.Linear for m in linear)
        or not all(kinds[m] in SLOPES for m in activations)
    ):
        raise NotImplementedError(
            f"LipSDP is for linear layers with {', '.join(k.__name__ for k in SLOPES)} between "
            f"them, got {', '.join(type(m).__name__ for m in layers)}: use layer_bounds"
        )
    check_model(model, examples(model, (linear[0].in_features,)))
    *weights, last = (m.weight.detach().double().cpu() for m in linear)
    # A slope is a power of two, so multiplying by it is exact.
    slopes = [SLOPES[kinds[m]] for m in activations]
    hidden = [weight * slope for weight, slope in zip(weights, slopes, strict=True)]
    return _Chain(hidden, last)


def _bounds(
    chain: _Chain, ends: Float[Tensor, "b outputs units"], *, progress: bool
) -> Float[Tensor, "b"]:
    """Bound the network, certified, with each of the matrices that may end the chain."""
    norms = [dense_norm(weight) for weight in chain.hidden]
    if min(norms) == 0:
        return torch.zeros(len(ends), dtype=torch.float64)
    # Divided by powers of two, exactly, so that no product is too small or too large.
    exponents = [math.frexp(norm)[1] for norm in norms]
    hidden = [
        torch.from_numpy(np.ldexp(weight.numpy(), -exponent))
        for weight, exponent in zip(chain.hidden, exponents, strict=True)
    ]
    norms = [math.ldexp(norm, -exponent) for norm, exponent in zip(norms, exponents, strict=True)]
    chain = chain._replace(hidden=hidden)
    largest = math.frexp(ends.abs().max().item())[1]
    ends = torch.from_numpy(np.ldexp(ends.numpy(), -largest))
    sizes = torch.linalg.matrix_norm(ends, 2).clamp(min=1e-300)
    # All of norm one, and the image turned so that it has no more pixels than there are units.
    scaled = [weight / norm for weight, norm in zip(chain.hidden, norms, strict=True)]
    scaled[0] = torch.linalg.qr(scaled[0].T).R.T
    weights, squares = _follow_central_path(scaled, ends / sizes[:, None, None], progress)
    scales = torch.tensor(norms, dtype=torch.float64).cumprod(0)
    weights = weights / torch.cat(
        [scale.square().expand(n) for scale, n in zip(scales, chain.widths, strict=True)]
    )
    # Short numbers, whose products with 32-bit weights are exact.
    weights = weights.float().double()
    squares = squares * (scales[-1] * sizes) ** 2
    rows = zip(weights, ends, squares.tolist(), strict=True)
    bounds = np.array([_certified(chain, *row, math.prod(norms)) for row in rows])
    with np.errstate(over="ignore"):
        bounds = np.ldexp(bounds, sum(exponents) + largest)
    return torch.from_numpy(np.where(bounds > 0, np.nextafter(bounds, np.inf), bounds))


def _follow_central_path(
    hidden: list[Tensor], ends: Float[Tensor, "b outputs units"], progress: bool
) -> tuple[Float[Tensor, "b units"], Float[Tensor, "b"]]:
    """Minimise the squared bound s over the weights, by Newton's method with a barrier.

    Minimised is s / mu - log det Q, for smaller and smaller mu: s is then less than the size of Q
    times mu above the best there is. A little is added for large weights, or those of units that
    hardly matter would grow without end. All norms are one, so weights of one are a start.
    """
    family = _Family.of(hidden, ends)
    batch, size, units = len(ends), len(family.across), family.across.shape[1]
    x = torch.ones(batch, units + 1, dtype=torch.float64)
    x[:, -1] = 2
    mu = x.new_full((batch,), 0.1)
    left = torch.arange(batch)
    with tqdm(total=batch, disable=not progress, leave=False) as bar:
        for _ in range(MAX_NEWTON_STEPS):
            gradient, hessian = family.derivatives(x[left], left)
            gradient = gradient + RESTRAINT
            gradient[:, -1] += 1 / mu[left]
            factor = torch.linalg.cholesky(hessian)
            step = -torch.cholesky_solve(gradient[:, :, None], factor).squeeze(2)
            decrement = (-(gradient * step).sum(dim=1)).clamp(min=0).sqrt()
            # The barrier is self-concordant: a step of this length stays inside.
            x[left] += step / torch.where(decrement < 0.7, 1, 1 + decrement)[:, None]
            centred = decrement < 1
            enough = size * mu[left] < GAP * x[left, -1]
            mu[left] *= torch.where(centred & ~enough, SHRINK, 1)
            bar.update(int((centred & enough).sum()))
            left = left[~(centred & enough)]
            if len(left) == 0:
                break
    return x[:, :-1], x[:, -1]


class _Family(NamedTuple):
    """The matrices Q, linear in the weights and in s, whose definiteness proves a bound.

    One block of rows for the pixels, one for each hidden layer and one for the end: on the diagonal
    I, the layers' 2 Lambda, and s I; below it -Lambda W, and at last the end V. A weight's
    derivative of Q is a e^T + e a^T, with e its unit vector and a = e - (its row of W), which makes
    the Hessian of -log det Q a product of small matrices.
    """

    fixed: Float[Tensor, "b size size"]
    own: Float[Tensor, "size units"]  # every e
    across: Float[Tensor, "size units"]  # every a
    outputs: int

    @classmethod
    def of(cls, hidden: list[Tensor], ends: Float[Tensor, "b outputs units"]) -> "_Family":
        batch, outputs, inputs = ends.shape
        pixels, units = hidden[0].shape[1], sum(len(weight) for weight in hidden)
        size = pixels + units + outputs
        own = torch.eye(size, dtype=torch.float64)[:, pixels : pixels + units]
        across = own.clone()
        row = column = 0
        for weight in hidden:
            across[row : row + weight.shape[1], column : column + len(weight)] -= weight.T
            row, column = row + weight.shape[1], column + len(weight)
        fixed = torch.zeros(batch, size, size, dtype=torch.float64)
        fixed[:, :pixels, :pixels] = torch.eye(pixels)
        fixed[:, -outputs:, row : row + inputs] = ends
        fixed[:, row : row + inputs, -outputs:] = ends.mT
        return cls(fixed, own, across, outputs)

    def derivatives(self, x: Float[Tensor, "a n"], members: Tensor) -> tuple[Tensor, Tensor]:
        """Gradient and Hessian of -log det Q, in the weights and, last, in s."""
        coupled = (self.across * x[:, None, :-1]) @ self.own.T
        matrix = self.fixed[members] + coupled + coupled.mT
        matrix.diagonal(dim1=1, dim2=2)[:, -self.outputs :] += x[:, -1:]
        inverse = torch.cholesky_inverse(torch.linalg.cholesky(matrix))
        right, left = inverse @ self.across, inverse @ self.own
        mixed, end = self.own.T @ right, inverse[:, -self.outputs :, -self.outputs :]
        hessian = torch.empty(len(x), x.shape[1], x.shape[1], dtype=x.dtype)
        hessian[:, :-1, :-1] = (self.across.T @ right) * (self.own.T @ left) + mixed * mixed.mT
        cross = (right[:, -self.outputs :] * left[:, -self.outputs :]).sum(dim=1)
        hessian[:, -1, :-1] = hessian[:, :-1, -1] = cross
        hessian[:, -1, -1] = end.square().sum(dim=(1, 2)) / 2
        traces = end.diagonal(dim1=1, dim2=2).sum(dim=1) / 2
        gradient = torch.cat([mixed.diagonal(dim1=1, dim2=2), traces[:, None]], dim=1)
        return -2 * gradient, 2 * hessian


def _certified(chain: _Chain, weights: Tensor, end: Tensor, square: float, product: float) -> float:
    """The root of the squared bound, or of the least larger one that the weights prove.

    At most the product of the norms, that of the hidden layers and the end's.
    """
    if not end.any():
        return 0.0
    most = product * dense_norm(end) * (1 + 4 * len(chain.hidden) * ROUNDOFF)
    while not _is_proven(chain, weights, end, square):
        square *= 1 + GAP
        if not square < most**2:
            return most
    return math.sqrt(square) * (1 + 4 * ROUNDOFF)


def _is_proven(chain: _Chain, weights: Tensor, end: Tensor, square: float) -> bool:
    """Cholesky's decomposition of the whole chain: one block per hidden layer, one for the end.

    In powers of two, which are exact, the diagonal is scaled to about one. Granted are, in units of
    2^-53: the decomposition of n rows, 2 (n + 2) times the trace (Rump 2006); one rounding of the
    other entries, at most twice the Frobenius norm; the Gram matrix of the first layer, the number
    of pixels times the squared Frobenius norm of its scaled rows, twice for safety.
    """
    parts = weights.split(chain.widths)
    first, *coupled = (w[:, None] * layer for w, layer in zip(parts, chain.hidden, strict=True))
    rows = first @ first.T
    size, outputs = len(weights), len(end)
    matrix = torch.zeros(size + outputs, size + outputs, dtype=torch.float64)
    matrix.diagonal().copy_(torch.cat([2 * weights, weights.new_full((outputs,), square)]))
    matrix[: len(rows), : len(rows)] -= rows
    edge = 0
    for (before, after), block in zip(
        pairwise([*chain.widths, outputs]), [*coupled, end], strict=True
    ):
        corner = edge + before
        matrix[corner : corner + after, edge:corner] = block
        edge = corner
    matrix = matrix.tril() + matrix.tril(-1).T
    scale = torch.exp2(-(matrix.diagonal().clamp(min=1e-300).log2() / 2).round())
    matrix = scale[:, None] * matrix * scale
    pixels = first.shape[1]
    first = scale[: len(rows), None] * first
    granted = 2 * (len(matrix) + 2) * matrix.trace() + 2 * matrix.norm()
    granted = granted + 2 * (pixels + 4) * first.square().sum()
    matrix.diagonal().sub_(granted * ROUNDOFF)
    return torch.linalg.cholesky_ex(matrix).info.item() == 0
