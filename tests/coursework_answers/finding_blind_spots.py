"""Typical wrong answers, and correct ones in another style.

Cells `# %% question: what is wrong -> words of the hint that it must get`, or `... -> full marks`.
Each is run after the solution.
"""

import math
from fractions import Fraction

import numpy as np
import torch


# %% q1: the mean of the distortions -> mean of the two distortions
def pooled_distortion(norms, pixels):
    return sum(norm / math.sqrt(pixels) for norm in norms) / len(norms)


# %% q1: forgets the root -> root is missing
def pooled_distortion(norms, pixels):
    return sum(norm**2 for norm in norms) / (len(norms) * pixels)


# %% q1: forgets the number of images -> 50 changes
def pooled_distortion(norms, pixels):
    return math.sqrt(sum(norm**2 for norm in norms) / pixels)


# %% q1: forgets the pixels -> mean over the images only
def pooled_distortion(norms, pixels):
    return math.sqrt(sum(norm**2 for norm in norms) / len(norms))


# %% q1: knows only pairs -> written into the function
def pooled_distortion(norms, pixels):
    return math.sqrt(sum(norm**2 for norm in norms) / (2 * pixels))


# %% q1: divides by m -> by its root
my_distortion = math.sqrt(5) / my_side**2

# %% q1: the mean of its own -> larger norm counts
my_distortion = 2.0 / my_side

# %% q1: somebody else's picture -> another STUDENT
my_distortion = math.sqrt(5) / (my_side + 1)


# %% q3: wrong sign -> wrong way
def cheapest_to_tie(weight, bias, x, cost):
    normal = weight[1] - weight[0]
    cheap = normal / cost
    return (normal @ x + bias[1] - bias[0]) * cheap / (normal * cheap).sum()


# %% q3: the shortest -> not the cheapest
def cheapest_to_tie(weight, bias, x, cost):
    normal = weight[1] - weight[0]
    return -(normal @ x + bias[1] - bias[0]) * normal / normal.square().sum()


# %% q3: multiplies by the cost -> divide by the cost
def cheapest_to_tie(weight, bias, x, cost):
    normal = weight[1] - weight[0]
    return -(normal @ x + bias[1] - bias[0]) * normal * cost / (normal**2 * cost).sum()


# %% q3: the cost in the numerator only -> the sum that you divide by
def cheapest_to_tie(weight, bias, x, cost):
    normal = weight[1] - weight[0]
    return -(normal @ x + bias[1] - bias[0]) * (normal / cost) / normal.square().sum()


# %% q3: as if the change were not squared -> multiplies the square
def cheapest_to_tie(weight, bias, x, cost):
    normal = weight[1] - weight[0]
    cheap = normal / cost.sqrt()
    return -(normal @ x + bias[1] - bias[0]) * cheap / (normal * cheap).sum()


# %% q3: takes one row for the difference -> difference of the two rows
def cheapest_to_tie(weight, bias, x, cost):
    cheap = weight[1] / cost
    return -(weight[1] @ x + bias[1]) * cheap / (weight[1] * cheap).sum()


# %% q3: somebody else's image -> another STUDENT
my_cheapest = cheapest_to_tie(weight, bias, torch.zeros(64), my_cost)

# %% q3: somebody else's cost -> computed with my_cost
my_cheapest = cheapest_to_tie(weight, bias, my_image, torch.ones(64))


# %% q4: the mean over the batch -> its own value
def objective(model, penalty, original, points, target):
    logits = model(points)
    lead = (logits.max(dim=1).values - logits[:, target]).mean()
    return penalty * (points - original).square().sum() + lead


# %% q4: the cross-entropy -> cross-entropy
def objective(model, penalty, original, points, target):
    loss = -model(points).log_softmax(dim=1)[:, target]
    return penalty * (points - original).square().sum(dim=1) + loss


# %% q4: rewards the other classes -> sign of the loss
def objective(model, penalty, original, points, target):
    logits = model(points)
    lead = logits[:, target] - logits.max(dim=1).values
    return penalty * (points - original).square().sum(dim=1) + lead


# %% q4: no zero -> not paid for leading
def objective(model, penalty, original, points, target):
    logits = model(points)
    others = logits.clone()
    others[:, target] = -torch.inf
    lead = others.max(dim=1).values - logits[:, target]
    return penalty * (points - original).square().sum(dim=1) + lead


# %% q4: the norm is not squared -> not its square
def objective(model, penalty, original, points, target):
    logits = model(points)
    lead = logits.max(dim=1).values - logits[:, target]
    return penalty * (points - original).norm(dim=1) + lead


# %% q4: the mean over the pixels -> mean over the pixels
def objective(model, penalty, original, points, target):
    logits = model(points)
    lead = logits.max(dim=1).values - logits[:, target]
    return penalty * (points - original).square().mean(dim=1) + lead


# %% q5: the wrong order -> comes first
def bracket(succeeds, start, factor):
    while succeeds(start):
        start *= factor
    return start, start / factor


# %% q5: only goes up -> go down
def bracket(succeeds, start, factor):
    while succeeds(start):
        start *= factor
    return start / factor, start


# %% q5: stops one step early -> succeeds, and stands second
def bracket(succeeds, start, factor):
    while succeeds(start):
        start *= factor
    return start / factor**2, start / factor


# %% q5: only by tens -> are start and factor used
def bracket(succeeds, start, factor):
    exponent = -8
    while succeeds(10.0 ** (exponent + 1)):
        exponent += 1
    return 10.0**exponent, 10.0 ** (exponent + 1)


# %% q5: forgets what it knows -> remember the answers
def bracket(succeeds, start, factor):
    while succeeds(start):
        start *= factor
    while not succeeds(start):
        start /= factor
    return start, start * factor


# %% q6: thinks of the norm -> only the part of the noise along w
prediction = "a"

# %% q6: forgets the root -> take a root
prediction = "C"

# %% q6: confuses a draw with its mean -> single draw
prediction = "d"

# %% q6: not one of the four -> is none of
prediction = "e"


# %% q7: not scaled -> keeps the norm that it had
def borrowed(original, perturbed, seed):
    generator = torch.Generator().manual_seed(seed)
    shift = int(torch.randint(1, len(original), (1,), generator=generator))
    return original + (perturbed - original).roll(shift, dims=0)


# %% q7: its own -> images' own perturbations
def borrowed(original, perturbed, seed):
    return perturbed


# %% q7: a permutation that may leave some -> leave something in its place
def borrowed(original, perturbed, seed):
    change = perturbed - original
    norm = change.norm(dim=1, keepdim=True)
    order = torch.randperm(len(change), generator=torch.Generator().manual_seed(seed))
    return original + norm * change[order] / norm[order]


# %% q7: noise -> nor
def borrowed(original, perturbed, seed):
    noise = torch.randn(original.shape, generator=torch.Generator().manual_seed(seed))
    size = (perturbed - original).norm(dim=1, keepdim=True)
    return original + size * noise / noise.norm(dim=1, keepdim=True)


# %% q7: the perturbed image of another, not its perturbation -> difference of two images
def borrowed(original, perturbed, seed):
    change = perturbed.roll(1, dims=0) - original
    size = (perturbed - original).norm(dim=1, keepdim=True)
    return original + size * change / change.norm(dim=1, keepdim=True)


# %% q7: always the next -> draw the other image with the seed
def borrowed(original, perturbed, seed):
    change = perturbed - original
    norm = change.norm(dim=1, keepdim=True)
    return original + norm * (change / norm).roll(1, dims=0)


# %% q4: the norm of the points -> r is their difference
def objective(model, penalty, original, points, target):
    logits = model(points)
    lead = logits.max(dim=1).values - logits[:, target]
    return penalty * points.square().sum(dim=1) + lead


# %% q7: the perturbation alone -> the perturbation alone
def borrowed(original, perturbed, seed):
    change = perturbed - original
    norm = change.norm(dim=1, keepdim=True)
    shift = 1 + seed % (len(change) - 1)
    return norm * (change / norm).roll(shift, dims=0)


# %% q7: clips -> do not clip
def borrowed(original, perturbed, seed):
    change = perturbed - original
    norm = change.norm(dim=1, keepdim=True)
    shift = 1 + seed % (len(change) - 1)
    return (original + norm * (change / norm).roll(shift, dims=0)).clamp(0, 1)


# %% q1: numpy -> full marks
def pooled_distortion(norms, pixels):
    return np.sqrt(np.mean(np.square(norms)) / pixels)


my_distortion = torch.tensor(math.sqrt(5) / my_side)


# %% q3: loops, in double precision -> full marks
def cheapest_to_tie(weight, bias, x, cost):
    w = [b - a for a, b in zip(*weight.tolist(), strict=True)]
    f = sum(a * b for a, b in zip(w, x.tolist(), strict=True)) + (bias[1] - bias[0]).item()
    total = sum(a * a / c for a, c in zip(w, cost.tolist(), strict=True))
    step = [-f * a / c / total for a, c in zip(w, cost.tolist(), strict=True)]
    return torch.tensor(step, dtype=torch.float64)


my_cheapest = cheapest_to_tie(weight, bias, my_image, my_cost)


# %% q4: point by point, without the target -> full marks
def objective(model, penalty, original, points, target):
    values = []
    for point in points.double():
        logits = model(point.float()[None])[0].tolist()
        others = [z for c, z in enumerate(logits) if c != target]
        lead = max(0, max(others) - logits[target])
        values.append(penalty * ((point - original) ** 2).sum().item() + lead)
    return torch.tensor(values, dtype=torch.float64)


# %% q5: a list of exponents -> full marks
def bracket(succeeds, start, factor):
    k = 0
    if succeeds(start):
        while succeeds(Fraction(factor) ** (k + 1) * Fraction(start)):
            k += 1
    else:
        k = -1
        while not succeeds(Fraction(factor) ** k * Fraction(start)):
            k -= 1
    return [Fraction(factor) ** k * Fraction(start), Fraction(factor) ** (k + 1) * Fraction(start)]


# %% q7: row by row, numpy's generator, several from one lender -> full marks
def borrowed(original, perturbed, seed):
    draws = np.random.default_rng(seed)
    given = original.double().clone()
    for i in range(len(original)):
        j = draws.choice([k for k in range(len(original)) if k != i])
        r = (perturbed[j] - original[j]).double()
        given[i] += r / r.norm() * (perturbed[i] - original[i]).norm()
    return given
