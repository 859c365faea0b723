"""Typical wrong answers, and correct ones in another style.

Cells `# %% question: what is wrong -> words of the hint that it must get`, or `... -> full marks`.
Each is run after the solution.
"""

import math
from fractions import Fraction

import numpy as np
import torch


# %% q1: ignores what was misread before -> was misread before
def fates(before, after, labels, targets):
    kinds = {
        "already": before != labels,
        "target": after == targets,
        "other": (after != targets) & (after != labels),
        "right": after == labels,
    }
    return {kind: which.double().mean().item() for kind, which in kinds.items()}


# %% q1: shares of those read correctly -> shares of *all* images
def fates(before, after, labels, targets):
    good = before == labels
    kinds = {
        "target": after[good] == targets[good],
        "other": (after[good] != targets[good]) & (after[good] != labels[good]),
        "right": after[good] == labels[good],
    }
    shares = {kind: which.double().mean().item() for kind, which in kinds.items()}
    return shares | {"already": 1 - good.double().mean().item()}


# %% q1: three fates -> four fates
def fates(before, after, labels, targets):
    wrong = (after != labels).double().mean().item()
    return {"already": 0.25, "target": wrong, "right": 1 - wrong}


# %% q1: somebody else's -> another STUDENT
my_fates = {"already": 0.1, "target": 0.123, "other": 0.1, "right": 0.7}


# %% q2: one-sided -> two-sided
def paired_test(perturbed, noisy):
    lost, gained = (int(x.sum()) for x in (perturbed & ~noisy, noisy & ~perturbed))
    n, k = lost + gained, min(lost, gained)
    return sum(math.comb(n, j) for j in range(k + 1)) / 2**n


# %% q2: more than one -> at most 1
def paired_test(perturbed, noisy):
    lost, gained = (int(x.sum()) for x in (perturbed & ~noisy, noisy & ~perturbed))
    n, k = lost + gained, min(lost, gained)
    return 2 * sum(math.comb(n, j) for j in range(k + 1)) / 2**n


# %% q2: exactly this split -> add the more uneven ones
def paired_test(perturbed, noisy):
    lost, gained = (int(x.sum()) for x in (perturbed & ~noisy, noisy & ~perturbed))
    return min(1.0, 2 * math.comb(lost + gained, lost) / 2 ** (lost + gained))


# %% q2: all images are tosses -> do not count
def paired_test(perturbed, noisy):
    k = int((noisy & ~perturbed).sum())
    n = len(noisy)
    return min(1.0, 2 * sum(math.comb(n, j) for j in range(k + 1)) / 2**n)


# %% q2: one side only -> either side may be the smaller
def paired_test(perturbed, noisy):
    lost, gained = (int(x.sum()) for x in (perturbed & ~noisy, noisy & ~perturbed))
    n = lost + gained
    return min(1.0, 2 * sum(math.comb(n, j) for j in range(gained + 1)) / 2**n)


# %% q3: image by image -> a factor of its own
def to_pooled_size(images, perturbed, size):
    change = (perturbed - images).flatten(1)
    change = size * change / change.square().mean(dim=1, keepdim=True).sqrt()
    return images + change.view_as(images)


# %% q3: the mean of the distortions -> pooled is the root
def to_pooled_size(images, perturbed, size):
    change = perturbed - images
    mean = change.flatten(1).square().mean(dim=1).sqrt().mean()
    return images + size / mean * change


# %% q3: the perturbations alone -> not these alone
def to_pooled_size(images, perturbed, size):
    change = perturbed - images
    return size / change.square().mean().sqrt() * change


# %% q3: clips -> do not clip
def to_pooled_size(images, perturbed, size):
    change = perturbed - images
    return (images + size / change.square().mean().sqrt() * change).clamp(0, 1)


# %% q4: straight to the boundary -> straight to the boundary
def length_needed(weight, bias, x, direction):
    normal = weight[1] - weight[0]
    return -((normal @ x + bias[1] - bias[0]) / normal.norm()).item()


# %% q4: the multiple -> that is the multiple
def length_needed(weight, bias, x, direction):
    normal = weight[1] - weight[0]
    return -((normal @ x + bias[1] - bias[0]) / (normal @ direction)).item()


# %% q4: the sign -> a length is not negative
def length_needed(weight, bias, x, direction):
    normal = weight[1] - weight[0]
    way = direction / direction.norm()
    return ((normal @ x + bias[1] - bias[0]) / (normal @ way)).item()


# %% q4: no biases -> without the biases
def length_needed(weight, bias, x, direction):
    normal = weight[1] - weight[0]
    return -((normal @ x) / (normal @ (direction / direction.norm()))).item()


# %% q4: backwards, too -> the length is infinite
def length_needed(weight, bias, x, direction):
    normal = weight[1] - weight[0]
    way = direction / direction.norm()
    return ((normal @ x + bias[1] - bias[0]) / (normal @ way)).abs().item()


# %% q4: the source in place of the receiver -> for the source
my_length = 0.5 * torch.linalg.vector_norm(my_direction).item() + 0.3

# %% q5: a third -> a common factor
prediction = "b"

# %% q5: as noise -> for the same class
prediction = "c"

# %% q5: shorter ones -> stay where they are
prediction = "d"


# %% q1: image by image -> full marks
def fates(before, after, labels, targets):
    count = {"right": 0, "target": 0, "already": 0, "other": 0}
    for b, a, y, t in zip(before, after, labels, targets, strict=True):
        fate = "other"
        if b != y:
            fate = "already"
        elif a == t:
            fate = "target"
        elif a == y:
            fate = "right"
        count[fate] += 1
    return {fate: torch.tensor(n / len(labels)) for fate, n in count.items()}


my_fates = fates(my_before, my_after, my_labels, my_targets)


# %% q2: minimum of whole numbers -> full marks
def paired_test(perturbed, noisy):
    pairs = [(p, q) for p, q in zip(perturbed.tolist(), noisy.tolist(), strict=True) if p != q]
    k = min(pairs.count((True, False)), pairs.count((False, True)))
    tail = sum(Fraction(math.comb(len(pairs), j), 2 ** len(pairs)) for j in range(k + 1))
    return min(1, 2 * tail)


# %% q3: numpy, in double precision -> full marks
def to_pooled_size(images, perturbed, size):
    change = (perturbed - images).double().numpy()
    factor = size / np.sqrt((change**2).mean())
    return images + torch.from_numpy(factor * change)


# %% q4: the length of the multiple -> full marks
def length_needed(weight, bias, x, direction):
    gap = (weight[0] - weight[1]) @ x + bias[0] - bias[1]
    speed = (weight[1] - weight[0]) @ direction
    if speed <= 0:
        return np.float32(np.inf)
    return (gap / speed * direction).norm()


my_length = length_needed(receiver_weight, receiver_bias, my_image, my_direction)
