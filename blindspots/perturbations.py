"""Measure and rescale perturbations, and add the noise that serves as their control."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import avg_pool2d

from blindspots.data import refuse_other_than_floats

# Of every pixel: numbers, or tensors that broadcast to the images, such as one per channel.
Bounds = tuple[float | Tensor, float | Tensor]


def distortion(
    original: Float[Tensor, "n *shape"], perturbed: Float[Tensor, "n *shape"]
) -> Float[Tensor, "n"]:
    """Compute the root mean square change of a pixel, per image: the L2 norm over root m.

    In the units of the pixels, so that it compares with the standard deviation of a noise. The
    paper's tables print its average over images (section 4.2); whether of the images' own values
    (mean) or under one root over all pixels of all images (pooled) is not said.

    Raises:
        TypeError: if the images are not floating point.
        ValueError: if the shapes differ.

    >>> distortion(torch.zeros(1, 4), torch.tensor([[0.0, 0.0, 0.0, 0.5]]))
    tensor([0.2500])
    """
    refuse_other_than_floats(original)
    refuse_other_than_floats(perturbed, "perturbed images")
    if original.shape != perturbed.shape:
        raise ValueError(
            f"the originals have shape {tuple(original.shape)} and the perturbed images "
            f"{tuple(perturbed.shape)}: compare images of the same shape"
        )
    dtype = torch.promote_types(original.dtype, torch.float32)  # squares do not fit into 16 bits
    return (perturbed.to(dtype) - original.to(dtype)).flatten(1).square().mean(dim=1).sqrt()


def rescale_perturbation(
    original: Float[Tensor, "n *shape"],
    perturbed: Float[Tensor, "n *shape"],
    *,
    to: float | Float[Tensor, "n"],
    bounds: Bounds | None = None,
) -> Float[Tensor, "n *shape"]:
    r"""Lengthen or shorten each perturbation until its distortion is `to`.

    .. math:: x + \text{to} \cdot \sqrt{m} \, \frac{x' - x}{\|x' - x\|_2}

    for m pixels. The formula reported of the paper's Table 4 lacks the root of m; without it the
    distortion would be that much smaller.

    Args:
        original: images without perturbation.
        perturbed: the same images with it.
        to: wanted distortion, one number or one per image.
        bounds: clip to them afterwards, which shortens the perturbation again; None does not clip.

    Raises:
        ValueError: if an image is not perturbed at all, an original lies outside the bounds, the
            shapes differ or `to` is negative.
    """
    present = distortion(original, perturbed)
    _refuse_outside(original, bounds)
    if (lost := ~(present > 0)).any():
        raise ValueError(
            f"image {int(lost.nonzero()[0])} is not perturbed and has no direction to "
            "rescale: leave such images out"
        )
    factor = _per_image("to", to, original) / _per_image("distortion", present, original)
    return clip(original + factor * (perturbed - original), bounds)


def add_gaussian_noise(
    images: Float[Tensor, "n *shape"],
    *,
    standard_deviation: float | Float[Tensor, "n"],
    bounds: Bounds | None = None,
    generator: torch.Generator,
) -> Float[Tensor, "n *shape"]:
    """Add independent Gaussian noise to every pixel: the control that must not fool a network.

    By default it is not clipped, as almost surely in the paper's rows of noise (Tables 2 and 4).

    Args:
        images: to be perturbed.
        standard_deviation: of the noise, one number or one per image. It is also the expected
            distortion (before clipping, up to a relative error of one over four times the pixels).
        bounds: clip to them afterwards; None does not clip.
        generator: source of the noise; it may be on another device than the images.

    Raises:
        TypeError: if the images are not floating point.
        ValueError: if a standard deviation is negative, there is not one per image, or images lie
            outside the bounds.
    """
    refuse_other_than_floats(images)
    _refuse_outside(images, bounds)
    noise = torch.randn(
        images.shape, generator=generator, device=generator.device, dtype=images.dtype
    )
    scale = _per_image("standard_deviation", standard_deviation, images)
    return clip(images + scale * noise.to(images.device), bounds)


def add_equal_noise(
    original: Float[Tensor, "n *shape"],
    perturbed: Float[Tensor, "n *shape"],
    *,
    bounds: Bounds | None = None,
    generator: torch.Generator,
) -> Float[Tensor, "n *shape"]:
    """Add Gaussian noise of exactly the distortion of each image's perturbation.

    Args:
        original: images without perturbation; the noise is added to them.
        perturbed: the same images with it.
        bounds: clip to them, with noise enlarged to keep that distortion; None does not clip.
        generator: source of the noise; it may be on another device than the images.

    Raises:
        ValueError: if the shapes differ, originals lie outside the bounds, or there is no room for
            so much noise between these.
    """
    size = distortion(original, perturbed)
    _refuse_outside(original, bounds)
    noise = add_gaussian_noise(
        torch.zeros_like(original), standard_deviation=1, generator=generator
    )
    noise = noise / _per_image("size", distortion(noise, torch.zeros_like(noise)), original)

    def noisy(scale: Tensor) -> Tensor:
        return clip(original + _per_image("size", scale, original) * noise, bounds)

    if bounds is None:
        return noisy(size)
    low, high = torch.zeros_like(size), size
    for _ in range(20):  # the distortion grows with the scale, and is no more than it
        short = distortion(original, noisy(high)) < size
        high = torch.where(short, 2 * high, high)
    if (distortion(original, noisy(high)) < size).any():
        raise ValueError(
            f"between {bounds[0]} and {bounds[1]} there is no room for noise of distortion "
            f"{size.max().item():g}: pass smaller perturbations, or no bounds"
        )
    for _ in range(40):
        middle = (low + high) / 2
        short = distortion(original, noisy(middle)) < size
        low, high = torch.where(short, middle, low), torch.where(short, high, middle)
    return noisy(high)


def structural_similarity(
    images: Float[Tensor, "n channels height width"],
    others: Float[Tensor, "n channels height width"],
) -> Float[Tensor, "n"]:
    """Compute the structural similarity (SSIM) of pairs of images, a stand-in for a person's eye.

    In windows of seven by seven pixels it compares mean, contrast and correlation; the mean over
    all windows is 1 for equal images, and near 0 for unrelated ones. The windows are plain squares
    and the constants are those of the authors, for pixels in [0, 1].

    Args:
        images: in [0, 1], at least seven pixels high and wide.
        others: of the same shape.

    Returns:
        One number per pair, at most 1.

    Raises:
        TypeError: if the images are not floating point.
        ValueError: if the shapes differ, or the images are smaller than a window.

    References:
        Wang, Bovik, Sheikh and Simoncelli, Image quality assessment: from error visibility to
        structural similarity (2004), equation (13).

    >>> image = torch.rand(2, 1, 28, 28)
    >>> structural_similarity(image, image)
    tensor([1., 1.])
    """
    window, (c1, c2) = 7, (0.01**2, 0.03**2)
    refuse_other_than_floats(images)
    refuse_other_than_floats(others, "the other images")
    if images.shape != others.shape or images.ndim != 4 or min(images.shape[2:]) < window:
        raise ValueError(
            f"need images (n, channels, height, width) of equal shapes, at least {window} pixels "
            f"high and wide, got {tuple(images.shape)} and {tuple(others.shape)}"
        )
    x, y = images.double(), others.double()

    def mean(values: Tensor) -> Tensor:
        return avg_pool2d(values, window, stride=1)

    def covariance(one: Tensor, other: Tensor) -> Tensor:
        size = window**2
        return (mean(one * other) - mean(one) * mean(other)) * size / (size - 1)

    a, b = mean(x), mean(y)
    alike = (2 * a * b + c1) * (2 * covariance(x, y) + c2)
    alike /= (a * a + b * b + c1) * (covariance(x, x) + covariance(y, y) + c2)
    return alike.flatten(1).mean(dim=1).to(images.dtype)


def _per_image(name: str, number: float | Tensor, images: Tensor) -> Tensor:
    """A number, or one per image, in a shape that broadcasts along the images' first axis."""
    values = torch.as_tensor(number, dtype=images.dtype, device=images.device)
    if values.ndim and values.shape != images.shape[:1]:
        raise ValueError(
            f"{name} has shape {tuple(values.shape)} for {len(images)} images: pass one number, or "
            "one per image"
        )
    if not (values >= 0).all():
        raise ValueError(f"{name} must not be negative, got {values.min().item():g}")
    return values.view(-1, *[1] * (images.ndim - 1))


def _refuse_outside(images: Tensor, bounds: Bounds | None) -> None:
    if bounds is not None and not torch.equal(clip(images, bounds), images):
        raise ValueError(
            f"pixels lie in [{images.min():.3g}, {images.max():.3g}], some outside the bounds "
            f"{bounds}: rescale the images, or state their range as bounds"
        )


def clip(images: Tensor, bounds: Bounds | None) -> Tensor:
    """Move every pixel into the bounds; None does nothing."""
    if bounds is None:
        return images
    lower, upper = (
        torch.as_tensor(bound, dtype=images.dtype, device=images.device) for bound in bounds
    )
    return images.clamp(lower, upper)
