# %% [markdown]
# # Rare, or dense?: graded assignment
#
# This goes with the chapter *Rare, or dense?*. You will say how many draws it takes to call
# something rare, tell dust from regions, prove that a whole ball is misread, and ask how much noise
# two boundaries stand.
#
# Write your answers where the cells say `...` or *Type your answer here*. You may add cells. After
# each question a check tells you what it can tell; further tests run when the assignment is graded,
# in a fresh Python that executes the notebook from top to bottom, offline. Hand in this
# notebook under your id: `<your id>.ipynb`.

# %%
import math
from statistics import NormalDist

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
my_chance = 1 / (2000 + mine.seed % 3001)
my_near = 1 + mine.seed % 7 / 10
my_far = my_near + 0.5 + mine.seed // 7 % 11 / 10
print(f"Your chance is {my_chance:.6f}, your planes are at {my_near:.1f} and {my_far:.1f}.")

# %% [markdown]
# The classifier of question 3 is affine: its logits are `weight @ x + bias`, and it takes an image
# for the class whose mean image is nearest. `my_misread` shows your digit, and was moved most of
# the way to the mean of your target.

# %%
images = load_images("digits", split="train")
pixels = images.images.flatten(1)
weight = torch.stack([pixels[images.labels == c].mean(dim=0) for c in range(10)])
bias = -weight.square().sum(dim=1) / 2
my_image = pixels[images.labels == mine.digit][mine.seed % 50]
my_misread = my_image + 0.9 * (weight[mine.target] - my_image)
print(f"Your digit is {mine.digit}, your target {mine.target}.")

# %% [raw]
# # BEGIN QUESTION
# name: q1
# points: 3

# %% [markdown]
# **Question 1: how many draws? (3 points)** Noise never misleads, in so many draws. If its
# probability to mislead was `chance`, that would have been luck. How many draws without a hit are
# needed, at least, so that the probability of such luck is at most `luck`? Mind very small chances.
# Then: how many for `my_chance` and a luck of one in a hundred?

# %% [raw]
# # BEGIN SOLUTION


# %%
def draws_needed(chance: float, luck: float) -> int:
    """The smallest number of draws without a hit that rules out this chance.

    Args:
        chance: the probability that one draw misleads, between 0 and 1.
        luck: the largest probability that is allowed to no hit in all draws, between 0 and 1.
    """
    # BEGIN SOLUTION
    return math.ceil(math.log(luck) / math.log1p(-chance) - 1e-9)
    # END SOLUTION


my_draws = draws_needed(my_chance, 0.01)  # SOLUTION

# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS

# %%
""" # BEGIN TEST CONFIG
points: 1
failure_message: "A coin that never shows heads, and the rule of three."
"""  # END TEST CONFIG


def test_coin(draws_needed):
    found = draws_needed(0.5, 0.05)
    assert hasattr(found, "__float__") and float(found).is_integer(), (
        "not answered yet: return a whole number"
    )
    found = int(found)
    assert found != 6, "the rule of three is for small chances: use what it is derived from"
    assert found != 4, "four tails in a row have a probability of 0.0625, which is above 0.05"
    assert found == 5, f"five tails in a row have a probability of 0.031, so 5, not {found}"
    found = draws_needed(0.001, 0.05)
    assert hasattr(found, "__float__") and float(found).is_integer() and abs(found - 2995) <= 1, (
        f"for 0.001 it is 2995, not {found}"
    )
    found = int(found)


# %%
""" # BEGIN TEST CONFIG
points: 1
hidden: true
failure_message: "Other chances, and other luck."
"""  # END TEST CONFIG


def test_other_chances(draws_needed):
    import math

    for chance, luck in ((0.5, 0.25), (0.01, 0.01), (0.2, 0.5), (1e-4, 1e-3)):
        found = draws_needed(chance, luck)
        assert hasattr(found, "__float__") and float(found).is_integer(), "return a whole number"
        found = int(found)
        assert found * math.log1p(-chance) <= math.log(luck) + 1e-7, (
            f"{found} draws are too few for a chance of {chance:g} and a luck of {luck:g}: is the "
            "luck used, and rounded up?"
        )
        assert (found - 1) * math.log1p(-chance) > math.log(luck) - 1e-9, (
            f"{found} are enough for a chance of {chance:g} and a luck of {luck:g}, but so is one "
            "less: was the luck used, and nothing approximated?"
        )
    exactly = draws_needed(0.5, 0.25)
    assert exactly == 2, (
        f"two tails in a row have a probability of 0.25, and at most that is allowed: 2, not "
        f"{exactly}"
    )
    tiny = draws_needed(1e-14, 0.05)
    assert hasattr(tiny, "__float__") and float(tiny).is_integer(), "return a whole number"
    assert abs(float(tiny) * 1e-14 + math.log(0.05)) < 1e-5, (
        "for a chance of 1e-14 most digits of 1 - chance are lost: there is a logarithm that takes "
        "the chance itself"
    )


# %%
""" # BEGIN TEST CONFIG
points: 1
hidden: true
failure_message: "Your own chance."
"""  # END TEST CONFIG


def test_own_draws(my_draws, my_chance):
    import math

    assert hasattr(my_draws, "__float__") and float(my_draws).is_integer(), (
        "not answered yet: my_draws must be a whole number"
    )
    my_draws = int(my_draws)
    usual = -math.log(0.05) / my_chance
    assert abs(my_draws - usual) > 5, "that is for a luck of one in twenty, not one in a hundred"
    assert abs(my_draws - math.log(0.01) / math.log1p(-my_chance)) <= 1.001, (
        f"{my_draws} is not the number for your chance: was it computed for another STUDENT?"
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
# **Question 2: dust or region? (3 points)** You walk from each image along a straight line, in
# small equal steps, and note how every point is read. Count the unbroken runs of errors on each
# line, and the points of the longest of them. (Dust would make many runs of one point each, a
# region one long run.) An error may be there from the first point on.

# %% [raw]
# # BEGIN SOLUTION


# %%
def runs_of_errors(classes: Tensor, labels: Tensor) -> Tensor:
    """Number of runs, and points of the longest run: whole numbers, of shape (n, 2).

    Args:
        classes: how the points of each line are read, of shape (n, points).
        labels: the true class of the image at the beginning of each line, of shape (n,).
    """
    # BEGIN SOLUTION
    counted = []
    for line, label in zip(classes.tolist(), labels.tolist(), strict=True):
        lengths = [0]
        for read in line:
            if read == label:
                lengths.append(0)
            else:
                lengths[-1] += 1
        counted.append([sum(size > 0 for size in lengths), max(lengths)])
    return torch.tensor(counted)
    # END SOLUTION


# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS

# %%
""" # BEGIN TEST CONFIG
points: 1
failure_message: "A line on which the errors begin, stop, and begin again."
"""  # END TEST CONFIG


def test_one_line(runs_of_errors):
    import torch

    found = runs_of_errors(torch.tensor([[3, 3, 5, 5, 3, 3, 7, 3]]), torch.tensor([3]))
    assert isinstance(found, torch.Tensor) and found.shape == (1, 2), (
        "not answered yet: return a tensor of shape (n, 2)"
    )
    runs, longest = found[0].tolist()
    assert runs != 3, "there are three wrong points, in two runs: count a run once"
    assert runs == 2, f"5, 5 is a run, and 7 is one: 2, not {runs}"
    assert longest != 3, "the two runs have three points together; asked is the longest alone"
    assert longest == 2, f"the longest run has 2 points, not {longest}"


# %%
""" # BEGIN TEST CONFIG
points: 2
hidden: true
failure_message: "Errors at both ends, next to each other, everywhere and nowhere."
"""  # END TEST CONFIG


def test_all_kinds(runs_of_errors):
    import torch

    lines = [
        ([0, 0, 0, 0, 0], 0, (0, 0), "a line without an error has no run, and the length 0"),
        ([1, 0, 0, 0, 0], 0, (1, 1), "an error at the first point begins a run as well"),
        ([0, 0, 0, 1, 1], 0, (1, 2), "a run may last to the end of the line"),
        ([0, 1, 2, 2, 0], 0, (1, 3), "two wrong classes side by side are one run of errors"),
        ([2, 2, 2, 2, 2], 1, (1, 5), "a line that is misread everywhere is one run"),
        ([1, 0, 1, 0, 1], 0, (3, 1), "dust: three runs of one point each"),
    ]
    classes = torch.tensor([line for line, *_ in lines])
    found = runs_of_errors(classes, torch.tensor([label for _, label, *_ in lines]))
    assert isinstance(found, torch.Tensor) and found.shape == (6, 2), "return shape (n, 2)"
    for (line, label, expected, why), got in zip(lines, found.tolist(), strict=True):
        assert tuple(got) == expected, (
            f"{why}: for {line} with the label {label} it is {expected}, not {tuple(got)}"
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
# **Question 3: a ball of errors (4 points).** The affine classifier with the logits `weight @ x +
# bias` misreads the point $x$, whose true class is `label`. Every other class alone may prove that
# the points around $x$ are misread too: as long as it is ahead of `label`, `label` does not win.
# Return the radius of the largest ball that *one* class can prove, and 0 if none can. Then apply it
# to `my_misread`.

# %% [raw]
# # BEGIN SOLUTION


# %%
def ball_of_errors(weight: Tensor, bias: Tensor, x: Tensor, label: int) -> float:
    """The largest radius around x within which one class proves every point misread, or 0.

    Args:
        weight: of shape (classes, m).
        bias: of shape (classes,).
        x: of shape (m,).
        label: the true class.
    """
    # BEGIN SOLUTION
    scores = weight @ x + bias
    proven = 0.0
    for rival in set(range(len(scores))) - {label}:
        ahead = scores[rival] - scores[label]
        proven = max(proven, (ahead / (weight[rival] - weight[label]).norm()).item())
    return proven
    # END SOLUTION


my_ball = ball_of_errors(weight, bias, my_misread, mine.digit)  # SOLUTION

# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS

# %%
""" # BEGIN TEST CONFIG
points: 1
failure_message: "Three classes in the plane, at the point (3, 1)."
"""  # END TEST CONFIG


def test_plane(ball_of_errors):
    import torch

    weight = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]])
    found = ball_of_errors(weight, torch.zeros(3), torch.tensor([3.0, 1.0]), 0)
    assert hasattr(found, "__float__"), "not answered yet: return a number"
    found = float(found)
    assert found == found, "a class has no ball against itself, 0 / 0 is no number: leave it out"
    assert abs(found - 0.2**0.5) > 1e-4, (
        "within that radius the point is read as the same wrong class; it may change from one "
        "wrong class to another and is misread all the same"
    )
    assert abs(found - 1) > 1e-4, (
        "that is the smallest of the balls: each is a proof of its own, so take the largest"
    )
    assert abs(found - 3) < 1e-4, f"class 1 is ahead of class 0 within 3, not {found:.4g}"


# %%
""" # BEGIN TEST CONFIG
points: 2
hidden: true
failure_message: "Random classifiers, and points that are read correctly."
"""  # END TEST CONFIG


def test_random_classifiers(ball_of_errors):
    import torch

    generator = torch.Generator().manual_seed(74)
    for _classifier in range(20):
        weight = torch.randn(5, 8, generator=generator)
        weight *= torch.tensor([1.0, 4.0, 0.3, 1.0, 2.0])[:, None]
        bias, x = torch.randn(5, generator=generator), torch.randn(8, generator=generator)
        logits = weight @ x + bias
        for c in range(5):
            found = ball_of_errors(weight, bias, x, c)
            assert hasattr(found, "__float__"), "return a number"
            found = float(found)
            if int(logits.argmax()) == c:
                assert found >= 0, "a radius is not negative: nothing is proved here"
                assert found == 0, "here the label wins: no ball of errors begins at this point"
                continue
            others = [j for j in range(5) if j != c]
            gaps = torch.tensor([float(logits[j] - logits[c]) for j in others])
            apart = torch.stack([weight[j] - weight[c] for j in others]).norm(dim=1)
            expected, alone = float((gaps / apart).max()), weight[others].norm(dim=1)
            if abs(float((gaps / alone).max()) - expected) > 1e-3:
                assert abs(found - float((gaps / alone).max())) > 1e-4, (
                    "both logits move: divide by the length of the difference of two rows"
                )
            first = float(gaps.max() / apart[gaps.argmax()])
            if abs(first - expected) > 1e-3:
                assert abs(found - first) > 1e-4, (
                    "the class with the largest logit does not always prove the largest ball"
                )
            assert abs(found - expected) < 1e-3, (
                f"{expected:.4g} is expected, not {found:.4g}: how far ahead of the label a class "
                "is, biases included, over the length of the difference of the two rows"
            )


# %%
""" # BEGIN TEST CONFIG
points: 1
hidden: true
failure_message: "Your own image."
"""  # END TEST CONFIG


def test_own_ball(my_ball, my_misread, weight, bias, mine):
    assert hasattr(my_ball, "__float__"), "not answered yet: my_ball must be a number"
    my_ball = float(my_ball)
    logits, c = weight @ my_misread + bias, mine[1]
    others = [j for j in range(10) if j != c]
    proved = ((logits - logits[c]) / (weight - weight[c]).norm(dim=1))[others]
    assert abs(my_ball - float(proved.max())) < 1e-3, (
        f"{my_ball:.4g} is not the radius for your image: was it computed for another STUDENT?"
    )


# %% [raw]
# # END TESTS

# %% [raw]
# # END QUESTION

# %% [raw]
# # BEGIN QUESTION
# name: q4
# points: 4

# %% [markdown]
# **Question 4: two planes (4 points).** An image lies between two parallel planes, at the distance
# `near` from the one and `far` from the other. Beyond either it is misread. Gaussian noise has the
# standard deviation $s$ in every pixel. For which $s$ does it mislead with the probability `share`?
# Solve by halving an interval, or as you like. Then: for which $s$ is it one in ten, between your
# planes?

# %% [raw]
# # BEGIN SOLUTION


# %%
def noise_for_share(near: float, far: float, share: float) -> float:
    """The standard deviation of noise that misleads with this probability.

    Args:
        near: distance of the one plane, above 0.
        far: distance of the other, at least as far.
        share: the probability, between 0 and 1.

    Returns:
        s; relative errors of 1e-4 do not matter.
    """
    # BEGIN SOLUTION
    below = NormalDist().cdf
    small, large = math.log(near) - 10, math.log(far) + 10
    for _halving in range(100):
        guess = 0.5 * (small + large)
        misled = below(-near / math.exp(guess)) + below(-far / math.exp(guess))
        small, large = (guess, large) if misled < share else (small, guess)
    return math.exp(small)
    # END SOLUTION


my_noise = noise_for_share(my_near, my_far, 0.1)  # SOLUTION

# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS

# %%
""" # BEGIN TEST CONFIG
points: 1
failure_message: "Two planes at the distance 1: beyond one standard deviation lie 31.73 %."
"""  # END TEST CONFIG


def test_middle(noise_for_share):
    found = noise_for_share(1.0, 1.0, 0.317310508)
    assert hasattr(found, "__float__"), "not answered yet: return a number"
    found = float(found)
    assert abs(found - 2.1036) > 1e-2, "there are two planes: noise may cross either"
    assert abs(found - 1.0619) > 1e-2, (
        "crossing the one and crossing the other are not independent: they exclude each other"
    )
    assert abs(found - 1) < 1e-3, f"for these planes s is 1, not {found:.4g}"


# %%
""" # BEGIN TEST CONFIG
points: 2
hidden: true
failure_message: "Planes at different distances, and large and small shares."
"""  # END TEST CONFIG


def test_any_planes(noise_for_share):
    import statistics

    below = statistics.NormalDist().cdf
    for near, far, share in ((1.0, 2.0, 0.2), (0.01, 0.5, 0.3), (3.0, 3.5, 1e-6), (1.0, 4.0, 0.9)):
        found = noise_for_share(near, far, share)
        assert hasattr(found, "__float__") and found > 0, "return a number above zero"
        found = float(found)
        misled = below(-near / found) + below(-far / found)
        twice = 2 * below(-near / found)
        assert abs(twice - share) > 0.01 * share or abs(misled - share) < 0.01 * share, (
            "that is for two planes at the smaller distance: the other one is farther away"
        )
        assert abs(misled - share) < 0.01 * share, (
            f"with s = {found:.4g} the planes at {near:g} and {far:g} are crossed with a "
            f"probability of {misled:.3g}, not {share:g}; is the interval wide enough at first, "
            "halved often enough, and s returned, not its square?"
        )


# %%
""" # BEGIN TEST CONFIG
points: 1
hidden: true
failure_message: "Your own planes."
"""  # END TEST CONFIG


def test_own_noise(my_noise, my_near, my_far):
    import statistics

    assert hasattr(my_noise, "__float__") and my_noise > 0, "not answered yet: my_noise is a number"
    my_noise = float(my_noise)
    below = statistics.NormalDist().cdf
    misled = below(-my_near / my_noise) + below(-my_far / my_noise)
    assert abs(misled - 0.1) < 1e-3, (
        f"with s = {my_noise:.4g} your planes are crossed with a probability of {misled:.4f}, not "
        "0.1: was it computed for another STUDENT?"
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
# **Question 5: predict before you run (2 points).** A flat boundary lies at the L2 distance $d$
# from every image of one data set, and at the same distance from every image of another, whose
# images have four times as many pixels. Gaussian noise has the same standard deviation *in every
# pixel* of both. On the images with more pixels it misleads ...
#
# - `"a"`: more often, because there the noise is twice as long
# - `"b"`: less often, because there are more directions in which it can miss
# - `"c"`: as often
# - `"d"`: that depends on how the boundary lies to the axes of the pixels
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
    assert choice != "a", "it is twice as long, but only its part across the boundary counts"
    assert choice != "b", "that would be so for noise of equal length; this one has grown as well"
    assert choice != "d", "Gaussian noise that is alike in all pixels has no axes"
    assert choice == "c", "there are four answers to choose from"


# %% [raw]
# # END TESTS

# %% [raw]
# # END QUESTION

# %% [raw]
# # BEGIN QUESTION
# name: q6
# manual: true
# points: 4

# %% [markdown]
# **Question 6: prove (4 points).** Let the logits be continuous functions of the pixels, and call
# an image an *error* if another class than its own is strictly ahead in them. One image is read
# correctly, strictly too. Show that the errors are not dense. Show that there is either no error at
# all, or a set of errors of positive volume. (Leave the box aside, and let all images around an
# image have its class.) Then say in one or two sentences why neither contradicts the paper's claim
# that adversarial images are found near virtually every test image.

# %% [raw]
# # BEGIN SOLUTION

# %% [markdown]
# Let $M(x)$ be the logit of the true class minus the largest of the others, a continuous function
# as a difference and maximum of such. Where $M(x) > 0$ it stays positive in some ball around $x$,
# and that ball contains no error; so the errors are not dense. Where $M(x) < 0$ it stays negative
# in some ball, which consists of errors and has positive volume; so one error suffices. Neither
# statement says how large the balls are. "Near" is a matter of a distance that is small for people
# and larger than zero, and a boundary at that distance from every test image fits both.
#
# **Rubric**
#
# - 1 point: a margin, or differences of logits, and its continuity.
# - 1 point: a ball without errors around the correct image, hence not dense.
# - 1 point: a ball of errors around any error, hence positive volume.
# - 1 point: "near" is a finite distance, about which the two say nothing.

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
# **Question 7: design a control (3 points).** A colleague finds, around an image whose nearest
# error is at the distance $d$, eight orthogonal directions in each of which a step of $3d$ is
# misread, and concludes that the error set has an intricate shape. Design the control: what would
# you count, with which steps and on what, and which result would take the conclusion away?

# %% [raw]
# # BEGIN SOLUTION

# %% [markdown]
# The same count, by the same method and with steps of $3d$, at a boundary that is as plain as can
# be: an affine classifier of two classes, at the distance $d$. Steps that share the normal evenly
# reach it as long as $3d / \sqrt{k} \ge d$, so there are nine such directions, more than the
# colleague has. Moreover random orthonormal directions of the same length on the network itself, of
# which hardly any should be misread. If the plane has as many as the network, the count says
# nothing of its shape; it would take clearly more than nine, on many images.
#
# **Rubric**
#
# - 1 point: compares with a plane (or an affine classifier) at the same distance.
# - 1 point: the number there, nine, or how to measure it with steps of equal length.
# - 1 point: says which result takes the conclusion away, or would support it.

# %% [raw]
# # END SOLUTION

# %% [raw]
# # END QUESTION
