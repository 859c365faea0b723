"""Certified upper bounds on the operator norms of linear layers (section 4.3)."""

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from blindspots.bounds._enclosure import ROUNDOFF, Convolution, Pair, enclosed_square, pair
from blindspots.data import refuse_other_than_tensors

EIGENVALUES = 10  # times the size of the matrix and ROUNDOFF: granted to LAPACK's eigenvalues
SMALL = 64  # inputs or outputs of a convolution that is treated as a matrix


def dense_norm(weight: Float[Tensor, "outputs inputs"]) -> float:
    """Compute the spectral norm of a matrix, rounded outwards: never below the true one.

    Computed in 64 bits from the eigenvalues of the smaller of the two Gram matrices. Added to the
    largest are the rounding of the products, at most g * ||W||_F^2 with g = n * 2^-53 for sums of n
    products, and ten times the size of the matrix and 2^-53 for the eigenvalues.

    Raises:
        ValueError: if the weight is not a matrix of real numbers, is empty or not finite.

    >>> 5 <= dense_norm(torch.tensor([[3.0, 4.0], [0.0, 0.0]])) < 5 + 1e-9
    True
    """
    refuse_other_than_tensors(weight, "weight")
    if weight.ndim != 2:
        raise ValueError(f"a dense layer has a matrix, got shape {tuple(weight.shape)}")
    matrix, exponent = _scaled(_double(weight))
    return _outwards(_matrix_square(matrix), exponent)


def conv_norm(
    weight: Float[Tensor, "outputs inputs kh kw"],
    input_size: Pair,
    *,
    stride: int | Pair = 1,
    padding: int | Pair | Literal["same", "valid"] = 0,
    dilation: int | Pair = 1,
    groups: int = 1,
    tight: bool = True,
) -> float:
    r"""Bound the norm of a zero-padded convolution on images of one size, rounded outwards.

    Not tight, it is the paper's equation (1), corrected: the norm of the convolution on
    a torus, where Fourier analysis cuts it into one small matrix per frequency,

    .. math::

        \|W\| \le \max_\xi \Delta^{-1} \| [\hat w(\xi + l N / \Delta)]_l \|,

    with N the padded size, rounded up to a multiple of the stride :math:`\Delta`, and one block of
    columns for each of the :math:`\Delta^2` frequencies l that the stride confuses. (The paper
    prints :math:`\Delta^{-2}`, and the support of the kernel in place of N.) The layer is a part of
    that torus, so this is an upper bound for zero padding.

    Tight, it is within 0.1 % of the norm of the layer itself: t I - W^T W is positive definite, by
    a Cholesky decomposition of its band, for a t just above a Lanczos estimate of the largest
    eigenvalue. Completed in floating point, the decomposition proves it up to a rounding error that
    is bounded and added (Higham 2002, theorem 10.3; Rump 2006). The norm of a layer with few inputs
    or outputs is that of its matrix. It takes about
    (channels * width)^3 * kernel^2 * height operations: moments for the layers of a small network,
    minutes for those of AlexNet.

    Args:
        weight: as in `torch.nn.Conv2d`; the inputs are those of one group.
        input_size: height and width of the images.
        stride: of both axes, like the next two.
        padding: zeros on each side; or as in `torch.nn.Conv2d` by name. Of "same" with an even
            kernel, which has one more on one side, both sides get it: that bounds.
        dilation: distance of the kernel's points.
        groups: each is a convolution of its own, and the norm is the largest of theirs.
        tight: the second bound.

    Raises:
        ValueError: if the kernel does not fit into the padded image, a stride, dilation or size is
            not positive or a padding negative or of another name, or the weight is empty, complex
            or not finite.

    >>> blur = torch.ones(1, 1, 3, 3)
    >>> print(f"{conv_norm(blur, (8, 8), padding=1):.2f}")
    8.29
    >>> print(f"{conv_norm(blur, (8, 8), padding=1, tight=False):.2f}")
    9.00
    """
    kernel = _double(weight)
    if kernel.ndim != 4 or groups < 1 or len(kernel) % groups:
        raise ValueError(
            f"a convolution has a weight of four axes, the first divisible by groups, got shape "
            f"{tuple(weight.shape)} and {groups} groups"
        )
    sides = both_sides(padding, kernel.shape[2:], pair(dilation))
    layer = Convolution(kernel, pair(input_size), pair(stride), sides, pair(dilation))
    if min(*layer.input_size, *layer.stride, *layer.dilation) < 1 or min(layer.padding) < 0:
        raise ValueError(
            f"size, stride and dilation must be positive and padding not negative, got "
            f"{layer.input_size}, {layer.stride}, {layer.dilation} and {layer.padding}"
        )
    if min(layer.output_size) < 1:
        raise ValueError(
            f"a kernel of {tuple(kernel.shape[2:])} with dilation {dilation} does not fit into an "
            f"image of {input_size} with padding {padding}"
        )
    parts = layer.without_idle_points().kernel.chunk(groups)
    return max(_group_norm(layer._replace(kernel=part), tight) for part in parts)


def both_sides(padding: object, kernel: Sequence[int], dilation: Pair) -> Pair:
    """Give the padding of each axis, on each side, also where it is given by name.

    What "same" has on one side only is taken on both: that adds outputs, so it bounds.
    """
    if padding == "same":
        down, across = (-(-d * (k - 1) // 2) for d, k in zip(dilation, kernel, strict=True))
        return down, across
    if isinstance(padding, str) and padding != "valid":
        raise ValueError(f'padding has the names "same" and "valid", got {padding!r}')
    return (0, 0) if padding == "valid" else pair(padding)


def torus_norm(
    weight: Float[Tensor, "outputs inputs kh kw"], size: Pair, stride: Pair, dilation: Pair
) -> float:
    """Bound the norm of a convolution whose input is continued periodically: once around a torus.

    Args:
        weight: of one group.
        size: of the torus, multiples of the stride.
        stride: of each axis, like the dilation.
        dilation: distance of the kernel's points.
    """
    kernel, exponent = _scaled(_double(weight))
    layer = Convolution(kernel, size, stride, (0, 0), dilation)
    return _outwards(_fourier_square(layer), exponent)


def _double(weight: Tensor) -> Tensor:
    """A copy in 64 bits on the CPU, which holds every 32-bit weight exactly."""
    refuse_other_than_tensors(weight, "weight")
    if weight.is_complex():
        raise ValueError("the weight is complex: pass a real one")
    if weight.numel() == 0 or not weight.isfinite().all():
        raise ValueError("the weight is empty, or holds a NaN or an infinity")
    return weight.detach().double().cpu()


def _scaled(weight: Tensor) -> tuple[Tensor, int]:
    """Divide by a power of two, exactly, so that no square over- or underflows."""
    _, exponent = math.frexp(weight.abs().max().item())
    return torch.from_numpy(np.ldexp(weight.numpy(), -exponent)), exponent


def _outwards(square: float, exponent: int) -> float:
    """The root of a square, times a power of two, rounded upwards; zero if there is nothing."""
    if square == 0:
        return 0.0
    try:
        norm = math.ldexp(math.sqrt(square) * (1 + 4 * ROUNDOFF), exponent)
    except OverflowError:
        norm = math.inf
    return math.nextafter(norm, math.inf)


def _group_norm(layer: Convolution, tight: bool) -> float:
    """The norm of a layer of one group without idle points of the kernel, bounded."""
    if not layer.kernel.any():
        return 0.0
    kernel, exponent = _scaled(layer.kernel)
    layer = layer._replace(kernel=kernel)
    square = _fourier_square(layer)
    if tight and layer.fewest <= SMALL:
        square = min(square, _matrix_square(layer.matrix()))
    elif tight:
        square = min(square, enclosed_square(layer, square))
    return _outwards(square, exponent)


def _matrix_square(matrix: Tensor) -> float:
    return _largest_eigenvalue((matrix.T if len(matrix) > matrix.shape[1] else matrix)[None])


def _largest_eigenvalue(matrices: Tensor) -> float:
    """Bound the largest squared singular value of some wide matrices.

    The matrices are ranked by a cheap bound, the Frobenius norm of a power of the Gram matrix, so
    that only those that may hold the maximum are decomposed.
    """
    gram = matrices @ matrices.mH
    squares = matrices.abs().square().sum(dim=(1, 2))
    rounding = 8 * matrices.shape[2] * ROUNDOFF * squares.max().item()
    if len(gram) == 1:
        candidates = gram
    else:
        power = gram / squares.clamp(min=1e-300)[:, None, None]
        power = power @ power
        power = power @ power
        cheap = squares * torch.linalg.vector_norm(power, dim=(1, 2)) ** 0.25 * (1 + 1e-9)
        best = torch.linalg.eigvalsh(gram[cheap.topk(min(4, len(gram))).indices]).max()
        candidates = gram[cheap >= best]
    largest = torch.linalg.eigvalsh(candidates)[:, -1].max().item()
    return largest * (1 + EIGENVALUES * gram.shape[1] * ROUNDOFF) + rounding


def _fourier_square(layer: Convolution) -> float:
    """The squared norm on the torus, bounded."""
    kernel = layer.kernel
    outputs, inputs, *support = kernel.shape
    transforms, sides = [], []
    for n, p, s, d, k in zip(
        layer.input_size, layer.padding, layer.stride, layer.dilation, support, strict=True
    ):
        side = -(-(n + 2 * p) // s) * s
        angles = torch.outer(torch.arange(side), d * torch.arange(k)) % side
        angles = 2 * math.pi / side * angles.double()
        transforms.append(torch.complex(angles.cos(), -angles.sin()))
        sides.append(side)
    (sy, sx), (down, right) = layer.stride, transforms
    # The other half of the frequencies along one axis is the complex conjugate of this one.
    half = right[: sides[1] // sx // 2 + 1]
    aliases = [half] + [
        right[(torch.arange(len(half)) + a * sides[1] // sx) % sides[1]] for a in range(1, sx)
    ]
    values = torch.einsum("oiuv,yu,axv->yaxoi", kernel.to(down.dtype), down, torch.stack(aliases))
    values = values.view(sy, sides[0] // sy, sx, len(half), outputs, inputs)
    matrices = values.permute(1, 3, 4, 0, 2, 5).reshape(-1, outputs, sy * sx * inputs)
    # Each value is a sum of few products with a sine of known error.
    error = 4 * (sum(support) + 8) * ROUNDOFF * kernel.abs().sum(dim=(2, 3)).norm().item()
    square = _largest_eigenvalue(matrices if outputs <= matrices.shape[2] else matrices.mT)
    return (math.sqrt(square) + error * math.sqrt(sy * sx)) ** 2 / (sy * sx)
