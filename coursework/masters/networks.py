# %% [markdown]
# # The networks under study: graded assignment
#
# This goes with the chapter *The networks under study*. You will count what a network learns, write
# the paper's weight decay in both of its readings, take a gradient by hand, and say what one table
# of errors can and cannot show.
#
# Write your answers where the cells say `...` or *Type your answer here*. You may add cells. After
# each question a check tells you what it can tell; further tests run when the assignment is graded,
# in a fresh Python that executes the notebook from top to bottom, offline. Hand in this
# notebook under your id: `<your id>.ipynb`.

# %%
import math

import torch
from torch import Tensor, nn

from blindspots import load_images
from variants import variant

# %% [markdown]
# Your numbers come from your id. Replace it, in the quotation marks, and leave the rest.

# %%
STUDENT = "your id"

# %%
mine = variant(STUDENT)
images = load_images("digits", split="train")
my_widths = (64, 20 + mine.seed % 31, 15 + mine.seed // 31 % 17, 10)
print(f"Your network has the widths {my_widths}.")

# %% [raw]
# # BEGIN QUESTION
# name: q1
# points: 3

# %% [markdown]
# **Question 1: count (3 points).** How many numbers does a fully connected network learn, weights
# and biases? Write the function, and count your own network's.

# %% [raw]
# # BEGIN SOLUTION


# %%
def learnt_numbers(widths: tuple[int, ...]) -> int:
    """Weights and biases of a fully connected network.

    Args:
        widths: number of pixels, of the units of each hidden layer, of classes.
    """
    # BEGIN SOLUTION
    below, learnt = widths[0], 0
    for units in widths[1:]:
        learnt += units * (below + 1)
        below = units
    return learnt
    # END SOLUTION


my_count = learnt_numbers(my_widths)  # SOLUTION

# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS

# %%
""" # BEGIN TEST CONFIG
points: 1
failure_message: "FC10 on 784 pixels."
"""  # END TEST CONFIG


def test_counts_fc10(learnt_numbers):
    found = learnt_numbers((784, 10))
    assert hasattr(found, "__float__") and float(found).is_integer(), (
        "not answered yet: the function must return a whole number"
    )
    found = int(found)
    assert found != 7840, "these are the weights: each of the ten units has a bias as well"
    assert found != 7840 + 784, "one bias for each unit, not for each pixel"
    assert found == 7850, f"784 weights and a bias for each of ten units make 7850, not {found}"


# %%
""" # BEGIN TEST CONFIG
points: 1
hidden: true
failure_message: "Networks with hidden layers."
"""  # END TEST CONFIG


def test_counts_hidden_layers(learnt_numbers):
    for widths, expected in (((784, 100, 100, 10), 89610), ((3, 2, 2, 2, 1), 23)):
        found = learnt_numbers(widths)
        assert hasattr(found, "__float__") and float(found).is_integer(), (
            "the function must return a whole number"
        )
        found = int(found)
        assert found == expected, (
            f"the widths {widths} make {expected}, not {found}: a layer is joined to the one below "
            "it, not to the pixels, and each of its units has a bias"
        )


# %%
""" # BEGIN TEST CONFIG
points: 1
hidden: true
failure_message: "Your own network."
"""  # END TEST CONFIG


def test_own_count(my_count, my_widths):
    assert hasattr(my_count, "__float__") and float(my_count).is_integer(), (
        "not answered yet: my_count must be a whole number"
    )
    my_count = int(my_count)
    expected = sum(my_widths[i + 1] * (my_widths[i] + 1) for i in range(3))
    assert my_count == expected, (
        f"{my_count} is not the number of {my_widths}: was it computed for another STUDENT?"
    )


# %% [raw]
# # END TESTS

# %% [raw]
# # END QUESTION

# %% [raw]
# # BEGIN QUESTION
# name: q2
# points: 4

# %% [markdown]
# **Question 2: decay (4 points).** The formula that is reported of the paper adds, for each layer,
# $\lambda \sum w^2 / k$ to the loss, with $k$ the number of the layer's units: `"printed"`. The one
# that reproduces the errors of FC10 is $\frac{\lambda}{2} (\sum w^2 + \sum b^2)$: `"half"`. Write
# both for a whole network, with a factor $\lambda$ for each layer.

# %% [raw]
# # BEGIN SOLUTION


# %%
def decay_of_network(model: nn.Sequential, factors: list[float], reading: str) -> Tensor:
    """The sum of the layers' weight decay: a tensor of shape ().

    Args:
        model: its layers of type nn.Linear are decayed, in order.
        factors: one for each of them.
        reading: "printed" or "half".
    """
    # BEGIN SOLUTION
    punished = torch.zeros(())
    linear = [layer for layer in model if isinstance(layer, nn.Linear)]
    for strength, layer in zip(factors, linear, strict=True):
        squares = layer.weight.pow(2).sum()
        if reading == "printed":
            punished = punished + strength * squares / layer.out_features
        else:
            punished = punished + 0.5 * strength * (squares + layer.bias.pow(2).sum())
    return punished
    # END SOLUTION


# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS

# %%
""" # BEGIN TEST CONFIG
points: 1
failure_message: "One layer of three inputs and two units, all weights 1, all biases 2."
"""  # END TEST CONFIG


def test_one_layer(decay_of_network):
    import torch
    from torch import nn

    model = nn.Sequential(nn.Linear(3, 2))
    nn.init.ones_(model[0].weight)
    model[0].bias.data = torch.full((2,), 2.0)
    printed = decay_of_network(model, [0.1], "printed")
    assert isinstance(printed, torch.Tensor) and printed.shape == (), (
        "not answered yet: return a tensor of shape ()"
    )
    printed = printed.float()
    assert abs(printed.item() - 0.2) > 1e-5, "k is the number of units, not that of inputs"
    assert abs(printed.item() - 0.6) > 1e-5, "divide by k, the number of the layer's units"
    assert abs(printed.item() - 0.7) > 1e-5, "the printed formula leaves the biases alone"
    assert abs(printed.item() - 0.3) < 1e-5, f"0.1 * 6 / 2 is 0.3, not {printed.item():.4g}"
    half = decay_of_network(model, [0.1], "half")
    assert isinstance(half, torch.Tensor), "not answered yet: return a tensor of shape ()"
    half = half.float()
    assert abs(half.item() - 0.3) > 1e-5, "the other reading decays the biases too"
    assert abs(half.item() - 1.4) > 1e-5, "the other reading is half of the squared norm"
    assert abs(half.item() - 0.7) < 1e-5, f"0.05 * (6 + 8) is 0.7, not {half.item():.4g}"


# %%
""" # BEGIN TEST CONFIG
points: 2
hidden: true
failure_message: "Several layers, with nonlinearities between them and factors of their own."
"""  # END TEST CONFIG


def test_several_layers(decay_of_network):
    import torch
    from torch import nn

    generator = torch.Generator().manual_seed(70)
    model = nn.Sequential(nn.Flatten(), nn.Linear(5, 4), nn.Sigmoid(), nn.Linear(4, 3))
    for parameter in model.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator)
    first, second = model[1], model[3]
    for reading in ("printed", "half"):
        found = decay_of_network(model, [0.5, 0.02], reading)
        assert isinstance(found, torch.Tensor) and found.shape == (), "return a tensor of shape ()"
        found = found.float()
        terms = []
        for layer in (first, second):
            squares = layer.weight.square().sum()
            if reading == "printed":
                terms.append(squares / len(layer.weight))
            else:
                terms.append((squares + layer.bias.square().sum()) / 2)
        expected = (0.5 * terms[0] + 0.02 * terms[1]).item()
        swapped = (0.02 * terms[0] + 0.5 * terms[1]).item()
        assert abs(found.item() - swapped) > 1e-4 * swapped, "the factors are in the wrong order"
        assert abs(found.item() - expected) < 1e-4 * expected, (
            f"for {reading!r}, {expected:.4g} is expected, not {found.item():.4g}; each layer has "
            "a factor and a number of units of its own"
        )


# %%
""" # BEGIN TEST CONFIG
points: 1
hidden: true
failure_message: "A negative weight."
"""  # END TEST CONFIG


def test_nothing_is_negative(decay_of_network):
    import torch
    from torch import nn

    model = nn.Sequential(nn.Linear(2, 2))
    model[0].weight.data = torch.tensor([[-3.0, 0.0], [0.0, 0.0]])
    nn.init.zeros_(model[0].bias)
    found = decay_of_network(model, [1.0], "half")
    assert isinstance(found, torch.Tensor), "return a tensor of shape ()"
    found = found.float()
    assert found.item() > 0, "a weight of -3 costs as much as one of 3: square, do not add"
    assert abs(found.item() - 4.5) < 1e-4, f"half of 9 is 4.5, not {found.item():.4g}"


# %% [raw]
# # END TESTS

# %% [raw]
# # END QUESTION

# %% [raw]
# # BEGIN QUESTION
# name: q3
# points: 4

# %% [markdown]
# **Question 3: take a gradient by hand (4 points).** For logits $z$ and the true class $y$ the
# cross-entropy is $-z_y + \ln \sum_j e^{z_j}$. Write its gradient with respect to the *logits*,
# without autograd, for a batch, as the mean over the images.

# %% [raw]
# # BEGIN SOLUTION


# %%
def gradient_of_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Gradient of the mean cross-entropy with respect to the logits: of the shape of the logits.

    Args:
        logits: of shape (n, classes).
        labels: true classes, of shape (n,).
    """
    # BEGIN SOLUTION
    chances = logits.softmax(dim=1)
    chances[torch.arange(len(labels)), labels] -= 1
    return chances / len(labels)
    # END SOLUTION


# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS

# %%
""" # BEGIN TEST CONFIG
points: 1
failure_message: "Two classes with equal logits."
"""  # END TEST CONFIG


def test_even_logits(gradient_of_loss):
    import torch

    found = gradient_of_loss(torch.zeros(1, 2), torch.tensor([0]))
    assert isinstance(found, torch.Tensor) and found.shape == (1, 2), (
        "not answered yet: return a tensor of the shape of the logits"
    )
    found = found.float()
    assert not torch.allclose(found, torch.tensor([[0.5, -0.5]])), (
        "the sign: raising the logit of the true class must lower the loss"
    )
    assert not torch.allclose(found, torch.tensor([[0.5, 0.5]])), (
        "that is the softmax alone: the term -z_y has a gradient too"
    )
    assert torch.allclose(found, torch.tensor([[-0.5, 0.5]])), (
        f"it is (-0.5, 0.5), not {found.tolist()[0]}"
    )


# %%
""" # BEGIN TEST CONFIG
points: 2
hidden: true
failure_message: "A batch, beside autograd."
"""  # END TEST CONFIG


def test_agrees_with_autograd(gradient_of_loss):
    import torch

    generator = torch.Generator().manual_seed(2)
    logits = (3 * torch.randn(6, 4, generator=generator)).requires_grad_()
    labels = torch.randint(4, (6,), generator=generator)
    (expected,) = torch.autograd.grad(torch.nn.functional.cross_entropy(logits, labels), logits)
    found = gradient_of_loss(logits.detach().clone(), labels)
    assert isinstance(found, torch.Tensor) and found.shape == (6, 4), "wrong shape"
    found = found.float()
    assert not torch.allclose(found, 6 * expected, atol=1e-5), (
        "six times too large: the loss is the mean over the images, so divide by their number"
    )
    assert torch.allclose(found, expected, atol=1e-5), (
        f"autograd differs by up to {float((found - expected).abs().max()):.3g}"
    )


# %%
""" # BEGIN TEST CONFIG
points: 1
hidden: true
failure_message: "Large logits, and a sum that is always zero."
"""  # END TEST CONFIG


def test_large_logits(gradient_of_loss):
    import torch

    found = gradient_of_loss(torch.tensor([[1000.0, 0.0, 998.0]]), torch.tensor([0]))
    assert isinstance(found, torch.Tensor) and found.shape == (1, 3), "wrong shape"
    found = found.float()
    assert bool(found.isfinite().all()), "logits of 1000 overflow: use a softmax that subtracts"
    assert abs(float(found.sum())) < 1e-5, "the entries must add up to zero"


# %% [raw]
# # END TESTS

# %% [raw]
# # END QUESTION

# %% [raw]
# # BEGIN QUESTION
# name: q4
# points: 2

# %% [markdown]
# **Question 4: predict before you run (2 points).** A network without hidden layers is trained to
# convergence with weight decay $\lambda$, which then goes to infinity. What becomes of its
# *training* error on the ten digits, equally many of each?
#
# - `"a"`: it goes to zero
# - `"b"`: it goes to the error of guessing, about 90 %
# - `"c"`: it does not change
# - `"d"`: it goes to that of some classifier that is better than guessing
#
# Think of the *direction* of the weights, not only of their size. A wrong prediction still earns a
# point.

# %% [raw]
# # BEGIN SOLUTION

# %%
prediction = "d"  # SOLUTION

# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS

# %%
""" # BEGIN TEST CONFIG
points: 1
failure_message: "A prediction was made."
"""  # END TEST CONFIG


def test_predicted(prediction):
    assert isinstance(prediction, str), 'not answered yet: set prediction to "a", "b", "c" or "d"'
    assert prediction.strip().lower() in ("a", "b", "c", "d"), (
        f'the answer {prediction[:20]!r} is none of "a", "b", "c" and "d"'
    )


# %%
""" # BEGIN TEST CONFIG
points: 1
hidden: true
failure_message: "What happens."
"""  # END TEST CONFIG


def test_prediction(prediction):
    assert isinstance(prediction, str), "not answered yet"
    choice = prediction.strip().lower()
    assert choice != "a", "decay takes freedom away: it cannot make the training error smaller"
    assert choice != "b", (
        "the weights become small, but which logit is largest does not depend on their size: to "
        "first order they point from the mean of all images to the means of the classes"
    )
    assert choice != "c", "compare FC10(1e-4) and FC10(1) in the chapter"
    assert choice == "d", "there are four answers to choose from"


# %% [raw]
# # END TESTS

# %% [raw]
# # END QUESTION

# %% [raw]
# # BEGIN QUESTION
# name: q5
# points: 3

# %% [markdown]
# **Question 5: the uncertainty of an error (3 points).** An error rate $p$, counted on $n$ test
# images, has a standard error of $\sqrt{p (1 - p) / n}$. How many images are needed, at least, so
# that it is at most $s$?

# %% [raw]
# # BEGIN SOLUTION


# %%
def images_needed(p: float, s: float) -> int:
    """The smallest number of test images for which the standard error of p is at most s.

    Args:
        p: the error rate, between 0 and 1.
        s: the wanted standard error, above 0; a fraction like p.
    """
    # BEGIN SOLUTION
    return math.ceil(p * (1 - p) / s**2 - 1e-9)
    # END SOLUTION


# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS

# %%
""" # BEGIN TEST CONFIG
points: 1
failure_message: "An error of one half, to one percentage point."
"""  # END TEST CONFIG


def test_one_half(images_needed):
    found = images_needed(0.5, 0.01)
    assert hasattr(found, "__float__") and float(found).is_integer(), (
        "not answered yet: return a whole number"
    )
    found = int(found)
    assert found != 50, "solve for n: the root goes, so the standard error is squared"
    assert abs(found - 2500) <= 1, f"0.25 / 0.0001 is 2500, not {found}"


# %%
""" # BEGIN TEST CONFIG
points: 2
hidden: true
failure_message: "The smallest number that is enough."
"""  # END TEST CONFIG


def test_smallest(images_needed):
    for p, s in ((0.016, 0.001), (0.2, 0.015), (0.3, 0.02), (0.5, 0.01)):
        found = images_needed(p, s)
        assert hasattr(found, "__float__") and float(found).is_integer(), "return a whole number"
        found = int(found)
        error = (p * (1 - p) / found) ** 0.5
        assert error <= s * (1 + 1e-9), (
            f"with {found} images the standard error of {p:g} is {error:.6f}, above {s:g}: round up"
        )
        fewer = (p * (1 - p) / (found - 1)) ** 0.5
        assert fewer > s * (1 - 1e-9), f"{found} are enough, but so is one less"
    exactly = images_needed(0.5, 0.125)
    assert exactly == 16, (
        f"for 0.5 and 0.125 it is 16, not {exactly}: where the quotient is a whole number already, "
        "it is enough"
    )


# %% [raw]
# # END TESTS

# %% [raw]
# # END QUESTION

# %% [raw]
# # BEGIN QUESTION
# name: q6
# manual: true
# points: 3

# %% [markdown]
# **Question 6: explain (3 points).** The paper's FC100-100-10 has a test error of 1.64 %, yours has
# 1.95 %. A classmate concludes that the paper cannot be reproduced. In at most eight sentences:
# which two numbers are missing before that can be said, how large is about the one that you can
# compute, and which differences between the two trainings would you look at first?

# %% [raw]
# # BEGIN SOLUTION

# %% [markdown]
# Missing are the spread between trainings (other initial weights, another order of the images)
# and the uncertainty of either error on 10,000 images, about 0.13 percentage points. Then the
# trainings: the optimiser and when it was stopped, the meaning of the factor of weight decay
# (printed or half the squared norm), the initial weights, and whether anything was chosen by
# looking at the test set.
#
# **Rubric**
#
# - 1 point: variation between trainings, to be measured with several seeds.
# - 1 point: uncertainty by the size of the test set, with a number of about the right size.
# - 1 point: at least two concrete differences of the trainings.

# %% [raw]
# # END SOLUTION

# %% [raw]
# # END QUESTION
