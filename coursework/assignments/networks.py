# %% [markdown]
# # The networks under study: graded assignment
#
# This goes with the chapter *The networks under study*. You will count what a
# convolutional network learns, find out what weight decay does in a step of training, take a
# gradient by hand, and say what a table of errors can and cannot show.
#
# Write your answers where the cells say `...` or *Type your answer here*. You may add cells. After
# each question a check tells you what it can tell; further tests run when the assignment is graded,
# in a fresh Python that executes the notebook from top to bottom, offline. Hand in this
# notebook under your id: `<your id>.ipynb`.

# %%
import math

import torch
from torch import Tensor, nn

from variants import variant

# %% [markdown]
# Your numbers come from your id. Replace it, in the quotation marks, and leave the rest.

# %%
STUDENT = "your id"

# %%
mine = variant(STUDENT)
my_channels = (1, 4 + mine.seed % 13, 5 + mine.seed // 13 % 11)
print(f"Your network has the channels {my_channels}.")

# %% [raw]
# # BEGIN QUESTION
# name: q1
# points: 3

# %% [markdown]
# **Question 1: count (3 points).** A network takes square images of `side` pixels through
# convolutions and one linear layer. Each convolution has square filters, `kernel` pixels wide, goes
# over the image in steps of two pixels, without padding, and stops where the filter would stick
# out; each of its output channels has a bias. The linear layer goes from all that is left to the
# classes. How many numbers does the network learn, weights and biases? Write the function, and
# count your own network's: images of 8 by 8 pixels, filters of width 3, ten classes.

# %% [raw]
# # BEGIN SOLUTION


# %%
def learnt_numbers(side: int, channels: tuple[int, ...], kernel: int, classes: int) -> int:
    """Weights and biases of a convolutional network.

    Args:
        side: width of the images, in pixels.
        channels: of the images, then of the output of each convolution.
        kernel: width of the filters, in pixels.
        classes: outputs of the linear layer.
    """
    # BEGIN SOLUTION
    learnt = 0
    for position in range(1, len(channels)):
        filter_size = kernel * kernel * channels[position - 1]
        learnt += channels[position] * (filter_size + 1)
        side = (side - kernel) // 2 + 1
    return learnt + classes * (side * side * channels[-1] + 1)
    # END SOLUTION


my_count = learnt_numbers(8, my_channels, 3, 10)  # SOLUTION

# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS

# %%
""" # BEGIN TEST CONFIG
points: 1
failure_message: "One convolution: two filters of 3 by 3 over a grey image of 6 by 6."
"""  # END TEST CONFIG


def test_counts_one_convolution(learnt_numbers):
    found = learnt_numbers(6, (1, 2), 3, 10)
    assert hasattr(found, "__float__") and float(found).is_integer(), (
        "not answered yet: the function must return a whole number"
    )
    found = int(found)
    assert found != 98, "these are the weights: each channel and each class has a bias as well"
    assert found not in (170, 164), (
        "a filter is shared by all places of the image: it is learnt once, and so is its bias"
    )
    assert found != 50, "the linear layer sees every place that is left, not only every channel"
    assert found != 750, "the convolution leaves 2 by 2 places, not 6 by 6"
    assert found != 210, "a filter must not stick out: 2 by 2 places are left, not 3 by 3"
    assert found != 350, "the steps are of two pixels: 2 by 2 places are left, not 4 by 4"
    assert found == 110, f"2 * (9 + 1) and 10 * (2 * 2 * 2 + 1) numbers make 110, not {found}"


# %%
""" # BEGIN TEST CONFIG
points: 1
hidden: true
failure_message: "Several convolutions."
"""  # END TEST CONFIG


def test_counts_several(learnt_numbers):
    for shape, expected in (
        ((28, (1, 32, 64), 5, 10), 62346),
        ((32, (3, 8, 16, 8), 3, 5), 2917),
        ((9, (2,), 3, 4), 652),
    ):
        found = learnt_numbers(*shape)
        assert hasattr(found, "__float__") and float(found).is_integer(), (
            "the function must return a whole number"
        )
        found = int(found)
        assert found == expected, (
            f"{shape} make {expected}, not {found}: a filter reaches through all channels of the "
            "layer below it, and every convolution makes the picture smaller"
        )


# %%
""" # BEGIN TEST CONFIG
points: 1
hidden: true
failure_message: "Your own network."
"""  # END TEST CONFIG


def test_own_count(my_count, my_channels):
    assert hasattr(my_count, "__float__") and float(my_count).is_integer(), (
        "not answered yet: my_count must be a whole number"
    )
    my_count = int(my_count)
    _, one, two = my_channels
    expected = one * (9 + 1) + two * (9 * one + 1) + 10 * (two + 1)
    assert my_count == expected, (
        f"{my_count} is not the number of {my_channels}: was it computed for another STUDENT?"
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
# **Question 2: a step of decay (4 points).** Weight decay adds to the loss, for each layer,
# $\lambda \sum w^2 / k$ with $k$ the number of the layer's units: so it is reported of the paper,
# and called `"printed"` here. What reproduces the errors of FC10 is $\frac{\lambda}{2} (\sum w^2 +
# \sum b^2)$: `"half"`. What do the two *do*? Leave everything else out of the loss, and write one
# step of gradient descent with the learning rate `rate`. Then: which $\lambda$ of the second gives
# the *weights* of a layer of $k$ units the same step as a given $\lambda$ of the first?

# %% [raw]
# # BEGIN SOLUTION


# %%
def decayed(model: nn.Sequential, factor: float, rate: float, reading: str) -> list[Tensor]:
    """Weight and bias of every nn.Linear of the model, in order, after one step.

    Args:
        model: only its layers of type nn.Linear are decayed.
        factor: the lambda of all layers.
        rate: the learning rate.
        reading: "printed" for the first formula, "half" for the second.
    """
    # BEGIN SOLUTION
    shrunk = []
    for layer in (part for part in model if isinstance(part, nn.Linear)):
        weights, biases = layer.weight.detach(), layer.bias.detach()
        if reading == "printed":
            shrunk += [weights * (1 - 2 * rate * factor / len(weights)), biases]
        else:
            shrunk += [weights * (1 - rate * factor), biases * (1 - rate * factor)]
    return shrunk
    # END SOLUTION


def same_step(factor: float, units: int) -> float:
    """The lambda of the second formula that moves weights as `factor` does in the first."""
    return 2 * factor / units  # SOLUTION


# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS

# %%
""" # BEGIN TEST CONFIG
points: 1
failure_message: "One layer of three inputs and four units, all weights 1, all biases 2."
"""  # END TEST CONFIG


def test_one_layer(decayed):
    import torch
    from torch import nn

    model = nn.Sequential(nn.Linear(3, 4))
    nn.init.ones_(model[0].weight)
    model[0].bias.data = torch.full((4,), 2.0)
    printed = decayed(model, 0.1, 0.5, "printed")
    assert isinstance(printed, list | tuple) and len(printed) == 2, (
        "not answered yet: return a list with a weight and a bias for each layer"
    )
    assert all(isinstance(part, torch.Tensor) for part in printed), "return a list of tensors"
    assert printed[0].shape == (4, 3) and printed[1].shape == (4,), (
        "first the weight, then the bias"
    )
    weight, bias = printed[0][0, 0].item(), printed[1][0].item()
    assert weight < 1, "the weights do not shrink: a step goes down the gradient"
    assert abs(weight - 0.9875) > 1e-4, "the derivative of a square has a factor of two"
    assert abs(weight - (1 - 0.1 / 3)) > 1e-4, "k is the number of units, not that of inputs"
    assert abs(weight - 0.9) > 1e-4, "divide by k, the number of the layer's units"
    assert abs(weight - 0.975) < 1e-4, f"1 - 0.5 * 2 * 0.1 / 4 is 0.975, not {weight:.4g}"
    assert abs(bias - 2) < 1e-4, "the printed formula leaves the biases alone"
    weight, bias = (v.flatten()[0].item() for v in decayed(model, 0.1, 0.5, "half"))
    assert abs(weight - 0.9) > 1e-4, "the second formula is half of the squared norm"
    assert abs(weight - 0.95) < 1e-4, f"1 - 0.5 * 0.1 is 0.95, not {weight:.4g}"
    assert abs(bias - 2) > 1e-4, "the second formula decays the biases too"
    assert abs(bias - 1.9) < 1e-4, f"2 - 0.5 * 0.1 * 2 is 1.9, not {bias:.4g}"


# %%
""" # BEGIN TEST CONFIG
points: 2
hidden: true
failure_message: "Several layers, with others between them."
"""  # END TEST CONFIG


def test_several_layers(decayed):
    import torch
    from torch import nn

    generator = torch.Generator().manual_seed(70)
    model = nn.Sequential(nn.Flatten(), nn.Linear(5, 4), nn.Sigmoid(), nn.Linear(4, 3))
    for parameter in model.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator)
    for reading in ("printed", "half"):
        found = decayed(model, 0.2, 0.3, reading)
        assert isinstance(found, list | tuple) and len(found) == 4, (
            "two layers have two weights and two biases; the others have nothing to decay"
        )
        for i, layer in enumerate((model[1], model[3])):
            per_weight = 0.2 * (2 / len(layer.weight) if reading == "printed" else 1)
            per_bias = 0.0 if reading == "printed" else 0.2
            weight, bias = (1 - 0.3 * per_weight) * layer.weight, (1 - 0.3 * per_bias) * layer.bias
            assert torch.allclose(found[2 * i].float(), weight, atol=1e-5), (
                f"for {reading!r} the weights of layer {i + 1} are wrong: each layer has a number "
                "of units of its own, and a weight of -3 goes to zero like one of 3"
            )
            assert torch.allclose(found[2 * i + 1].float(), bias, atol=1e-5), (
                f"for {reading!r} the biases of layer {i + 1} are wrong"
            )


# %%
""" # BEGIN TEST CONFIG
points: 1
hidden: true
failure_message: "From one formula to the other."
"""  # END TEST CONFIG


def test_same_step(same_step):
    found = same_step(0.1, 4)
    assert hasattr(found, "__float__"), "not answered yet: return a number"
    found = float(found)
    assert abs(found - 0.025) > 1e-6, "a square has a two in its derivative, its half has none"
    assert abs(found - 0.2) > 1e-6, "that is the way back: from the second formula to the first"
    assert abs(found - 0.05) < 1e-6, f"got {found:.4g}: set 2 * lambda / k equal to the other"
    assert abs(float(same_step(0.3, 100)) - 0.006) < 1e-6, "the number of units must enter"


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
# **Question 6: explain (3 points).** A classmate trains FC100-100-10 with 25 pairs of learning rate
# and weight decay, and reports the lowest of the 25 *test* errors, 1.55 %, as better than the
# paper's 1.64 %. In at most eight sentences: what is wrong with that, could it come about if all
# pairs were equally good, and how should the pair have been chosen and the number reported?

# %% [raw]
# # BEGIN SOLUTION

# %% [markdown]
# The lowest of many noisy numbers is too low on average: the pair was chosen by the images that
# also judge it. Even if all 25 were equally good, their errors would differ by chance, from the
# initial weights and the order of the images; on 10,000 images the standard error of 1.6 % is
# about 0.13 percentage points, and the lowest of 25 draws lies about two standard deviations of
# their spread below the mean. So a lead of 0.09 may be nothing. Choose the pair on images held out
# of the *training* set, train it anew with several seeds, test these once, and report their
# mean and how far they are spread.
#
# **Rubric**
#
# - 1 point: choosing by the test set makes the reported error too low.
# - 1 point: equally good pairs differ by chance, with a reason and a size to hold against 0.09.
# - 1 point: choice on held-out training images, and a number from several seeds with its spread.

# %% [raw]
# # END SOLUTION

# %% [raw]
# # END QUESTION
