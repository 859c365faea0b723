# %% [markdown]
# # Everything is an ostrich: graded assignment
#
# This goes with the chapter *Everything is an ostrich*. You will convert between the units in which
# perturbations are given, find out what a file keeps of one, say which class is the nearest to
# first order, and design a control. No network is needed.
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

# %%
mine = variant(STUDENT)
my_side = 100 + mine.seed % 301
my_levels = 1 + mine.seed // 301 % 40 / 10
print(f"Your pictures have {my_side} x {my_side} pixels, your change is {my_levels:.1f} levels.")

# %% [markdown]
# The classifier of question 3 is affine: its logits are `weight @ x + bias`, and it takes an image
# for the class whose mean image is nearest.

# %%
images = load_images("digits", split="train")
pixels = images.images.flatten(1)
weight = torch.stack([pixels[images.labels == c].mean(dim=0) for c in range(10)])
bias = -weight.square().sum(dim=1) / 2
my_image = weight[mine.digit] + 0.2 * (pixels[mine.seed % 1000] - weight[mine.digit])
print(f"Your digit is {mine.digit}.")

# %% [raw]
# # BEGIN QUESTION
# name: q1
# points: 3

# %% [markdown]
# **Question 1: from levels to a norm (3 points).** A perturbation of a picture in colour changes
# each number by `levels` of 255, as a root mean square. What is its L2 norm, if pixels go from 0 to
# 1? Then: what is it for `my_levels` on `my_side` times `my_side` pixels?

# %% [raw]
# # BEGIN SOLUTION


# %%
def norm_from_levels(levels: float, height: int, width: int) -> float:
    """The L2 norm of a perturbation of a picture in colour.

    Args:
        levels: root mean square change of a number, in steps of 1/255.
        height: of the picture, in pixels.
        width: likewise.
    """
    # BEGIN SOLUTION
    return levels / 255 * math.sqrt(3 * height * width)
    # END SOLUTION


my_norm = norm_from_levels(my_levels, my_side, my_side)  # SOLUTION

# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS

# %%
""" # BEGIN TEST CONFIG
points: 1
failure_message: "One level on 224 x 224 pixels."
"""  # END TEST CONFIG


def test_one_level(norm_from_levels):
    found = norm_from_levels(1.0, 224, 224)
    assert hasattr(found, "__float__"), "not answered yet: return a number"
    found = float(found)
    assert abs(found - 0.8784) > 1e-3, "a pixel in colour is three numbers, and all may change"
    assert abs(found - 387.98) > 1e-1, "pixels go from 0 to 1: one level is 1/255"
    assert abs(found - 1.5215) < 1e-3, f"the norm is 1.5215, not {found:.5g}"


# %%
""" # BEGIN TEST CONFIG
points: 1
hidden: true
failure_message: "Other levels, and pictures that are not square."
"""  # END TEST CONFIG


def test_other_pictures(norm_from_levels):
    for levels, height, width in ((2.5, 10, 40), (0.1, 480, 640), (255.0, 1, 1)):
        found = norm_from_levels(levels, height, width)
        assert hasattr(found, "__float__"), "return a number"
        expected = levels / 255 * (3 * height * width) ** 0.5
        assert abs(float(found) - expected) < 1e-4 * expected, (
            f"{levels:g} levels on {height} x {width} pixels are {expected:.5g}, not "
            f"{float(found):.5g}: is the root taken of all numbers, and of height times width?"
        )


# %%
""" # BEGIN TEST CONFIG
points: 1
hidden: true
failure_message: "Your own picture."
"""  # END TEST CONFIG


def test_own_norm(my_norm, my_levels, my_side):
    assert hasattr(my_norm, "__float__"), "not answered yet: my_norm must be a number"
    expected = my_levels / 255 * 3**0.5 * my_side
    assert abs(float(my_norm) - expected) < 1e-3 * expected, (
        f"{float(my_norm):.5g} is not the norm for your numbers: was it computed for another "
        "STUDENT?"
    )


# %% [raw]
# # END TESTS

# %% [raw]
# # END QUESTION

# %% [raw]
# # BEGIN QUESTION
# name: q2
# points: 3

# %% [markdown]
# **Question 2: what a file keeps (3 points).** An original has whole levels between 0 and 255. A
# perturbation is added, in levels too, and the sum is clamped and rounded, as it is for a file.
# Return, for each image of the batch, the *share of the perturbation's squared norm* that the
# change in the file has: 0 if the file is the original, 1 if it has the same squared norm, more if
# rounding made it longer.

# %% [raw]
# # BEGIN SOLUTION


# %%
def kept_by_file(originals: Tensor, perturbations: Tensor) -> Tensor:
    """Squared norm of the change in the file over that of the perturbation, of shape (n,).

    Args:
        originals: whole levels from 0 to 255, of shape (n, m).
        perturbations: in levels, of shape (n, m); none is zero.
    """
    # BEGIN SOLUTION
    written = (originals + perturbations).clamp(0, 255).round()
    change = (written - originals).square().sum(dim=1)
    return change / perturbations.square().sum(dim=1)
    # END SOLUTION


# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS

# %%
""" # BEGIN TEST CONFIG
points: 1
failure_message: "A perturbation of 0.4 levels, and one of 0.6."
"""  # END TEST CONFIG


def test_small(kept_by_file):
    import torch

    originals = torch.full((2, 8), 100.0)
    perturbations = torch.tensor([[0.4] * 8, [0.6] * 8])
    found = kept_by_file(originals, perturbations)
    assert isinstance(found, torch.Tensor) and found.shape == (2,), (
        "not answered yet: return a tensor of shape (n,)"
    )
    small, large = found.tolist()
    assert small == 0, f"less than half a level is rounded away: 0, not {small:.3g}"
    assert abs(large - 1 / 0.6) > 1e-3, "that is the ratio of the norms; asked are their squares"
    assert abs(large - 1 / 0.36) < 1e-3, f"0.6 becomes 1: the share is 2.78, not {large:.3g}"


# %%
""" # BEGIN TEST CONFIG
points: 2
hidden: true
failure_message: "Black and white pixels, several sizes, many images."
"""  # END TEST CONFIG


def test_any(kept_by_file):
    import torch

    clamped = kept_by_file(torch.tensor([[0.0, 255.0, 10.0]]), torch.tensor([[-3.0, 4.0, 5.0]]))
    assert isinstance(clamped, torch.Tensor) and clamped.shape == (1,), "return shape (n,)"
    assert abs(float(clamped) - 0.5) < 1e-4, (
        "black cannot become darker, nor white brighter: of 3, 4 and 5 levels only the 5 are kept, "
        f"which is half of the squared norm, not {float(clamped):.3g}"
    )
    generator = torch.Generator().manual_seed(3)
    originals = torch.randint(0, 256, (6, 50), generator=generator).float()
    sizes = torch.tensor([0.2, 0.5, 1.0, 3.0, 20.0, 200.0])[:, None]
    perturbations = sizes * torch.randn(6, 50, generator=generator)
    written = (originals + perturbations).clamp(0, 255).round()
    expected = (written - originals).square().sum(1) / perturbations.square().sum(1)
    found = kept_by_file(originals, perturbations)
    assert torch.allclose(found.float(), expected, rtol=1e-4), (
        f"{[round(x, 3) for x in expected.tolist()]} are expected for perturbations of 0.2 to 200 "
        f"levels, not {[round(x, 3) for x in found.tolist()]}: is the sum rounded, or only the "
        "perturbation, and is each image taken by itself?"
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
# **Question 3: the nearest class, to first order (4 points).** The class with the second largest
# logit need not be the nearest: a class farther behind may have a steeper slope. Given the logits
# of one image, and the gradient of each logit, return the class whose boundary with the predicted
# class is nearest to first order, and that distance. Then apply it to `my_image`, where the
# gradients are the rows of `weight`.

# %% [raw]
# # BEGIN SOLUTION


# %%
def nearest_class(logits: Tensor, gradients: Tensor) -> tuple[int, float]:
    """The class that is nearest to first order, and its distance.

    Args:
        logits: of one image, of shape (classes,).
        gradients: of each logit, of shape (classes, m).
    """
    # BEGIN SOLUTION
    own = int(logits.argmax())
    ways = (logits[own] - logits) / (gradients - gradients[own]).norm(dim=1)
    ways[own] = math.inf
    return int(ways.argmin()), ways.min().item()
    # END SOLUTION


my_nearest = nearest_class(weight @ my_image + bias, weight)  # SOLUTION

# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS

# %%
""" # BEGIN TEST CONFIG
points: 1
failure_message: "Three classes, of which the second best is not the nearest."
"""  # END TEST CONFIG


def test_three(nearest_class):
    import torch

    gradients = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 4.0]])
    found = nearest_class(torch.tensor([3.0, 2.0, 1.0]), gradients)
    assert isinstance(found, (tuple, list)) and len(found) == 2, (
        "not answered yet: return class, distance"
    )
    nearest, distance = int(found[0]), float(found[1])
    assert nearest != 0, "the predicted class has no boundary with itself: leave it out"
    assert nearest != 1, "class 1 is 1 behind at a slope of 1, class 2 is 2 behind at a slope of 4"
    assert nearest == 2, f"the nearest is class 2, not {nearest}"
    assert abs(distance - 0.5) < 1e-5, f"2 behind at a slope of 4 is 0.5 away, not {distance:.4g}"


# %%
""" # BEGIN TEST CONFIG
points: 2
hidden: true
failure_message: "Random logits and gradients."
"""  # END TEST CONFIG


def test_random(nearest_class):
    import torch

    generator = torch.Generator().manual_seed(9)
    for _case in range(30):
        logits = torch.randn(6, generator=generator)
        gradients = torch.randn(6, 9, generator=generator)
        gradients *= torch.tensor([1.0, 3.0, 0.2, 1.0, 2.0, 0.5])[:, None]
        own = int(logits.argmax())
        others = [c for c in range(6) if c != own]
        both = {
            c: float((logits[own] - logits[c]) / (gradients[c] - gradients[own]).norm())
            for c in others
        }
        alone = {c: float((logits[own] - logits[c]) / gradients[c].norm()) for c in others}
        expected = min(both, key=both.get)
        found = nearest_class(logits.clone(), gradients.clone())
        assert isinstance(found, (tuple, list)) and len(found) == 2, (
            "return the class and the distance"
        )
        nearest, distance = int(found[0]), float(found[1])
        if abs(min(alone.values()) - both[expected]) > 1e-3:
            assert abs(distance - min(alone.values())) > 1e-5, (
                "both logits move: the slope is that of their difference"
            )
        assert nearest == expected and abs(distance - both[expected]) < 1e-4, (
            f"class {expected} at {both[expected]:.4g} is the nearest, not class {nearest} at "
            f"{distance:.4g}: the gap of two logits over the length of the difference of their "
            "gradients, for each class but the predicted one"
        )


# %%
""" # BEGIN TEST CONFIG
points: 1
hidden: true
failure_message: "Your own image."
"""  # END TEST CONFIG


def test_own_class(my_nearest, my_image, weight, bias):
    logits = weight @ my_image + bias
    own = int(logits.argmax())
    others = [c for c in range(10) if c != own]
    ways = {c: float((logits[own] - logits[c]) / (weight[c] - weight[own]).norm()) for c in others}
    nearest = min(ways, key=ways.get)
    assert isinstance(my_nearest, (tuple, list)) and len(my_nearest) == 2, (
        "not answered yet: my_nearest must be a class and a distance"
    )
    found, distance = int(my_nearest[0]), float(my_nearest[1])
    assert found == nearest and abs(distance - ways[nearest]) < 1e-3, (
        f"class {found} at {distance:.4g} is not the nearest for your image: was it computed for "
        "another STUDENT?"
    )


# %% [raw]
# # END TESTS

# %% [raw]
# # END QUESTION

# %% [raw]
# # BEGIN QUESTION
# name: q4
# points: 2

# %% [markdown]
# **Question 4: predict before you run (2 points).** The nearest adversarial image of a photograph
# stands on the decision boundary. You shift it by one pixel, which hardly changes how the network
# reads the original. The shifted adversarial image is then read ...
#
# - `"a"`: as the target, because the perturbation is shifted with the photograph
# - `"b"`: most often as the original is, because almost any small step leads back over the boundary
# - `"c"`: as some third class, because it is far from anything that the network has learnt
# - `"d"`: as the target or the original, each in half of the cases
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
    assert choice != "a", "strides and padding do not shift with the picture, and nothing is spare"
    assert choice != "c", "it is nearer to the original than anybody can see"
    assert choice != "d", (
        "that would be so for steps at random; this one changes far more than the perturbation "
        "does, and what it does to the perturbation weakens it"
    )
    assert choice == "b", "there are four answers to choose from"


# %% [raw]
# # END TESTS

# %% [raw]
# # END QUESTION

# %% [raw]
# # BEGIN QUESTION
# name: q5
# manual: true
# points: 4

# %% [markdown]
# **Question 5: what seven photographs show (4 points).** A report says: "We turned seven
# photographs into ostriches. So every photograph can be turned into an ostrich, networks see
# nothing of what people see, and JPEG protects against it, as none of our images survived it." Take
# the three conclusions one by one: what do the seven photographs show, and what would have to be
# done to find out?

# %% [raw]
# # BEGIN SOLUTION

# %% [markdown]
# *Every photograph*: seven successes of seven exclude, with 95 % confidence, only that fewer than
# 65 % of such photographs can be turned (0.05 to the power 1/7), and only if the seven were drawn
# at random from those in question; they were chosen because they were at hand. It takes a sample of
# hundreds. *Nothing of what people see*: the images lie beside the originals, all of which the
# network read as people do; what was shown is that it also sees something else. One would compare
# readings, and changes, over many images. *JPEG*: the images were made without regard to JPEG and
# stand on the boundary. To call it a protection, one attacks network and JPEG together, and goes
# beyond the boundary, and sees how much longer the perturbations become.
#
# **Rubric**
#
# - 1 point: seven of seven bounds the share, or the seven are no random sample.
# - 1 point: what is shown is a neighbour of each image, not how the network reads images at large.
# - 1 point: an attack that knows of the JPEG, or goes beyond the boundary, was not tried.
# - 1 point: says for at least two of the three what to do, so that it could come out either way.

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
# **Question 6: design a control (3 points).** A colleague adds the perturbation of one photograph
# to a hundred others, forty times as strong, and finds that the network misreads 60 of them. Her
# conclusion: the perturbation is universal. Design the control: what would you add, how long, and
# which result would take the conclusion away?

# %% [raw]
# # BEGIN SOLUTION

# %% [markdown]
# Something as long that has nothing to do with the network: Gaussian noise of the same norm, and
# better, the same perturbation with its pixels (or its blocks, so that its texture stays) in
# another order, or turned round; forty times as strong, to the same hundred photographs. If about
# 60 are misread under it as well, length alone explains the result. And the perturbation of yet
# another photograph, as several such: if all do alike, there is nothing special in this one.
#
# **Rubric**
#
# - 1 point: noise, or the same numbers in another order, of the *same length*.
# - 1 point: on the same photographs, and counted in the same way.
# - 1 point: says that about as many misread take the conclusion away.

# %% [raw]
# # END SOLUTION

# %% [raw]
# # END QUESTION
