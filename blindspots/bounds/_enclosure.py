"""The norm of a convolution with zero padding, enclosed from above by a Cholesky decomposition."""

import itertools
import math
import operator
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from scipy.sparse.linalg import ArpackError, LinearOperator, eigsh
from torch import Tensor
from torch.nn import functional as F
from torch.nn.grad import conv2d_input

Pair = tuple[int, int]

ROUNDOFF = 2.0**-53  # largest relative error of one 64-bit operation
SLACK = 5e-4  # how far above the estimated squared norm the enclosure is tried first


def pair(number: Any) -> Pair:
    """Repeat a whole number for both axes, unless there are two."""
    try:
        one, other = map(operator.index, [number] * 2 if np.ndim(number) == 0 else number)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"sizes, strides, paddings and dilations are one whole number, or two, got {number!r}"
        ) from error
    return one, other


class Convolution(NamedTuple):
    """A convolution of one group for images of one size, in 64 bits."""

    kernel: Tensor
    input_size: Pair
    stride: Pair
    padding: Pair
    dilation: Pair

    @property
    def output_size(self) -> Pair:
        height, width = (
            (n + 2 * p - d * (k - 1) - 1) // s + 1
            for n, k, s, p, d in zip(self.input_size, self.kernel.shape[2:], *self[2:], strict=True)
        )
        return height, width

    @property
    def fewest(self) -> int:
        """The smaller one of the numbers of inputs and of outputs."""
        outputs, inputs = self.kernel.shape[:2]
        return min(inputs * math.prod(self.input_size), outputs * math.prod(self.output_size))

    def without_idle_points(self) -> "Convolution":
        """Set to zero those points of the kernel that lie on padding wherever the kernel stands."""
        kernel = self.kernel.clone()
        sizes = zip(self.input_size, self.output_size, kernel.shape[2:], *self[2:], strict=True)
        for axis, (n, outputs, k, s, p, d) in enumerate(sizes, start=2):
            places = s * torch.arange(outputs)[:, None] - p + d * torch.arange(k)
            idle = ~((places >= 0) & (places < n)).any(dim=0)
            kernel.index_fill_(axis, idle.nonzero()[:, 0], 0)
        return self._replace(kernel=kernel)

    def matrix(self) -> Float[Tensor, "out in"]:
        """Write the layer as a matrix."""
        shape = self.kernel.shape[1], *self.input_size
        impulses = torch.eye(math.prod(shape), dtype=torch.float64).view(-1, *shape)
        return F.conv2d(impulses, self.kernel, None, *self[2:]).flatten(1).T


class _Band(NamedTuple):
    """A symmetric matrix of square blocks, zero far from its diagonal; blocks are made when asked.

    Attributes:
        products: the different ones, of which every block is a sum.
        summands: of the blocks on and below the diagonal, by row and column.
        height: number of rows of blocks.
        reach: how many blocks a row has to the left of its diagonal.
    """

    products: dict[Pair, Tensor]
    summands: dict[Pair, list[Pair]]
    height: int
    reach: int

    @property
    def side(self) -> int:
        return len(next(iter(self.products.values())))

    def block(self, row: int, column: int) -> Tensor:
        total = torch.zeros(self.side, self.side, dtype=torch.float64)
        for key in self.summands.get((row, column), ()):
            total += self.products[key]
        return total


def enclosed_square(layer: Convolution, bound: float) -> float:
    """Bound the squared norm of the layer itself: at most 0.1 % above it and never below.

    t I - W^T W is positive definite when its Cholesky decomposition exists. Completed in floating
    point, the decomposition proves it up to a rounding error that is bounded and added (Higham
    2002, theorem 10.3; Rump 2006). The first t is just above a Lanczos estimate. If that is too
    low, t grows, at most to another bound, which is known; then bisection finds the least t that
    can be proven.

    Args:
        layer: without idle points of the kernel, and not zero.
        bound: of the squared norm, from elsewhere.
    """
    band = _gram_band(layer)
    # No entry of a matrix exceeds its norm, and every point of the kernel is an entry.
    low = min(bound, max(_estimated_square(layer), layer.kernel.abs().max().item() ** 2))
    step, square = SLACK, low * (1 + SLACK)
    while square < bound:
        if _is_positive_definite(band, square):
            bound = square
        else:
            low, step = square, 2 * step
        square = max(low * (1 + SLACK), min(low * (1 + step), math.sqrt(low * bound)))
    # In the decomposition of a matrix of this band each entry is a sum of at most `width` products,
    # each at most `bound`, and that many entries of a row are not zero.
    width = (band.reach + 1) * band.side
    decomposition = 4 * (width + 2) * (2 * width + 1) * ROUNDOFF * bound
    absolute = layer.kernel.abs()
    largest = absolute.sum(dim=(1, 2, 3)).max() * absolute.sum(dim=(0, 2, 3)).max()
    products = 4 * layer.kernel.numel() * ROUNDOFF * largest.item()
    return bound + decomposition + products


def _gram_band(layer: Convolution) -> _Band:
    """W^T W or W W^T, whichever is cheaper to decompose, by rows of the image.

    Rows of an image that no kernel spans together have nothing in common, so the matrix is a band
    of blocks.
    """
    matrices = _row_matrices(layer)
    (height, _), (out_height, _) = layer.input_size, layer.output_size
    reach = (len(matrices) - 1) * layer.dilation[0]
    out_reach = reach // layer.stride[0]
    cost = height * matrices.shape[2] ** 3 * (reach + 1) ** 2
    out_cost = out_height * matrices.shape[1] ** 3 * (out_reach + 1) ** 2
    of_outputs = out_cost < cost
    if of_outputs:
        matrices, reach, height = matrices.mT, out_reach, out_height
    # Which rows of inputs and outputs meet, and in which row of the kernel.
    meetings: dict[int, list[tuple[int, int]]] = {}
    for o in range(out_height):
        for u in range(len(matrices)):
            i = o * layer.stride[0] - layer.padding[0] + u * layer.dilation[0]
            if 0 <= i < layer.input_size[0]:
                shared, own = (i, o) if of_outputs else (o, i)
                meetings.setdefault(shared, []).append((u, own))
    summands: dict[Pair, list[Pair]] = {}
    for met in meetings.values():
        for (u, a), (v, b) in itertools.product(met, met):
            if b <= a:
                summands.setdefault((a, b), []).append((u, v))
    products = {
        (u, v): matrices[u].mT @ matrices[v]
        for u, v in {k for keys in summands.values() for k in keys}
    }
    return _Band(products, summands, height, reach)


def _row_matrices(layer: Convolution) -> Float[Tensor, "kh out in"]:
    """Per row of the kernel, what it makes of one row of the image, as a matrix."""
    inputs, width = layer.kernel.shape[1], layer.input_size[1]
    impulses = torch.eye(inputs * width, dtype=torch.float64).view(-1, inputs, 1, width)
    responses = [
        F.conv2d(
            impulses,
            row[:, :, None],
            stride=(1, layer.stride[1]),
            padding=(0, layer.padding[1]),
            dilation=(1, layer.dilation[1]),
        )
        for row in layer.kernel.unbind(dim=2)
    ]
    return torch.stack([response.flatten(1).T for response in responses])


def _is_positive_definite(band: _Band, shift: float) -> bool:
    """Whether shift * I minus the matrix has a Cholesky decomposition."""
    factor: dict[Pair, Tensor] = {}  # its last rows of blocks: all that the next row needs
    half = band.side // 2
    for row in range(band.height):
        rest = -band.block(row, row)
        rest.diagonal().add_(shift)
        first = max(0, row - band.reach)
        for column in range(first, row):
            block = -band.block(row, column)
            for before in range(first, column):
                block.addmm_(factor[row, before], factor[column, before].T, alpha=-1)
            block = torch.linalg.solve_triangular(
                factor[column, column].T, block, upper=True, left=False
            )
            factor[row, column] = block
            # The decomposition reads the lower triangle; of the rest a quarter is left out.
            rest[:half, :half].addmm_(block[:half], block[:half].T, alpha=-1)
            rest[half:].addmm_(block[half:], block.T, alpha=-1)
        factor[row, row], failed = torch.linalg.cholesky_ex(rest)
        if failed:
            return False
        factor = {at: block for at, block in factor.items() if at[0] > row - band.reach}
    return True


def _estimated_square(layer: Convolution) -> float:
    """The squared norm by Lanczos: very near, but it may be below; zero if that fails."""
    shape = 1, layer.kernel.shape[1], *layer.input_size
    geometry = layer[2:]

    def gram(vector: np.ndarray) -> np.ndarray:
        image = torch.from_numpy(np.ascontiguousarray(vector)).view(shape)
        response = F.conv2d(image, layer.kernel, None, *geometry)
        back = conv2d_input(shape, layer.kernel, response, *geometry)
        return back.flatten().numpy()

    size = math.prod(shape)
    start = np.random.default_rng(0).standard_normal(size)
    operator = LinearOperator((size, size), matvec=gram, dtype=np.float64)
    try:
        (square,) = eigsh(operator, k=1, v0=start, tol=1e-4, return_eigenvectors=False)
    except ArpackError:
        return 0.0
    return float(square)
