"""Practice for *The networks under study*."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from blindspots.book.practice import exercise, numbers, require


@exercise
def error_with_decay(answer: str) -> None:
    """What weight decay does to the errors of FC10."""
    require(
        answer != "falls",
        "weight decay helps where there is something to overfit. These networks have one layer and "
        "many images: compare their training and test errors in the chapter.",
    )
    require(
        answer != "stays",
        "at a factor of 1 the penalty of a single weight of 1 is as large as a cross-entropy of "
        "0.5. Can the logits still differ much?",
    )
    require(answer == "rises", f'say "falls", "stays" or "rises", got {answer!r}.')


@exercise
def parameters(answer: Callable[[tuple[int, ...]], int]) -> None:
    """Number of parameters of a fully connected network."""
    got = answer((784, 100, 100, 10))
    require(got != 784 * 100 + 100 * 100 + 1000, "those are the weights; each unit has a bias too.")
    require(
        got != 784 * 100 + 100 * 100 + 1000 + 994,
        "the pixels are no units: they have no biases.",
    )
    require(got == 89_610, f"FC100-100-10 has 89,610 parameters, got {got}.")
    require(answer((64, 10)) == 650, "without a hidden layer, (64, 10), it should be 650.")


@exercise
def decay(answer: Callable[..., Tensor]) -> None:
    """Weight decay in both readings."""
    layer = nn.Linear(3, 2).double()
    layer.weight.data = torch.tensor([[1.0, 2.0, 0.0], [0.0, 1.0, 2.0]]).double()
    layer.bias.data = torch.tensor([3.0, 2.0]).double()
    both = answer(layer, 0.1, printed=True), answer(layer, 0.1, printed=False)
    require(
        all(isinstance(x, Tensor) and x.requires_grad for x in both),
        "training needs the gradient of it: return a tensor that still knows where it came from, "
        "without `item()` or `detach()`.",
    )
    printed, half = (numbers(x).item() for x in both)
    require(
        abs(printed - 0.1 * 10 / 3) > 1e-6,
        "k is the number of the layer's units, its outputs: a row of the weight for each. You "
        "divided by the number of inputs.",
    )
    require(
        abs(printed - 0.1 * 23 / 2) > 1e-6, "the printed formula has the weights only, no biases."
    )
    require(abs(printed - 0.5) < 1e-6, f"as printed it is 0.1 * 10 / 2, got {printed:.4g}.")
    require(
        abs(half - 0.5) > 1e-6 and abs(half - 1.0) > 1e-6,
        "in the other reading the biases are decayed too, and you left them out.",
    )
    require(abs(half - 2.3) > 1e-6, "the other reading is *half* the squared norm.")
    require(abs(half - 1.15) < 1e-6, f"the other reading is 0.05 * (10 + 13), got {half:.4g}.")


@exercise
def error_share(answer: Callable[[nn.Module, Tensor, Tensor], float]) -> None:
    """Error rate."""
    images = torch.tensor([[3.0, 1.0], [0.0, 2.0], [5.0, 4.0], [1.0, 2.0]])
    labels = torch.tensor([0, 1, 1, 1])
    got = answer(nn.Identity(), images, labels)
    require(abs(got - 0.75) > 1e-6, "that is the share that is read correctly.")
    require(abs(got - 25) > 1e-6, "a share lies in [0, 1]; that is in percent.")
    require(abs(got - 1) > 1e-6, "that is the number of errors: divide by that of images.")
    require(abs(got - 0.25) < 1e-6, f"one of four is misread here: 0.25, got {got}.")


@exercise
def softmax(answer: Callable[[Tensor], Tensor]) -> None:
    """A softmax that does not overflow."""
    small = torch.tensor([[0.0, 1.0, 2.0], [3.0, 3.0, 3.0]], dtype=torch.float64)
    got = numbers(answer(small))
    require(
        got.shape == small.shape,
        f"probabilities for every logit are wanted, got {tuple(got.shape)}.",
    )
    require(
        not torch.allclose(got, torch.softmax(small, dim=0)),
        "the columns add up to one: it is the classes of one image that share it, the rows.",
    )
    require(
        torch.allclose(got.sum(dim=1), torch.ones(2).double(), rtol=1e-4),
        f"the rows add up to {got.sum(dim=1).tolist()}, not to one.",
    )
    require(torch.allclose(got, torch.softmax(small, dim=1), rtol=1e-4), "the powers are of e.")
    large = numbers(answer(small + 1000))
    require(
        bool(large.isfinite().all()),
        "with logits of 1,000 it gives nan: e to the power of 1,000 is too large for any number "
        "of 64 bits. Subtract something first that changes nothing.",
    )
    require(
        torch.allclose(large, got, rtol=1e-4), "adding 1,000 to all logits must change nothing."
    )
    mixed = torch.tensor([[0.0, 1.0, 2.0], [2000.0, 0.0, -2000.0]], dtype=torch.float64)
    require(
        torch.allclose(numbers(answer(mixed)), torch.softmax(mixed, dim=1), rtol=1e-4),
        "one image has logits of 2,000 and another of 2, and it goes wrong: subtract from every "
        "row a number of its own, so that the largest logit of the row becomes zero.",
    )
