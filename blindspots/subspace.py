"""Many directions at right angles to each other, all equally good for an attack."""

import torch
from jaxtyping import Float
from torch import Tensor


def aligned_directions(
    gradients: Float[Tensor, "n *shape"], k: int, *, generator: torch.Generator
) -> Float[Tensor, "n k *shape"]:
    r"""Directions at right angles, each of which rises as fast as k of them can.

    For each gradient g, orthonormal directions :math:`r_1, \dots, r_k` with

    .. math:: \langle g, r_i \rangle = \|g\| / \sqrt{k} .

    No k orthonormal directions can all do better, as the squares of the inner products add up to
    at most :math:`\|g\|^2`. So if a linear function falls to zero within a distance d, each of k
    orthogonal steps of length l can reach that, up to k = (l / d)², and no more.

    Random orthonormal vectors q lean equally towards their own mean direction,
    :math:`w = k^{-1/2} \sum_i q_i`. A Householder reflection, which keeps all angles, takes w to
    the gradient's direction. The sign with which it does so is chosen such that no nearly equal
    numbers are subtracted. What the directions are like apart from the gradient is left to chance.

    Args:
        gradients: of what is to rise, one per image; take the negative for what is to fall.
        k: how many directions; at most the number of pixels.
        generator: source of the random vectors; it may be on another device than the gradients.

    Returns:
        The directions of every image along the second axis, computed in 64 bits and of the type of
        the gradients.

    Raises:
        TypeError: if the gradients are not floating point.
        ValueError: if k is not between one and the number of pixels, or a gradient is zero or not
            finite.

    References:
        Tramèr et al., The space of transferable adversarial examples (2017), arXiv:1704.03453,
        whose gradient-aligned adversarial subspace (GAAS) this is.

    >>> gradients = torch.tensor([[3.0, 4.0, 0.0]])
    >>> first, second = aligned_directions(gradients, 2, generator=torch.Generator())[0]
    >>> print(f"{gradients[0] @ first:.3f} {gradients[0] @ second:.3f} {abs(first @ second):.3f}")
    3.536 3.536 0.000
    """
    if not gradients.is_floating_point():
        raise TypeError(f"gradients must be floating point, got {gradients.dtype}: convert them")
    flat = gradients.flatten(1).double()
    n, pixels = flat.shape
    if not 1 <= k <= pixels:
        raise ValueError(
            f"there are no {k} orthonormal directions of {pixels} pixels: use k in 1..{pixels}"
        )
    if not flat.isfinite().all():
        raise ValueError("gradients contain NaN or infinity: leave such images out")
    flat = flat / flat.abs().amax(dim=1, keepdim=True)  # squares of tiny numbers would vanish
    if flat.isnan().any():
        row = int(flat.isnan().any(dim=1).nonzero()[0])
        raise ValueError(f"gradient {row} is zero and has no direction: leave such images out")
    aim = flat / flat.norm(dim=1, keepdim=True)
    drawn = torch.randn(
        n, pixels, k, generator=generator, device=generator.device, dtype=torch.float64
    )
    frame = torch.linalg.qr(drawn.to(gradients.device)).Q.mT
    middle = frame.sum(dim=1) / k**0.5
    away = torch.where((middle * aim).sum(dim=1) > 0, -1.0, 1.0).double()[:, None]
    # The reflection takes the middle to `away` times the aim, at least a right angle off.
    normal = middle - away * aim
    normal = normal / normal.norm(dim=1, keepdim=True)
    reflected = frame - 2 * (frame @ normal[:, :, None]) * normal[:, None]
    directions = away[:, None] * reflected
    return directions.to(gradients.dtype).view(n, k, *gradients.shape[1:])
