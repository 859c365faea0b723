"""Typical wrong answers, and correct ones in another style.

Cells `# %% question: what is wrong -> words of the hint that it must get`, or `... -> full marks`.
Each is run after the solution.
"""

import math
import random

import numpy as np
import torch


# %% q1: the wrong way round -> the wrong way round
def growth(found, to, pixels, measure):
    return found / (to if measure == "distortion" else to / math.sqrt(pixels))


# %% q1: the increase -> that is the increase
def growth(found, to, pixels, measure):
    return (to if measure == "distortion" else to / math.sqrt(pixels)) / found - 1


# %% q1: no root -> enters by its root
def growth(found, to, pixels, measure):
    return (to if measure == "distortion" else to / pixels) / found


# %% q1: multiplies by the root -> divide by the root
def growth(found, to, pixels, measure):
    return (to if measure == "distortion" else to * math.sqrt(pixels)) / found


# %% q1: somebody else's pictures -> another STUDENT
my_factor = 0.012345


# %% q2: cuts without the classes -> cut each class by itself
def balanced_halves(labels, seed):
    rows = torch.arange(len(labels))
    return rows[: len(rows) // 2], rows[len(rows) // 2 :]


# %% q2: the odd ones to one half -> let the halves take turns
def balanced_halves(labels, seed):
    chance = torch.Generator().manual_seed(seed)
    first, second = [], []
    for c in labels.unique():
        rows = (labels == c).nonzero()[:, 0]
        rows = rows[torch.randperm(len(rows), generator=chance)]
        first.append(rows[: len(rows) // 2])
        second.append(rows[len(rows) // 2 :])
    return torch.cat(first), torch.cat(second)


# %% q2: not random -> must be random
def balanced_halves(labels, seed):
    rows = labels.argsort(stable=True)
    return rows[::2], rows[1::2]


# %% q2: returns labels -> not labels
def balanced_halves(labels, seed):
    ordered = labels.sort().values
    return ordered[::2], ordered[1::2]


# %% q3: does not clip -> is clipped at 1
def factor_in_box(image, change, to):
    return to / change.square().mean().sqrt().item()


# %% q3: takes the norm -> that is the norm
def factor_in_box(image, change, to):
    return to / change.norm().item()


# %% q3: searches up to 10 only -> start from a larger upper end
def factor_in_box(image, change, to):
    below, above = 0.0, 10.0
    for _ in range(60):
        middle = (below + above) / 2
        left = ((image + middle * change).clamp(0, 1) - image).square().mean().sqrt().item()
        below, above = (middle, above) if left < to else (below, middle)
    return above


# %% q3: a large number for out of reach -> is out of reach
def factor_in_box(image, change, to):
    below, above = 0.0, 1e5
    for _ in range(80):
        middle = (below + above) / 2
        left = ((image + middle * change).clamp(0, 1) - image).square().mean().sqrt().item()
        below, above = (middle, above) if left < to else (below, middle)
    return above


# %% q4: the rates themselves -> compare with the twin
def costs(rates):
    shape, half, both = (rates[kind].mean().item() for kind in ("shape", "half", "all"))
    return shape, half, both - shape - half


# %% q4: compared with one -> use the twin
def costs(rates):
    shape, half, both = (1 - rates[k].mean().item() for k in ("shape", "half", "all"))
    return shape, half, both - shape - half


# %% q4: the cost of both -> subtract the cost of each
def costs(rates):
    twin = rates["twin"].mean().item()
    return tuple(twin - rates[kind].mean().item() for kind in ("shape", "half", "all"))


# %% q4: the sign -> a positive cost
def costs(rates):
    twin, shape, half, both = (rates[k].mean().item() for k in ("twin", "shape", "half", "all"))
    return shape - twin, half - twin, both + twin - shape - half


# %% q4: the first run only -> means over all runs
def costs(rates):
    twin, shape, half, both = (rates[k][0].item() for k in ("twin", "shape", "half", "all"))
    return twin - shape, twin - half, shape + half - twin - both


# %% q5: a constant in common -> still rises
prediction = "a"

# %% q5: up to one hundred -> an error of its own
prediction = "b"

# %% q5: less adversarial -> well beyond 0.1
prediction = "d"


# %% q1: by the norms -> full marks
def growth(found, to, pixels, measure):
    before = found * np.sqrt(pixels)
    return torch.tensor(to if measure == "norm" else to * np.sqrt(pixels)) / before


my_factor = growth(my_found, 0.1, my_side**2, "norm")


# %% q2: deals cards, into lists -> full marks
def balanced_halves(labels, seed):
    rows = list(range(len(labels)))
    random.Random(seed).shuffle(rows)
    rows.sort(key=lambda row: int(labels[row]))
    halves = [], []
    for turn, row in enumerate(rows):
        halves[turn % 2].append(row)
    return [*halves]


my_halves = balanced_halves(my_labels, 77)


# %% q3: pixel by pixel where it meets the edge -> full marks
def factor_in_box(image, change, to):
    image, change = image.double(), change.double()
    edge = torch.where(change > 0, 1 - image, image)
    reach = torch.where(change != 0, edge / change.abs(), 0.0)
    for t in sorted([0.0, *reach.tolist()]):
        free = (reach > t) & (change != 0)
        fixed = (edge[~free & (change != 0)] ** 2).sum()
        squared = (to**2 * len(image) - fixed) / (change[free] ** 2).sum()
        later = reach[free].min() if free.any() else 0
        if free.any() and 0 <= squared <= later**2:
            return squared**0.5
    return torch.tensor(math.inf)


# %% q4: tensors, in a list -> full marks
def costs(rates):
    shape, half, both = (rates["twin"].mean() - rates[k].mean() for k in ("shape", "half", "all"))
    return [shape, half, both - (shape + half)]
