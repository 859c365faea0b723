# %% [markdown]
# # Training on blind spots: graded assignment
#
# This goes with the chapter *Training on blind spots*. You will take the fastest way into a blind
# spot, find out how old a pool is, ask how much of a difference is luck, and train an affine
# classifier on its worst images without ever computing them.
#
# Write your answers where the cells say `...` or *Type your answer here*. You may add cells. After
# each question a check tells you what it can tell; further tests run when the assignment is graded,
# in a fresh Python that executes the notebook from top to bottom, offline. Hand in this
# notebook under your id: `<your id>.ipynb`.

# %%
import itertools
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
my_places = 1000 + 10 * (mine.seed % 151)
my_refresh = 20 + mine.seed // 151 % 31
my_every = 5 + mine.seed // 7 % 20
my_settings = 3 + mine.seed % 28
print(f"Your pool has {my_places} places; every {my_every} updates {my_refresh} are renewed.")
print(f"You compare {my_settings} ways to train with one reference.")

# %% [raw]
# # BEGIN QUESTION
# name: q1
# points: 4

# %% [markdown]
# **Question 1: one step (4 points).** FGSM changes every pixel by the same amount. Write the step
# for the L2 norm: of all small steps of the same length, the one along which the cross-entropy of
# the true class rises fastest. Each image moves by exactly `length`, also where the gradient is
# tiny; then pixels outside [0, 1] are cut off. An image whose gradient is zero stays where it is.

# %% [raw]
# # BEGIN SOLUTION


# %%
def steepest_step(model: nn.Module, images: Tensor, labels: Tensor, length: float) -> Tensor:
    """The images after one step, of shape (n, m).

    Args:
        model: maps images to logits.
        images: of shape (n, m), with pixels in [0, 1]; they are not changed.
        labels: true classes, of shape (n,).
        length: L2 norm of the step.
    """
    # BEGIN SOLUTION
    moving = images.detach().clone().requires_grad_()
    surprise = -model(moving).log_softmax(dim=1).gather(1, labels[:, None]).sum()
    (slope,) = torch.autograd.grad(surprise, moving)
    steepness = slope.norm(dim=1, keepdim=True)
    uphill = torch.where(steepness > 0, slope / steepness, 0.0)
    return (images + length * uphill).clamp(0, 1)
    # END SOLUTION


# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS

# %%
""" # BEGIN TEST CONFIG
points: 1
failure_message: "Two pixels, whose values are the logits."
"""  # END TEST CONFIG


def test_two_pixels(steepest_step):
    import torch
    from torch import nn

    image = torch.tensor([[0.5, 0.5]])
    found = steepest_step(nn.Identity(), image, torch.tensor([0]), 0.1)
    assert isinstance(found, torch.Tensor) and found.shape == (1, 2), (
        "not answered yet: return images of the same shape"
    )
    found = found.float()
    first = float(found[0, 0])
    assert first < 0.5, "the first pixel is the true class's logit: uphill for the loss is down"
    assert abs(first - 0.4) > 1e-4, (
        "each pixel moved by 0.1, as in FGSM: longer than 0.1 in the L2 norm"
    )
    assert abs(first - 0.45) > 1e-4, "divide the gradient by its norm: the step has a fixed length"
    expected = torch.tensor([[0.5 - 0.1 / 2**0.5, 0.5 + 0.1 / 2**0.5]])
    assert torch.allclose(found, expected, atol=1e-4), (
        f"{expected.tolist()} is expected, not {found.tolist()}"
    )


# %%
""" # BEGIN TEST CONFIG
points: 1.5
hidden: true
failure_message: "A batch of images that differ in steepness."
"""  # END TEST CONFIG


def test_batch(steepest_step):
    import torch
    from torch import nn

    generator = torch.Generator().manual_seed(75)
    model = nn.Linear(9, 4)
    model.weight.data = 5 * torch.randn(4, 9, generator=generator)
    nn.init.zeros_(model.bias)
    images = 0.4 + 0.2 * torch.rand(12, 9, generator=generator)
    labels, kept = torch.arange(12) % 4, images.clone()
    found = steepest_step(model, images, labels, 0.2)
    assert isinstance(found, torch.Tensor) and found.shape == (12, 9), "wrong shape"
    found = found.float()
    norms = (found - kept).norm(dim=1)
    assert float(norms.max()) < 1.5 * float(norms.min()), (
        "some images move much farther than others: divide by the norm of each image's gradient, "
        "not by that of the batch, nor by its square"
    )
    assert torch.allclose(norms, torch.full((12,), 0.2), atol=1e-3), "each step has L2 norm 0.2"
    inputs = kept.clone().requires_grad_()
    loss = nn.functional.cross_entropy(model(inputs), labels, reduction="sum")
    (gradient,) = torch.autograd.grad(loss, inputs)
    along = ((found - kept) * gradient).sum(dim=1) / (norms * gradient.norm(dim=1))
    assert float(along.min()) > 0.999, "the loss rises fastest along its gradient"


# %%
""" # BEGIN TEST CONFIG
points: 1.5
hidden: true
failure_message: "The box, tiny gradients, and none."
"""  # END TEST CONFIG


def test_edges(steepest_step):
    import torch
    from torch import nn

    found = steepest_step(nn.Identity(), torch.tensor([[0.02, 0.98]]), torch.tensor([0]), 0.5)
    assert isinstance(found, torch.Tensor) and found.shape == (1, 2), "wrong shape"
    found = found.float()
    assert float(found.min()) >= 0 and float(found.max()) <= 1, "pixels must stay in [0, 1]"
    model = nn.Linear(2, 2)
    nn.init.zeros_(model.bias)
    image, label = torch.tensor([[0.5, 0.5]]), torch.tensor([1])
    nn.init.zeros_(model.weight)
    still = steepest_step(model, image, label, 0.1).float()
    assert not bool(still.isnan().any()), "a gradient of zero was divided by its norm"
    assert torch.equal(still, image), "with a gradient of zero the image stays where it is"
    model.weight.data = torch.tensor([[1e-15, 0.0], [0.0, 0.0]])
    tiny = steepest_step(model, image, label, 0.1).float()
    assert abs(float((tiny - image).norm()) - 0.1) < 1e-3, (
        "a tiny gradient has a direction too, and the step its length: was something larger than "
        "the norm added to it, or set as its lower limit?"
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
# **Question 2: the age of a pool (4 points).** After every `every` updates, `refresh` different
# members of a pool of `places` are drawn at random and replaced. What share of the members that are
# there at the beginning is left, on average, after so many updates? Then: after how many updates is
# it, for the first time, *less* than half in your pool?

# %% [raw]
# # BEGIN SOLUTION


# %%
def share_left(places: int, refresh: int, every: int, updates: int) -> float:
    """Expected share of the first members that are still in the pool."""
    # BEGIN SOLUTION
    survives_once = (places - refresh) / places
    return float(survives_once ** (updates // every))
    # END SOLUTION


# BEGIN SOLUTION
renewals = math.log(0.5) / math.log1p(-my_refresh / my_places)
# END SOLUTION
my_half = my_every * (math.floor(renewals) + 1)  # SOLUTION

# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS

# %%
""" # BEGIN TEST CONFIG
points: 1
failure_message: "Ten places, of which five are renewed every four updates; after eight updates."
"""  # END TEST CONFIG


def test_ten_places(share_left):
    found = share_left(10, 5, 4, 8)
    assert hasattr(found, "__float__"), "not answered yet: return a share"
    found = float(found)
    assert abs(found) > 1e-9, "the second time, some of those drawn are new already"
    assert abs(found - 0.75) > 1e-6, "that is the share of the new ones"
    assert abs(found - 0.5**8) > 1e-6, "members are renewed only once in every four updates"
    assert abs(found - 0.25) < 1e-6, f"a half of a half is left, not {found:.4g}"


# %%
""" # BEGIN TEST CONFIG
points: 1.5
hidden: true
failure_message: "Any pool, at any time."
"""  # END TEST CONFIG


def test_any_pool(share_left):
    import math

    for places, refresh, every, updates in ((2000, 50, 20, 5000), (100, 3, 7, 301), (5, 5, 2, 2)):
        found = share_left(places, refresh, every, updates)
        assert hasattr(found, "__float__"), "return a share, as a number"
        found = float(found)
        expected = math.prod([1 - refresh / places] * (updates // every))
        redrawn = (1 - 1 / places) ** (refresh * (updates // every))
        assert abs(found - redrawn) > 1e-3 * redrawn or abs(found - expected) < 1e-3 * expected, (
            "the members drawn at one time are different, so none of them is drawn twice"
        )
        assert abs(found - expected) < 1e-6 + 1e-3 * expected, (
            f"of {places} with {refresh} renewed every {every} updates, {expected:.4g} are left "
            f"after {updates}, not {found:.4g}"
        )
    for updates, expected in ((0, 1.0), (3, 1.0), (4, 0.9), (7, 0.9)):
        found = share_left(10, 1, 4, updates)
        assert hasattr(found, "__float__") and abs(found - expected) < 1e-6, (
            f"between two renewals nothing changes: after {updates} updates {expected} are left"
        )
        found = float(found)


# %%
""" # BEGIN TEST CONFIG
points: 1.5
hidden: true
failure_message: "Your own pool."
"""  # END TEST CONFIG


def test_own_pool(my_half, my_places, my_refresh, my_every):
    assert hasattr(my_half, "__float__") and float(my_half).is_integer(), (
        "not answered yet: my_half must be a whole number of updates"
    )
    my_half = int(my_half)
    kept, rounds = 1 - my_refresh / my_places, my_half / my_every
    assert my_half % my_every == 0, (
        "the share changes only at a renewal: was it computed for another STUDENT, or without "
        "rounding up to one?"
    )
    assert kept**rounds < 0.5, f"after {my_half} updates half of your pool is left, or more"
    assert kept ** (rounds - 1) >= 0.5, f"less than half was left before {my_half} updates already"


# %% [raw]
# # END TESTS

# %% [raw]
# # END QUESTION

# %% [raw]
# # BEGIN QUESTION
# name: q3
# points: 5

# %% [markdown]
# **Question 3: lower, or luck? (5 points)** For each seed you have the difference of the test
# errors of two ways to train. If they are equally good, each difference might as well have the
# opposite sign. Of all ways to choose the signs, which share makes the sum at least as large *in
# size* as the one that was observed? Sums that differ by rounding alone are equal. Then: how many
# seeds does one need, at least, so that this share can be 0.05 divided by `my_settings` or less at
# all?

# %% [raw]
# # BEGIN SOLUTION


# %%
def luck_of_signs(differences: list[float]) -> float:
    """The share of the choices of signs whose sum is as far from zero as the observed one.

    Args:
        differences: one for each seed, at most 12.
    """
    # BEGIN SOLUTION
    observed = abs(math.fsum(differences)) - 1e-9
    choices = list(itertools.product((1, -1), repeat=len(differences)))
    sums = [math.fsum(s * d for s, d in zip(c, differences, strict=True)) for c in choices]
    return sum(abs(value) >= observed for value in sums) / len(choices)
    # END SOLUTION


my_seeds = math.ceil(math.log2(2 * my_settings / 0.05))  # SOLUTION

# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS

# %%
""" # BEGIN TEST CONFIG
points: 1
failure_message: "Three seeds, with the differences 1, 2 and 4."
"""  # END TEST CONFIG


def test_three_seeds(luck_of_signs):
    found = luck_of_signs([1.0, 2.0, 4.0])
    assert hasattr(found, "__float__"), "not answered yet: return a share"
    found = float(found)
    assert found != 0, "the signs as observed are one of the choices: at least as large counts"
    assert abs(found - 0.125) > 1e-6, "in size: all signs turned round are as far from zero"
    assert abs(found - 0.25) < 1e-6, f"two of eight choices, so 0.25, not {found:.4g}"


# %%
""" # BEGIN TEST CONFIG
points: 2
hidden: true
failure_message: "Other differences, of both signs."
"""  # END TEST CONFIG


def test_both_signs(luck_of_signs):
    cases = [
        ([1.0, -0.1, 2.0], 0.5, "a small difference of the other sign counts little"),
        ([-1.0, -2.0, -4.0], 0.25, "the size of the sum counts, also below zero"),
        ([0.1, 0.2, -0.3], 1.0, "a sum of zero is no evidence, whatever rounding makes of it"),
        ([0.1, 0.2, 0.3, -0.3], 0.75, "sums that are equal but for rounding must count"),
        ([0.1, 0.2, 0.3, 0.4, -0.2], 0.25, "sums that are equal but for rounding must count"),
        ([2.0] * 8, 2 / 256, "eight seeds have 256 choices of signs"),
    ]
    for differences, expected, why in cases:
        found = luck_of_signs(differences)
        assert hasattr(found, "__float__"), "return a share"
        found = float(found)
        assert abs(found - expected) < 1e-6, (
            f"{why}: for {differences} it is {expected:.4g}, not {found:.4g}"
        )


# %%
""" # BEGIN TEST CONFIG
points: 2
hidden: true
failure_message: "Your own number of seeds."
"""  # END TEST CONFIG


def test_own_seeds(my_seeds, my_settings):
    assert hasattr(my_seeds, "__float__") and float(my_seeds).is_integer(), (
        "not answered yet: my_seeds must be a whole number"
    )
    my_seeds = int(my_seeds)
    assert my_seeds != 6 or my_settings < 2, (
        "that is for a single comparison: with many settings some are lower by luck"
    )
    smallest, wanted = 2 * 0.5**my_seeds, 0.05 / my_settings
    assert smallest <= wanted, (
        f"with {my_seeds} seeds the share is never below {smallest:.4g}, and {wanted:.4g} is "
        "wanted: two choices of signs always count, all as observed and all turned round"
    )
    assert 2 * smallest > wanted, f"{my_seeds} are enough, but so is one less"


# %% [raw]
# # END TESTS

# %% [raw]
# # END QUESTION

# %% [raw]
# # BEGIN QUESTION
# name: q4
# points: 4

# %% [markdown]
# **Question 4: the worst loss (4 points).** A classifier of two classes, $y = \pm 1$, has the loss
# $\ln(1 + e^{-y (w \cdot x + b)})$. What is the largest loss that a perturbation of norm at most
# `length` can make of it? Here no attack is needed: write the formula, for the L2 norm and for the
# largest change of a pixel. Ignore the box.

# %% [raw]
# # BEGIN SOLUTION


# %%
def worst_loss(
    weight: Tensor, bias: float, images: Tensor, labels: Tensor, length: float, norm: str
) -> Tensor:
    """The largest loss within reach of each image: of shape (n,).

    Args:
        weight: of shape (m,).
        bias: a number.
        images: of shape (n, m).
        labels: +1 or -1, of shape (n,).
        length: norm of the largest perturbation.
        norm: "l2", or "max" for the largest change of a pixel.
    """
    # BEGIN SOLUTION
    lost = length * (weight.norm() if norm == "l2" else weight.abs().sum())
    return nn.functional.softplus(lost - labels * (images @ weight + bias))
    # END SOLUTION


# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS

# %%
""" # BEGIN TEST CONFIG
points: 1
failure_message: "The weights (3, 4), an image on the boundary, and the length 1."
"""  # END TEST CONFIG


def test_on_the_boundary(worst_loss):
    import math

    import torch

    def size(norm):
        loss = worst_loss(
            torch.tensor([3.0, 4.0]), 0.0, torch.zeros(1, 2), torch.tensor([1.0]), 1.0, norm
        )
        assert isinstance(loss, torch.Tensor) and loss.shape == (1,), (
            "not answered yet: return one loss per image"
        )
        assert float(loss[0]) > 0, "every loss is above zero: ln(1 + ...) of something positive"
        return math.log(math.expm1(float(loss[0])))

    assert size("l2") > 0, "the perturbation must raise the loss: it works against the margin"
    assert abs(size("l2") - 25) > 1e-2, "the steepest step has length 1: divide w by its norm"
    assert abs(size("l2") - 5) < 1e-2, "a step of length 1 moves w x by the L2 norm of w, 5"
    assert abs(size("max") - 4) > 1e-2, (
        "every pixel may change at once, each by 1, not only the one with the largest weight"
    )
    assert abs(size("max") - 5) > 1e-2, "with all pixels free to change by 1, w x moves by more"
    assert abs(size("max") - 7) < 1e-2, "changes of 1 in each pixel move w x by 3 + 4"


# %%
""" # BEGIN TEST CONFIG
points: 2
hidden: true
failure_message: "Images of both classes, beside an attack."
"""  # END TEST CONFIG


def test_beside_an_attack(worst_loss):
    import torch

    generator = torch.Generator().manual_seed(76)
    weight, images = torch.randn(7, generator=generator), torch.randn(10, 7, generator=generator)
    labels = (torch.arange(10) % 2 * 2 - 1).float()
    for norm, step in (("l2", weight / weight.norm()), ("max", weight.sign())):
        for length in (0.0, 0.3, 2.0):
            found = worst_loss(weight, 0.4, images, labels, length, norm)
            assert isinstance(found, torch.Tensor) and found.shape == (10,), (
                "return one loss per image"
            )
            found = found.float()
            attacked = images - length * labels[:, None] * step
            margin = labels * (attacked @ weight + 0.4)
            expected = (1 + (-margin).exp()).log()
            upper = labels > 0
            assert not torch.allclose(found[upper], expected[upper], atol=1e-3) or torch.allclose(
                found, expected, atol=1e-3
            ), "right for the label +1, wrong for -1: the perturbation depends on the label"
            assert torch.allclose(found, expected, atol=1e-3), (
                f"for {norm!r} and length {length:g} an attack makes a loss of "
                f"{float(expected[0]):.4g}, you say {float(found[0]):.4g}; is the bias in it?"
            )


# %%
""" # BEGIN TEST CONFIG
points: 1
hidden: true
failure_message: "Very bad losses."
"""  # END TEST CONFIG


def test_large(worst_loss):
    import torch

    weight, image = torch.tensor([300.0, 0.0]), torch.zeros(1, 2)
    found = worst_loss(weight, 0.0, image, torch.tensor([-1.0]), 1.0, "l2")
    assert isinstance(found, torch.Tensor) and found.shape == (1,), "return one loss per image"
    found = found.float()
    assert bool(found.isfinite().all()), "the exponential overflows: there is a softplus"
    assert abs(float(found[0]) - 300) < 0.1, f"the loss is about 300, not {float(found[0]):.4g}"


# %% [raw]
# # END TESTS

# %% [raw]
# # END QUESTION

# %% [raw]
# # BEGIN QUESTION
# name: q5
# points: 2

# %% [markdown]
# **Question 5: predict before you run (2 points).** You train the classifier of question 4 to
# convergence on the mean of its worst losses, L2, with two classes of equal size and no weight
# decay, and repeat this with larger and larger `length`. What becomes of the weights?
#
# - `"a"`: they grow without bound, to keep a margin
# - `"b"`: from some finite length on they are exactly zero
# - `"c"`: they become smaller and smaller, but never zero
# - `"d"`: they keep their size and change their direction only
#
# A wrong prediction still earns a point.

# %% [raw]
# # BEGIN SOLUTION

# %%
prediction = "b"  # SOLUTION

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
    assert choice != "a", "longer weights make the margin longer, and what is lost of it as well"
    assert choice != "c", (
        "the price of the weights, length times their norm, has a kink at zero: beyond half the "
        "distance of the two class means no direction is worth it any more"
    )
    assert choice != "d", "the size is not free: every unit of it costs length, in each image"
    assert choice == "b", "there are four answers to choose from"


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
# **Question 6: explain (3 points).** "I made 256 adversarial images for my network, trained it on
# them, and now it reads 97 % of them correctly: the blind spots are closed." In at most eight
# sentences: which attack is missing, which two other networks or images would you measure beside
# it, and which results would let you say "closed", or only "moved"?

# %% [raw]
# # BEGIN SOLUTION

# %% [markdown]
# Missing is a new attack, on the network as it is after the training, with the same search and the
# same images. Beside it: a network from other initial weights that never saw such images, since
# many old ones do not fool that one either, and noise of equal length, or a network trained on
# noise. If the new attack succeeds at about the old distances, the blind spots moved. If it fails,
# or has to go much farther than in the controls, with images that people would still read in the
# old way, some were closed.
#
# **Rubric**
#
# - 1 point: a new attack on the network after training.
# - 1 point: two controls; one is a network that merely started elsewhere, or noise as long.
# - 1 point: distances compared, and which result says closed and which moved.

# %% [raw]
# # END SOLUTION

# %% [raw]
# # END QUESTION

# %% [raw]
# # BEGIN QUESTION
# name: q7
# manual: true
# points: 3

# %% [markdown]
# **Question 7: design a control (3 points).** With a pool of adversarial examples beside every
# batch the test error falls from 1.6 % to 1.4 %, in one run each. You want to know whether it is
# the *adversarial* examples that help. Which networks do you train besides, what is equal among
# them, and by which rule, laid down before, will you decide?

# %% [raw]
# # BEGIN SOLUTION

# %% [markdown]
# Train with pools of noise, each noise as long as the perturbation that it stands for, with the
# same number of examples, renewals and updates; and without a pool for as much time as the pool
# takes. All start from the same initial weights, for each of several seeds, and nothing is chosen
# by the test set. The rule: the adversarial pool helps if, over the seeds, the 95 % interval of the
# paired differences lies below zero against *both* controls. Ten thousand test images alone leave
# an uncertainty of 0.12 percentage points to each error, so that one run decides nothing.
#
# **Rubric**
#
# - 1 point: a pool of noise of equal length (or another harmless content of the same pool).
# - 1 point: equal number of examples or equal cost, and several seeds.
# - 1 point: a rule that can fail, with an interval or a test, fixed beforehand.

# %% [raw]
# # END SOLUTION

# %% [raw]
# # END QUESTION
