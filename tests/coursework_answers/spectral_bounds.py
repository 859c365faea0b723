"""Typical wrong answers, and correct ones in another style.

Cells `# %% question: what is wrong -> words of the hint that it must get`, or `... -> full marks`.
Each is run after the solution.
"""

import math

import torch
from torch import nn


def by_layer(model, norm, sigmoid=0.25, pool=lambda size, step: math.ceil(size / step)):
    found = 1.0
    for layer in model:
        if isinstance(layer, nn.Linear):
            found *= float(norm(layer.weight.detach()))
        elif isinstance(layer, nn.Sigmoid):
            found *= sigmoid
        elif isinstance(layer, nn.MaxPool2d):
            found *= pool(layer.kernel_size, layer.stride)
    return found


def largest_value(matrix):
    return torch.linalg.matrix_norm(matrix, 2)


# %% q1: the largest weight -> the largest weight
def product_of_layers(model):
    return by_layer(model, lambda w: w.abs().max())


# %% q1: the square -> the square of the norm
def product_of_layers(model):
    return by_layer(model, lambda w: largest_value(w) ** 2)


# %% q1: the Frobenius norm -> largest singular value
def product_of_layers(model):
    return by_layer(model, torch.linalg.norm)


# %% q1: sigmoids as steep as ReLUs -> much flatter
def product_of_layers(model):
    return by_layer(model, largest_value, sigmoid=1)


# %% q1: pooling is contractive -> overlap
def product_of_layers(model):
    return by_layer(model, largest_value, pool=lambda size, step: 1)


# %% q1: counts the windows -> the root of their number
def product_of_layers(model):
    return by_layer(model, largest_value, pool=lambda size, step: math.ceil(size / step) ** 2)


# %% q1: half windows -> whole ones
def product_of_layers(model):
    return by_layer(model, largest_value, pool=lambda size, step: max(1, size / step))


# %% q1: somebody else's network -> another STUDENT
my_product = 1.0


# %% q2: the square -> the square of the norm of W
def stretch_from_below(forward, backward, size, steps, seed):
    v = torch.randn(size, generator=torch.Generator().manual_seed(seed))
    for _ in range(steps):
        v = backward(forward(v / v.norm()))
    return float(v.norm())


# %% q2: does not divide -> the length of v
def stretch_from_below(forward, backward, size, steps, seed):
    v = torch.randn(size, generator=torch.Generator().manual_seed(seed))
    v = 10 * v / v.norm()
    for _ in range(steps):
        v = backward(forward(v))
        v = 10 * v / v.norm()
    return float(forward(v).norm())


# %% q2: divides at the end -> overflows
def stretch_from_below(forward, backward, size, steps, seed):
    v = torch.randn(size, generator=torch.Generator().manual_seed(seed))
    for _ in range(steps):
        v = backward(forward(v))
    return float(forward(v).norm() / v.norm())


# %% q2: returns the length of the vector -> apply W to it
def stretch_from_below(forward, backward, size, steps, seed):
    v = torch.randn(size, generator=torch.Generator().manual_seed(seed))
    for _ in range(steps):
        u = forward(v)
        v = backward(u / u.norm())
    return float(v.norm())


# %% q2: starts with ones -> makes (1, 1, 1) vanish
def stretch_from_below(forward, backward, size, steps, seed):
    v = torch.ones(size) / size**0.5
    for _ in range(steps):
        v = backward(forward(v))
        v = v / v.norm().clamp(min=1e-9)
    return float(forward(v).norm())


# %% q2: ignores the seed -> another seed
def stretch_from_below(forward, backward, size, steps, seed):
    v = torch.randn(size, generator=torch.Generator().manual_seed(5))
    v = v / v.norm()
    for _ in range(steps):
        v = backward(forward(v))
        v = v / v.norm()
    return float(forward(v).norm())


# %% q3: with the class itself -> against itself
def guaranteed(logits, labels, pair):
    return ((logits.gather(1, labels[:, None]) - logits) / pair[labels]).amin(dim=1)


# %% q3: the runner-up -> catches up faster
def guaranteed(logits, labels, pair):
    two = logits.topk(2, dim=1)
    return (two.values[:, 0] - two.values[:, 1]) / pair[labels, two.indices[:, 1]]


# %% q3: the root of two once more -> root of two
def guaranteed(logits, labels, pair):
    found = (logits.gather(1, labels[:, None]) - logits) / pair[labels] / 2**0.5
    found[range(len(labels)), labels] = math.inf
    return found.amin(dim=1).clamp(min=0)


# %% q3: the class that is said -> compare with the label
def guaranteed(logits, labels, pair):
    said = logits.argmax(dim=1)
    found = (logits.gather(1, said[:, None]) - logits) / pair[said]
    found[range(len(labels)), said] = math.inf
    return found.amin(dim=1)


# %% q3: negative lengths -> not negative
def guaranteed(logits, labels, pair):
    found = (logits.gather(1, labels[:, None]) - logits) / pair[labels]
    found[range(len(labels)), labels] = math.inf
    return found.amin(dim=1)


# %% q3: from the whole network's bound -> the norm of the whole matrix
my_share = 0.0

# %% q3: somebody else's share -> another STUDENT
my_share = -1.0


# %% q4: divides the whole matrix -> whole matrix was divided
def nearest_with_norm(weight, largest):
    return weight * min(1, largest / float(largest_value(weight)))


# %% q4: all stretches equal -> was raised
def nearest_with_norm(weight, largest):
    u, _, v = torch.linalg.svd(weight, full_matrices=False)
    return largest * u @ v


# %% q4: clamps the entries -> not the largest entry
def nearest_with_norm(weight, largest):
    return weight.clamp(-largest, largest)


# %% q4: lowers only the largest -> the limit was
def nearest_with_norm(weight, largest):
    u, s, v = torch.linalg.svd(weight, full_matrices=False)
    s[0] = min(float(s[0]), largest)
    return (u * s) @ v


# %% q5: too small -> divided by them
prediction = "b"

# %% q5: the square -> not its square
prediction = "c"

# %% q5: once -> so are their errors
prediction = "d"


# %% q1: whole numbers and tensors -> full marks
def product_of_layers(model):
    found = 1
    for layer in model:
        if isinstance(layer, nn.Linear):
            w = layer.weight.detach().double()
            found = found * torch.linalg.eigvalsh(w @ w.T)[-1] ** 0.5
        if isinstance(layer, nn.Sigmoid):
            found = found / 4
        if isinstance(layer, nn.MaxPool2d):
            found *= -(-layer.kernel_size // layer.stride)
    return found


my_product = product_of_layers(my_network)


# %% q2: in double precision -> full marks
def stretch_from_below(forward, backward, size, steps, seed):
    v = torch.randn(size, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    for _ in range(steps):
        v = backward(forward(v))
        v /= v.norm()
    return forward(v).norm() / v.norm()


# %% q3: loops -> full marks
def guaranteed(logits, labels, pair):
    lengths = []
    for row, y in zip(logits, labels, strict=True):
        lengths.append(min((row[y] - z) / pair[y, j] for j, z in enumerate(row) if j != y))
    return torch.tensor([max(0, float(length)) for length in lengths], dtype=torch.float64)


my_share = (
    guaranteed(
        my_images @ weight.T + bias,
        torch.full((len(my_images),), mine.digit),
        torch.tensor([[torch.dist(a, b) for a in weight] for b in weight]),
    )
    .gt(my_length)
    .float()
    .mean()
)


# %% q4: takes away what is too much, in double precision -> full marks
def nearest_with_norm(weight, largest):
    found = weight.double()
    u, s, v = torch.linalg.svd(found)
    for i, value in enumerate(s):
        if value > largest:
            found = found - (value - largest) * torch.outer(u[:, i], v[i])
    return found
