"""Practice for *Rare, or dense?*."""

from collections.abc import Callable

import torch
from scipy.stats import beta
from torch import Tensor

from blindspots.book.practice import exercise, numbers, require


@exercise
def largest_probability(answer: float) -> None:
    """The rule of three."""
    require(answer != 0, "never seen is not impossible: a thousand draws are too few to say so.")
    require(
        abs(answer - 0.001) > 1e-4,
        "with p = 1/1000 a thousand misses happen in 37 % of all cases, not in 5 %.",
    )
    require(
        abs(answer - 0.05) > 1e-3,
        "0.05 is the chance of the luck, not of the hit: at p = 0.05 they never happen.",
    )
    require(abs(answer - 0.003) < 3e-4, f"(1 - p)^1000 = 0.05, so p is about 3/1000; got {answer}.")


@exercise
def upper_bound(answer: Callable[[int, int], float]) -> None:
    """Clopper and Pearson's upper bound."""
    got = answer(0, 1000)
    require(got > 0, "for no hits the bound is not zero: see the exercise before.")
    require(
        abs(got - (1 - 0.025 ** (1 / 1000))) > 1e-6,
        "that is one end of a two-sided interval, with 2.5 % at each end; asked is a bound from "
        "above only.",
    )
    require(abs(got - 0.002991) < 1e-5, f"for 0 of 1000 it is 0.00299, got {got:.5f}.")
    got = answer(5, 50)
    require(
        got > 5 / 50 + 1e-6, "that is the share itself; the probability behind it may be larger."
    )
    require(
        abs(got - (0.1 + 1.645 * (0.1 * 0.9 / 50) ** 0.5)) > 1e-5,
        "that is the normal approximation, which is no bound for few hits: for 0 hits it gives 0.",
    )
    wanted = float(beta.ppf(0.95, 5 + 1, 50 - 5))
    require(abs(got - wanted) < 1e-5, f"for 5 of 50 it is {wanted:.4f}, got {got:.4f}.")
    require(
        abs(answer(7, 7) - 1) < 1e-4,
        f"if all draws hit, the probability may be one; got {answer(7, 7)}.",
    )


@exercise
def crossing_probability(answer: Callable[[float, int], float]) -> None:
    """Probability that noise crosses a plane."""
    got = answer(28.0, 784)
    phi = torch.special.ndtr(torch.tensor(-1.0)).item()
    require(
        abs(got - (1 - phi)) > 1e-4,
        "that is the probability of *not* crossing: the plane is on one side of the image only.",
    )
    require(
        abs(got - torch.special.ndtr(torch.tensor(-1 / 28)).item()) > 1e-4,
        "that takes the length of the noise for its size along one direction. Its length is spread "
        "over all m directions.",
    )
    require(abs(got - 2 * phi) > 1e-4, "there is one plane, on one side: not both tails.")
    require(abs(got - phi) < 1e-4, f"for k = 28 = √784 it is Φ(-1) = 0.159, got {got:.4g}.")
    got = answer(10.0, 64)
    require(
        abs(got - 0.2119) < 1e-3, f"for k = 10 and 64 pixels it is Φ(-0.8) = 0.212; got {got:.4g}."
    )


@exercise
def distance_from_noise(answer: Callable[[float, float], float]) -> None:
    """The distance that noise foretells."""
    got = answer(0.158655, 0.2)
    require(
        got > 0,
        "the distance came out negative: for a share below one half Φ's inverse is negative.",
    )
    require(abs(got - 1) > 1e-3, "the share fixes the distance in units of s only: multiply by s.")
    require(abs(got - 5) > 1e-3, "multiply by s, do not divide.")
    require(abs(got - 0.2) < 1e-4, f"for Φ(-1) = 0.159 and s = 0.2 it is 0.2, got {got:.4g}.")


@exercise
def orthogonal_and_aligned(answer: Callable[[Tensor, int], Tensor]) -> None:
    """Orthonormal directions that share a gradient."""
    generator = torch.Generator().manual_seed(0)
    cases = [(torch.randn(6, generator=generator, dtype=torch.float64), k) for k in (3, 3, 2, 5, 6)]
    cases.append((torch.tensor([1.0, 1, 1, 0, 0, 0], dtype=torch.float64), 3))
    for g, k in cases:
        rows = numbers(answer(g, k))
        require(
            rows.shape == (k, 6),
            f"for k = {k}, {k} rows of six numbers are wanted, got {tuple(rows.shape)}.",
        )
        require(
            bool(rows.isfinite().all()),
            "one gradient gives nan: if the middle of your vectors already points along g, there "
            "is nothing to reflect.",
        )
        products = rows @ rows.T
        require(
            torch.allclose(products, torch.eye(k).double(), atol=1e-5),
            "they are not orthonormal: their inner products are not those of the identity.",
        )
        along = rows @ g / g.norm()
        require(
            along.max() - along.min() < 1e-5,
            f"their inner products with g differ: {[f'{x:.3f}' for x in along.tolist()]} of its "
            f"length, for k = {k}. They are to share it evenly.",
        )
        require(
            abs(along[0].item() + k**-0.5) > 1e-5,
            "they all point against g: turn the sign.",
        )
        require(
            abs(along[0].item() - k**-0.5) < 1e-5,
            f"each has {along[0]:.3f} of the length of g, and 1/√{k} = {k**-0.5:.3f} is possible. "
            "Do all of them together contain g?",
        )
