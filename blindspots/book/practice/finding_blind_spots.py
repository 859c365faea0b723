"""Practice for *Finding blind spots*."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from blindspots.book.practice import exercise, numbers, require


@exercise
def which_penalty(answer: str) -> None:
    """Which penalty gives the smallest perturbation."""
    require(
        answer != "smallest",
        "the penalty stands before the size of the perturbation, so a small one makes size cheap. "
        "Which end of the curve has the short perturbations?",
    )
    require(
        answer != "it does not matter",
        "every penalty that succeeds gives an adversarial image, but not of one size. Look at the "
        "curve of distortion against penalty.",
    )
    require(
        answer == "largest", f'say "largest", "smallest" or "it does not matter", got {answer!r}.'
    )


@exercise
def l2_from_distortion(answer: Callable[[float, int], float]) -> None:
    """The L2 norm of a perturbation from its distortion."""
    got = answer(0.06, 784)
    require(
        abs(got - 0.06) > 1e-9,
        "that is the distortion itself: a mean over the pixels, where the norm is a sum.",
    )
    require(
        abs(got - 0.06 * 784) > 1e-6,
        "a distortion is a root, so the number of pixels has to go under the root as well.",
    )
    require(
        abs(got - 0.06 / 28) > 1e-9,
        "the norm adds up what the distortion averages, so it is the larger of the two.",
    )
    require(abs(got - 1.68) < 1e-4, f"of 784 pixels, 0.06 is 1.68, got {got:.4g}.")
    require(abs(answer(0.1, 64) - 0.8) < 1e-4, "it must hold for any number of pixels: try 64.")


@exercise
def nearest_of_two_classes(answer: Callable[[Tensor, Tensor, Tensor], Tensor]) -> None:
    """The shortest perturbation that takes an affine classifier of two classes to its boundary."""
    generator = torch.Generator().manual_seed(0)
    for pixels in (2, 7):
        x = torch.randn(pixels, generator=generator, dtype=torch.float64)
        weight = torch.randn(2, pixels, generator=generator, dtype=torch.float64)
        bias = torch.randn(2, generator=generator, dtype=torch.float64)
        r = numbers(answer(x, weight, bias))
        require(r.shape == x.shape, f"the perturbation has a shape like x, {tuple(x.shape)}.")
        before, after = weight @ x + bias, weight @ (x + r) + bias
        gap = (after[0] - after[1]).item()
        was = (before[0] - before[1]).item()
        require(
            gap * was < 0 or abs(gap) < abs(was) + 1e-5,
            "it leads away from the boundary: the difference of the logits grew. Mind the sign.",
        )
        w = weight[0] - weight[1]
        require(
            (r - (r @ w) / (w @ w) * w).norm() < 1e-5,
            "it does not point along the difference of the two rows of the weight, so it can be "
            "shortened without losing anything. Which direction changes the difference fastest?",
        )
        require(
            abs(gap) < 1e-5,
            "its line is right, but it does not end on the boundary, where the logits are equal: "
            f"their difference is {gap:.3g}, and was {was:.3g}. Are the biases in it? Is w divided "
            "by its norm, or by the square of its norm?",
        )


@exercise
def penalty_search(answer: Callable[..., float]) -> None:
    """Bisection for the largest penalty that succeeds."""
    for largest in (0.03, 5.0, 400.0):
        asked: list[float] = []

        def succeeds(penalty: float, largest: float = largest, asked: list[float] = asked) -> bool:
            asked.append(penalty)
            return penalty <= largest

        found = answer(succeeds, 1e-3, 1e3, 20)
        require(
            found is not None and not isinstance(found, bool),
            f"return the penalty, a number; got {found!r}.",
        )
        found = float(found)
        require(
            found <= largest,
            f"{found:.4g} does not succeed, the largest that does is {largest:g}. Return the last "
            "penalty that succeeded, not the last one tried; and go down after a failure.",
        )
        require(
            found > 2e-3,
            "the search ended at the smallest penalty: a success means that a larger one may "
            "succeed too, so go up.",
        )
        require(
            found > 0.999 * largest,
            f"{found:.4g} succeeds, but so does {largest:g}. Halve the interval in the logarithm "
            "of the penalty: between 0.001 and 1000 lie six powers of ten.",
        )
        require(len(asked) <= 21, f"20 steps may ask 20 times, yours asked {len(asked)} times.")


@exercise
def objective(answer: Callable[..., Tensor]) -> None:
    """The penalised objective, per row."""
    generator = torch.Generator().manual_seed(1)
    model = nn.Linear(6, 3).double()
    model.weight.data = torch.randn(3, 6, generator=generator, dtype=torch.float64)
    images = torch.rand(4, 6, generator=generator, dtype=torch.float64)
    points = torch.rand(4, 6, generator=generator, dtype=torch.float64)
    targets = torch.tensor([0, 1, 2, 1])
    got = answer(model, images, points, targets, 10.0)
    require(
        got is None or (isinstance(got, Tensor) and got.requires_grad),
        "the attack needs the gradient of it: return a tensor, without `item()` or `detach()`.",
    )
    got = numbers(got)
    require(
        got.shape == (4,), f"one number per image is wanted, shape (4,); got {tuple(got.shape)}."
    )
    loss = nn.functional.cross_entropy(model(points), targets, reduction="none").detach()
    squared = (points - images).square().sum(dim=1)
    require(
        not torch.allclose(got, squared + 10 * loss),
        "the penalty stands before the size here, and before the loss in your function.",
    )
    require(
        not torch.allclose(got, 10 * squared + loss.mean()),
        "the loss is averaged over the batch, so that the images share one: a loss per row.",
    )
    require(
        not torch.allclose(got, 10 * squared / 6 + loss),
        "that is the mean over the pixels of the squared change; the norm has their sum.",
    )
    require(
        not torch.allclose(got, 10 * squared - loss),
        "the loss of the target is to be small, so it is added, not subtracted.",
    )
    require(
        not torch.allclose(got, 10 * squared.sqrt() + loss),
        "square the norm: it is smooth where the perturbation is zero, and that is the start.",
    )
    require(
        torch.allclose(got, 10 * squared + loss, rtol=1e-5),
        "it is penalty * ||r||^2 + cross-entropy.",
    )


@exercise
def equal_noise(answer: Callable[..., Tensor]) -> None:
    """Noise of exactly the length of each perturbation."""
    generator = torch.Generator().manual_seed(2)
    shape = (5, 1, 28, 28)
    images = torch.rand(shape, generator=generator)
    size = torch.tensor([0.01, 0.1, 0.5, 1.0, 2.0]).view(-1, 1, 1, 1)
    perturbed = images + size * torch.rand(shape, generator=generator)
    change = (perturbed - images).flatten(1).double()
    wanted = change.norm(dim=1)
    noisy = numbers(answer(images, perturbed, torch.Generator().manual_seed(3)))
    require(noisy.shape == shape, f"images of shape {shape} are wanted, got {tuple(noisy.shape)}.")
    noise = (noisy - images).flatten(1)
    length = noise.norm(dim=1)
    require(
        not torch.allclose(length, wanted.mean().expand(5), rtol=0.2),
        "all noises have about one length, but every image is its own control: scale per image.",
    )
    require(
        torch.allclose(length, wanted, rtol=1e-4),
        f"the lengths are {[f'{n:.3f}' for n in length.tolist()]}, wanted are "
        f"{[f'{n:.3f}' for n in wanted.tolist()]}: rescale to exactly that length, add the "
        "original image, and do not clip.",
    )
    require(
        not torch.allclose(noise, change, atol=1e-5),
        "that is the perturbation itself, not noise.",
    )
    again = numbers(answer(images, perturbed, torch.Generator().manual_seed(4)))
    require(
        not torch.allclose(again, noisy),
        "another generator gives the same noise: draw from the generator that is passed.",
    )
    again = numbers(answer(images, perturbed, torch.Generator().manual_seed(3)))
    require(
        torch.allclose(again, noisy),
        "the same generator gives other noise the second time, so nobody can repeat it: draw from "
        "the generator that is passed.",
    )
    require(
        noise.mean().abs() < 0.5 * noise.abs().mean(),
        "the noise has one sign nearly everywhere: draw from a distribution around zero.",
    )
    unit = noise / length[:, None]
    require(
        (unit @ unit.T - torch.eye(5).double()).abs().max() < 0.5,
        "the images share one noise, only its length differs: draw noise for every image.",
    )
    fourth = 28**2 * unit.pow(4).sum(dim=1).mean().item()
    require(
        abs(fourth - 3) < 0.6,
        "it is random, but not Gaussian: a Gaussian number has the fourth moment 3 (in units of "
        f"its standard deviation), yours {fourth:.1f}.",
    )


@exercise
def exact_for_convex(answer: str) -> None:
    """Whether the search is exact for an affine network of ten classes."""
    require(
        answer != "yes",
        "compute it: compare `lbfgs_attack` with `affine_minimum` on FC10(1), as the chapter does. "
        "Is a level set of the cross-entropy the decision boundary when there are ten classes?",
    )
    require(answer == "no", f'say "yes" or "no", got {answer!r}.')
