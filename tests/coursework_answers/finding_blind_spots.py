"""Typical wrong answers, and correct ones in another style.

Cells `# %% question: what is wrong -> words of the hint that it must get`, or `... -> full marks`.
Each is run after the solution.
"""

import math
from fractions import Fraction

import numpy as np
import torch


# %% q1: forgets the root -> root of m
def l2_from_distortion(distortion, pixels):
    return distortion * pixels


# %% q1: divides -> a root of a mean
def l2_from_distortion(distortion, pixels):
    return distortion / math.sqrt(pixels)


# %% q1: does nothing -> too small
def l2_from_distortion(distortion, pixels):
    return distortion


# %% q1: knows only MNIST -> 784 must not
def l2_from_distortion(distortion, pixels):
    return 28 * distortion


# %% q1: divides by m -> by its root
my_distortion = 2 / my_side**2

# %% q1: converts the wrong way -> wrong direction
my_distortion = 2.0 * my_side


# %% q3: wrong sign -> wrong way
def shortest_to_tie(weight, bias, x):
    normal = weight[1] - weight[0]
    return (normal @ x + bias[1] - bias[0]) * normal / normal.square().sum()


# %% q3: divides by the norm once -> five times too long
def shortest_to_tie(weight, bias, x):
    normal = weight[1] - weight[0]
    return -(normal @ x + bias[1] - bias[0]) * normal / normal.norm()


# %% q3: takes one row for the difference -> difference of the two rows
def shortest_to_tie(weight, bias, x):
    normal = weight[1]
    return -(normal @ x + bias[1]) * normal / normal.square().sum()


# %% q3: ties by changing one pixel -> nearest point of the line
def shortest_to_tie(weight, bias, x):
    normal = weight[1] - weight[0]
    r = torch.zeros_like(x)
    r[0] = -(normal @ x + bias[1] - bias[0]) / normal[0]
    return r


# %% q3: somebody else's image -> another STUDENT
my_shortest = shortest_to_tie(weight, bias, torch.zeros(64))


# %% q4: the mean over the batch -> its own value
def objective(model, penalty, original, points, target):
    wanted = torch.full((len(points),), target)
    loss = torch.nn.functional.cross_entropy(model(points), wanted)
    return penalty * (points - original).square().sum() + loss


# %% q4: the norm is not squared -> not its square
def objective(model, penalty, original, points, target):
    loss = -model(points).log_softmax(dim=1)[:, target]
    return penalty * (points - original).norm(dim=1) + loss


# %% q4: the mean over the pixels -> mean over the pixels
def objective(model, penalty, original, points, target):
    loss = -model(points).log_softmax(dim=1)[:, target]
    return penalty * (points - original).square().mean(dim=1) + loss


# %% q4: rewards the other classes -> sign of the loss
def objective(model, penalty, original, points, target):
    loss = model(points).log_softmax(dim=1)[:, target]
    return penalty * (points - original).square().sum(dim=1) + loss


# %% q5: the smallest penalty -> the wrong end
def largest_success(succeeds, low, high, steps):
    return low


# %% q5: arithmetic halves -> arithmetic middle
def largest_success(succeeds, low, high, steps):
    for _ in range(steps):
        middle = (low + high) / 2
        low, high = (middle, high) if succeeds(middle) else (low, middle)
    return low


# %% q5: returns the last one tried -> not the last one tried
def largest_success(succeeds, low, high, steps):
    middle = low
    for _ in range(steps):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if succeeds(middle) else (low, middle)
    return middle


# %% q5: returns the upper end -> nor the upper end
def largest_success(succeeds, low, high, steps):
    for _ in range(steps):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if succeeds(middle) else (low, middle)
    return high


# %% q5: asks twice -> was called 24 times
def largest_success(succeeds, low, high, steps):
    for _ in range(steps):
        middle = math.sqrt(low * high)
        if succeeds(middle):
            low = middle
        if not succeeds(middle):
            high = middle
    return low


# %% q6: thinks of the norm -> only the part of the noise along w
prediction = "a"

# %% q6: forgets the root -> take a root
prediction = "C"

# %% q6: confuses a draw with its mean -> single draw
prediction = "d"

# %% q6: not one of the four -> is none of
prediction = "e"


# %% q7: right on average only -> not exactly
def noise_of_equal_norm(original, perturbed, seed):
    generator = torch.Generator().manual_seed(seed)
    size = (perturbed - original).square().mean(dim=1, keepdim=True).sqrt()
    return original + size * torch.randn(original.shape, generator=generator).clamp(-2.5, 2.5)


# %% q7: the norm as standard deviation -> far too long
def noise_of_equal_norm(original, perturbed, seed):
    generator = torch.Generator().manual_seed(seed)
    size = (perturbed - original).norm(dim=1, keepdim=True)
    return original + size * torch.randn(original.shape, generator=generator)


# %% q7: the perturbation again -> the perturbation again
def noise_of_equal_norm(original, perturbed, seed):
    generator = torch.Generator().manual_seed(seed)
    sign = 1 - 2 * torch.randint(2, (1,), generator=generator)
    return original + sign * (perturbed - original)


# %% q7: the same noise for all -> same noise
def noise_of_equal_norm(original, perturbed, seed):
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(original.shape[1], generator=generator)
    return original + (perturbed - original).norm(dim=1, keepdim=True) * drawn / drawn.norm()


# %% q7: forgets the seed -> same seed gives different
def noise_of_equal_norm(original, perturbed, seed):
    drawn = torch.randn(original.shape)
    drawn = drawn / drawn.norm(dim=1, keepdim=True)
    return original + (perturbed - original).norm(dim=1, keepdim=True) * drawn


# %% q4: the norm of the points -> r is their difference
def objective(model, penalty, original, points, target):
    loss = -model(points).log_softmax(dim=1)[:, target]
    return penalty * points.square().sum(dim=1) + loss


# %% q7: uniform, above zero -> mean zero
def noise_of_equal_norm(original, perturbed, seed):
    drawn = torch.rand(original.shape, generator=torch.Generator().manual_seed(seed))
    drawn = drawn / drawn.norm(dim=1, keepdim=True)
    return original + (perturbed - original).norm(dim=1, keepdim=True) * drawn


# %% q7: on top of the perturbation -> takes the place
def noise_of_equal_norm(original, perturbed, seed):
    drawn = torch.randn(original.shape, generator=torch.Generator().manual_seed(seed))
    drawn = drawn / drawn.norm(dim=1, keepdim=True)
    return perturbed + (perturbed - original).norm(dim=1, keepdim=True) * drawn


# %% q7: the noise alone -> the noise alone
def noise_of_equal_norm(original, perturbed, seed):
    drawn = torch.randn(original.shape, generator=torch.Generator().manual_seed(seed))
    drawn = drawn / drawn.norm(dim=1, keepdim=True)
    return (perturbed - original).norm(dim=1, keepdim=True) * drawn


# %% q7: clips -> clipping makes the noise shorter
def noise_of_equal_norm(original, perturbed, seed):
    drawn = torch.randn(original.shape, generator=torch.Generator().manual_seed(seed))
    drawn = drawn / drawn.norm(dim=1, keepdim=True)
    return (original + (perturbed - original).norm(dim=1, keepdim=True) * drawn).clamp(0, 1)


# %% q7: the norm of the batch -> each row has its own
def noise_of_equal_norm(original, perturbed, seed):
    drawn = torch.randn(original.shape, generator=torch.Generator().manual_seed(seed))
    return original + (perturbed - original).norm() * drawn / drawn.norm()


# %% q1: numpy -> full marks
def l2_from_distortion(distortion, pixels):
    return np.sqrt(np.float32(pixels) * np.float32(distortion) ** 2)


my_distortion = torch.tensor(2 / my_side)


# %% q3: loops, in double precision -> full marks
def shortest_to_tie(weight, bias, x):
    w = [b - a for a, b in zip(*weight.tolist(), strict=True)]
    f = sum(a * b for a, b in zip(w, x.tolist(), strict=True)) + (bias[1] - bias[0]).item()
    return torch.tensor([-f * a / sum(b * b for b in w) for a in w], dtype=torch.float64)


my_shortest = shortest_to_tie(weight, bias, my_image)


# %% q4: point by point -> full marks
def objective(model, penalty, original, points, target):
    values = []
    for point in points.double():
        logits = model(point.float()[None])[0].detach().double().numpy()
        loss = np.log(np.exp(logits).sum()) - logits[target]
        values.append(penalty * ((point - original) ** 2).sum().item() + loss)
    return torch.tensor(np.array(values))


# %% q5: powers of ten, recursively -> full marks
def largest_success(succeeds, low, high, steps):
    if steps == 0:
        return Fraction(low)
    middle = 10 ** ((math.log10(low) + math.log10(high)) / 2)
    ends = (middle, high) if succeeds(middle) else (low, middle)
    return largest_success(succeeds, *ends, steps - 1)


# %% q7: numpy's generator -> full marks
def noise_of_equal_norm(original, perturbed, seed):
    noise = torch.from_numpy(np.random.default_rng(seed).normal(size=original.shape))
    for row, change in zip(noise, perturbed - original, strict=True):
        row *= change.norm() / row.norm()
    return original + noise
