# %% [markdown]
# # Transfer across hyperparameters: graded assignment
#
# This goes with the chapter *Transfer across hyperparameters*. You will say what becomes of an
# image that is shown to another network, compare perturbation and noise image by image, bring all
# perturbations of a source to one size, and compute how far a receiver must be pushed.
#
# Write your answers where the cells say `...` or *Type your answer here*. You may add cells. After
# each question a check tells you what it can tell; further tests run when the assignment is graded,
# in a fresh Python that executes the notebook from top to bottom, offline. Hand in this
# notebook under your id: `<your id>.ipynb`.

# %%
import math

import torch
from torch import Tensor

from blindspots import load_images
from variants import variant

# %% [markdown]
# Your numbers come from your id. Replace it, in the quotation marks, and leave the rest.

# %%
STUDENT = "your id"

# %% [markdown]
# The networks of this assignment are affine and have two classes, your digit and your target: they
# take an image for the class whose mean image is nearer. The source has seen the first half of the
# training images, the receiver the second. For question 1 there are the readings of an imaginary
# receiver of ten classes, before and after the perturbation.

# %%
mine = variant(STUDENT)
images = load_images("digits", split="train")


def nearest_mean(part: slice) -> tuple[Tensor, Tensor]:
    """Weight, of shape (2, 64), and bias, of shape (2,), of such a classifier."""
    pixels, labels = images.images[part].flatten(1), images.labels[part]
    means = torch.stack([pixels[labels == c].mean(dim=0) for c in (mine.digit, mine.target)])
    return means, -means.square().sum(dim=1) / 2


half = len(images.labels) // 2
source_weight, source_bias = nearest_mean(slice(0, half))
receiver_weight, receiver_bias = nearest_mean(slice(half, None))
my_direction = source_weight[1] - source_weight[0]  # of the source's perturbations
my_image = source_weight[0]  # the mean image of your digit

my_draw = torch.Generator().manual_seed(mine.seed)
my_labels = torch.randint(10, (400,), generator=my_draw)
my_targets = (my_labels + torch.randint(1, 10, (400,), generator=my_draw)) % 10
my_before = torch.where(
    torch.rand(400, generator=my_draw) < 0.8,
    my_labels,
    torch.randint(10, (400,), generator=my_draw),
)
my_after = torch.where(
    torch.rand(400, generator=my_draw) < 0.6,
    my_before,
    torch.where(
        torch.rand(400, generator=my_draw) < 0.5,
        my_targets,
        torch.randint(10, (400,), generator=my_draw),
    ),
)
print(f"Your digit is {mine.digit}, your target {mine.target}.")

# %% [raw]
# # BEGIN QUESTION
# name: q1
# points: 4

# %% [markdown]
# **Question 1: four fates (4 points).** An adversarial image is shown to a receiver that it was not
# made for. If the receiver misreads the image even *without* the perturbation, nothing can be said
# of transfer: `"already"`. Of the others, some are read as the target of the attack, some as
# another wrong class, some correctly: `"target"`, `"other"`, `"right"`. Give the share of each, of
# all images. Then compute your own receiver's.

# %% [raw]
# # BEGIN SOLUTION


# %%
def fates(before: Tensor, after: Tensor, labels: Tensor, targets: Tensor) -> dict[str, float]:
    """Shares of "already", "target", "other" and "right", which add up to 1.

    Args:
        before: what the receiver reads in the images as they were, of shape (n,).
        after: what it reads in the perturbed ones.
        labels: true classes.
        targets: classes wanted by the attack, never the true ones.
    """
    # BEGIN SOLUTION
    fresh = before == labels
    kinds = {
        "already": ~fresh,
        "target": fresh & (after == targets),
        "other": fresh & (after != targets) & (after != labels),
        "right": fresh & (after == labels),
    }
    return {kind: which.double().mean().item() for kind, which in kinds.items()}
    # END SOLUTION


my_fates = fates(my_before, my_after, my_labels, my_targets)  # SOLUTION

# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS


# %%
""" # BEGIN TEST CONFIG
points: 1
failure_message: "Four images, each of another fate."
"""  # END TEST CONFIG


def test_four_images(fates):
    import torch

    labels, targets = torch.tensor([3, 3, 3, 3]), torch.tensor([5, 5, 5, 5])
    found = fates(torch.tensor([3, 3, 3, 8]), torch.tensor([3, 5, 1, 5]), labels, targets)
    assert isinstance(found, dict), "not answered yet: return a dictionary"
    assert set(found) == {"already", "target", "other", "right"}, "there are four fates"
    assert found["target"] != 0.5, (
        "the last image was misread before: that it is read as the target now is not counted"
    )
    assert abs(sum(found.values()) - 1) < 1e-6, (
        f"the shares add up to {sum(found.values()):.3g}, not 1: they are shares of *all* images, "
        "and each image has one fate"
    )
    for fate, share in found.items():
        assert abs(share - 0.25) < 1e-6, f"the fate {fate!r} has one image of four, not {share:.3g}"


# %%
""" # BEGIN TEST CONFIG
points: 2
hidden: true
failure_message: "Many images."
"""  # END TEST CONFIG


def test_many_images(fates):
    import torch

    draws = torch.Generator().manual_seed(831)
    labels, before, after = torch.randint(4, (3, 500), generator=draws)
    targets = (labels + torch.randint(1, 4, (500,), generator=draws)) % 4
    found = fates(before, after, labels, targets)
    assert isinstance(found, dict) and len(found) == 4, "return a dictionary of four shares"
    count = dict.fromkeys(("already", "target", "other", "right"), 0)
    for b, a, y, t in zip(before, after, labels, targets, strict=True):
        fate = "already" if b != y else "right" if a == y else "target" if a == t else "other"
        count[fate] += 1
    for fate, expected in count.items():
        assert abs(found[fate] - expected / 500) < 1e-6, (
            f"the fate {fate!r} has a share of {expected / 500:.3f} here, not {found[fate]:.3f}; "
            "compare the readings with labels and targets, not only with each other"
        )


# %%
""" # BEGIN TEST CONFIG
points: 1
hidden: true
failure_message: "Your own receiver."
"""  # END TEST CONFIG


def test_own_fates(my_fates, my_before, my_after, my_labels, my_targets):
    assert isinstance(my_fates, dict), "not answered yet: my_fates must be a dictionary"
    fresh = my_before == my_labels
    fallen = (fresh & (my_after == my_targets)).double().mean().item()
    assert abs(my_fates["target"] - fallen) < 1e-6, (
        "these are not the fates of your images: were they computed for another STUDENT?"
    )
    assert abs(my_fates["already"] - (~fresh).double().mean().item()) < 1e-6, "wrong 'already'"


# %% [raw]
# # END TESTS

# %% [raw]
# # END QUESTION

# %% [raw]
# # BEGIN QUESTION
# name: q2
# points: 3

# %% [markdown]
# **Question 2: image by image (3 points).** The same images, once perturbed and once with noise of
# equal size, are shown to one receiver. Images that it misreads both times, or neither time, tell
# nothing. If perturbation and noise did the same, each of the remaining ones would be as likely to
# be misread with the perturbation as with the noise. How likely is it then that they are
# distributed at least as unevenly as observed? (An exact test, two-sided: twice the smaller tail,
# at most 1.)

# %% [raw]
# # BEGIN SOLUTION


# %%
def paired_test(perturbed: Tensor, noisy: Tensor) -> float:
    """Two-sided p-value: is the receiver fooled as often by the perturbation as by noise?

    Where no image is left to compare, it is 1.

    Args:
        perturbed: whether it misreads each perturbed image, of dtype bool and shape (n,).
        noisy: whether it misreads the same image with noise.
    """
    # BEGIN SOLUTION
    lost = int((perturbed & ~noisy).sum())
    gained = int((noisy & ~perturbed).sum())
    tosses, fewer = lost + gained, min(lost, gained)
    tail = sum(math.comb(tosses, heads) for heads in range(fewer + 1)) / 2**tosses
    return min(1.0, 2 * tail)
    # END SOLUTION


# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS


# %%
""" # BEGIN TEST CONFIG
points: 1
failure_message: "Five images are misread with the perturbation only, none with the noise only."
"""  # END TEST CONFIG


def test_five_images(paired_test):
    import torch

    perturbed = torch.tensor([True] * 7 + [False] * 3)
    noisy = torch.tensor([True] * 2 + [False] * 8)
    found = paired_test(perturbed, noisy)
    assert hasattr(found, "__float__"), "not answered yet: return a number"
    found = float(found)
    assert abs(found - 1 / 32) > 1e-6, "two-sided: twice the tail"
    assert abs(found - 2 / 1024) > 1e-6, "ten tosses? the images that agree do not count"
    assert abs(found - 1 / 16) < 1e-6, f"twice (1/2) to the fifth is 1/16, not {found:.4g}"


# %%
""" # BEGIN TEST CONFIG
points: 2
hidden: true
failure_message: "Other tables; nothing to compare; and either side."
"""  # END TEST CONFIG


def test_tables(paired_test):
    import math

    import torch

    for both, lost, gained, neither in ((3, 9, 2, 40), (0, 2, 9, 1), (5, 0, 0, 5), (1, 4, 4, 9)):
        first = [True] * (both + lost) + [False] * (gained + neither)
        second = [True] * both + [False] * lost + [True] * gained + [False] * neither
        found = paired_test(torch.tensor(first), torch.tensor(second))
        assert hasattr(found, "__float__"), "return a number"
        found = float(found)
        assert found <= 1, "a probability is at most 1: with a tie, twice the tail is more"
        n, k = lost + gained, min(lost, gained)
        exactly = 2 * math.comb(n, k) / 2**n
        expected = min(1.0, 2 * sum(math.comb(n, j) for j in range(k + 1)) / 2**n)
        assert expected == 1 or abs(found - exactly) > 1e-6, (
            "that is the probability of exactly this split: add the more uneven ones"
        )
        assert abs(found - expected) < 1e-6, (
            f"{lost} with the perturbation only and {gained} with the noise only: {expected:.4g}, "
            f"not {found:.4g}; either side may be the smaller one, and no evidence is p = 1"
        )


# %% [raw]
# # END TESTS

# %% [raw]
# # END QUESTION

# %% [raw]
# # BEGIN QUESTION
# name: q3
# points: 4

# %% [markdown]
# **Question 3: one size, one factor (4 points).** To tell length from direction, all perturbations
# of a source are multiplied by *one* factor, so that their *pooled* distortion, the root of the
# mean square over all pixels of all images, is the same for every source. Nothing is clipped.

# %% [raw]
# # BEGIN SOLUTION


# %%
def to_pooled_size(images: Tensor, perturbed: Tensor, size: float) -> Tensor:
    """The perturbed images, all perturbations multiplied by one factor.

    Args:
        images: of shape (n, ...).
        perturbed: the same images with their perturbations.
        size: the wanted pooled distortion.
    """
    # BEGIN SOLUTION
    moved = perturbed - images
    return images + moved * (size / moved.square().mean().sqrt())
    # END SOLUTION


# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS


# %%
""" # BEGIN TEST CONFIG
points: 1
failure_message: "Two images of two pixels, one perturbed three times as much as the other."
"""  # END TEST CONFIG


def test_two_images(to_pooled_size):
    import torch

    images = torch.full((2, 2), 0.5)
    change = torch.tensor([[0.1, 0.1], [-0.3, 0.3]])
    found = to_pooled_size(images, images + change, 0.1)
    assert isinstance(found, torch.Tensor) and found.shape == (2, 2), (
        "not answered yet: return images of the shape of the others"
    )
    found = found.float()
    moved = found - images
    ratio = (moved / change).flatten()
    assert bool((ratio > 0).all()), "return images plus their perturbations, not these alone"
    assert not torch.allclose(ratio[0], 3 * ratio[3], atol=1e-3), (
        "each image got a factor of its own: now all perturbations are equally long, and the one "
        "that was three times as long is so no more"
    )
    assert torch.allclose(ratio, ratio[0].expand(4), atol=1e-4), "one factor for all pixels"
    assert abs(ratio[0].item() - 0.5) > 1e-3, (
        "that is the mean of the images' distortions; pooled is the root of the mean of squares"
    )
    assert abs(ratio[0].item() - 0.4472) < 1e-3, (
        f"the factor is 0.1 / 0.2236, which is 0.447, not {ratio[0].item():.4g}"
    )


# %%
""" # BEGIN TEST CONFIG
points: 2
hidden: true
failure_message: "Images of any shape."
"""  # END TEST CONFIG


def test_any_shape(to_pooled_size):
    import torch

    draws = torch.Generator().manual_seed(832)
    for shape in ((5, 1, 4, 4), (9, 30), (3, 3, 8, 8)):
        images = torch.rand(shape, generator=draws)
        scales = torch.rand(shape[0], *[1] * (len(shape) - 1), generator=draws)
        change = 0.2 * scales * torch.randn(shape, generator=draws)
        found = to_pooled_size(images, images + change, 0.07)
        assert isinstance(found, torch.Tensor) and found.shape == shape, "wrong shape"
        found = found.float()
        moved = found - images
        pooled = moved.square().mean().sqrt().item()
        assert abs(pooled - 0.07) < 1e-4, f"the pooled distortion is {pooled:.4g}, not 0.07"
        assert torch.allclose(moved / moved.norm(), change / change.norm(), atol=1e-4), (
            "the perturbations are no longer in proportion: one factor, and no clipping"
        )


# %%
""" # BEGIN TEST CONFIG
points: 1
hidden: true
failure_message: "What must not change."
"""  # END TEST CONFIG


def test_inputs_stay(to_pooled_size):
    import torch

    images, perturbed = torch.zeros(2, 3), torch.ones(2, 3)
    found = to_pooled_size(images, perturbed, 3.0)
    assert isinstance(found, torch.Tensor), "return a tensor"
    found = found.float()
    assert not torch.allclose(found, perturbed), "a factor may be above 1: do not clip"
    assert torch.allclose(found, torch.full((2, 3), 3.0)), (
        "changes of 1 in every pixel have the pooled distortion 1, so the factor is 3 here"
    )
    again = to_pooled_size(images, found, 3.0).float()
    assert torch.allclose(again, found), "what has the wanted size must stay as it is"


# %% [raw]
# # END TESTS

# %% [raw]
# # END QUESTION

# %% [raw]
# # BEGIN QUESTION
# name: q4
# points: 4

# %% [markdown]
# **Question 4: how far must the receiver be pushed (4 points).** An affine receiver reads `x` as
# its first class. A perturbation points along a direction that was made for *another* network. How
# long (L2 norm) must it be, at least, until the receiver's two logits tie? If it never does, the
# length is infinite. Write the function, and compute it for your image, your direction and your
# receiver.

# %% [raw]
# # BEGIN SOLUTION


# %%
def length_needed(weight: Tensor, bias: Tensor, x: Tensor, direction: Tensor) -> float:
    """The norm of the shortest multiple of the direction, forwards, that makes the logits tie.

    Args:
        weight: of the receiver, of shape (2, m).
        bias: of shape (2,).
        x: of shape (m,), read as class 0 by the receiver.
        direction: of shape (m,), of any length.
    """
    # BEGIN SOLUTION
    ahead, against = weight @ x + bias, weight @ direction / direction.norm()
    lead, speed = (ahead[0] - ahead[1]).item(), (against[1] - against[0]).item()
    return lead / speed if speed > 0 else math.inf
    # END SOLUTION


my_length = length_needed(receiver_weight, receiver_bias, my_image, my_direction)  # SOLUTION

# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS


# %%
""" # BEGIN TEST CONFIG
points: 1
failure_message: "A boundary at the distance 2, met at an angle of 60 degrees."
"""  # END TEST CONFIG


def test_plane(length_needed):
    import torch

    weight, bias = torch.tensor([[0.0, 0.0], [3.0, 0.0]]), torch.tensor([0.0, -6.0])
    direction = torch.tensor([1.0, 3.0**0.5])
    found = length_needed(weight, bias, torch.zeros(2), direction)
    assert hasattr(found, "__float__"), "not answered yet: return a number"
    found = float(found)
    assert abs(found - 2) > 1e-3 or found < 0, (
        "that is the multiple, or the distance straight to the boundary; wanted is the length of "
        "the way along the direction, which is longer"
    )
    assert found != 0, "without the biases the logits tie at x already: they count"
    assert found > 0, "a length is not negative: class 0 leads, and the direction helps class 1"
    assert abs(found - 4) < 1e-3, f"at 60 degrees the way is twice as long: 4, not {found:.4g}"


# %%
""" # BEGIN TEST CONFIG
points: 2
hidden: true
failure_message: "Other receivers, directions of any length, and ways that lead nowhere."
"""  # END TEST CONFIG


def test_random_receivers(length_needed):
    import torch

    draws = torch.Generator().manual_seed(833)
    for _case in range(20):
        weight = torch.randn(2, 6, generator=draws).double()
        bias, x, direction = torch.randn(3, 6, generator=draws).double()
        bias = bias[:2]
        if (weight @ x + bias).argmax() == 1:
            weight, bias = weight.flip(0), bias.flip(0)
        found = length_needed(weight, bias, x, direction)
        assert hasattr(found, "__float__"), "return a number"
        found = float(found)
        change = weight @ direction
        if change[1] <= change[0]:
            assert found == float("inf"), (
                f"along this direction class 0 only gains: the length is infinite, not {found:.3g}"
            )
            continue
        logits = weight @ (x + found * direction / direction.norm()) + bias
        gap = abs((logits[1] - logits[0]).item())
        assert gap < 1e-3 * (1 + abs(logits[0].item())), (
            "at this length the logits do not tie: both rows and both biases count, and the "
            "direction may have any length"
        )


# %%
""" # BEGIN TEST CONFIG
points: 1
hidden: true
failure_message: "Your own receiver."
"""  # END TEST CONFIG


def test_own_length(my_length, my_image, my_direction, receiver_weight, receiver_bias):
    assert hasattr(my_length, "__float__"), "not answered yet: my_length must be a number"
    my_length = float(my_length)
    pushed = my_image + my_length * my_direction / my_direction.norm()
    logits = receiver_weight @ pushed + receiver_bias
    assert abs((logits[1] - logits[0]).item()) < 1e-2, (
        "your receiver's logits do not tie there: was it computed for another STUDENT, or for the "
        "source?"
    )


# %% [raw]
# # END TESTS

# %% [raw]
# # END QUESTION

# %% [raw]
# # BEGIN QUESTION
# name: q5
# points: 2

# %% [markdown]
# **Question 5: predict before you run (2 points).** All weights *and* biases of the last layer of a
# network are multiplied by 3. To this louder network you show images that were made for the old
# one, and that the old one reads as their targets. What share of them does the new one misread?
#
# - `"a"`: all of them
# - `"b"`: about a third, because its logits are three times as far apart
# - `"c"`: as many as of noise of the same size
# - `"d"`: all, and with perturbations a third as long as well
#
# A wrong prediction still earns a point.

# %% [raw]
# # BEGIN SOLUTION


# %%
prediction = "a"  # SOLUTION

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
    assert choice != "b", "which logit is the largest does not depend on a common factor"
    assert choice != "c", "the two networks take every image for the same class, these too"
    assert choice != "d", (
        "the boundaries between the classes stay where they are, and so do the distances to them: "
        "it is not the size of the last weights by itself that makes a network sluggish"
    )
    assert choice == "a", "there are four answers to choose from"


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
# **Question 6: explain (3 points).** In the paper's Table 2, images made for FC10(1) (average
# distortion 0.14) are misread by FC10(1e-4) in 71.9 % of the cases; the other way round (0.062) it
# is 22.7 %. On their own training images FC10(1) errs in 21.2 % and FC10(1e-4) in 6.7 %. In at most
# eight sentences: how large is transfer in the two cells, which two explanations of the difference
# are there, and which experiment tells them apart?

# %% [raw]
# # BEGIN SOLUTION

# %% [markdown]
# Less the receivers' own errors, about 65 points are left in one cell and 1.5 in the other, which
# cannot be told from none with a few hundred images. Either perturbations made for FC10(1) are
# simply longer, more than twice as long, and any receiver that needs short ones falls for them; or
# their direction is better, nearer to what all classifiers share. Bring the perturbations of both
# sources to the same pooled size and show them again, beside noise of that size: what remains of
# the difference is due to direction, what vanishes to length.
#
# **Rubric**
#
# - 1 point: subtracts the receivers' own errors (or noise) and judges both cells.
# - 1 point: names length and direction as explanations.
# - 1 point: an experiment at equal size (or along curves of size), with its two outcomes.

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
# **Question 7: design a control (3 points).** "Of course they transfer", says a classmate, "you
# have turned the digit into another one, and the receivers are right." In at most eight sentences:
# design a control that could show this, say what is kept equal, and which result would prove the
# classmate right.

# %% [raw]
# # BEGIN SOLUTION

# %% [markdown]
# Show the images to judges that no attack was made for and that do not share the networks' faults:
# people who see perturbed images, originals and images with noise of equal size, shuffled, without
# knowing which is which, and name the digit. The same images and sizes are used for all kinds. If
# people read the target about as often as the receivers do, the classmate is right; if they read
# the label as often as with noise, the receivers are wrong. One may also report the rate as a
# function of size: amplified far enough, the classmate must become right in the end.
#
# **Rubric**
#
# - 1 point: an independent judgement of the true class (people, blind to the kind of image).
# - 1 point: compared on the same images with unperturbed ones or noise of equal size.
# - 1 point: the result that would prove the classmate right, and the one that would not.

# %% [raw]
# # END SOLUTION

# %% [raw]
# # END QUESTION
