"""Typical wrong answers, and correct ones in another style.

Cells `# %% question: what is wrong -> words of the hint that it must get`, or `... -> full marks`.
Each is run after the solution.
"""

import math

import torch


# %% q1: does not sort -> sort them first
def length_to_fool(lengths, share):
    return lengths[math.ceil(share * len(lengths)) - 1].item()


# %% q1: of the successes only -> of all images
def length_to_fool(lengths, share):
    found = lengths[lengths.isfinite()].sort().values
    return found[math.ceil(share * len(found) - 1e-9) - 1].item()


# %% q1: the failures left out -> no length is enough
def length_to_fool(lengths, share):
    found = lengths[lengths.isfinite()].sort().values
    return found[min(math.ceil(share * len(lengths) - 1e-9), len(found)) - 1].item()


# %% q1: one too many -> that is 75 %
def length_to_fool(lengths, share):
    return lengths.sort().values[min(int(share * len(lengths)), len(lengths) - 1)].item()


# %% q1: somebody else's attack -> another STUDENT
my_half = 0.51


# %% q2: nothing is done -> go back from there
def pull_back(fools, original, adversarial, steps):
    return adversarial


# %% q2: returns the middle -> not adversarial: keep
def pull_back(fools, original, adversarial, steps):
    near, far = original, adversarial
    middle = far
    for _ in range(steps):
        middle = (near + far) / 2
        near, far = (near, middle) if fools(middle) else (middle, far)
    return middle


# %% q2: two calls per step -> one call per step
def pull_back(fools, original, adversarial, steps):
    near, far = original, adversarial
    for _ in range(steps):
        middle = (near + far) / 2
        if fools(middle):
            far = middle
        if not fools(middle):
            near = middle
    return far


# %% q2: stops at the first failure -> is at 0.3
def pull_back(fools, original, adversarial, steps):
    far = adversarial
    for _ in range(steps):
        middle = (original + far) / 2
        if not fools(middle):
            break
        far = middle
    return far


# %% q3: the runner-up -> changes slowly
def nearest_class(weight, bias, x):
    logits = weight @ x + bias
    (first, second), (read, other) = logits.topk(2)
    return other.item(), ((first - second) / (weight[read] - weight[other]).norm()).item()


# %% q3: the class that is read -> another one is wanted
def nearest_class(weight, bias, x):
    logits = weight @ x + bias
    read = int(logits.argmax())
    return read, 0.0


# %% q3: the square of the norm -> not by its square
def nearest_class(weight, bias, x):
    logits = weight @ x + bias
    read = int(logits.argmax())
    reach = (logits[read] - logits) / (weight[read] - weight).square().sum(dim=1)
    reach[read] = math.inf
    return int(reach.argmin()), reach.min().item()


# %% q3: the norm of one row -> difference of two rows
def nearest_class(weight, bias, x):
    logits = weight @ x + bias
    read = int(logits.argmax())
    reach = (logits[read] - logits) / weight.norm(dim=1)
    reach[read] = math.inf
    return int(reach.argmin()), reach.min().item()


# %% q3: somebody else's image -> another STUDENT
my_nearest = ((int((weight @ my_image + bias).argmax()) + 1) % 10, 17.0)

# %% q4: the better attack -> on every image
prediction = "a"

# %% q4: between the two -> nothing is averaged
prediction = "b"

# %% q4: above both -> never above either
prediction = "d"


# %% q1: one length after the other -> full marks
def length_to_fool(lengths, share):
    for length in sorted(lengths):
        if (lengths <= length).double().mean() >= share - 1e-12:
            return length
    return math.inf


my_half = length_to_fool(my_lengths, 0.5)


# %% q2: by the share of the way -> full marks
def pull_back(fools, original, adversarial, steps):
    near, far = 0.0, 1.0
    way = adversarial.double() - original
    for _ in range(steps):
        t = (near + far) / 2
        near, far = (near, t) if fools((original + t * way).float()) else (t, far)
    return original + far * way


# %% q3: loops, and a list -> full marks
def nearest_class(weight, bias, x):
    logits = [float(w @ x + b) for w, b in zip(weight, bias, strict=True)]
    read = max(range(len(logits)), key=logits.__getitem__)
    reach = {
        c: (logits[read] - logits[c]) / torch.dist(weight[read], weight[c])
        for c in range(len(logits))
        if c != read
    }
    best = min(reach, key=reach.get)
    return [torch.tensor(best), reach[best]]


my_nearest = nearest_class(weight, bias, my_image)
