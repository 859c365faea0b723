"""Practice for *Units and directions*."""

from collections.abc import Callable

import torch
from torch import Tensor

from blindspots.book.practice import exercise, numbers, require


@exercise
def perfect_units(answer: str) -> None:
    """What random combinations of perfect detectors have in common."""
    require(
        answer != "about a tenth",
        "that would be eight images drawn at random. These maximise something.",
    )
    require(
        answer != "about a half",
        "for each image exactly one of the ten units is on. Can images of two digits compete?",
    )
    require(
        answer == "nearly all",
        f'say "about a tenth", "about a half" or "nearly all", got {answer!r}.',
    )


@exercise
def random_basis(answer: Callable[[int, torch.Generator], Tensor]) -> None:
    """A Haar-random orthonormal basis."""
    generator = torch.Generator().manual_seed(0)
    bases = torch.stack([numbers(answer(3, generator)) for _ in range(600)])
    require(bases.shape == (600, 3, 3), f"a 3 x 3 matrix is wanted, got {tuple(bases.shape[1:])}.")
    one = torch.eye(3, dtype=bases.dtype)
    products = bases.mT @ bases
    require(
        torch.allclose(products, one.expand_as(products), atol=1e-5),
        "the columns are not orthonormal: their inner products are not those of the identity.",
    )
    require(not torch.allclose(bases[0], bases[1]), "two calls give the same basis: draw anew.")
    diagonal = bases.diagonal(dim1=1, dim2=2).mean(dim=0)
    require(
        (diagonal.abs() < 0.12).all(),
        "each entry of a uniform basis has the mean zero, but the means on your diagonal are "
        f"{[f'{x:.2f}' for x in diagonal.tolist()]}: multiply each column of Q by the sign of the "
        "diagonal of R.",
    )
    fourth = bases.pow(4).mean().item()
    require(
        abs(fourth - 0.2) < 0.03,
        "the entries of a uniform basis in three dimensions have the fourth moment 1/5, yours "
        f"{fourth:.2f}: start from a *Gaussian* matrix.",
    )
    determinants = torch.linalg.det(bases)
    require(
        0.35 < (determinants > 0).double().mean() < 0.65,
        "half of all bases are rotations, half are mirrored; yours are nearly all of one kind.",
    )
    once, twice = (numbers(answer(3, torch.Generator().manual_seed(1))) for _ in range(2))
    require(
        torch.allclose(once, twice),
        "the same generator gives another basis the second time: draw from the one that is passed.",
    )


@exercise
def pair_agreement(answer: Callable[[Tensor], float]) -> None:
    """Share of pairs with equal labels."""
    got = answer(torch.tensor([3, 3, 3, 5]))
    require(
        abs(got - 10 / 16) > 1e-6,
        "that counts every image as a pair with itself; of 4 images there are 4 * 3 ordered pairs.",
    )
    require(
        abs(got - 0.75) > 1e-6,
        "that is the share of the most frequent label, not of the pairs that agree.",
    )
    require(
        abs(got - 0.5) < 1e-6, f"of 3, 3, 3, 5 three of the six pairs agree: 0.5, got {got:.3g}."
    )
    got = answer(torch.tensor([0, 1, 2, 3]))
    require(abs(got) < 1e-6, f"four different labels agree in no pair, got {got:.3g}.")


@exercise
def most_excited(answer: Callable[[Tensor, Tensor, int], Tensor]) -> None:
    """Top images of a direction."""
    features = torch.tensor([[1.0, 0.0], [-9.0, 0.0], [3.0, 4.0], [6.0, -4.0]])
    direction = torch.tensor([1.0, 1.0])
    got = numbers(answer(features, direction, 2)).tolist()
    require(len(got) == 2, f"two row numbers are wanted, got {got}.")
    require(
        got[0] != 7.0, "these are the inner products; wanted are the row numbers of the images."
    )
    require(
        got != [1, 2] and got != [2, 1],
        "the most excited images have the largest inner product, not the largest in size: no "
        "absolute values.",
    )
    require(got != [1, 0], "these excite the direction least: largest first, please.")
    require(got != [3, 2], "these are the two, but the largest comes first.")
    require(
        got != [2, 0],
        "that is by the cosine, or in another way by the length of the features: the inner product "
        "alone decides.",
    )
    require(
        got == [2, 3],
        f"the inner products are {(features @ direction).tolist()}, so it is [2, 3]; got {got}.",
    )


@exercise
def rotation_pvalue(answer: Callable[[float, Tensor], float]) -> None:
    """p-value of a rotation test."""
    rotated = torch.linspace(0, 1, 99)
    got = answer(2.0, rotated)
    require(
        got > 0,
        "no number of draws can prove that a probability is zero: count the natural basis among "
        "the bases.",
    )
    require(
        abs(got - 0.01) > 1e-6,
        "that is one tail. A natural basis that scores too low would be as remarkable, so double "
        "the smaller one.",
    )
    require(abs(got - 0.02) < 1e-6, f"of 99 random bases none scores as high: 0.02, got {got:.3g}.")
    got = answer(-1.0, rotated)
    require(
        abs(got - 0.02) < 1e-6,
        f"below all random bases it is 0.02 too, got {got:.3g}: take the smaller tail.",
    )
    got = answer(0.9, rotated)
    require(
        abs(got - 0.22) < 1e-6,
        "10 of 99 random bases score higher; with the natural one it is 11 of 100, twice is 0.22, "
        f"got {got:.3g}: count the natural one always, above and below the line.",
    )
    got = answer(rotated[49].item(), rotated)
    require(got <= 1 + 1e-6, f"in the middle the doubled tail exceeds 1, got {got:.3g}: cap it.")
