# %% [markdown]
# # How good is the attack? Graded assignment
#
# This goes with the chapter *How good is the attack?* You will summarise lengths without hiding the
# failures, shorten what an attack returns, compute the true minimum where that is easy, and plan a
# fair comparison.
#
# Write your answers where the cells say `...` or *Type your answer here*. You may add cells. After
# each question a check tells you what it can tell; further tests run when the assignment is graded,
# in a fresh Python that executes the notebook from top to bottom, offline. Hand in this
# notebook under your id: `<your id>.ipynb`.

# %%
import math
from collections.abc import Callable

import torch
from torch import Tensor

from blindspots import load_images
from variants import variant

# %% [markdown]
# Your numbers come from your id. Replace it, in the quotation marks, and leave the rest.

# %%
STUDENT = "your id"

# %% [markdown]
# `my_lengths` are the L2 lengths of an imaginary attack, `inf` where it failed. The classifier is
# affine and has ten classes: it takes an image for the class whose mean image is nearest.

# %%
mine = variant(STUDENT)
images = load_images("digits", split="train")
my_draw = torch.Generator().manual_seed(mine.seed)
my_lengths = 0.5 + torch.rand(90 + mine.seed % 20, generator=my_draw).double()
my_lengths[torch.rand(len(my_lengths), generator=my_draw) < 0.3] = math.inf
means = torch.stack([images.images[images.labels == c].flatten(1).mean(dim=0) for c in range(10)])
weight, bias = means, -means.square().sum(dim=1) / 2
my_image = means[mine.digit] + 0.02 * torch.rand(64, generator=my_draw)
print(f"{len(my_lengths)} lengths; your digit is {mine.digit}.")

# %% [raw]
# # BEGIN QUESTION
# name: q1
# points: 3

# %% [markdown]
# **Question 1: a summary that hides nothing (3 points).** A mean over the successes looks better
# the more hard images an attack fails on. So report the smallest *length* within which at least a
# given share of *all* images are fooled. If the attack succeeds on too few, it is infinite. Write
# the function, and compute your own attack's for one half.

# %% [raw]
# # BEGIN SOLUTION


# %%
def length_to_fool(lengths: Tensor, share: float) -> float:
    """The smallest of the lengths within which at least this share of all images are fooled.

    Args:
        lengths: of one perturbation per image, inf where the attack failed; of shape (n,).
        share: above 0 and at most 1.
    """
    # BEGIN SOLUTION
    needed = math.ceil(share * len(lengths) - 1e-9)
    return lengths.kthvalue(needed).values.item()
    # END SOLUTION


my_half = length_to_fool(my_lengths, 0.5)  # SOLUTION

# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS


# %%
""" # BEGIN TEST CONFIG
points: 1
failure_message: "Four images, one failure."
"""  # END TEST CONFIG


def test_four_images(length_to_fool):
    import torch

    lengths = torch.tensor([3.0, float("inf"), 1.0, 2.0])
    found = length_to_fool(lengths, 0.75)
    assert hasattr(found, "__float__"), "not answered yet: return a number"
    found = float(found)
    assert abs(found - 1.0) > 1e-6, "the lengths are in no order: sort them first"
    assert found != float("inf"), "three of four images are fooled within 3: that is 75 %"
    assert abs(found - 2.5) > 1e-6, "return one of the lengths, do not interpolate between two"
    assert abs(found - 3.0) < 1e-6, (
        f"three of four images are 75 %, and need a length of 3, not {found:.4g}: the failure is "
        "one of the images"
    )


# %%
""" # BEGIN TEST CONFIG
points: 1
hidden: true
failure_message: "Other shares, and an attack that fails too often."
"""  # END TEST CONFIG


def test_other_shares(length_to_fool):
    import torch

    lengths = torch.tensor([0.4, float("inf"), 0.9, 0.7, float("inf"), 0.2, 0.5])
    ordered = sorted(lengths.tolist())
    for share in (0.1, 0.3, 0.5, 0.6, 5 / 7, 0.72, 1.0):
        found = length_to_fool(lengths, share)
        assert hasattr(found, "__float__"), "return a number"
        found = float(found)
        expected = next(s for k, s in enumerate(ordered, 1) if k / 7 >= share - 1e-9)
        assert expected != float("inf") or found == expected, (
            f"only five of seven are fooled at all, fewer than {share:.2f}: no length is enough"
        )
        assert found == expected, (
            f"for the share {share:.2f} of seven images it is {expected:.2g}, not {found:.2g}: "
            "at least that share, and of all images"
        )


# %%
""" # BEGIN TEST CONFIG
points: 1
hidden: true
failure_message: "Your own attack."
"""  # END TEST CONFIG


def test_own_half(my_half, my_lengths):
    assert hasattr(my_half, "__float__"), "not answered yet: my_half must be a number"
    my_half = float(my_half)
    within = (my_lengths <= my_half + 1e-9).double().mean().item()
    below = (my_lengths < my_half - 1e-9).double().mean().item()
    assert below < 0.5 <= within, (
        f"within {my_half:.4g} your attack fools {100 * within:.0f} % of its images: was it "
        "computed for another STUDENT, or for the successes only?"
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
# **Question 2: pull it back (4 points).** An attack returns an adversarial image that is farther
# away than it needs to be. Go back along the straight line to the original: halve the interval
# between the two `steps` times, and return the nearest point that was *seen* to be adversarial.
# `fools(point)` runs the network, which is dear: call it once per step. The returned image of the
# attack is known to be adversarial, the original not to be.

# %% [raw]
# # BEGIN SOLUTION


# %%
def pull_back(
    fools: Callable[[Tensor], bool], original: Tensor, adversarial: Tensor, steps: int
) -> Tensor:
    """The nearest point on the line that was seen to be adversarial, after `steps` calls.

    Args:
        fools: whether a point is adversarial.
        original: the image, of shape (m,).
        adversarial: what the attack returned, of shape (m,).
        steps: how often to halve the interval.
    """
    # BEGIN SOLUTION
    safe, caught = original, adversarial
    for _call in range(steps):
        between = torch.lerp(safe, caught, 0.5)
        if fools(between):
            caught = between
        else:
            safe = between
    return caught
    # END SOLUTION


# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS


# %%
""" # BEGIN TEST CONFIG
points: 1
failure_message: "A boundary at three tenths of the way."
"""  # END TEST CONFIG


def test_three_tenths(pull_back):
    import torch

    original, adversarial = torch.zeros(4), torch.ones(4)
    found = pull_back(lambda point: bool(point.mean() >= 0.3), original, adversarial, 18)
    assert isinstance(found, torch.Tensor) and found.shape == (4,), (
        "not answered yet: return a point of the shape of the image"
    )
    found = found.float()
    place = found.mean().item()
    assert place < 0.999, "that is what the attack returned: go back from there"
    assert place > 0.01, "that is the original, or nearly: it is not adversarial"
    assert abs(place - 0.3) < 1e-3, f"the boundary is at 0.3 of the way, not at {place:.4f}"


# %%
""" # BEGIN TEST CONFIG
points: 2
hidden: true
failure_message: "What is returned must be adversarial, whatever the number of steps."
"""  # END TEST CONFIG


def test_returned_is_adversarial(pull_back):
    import torch

    original, adversarial = torch.full((3,), 0.2), torch.tensor([0.8, 0.2, 0.0])
    for steps in range(7):
        tried = []

        def fools(point, tried=tried):
            tried.append(point[0].item())
            return bool(point[0] >= 0.55)

        found = pull_back(fools, original, adversarial, steps)
        assert isinstance(found, torch.Tensor), "return a point, also after 0 steps"
        found = found.float()
        assert found[0].item() >= 0.55, (
            f"after {steps} steps the returned point is not adversarial: keep the last one that "
            "was, neither the middle nor the near end"
        )
        assert len(tried) == steps, f"{len(tried)} calls for {steps} steps: one call per step"
        nearest = min([0.8, *(place for place in tried if place >= 0.55)])
        assert abs(found[0].item() - nearest) < 1e-5, "a nearer adversarial point was tried"
    part = (found - original) / (adversarial - original)
    assert abs(part[0].item() - part[2].item()) < 1e-4, "the point is not on the line"


# %%
""" # BEGIN TEST CONFIG
points: 1
hidden: true
failure_message: "Every step halves what is left."
"""  # END TEST CONFIG


def test_halves_what_is_left(pull_back):
    import torch

    places = []
    found = pull_back(
        lambda point: places.append(point.mean().item()) or True,
        torch.zeros(2),
        torch.ones(2),
        3,
    )
    assert isinstance(found, torch.Tensor), "return a point"
    assert [round(place, 4) for place in places] == [0.5, 0.25, 0.125], (
        f"where everything fools, the points 1/2, 1/4 and 1/8 are tried, not {places}: halve what "
        "is left of the interval"
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
# **Question 3: the true minimum, of any class (4 points).** For an affine classifier of many
# classes, without a box, the nearest point that ties with *some* other class can be written down:
# each other class has a hyperplane, and the nearest of them counts. (Ask yourself why no third
# class can be in the way.) Give the class and the distance, for a classifier and for your image.

# %% [raw]
# # BEGIN SOLUTION


# %%
def nearest_class(weight: Tensor, bias: Tensor, x: Tensor) -> tuple[int, float]:
    """The class whose boundary is nearest to x, and the L2 distance to it.

    Args:
        weight: of shape (classes, m), with different rows.
        bias: of shape (classes,).
        x: of shape (m,), read as the class of the largest logit, without a tie.
    """
    # BEGIN SOLUTION
    scores = weight @ x + bias
    winner = int(scores.argmax())
    reach = (scores[winner] - scores) / (weight - weight[winner]).norm(dim=1)
    reach[winner] = math.inf
    return int(reach.argmin()), reach.min().item()
    # END SOLUTION


my_nearest = nearest_class(weight, bias, my_image)  # SOLUTION

# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS


# %%
""" # BEGIN TEST CONFIG
points: 1
failure_message: "Three classes, of which the runner-up is not the nearest."
"""  # END TEST CONFIG


def test_three_classes(nearest_class):
    import torch

    weight = torch.tensor([[0.0, 0.0], [0.5, 0.0], [0.0, 4.0]])
    found = nearest_class(weight, torch.tensor([2.0, 1.0, 0.0]), torch.zeros(2))
    assert isinstance(found, tuple | list) and len(found) == 2, (
        "not answered yet: return two values"
    )
    number, distance = map(float, found)
    assert number != 0, "class 0 is what the image is read as: another one is wanted"
    assert number != 1, (
        "class 1 is the runner-up, but its logit changes slowly, so its boundary is far away"
    )
    assert number == 2, f"class {number:g} is not nearer than class 2"
    assert abs(distance - 2.0) > 1e-4, "that is the gap of the logits: divide by the norm of w"
    assert abs(distance - 0.125) > 1e-4, "divide the gap by the norm, not by its square"
    assert abs(distance - 0.5) < 1e-4, f"a gap of 2 over a norm of 4 is 0.5, not {distance:.4g}"


# %%
""" # BEGIN TEST CONFIG
points: 2
hidden: true
failure_message: "Classifiers whose read class is any."
"""  # END TEST CONFIG


def test_any_classifier(nearest_class):
    import torch

    draws = torch.Generator().manual_seed(841)
    for _case in range(25):
        weight = torch.randn(5, 8, generator=draws).double()
        bias, x = torch.randn(5, generator=draws).double(), torch.randn(8, generator=draws).double()
        found = nearest_class(weight, bias, x)
        assert isinstance(found, tuple | list) and len(found) == 2, "return two values"
        found = [float(value) for value in found]
        logits = weight @ x + bias
        read = int(logits.argmax())
        reach = [
            float("inf")
            if c == read
            else ((logits[read] - logits[c]) / (weight[read] - weight[c]).norm()).item()
            for c in range(5)
        ]
        assert abs(found[1] - min(reach)) < 1e-4 * min(reach), (
            f"the distance is {min(reach):.4f}, not {found[1]:.4f}: w is the difference of two "
            "rows, that of the other class and that of the class which is read"
        )
        assert found[0] == reach.index(min(reach)), "the right distance, but another class"


# %%
""" # BEGIN TEST CONFIG
points: 1
hidden: true
failure_message: "Your own image."
"""  # END TEST CONFIG


def test_own_nearest(my_nearest, my_image, weight, bias):
    import torch

    assert isinstance(my_nearest, tuple | list) and len(my_nearest) == 2, (
        "not answered yet: my_nearest must be two values"
    )
    number, distance = int(my_nearest[0]), float(my_nearest[1])
    logits = weight @ my_image + bias
    read = int(logits.argmax())
    assert number != read, "your image is read as that class already"
    spread = torch.cdist(weight[read][None], weight)[0]
    reach = [((logits[read] - logits[c]) / spread[c]).item() for c in range(10) if c != read]
    assert abs(distance - min(reach)) < 1e-3 * (1 + min(reach)), (
        f"the boundary nearest to your image is {min(reach):.4f} away, not {distance:.4f}: was it "
        "computed for another STUDENT?"
    )
    own = ((logits[read] - logits[number]) / spread[number]).item()
    assert abs(own - min(reach)) < 1e-3, "the right distance, but another class"


# %% [raw]
# # END TESTS

# %% [raw]
# # END QUESTION

# %% [raw]
# # BEGIN QUESTION
# name: q4
# points: 2

# %% [markdown]
# **Question 4: predict before you run (2 points).** Two attacks succeed on all images, with mean
# lengths of 1.50 (A) and 1.52 (B). For every image you keep the nearer of the two. What is the mean
# length now?
#
# - `"a"`: 1.50, that of the better attack
# - `"b"`: 1.51, between the two
# - `"c"`: below 1.50, unless A is at least as near as B on every single image
# - `"d"`: it may be above 1.52
#
# A wrong prediction still earns a point.

# %% [raw]
# # BEGIN SOLUTION


# %%
prediction = "c"  # SOLUTION

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
    assert choice != "a", "A is better on average: that does not make it nearer on every image"
    assert choice != "b", "nothing is averaged: on each image the nearer one is kept"
    assert choice != "d", "the smaller of two numbers is never above either of them"
    assert choice == "c", "there are four answers to choose from"


# %% [raw]
# # END TESTS

# %% [raw]
# # END QUESTION

# %% [raw]
# # BEGIN QUESTION
# name: q5
# manual: true
# points: 3

# %% [markdown]
# **Question 5: explain (3 points).** An attack finds a mean distance of 1.6 on your network and of
# 1.2 on another. A classmate concludes that yours is the more robust one. In at most eight
# sentences: what does an attack's distance say about the true minimum, how could your network look
# better without being better, and what would you compute to support the conclusion?

# %% [raw]
# # BEGIN SOLUTION

# %% [markdown]
# The distance of a verified adversarial image is an upper bound of the minimum: the nearest one may
# be much nearer. If the attack works less well on your network (flat or saturated gradients, too
# few steps, a loss of the wrong scale), the bound is looser there and the network only looks
# robust. So use several attacks of different kinds with many steps, keep the nearest for each
# image, and see whether the order of the networks stays. Better, give a lower bound from a
# certificate, or the exact minimum where the network is affine. The images must be the same, read
# correctly by both, and the difference needs an interval.
#
# **Rubric**
#
# - 1 point: an attack gives an upper bound.
# - 1 point: a way in which the attack, not the network, makes the difference.
# - 1 point: a check: several attacks and nearest of all, an exact minimum, or a lower bound.

# %% [raw]
# # END SOLUTION

# %% [raw]
# # END QUESTION

# %% [raw]
# # BEGIN QUESTION
# name: q6
# manual: true
# points: 3

# %% [markdown]
# **Question 6: design a control (3 points).** You have written an attack, and want to claim that it
# comes nearer than a library's, *because* of a new line search. In at most eight sentences: which
# runs do you compare, what do you keep equal, and which result would refute the "because"?

# %% [raw]
# # BEGIN SOLUTION

# %% [markdown]
# Three attacks on the same images, targets and network, every success checked afresh in the box:
# the library's at its best setting that one can find, ours, and ours with the new line search
# replaced by the library's or a plain one, all else unchanged. All get the same budget, counted in
# gradient evaluations or processor time, and as much tuning, on other images than those reported.
# Compare per image, as ratios, where both succeed, and report failures. If ours without the new
# search is as near as with it, the line search is not the reason, even if we beat the library.
#
# **Rubric**
#
# - 1 point: an ablation: the own attack without the new line search.
# - 1 point: the same images, targets, budget and care in tuning; successes verified.
# - 1 point: the result that refutes the "because".

# %% [raw]
# # END SOLUTION

# %% [raw]
# # END QUESTION
