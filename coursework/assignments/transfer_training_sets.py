# %% [markdown]
# # Transfer across training sets: graded assignment
#
# This goes with the chapter *Transfer across training sets*. You will bring perturbations to a
# common size without leaving the box, cut a training set so that the classes stay balanced, split
# what a receiver loses into causes, and say when two cells of a table differ.
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
images = load_images("digits", split="train")
my_labels = images.labels[: 300 + mine.seed % 200]
my_found = 0.05 + mine.seed % 17 / 1000  # the distortion of your perturbations
my_side = 20 + mine.seed // 17 % 21  # the width of your square pictures, in pixels
print(f"{len(my_labels)} labels; distortion {my_found:.3f}, {my_side} x {my_side} pixels.")

# %% [raw]
# # BEGIN QUESTION
# name: q1
# points: 3

# %% [markdown]
# **Question 1: how much longer (3 points).** A perturbation of distortion (root mean square over
# the $m$ pixels) $d$ is brought to another size, in one of two ways: to a *distortion* of $s$, or,
# by the paper's formula as reported, to an *L2 norm* of $s$. By what factor does it grow? Write the
# function, and compute the second factor for your own pictures and $s = 0.1$.

# %% [raw]
# # BEGIN SOLUTION


# %%
def growth(found: float, to: float, pixels: int, measure: str) -> float:
    """The factor by which a perturbation is multiplied.

    Args:
        found: its distortion before.
        to: its size afterwards.
        pixels: of the image.
        measure: what `to` is: "distortion" or "norm".
    """
    # BEGIN SOLUTION
    after = to if measure == "distortion" else to / math.sqrt(pixels)
    return after / found
    # END SOLUTION


my_factor = growth(my_found, 0.1, my_side**2, "norm")  # SOLUTION

# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS


# %%
""" # BEGIN TEST CONFIG
points: 1
failure_message: "Table 4: from 0.062 to 0.1, on 784 pixels."
"""  # END TEST CONFIG


def test_table_4(growth):
    found = growth(0.062, 0.1, 784, "distortion")
    assert hasattr(found, "__float__"), "not answered yet: return a number"
    found = float(found)
    assert abs(found - 0.62) > 1e-6, "the wrong way round: the new size over the old one"
    assert abs(found - 0.1 / 0.062 + 1) > 1e-6, "that is the increase; the factor is 1 more"
    assert abs(found - 0.1 / 0.062) < 1e-4, (
        f"the factor is 0.1 / 0.062, about 1.61, not {found:.4g}: two distortions of one image "
        "compare without its number of pixels"
    )


# %%
""" # BEGIN TEST CONFIG
points: 1
hidden: true
failure_message: "The reported formula, at other sizes."
"""  # END TEST CONFIG


def test_norm(growth):
    for d, s, m in ((0.062, 0.1, 784), (0.2, 1.6, 64), (0.0065, 0.5, 150528)):
        found, expected = growth(d, s, m, "norm"), s / m**0.5 / d
        assert hasattr(found, "__float__"), "return a number"
        found = float(found)
        assert abs(found - s / m / d) > 1e-3 * expected, "m enters by its root"
        assert abs(found - s * m**0.5 / d) > 1e-3 * expected, (
            "a norm of s is a distortion of less than s: divide by the root of m"
        )
        assert abs(found - expected) < 1e-4 * expected, (
            f"{expected:.4g} is expected for m = {m}, not {found:.4g}: first bring both sizes to "
            "one measure"
        )


# %%
""" # BEGIN TEST CONFIG
points: 1
hidden: true
failure_message: "Your own pictures."
"""  # END TEST CONFIG


def test_own_factor(my_factor, my_found, my_side):
    assert hasattr(my_factor, "__float__"), "not answered yet: my_factor must be a number"
    my_factor = float(my_factor)
    assert abs(my_factor * my_found * my_side - 0.1) < 1e-3, (
        f"{my_factor:.4g} is not your factor: was it computed for another STUDENT, or without the "
        "pixels?"
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
# **Question 2: two halves with the same classes (4 points).** A random cut leaves it to chance how
# many images of each class a half gets. Cut so that of *each class* both halves get equally many,
# or, where a class has an odd number, one of them has one more; and so that the halves, too, differ
# by at most one. Who is in which half must still be random. Write the function, and cut `my_labels`
# with it, with any seed: `my_halves`.

# %% [raw]
# # BEGIN SOLUTION


# %%
def balanced_halves(labels: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """Row numbers of two disjoint halves with the same number of images of each class.

    Args:
        labels: classes of all rows, of shape (n,).
        seed: of the generator; the same seed, the same halves.
    """
    # BEGIN SOLUTION
    draws = torch.Generator().manual_seed(seed)
    mixed = torch.randperm(len(labels), generator=draws)
    by_class = mixed[labels[mixed].argsort(stable=True)]
    return by_class[::2], by_class[1::2]
    # END SOLUTION


my_halves = balanced_halves(my_labels, mine.digit)  # SOLUTION

# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS


# %%
""" # BEGIN TEST CONFIG
points: 1
failure_message: "Twelve rows of two classes."
"""  # END TEST CONFIG


def test_twelve_rows(balanced_halves):
    import torch

    labels = torch.tensor([0] * 8 + [1] * 4)
    halves = balanced_halves(labels, 1)
    assert isinstance(halves, tuple | list) and len(halves) == 2, (
        "not answered yet: return two tensors"
    )
    first, second = map(torch.as_tensor, halves)
    together = torch.cat([first, second]).sort().values
    assert together.tolist() == list(range(12)), (
        "the halves must be disjoint, have every row, and be row numbers, not labels"
    )
    assert len(first) == len(second) == 6, "twelve rows make two halves of six"
    assert int((labels[first] == 1).sum()) == 2, (
        "of four images of class 1 each half gets two: cut each class by itself"
    )


# %%
""" # BEGIN TEST CONFIG
points: 2
hidden: true
failure_message: "Odd numbers of images, and chance."
"""  # END TEST CONFIG


def test_odd_and_random(balanced_halves):
    import torch

    mixed = torch.randperm(35, generator=torch.Generator().manual_seed(823))
    labels = torch.tensor([0, 1, 2, 3, 4] * 7)[mixed]
    seen = set()
    for seed in range(12):
        halves = balanced_halves(labels, seed)
        assert isinstance(halves, tuple | list) and len(halves) == 2, "return two tensors"
        first, second = map(torch.as_tensor, halves)
        assert sorted([*first.tolist(), *second.tolist()]) == list(range(35)), "not a partition"
        counts = labels[first].bincount(minlength=5) - labels[second].bincount(minlength=5)
        assert int(counts.abs().max()) <= 1, "of some class one half has at least two more"
        assert abs(len(first) - len(second)) <= 1, (
            "five classes of seven images: the odd ones all went to the same half, which is five "
            "larger; let the halves take turns"
        )
        seen.add(tuple(sorted(first.tolist())))
    assert len(seen) > 6, (
        "other seeds give the same halves: who is in which half must be random, not the order of "
        "the rows"
    )
    again = [torch.as_tensor(balanced_halves(labels, 3)[0]).tolist() for _ in range(2)]
    assert again[0] == again[1], "the same seed must give the same halves"


# %%
""" # BEGIN TEST CONFIG
points: 1
hidden: true
failure_message: "Your own labels."
"""  # END TEST CONFIG


def test_own_halves(my_halves, my_labels):
    import torch

    assert isinstance(my_halves, tuple | list) and len(my_halves) == 2, (
        "not answered yet: two tensors"
    )
    first, second = map(torch.as_tensor, my_halves)
    together = torch.cat([first, second]).sort().values.tolist()
    assert together == list(range(len(my_labels))), (
        "these are not all rows of my_labels, once each: were they computed for another STUDENT?"
    )
    counts = [my_labels[half].bincount(minlength=10) for half in (first, second)]
    assert int((counts[0] - counts[1]).abs().max()) <= 1, "the classes are not balanced"


# %% [raw]
# # END TESTS

# %% [raw]
# # END QUESTION

# %% [raw]
# # BEGIN QUESTION
# name: q3
# points: 3

# %% [markdown]
# **Question 3: amplify within the box (3 points).** Perturbed images that are amplified leave $[0,
# 1]$; where they are clipped, the perturbation gets shorter again. Find, image by image, the
# *factor* $t \ge 0$ for which $\mathrm{clip}(x + t\,r)$ has the wanted distortion from $x$. It
# grows with $t$, so halve an interval. Where no factor reaches it, return infinity.

# %% [raw]
# # BEGIN SOLUTION


# %%
def factor_in_box(image: Tensor, change: Tensor, to: float) -> float:
    """The t for which image + t * change, clipped to [0, 1], has a distortion of `to`.

    Args:
        image: pixels in [0, 1], of shape (m,).
        change: the perturbation, of shape (m,).
        to: above zero; relative errors of 1e-4 do not matter.
    """

    # BEGIN SOLUTION
    def left(t: float) -> float:
        moved = (image + t * change).clamp(0, 1) - image
        return moved.square().mean().sqrt().item()

    below, above = 0.0, 1.0
    while left(above) < to:
        below, above = above, 2 * above
        if above > 1e9:
            return math.inf
    for _halving in range(70):
        middle = (below + above) / 2
        below, above = (middle, above) if left(middle) < to else (below, middle)
    return above
    # END SOLUTION


# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS


# %%
""" # BEGIN TEST CONFIG
points: 1
failure_message: "Four grey pixels, of which one meets the edge."
"""  # END TEST CONFIG


def test_four_pixels(factor_in_box):
    import torch

    image, change = torch.tensor([0.5, 0.5, 0.5, 0.9]), torch.full((4,), 0.1)
    near = factor_in_box(image, change, 0.05)
    assert hasattr(near, "__float__"), "not answered yet: return a number"
    near = float(near)
    assert abs(near - 0.25) > 1e-3, "that is the norm: the distortion is the root of a mean"
    assert abs(near - 0.5) < 1e-3, f"nothing is clipped here: half of it will do, not {near:.4g}"
    far = factor_in_box(image, change, 0.2)
    assert hasattr(far, "__float__"), "return a number"
    far = float(far)
    assert abs(far - 2.0) > 1e-3, (
        "with twice the change the last pixel is clipped at 1, and less than 0.2 is left: the "
        "others must make up for it"
    )
    assert abs(far - 2.2361) < 2e-3, f"2.2361 is expected, not {far:.5g}"


# %%
""" # BEGIN TEST CONFIG
points: 1
hidden: true
failure_message: "Other images."
"""  # END TEST CONFIG


def test_reaches(factor_in_box):
    import torch

    draws = torch.Generator().manual_seed(821)
    for to in (0.01, 0.1, 0.3):
        image = torch.rand(50, generator=draws)
        change = 0.01 * torch.randn(50, generator=draws)
        t = factor_in_box(image, change, to)
        assert hasattr(t, "__float__"), "return a number"
        t = float(t)
        assert t < 1e6, f"a distortion of {to} can be reached here: was the search cut too early?"
        got = ((image + t * change).clamp(0, 1) - image).square().mean().sqrt().item()
        assert abs(got - to) < 1e-3 * to, (
            f"after clipping a distortion of {got:.4g} is left, not {to}: halve more often, or "
            "start from a larger upper end"
        )


# %%
""" # BEGIN TEST CONFIG
points: 1
hidden: true
failure_message: "What no factor reaches."
"""  # END TEST CONFIG


def test_out_of_reach(factor_in_box):
    import torch

    image, change = torch.tensor([0.0, 0.5]), torch.tensor([-1.0, 0.1])
    t = factor_in_box(image, change, 0.5)
    assert hasattr(t, "__float__"), "return a number"
    t = float(t)
    assert t == float("inf"), (
        "the black pixel cannot become darker, and the other can change by 0.5 at most: a "
        f"distortion of 0.5 is out of reach, so the factor is infinite, not {t:.4g}"
    )


# %% [raw]
# # END TESTS

# %% [raw]
# # END QUESTION

# %% [raw]
# # BEGIN QUESTION
# name: q4
# points: 3

# %% [markdown]
# **Question 4: half, shape or seed (3 points).** Four transfer rates (error of the receiver, less
# that on noise) were measured from one network, each in several runs: to its `"twin"`, which has
# another seed, to one that differs in seed and `"shape"`, to one that differs in seed and `"half"`,
# and to one in which `"all"` three differ. What does each change cost beyond the seed? Return the
# *costs* of the shape and of the half, and the *interaction*: by how much the cost of both exceeds
# the sum of the two. A loss of transfer is a positive cost. Use means over the runs.

# %% [raw]
# # BEGIN SOLUTION


# %%
def costs(rates: dict[str, Tensor]) -> tuple[float, float, float]:
    """Cost of the shape, cost of the half, and their interaction.

    Args:
        rates: for "twin", "shape", "half" and "all" one rate per run, of shape (runs,).
    """
    # BEGIN SOLUTION
    mean = {kind: seen.double().mean().item() for kind, seen in rates.items()}
    shape, half, both = (mean["twin"] - mean[kind] for kind in ("shape", "half", "all"))
    return shape, half, both - shape - half
    # END SOLUTION


# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS


# %%
""" # BEGIN TEST CONFIG
points: 1
failure_message: "One run each."
"""  # END TEST CONFIG


def test_one_run(costs):
    import torch

    rates = {"twin": 0.5, "shape": 0.4, "half": 0.2, "all": 0.15}
    found = costs({kind: torch.tensor([rate]) for kind, rate in rates.items()})
    assert isinstance(found, tuple | list) and len(found) == 3, (
        "not answered yet: return three numbers"
    )
    shape, half, together = map(float, found)
    assert shape > 0 and half > 0, "the sign: a loss of transfer is a positive cost"
    assert abs(shape - 0.4) > 1e-6, (
        "that is the rate itself: compare with the twin, which differs in the seed alone"
    )
    assert abs(shape - 0.6) > 1e-6, (
        "compared with a perfect transfer of 1, the cost of the seed is in it too: use the twin"
    )
    assert abs(shape - 0.1) < 1e-5 and abs(half - 0.3) < 1e-5, (
        f"shape and half cost 0.1 and 0.3 here, not {shape:.3g} and {half:.3g}"
    )
    assert abs(together - 0.35) > 1e-5, "that is the cost of both: subtract the cost of each"
    assert abs(together - 0.05) > 1e-5, "the sign of the interaction: both cost less than the sum"
    assert abs(together + 0.05) < 1e-5, f"the interaction is -0.05 here, not {together:.3g}"


# %%
""" # BEGIN TEST CONFIG
points: 2
hidden: true
failure_message: "Several runs, and no interaction."
"""  # END TEST CONFIG


def test_several_runs(costs):
    import torch

    draws = torch.Generator().manual_seed(822)
    rates = {kind: torch.rand(5, generator=draws) for kind in ("twin", "shape", "half", "all")}
    found = costs(rates)
    assert isinstance(found, tuple | list) and len(found) == 3, "return three numbers"
    twin, shape, half, everything = (sum(seen.tolist()) / 5 for seen in rates.values())
    for ours, theirs in zip(
        map(float, found),
        (twin - shape, twin - half, shape + half - twin - everything),
        strict=True,
    ):
        assert abs(ours - theirs) < 1e-5, (
            f"{theirs:.4f} is expected, not {ours:.4f}: means over all runs, and over the same four"
        )
    rates["all"] = rates["shape"] + rates["half"] - rates["twin"]
    assert abs(costs(rates)[2]) < 1e-5, "where the costs add up there is no interaction"


# %% [raw]
# # END TESTS

# %% [raw]
# # END QUESTION

# %% [raw]
# # BEGIN QUESTION
# name: q5
# points: 2

# %% [markdown]
# **Question 5: predict before you run (2 points).** In Table 4, perturbations as found (0.062) are
# misread by the network trained on the other half in 5.9 % of the cases, and amplified to 0.1 in
# 43 %. Noise (0.06 and 0.1) is misread in 2.4 % and 2.7 %. You go on amplifying, to 0.2, to 0.4 and
# beyond, and clip to the box. What becomes of the *excess* over noise of the same size?
#
# - `"a"`: it stays at about 40 percentage points, which is what the networks have in common
# - `"b"`: it goes to 100 percentage points
# - `"c"`: it goes up, and then down again, because noise of that size is misread too
# - `"d"`: it falls from 0.1 on, because amplified images are less adversarial
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
    assert choice != "a", (
        "43 % is a point of a curve that still rises: nothing about 0.1 is special"
    )
    assert choice != "b", "no error exceeds 100 %, and noise of that size has an error of its own"
    assert choice != "d", "the receiver's error rises along the direction well beyond 0.1"
    assert choice == "c", "there are four answers to choose from"


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
# **Question 6: explain (3 points).** In Table 4 an image made for a network on P1 is misread by the
# network on P2 in 5.9 % of the cases, noise in 2.4 %. Very probably 256 images were attacked. In at
# most eight sentences: about how uncertain is the first number, which variation do these intervals
# *not* contain, and what would you compute from several runs to decide whether there is transfer?

# %% [raw]
# # BEGIN SOLUTION

# %% [markdown]
# At 5.9 % of 256 the standard error is about 1.5 points; Wilson's 95 % interval goes from about 3.6
# to 9.4 %. It contains the choice of the images only, for these three networks: neither the cut
# into halves nor the initial weights, nor the targets, all of which one run fixes. With several
# seeds of all of them one computes for each run the difference between the error on perturbed
# images and on noise of the same size, on the same images and receiver, and an interval (Student's
# t) of its mean over the runs. There is transfer if that lies above zero; how much is another
# question.
#
# **Rubric**
#
# - 1 point: an uncertainty of about the right size (an interval of some 5 to 6 points).
# - 1 point: names at least two things that one run fixes (cut, weights, targets).
# - 1 point: the difference to noise per run, and an interval over runs.

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
# **Question 7: design a control (3 points).** Amplified images fool the network of the other half.
# Somebody objects that at 0.1 *any* structured change would, whatever it was made for. In at most
# eight sentences: describe two controls between noise and the perturbation itself, say what each
# keeps, and what each outcome would mean.

# %% [raw]
# # BEGIN SOLUTION

# %% [markdown]
# Scramble the pixels of each perturbation: its size and the distribution of its values stay, the
# spatial structure goes. If scrambled perturbations fooled as often, structure would not matter.
# Show each image the perturbation of another image, at the same size: structure and smoothness
# stay, the match with the image goes. If it fools as often, what transfers belongs to no image in
# particular; if it fools less, but more than scrambled ones, a part is common to all images. Both
# need the same images, receiver and size, and treatment at the box.
#
# **Rubric**
#
# - 1 point: a control that keeps size and values but destroys structure.
# - 1 point: a control that keeps structure but not the match with the image (or the target).
# - 1 point: for both, what each outcome would mean.

# %% [raw]
# # END SOLUTION

# %% [raw]
# # END QUESTION
