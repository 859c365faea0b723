"""How far a measured error rate may be from the true one: over images, and over training runs."""

import math

import torch
from jaxtyping import Float
from scipy import special, stats
from torch import Tensor

CONFIDENCE = 0.95  # probability that an interval holds the true rate
Interval = tuple[Float[Tensor, "*shape"], Float[Tensor, "*shape"]]


def wilson_interval(error: float | Float[Tensor, "*shape"], count: int) -> Interval:
    """Bound the error rate on all images from that on `count` independent ones (Wilson).

    With a confidence of 95 %. For another training of the network see `seed_interval`.

    Args:
        error: observed shares, in [0, 1]: one, or a tensor.
        count: number of images that each was measured on.

    Returns:
        Lower and upper ends, in [0, 1], of the shape of `error`.

    Raises:
        ValueError: if a share is out of its range, or the count is not positive and finite.

    >>> import torch
    >>> low, high = wilson_interval(torch.tensor(0.059), 256)
    >>> print(f"{low:.3f} to {high:.3f}")
    0.036 to 0.095
    """
    share = torch.as_tensor(error, dtype=torch.float64)
    if not 1 <= count < math.inf or not ((share >= 0) & (share <= 1)).all():
        raise ValueError(
            f"need shares in [0, 1] of at least one image, got {_range(share)} of {count}"
        )
    z2 = float(special.ndtri((1 + CONFIDENCE) / 2)) ** 2 / count
    middle = (share + z2 / 2) / (1 + z2)
    half = (z2 * share * (1 - share) + (z2 / 2) ** 2).sqrt() / (1 + z2)
    return (middle - half).clamp(min=0), (middle + half).clamp(max=1)


def seed_interval(
    runs: Float[Tensor, "runs *shape"], *, confidence: float = CONFIDENCE, new_run: bool = False
) -> Interval:
    """Bound the mean over all seeds, or one further run, from a few runs (Student's t).

    Args:
        runs: one result per run along the first axis: other seeds, hence other initial weights,
            images and targets. Their spread holds that of the images already.
        confidence: probability that such an interval holds the mean (or the new run), in (0, 1).
        new_run: a wider interval, for one further run: to compare with what others measured once.

    Returns:
        Lower and upper ends, of the shape of one run.

    Raises:
        ValueError: if there are fewer than two runs, one is not finite, or the confidence is out of
            its range.

    >>> import torch
    >>> low, high = seed_interval(torch.tensor([0.1, 0.2, 0.3]))
    >>> print(f"{low:.2f} to {high:.2f}")
    -0.05 to 0.45
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie strictly between 0 and 1, got {confidence}")
    runs = torch.as_tensor(runs, dtype=torch.float64)
    number = len(runs) if runs.ndim else 1
    if number < 2 or not runs.isfinite().all():
        raise ValueError(
            f"need at least two runs to see their spread, all of them finite, got {number} of "
            f"{_range(runs)}"
        )
    t = float(special.stdtrit(number - 1, (1 + confidence) / 2))
    half = t * runs.std(dim=0) * (1 / number + new_run) ** 0.5
    return runs.mean(dim=0) - half, runs.mean(dim=0) + half


def ratio_interval(
    runs: Float[Tensor, "runs"], reference: Float[Tensor, "runs"], *, images: int
) -> tuple[float, float]:
    """Bound the typical ratio of two error rates over all seeds, from those of a few runs.

    With a confidence of 95 %, by Student's t of the logarithms of each run's ratio. Half an image
    more is counted as misclassified in both, so that none of them is zero.

    Args:
        runs: one rate per run, not negative.
        reference: that by which it is divided, of the same runs.
        images: how many images each was measured on.

    Returns:
        Lower and upper end.

    Raises:
        ValueError: if a rate is negative, there is not one reference for each, or no image.

    >>> import torch
    >>> runs, noise = torch.tensor([0.2, 0.4, 0.6]), torch.tensor([0.1, 0.2, 0.2])
    >>> low, high = ratio_interval(runs, noise, images=1_000_000)
    >>> print(f"{low:.2f} to {high:.2f}")
    1.28 to 4.10
    """
    if runs.shape != reference.shape or runs.ndim != 1 or images < 1:
        raise ValueError(
            f"need one reference for each run and at least one image, got shapes "
            f"{tuple(runs.shape)} and {tuple(reference.shape)} and {images} images"
        )
    if not ((runs >= 0).all() and (reference >= 0).all()):
        raise ValueError(f"rates must not be negative, got {min(runs.min(), reference.min()):g}")
    above, below = (rates.double() * images + 0.5 for rates in (runs, reference))
    low, high = seed_interval((above / below).log())
    return low.exp().item(), high.exp().item()


def median_interval(values: Float[Tensor, "n"]) -> tuple[float, float]:
    """Bound the median over all images, given those of some, by their order alone.

    With a confidence of 95 % or a little more. Of n independent values the number below the median
    is binomial, whatever the distribution.

    Args:
        values: one per image, at least six; they may be infinite.

    Returns:
        Lower and upper end, both among the values.

    Raises:
        ValueError: if there are too few values to bound anything, they are not one-dimensional, or
            one is NaN.

    >>> import torch
    >>> median_interval(torch.arange(1.0, 101.0))
    (40.0, 61.0)
    """
    if values.ndim != 1:
        raise ValueError(f"need one value per image, got shape {tuple(values.shape)}: flatten them")
    if values.isnan().any():
        raise ValueError("a value is NaN: leave it out, or find out why")
    count = len(values)
    below = int(stats.binom.ppf((1 - CONFIDENCE) / 2, count, 0.5)) - 1
    if below < 0:
        raise ValueError(f"need at least six values to bound their median, got {count}")
    ordered = values.sort().values
    return ordered[below].item(), ordered[count - 1 - below].item()


def share_bound(shares: Float[Tensor, "n"]) -> float:
    r"""Bound the mean share over all images from above, given the shares of some (Hoeffding).

    With a confidence of 95 %. A share may itself be an average, such as that of many noises on one
    image: it does not matter how it is distributed, only that it lies between 0 and 1. With m the
    mean of the n shares, the bound is the largest p for which

    .. math::

        m \ln \frac{m}{p} + (1 - m) \ln \frac{1 - m}{1 - p} \le \frac{1}{n} \ln \frac{1}{\alpha} ,

    where alpha is 5 %, after Hoeffding's inequality in its sharper form. With all shares zero it is
    the exact bound for n images without a single hit.

    Args:
        shares: of independent images, in [0, 1].

    Raises:
        ValueError: if there are no shares, they are not one-dimensional, or one is not in [0, 1].

    References:
        Hoeffding, Probability inequalities for sums of bounded random variables (1963), theorem 1.

    >>> import torch
    >>> f"{share_bound(torch.zeros(300)):.4f}"  # the rule of three: 3 / 300
    '0.0099'
    """
    if shares.ndim != 1 or len(shares) == 0 or not ((shares >= 0) & (shares <= 1)).all():
        raise ValueError("need shares in [0, 1] of at least one image, one for each, and no others")
    mean = shares.double().mean().item()
    allowed = -math.log1p(-CONFIDENCE) / len(shares)
    low, high = mean, 1.0
    for _ in range(60):  # and not a root: the end that is returned must be on the safe side
        middle = (low + high) / 2
        if special.rel_entr(mean, middle) + special.rel_entr(1 - mean, 1 - middle) <= allowed:
            low = middle
        else:
            high = middle
    return high


def _range(numbers: Tensor) -> str:
    return f"{numbers.min():g} to {numbers.max():g}" if numbers.numel() else "none"
