"""Typical wrong answers, and words of the hint that each must get.

Cells `# %% question: what is wrong -> words of the hint`. Each is run after the solution.
"""

import math

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
