"""What is said to be the norm of a convolution, by its different authors."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy.sparse.linalg import LinearOperator, eigsh
from torch import Tensor
from torch.nn import functional as F
from torch.nn.grad import conv2d_input

from blindspots import conv_norm


@dataclass(frozen=True)
class Layer:
    """A convolution without groups or dilation, for square images of one size."""

    network: str
    name: str
    weight: Tensor
    size: int
    stride: int
    padding: int

    def __call__(self, images: Tensor) -> Tensor:
        return F.conv2d(images, self.weight, stride=self.stride, padding=self.padding)

    @property
    def input_shape(self) -> tuple[int, int, int, int]:
        return 1, self.weight.shape[1], self.size, self.size


def exact(layer: Layer) -> float:
    """By Lanczos' method to ten digits, on the layer itself with its zero padding."""
    weight = layer.weight.double()
    shape = layer.input_shape

    def gram(vector: np.ndarray) -> np.ndarray:
        image = torch.from_numpy(np.ascontiguousarray(vector)).view(shape)
        response = F.conv2d(image, weight, stride=layer.stride, padding=layer.padding)
        back = conv2d_input(shape, weight, response, stride=layer.stride, padding=layer.padding)
        return back.flatten().numpy()

    size = math.prod(shape)
    start = np.random.default_rng(0).standard_normal(size)
    operator = LinearOperator((size, size), matvec=gram, dtype=np.float64)
    (square,) = eigsh(operator, k=1, v0=start, tol=1e-10, ncv=30, return_eigenvectors=False)
    return math.sqrt(square)


def ours(layer: Layer, *, tight: bool) -> float:
    return conv_norm(
        layer.weight,
        (layer.size, layer.size),
        stride=layer.stride,
        padding=layer.padding,
        tight=tight,
    )


def spectra(layer: Layer, size: int) -> Tensor:
    """The kernel's transform on a grid of size x size frequencies, one matrix for each."""
    kernel = layer.weight
    if kernel.shape[2] > size:
        raise ValueError("the kernel does not fit into the grid")
    return torch.fft.fft2(kernel, (size, size)).permute(2, 3, 0, 1).reshape(-1, *kernel.shape[:2])


def aliased(layer: Layer, size: int, factor: float) -> float:
    """Equation (1) on a grid, with the frequencies that the stride confuses side by side."""
    s = layer.stride
    values = spectra(layer, size).view(s, size // s, s, size // s, *layer.weight.shape[:2])
    matrices = values.permute(1, 3, 4, 0, 2, 5).reshape((size // s) ** 2, len(layer.weight), -1)
    return factor * torch.linalg.svdvals(matrices)[:, 0].max().item()


def paper(layer: Layer) -> float:
    """As printed: a factor of stride^-2, on the grid of the padded image."""
    size = layer.size + 2 * layer.padding
    return aliased(layer, -(-size // layer.stride) * layer.stride, layer.stride**-2)


def support_grid(layer: Layer) -> float:
    """With a factor of 1 / stride, on the grid of the kernel's support, rounded up."""
    size = -(-layer.weight.shape[2] // layer.stride) * layer.stride
    return aliased(layer, size, 1 / layer.stride)


def sedghi(layer: Layer) -> float:
    """Sedghi, Gupta and Long (2019): circular, stride 1, on the grid of the image."""
    return torch.linalg.svdvals(spectra(layer, layer.size))[:, 0].max().item()


def gram_iteration(layer: Layer, iterations: int = 6) -> float:
    """Delattre et al. (2023), algorithm for convolutions: circular, stride 1."""
    matrices = spectra(layer, layer.size)
    logarithm = torch.zeros(len(matrices), dtype=torch.float64)
    for _ in range(iterations):
        sizes = torch.linalg.matrix_norm(matrices)
        logarithm = 2 * (logarithm + sizes.double().log())
        matrices = matrices / sizes[:, None, None]
        matrices = matrices.mH @ matrices
    norms = (torch.linalg.matrix_norm(matrices).double().log() + logarithm) / 2**iterations
    return norms.exp().max().item()


def power_iteration(layer: Layer, iterations: int) -> float:
    """Virmaux and Scaman (2018): the transpose by automatic differentiation."""
    vector = torch.randn(layer.input_shape, generator=torch.Generator().manual_seed(0))
    for _ in range(iterations):
        vector = (vector / vector.norm()).requires_grad_()
        (vector,) = torch.autograd.grad(layer(vector).square().sum() / 2, vector)
    return vector.norm().sqrt().item()


def reshaped(layer: Layer) -> float:
    """The kernel as a matrix of outputs by everything else, as in spectral normalisation."""
    return torch.linalg.svdvals(layer.weight.flatten(1))[0].item()


#: By name: what is measured, and whether its authors call it an upper bound.
METHODS: dict[str, Callable[[Layer], float]] = {
    "ours, tight": lambda layer: ours(layer, tight=True),
    "ours, Fourier": lambda layer: ours(layer, tight=False),
    "with 1 / Δ², otherwise corrected": paper,
    "paper, grid of the support": support_grid,
    "Sedghi et al., FFT": sedghi,
    "Gram iteration, 6 steps": gram_iteration,
    "power iteration, 10 steps": lambda layer: power_iteration(layer, 10),
    "power iteration, 100 steps": lambda layer: power_iteration(layer, 100),
    "reshaped kernel": reshaped,
}
