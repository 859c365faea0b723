"""Typical wrong answers, and correct ones in another style.

Cells `# %% question: what is wrong -> words of the hint that it must get`, or `... -> full marks`.
Each is run after the solution.
"""

import itertools
import math
from fractions import Fraction

import numpy as np
import torch
from torch import nn


def slope_of(model, images, labels):
    inputs = images.clone().requires_grad_()
    loss = nn.functional.cross_entropy(model(inputs), labels, reduction="sum")
    return torch.autograd.grad(loss, inputs)[0]


def sums_of(differences):
    signs = itertools.product((1, -1), repeat=len(differences))
    return [sum(s * d for s, d in zip(c, differences, strict=True)) for c in signs]


# %% q1: downhill -> uphill for the loss
def steepest_step(model, images, labels, length):
    slope = slope_of(model, images, labels)
    norm = slope.norm(dim=1, keepdim=True).clamp(min=1e-30)
    return (images - length * slope / norm).clamp(0, 1)


# %% q1: FGSM -> as in FGSM
def steepest_step(model, images, labels, length):
    return (images + length * slope_of(model, images, labels).sign()).clamp(0, 1)


# %% q1: the gradient as it is -> divide the gradient
def steepest_step(model, images, labels, length):
    return (images + length * slope_of(model, images, labels)).clamp(0, 1)


# %% q1: the norm of the batch -> not by that of the batch
def steepest_step(model, images, labels, length):
    slope = slope_of(model, images, labels)
    return (images + length * slope / slope.norm().clamp(min=1e-30)).clamp(0, 1)


# %% q1: leaves the box -> must stay in
def steepest_step(model, images, labels, length):
    slope = slope_of(model, images, labels)
    return images + length * slope / slope.norm(dim=1, keepdim=True).clamp(min=1e-30)


# %% q1: divides by zero -> was divided by its norm
def steepest_step(model, images, labels, length):
    slope = slope_of(model, images, labels)
    return (images + length * slope / slope.norm(dim=1, keepdim=True)).clamp(0, 1)


# %% q1: adds a small number -> has a direction too
def steepest_step(model, images, labels, length):
    slope = slope_of(model, images, labels)
    return (images + length * slope / (slope.norm(dim=1, keepdim=True) + 1e-8)).clamp(0, 1)


# %% q2: in a straight line -> are new already
def share_left(places, refresh, every, updates):
    return max(0.0, 1 - refresh / places * (updates // every))


# %% q2: the new ones -> share of the new ones
def share_left(places, refresh, every, updates):
    return 1 - (1 - refresh / places) ** (updates // every)


# %% q2: at every update -> only once in every four
def share_left(places, refresh, every, updates):
    return (1 - refresh / places) ** updates


# %% q2: between the renewals -> nothing changes
def share_left(places, refresh, every, updates):
    return (1 - refresh / places) ** (updates / every)


# %% q2: draws with repetition -> drawn twice
def share_left(places, refresh, every, updates):
    return (1 - 1 / places) ** (refresh * (updates // every))


# %% q2: one renewal too early -> or more
my_half = my_half - my_every

# %% q2: one renewal too late -> already
my_half = my_half + my_every

# %% q2: not at a renewal -> only at a renewal
my_half = my_half + 1


# %% q3: larger, not as large -> at least as large
def luck_of_signs(differences):
    sums = sums_of(differences)
    return sum(abs(s) > abs(sum(differences)) + 1e-9 for s in sums) / len(sums)


# %% q3: one side -> in size
def luck_of_signs(differences):
    sums = sums_of(differences)
    return sum(s >= sum(differences) - 1e-9 for s in sums) / len(sums)


# %% q3: counts the signs only -> counts little
def luck_of_signs(differences):
    sums = sums_of([1.0] * len(differences))
    seen = sum(1 if d > 0 else -1 for d in differences)
    return sum(abs(s) >= abs(seen) for s in sums) / len(sums)


# %% q3: rounding -> rounding
def luck_of_signs(differences):
    sums = sums_of(differences)
    return sum(abs(s) >= abs(math.fsum(differences)) + 1e-16 for s in sums) / len(sums)


# %% q3: no tolerance -> equal but for rounding
def luck_of_signs(differences):
    sums = sums_of(differences)
    return sum(abs(s) >= abs(sum(differences)) for s in sums) / len(sums)


# %% q3: one comparison -> single comparison
my_seeds = 6

# %% q3: one choice of signs -> two choices
my_seeds = math.ceil(math.log2(my_settings / 0.05))

# %% q3: more than needed -> so is one less
my_seeds = 20


# %% q4: helps the network -> must raise the loss
def worst_loss(weight, bias, images, labels, length, norm):
    lost = length * (weight.norm() if norm == "l2" else weight.abs().sum())
    return nn.functional.softplus(-lost - labels * (images @ weight + bias))


# %% q4: steps by w itself -> divide w by its norm
def worst_loss(weight, bias, images, labels, length, norm):
    lost = length * (weight @ weight if norm == "l2" else weight.abs().sum())
    return nn.functional.softplus(lost - labels * (images @ weight + bias))


# %% q4: the largest weight -> may change at once
def worst_loss(weight, bias, images, labels, length, norm):
    lost = length * (weight.norm() if norm == "l2" else weight.abs().max())
    return nn.functional.softplus(lost - labels * (images @ weight + bias))


# %% q4: one norm for both -> moves by more
def worst_loss(weight, bias, images, labels, length, norm):
    return nn.functional.softplus(length * weight.norm() - labels * (images @ weight + bias))


# %% q4: one direction for both labels -> wrong for -1
def worst_loss(weight, bias, images, labels, length, norm):
    lost = length * (weight.norm() if norm == "l2" else weight.abs().sum())
    return nn.functional.softplus(-labels * (images @ weight + bias - lost))


# %% q4: no bias -> is the bias in it
def worst_loss(weight, bias, images, labels, length, norm):
    lost = length * (weight.norm() if norm == "l2" else weight.abs().sum())
    return nn.functional.softplus(lost - labels * (images @ weight))


# %% q4: overflows -> overflows
def worst_loss(weight, bias, images, labels, length, norm):
    lost = length * (weight.norm() if norm == "l2" else weight.abs().sum())
    return (1 + (lost - labels * (images @ weight + bias)).exp()).log()


# %% q5: grow -> what is lost of it
prediction = "a"

# %% q5: never zero -> has a kink at zero
prediction = "c"

# %% q5: the direction -> the size is not free
prediction = "d"


# %% q1: image by image, in double precision -> full marks
def steepest_step(model, images, labels, length):
    moved = []
    for image, label in zip(images, labels, strict=True):
        inputs = image.clone()[None].requires_grad_()
        nn.functional.cross_entropy(model(inputs), label[None]).backward()
        slope = inputs.grad[0].double()
        if slope.norm() > 0:
            image = (image + length * slope / slope.norm()).clip(0, 1)
        moved.append(image.double())
    return torch.stack(moved)


# %% q2: renewal by renewal -> full marks
def share_left(places, refresh, every, updates):
    left = 1
    for update in range(1, updates + 1):
        if update % every == 0:
            left *= Fraction(places - refresh, places)
    return left


my_half = 0.0
while share_left(my_places, my_refresh, my_every, int(my_half)) >= 0.5:
    my_half += my_every


# %% q3: binary numbers -> full marks
def luck_of_signs(differences):
    d = torch.tensor(differences, dtype=torch.float64)
    codes = torch.arange(2 ** len(d))[:, None] >> torch.arange(len(d)) & 1
    sums = ((1 - 2 * codes).double() @ d).abs()
    return (sums > sums[0] - 1e-12).double().mean()


my_seeds = 1
while 2 / 2**my_seeds > 0.05 / my_settings:
    my_seeds += 1
my_seeds = np.ceil(my_seeds)


# %% q4: image by image, in double precision -> full marks
def worst_loss(weight, bias, images, labels, length, norm):
    lost = length * float(torch.linalg.vector_norm(weight, 2 if norm == "l2" else 1))
    margins = [float(y) * (float(x @ weight) + bias) for x, y in zip(images, labels, strict=True)]
    return torch.tensor([np.logaddexp(0, lost - m) for m in margins], dtype=torch.float64)
