"""Typical wrong answers, and correct ones in another style.

Cells `# %% question: what is wrong -> words of the hint that it must get`, or `... -> full marks`.
Each is run after the solution.
"""

import math
from itertools import pairwise

import numpy as np
import torch
from torch import nn


# %% q1: no biases -> has a bias as well
def learnt_numbers(side, channels, kernel, classes):
    total = 0
    for below, above in pairwise(channels):
        total += kernel**2 * below * above
        side = (side - kernel) // 2 + 1
    return total + side**2 * channels[-1] * classes


# %% q1: a filter for each place -> shared by all places
def learnt_numbers(side, channels, kernel, classes):
    total = 0
    for below, above in pairwise(channels):
        side = (side - kernel) // 2 + 1
        total += side**2 * (kernel**2 * below + 1) * above
    return total + (side**2 * channels[-1] + 1) * classes


# %% q1: the linear layer sees channels only -> every place that is left
def learnt_numbers(side, channels, kernel, classes):
    total = sum((kernel**2 * below + 1) * above for below, above in pairwise(channels))
    return total + (channels[-1] + 1) * classes


# %% q1: steps of one pixel -> steps are of two pixels
def learnt_numbers(side, channels, kernel, classes):
    total = 0
    for below, above in pairwise(channels):
        total += (kernel**2 * below + 1) * above
        side = side - kernel + 1
    return total + (side**2 * channels[-1] + 1) * classes


# %% q1: filters one channel deep -> through all channels
def learnt_numbers(side, channels, kernel, classes):
    total = 0
    for above in channels[1:]:
        total += (kernel**2 + 1) * above
        side = (side - kernel) // 2 + 1
    return total + (side**2 * channels[-1] + 1) * classes


# %% q1: somebody else's network -> another STUDENT
my_count = learnt_numbers(8, (1, 3, 3), 3, 10)


# %% q2: forgets the two -> factor of two
def decayed(model, factor, rate, reading):
    found = []
    for layer in (part for part in model if isinstance(part, nn.Linear)):
        per_weight = factor / len(layer.weight) if reading == "printed" else factor
        per_bias = 0 if reading == "printed" else factor
        found += [layer.weight * (1 - rate * per_weight), layer.bias * (1 - rate * per_bias)]
    return found


# %% q2: divides by the inputs -> not that of inputs
def decayed(model, factor, rate, reading):
    found = []
    for layer in (part for part in model if isinstance(part, nn.Linear)):
        per_weight = 2 * factor / layer.in_features if reading == "printed" else factor
        per_bias = 0 if reading == "printed" else factor
        found += [layer.weight * (1 - rate * per_weight), layer.bias * (1 - rate * per_bias)]
    return found


# %% q2: goes up -> goes down the gradient
def decayed(model, factor, rate, reading):
    found = []
    for layer in (part for part in model if isinstance(part, nn.Linear)):
        per_weight = 2 * factor / len(layer.weight) if reading == "printed" else factor
        per_bias = 0 if reading == "printed" else factor
        found += [layer.weight * (1 + rate * per_weight), layer.bias * (1 + rate * per_bias)]
    return found


# %% q2: never decays biases -> decays the biases too
def decayed(model, factor, rate, reading):
    found = []
    for layer in (part for part in model if isinstance(part, nn.Linear)):
        per_weight = 2 * factor / len(layer.weight) if reading == "printed" else factor
        found += [layer.weight * (1 - rate * per_weight), layer.bias.clone()]
    return found


# %% q2: takes the size, not the sign with it -> weight of -3
def decayed(model, factor, rate, reading):
    found = []
    for layer in (part for part in model if isinstance(part, nn.Linear)):
        per_weight = 2 * factor / len(layer.weight) if reading == "printed" else factor
        per_bias = 0 if reading == "printed" else factor
        found += [layer.weight - rate * per_weight * layer.weight.abs()]
        found += [layer.bias * (1 - rate * per_bias)]
    return found


# %% q2: one number of units for all layers -> units of its own
def decayed(model, factor, rate, reading):
    found = []
    layers = [part for part in model if isinstance(part, nn.Linear)]
    for layer in layers:
        units = layers[0].out_features
        per_weight = 2 * factor / units if reading == "printed" else factor
        per_bias = 0 if reading == "printed" else factor
        found += [layer.weight * (1 - rate * per_weight), layer.bias * (1 - rate * per_bias)]
    return found


# %% q2: sets the formulas equal, not the steps -> has a two in its derivative
def same_step(factor, units):
    return factor / units


# %% q2: the way back -> way back
def same_step(factor, units):
    return factor * units / 2


# %% q3: wrong sign -> must lower the loss
def gradient_of_loss(logits, labels):
    wanted = torch.nn.functional.one_hot(labels, logits.shape[1])
    return (wanted - logits.softmax(dim=1)) / len(labels)


# %% q3: the softmax alone -> has a gradient too
def gradient_of_loss(logits, labels):
    return logits.softmax(dim=1) / len(labels)


# %% q3: the sum over the batch -> the mean over the images
def gradient_of_loss(logits, labels):
    return logits.softmax(dim=1) - torch.nn.functional.one_hot(labels, logits.shape[1])


# %% q3: overflows -> overflow
def gradient_of_loss(logits, labels):
    powers = logits.exp()
    chances = powers / powers.sum(dim=1, keepdim=True)
    return (chances - torch.nn.functional.one_hot(labels, logits.shape[1])) / len(labels)


# %% q4: more decay, less error -> takes freedom away
prediction = "a"

# %% q4: guessing -> does not depend on their size
prediction = "b"

# %% q4: nothing changes -> compare FC10
prediction = "c"


# %% q5: forgets the square -> is squared
def images_needed(p, s):
    return math.ceil((p * (1 - p)) ** 0.5 / s)


# %% q5: rounds down -> round up
def images_needed(p, s):
    return int(p * (1 - p) / s**2)


# %% q5: rounds to the nearest -> round up
def images_needed(p, s):
    return round(p * (1 - p) / s**2)


# %% q5: always one more -> it is enough
def images_needed(p, s):
    return int(p * (1 - p) / s**2) + 1


# %% q5: the square of p -> is 2500, not
def images_needed(p, s):
    return math.ceil(p * p * (1 - p) / s**2)


# %% q1: counts the network itself -> full marks
def learnt_numbers(side, channels, kernel, classes):
    layers = [nn.Conv2d(a, b, kernel, stride=2) for a, b in pairwise(channels)]
    image = torch.zeros(1, channels[0], side, side)
    layers += [nn.Linear(nn.Sequential(*layers)(image).numel(), classes)]
    return torch.tensor([p.numel() for layer in layers for p in layer.parameters()]).sum()


my_count = np.int64(learnt_numbers(8, my_channels, 3, 10))


# %% q2: by autograd, in double precision -> full marks
def decayed(model, factor, rate, reading):
    found = []
    for layer in model:
        if isinstance(layer, nn.Linear):
            w = layer.weight.detach().double().requires_grad_()
            b = layer.bias.detach().double().requires_grad_()
            if reading == "printed":
                loss = factor * (w**2).sum() / w.shape[0] + 0 * b.sum()
            else:
                loss = factor / 2 * ((w**2).sum() + (b**2).sum())
            loss.backward()
            found += [w - rate * w.grad, b - rate * b.grad]
    return tuple(found)


# %% q2: numpy -> full marks
def same_step(factor, units):
    return np.float32(2) * np.float32(factor) / units


# %% q3: loops -> full marks
def gradient_of_loss(logits, labels):
    found = torch.zeros(logits.shape, dtype=torch.float64)
    for i, (row, y) in enumerate(zip(logits.tolist(), labels.tolist(), strict=True)):
        powers = [math.exp(z - max(row)) for z in row]
        for j, power in enumerate(powers):
            found[i, j] = (power / sum(powers) - (j == y)) / len(logits)
    return found


# %% q5: counts upwards -> full marks
def images_needed(p, s):
    n = 1
    while math.sqrt(p * (1 - p) / n) > s:
        n += 1
    return n


# %% q5: numpy -> full marks
def images_needed(p, s):
    return np.ceil((np.sqrt(p * (1 - p)) / s) ** 2)
