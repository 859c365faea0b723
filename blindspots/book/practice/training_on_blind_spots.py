"""Practice for *Training on blind spots*."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from blindspots.book.practice import exercise, numbers, require
from blindspots.networks import mlp


@exercise
def layers_that_learn(answer: str) -> None:
    """Who learns from a pool at the second hidden layer."""
    require(
        answer != "all",
        "gradients flow from the logits down to where the example was put in, and no further.",
    )
    require(
        answer != "the first two",
        "these made the output before it was attacked; what stands in its place owes them nothing.",
    )
    require(answer == "the last", f'say "all", "the first two" or "the last", got {answer!r}.')


@exercise
def signed_step(answer: Callable[..., Tensor]) -> None:
    """FGSM."""
    generator = torch.Generator().manual_seed(0)
    model = mlp((6, 5, 3), generator=generator).double().eval()
    for layer in model:
        if isinstance(layer, nn.Linear):
            layer.weight.data *= 3
    images = torch.rand(8, 6, generator=generator, dtype=torch.float64) * 0.8 + 0.1
    images[0] = torch.tensor([0.0, 1, 0, 1, 0, 1])
    labels = torch.randint(3, (8,), generator=generator)
    kept = images.clone()
    moved = numbers(answer(model, images, labels, 0.05))
    images.requires_grad_(False)
    require(torch.equal(images, kept), "the originals were changed in place: work on a copy.")
    require(
        moved.min() >= 0 and moved.max() <= 1,
        f"pixels lie between {moved.min():.2f} and {moved.max():.2f}: clamp to [0, 1].",
    )
    change = (moved - images)[1:]
    before = cross_entropy(model(images), labels)
    after = cross_entropy(model(moved), labels)
    require(
        after > before,
        "the loss of the true class fell: the step went downhill. Attack, do not train.",
    )
    require(
        torch.allclose(change.abs(), torch.full_like(change, 0.05), atol=1e-5),
        "away from the edges every pixel changes by exactly epsilon: take the *sign* of the "
        "gradient.",
    )
    start = images.clone().requires_grad_()
    (slope,) = torch.autograd.grad(cross_entropy(model(start), labels), start)
    other = (change.sign() != slope[1:].sign()).double().mean().item()
    require(
        other == 0,
        f"the loss rises, but {100 * other:.0f} % of the pixels move against the gradient of the "
        "cross-entropy: is it the loss, and that of the *true* class?",
    )


@exercise
def project(answer: Callable[[Tensor, Tensor, float], Tensor]) -> None:
    """Projection onto a small box inside a large one."""
    images = torch.tensor([[0.05, 0.5, 0.95, 0.5, 0.5]])
    moved = torch.tensor([[-0.3, 0.9, 1.3, 0.52, 0.3]])
    got = numbers(answer(images, moved, 0.1))
    require(got.shape == images.shape, f"images of shape {tuple(images.shape)} are wanted.")
    require(
        got.min() >= 0 and got.max() <= 1, "a pixel leaves [0, 1]: both limits must hold at once."
    )
    require(
        bool(((got - images).abs() <= 0.1 + 1e-6).all()),
        f"a pixel differs from its original by {(got - images).abs().max():.2f}, the limit is 0.1.",
    )
    require(
        abs(got[0, 3].item() - 0.52) < 1e-6,
        "a pixel that was within its limits moved: a projection leaves it where it is, it does not "
        "rescale.",
    )
    wanted = torch.tensor([[0.0, 0.6, 1.0, 0.52, 0.4]]).double()
    require(
        torch.allclose(got, wanted, atol=1e-5), f"here it is {wanted.tolist()}, got {got.tolist()}."
    )


@exercise
def renew(answer: Callable[..., None]) -> None:
    """Replacing members of a pool."""
    for seed in range(5):
        pool, pool_labels = torch.zeros(10, 2), torch.full((10,), 9)
        fresh, labels = torch.arange(1.0, 13).view(6, 2), torch.arange(6)
        answer(pool, pool_labels, fresh, labels, torch.Generator().manual_seed(seed))
        new = pool[:, 0] > 0
        require(new.any(), "the pool is as it was: it has to be changed in place.")
        require(
            int(new.sum()) == 6,
            f"{int(new.sum())} of 6 fresh examples are in the pool: two went into one place. Draw "
            "different places.",
        )
        order = ((pool[new, 0] - 1) / 2).long()
        require(
            torch.equal(pool_labels[new], labels[order]) and bool((pool_labels[~new] == 9).all()),
            "the labels do not belong to the examples: they go to the same places.",
        )
    places = [_places(answer, seed) for seed in range(8)]
    require(len(set(places)) > 1, "always the same places are renewed: the others grow old.")
    require(
        places == [_places(answer, seed) for seed in range(8)],
        "the same generator chooses other places the second time: draw from the generator that is "
        "passed.",
    )
    drawn = torch.tensor([_places(answer, seed) for seed in range(8, 308)]).double().mean(dim=0)
    require(
        (drawn - 0.3).abs().max() < 0.12,
        "some places are renewed more often than others: with 3 of 10 renewed at a time, they are "
        f"chosen in {100 * drawn.min():.0f} to {100 * drawn.max():.0f} % of all renewals, not "
        "about 30.",
    )


def _places(answer: Callable[..., None], seed: int) -> tuple[bool, ...]:
    pool = torch.zeros(10, 2)
    generator = torch.Generator().manual_seed(seed)
    answer(pool, torch.zeros(10).long(), torch.ones(3, 2), torch.ones(3).long(), generator)
    return tuple((pool[:, 0] > 0).tolist())


@exercise
def mixed_loss(answer: Callable[..., Tensor]) -> None:
    """Mean cross-entropy over a batch and a pool."""
    generator = torch.Generator().manual_seed(0)
    model = mlp((6, 5, 4, 3), generator=generator)
    for layer in model:
        if isinstance(layer, nn.Linear):
            layer.weight.data *= 3
    images, labels = torch.rand(8, 6, generator=generator), torch.arange(8) % 3
    truth = torch.tensor([2, 0])
    for depth, width in ((5, 4), (3, 5), (0, 6)):
        found = torch.rand(2, width, generator=generator)
        got = answer(model, images, labels, found, truth, depth)
        require(
            isinstance(got, Tensor) and got.requires_grad,
            "nothing can be learnt from it: return a tensor that has a gradient, without `item()` "
            "or `detach()`.",
        )
        require(got.shape == (), f"one number is wanted, got shape {tuple(got.shape)}.")
        clean = cross_entropy(model(images), labels)
        adversarial = cross_entropy(model[depth:](found), truth)
        require(
            abs(got - (clean + adversarial) / 2) > 1e-6,
            "that is the mean of the two means: two examples count as much as eight images. Every "
            "example is to count the same.",
        )
        require(abs(got - (clean + adversarial)) > 1e-6, "that is the sum of the two means.")
        require(abs(got - clean) > 1e-6, "the pool is missing.")
        wanted = (8 * clean + 2 * adversarial) / 10
        require(abs(got - 10 * wanted) > 1e-5, "that is the sum over all examples, not their mean.")
        require(
            abs(got - wanted) < 1e-5, f"here it is {wanted:.4f} for depth {depth}, got {got:.4f}."
        )
