"""Practice for *Everything is an ostrich*."""

import math
import sys
import warnings
from collections.abc import Callable

import torch
from torch import Tensor, nn

from blindspots.book.practice import exercise, numbers, require


@exercise
def in_the_file(answer: str) -> None:
    """What rounding leaves of a small perturbation."""
    words = str(answer).lower()
    require(
        "ostrich" not in words,
        "for that, some number in the file must differ from the original's. Which of them does?",
    )
    require(
        "between" not in words,
        "in a file there is nothing between two levels. To which level is 17.4 rounded?",
    )
    require("original" in words, 'one of "the original", "an ostrich", "something between".')


@exercise
def grey_levels(answer: Callable[[float, tuple[int, ...]], float]) -> None:
    """From an L2 norm to grey levels."""
    shape = (3, 224, 224)
    got, right = answer(2.525, shape), 255 * 2.525 / math.prod(shape) ** 0.5
    require(
        abs(got - right / 255) > 1e-4, "that is the distortion, with pixels from 0 to 1: times 255."
    )
    require(
        abs(got - right * 3**0.5) > 1e-3,
        "that counts pixels. In colour, each pixel is three numbers, and all of them change.",
    )
    require(
        abs(got - 255 * 2.525 / math.prod(shape)) > 1e-4,
        "a mean of *squares* is taken, so divide by the root of how many numbers there are.",
    )
    require(abs(got - right) < 1e-3, f"a norm of 2.525 is 1.66 levels, got {got:.4g}.")
    got = answer(1.0, (1, 8, 8))
    require(abs(got - 255 / 8) < 1e-3, f"on 8 x 8 pixels 1 is 31.9 levels, got {got:.4g}.")


@exercise
def show_difference(answer: Callable[[Tensor, Tensor], Tensor]) -> None:
    """The differences of Figure 5."""
    original = torch.tensor([0.5, 0.5, 0.5, 0.5]).view(1, 2, 2)
    changed = original + torch.tensor([0.0, 1.0, -1.0, 0.2]).view(1, 2, 2) / 255
    got = answer(original, changed)
    require(
        isinstance(got, Tensor) and got.dtype == torch.uint8,
        f"8-bit levels are of the type torch.uint8, got {getattr(got, 'dtype', type(got))}.",
    )
    flat = got.flatten().tolist()
    require(flat[0] == 128, f"no change is shown as 128, got {flat[0]}.")
    require(flat[1] != 118, "the difference has the wrong sign: it is what was *added*.")
    require(flat[1] > 128, "pixels go from 0 to 1: bring the difference to levels, times 255.")
    require(flat == [128, 138, 118, 130], f"expected 128, 138, 118, 130; got {flat}.")
    far = answer(torch.zeros(2), torch.tensor([1.0, 0.0])).tolist()
    back = answer(torch.ones(1), torch.zeros(1)).tolist()
    require(far[0] == 255 and back == [0], "large differences must be clamped to 0 and 255.")


@exercise
def dither(answer: Callable[[Tensor, torch.Generator], Tensor]) -> None:
    """Rounding that keeps the mean."""
    generator = torch.Generator().manual_seed(0)
    levels = torch.tensor([10.0, 10.2, 10.5, 200.9])
    draws = torch.stack([numbers(answer(levels, generator)) for _ in range(4000)])
    require(draws.shape == (4000, 4), "as many levels as there were are wanted.")
    require(bool((draws == draws.round()).all()), "levels of a file are whole numbers.")
    require(
        len(draws[:, 2].unique()) > 1,
        "10.5 is rounded in the same way each time. Draw a number for each pixel.",
    )
    require(bool((draws[:, 0] == 10).all()), "a whole level must stay what it is.")
    require(
        bool(((draws - levels).abs() < 1).all()),
        "some number moved by a level or more: it goes to one of its two neighbours.",
    )
    mean = draws.mean(dim=0)
    require(
        abs(mean[1].item() - 10.8) > 0.05,
        "10.2 is rounded up four times in five: up with the probability of its fraction, 0.2.",
    )
    require(
        (mean - levels).abs().max() < 0.05,
        f"over many draws 10.2 became {mean[1]:.2f} and 200.9 became {mean[3]:.2f} on average.",
    )
    pixels = torch.full((1000,), 0.5)
    pair, again = (
        numbers(answer(pixels, torch.Generator().manual_seed(1))) for _repeat in range(2)
    )
    require(0 < pair.mean() < 1, "all pixels share one draw: each needs its own.")
    require(
        torch.equal(pair, again),
        "the same generator gives another file the second time, so nobody can repeat it: draw from "
        "the generator that is passed.",
    )


@exercise
def first_order_distance(answer: Callable[[nn.Module, Tensor, int], float]) -> None:
    """The gap over the slope."""
    generator = torch.Generator().manual_seed(0)
    affine = nn.Linear(16, 3).double()
    affine.weight.data = torch.randn(3, 16, generator=generator, dtype=torch.float64)
    model = nn.Sequential(nn.Flatten(), affine)
    image = torch.rand(1, 1, 4, 4, generator=generator, dtype=torch.float64)
    logits = model(image)[0]
    best = int(logits.argmax())
    for target in sorted({0, 1, 2} - {best}, key=lambda c: logits[c].item()):
        gap = (logits[best] - logits[target]).item()
        normal = affine.weight[target] - affine.weight[best]
        right = gap / normal.norm().item()
        got = numbers(answer(model, image, target)).item()
        require(
            abs(got + right) > 1e-6, "a distance is positive: the gap is the larger logit minus."
        )
        require(
            abs(got - gap / normal.norm().item() ** 2) > 1e-6,
            "that is how far along the gradient one goes, in multiples of the gradient. Its length "
            "is wanted: divide by the norm once.",
        )
        require(
            abs(got - gap / affine.weight[target].norm().item()) > 1e-6,
            "that is the slope of one logit. The other one moves too: take that of the difference.",
        )
        require(
            abs(got - right) < 1e-6,
            f"to class {target} it is {right:.4f} here, got {got:.4f}. Is it the way to the "
            "target, and not to another class?",
        )


@exercise
def times_as_long(answer: Callable[[float, int], float]) -> None:
    """How long noise must be to cross a plane."""
    got = answer(0.01, 150_528)
    require(got > 0, "the multiple is negative: below one half the inverse of Φ is.")
    require(
        abs(got - 150_528 / 2.3263) > 10, "take the *root* of m: noise is spread over m directions."
    )
    require(
        abs(got - 388 * 2.3263) > 5, "solve for k: it stands below the root of m, not before it."
    )
    require(abs(got - 166.8) < 0.2, f"for one per cent of 150,528 it is 167, got {got:.4g}.")
    got = answer(0.158655, 64)
    require(abs(got - 8) < 0.01, f"for Φ(-1) = 0.159 and 64 numbers it is 8, got {got:.4g}.")


@exercise
def make_ostrich(answer: Callable[[nn.Module, Tensor, int], Tensor]) -> None:
    """A file that the network takes for an ostrich."""
    from blindspots import predict

    network, original, target = _at_hand()
    require(
        predict(network, original).item() != target,
        "the network sees an ostrich before anything is changed.",
    )
    file = numbers(answer(network, original.clone(), target)).float()
    require(
        file.shape == original.shape,
        f"the file has a shape like the image, {tuple(original.shape)}, got {tuple(file.shape)}.",
    )
    require(
        file.min() >= 0 and file.max() <= 1,
        f"pixels go from 0 to 1, these from {file.min():.3g} to {file.max():.3g}.",
    )
    levels = 255 * file
    require(
        (levels - levels.round()).abs().max() < 1e-3,
        "that is no file yet: its numbers lie between the levels. An ostrich must be found among "
        "the whole levels; the chapter has a function for it.",
    )
    change = levels.round() - 255 * original
    most, mean = change.abs().max().item(), change.square().mean().sqrt().item()
    require(
        most < 40 and mean < 2.5,
        f"numbers change by {mean:.2g} levels on average (root mean square), and by {most:.0f} at "
        "most: that can be seen.",
    )
    require(change.any(), "that is the original, in which the network sees no ostrich.")
    require(
        predict(network, file).item() == target,
        "in the file the network sees no ostrich. Is that the class you asked for? And was the "
        "image simply rounded at the end? On the boundary that leads back.",
    )


def _at_hand() -> tuple[nn.Module, Tensor, int]:
    """A network, one photograph and the number of the ostrich; or a stand-in for the network."""
    from blindspots.imagenet import NoWeights, class_names, load_network, load_photographs

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the last photograph is always at hand
        image = load_photographs().images[-1:]
    target = class_names().index("ostrich")
    try:
        return load_network("EfficientNet-Lite0"), image, target
    except NoWeights as missing:
        note = f"{missing}. Until then your function is tried on a small network, which is random."
        print(note, file=sys.stderr)
    affine = nn.Linear(image.numel(), target + 1)
    generator = torch.Generator().manual_seed(0)
    size = image.numel() ** -0.5  # so that its ostriches are as near as those of photographs
    affine.weight.data = size * torch.randn(affine.weight.shape, generator=generator)
    affine.bias.data.zero_()
    return nn.Sequential(nn.Flatten(), affine).requires_grad_(False).eval(), image, target
