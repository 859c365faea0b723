"""Practice for *Spectral bounds, layer by layer*."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from blindspots.book.practice import exercise, numbers, require


def _ring(images: Tensor, kernel: Tensor, stride: int) -> Tensor:
    """Circular convolution of images of one channel, n x side x side."""
    k = len(kernel)
    wrapped = nn.functional.pad(images[:, None], (0, k - 1, 0, k - 1), mode="circular")
    return nn.functional.conv2d(wrapped, kernel[None, None], stride=stride)[:, 0]


@exercise
def what_follows(answer: str) -> None:
    """What bounds prove."""
    require(
        answer not in ("the first has adversarial images", "both"),
        "a bound says how far the output can move at most. If it is large, nothing follows: it may "
        "be a bad bound.",
    )
    require(
        answer != "neither",
        "with a bound of 2, a perturbation of length d moves two logits against each other by at "
        "most 2 √2 d. What if the margin is larger than that?",
    )
    require(
        answer == "the second has none near well-read images",
        f"say one of the four, word for word; got {answer!r}.",
    )


@exercise
def ring_convolution_matrix(answer: Callable[[Tensor, int, int], Tensor]) -> None:
    """A convolution on a ring as a matrix."""
    generator = torch.Generator().manual_seed(0)
    for size, side, stride in ((3, 6, 1), (2, 6, 2), (3, 6, 3)):
        kernel = torch.randn(size, size, generator=generator, dtype=torch.float64)
        matrix = numbers(answer(kernel, side, stride))
        shape = ((side // stride) ** 2, side**2)
        require(
            matrix.shape != shape[::-1] or shape[0] == shape[1],
            "it is transposed: a column is what becomes of one input pixel.",
        )
        require(
            matrix.shape == shape,
            f"with side {side} and stride {stride} the shape is {shape}, got {tuple(matrix.shape)}:"
            " are the images padded as rings?",
        )
        image = torch.rand(1, side, side, generator=generator, dtype=torch.float64)
        out = _ring(image, kernel, stride).flatten()
        require(
            shape[0] != shape[1] or not torch.allclose(matrix.T @ image.flatten(), out, atol=1e-5),
            "it is transposed: a column is what becomes of one input pixel. (A turned kernel, with "
            "the padding at the other end, gives the same matrix.)",
        )
        turned = _ring(image, kernel.flip(0, 1), stride).flatten()
        require(
            not torch.allclose(matrix @ image.flatten(), turned, atol=1e-5),
            "the kernel is turned by 180 degrees: PyTorch's convolution lays it on as it is.",
        )
        before = _ring(image.roll((size - 1, size - 1), (1, 2)), kernel, stride).flatten()
        require(
            not torch.allclose(matrix @ image.flatten(), before, atol=1e-5),
            "the padding is at the left and upper end: it belongs to the right and lower end.",
        )
        require(
            torch.allclose(matrix @ image.flatten(), out, atol=1e-5),
            "times an image it does not give what the convolution gives. Zeros in the padding "
            "instead of the other side of the ring?",
        )


@exercise
def fourier_norm(answer: Callable[[Tensor, int], float]) -> None:
    """Norm of a circular convolution."""
    generator = torch.Generator().manual_seed(1)
    for size, side in ((3, 8), (2, 5), (3, 7)):
        kernel = torch.randn(size, size, generator=generator, dtype=torch.float64)
        units = torch.eye(side**2, dtype=torch.float64).view(-1, side, side)
        exact = torch.linalg.matrix_norm(_ring(units, kernel, 1).flatten(1), 2).item()
        got = float(answer(kernel, side))
        coarse = torch.fft.fft2(kernel).abs().max().item()
        require(
            abs(got - coarse) > 1e-4 or abs(exact - coarse) < 1e-3,
            f"{got:.4f} is too small, the norm is {exact:.4f}: on the grid of the kernel's support "
            "the largest frequency may fall between the points. Whose grid has to be used?",
        )
        require(
            abs(got - exact**2) > 1e-4,
            "that is the square of the norm: the size of a complex number is a root.",
        )
        require(
            abs(got - (most := kernel.abs().sum().item())) > 1e-4 or abs(exact - most) < 1e-3,
            "that is the sum of the sizes of the kernel's entries: never below the norm, but equal "
            "to it only if some wave meets all entries in step.",
        )
        require(
            abs(got - kernel.norm().item()) > 1e-4,
            "that is the root of the sum of the squares of the kernel's entries; a wave may meet "
            "all entries in step.",
        )
        require(
            abs(got - exact) < 1e-5 * exact,
            f"by brute force it is {exact:.4f}, got {got:.4f}. Is it the largest size of the "
            "transform, imaginary part and all?",
        )


@exercise
def counterexample(answer: Callable[[], tuple[Tensor, Tensor]]) -> None:
    """A kernel and an image for which the printed number is no bound."""
    kernel, image = answer()
    require(
        kernel.ndim == 2 and kernel.shape[0] == kernel.shape[1] <= 8 and image.shape == (8, 8),
        "a square kernel of at most 8 x 8 and an image of 8 x 8 are wanted, got "
        f"{tuple(kernel.shape)} and {tuple(image.shape)}.",
    )
    kernel, image = kernel.double(), image.double()
    require(image.norm() > 0, "the image is black: it has no stretch.")
    require(kernel.norm() > 0, "a kernel of zeros stretches nothing, whatever the formula.")
    transform = torch.fft.fft2(kernel, (8, 8))
    four = transform.view(2, 4, 2, 4)
    mended = (four.abs().square().sum(dim=(0, 2)).sqrt().max() / 2).item()
    stretch = (_ring(image[None], kernel, 2).norm() / image.norm()).item()
    require(
        stretch > 1e-9,
        "the convolution with stride 2 makes this image black: is it dark where it is sampled?",
    )
    require(
        stretch > mended / 2 * (1 + 1e-9),
        f"this image is stretched by {stretch:.3f}; the printed number is {mended / 2:.3f}, so "
        "here it does bound the stretch. Which image suffers least from losing every second row "
        "and column?",
    )


@exercise
def radius(answer: Callable[[Tensor, float], Tensor]) -> None:
    """Certified radius."""
    logits = torch.tensor([[3.0, 1.0, 2.0], [0.0, 5.0, -1.0]], dtype=torch.float64)
    got = numbers(answer(logits, 2.0))
    require(got.shape == (2,), f"one radius per row is wanted, got shape {tuple(got.shape)}.")
    gaps = torch.tensor([1.0, 5.0], dtype=torch.float64)
    require(
        not torch.allclose(got, gaps / 2),
        "one logit may rise while the other falls, by a factor of √2 together: this radius is too "
        "large, and an attack could succeed within it.",
    )
    require(
        not torch.allclose(got, gaps / 4),
        "both logits cannot move by the full bound, which is one of their length together: √2, "
        "not 2. This radius holds, but gives something away.",
    )
    require(
        not torch.allclose(got, torch.tensor([2.0, 6.0], dtype=torch.float64) / 2**1.5),
        "that is the gap to the *smallest* logit; the nearest rival is the second largest.",
    )
    require(
        not torch.allclose(got, gaps / 2**0.5),
        "the √2 belongs under the fraction, beside the bound.",
    )
    require(
        torch.allclose(got, gaps / 2**1.5, rtol=1e-4),
        f"here it is 0.354 and 1.768, got {got.tolist()}.",
    )


@exercise
def stretched_pair(answer: Callable[[], tuple[Tensor, Tensor]]) -> None:
    """Two images that max-pooling drives apart."""
    first, second = answer()
    require(
        first.shape == second.shape == (5, 5),
        f"two images of 5 x 5 are wanted, got {tuple(first.shape)} and {tuple(second.shape)}.",
    )
    before = (first - second).double().norm().item()
    require(before > 0, "the two images are equal.")
    pooled = nn.functional.max_pool2d(torch.stack([first, second])[:, None].double(), 3, 2)
    after = (pooled[0] - pooled[1]).norm().item()
    require(
        after > 0,
        "pooling makes them equal: the change is hidden behind larger pixels. Let the pixel that "
        "differs be the largest of its windows.",
    )
    require(
        after > before * (1 + 1e-9),
        f"they are {before:.3f} apart before and {after:.3f} after: no growth. A pixel that lies "
        "in a single window counts once; which one lies in four?",
    )
