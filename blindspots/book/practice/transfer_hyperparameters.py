"""Practice for *Transfer across hyperparameters*."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from blindspots.book.practice import exercise, numbers, require


@exercise
def transfer_in_the_cell(answer: str) -> None:
    """A cell of Table 2 without transfer."""
    require(
        answer != "much",
        "22.7 % sounds like much, but this network misreads 21.2 % of unchanged images.",
    )
    require(
        answer != "hardly any",
        "the difference is 1.5 points, to be sure. But with 256 images the interval of the cell is "
        "about 5 points to each side, so that even this is saying too much.",
    )
    require(
        answer == "none can be told",
        f'say "much", "hardly any" or "none can be told", got {answer!r}.',
    )


@exercise
def matrix_of_errors(answer: Callable[..., Tensor]) -> None:
    """Transfer matrix."""
    same, turned = nn.Identity(), nn.Linear(2, 2, bias=False)
    turned.weight.data = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    zeros = nn.Linear(2, 2)
    nn.init.zeros_(zeros.weight)
    zeros.bias.data = torch.tensor([1.0, 0.0])
    first = torch.tensor([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.6, 0.4]])
    second = torch.tensor([[0.2, 0.8], [0.3, 0.7]])
    sets = [(first, torch.tensor([0, 0, 0, 0])), (second, torch.tensor([1, 1]))]
    got = numbers(answer([same, turned, zeros], sets))
    wanted = torch.tensor([[0.25, 0.75, 0.0], [0.0, 1.0, 1.0]]).double()
    require(
        got.shape != (3, 2), "it is transposed: a row per set of images, a column per receiver."
    )
    require(
        got.shape == (2, 3), f"two sets and three receivers: shape (2, 3), got {tuple(got.shape)}."
    )
    require(not torch.allclose(got, 1 - wanted), "that is the share read correctly, not the error.")
    require(
        not torch.allclose(got, wanted * torch.tensor([[4.0], [2.0]])),
        "these are numbers of images: the sets differ in size, so divide by it.",
    )
    require(torch.allclose(got, wanted), f"here it is {wanted.tolist()}, got {got.tolist()}.")


@exercise
def scrambled(answer: Callable[..., Tensor]) -> None:
    """Perturbations with their pixels in another order."""
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(3, 1, 6, 6, generator=generator)
    perturbed = images + 0.1 * torch.randn(3, 1, 6, 6, generator=generator)
    got = numbers(answer(images, perturbed, torch.Generator().manual_seed(1)))
    require(got.shape == images.shape, f"images of shape {tuple(images.shape)} are wanted.")
    before, after = (perturbed - images).flatten(1).double(), (got - images).flatten(1)
    require(not torch.allclose(after, before, atol=1e-5), "nothing was scrambled.")
    require(
        not torch.allclose((after + images.flatten(1)).sort().values, before.sort().values),
        "that is the change alone: add it to the image.",
    )
    require(
        not torch.allclose(
            got.flatten(1).sort().values, perturbed.flatten(1).double().sort().values
        ),
        "the pixels of the whole image are scrambled, digit and all: permute the change only, and "
        "add it to the image as it was.",
    )
    require(
        torch.allclose(after.sort().values, before.sort().values, atol=1e-5),
        "the changes are not those of the perturbation in another order: each image must keep its "
        "own.",
    )
    place = [int((after[0] - v).abs().argmin()) for v in before[0]]
    require(
        torch.allclose(after[:, place], before, atol=1e-5),
        "every image has an order of its own. One order for all is asked: then what the "
        "perturbations share stays shared, and only the picture is lost.",
    )
    again = numbers(answer(images, perturbed, torch.Generator().manual_seed(1)))
    require(
        torch.allclose(again, got),
        "the same generator gives another order the second time: draw from the one that is passed.",
    )
    other = numbers(answer(images, perturbed, torch.Generator().manual_seed(2)))
    require(
        not torch.allclose(other, got),
        "another generator gives the same order: draw one at random.",
    )


@exercise
def rank_correlation(answer: Callable[[Tensor, Tensor], float]) -> None:
    """Spearman's rank correlation."""
    ours = torch.tensor([1.0, 2.0, 3.0, 100.0])
    theirs = torch.tensor([2.0, 1.0, 3.0, 4.0])
    got = answer(ours, theirs)
    plain = torch.corrcoef(torch.stack([ours, theirs]))[0, 1].item()
    require(
        abs(got - plain) > 1e-4,
        "that is the correlation of the numbers; one large cell decides it. Take the ranks first.",
    )
    require(abs(got - 0.8) < 1e-4, f"for this example it is 0.8, got {got:.3g}.")
    ours = torch.tensor([30.0, 50.0, 10.0, 40.0, 20.0])
    theirs = torch.tensor([5.0, 4.0, 2.0, 3.0, 1.0])
    orders = torch.stack([ours.argsort(), theirs.argsort()]).double()
    got = answer(ours, theirs)
    require(
        abs(got - torch.corrcoef(orders)[0, 1].item()) > 1e-4,
        "one argsort gives the order, not the ranks: take the argsort of the argsort.",
    )
    require(abs(got - 0.6) < 1e-4, f"for a second example it is 0.6, got {got:.3g}.")


@exercise
def interval_of_five(answer: Callable[[Tensor], tuple[float, float]]) -> None:
    """Interval over seeds."""
    values = torch.tensor([10.0, 12.0, 11.0, 9.0, 13.0], dtype=torch.float64)
    low, high = answer(values)
    require(abs((low + high) / 2 - 11) < 1e-4, "the middle of the interval is the mean, here 11.")
    half = (high - low) / 2
    deviation = 2.5**0.5
    require(
        abs(half - 2.776 * deviation) > 1e-3,
        "that holds for one further value, nearly; the mean of five varies less, by the root of 5.",
    )
    require(
        abs(half - 2.776 * 2**0.5 / 5**0.5) > 1e-3,
        "the standard deviation has n − 1 = 4 in its denominator, as the mean was taken from the "
        "same five.",
    )
    require(
        abs(half - 1.96 * deviation / 5**0.5) > 1e-3,
        "1.96 is for a standard deviation that is known; from five values it is 2.776.",
    )
    require(
        abs(half - 2.776 * deviation / 5**0.5) < 1e-3,
        f"half of its width is {2.776 * deviation / 5**0.5:.3f} here, got {half:.3f}.",
    )
