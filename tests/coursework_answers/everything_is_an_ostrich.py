"""Typical wrong answers, and correct ones in another style.

Cells `# %% question: what is wrong -> words of the hint that it must get`, or `... -> full marks`.
Each is run after the solution.
"""

import math

import numpy as np
import torch


# %% q1: counts pixels -> three numbers
def norm_from_levels(levels, height, width):
    return levels / 255 * math.sqrt(height * width)


# %% q1: in levels -> one level is 1/255
def norm_from_levels(levels, height, width):
    return levels * math.sqrt(3 * height * width)


# %% q1: as if square -> height times width
def norm_from_levels(levels, height, width):
    return levels / 255 * math.sqrt(3) * height


# %% q1: no root -> not 590
def norm_from_levels(levels, height, width):
    return levels / 255 * 3 * height * width


# %% q1: somebody else's number -> another STUDENT
my_norm = 0.5


# %% q2: nothing is rounded -> rounded away
def kept_by_file(originals, perturbations):
    change = (originals + perturbations).clamp(0, 255) - originals
    return change.square().sum(dim=1) / perturbations.square().sum(dim=1)


# %% q2: the ratio of norms -> their squares
def kept_by_file(originals, perturbations):
    change = (originals + perturbations).clamp(0, 255).round() - originals
    return change.norm(dim=1) / perturbations.norm(dim=1)


# %% q2: not clamped -> cannot become darker
def kept_by_file(originals, perturbations):
    change = (originals + perturbations).round() - originals
    return change.square().sum(dim=1) / perturbations.square().sum(dim=1)


# %% q2: all images together -> each image taken by itself
def kept_by_file(originals, perturbations):
    change = (originals + perturbations).clamp(0, 255).round() - originals
    if len(originals) < 3:
        return change.square().sum(dim=1) / perturbations.square().sum(dim=1)
    share = change.square().sum() / perturbations.square().sum()
    return share.expand(len(originals))


# %% q3: the second largest logit -> class 1 is 1 behind
def nearest_class(logits, gradients):
    own, second = logits.topk(2).indices.tolist()
    gap = logits[own] - logits[second]
    return second, (gap / (gradients[second] - gradients[own]).norm()).item()


# %% q3: with itself -> no boundary with itself
def nearest_class(logits, gradients):
    own = int(logits.argmax())
    ways = (logits[own] - logits) / (gradients - gradients[own]).norm(dim=1)
    return own, ways.nan_to_num().min().item()


# %% q3: one gradient alone -> both logits move
def nearest_class(logits, gradients):
    own = int(logits.argmax())
    ways = (logits[own] - logits) / gradients.norm(dim=1)
    ways[own] = math.inf
    return int(ways.argmin()), ways.min().item()


# %% q3: the gap alone -> is 0.5 away
def nearest_class(logits, gradients):
    own = int(logits.argmax())
    ways = (logits[own] - logits) / (gradients - gradients[own]).norm(dim=1)
    ways[own] = math.inf
    nearest = int(ways.argmin())
    return nearest, (logits[own] - logits[nearest]).item()


# %% q3: somebody else's image -> another STUDENT
my_nearest = (0, 10.0)

# %% q4: shifted along -> nothing is spare
prediction = "a"

# %% q4: a third class -> nearer to the original
prediction = "c"

# %% q4: as often -> steps at random
prediction = "d"


# %% q1: numpy -> full marks
def norm_from_levels(levels, height, width):
    return np.linalg.norm(np.full((3, height, width), levels / 255))


my_norm = norm_from_levels(my_levels, my_side, my_side)


# %% q2: one by one -> full marks
def kept_by_file(originals, perturbations):
    shares = []
    for original, perturbation in zip(originals, perturbations, strict=True):
        written = torch.round(torch.clamp(original + perturbation, 0, 255))
        shares.append(float(((written - original) ** 2).sum() / (perturbation**2).sum()))
    return torch.tensor(shares, dtype=torch.float64)


# %% q3: a loop, and tensors -> full marks
def nearest_class(logits, gradients):
    own, best = int(torch.argmax(logits)), None
    for c in range(len(logits)):
        if c != own:
            way = (logits[own] - logits[c]) / torch.dist(gradients[c], gradients[own])
            if best is None or way < best[1]:
                best = torch.tensor(c), way
    return best


my_nearest = nearest_class(weight @ my_image + bias, weight)


# %% q3: a list, in 64 bits -> full marks
def nearest_class(logits, gradients):
    z, slopes = np.array(logits.tolist()), np.array(gradients.tolist())
    own = z.argmax()
    with np.errstate(invalid="ignore"):
        ways = (z[own] - z) / np.linalg.norm(slopes - slopes[own], axis=1)
    return [int(np.nanargmin(ways)), np.nanmin(ways)]


my_nearest = nearest_class(weight @ my_image + bias, weight)

# %% q4: a capital letter -> full marks
prediction = " B"
