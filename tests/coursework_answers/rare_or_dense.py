"""Typical wrong answers, and correct ones in another style.

Cells `# %% question: what is wrong -> words of the hint that it must get`, or `... -> full marks`.
Each is run after the solution.
"""

import math
from statistics import NormalDist

import numpy as np
import torch

PHI = NormalDist().cdf


def solve(misled, share):
    """The s for which misled(s) is the share, by halving."""
    low, high = 1e-6, 1e6
    for _ in range(200):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if misled(middle) < share else (low, middle)
    return low


def longest_run(wrong):
    best = run = 0
    for bad in wrong:
        run = run + 1 if bad else 0
        best = max(best, run)
    return best


def balls(weight, bias, x, label):
    logits = weight @ x + bias
    found = (logits - logits[label]) / (weight - weight[label]).norm(dim=1)
    return torch.cat([found[:label], found[label + 1 :]])


# %% q1: the rule of three -> for small chances
def draws_needed(chance, luck):
    return math.ceil(3 / chance)


# %% q1: rounds down -> above 0.05
def draws_needed(chance, luck):
    return int(math.log(luck) / math.log1p(-chance))


# %% q1: always one in twenty -> was the luck used
def draws_needed(chance, luck):
    return math.ceil(math.log(0.05) / math.log1p(-chance))


# %% q1: always one more -> at most that is allowed
def draws_needed(chance, luck):
    return int(math.log(luck) / math.log1p(-chance)) + 1


# %% q1: loses digits -> most digits
def draws_needed(chance, luck):
    return math.ceil(math.log(luck) / math.log(1 - chance) - 1e-9)


# %% q1: one in twenty for the own chance -> not one in a hundred
my_draws = draws_needed(my_chance, 0.05)

# %% q1: somebody else's number -> another STUDENT
my_draws = 1000


# %% q2: counts points -> count a run once
def runs_of_errors(classes, labels):
    wrong = (classes != labels[:, None]).sum(dim=1)
    return torch.stack([wrong, wrong], dim=1)


# %% q2: all points together -> the longest alone
def runs_of_errors(classes, labels):
    wrong = classes != labels[:, None]
    starts = (wrong[:, 1:] & ~wrong[:, :-1]).sum(dim=1) + wrong[:, 0]
    return torch.stack([starts, wrong.sum(dim=1)], dim=1)


# %% q2: not at the first point -> begins a run as well
def runs_of_errors(classes, labels):
    wrong = classes != labels[:, None]
    starts = (wrong[:, 1:] & ~wrong[:, :-1]).sum(dim=1)
    return torch.stack([starts, torch.tensor([longest_run(w) for w in wrong.tolist()])], dim=1)


# %% q2: only runs that end -> last to the end
def runs_of_errors(classes, labels):
    wrong = classes != labels[:, None]
    ends = (wrong[:, :-1] & ~wrong[:, 1:]).sum(dim=1)
    return torch.stack([ends, torch.tensor([longest_run(w) for w in wrong.tolist()])], dim=1)


# %% q2: each wrong class for itself -> one run of errors
def runs_of_errors(classes, labels):
    found = []
    for line, label in zip(classes.tolist(), labels.tolist(), strict=True):
        runs, before, longest, length = 0, None, 0, 0
        for read in line:
            if read != label:
                length = length + 1 if read == before else 1
                runs += read != before
                longest = max(longest, length)
            before = read
        found.append([runs, longest])
    return torch.tensor(found)


# %% q3: the certified radius of the wrong class -> the same wrong class
def ball_of_errors(weight, bias, x, label):
    logits = weight @ x + bias
    said = int(logits.argmax())
    radii = (logits[said] - logits) / (weight[said] - weight).norm(dim=1)
    return float(torch.cat([radii[:said], radii[said + 1 :]]).min())


# %% q3: with the class itself -> against itself
def ball_of_errors(weight, bias, x, label):
    logits = weight @ x + bias
    return float(((logits - logits[label]) / (weight - weight[label]).norm(dim=1)).max())


# %% q3: the smallest ball -> the smallest of the balls
def ball_of_errors(weight, bias, x, label):
    return max(0.0, float(balls(weight, bias, x, label).min()))


# %% q3: negative radii -> not negative
def ball_of_errors(weight, bias, x, label):
    return float(balls(weight, bias, x, label).max())


# %% q3: one row alone -> both logits move
def ball_of_errors(weight, bias, x, label):
    logits = weight @ x + bias
    found = (logits - logits[label]) / weight.norm(dim=1).clamp(min=1e-9)
    return max(0.0, float(torch.cat([found[:label], found[label + 1 :]]).max()))


# %% q3: the winner only -> does not always prove
def ball_of_errors(weight, bias, x, label):
    logits = weight @ x + bias
    said = int(logits.argmax())
    if said == label:
        return 0.0
    return float((logits[said] - logits[label]) / (weight[said] - weight[label]).norm())


# %% q3: somebody else's image -> another STUDENT
my_ball = -1.0


# %% q4: the near plane only -> may cross either
def noise_for_share(near, far, share):
    return solve(lambda s: PHI(-near / s), share)


# %% q4: as if independent -> exclude each other
def noise_for_share(near, far, share):
    return solve(lambda s: 1 - PHI(near / s) * PHI(far / s), share)


# %% q4: twice the near one -> farther away
def noise_for_share(near, far, share):
    return solve(lambda s: 2 * PHI(-near / s), share)


# %% q4: an interval that is too short -> wide enough
def noise_for_share(near, far, share):
    low, high = 0.0, 10.0
    for _ in range(60):
        middle = (low + high) / 2
        misled = PHI(-near / middle) + PHI(-far / middle)
        low, high = (middle, high) if misled < share else (low, middle)
    return high


# %% q4: the other share -> not 0.1
my_noise = noise_for_share(my_near, my_far, 0.9)

# %% q5: longer noise -> only its part across
prediction = "a"

# %% q5: more directions -> this one has grown
prediction = "b"

# %% q5: the axes -> has no axes
prediction = "d"


# %% q1: numpy -> full marks
def draws_needed(chance, luck):
    return np.ceil(np.log(luck) / np.log1p(-chance))


my_draws = draws_needed(my_chance, 0.01)


# %% q2: differences -> full marks
def runs_of_errors(classes, labels):
    wrong = torch.nn.functional.pad((classes != labels[:, None]).int(), (1, 1))
    found = torch.zeros(len(classes), 2)
    for i, line in enumerate(wrong):
        starts, ends = (line.diff() == 1).nonzero()[:, 0], (line.diff() == -1).nonzero()[:, 0]
        found[i, 0] = len(starts)
        found[i, 1] = (ends - starts).max() if len(starts) else 0
    return found


# %% q3: a whole number, or a tensor -> full marks
def ball_of_errors(weight, bias, x, label):
    logits, best = weight @ x + bias, 0
    for c in range(len(logits)):
        if c != label:
            best = max(best, (logits[c] - logits[label]) / torch.dist(weight[c], weight[label]))
    return best


my_ball = ball_of_errors(weight, bias, my_misread, mine.digit)


# %% q4: Newton's method -> full marks
def noise_for_share(near, far, share):
    u = 0.1
    normal = NormalDist()
    for _ in range(200):
        gap = normal.cdf(-near * u) + normal.cdf(-far * u) - share
        slope = near * normal.pdf(near * u) + far * normal.pdf(far * u)
        u = min(max(u + gap / slope, u / 2), 2 * u)
    return torch.tensor(1 / u)


my_noise = noise_for_share(my_near, my_far, 0.1)
