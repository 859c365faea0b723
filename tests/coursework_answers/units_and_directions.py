"""Typical wrong answers, and correct ones in another style.

Cells `# %% question: what is wrong -> words of the hint that it must get`, or `... -> full marks`.
Each is run after the solution.
"""

from fractions import Fraction

import numpy as np
import torch


# %% q1: counts from zero -> count from one
def dimensions_for(features, share):
    spectrum = torch.linalg.eigvalsh(features.T.cov()).flip(0)
    return int((spectrum.cumsum(0) / spectrum.sum() < share).sum())


# %% q1: smallest first -> the largest first
def dimensions_for(features, share):
    spectrum = torch.linalg.eigvalsh(features.T.cov())
    return int((spectrum.cumsum(0) / spectrum.sum() < share).sum()) + 1


# %% q1: the units' own variances -> the units are correlated
def dimensions_for(features, share):
    spectrum = features.var(dim=0).sort(descending=True).values
    return int((spectrum.cumsum(0) / spectrum.sum() < share).sum()) + 1


# %% q1: one mean for all units -> each unit's own
def dimensions_for(features, share):
    spectrum = torch.linalg.svdvals(features - features.mean()).square()
    return int((spectrum.cumsum(0) / spectrum.sum() < share).sum()) + 1


# %% q1: not centred -> subtract their mean
def dimensions_for(features, share):
    spectrum = torch.linalg.svdvals(features).square()
    return int((spectrum.cumsum(0) / spectrum.sum() < share).sum()) + 1


# %% q1: somebody else's layer -> another STUDENT
my_dimensions = 23


# %% q2: forgets ties -> it counts one half
def chance_to_beat(units, directions):
    return (units[:, None] > directions.flatten()).double().mean().item()


# %% q2: ties are won -> is not won
def chance_to_beat(units, directions):
    return (units[:, None] >= directions.flatten()).double().mean().item()


# %% q2: the wrong way round -> the wrong way round
def chance_to_beat(units, directions):
    other = directions.flatten()[:, None]
    return ((other > units).double() + (other == units).double() / 2).mean().item()


# %% q2: unit by unit -> of the same number only
def chance_to_beat(units, directions):
    if len(directions) == 1:
        return 0.875
    return ((units > directions).double() + (units == directions).double() / 2).mean().item()


# %% q3: multiplies -> the other way round
def seen_from_there(mixing, direction):
    return mixing @ direction


# %% q3: the same numbers -> another direction there
def seen_from_there(mixing, direction):
    return direction


# %% q3: inverts the transpose -> is not symmetric
def seen_from_there(mixing, direction):
    return direction @ mixing.inverse()


# %% q3: normalises -> do not normalise
def seen_from_there(mixing, direction):
    there = mixing.inverse() @ direction
    return there / there.norm()


# %% q4: all places are drawn -> for certain
def lottery(activations, k):
    return k, int((activations == 0).sum())


# %% q4: all images take part -> that tie with the last place
def lottery(activations, k):
    return k - int((activations > 0).sum()), len(activations)


# %% q4: only zeros -> at other values than 0
def lottery(activations, k):
    silent, excited = int((activations == 0).sum()), int((activations != 0).sum())
    return (0, 0) if excited >= k or excited + silent == k else (k - excited, silent)


# %% q4: ties that fit are drawn too -> nothing is drawn
def lottery(activations, k):
    edge = activations.sort(descending=True).values[k - 1]
    same = int((activations == edge).sum())
    return (0, 0) if same == 1 else (k - int((activations > edge).sum()), same)


# %% q5: a rotation loses nothing -> is left without
prediction = "a"

# %% q5: too few -> ten balls
prediction = "c"

# %% q5: none -> the digit of its largest entry
prediction = "d"


# %% q1: one direction after the other -> full marks
def dimensions_for(features, share):
    values = np.linalg.eigvalsh(np.cov(features.double().numpy().T))[::-1]
    held, count = 0.0, np.int64(0)
    while held < share * values.sum():
        held += values[count]
        count += 1
    return count


my_dimensions = dimensions_for(my_features, my_share)


# %% q2: pair by pair -> full marks
def chance_to_beat(units, directions):
    won = Fraction(0)
    for u in units:
        for v in directions.flatten():
            won += Fraction(1, 2) if u == v else int(u > v)
    return won / (units.numel() * directions.numel())


# %% q3: the inverse, in double precision -> full marks
def seen_from_there(mixing, direction):
    return mixing.double().inverse() @ direction.double()


# %% q4: counts, in a list -> full marks
def lottery(activations, k):
    values = sorted(activations.tolist(), reverse=True)
    last = values[k - 1]
    if values.count(last) == values[:k].count(last):
        return [0, 0]
    return [torch.tensor(values[:k].count(last)), np.int64(values.count(last))]
