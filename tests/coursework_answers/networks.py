"""Typical wrong answers, and words of the hint that each must get.

Cells `# %% question: what is wrong -> words of the hint`. Each is run after the solution.
"""

import math
from itertools import pairwise

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


# %% q5: the square of p -> is 2500, not
def images_needed(p, s):
    return math.ceil(p * p * (1 - p) / s**2)
