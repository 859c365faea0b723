# %% [markdown]
# # Units and directions: graded assignment
#
# This goes with the chapter *Units and directions*. You will count the dimensions that a layer
# fills, say how much units have over directions, follow a direction into another coordinate system,
# and find out how much of a list of top images is chance.
#
# Write your answers where the cells say `...` or *Type your answer here*. You may add cells. After
# each question a check tells you what it can tell; further tests run when the assignment is graded,
# in a fresh Python that executes the notebook from top to bottom, offline. Hand in this
# notebook under your id: `<your id>.ipynb`.

# %%
import torch
from torch import Tensor

from blindspots import load_images
from variants import variant

# %% [markdown]
# Your numbers come from your id. Replace it, in the quotation marks, and leave the rest.

# %%
STUDENT = "your id"

# %% [markdown]
# The layer of this assignment is not trained: 24 random mixtures of the pixels, your own.

# %%
mine = variant(STUDENT)
images = load_images("digits", split="test")
my_mixture = torch.randn(64, 24, generator=torch.Generator().manual_seed(mine.seed)).double()
my_features = images.images.flatten(1).double() @ my_mixture
my_share = 0.6 + mine.seed % 30 / 100
print(f"Your layer has {my_features.shape[1]} units, your share is {my_share:.2f}.")

# %% [raw]
# # BEGIN QUESTION
# name: q1
# points: 3

# %% [markdown]
# **Question 1: how many dimensions (3 points).** A layer's features vary along its principal
# directions, much along the first and little along the last. How many principal directions, at
# least, hold a given share of the variance? Write the function, and count for your own layer and
# your own share.

# %% [raw]
# # BEGIN SOLUTION


# %%
def dimensions_for(features: Tensor, share: float) -> int:
    """The smallest number of principal directions that hold this share of the variance.

    Args:
        features: of shape (n, d).
        share: above 0 and below 1.
    """
    # BEGIN SOLUTION
    centred = features - features.mean(dim=0)
    spectrum = torch.linalg.svdvals(centred.double()).square()
    held = spectrum.cumsum(dim=0) / spectrum.sum()
    return int((held < share).sum()) + 1
    # END SOLUTION


my_dimensions = dimensions_for(my_features, my_share)  # SOLUTION

# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS


# %%
""" # BEGIN TEST CONFIG
points: 1
failure_message: "Two uncorrelated features, with nine tenths of the variance in the second."
"""  # END TEST CONFIG


def test_two_features(dimensions_for):
    import torch

    features = torch.tensor([[1.0, 3.0], [-1.0, 3.0], [1.0, -3.0], [-1.0, -3.0]])
    found = dimensions_for(features, 0.85)
    assert hasattr(found, "__float__") and float(found).is_integer(), (
        "not answered yet: return a whole number"
    )
    found = int(found)
    assert found != 0, "the first direction alone is one, not none: count from one"
    assert found == 1, (
        "one direction holds 90 % here: order the directions by variance, the largest first, take "
        "variances, not standard deviations, and count none too many"
    )
    assert dimensions_for(features, 0.95) == 2, "one direction holds 90 %, which is not 95 %"


# %%
""" # BEGIN TEST CONFIG
points: 1
hidden: true
failure_message: "Correlated features, far away from zero."
"""  # END TEST CONFIG


def test_correlated(dimensions_for):
    import torch

    draws = torch.Generator().manual_seed(811)
    hidden = torch.randn(300, 6, generator=draws) * torch.tensor([5.0, 4, 3, 2, 1, 0.5])
    turned = torch.linalg.qr(torch.randn(6, 6, generator=draws))[0]
    features = hidden @ turned
    spectrum = torch.linalg.eigvalsh(features.T.cov()).flip(0)
    held = (spectrum.cumsum(0) / spectrum.sum()).tolist()
    for share in (0.3, 0.7, 0.9, 0.97, 0.997):
        expected = 1 + sum(part < share for part in held)
        found = dimensions_for(features, share)
        assert hasattr(found, "__float__") and float(found).is_integer(), "return a whole number"
        found = int(found)
        assert found == expected, (
            f"{expected} directions are needed for {share}, not {found}: the units are correlated "
            "here, so their own variances do not tell; take those along the principal directions"
        )
        moved = features + torch.tensor([50.0, -20.0, 0.0, 10.0, 30.0, 5.0])
        assert dimensions_for(moved, share) == expected, (
            "the answer changed when a constant was added to each feature: subtract their means, "
            "each unit's own"
        )


# %%
""" # BEGIN TEST CONFIG
points: 1
hidden: true
failure_message: "Your own layer."
"""  # END TEST CONFIG


def test_own_layer(my_dimensions, my_features, my_share):
    import torch

    assert hasattr(my_dimensions, "__float__") and float(my_dimensions).is_integer(), (
        "not answered yet: my_dimensions must be a whole number"
    )
    my_dimensions = int(my_dimensions)
    spectrum = torch.linalg.eigvalsh(my_features.T.cov()).flip(0)
    held = spectrum.cumsum(0) / spectrum.sum()
    assert my_dimensions == 1 + int((held < my_share).sum()), (
        f"{my_dimensions} is not the number for your layer and the share {my_share:.2f}: was it "
        "computed for another STUDENT?"
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
# **Question 2: superiority (3 points).** Every unit has a score, and every direction of many random
# bases. How probable is it that a unit, drawn at random, has a higher score than a direction, drawn
# at random? A tie counts one half.

# %% [raw]
# # BEGIN SOLUTION


# %%
def chance_to_beat(units: Tensor, directions: Tensor) -> float:
    """Probability that a unit scores higher than a direction, ties counted half.

    Args:
        units: scores of shape (d,).
        directions: scores of shape (bases, d); any of them may be drawn.
    """
    # BEGIN SOLUTION
    gap = units[:, None] - directions.reshape(1, -1)
    return ((gap > 0).double().mean() + (gap == 0).double().mean() / 2).item()
    # END SOLUTION


# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS


# %%
""" # BEGIN TEST CONFIG
points: 1
failure_message: "Two units against one basis."
"""  # END TEST CONFIG


def test_two_units(chance_to_beat):
    import torch

    found = chance_to_beat(torch.tensor([0.5, 0.9]), torch.tensor([[0.1, 0.5]]))
    assert hasattr(found, "__float__"), "not answered yet: return a number"
    found = float(found)
    assert abs(found - 0.75) > 1e-6, "one of the four pairs is a tie: it counts one half"
    assert abs(found - 1.0) > 1e-6, "the pair with equal scores is not won: it counts one half"
    assert abs(found - 0.125) > 1e-6, "the wrong way round: the unit is to be higher"
    assert abs(found - 0.875) < 1e-6, f"3.5 of 4 pairs are won, which is 0.875, not {found:.4g}"


# %%
""" # BEGIN TEST CONFIG
points: 2
hidden: true
failure_message: "All pairs, and only the order counts."
"""  # END TEST CONFIG


def test_all_pairs(chance_to_beat):
    import torch

    draws = torch.Generator().manual_seed(812)
    units = torch.randint(0, 9, (7,), generator=draws) / 8
    bases = torch.randint(0, 8, (30, 7), generator=draws) / 8
    found = chance_to_beat(units, bases)
    assert hasattr(found, "__float__"), "return a number"
    found = float(found)
    won = [
        1.0 if u > v else 0.5 if u == v else 0.0
        for u in units.tolist()
        for v in bases.flatten().tolist()
    ]
    matched = (units > bases).double().mean() + (units == bases).double().mean() / 2
    assert abs(found - matched.item()) > 1e-6, (
        "each unit was compared with the direction of the same number only: the columns of a "
        "random basis have no order, so compare every unit with all directions"
    )
    assert abs(found - sum(won) / len(won)) < 1e-6, (
        f"{sum(won) / len(won):.4f} of the pairs are won, not {found:.4f}: compare pairs of single "
        "scores, not means"
    )
    even = chance_to_beat(units, units.expand(3, 7))
    assert abs(even - 0.5) < 1e-6, "against copies of themselves, units win one half"


# %% [raw]
# # END TESTS

# %% [raw]
# # END QUESTION

# %% [raw]
# # BEGIN QUESTION
# name: q3
# points: 3

# %% [markdown]
# **Question 3: the same direction elsewhere (3 points).** The features $\phi(x)$, rows of a matrix
# $F$, are written in other coordinates, as $F W$ with an invertible $W$ (which need not be
# symmetric). Which direction $v'$ of the new space gives every image the same number as $v$ does in
# the old one?

# %% [raw]
# # BEGIN SOLUTION


# %%
def seen_from_there(mixing: Tensor, direction: Tensor) -> Tensor:
    """The v' with features @ mixing @ v' = features @ direction, for all features.

    Args:
        mixing: W, of shape (d, d), invertible.
        direction: v, of shape (d,).
    """
    return torch.linalg.solve(mixing, direction)  # SOLUTION


# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS


# %%
""" # BEGIN TEST CONFIG
points: 1
failure_message: "Two units, the second of which is measured in other units."
"""  # END TEST CONFIG


def test_rescaled(seen_from_there):
    import torch

    found = seen_from_there(torch.tensor([[1.0, 0.0], [0.0, 4.0]]), torch.tensor([1.0, 1.0]))
    assert isinstance(found, torch.Tensor) and found.shape == (2,), (
        "not answered yet: return a tensor of shape (d,)"
    )
    found = found.float()
    assert not torch.allclose(found, torch.tensor([1.0, 4.0])), (
        "the other way round: where the feature becomes four times as large, the direction must "
        "take a quarter of it"
    )
    assert not torch.allclose(found, torch.tensor([1.0, 1.0])), (
        "the same numbers are another direction there: the second feature counts four times"
    )
    assert abs(found[1].item() / found[0].item() - 0.25) < 1e-5, "wrong direction"
    assert torch.allclose(found, torch.tensor([1.0, 0.25])), (
        "the right direction, but the numbers of the images must be the same: do not normalise"
    )


# %%
""" # BEGIN TEST CONFIG
points: 2
hidden: true
failure_message: "Any mixture."
"""  # END TEST CONFIG


def test_any_mixture(seen_from_there):
    import torch

    draws = torch.Generator().manual_seed(813)
    for d in (2, 5, 9):
        mixing = torch.randn(d, d, generator=draws).double() + 3 * torch.eye(d)
        features = torch.randn(20, d, generator=draws).double()
        direction = torch.randn(d, generator=draws).double()
        found = seen_from_there(mixing, direction)
        assert isinstance(found, torch.Tensor) and found.shape == (d,), "wrong shape"
        found = found.float()
        transposed = torch.linalg.solve(mixing.T, direction)
        assert not torch.allclose(found.double(), transposed, atol=1e-5), (
            "this W is not symmetric, and its transpose was inverted: solve W v' = v"
        )
        there, here = features @ mixing @ found.double(), features @ direction
        assert torch.allclose(there, here, atol=1e-4), (
            "images do not have the same numbers in both spaces: write down F W v' = F v"
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
# **Question 4: the lottery (3 points).** A ReLU unit is silent on many images: they all have the
# activation 0. If fewer than $k$ images excite it, the rest of its list of $k$ top images is
# chance. How many of the $k$ places are decided by chance, and among how many images? Activations
# may tie at any value.

# %% [raw]
# # BEGIN SOLUTION


# %%
def lottery(activations: Tensor, k: int) -> tuple[int, int]:
    """How many of the k top places are left to chance, and among how many images.

    Args:
        activations: of one unit on n images, of shape (n,).
        k: length of the list of top images, at most n.

    Returns:
        (places, candidates); (0, 0) if the set of the k top images is certain.
    """
    # BEGIN SOLUTION
    edge = activations.sort(descending=True).values[k - 1]
    sure = int((activations > edge).sum())
    candidates = int((activations == edge).sum())
    return (0, 0) if sure + candidates == k else (k - sure, candidates)
    # END SOLUTION


# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS


# %%
""" # BEGIN TEST CONFIG
points: 1
failure_message: "Two images excite the unit, five do not; four places."
"""  # END TEST CONFIG


def test_silent_unit(lottery):
    import torch

    found = lottery(torch.tensor([0.0, 2.0, 0.0, 0.0, 1.0, 0.0, 0.0]), 4)
    assert isinstance(found, tuple | list) and len(found) == 2, (
        "not answered yet: return two numbers"
    )
    assert tuple(found) != (4, 5), "the two images that excite it have their places for certain"
    assert tuple(found) != (2, 7), "only images that tie with the last place take part"
    assert tuple(found) == (2, 5), f"two places are drawn among five images, not {found}"


# %%
""" # BEGIN TEST CONFIG
points: 2
hidden: true
failure_message: "Ties above the edge, no ties, and ties that just fit."
"""  # END TEST CONFIG


def test_other_ties(lottery):
    import torch

    cases = (
        ([3.0, 3.0, 2.0, 1.0, 0.0], 3, (0, 0), "a tie above the last place changes no list"),
        ([5.0, 4.0, 4.0, 1.0], 3, (0, 0), "all images that tie have a place: nothing is drawn"),
        ([9.0, 4.0, 4.0, 4.0, 0.0], 3, (2, 3), "images may tie at other values than 0"),
        ([-1.0, -2.0, -2.0, -3.0], 2, (1, 2), "activations may be negative"),
        ([0.0, 0.0, 0.0], 3, (0, 0), "with as many places as images nothing is drawn"),
        ([1.0, 1.0, 1.0, 1.0], 1, (1, 4), "one place, four images"),
    )
    for values, k, expected, hint in cases:
        found = lottery(torch.tensor(values), k)
        assert isinstance(found, tuple | list) and len(found) == 2, "return two numbers"
        assert tuple(found) == expected, f"{values} and k = {k}: {expected}, not {found}; {hint}"


# %% [raw]
# # END TESTS

# %% [raw]
# # END QUESTION

# %% [raw]
# # BEGIN QUESTION
# name: q5
# points: 2

# %% [markdown]
# **Question 5: predict before you run (2 points).** Ten units are perfect detectors, one for each
# digit: a unit has the activation 1 on images of its digit and 0 on others. You turn them into a
# random orthonormal basis of ten directions. Each direction's top images are now of one digit. For
# how many *different* digits, on average, is there a direction?
#
# - `"a"`: ten, because a rotation loses nothing
# - `"b"`: about seven
# - `"c"`: about three
# - `"d"`: none, because no direction is a unit any more
#
# Try to find it by thought, before you simulate. A wrong prediction still earns a point.

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
    assert choice != "a", (
        "what the features tell is the same, but two directions may have their largest entries at "
        "the same digit, and then another digit is left without"
    )
    assert choice != "c", (
        "too few: even ten balls that fall freely into ten boxes leave only a third of them empty, "
        "and orthogonal directions keep apart"
    )
    assert choice != "d", "a direction's top images are those of the digit of its largest entry"
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
# **Question 6: explain (3 points).** In some layer the units are more coherent than directions
# drawn after whitening (superiority 0.8) and less coherent than raw random directions (0.4). A
# classmate says that one of the two tests must be wrong. In at most eight sentences: why can both
# be right, which of your answers to questions 1 and 3 does the explanation need, and what would you
# write as the conclusion?

# %% [raw]
# # BEGIN SOLUTION

# %% [markdown]
# Both draw "a random direction", from different distributions: raw directions are uniform for the
# usual inner product, white ones for that in which the features are uncorrelated. By question 3
# each direction exists in both spaces, so what differs is only how probable it is. By question 1 a
# few principal directions hold most of the variance; raw directions are dominated by them and rank
# the images by what varies most, which is coherent, whereas white directions give the many weak
# ones as much weight. The conclusion names the reference: more coherent than white directions, less
# than raw ones; nothing about units follows without naming it.
#
# **Rubric**
#
# - 1 point: "random" depends on the inner product; the two tests have different references.
# - 1 point: uses the uneven variances to say why raw directions are coherent and white ones are
#   not.
# - 1 point: a conclusion that names the reference and claims no more.

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
# **Question 7: design a control (3 points).** Somebody finds that in a trained network units are
# more coherent than random directions, in label agreement, and concludes that training has taught
# the single units meanings. In at most eight sentences: describe two controls, say what each keeps
# and what it takes away, and which outcome of each would refute the conclusion.

# %% [raw]
# # BEGIN SOLUTION

# %% [markdown]
# First, the same network before training, or one like it with random weights: architecture,
# nonlinearity and images are kept, what was learnt is gone. If its units have as much over its
# directions, the difference comes from the axis-wise nonlinearity or the pixels, not from training.
# Second, the same features with the labels shuffled among the images: features and top lists stay,
# the meaning of the labels is gone. If units still come out ahead, the test itself is biased, for
# example by ties. Both are repeated with several seeds.
#
# **Rubric**
#
# - 1 point: an untrained network (or one trained on shuffled labels), with what it keeps and takes.
# - 1 point: a second, different control, such as shuffled labels at the time of scoring.
# - 1 point: for each, the outcome that would count against the conclusion.

# %% [raw]
# # END SOLUTION

# %% [raw]
# # END QUESTION
