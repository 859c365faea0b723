"""Practice for *Training on blind spots*."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from blindspots.networks import mlp
from blindspots.practice import exercise, require


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
    moved = answer(model, images, labels, 0.05).detach()
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
        torch.allclose(change.abs(), torch.full_like(change, 0.05)),
        "away from the edges every pixel changes by exactly epsilon: take the *sign* of the "
        "gradient.",
    )


@exercise
def project(answer: Callable[[Tensor, Tensor, float], Tensor]) -> None:
    """Projection onto a small box inside a large one."""
    images = torch.tensor([[0.05, 0.5, 0.95, 0.5, 0.5]])
    moved = torch.tensor([[-0.3, 0.9, 1.3, 0.52, 0.3]])
    got = answer(images, moved, 0.1)
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
    wanted = torch.tensor([[0.0, 0.6, 1.0, 0.52, 0.4]])
    require(torch.allclose(got, wanted), f"here it is {wanted.tolist()}, got {got.tolist()}.")


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
    found, truth = torch.rand(2, 4, generator=generator), torch.tensor([2, 0])
    got = answer(model, images, labels, found, truth, 5)
    require(got.shape == (), f"one number is wanted, got shape {tuple(got.shape)}.")
    clean, adversarial = cross_entropy(model(images), labels), None
    adversarial = cross_entropy(model[5:](found), truth)
    require(
        abs(got - (clean + adversarial) / 2) > 1e-6,
        "that is the mean of the two means: two examples count as much as eight images. Every "
        "example is to count the same.",
    )
    require(abs(got - (clean + adversarial)) > 1e-6, "that is the sum of the two means.")
    require(abs(got - clean) > 1e-6, "the pool is missing.")
    wanted = (8 * clean + 2 * adversarial) / 10
    require(abs(got - wanted) < 1e-5, f"here it is {wanted:.4f}, got {got:.4f}.")
    (gradient,) = torch.autograd.grad(got, list(model.parameters())[-2])
    require(bool(gradient.abs().sum() > 0), "nothing can be learnt from it: it has no gradient.")
