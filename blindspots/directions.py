"""Random bases, rotations, whitening, and directions aligned with gradients."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor


def haar_basis(
    d: int, *, generator: torch.Generator | None = None, dtype: torch.dtype | None = None
) -> Float[Tensor, "d d"]:
    """Draw orthonormal columns, all their rotations and reflections equally likely.

    The QR decomposition of a Gaussian matrix alone does not do that: the signs of the columns
    depend on the algorithm. Making the diagonal of R positive does (Mezzadri 2007).

    Args:
        d: dimension, at least 1.
        generator: source of the basis, which is made on its device.
        dtype: of the basis; the default of PyTorch if not given.

    Raises:
        ValueError: if the dimension is not positive.
    """
    return haar_bases(1, d, generator, dtype)[0]


def haar_bases(
    number: int, d: int, generator: torch.Generator | None, dtype: torch.dtype | None
) -> Float[Tensor, "number d d"]:
    """Draw a number of bases, each as `haar_basis` would."""
    if d < 1:
        raise ValueError(f"a basis needs at least one dimension, got {d}")
    device = "cpu" if generator is None else generator.device
    # One draw per basis, so that the bases do not depend on how many are drawn at once.
    draws = [
        torch.randn(d, d, generator=generator, device=device, dtype=dtype) for _ in range(number)
    ]
    bases, triangles = torch.linalg.qr(torch.stack(draws))
    return bases * triangles.diagonal(dim1=-2, dim2=-1).sign()[..., None, :]


def partial_rotations(
    rotation: Float[Tensor, "d d"], parts: Sequence[float]
) -> Float[Tensor, "parts d d"]:
    """Rotate part of the way from the identity to a rotation Q: compute its powers Q^part.

    As Network Dissection does it (Bau et al. 2017, section 3.2).

    Args:
        rotation: orthogonal, of determinant 1, without a half-turn in any plane.
        parts: 0 for the identity, 1 for the rotation.

    Returns:
        One rotation per part.

    Raises:
        ValueError: if the matrix is not orthogonal, or there is no (one) shortest way.

    >>> quarter_turn = torch.tensor([[0.0, -1.0], [1.0, 0.0]])
    >>> partial_rotations(quarter_turn, [0, 1 / 3])[1, 0]  # the cosine and sine of 30 degrees
    tensor([ 0.8660, -0.5000])
    """
    matrix = rotation.double()
    if not torch.allclose(matrix @ matrix.mT, torch.eye(len(matrix)).to(matrix), atol=1e-4):
        raise ValueError("not a rotation: its columns must be orthonormal, as of haar_basis")
    values, vectors = torch.linalg.eig(matrix)
    if torch.linalg.slogdet(matrix).sign < 0 or (values + 1).abs().min() < 1e-5:
        raise ValueError(
            "a reflection (determinant -1), or a half-turn in some plane, has no shortest way to "
            "it: change the sign of one column"
        )
    inverse = torch.linalg.inv(vectors)
    return torch.stack([((vectors * values**part) @ inverse).real for part in parts]).to(rotation)


def whitening(features: Float[Tensor, "n d"], *, strength: float = 1.0) -> Float[Tensor, "d d"]:
    """Compute the symmetric matrix that decorrelates the features (ZCA): C^(-strength/2).

    Of all matrices W that make `features @ W` white, this one changes the features least, in total.
    It can be estimated on other images than those it is used on.

    Args:
        features: activations of n images; C is their covariance.
        strength: 1 for a covariance of one; 0 for none of it; between them, in part.

    Returns:
        The matrix; features are whitened by `features @ matrix`.

    Raises:
        TypeError: if the features are not a tensor of 32- or 64-bit numbers.
        ValueError: if they are not a finite matrix, or linearly dependent, so that there is no such
            matrix.

    >>> features = torch.randn(100, 3, generator=torch.Generator().manual_seed(0)).cumsum(dim=1)
    >>> torch.allclose((features @ whitening(features)).T.cov(), torch.eye(3), atol=1e-5)
    True
    """
    refuse_other_than_features(features)
    variances, principal = torch.linalg.eigh(torch.atleast_2d(features.double().mT.cov()))
    # Rounding to 32 bits leaves variances of 1e-14 of the largest where there should be none.
    if not variances[0] > 1e-12 * variances[-1]:
        raise ValueError(
            f"{features.shape[1]} features of {len(features)} images are linearly dependent, "
            "or of very different scales, and cannot be whitened: drop dead units "
            "(features[:, features.std(dim=0) > 0]), take more images, or rescale the units"
        )
    return ((principal * variances ** (-strength / 2)) @ principal.mT).to(features.dtype)


def refuse_other_than_features(features: object) -> None:
    """Refuse what is not a matrix of activations, one row for each of two or more images.

    Raises:
        TypeError: if the features are not a tensor of 32- or 64-bit numbers.
        ValueError: if they have another shape, or are not finite.
    """
    kind = features.dtype if isinstance(features, Tensor) else type(features).__name__
    if not isinstance(features, Tensor) or kind not in (torch.float32, torch.float64):
        raise TypeError(
            f"features must be a tensor of float32 or float64, got {kind}: convert them"
        )
    if features.ndim != 2 or len(features) < 2 or not features.shape[1]:
        raise ValueError(
            f"features must be a matrix with a row for each of two or more images, got shape "
            f"{tuple(features.shape)}: flatten what a layer gives with .flatten(1)"
        )
    if not features.isfinite().all():
        raise ValueError("features must be finite, but contain NaN or infinity: leave these out")


def aligned_directions(
    gradients: Float[Tensor, "n *shape"], k: int, *, generator: torch.Generator
) -> Float[Tensor, "n k *shape"]:
    r"""Find directions at right angles, each of which rises as fast as k of them can.

    For each gradient g, orthonormal directions :math:`r_1, \dots, r_k` with

    .. math:: \langle g, r_i \rangle = \|g\| / \sqrt{k} .

    No k orthonormal directions can all do better, as the squares of the inner products add up to
    at most :math:`\|g\|^2`. So if a linear function falls to zero within a distance d, each of k
    orthogonal steps of length l can reach that, up to k = (l / d)², and no more.

    Random orthonormal vectors q lean equally towards their own mean direction,
    :math:`w = k^{-1/2} \sum_i q_i`. A Householder reflection, which keeps all angles, takes w to
    the gradient's direction. The sign with which it does so is chosen such that no nearly equal
    numbers are subtracted. Except for the gradient, the directions are left to chance.

    Args:
        gradients: of what is to rise, one per image; take the negative for what is to fall.
        k: how many directions; at most the number of pixels.
        generator: source of the random vectors; it may be on another device than the gradients.

    Returns:
        The directions of each image along the second axis, computed in 64 bits, typed as the input.

    Raises:
        TypeError: if the gradients are not floating point.
        ValueError: if k is not in 1..pixels, or a gradient is zero or not finite.

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
