"""Practice for *Transfer across training sets*."""

from collections.abc import Callable

import torch
from torch import Tensor

from blindspots.practice import exercise, require


@exercise
def printed_deviation(answer: float) -> None:
    """Standard deviation of a perturbation after the printed formula."""
    require(
        abs(answer - 0.1) > 1e-6,
        "that is what the formula was meant to give. It divides by the norm: what is the norm "
        "afterwards, and what does that make of 784 pixels?",
    )
    require(
        abs(answer - 0.1 / 784) > 1e-6,
        "a standard deviation is a root of a mean, so the number of pixels goes under the root.",
    )
    require(
        abs(answer - 2.8) > 1e-6,
        "that is the norm which the *mended* formula gives; asked is the deviation of the printed "
        "one.",
    )
    require(abs(answer - 0.1 / 28) < 1e-4, f"it is 0.1 / sqrt(784), got {answer:.4g}.")


@exercise
def amplify(answer: Callable[[Tensor, Tensor, float], Tensor]) -> None:
    """Perturbations scaled to a root mean square."""
    generator = torch.Generator().manual_seed(0)
    for side in (4, 8):
        images = torch.rand(3, 1, side, side, generator=generator)
        size = torch.tensor([0.01, 0.1, 1.0]).view(3, 1, 1, 1)
        perturbed = images + size * torch.randn(3, 1, side, side, generator=generator)
        change = (answer(images, perturbed, 0.2) - images).flatten(1)
        require(change.shape == (3, side**2), "return images, in the shape of those that came in.")
        deviation = change.square().mean(dim=1).sqrt()
        said = [f"{d:.3f}" for d in deviation.tolist()]
        require(
            not torch.allclose(deviation, torch.full((3,), 0.2 / side), rtol=1e-3),
            f"the root is missing: the *norm* is 0.2, and the deviations are {said}.",
        )
        require(
            deviation.max() < 1.01 * deviation.min(),
            f"the deviations are {said}: divide each image by its own norm, not all by one.",
        )
        require(
            torch.allclose(deviation, torch.full((3,), 0.2), rtol=1e-3),
            f"wanted is 0.2 for images of any size; with {side**2} pixels they are {said}.",
        )
        before = (perturbed - images).flatten(1)
        require(
            (torch.nn.functional.cosine_similarity(change, before) > 0.999).all(),
            "the direction of the perturbation must stay as it is.",
        )


@exercise
def halves(answer: Callable[[int, torch.Generator], tuple[Tensor, Tensor]]) -> None:
    """Two disjoint random halves."""
    first, second = answer(101, torch.Generator().manual_seed(0))
    both = torch.cat([first, second]).tolist()
    require(
        not set(first.tolist()) & set(second.tolist()),
        "some rows are in both halves: cut *one* random order in two.",
    )
    require(
        set(both) == set(range(101)) and len(both) == 101,
        f"of 101 rows {101 - len(set(both))} are in neither half.",
    )
    require(abs(len(first) - len(second)) <= 1, "the halves differ by more than one row in size.")
    require(
        sorted(first.tolist()) not in (list(range(50)), list(range(51))),
        "the first half has the first rows. Data files are often sorted: draw the halves at "
        "random.",
    )
    other, _ = answer(101, torch.Generator().manual_seed(1))
    require(
        set(other.tolist()) != set(first.tolist()),
        "another generator gives the same halves: draw from the one that is passed.",
    )


@exercise
def interval(answer: Callable[[int, int], tuple[float, float]]) -> None:
    """Wilson's interval."""
    low, high = answer(0, 256)
    require(
        high > 1e-6,
        "for no hits the interval has no width. That is the textbook interval p ± z sqrt(p(1-p)/n),"
        " which cannot be right: 256 images cannot rule out a probability of 0.001.",
    )
    require(
        low > -1e-9, f"a probability is not negative, but the lower end for 0 hits is {low:.4f}."
    )
    low, high = answer(15, 256)
    require(
        abs(low - 0.0359) < 5e-4 and abs(high - 0.0944) < 5e-4,
        f"for 15 of 256 it is [0.036, 0.094], got [{low:.3f}, {high:.3f}]: is every z squared "
        "where it should be, and everything divided by 1 + z²/n?",
    )


@exercise
def mean_excess(answer: Callable[[Tensor, Tensor], float]) -> None:
    """Off-diagonal mean of the excess over noise."""
    adversarial = torch.tensor([[1.0, 0.3, 0.2], [0.1, 1.0, 0.4], [0.2, 0.6, 1.0]])
    noise = torch.tensor([[0.1, 0.1, 0.1], [0.05, 0.0, 0.1], [0.1, 0.2, 0.3]])
    got = answer(adversarial, noise)
    off = ~torch.eye(3, dtype=torch.bool)
    require(
        abs(got - (adversarial - noise).mean().item()) > 1e-6,
        "the diagonal is in it, where every network meets the images made for itself.",
    )
    require(
        abs(got - adversarial[off].mean().item()) > 1e-6,
        "that is the error, not the excess: an error that noise of the same length causes too is "
        "no transfer.",
    )
    require(
        abs(got + (adversarial - noise)[off].mean().item()) > 1e-6,
        "the sign is turned: adversarial minus noise.",
    )
    wanted = (adversarial - noise)[off].mean().item()
    require(abs(got - wanted) < 1e-6, f"for this example it is {wanted:.3f}, got {got:.3f}.")
