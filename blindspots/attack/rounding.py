"""Adversarial images that survive being written to a file."""

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from blindspots.data import class_numbers, refuse_other_than_floats
from blindspots.networks import classify, margin, refuse_training_mode

STEPS = 200
SHARE = 0.005  # of the pixels that one step changes


def round_adversarial(
    model: nn.Module,
    images: Float[Tensor, "n *shape"],
    targets: Int[Tensor, "n"],
    *,
    levels: int = 256,
    ahead: float = 0.1,
) -> tuple[Float[Tensor, "n *shape"], Bool[Tensor, "n"]]:
    """Round adversarial images to the levels of a file, so that the target is still predicted.

    On the boundary an image falls back as often as not when it is rounded, and most of its change
    may be less than half a level. So after rounding, the pixels that matter most are moved by one
    level, a few at a time, until the target's logit leads. Not in the paper, whose figures were
    printed.

    Args:
        model: in evaluation mode; maps images to logits.
        images: adversarial images in [0, 1].
        targets: the wanted class of each.
        levels: how many equally spaced values a pixel can have; 256 in a PNG of 8 bits.
        ahead: by how much the target's logit must exceed the others', so that another program,
            which rounds otherwise, agrees.

    Returns:
        The rounded images, and whether the target leads in each.

    Raises:
        TypeError: if the images are not floating point.
        ValueError: if the model is in training mode, images lie outside [0, 1], there are fewer
            than two levels, or targets do not fit.
    """
    refuse_training_mode(model)
    refuse_other_than_floats(images)
    if not (levels == int(min(levels, 2**16)) and levels >= 2):
        raise ValueError(f"a pixel needs two levels or more, got {levels}: a PNG has 256")
    if not ((images >= 0) & (images <= 1)).all():
        raise ValueError(
            f"pixels must lie in [0, 1], got {images.min():.3g} to {images.max():.3g}: rescale them"
        )
    if not math.isfinite(ahead):
        raise ValueError(f"ahead must be a number, got {ahead}")
    steps = levels - 1
    grey = (images.detach() * steps).round()
    done = torch.zeros(len(images), dtype=torch.bool, device=images.device)
    for step in range(STEPS):
        left = (~done).nonzero()[:, 0]
        with torch.enable_grad():
            points = (grey[left] / steps).requires_grad_()
            logits = classify(model, points.clone())
            wanted = class_numbers(targets, len(images), classes=logits.shape[1])
            wanted = wanted.to(images.device)[left]
            rivals = ~nn.functional.one_hot(wanted, logits.shape[1]).bool()
            excess = margin(logits, wanted, rivals)
            (gradient,) = torch.autograd.grad(excess.sum(), points)
        done[left] = excess.detach() <= -ahead
        if done.all() or step == STEPS - 1:
            break
        up = gradient < 0
        movable = torch.where(up, grey[left] < steps, grey[left] > 0)
        weight = (gradient.abs() * movable).flatten(1)
        most = weight.topk(max(1, round(SHARE * weight.shape[1])), dim=1)
        move = torch.zeros_like(weight).scatter_(1, most.indices, (most.values > 0).to(weight))
        direction = torch.where(up, 1.0, -1.0) * move.view_as(gradient)
        grey[left] += direction * ~done[left].view(-1, *[1] * (images.ndim - 1))
    return grey / steps, done
