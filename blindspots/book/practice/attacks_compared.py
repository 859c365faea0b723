"""Practice for *How good is the attack?*."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from blindspots.book.practice import exercise, numbers, require


@exercise
def nearer_attack(answer: str) -> None:
    """Comparing attacks that fail on different images."""
    require(
        answer != "B",
        "its mean is over eighty images only, and it need not be the same on the other twenty.",
    )
    require(
        answer != "A",
        "succeeding more often is a merit, but it does not make the perturbations shorter.",
    )
    require(answer == "cannot be said", f'say "A", "B" or "cannot be said", got {answer!r}.')


@exercise
def mean_ratio(answer: Callable[[Tensor, Tensor], float]) -> None:
    """Mean ratio over the images where both succeed."""
    ours = torch.tensor([1.0, 4.0, torch.inf, 3.0])
    theirs = torch.tensor([2.0, 4.0, 1.0, torch.inf])
    got = answer(ours, theirs)
    require(got == got and got < 1e9, "a failure, of length inf, got into the mean.")
    require(
        abs(got - 5 / 6) > 1e-6,
        "that is the ratio of the means; long perturbations weigh more in it. Divide first.",
    )
    require(
        abs(got - 0.5) > 1e-6,
        "an image where only their attack failed counts as a ratio of zero here: leave it out.",
    )
    require(
        abs(got - 0.375) > 1e-6,
        "the sum is divided by the number of all images: only two of them are in it.",
    )
    require(abs(got - 1.5) > 1e-6, "ours / theirs, not the other way round.")
    require(abs(got - 0.75) < 1e-6, f"here it is (1/2 + 4/4) / 2 = 0.75, got {got:.3g}.")


@exercise
def verified(answer: Callable[[nn.Module, Tensor, Tensor], int]) -> None:
    """Counting the adversarial images that hold."""
    held = [[0.9, 0.1, 0], [0.1, 0.8, 1], [1.0, 0.0, 0]]
    dark = [[-0.1, 0.5, 1]]
    bright = [[0.2, 1.2, 1], [1.1, 0.3, 0]]
    misread = [[0.7, 0.3, 1], [0.6, 0.5, 1], [0.2, 0.4, 0], [0.9, 0.8, 1]]
    rows = torch.tensor(held + dark + bright + misread)
    got = answer(nn.Flatten(), rows[:, :2].reshape(-1, 1, 1, 2), rows[:, 2].long())
    require(got != 6, "an image with pixels below 0 or above 1 is no image: it does not count.")
    require(got not in (4, 5), "one bound only: pixels may be too dark as well as too bright.")
    require(got not in (7, 10), "some of those are not read as their targets: ask the model.")
    require(got != 2, "pixels of exactly 0 or 1 are in the box: most attacks return some.")
    require(got == 3, f"three of these ten hold, got {got}.")


@exercise
def l2_range(answer: Callable[[float, int], tuple[float, float]]) -> None:
    """L2 norms that go with an L-infinity norm."""
    least, largest = answer(0.1, 784)
    require(
        abs(largest - 78.4) > 1e-6,
        "if all 784 pixels change by 0.1, the *squares* add up: there is a root in the largest.",
    )
    require(least > 0, "at least one pixel changes by epsilon, so the least norm is not zero.")
    require(
        abs(least - 0.1 / 28) > 1e-6,
        "the least is that of a single changed pixel: the distortion is smaller, the norm is not.",
    )
    require(
        abs(least - 0.1) < 1e-4 and abs(largest - 2.8) < 1e-4,
        "for 0.1 and 784 pixels it is from 0.1 to 2.8, in this order; got "
        f"{least:.4g} to {largest:.4g}.",
    )
    require(abs(answer(0.5, 64)[1] - 4) < 1e-4, "it must hold for any number of pixels: try 64.")


@exercise
def frontier(answer: Callable[[list[float], list[float]], list[int]]) -> None:
    """Settings that no other dominates."""
    cost, length = [1.0, 2.0, 2.0, 4.0, 8.0], [3.0, 2.0, 2.5, 2.0, 1.0]
    got = numbers(answer(cost, length)).tolist()
    require(2 not in got, "setting 2 costs as much as setting 1 and is longer: it is dominated.")
    require(
        3 not in got,
        "setting 3 is as long as setting 1 and costs more: equal in one, worse in the other.",
    )
    require(
        got == [0, 1, 4],
        f"the cheapest, the shortest and what lies between count: [0, 1, 4]; got {got}.",
    )
    require(
        numbers(answer([1.0, 1.0], [2.0, 2.0])).tolist() == [0, 1],
        "two settings that are equal do not dominate each other: both stay.",
    )
    got = numbers(answer([8.0, 1.0, 2.0], [1.0, 3.0, 5.0])).tolist()
    require(
        got == [0, 1],
        "settings come in any order of cost, and the answer is in order of their numbers: for the "
        f"costs 8, 1, 2 and lengths 1, 3, 5 it is [0, 1], got {got}.",
    )
