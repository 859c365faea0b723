"""Attacks in the form in which `fit_with_adversaries` asks for them."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from blindspots.attack._batches import checked_bounds
from blindspots.attack.lbfgs import lbfgs_attack, random_targets
from blindspots.data import class_numbers, refuse_other_than_tensors
from blindspots.networks import classify, compute_logits, refuse_training_mode
from blindspots.perturbations import Bounds, clip

PENALTIES = 6  # tried per image: the network changes before it has learnt from closer ones


def lbfgs_adversary(
    model: nn.Module,
    images: Float[Tensor, "n *shape"],
    labels: Int[Tensor, "n"],
    *,
    generator: torch.Generator,
) -> Float[Tensor, "n *shape"]:
    """Run the paper's attack towards wrong classes drawn at random.

    Section 4.2 of the paper trains on such images, and on the outputs of layers, attacked in the
    same way. Where the model is wrong as it is, or the attack fails, there is nothing to look for,
    and the row is returned unchanged.

    Args:
        model: in evaluation mode; a whole network, or the layers above a hidden one.
        images: in [0, 1], or outputs of sigmoid units, which lie there too.
        labels: the true classes.
        generator: source of the wrong classes.
    """
    logits = compute_logits(model, images)
    correct, classes = logits.argmax(dim=1) == labels, logits.shape[1]
    result = images.clone()
    if correct.any():
        targets = random_targets(labels[correct], classes=classes, generator=generator)
        result[correct] = lbfgs_attack(model, images[correct], targets, penalties=PENALTIES).images
    return result


def pgd(
    model: nn.Module,
    images: Float[Tensor, "n *shape"],
    labels: Int[Tensor, "n"],
    *,
    size: float,
    steps: int,
    bounds: Bounds = (0.0, 1.0),
) -> Float[Tensor, "n *shape"]:
    """Take a few steps up the loss, with no pixel changed by more than the size (PGD).

    Each step adds a multiple of the gradient's sign to all pixels. One step of the full size is the
    fast gradient sign method (FGSM) of Goodfellow et al. (2014), arXiv:1412.6572; several steps, of
    2.5 times the size divided by their number, are the attack with which Madry et al. (2017),
    arXiv:1706.06083, train. It starts at the image itself, where they start at random near it.
    Where the cross-entropy is so small that its gradient is lost in rounding, the log of the odds
    takes its place, which rises in the same direction.

    Args:
        model: in evaluation mode.
        images: within the bounds.
        labels: the true classes.
        size: largest change of a pixel, positive.
        steps: number of gradients, at least one.
        bounds: lower and upper bound of every pixel.

    Raises:
        ValueError: if the size or the number of steps is not positive, images lie outside the
            bounds, labels are not classes of the model, or it is in training mode or does not
            return logits.
    """
    if not size > 0 or steps < 1:
        raise ValueError(f"size and steps must be positive, got {size} and {steps}")
    refuse_training_mode(model)
    refuse_other_than_tensors(images)
    checked_bounds(images, bounds)
    step = size if steps == 1 else 2.5 * size / steps
    moved = images.detach()
    for _ in range(steps):
        moved.requires_grad_()
        with torch.enable_grad():
            logits = classify(model, moved.clone())
            classes = logits.shape[1]
            labels = class_numbers(labels, len(images), classes=classes, name="labels")
            labels = labels.to(images.device)
            loss = F.cross_entropy(logits, labels, reduction="sum")
            (gradient,) = torch.autograd.grad(loss, moved, retain_graph=True)
            if (flat := ~gradient.flatten(1).any(dim=1)).any():
                own = F.one_hot(labels, classes).bool()
                others = logits.masked_fill(own, -torch.inf).logsumexp(dim=1)
                odds = (others - logits[own])[flat].sum()
                gradient = gradient + torch.autograd.grad(odds, moved)[0]
        moved = moved.detach() + step * gradient.sign()
        moved = clip(moved.clamp(images - size, images + size), bounds)
    return moved
