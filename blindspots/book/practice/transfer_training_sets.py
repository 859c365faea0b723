"""Practice for *Transfer across training sets*."""

from collections.abc import Callable

import torch
from torch import Tensor

from blindspots.book.practice import exercise, numbers, require


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
        perturbed = images + size * (0.5 + torch.randn(3, 1, side, side, generator=generator))
        before = (perturbed - images).flatten(1).double()
        got = numbers(answer(images, perturbed, 0.2))
        require(got.shape == images.shape, "return images, in the shape of those that came in.")
        change = (got - images).flatten(1)
        deviation = change.square().mean(dim=1).sqrt()
        said = [f"{d:.3f}" for d in deviation.tolist()]
        require(
            not torch.allclose(
                (got.flatten(1)).square().mean(dim=1), torch.full((3,), 0.04).double()
            ),
            "that is the perturbation alone: add it to the image.",
        )
        require(
            not torch.allclose(change - before, 0.2 * before / _size(before), rtol=1e-3, atol=1e-5),
            "the scaled perturbation is added to the perturbed image: it already has one.",
        )
        centred = before - before.mean(dim=1, keepdim=True)
        require(
            not torch.allclose(deviation, 0.2 * (_size(before) / _size(centred))[:, 0], rtol=0.04),
            f"the deviations are {said}: is it the standard deviation about the *mean* that you "
            "divide by? For the root mean square no mean is taken away.",
        )
        require(
            not torch.allclose(deviation, torch.full((3,), 0.2 / side).double(), rtol=1e-3),
            f"the root is missing: the *norm* is 0.2, and the deviations are {said}.",
        )
        require(
            deviation.max() < 1.01 * deviation.min(),
            f"the deviations are {said}: divide each perturbation by its own norm, not all by one, "
            "and do not clip.",
        )
        require(
            torch.allclose(deviation, torch.full((3,), 0.2).double(), rtol=1e-3),
            f"wanted is 0.2 for images of any size; with {side**2} pixels they are {said}.",
        )
        require(
            (torch.nn.functional.cosine_similarity(change, before) > 0.999).all(),
            "the direction of the perturbation must stay as it is.",
        )


def _size(rows: Tensor) -> Tensor:
    return rows.square().mean(dim=1, keepdim=True).sqrt()


@exercise
def halves(answer: Callable[[int, torch.Generator], tuple[Tensor, Tensor]]) -> None:
    """Two disjoint random halves."""
    every, drawn = set(range(101)), []
    for seed in (0, 1, 2, 0):
        first, second = (
            numbers(half).long().tolist()
            for half in answer(101, torch.Generator().manual_seed(seed))
        )
        require(
            set(first) | set(second) <= every,
            "row numbers are whole numbers from 0 to 100 if there are 101 rows.",
        )
        require(
            not set(first) & set(second),
            "some rows are in both halves: cut *one* random order in two.",
        )
        missing = len(every - set(first) - set(second))
        require(missing == 0, f"of 101 rows {missing} are in neither half.")
        require(len(first) + len(second) == 101, "a row is twice in one half.")
        require(
            abs(len(first) - len(second)) <= 1,
            f"the halves have {len(first)} and {len(second)} rows: they may differ by one.",
        )
        require(
            sorted(first) not in (list(range(50)), list(range(51))),
            "the first half has the first rows. Data files are often sorted: draw the halves at "
            "random.",
        )
        drawn.append(set(first))
    require(
        drawn[0] != drawn[1] and drawn[0] != drawn[2],
        "another generator gives the same halves: draw from the one that is passed.",
    )
    require(
        drawn[0] == drawn[3],
        "the same generator gives other halves the second time: draw from the one that is passed.",
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
    noise = torch.tensor([[0.1, 0.1, 0.1], [0.25, 0.0, 0.1], [0.1, 0.2, 0.3]])
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
    require(
        abs(got - (adversarial - noise)[off].clamp(min=0).mean().item()) > 1e-6,
        "a cell where noise misleads more often counts too, with its sign: without it the mean is "
        "too high.",
    )
    wanted = (adversarial - noise)[off].mean().item()
    require(abs(got - wanted) < 1e-6, f"for this example it is {wanted:.3f}, got {got:.3f}.")
