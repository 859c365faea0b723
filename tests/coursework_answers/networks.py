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
def learnt_numbers(widths):
    return sum(a * b for a, b in pairwise(widths))


# %% q1: a bias for each pixel -> not for each pixel
def learnt_numbers(widths):
    return sum(a * (b + 1) for a, b in pairwise(widths))


# %% q1: joins each layer to the pixels -> not to the pixels
def learnt_numbers(widths):
    return sum(b * (widths[0] + 1) for b in widths[1:])


# %% q1: somebody else's network -> another STUDENT
my_count = learnt_numbers((64, 3, 3, 10))


# %% q2: divides by the inputs -> not that of inputs
def decay_of_network(model, factors, reading):
    layers = [layer for layer in model if isinstance(layer, nn.Linear)]
    total = 0
    for factor, layer in zip(factors, layers, strict=True):
        squares = layer.weight.square().sum()
        if reading == "printed":
            total = total + factor * squares / layer.weight.shape[1]
        else:
            total = total + factor / 2 * (squares + layer.bias.square().sum())
    return total


# %% q2: forgets the biases -> decays the biases too
def decay_of_network(model, factors, reading):
    layers = [layer for layer in model if isinstance(layer, nn.Linear)]
    total = 0
    for factor, layer in zip(factors, layers, strict=True):
        squares = layer.weight.square().sum()
        total = total + factor * squares / (len(layer.weight) if reading == "printed" else 2)
    return total


# %% q2: not half -> half of the squared norm
def decay_of_network(model, factors, reading):
    layers = [layer for layer in model if isinstance(layer, nn.Linear)]
    total = 0
    for factor, layer in zip(factors, layers, strict=True):
        squares = layer.weight.square().sum()
        if reading == "printed":
            total = total + factor * squares / len(layer.weight)
        else:
            total = total + factor * (squares + layer.bias.square().sum())
    return total


# %% q2: takes the layers from above -> wrong order
def decay_of_network(model, factors, reading):
    layers = [layer for layer in model if isinstance(layer, nn.Linear)]
    total = 0
    for factor, layer in zip(factors, layers[::-1], strict=True):
        squares = layer.weight.square().sum()
        if reading == "printed":
            total = total + factor * squares / len(layer.weight)
        else:
            total = total + factor / 2 * (squares + layer.bias.square().sum())
    return total


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
def learnt_numbers(widths):
    layers = [nn.Linear(a, b) for a, b in pairwise(widths)]
    return torch.tensor([p.numel() for layer in layers for p in layer.parameters()]).sum()


my_count = np.int64(learnt_numbers(my_widths))


# %% q2: in double precision -> full marks
def decay_of_network(model, factors, reading):
    parameters = [p.double() for p in model.parameters()]
    total = torch.zeros((), dtype=torch.float64)
    for factor, w, b in zip(factors, parameters[::2], parameters[1::2], strict=True):
        if reading == "printed":
            total += factor * (w**2).sum() / w.shape[0]
        else:
            total += factor * ((w**2).sum() + (b**2).sum()) / 2
    return total


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
