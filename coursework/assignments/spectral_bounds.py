# %% [markdown]
# # Spectral bounds: graded assignment
#
# This goes with the chapter *Spectral bounds, layer by layer*. You will bound a network by its
# layers, look for the norm of a layer from below, guarantee images one by one, and change a layer
# as little as possible so that its norm is what you want.
#
# Write your answers where the cells say `...` or *Type your answer here*. You may add cells. After
# each question a check tells you what it can tell; further tests run when the assignment is graded,
# in a fresh Python that executes the notebook from top to bottom, offline. Hand in this
# notebook under your id: `<your id>.ipynb`.

# %%
import math
from collections.abc import Callable

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
draw = torch.Generator().manual_seed(mine.seed)
my_units = 20 + mine.seed % 31
my_first = torch.randn(my_units, 64, generator=draw) / 4
my_last = torch.randn(10, my_units, generator=draw) / 4
my_network = nn.Sequential(nn.Flatten(), nn.Linear(64, my_units), nn.Sigmoid())
my_network.append(nn.Linear(my_units, 10))
my_network[1].weight.data, my_network[3].weight.data = my_first, my_last
print(f"Your network has {my_units} hidden units.")

# %% [markdown]
# The classifier of question 3 is affine: its logits are `images @ weight.T + bias`, and it takes an
# image for the class whose mean image is nearest. Its images are those of your digit.

# %%
images = load_images("digits", split="train")
pixels = images.images.flatten(1)
weight = torch.stack([pixels[images.labels == c].mean(dim=0) for c in range(10)])
bias = -weight.square().sum(dim=1) / 2
my_images = pixels[images.labels == mine.digit]
my_length = 0.2 + 0.01 * (mine.seed % 20)
print(f"Your digit is {mine.digit}, your length {my_length:.2f}.")

# %% [raw]
# # BEGIN QUESTION
# name: q1
# points: 4

# %% [markdown]
# **Question 1: the product (4 points).** Bound the stretch of a network, in the L2 norm, by the
# product over its layers. Besides linear layers it may have ReLUs, sigmoids, flattening, and
# max-pooling of windows of `kernel_size` by `kernel_size` pixels at a distance of `stride`. Pooling
# has windows that may overlap: give it the smallest factor that holds on large images. Then bound
# your own network.

# %% [raw]
# # BEGIN SOLUTION


# %%
def product_of_layers(model: nn.Sequential) -> float:
    """An upper bound of the stretch of the network.

    Args:
        model: of layers nn.Linear, nn.ReLU, nn.Sigmoid, nn.Flatten and nn.MaxPool2d, the latter
            with whole numbers as kernel_size and stride.
    """
    # BEGIN SOLUTION
    stretch = 1.0
    for part in model:
        if isinstance(part, nn.Linear):
            stretch *= torch.linalg.svdvals(part.weight.detach())[0].item()
        elif isinstance(part, nn.Sigmoid):
            stretch /= 4
        elif isinstance(part, nn.MaxPool2d):
            stretch *= math.ceil(part.kernel_size / part.stride)
    return stretch
    # END SOLUTION


my_product = product_of_layers(my_network)  # SOLUTION

# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS

# %%
""" # BEGIN TEST CONFIG
points: 1
failure_message: "One linear layer with the weights ((3, 0), (4, 0))."
"""  # END TEST CONFIG


def test_one_layer(product_of_layers):
    import torch
    from torch import nn

    model = nn.Sequential(nn.Linear(2, 2))
    model[0].weight.data = torch.tensor([[3.0, 0.0], [4.0, 0.0]])
    found = product_of_layers(model)
    assert hasattr(found, "__float__"), "not answered yet: return a number"
    found = float(found)
    assert abs(found - 4) > 1e-4, (
        "that is the largest weight, or row: one input moves both units here"
    )
    assert abs(found - 25) > 1e-3, "that is the square of the norm"
    assert abs(found - 5) < 1e-4, f"the norm of this layer is 5, not {found:.4g}"


# %%
""" # BEGIN TEST CONFIG
points: 1
hidden: true
failure_message: "Several layers, and the slopes of their units."
"""  # END TEST CONFIG


def test_layers_and_slopes(product_of_layers):
    import torch
    from torch import nn

    model = nn.Sequential(nn.Flatten(), nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 3), nn.Sigmoid())
    model[1].weight.data = torch.tensor([[2.0, 0.0], [0.0, 3.0]])
    model[3].weight.data = torch.tensor([[0.0, 1.0], [1.0, 0.0], [0.0, 0.0]])
    found = product_of_layers(model)
    assert hasattr(found, "__float__"), "return a number"
    found = float(found)
    assert abs(found - 13**0.5 * 2**0.5 / 4) > 1e-4, (
        "that takes the root of the sum of all squared weights: a bound, but not the smallest, "
        "which is the largest singular value"
    )
    assert abs(found - 3) > 1e-4, "a sigmoid is much flatter than a ReLU: use its steepest slope"
    assert abs(found - 0.75) < 1e-4, f"3 * 1 * 1 / 4 is 0.75, not {found:.4g}"


# %%
""" # BEGIN TEST CONFIG
points: 1
hidden: true
failure_message: "Pooling."
"""  # END TEST CONFIG


def test_pooling(product_of_layers):
    from torch import nn

    for size, step, factor in ((2, 2, 1), (3, 2, 2), (3, 1, 3), (2, 3, 1), (5, 2, 3)):
        found = product_of_layers(nn.Sequential(nn.MaxPool2d(size, step)))
        assert hasattr(found, "__float__"), "return a number"
        found = float(found)
        assert factor == 1 or abs(found - 1) > 1e-6, (
            f"windows of {size} at a distance of {step} overlap: in how many can one pixel be the "
            "largest?"
        )
        assert factor == 1 or abs(found - factor**2) > 1e-6, (
            f"one pixel can be in {factor**2} windows, but the L2 norm of {factor**2} equal "
            "changes grows with the root of their number"
        )
        assert abs(found - factor) < 1e-6, (
            f"pooling by {size} at a distance of {step} has the factor {factor}, not {found:.4g}: "
            "count the windows on one side, whole ones"
        )


# %%
""" # BEGIN TEST CONFIG
points: 1
hidden: true
failure_message: "Your own network."
"""  # END TEST CONFIG


def test_own_product(my_product, my_first, my_last):
    import torch

    assert hasattr(my_product, "__float__"), "not answered yet: my_product must be a number"
    my_product = float(my_product)
    norms = [torch.linalg.matrix_norm(matrix, 2).item() for matrix in (my_first, my_last)]
    expected = norms[0] * norms[1] / 4
    assert abs(my_product - expected) < 1e-3 * expected, (
        f"{my_product:.4g} is not the bound of your network: was it computed for another STUDENT?"
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
# **Question 2: from below (4 points).** The matrix $W$ of a layer may be too large to be written
# down, but one can compute $Wv$ and $W^\top u$. Start from a random $v$, replace it `steps` times
# by $W^\top W v$, divided by its length, and return the stretch $\|Wv\| / \|v\|$ of the last one.
# It is never larger than the norm.

# %% [raw]
# # BEGIN SOLUTION


# %%
def stretch_from_below(
    forward: Callable[[Tensor], Tensor],
    backward: Callable[[Tensor], Tensor],
    size: int,
    steps: int,
    seed: int,
) -> float:
    """The stretch of a vector that comes near to the most stretched one.

    Args:
        forward: W v for a v of shape (size,).
        backward: W^T u for such a result u.
        size: how many numbers go in.
        steps: how often to replace the vector; each costs one call of either function.
        seed: of the generator that draws the first vector.
    """
    # BEGIN SOLUTION
    vector = torch.randn(size, generator=torch.Generator().manual_seed(seed))
    vector = vector / vector.norm()
    for _turn in range(steps):
        vector = backward(forward(vector))
        vector = vector / vector.norm()
    return forward(vector).norm().item()
    # END SOLUTION


# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS

# %%
""" # BEGIN TEST CONFIG
points: 1
failure_message: "A diagonal matrix, with 3 as its largest entry."
"""  # END TEST CONFIG


def test_diagonal(stretch_from_below):
    import torch

    diagonal = torch.tensor([3.0, 1.0, 0.5, 0.2])
    found = stretch_from_below(lambda v: diagonal * v, lambda u: diagonal * u, 4, 30, 0)
    assert hasattr(found, "__float__"), "not answered yet: return a number"
    found = float(found)
    assert abs(found - 9) > 1e-2, "that is the stretch of W^T W, the square of the norm of W"
    assert abs(found - 3) < 1e-2, f"after 30 steps it must be close to 3, not {found:.4g}"


# %%
""" # BEGIN TEST CONFIG
points: 1
hidden: true
failure_message: "Matrices that are neither square nor symmetric, and never more than the norm."
"""  # END TEST CONFIG


def test_any_matrix(stretch_from_below):
    import torch

    generator = torch.Generator().manual_seed(71)
    for rows, columns in ((7, 4), (4, 7), (5, 5)):
        matrix = torch.randn(rows, columns, generator=generator)
        norm = torch.linalg.matrix_norm(matrix, 2).item()
        for steps in (0, 1, 200):
            found = stretch_from_below(
                lambda v, w=matrix: w.to(v.dtype) @ v,
                lambda u, w=matrix: w.T.to(u.dtype) @ u,
                columns,
                steps,
                3,
            )
            assert hasattr(found, "__float__"), "return a number, after 0 steps too"
            found = float(found)
            assert found <= norm * 1.0001, (
                f"{found:.4g} after {steps} steps, but the norm is {norm:.4g}: what is found from "
                "below is never larger. Divide by the length of v"
            )
        assert found > 0.99 * norm, f"after 200 steps it must be {norm:.4g}, not {found:.4g}"


# %%
""" # BEGIN TEST CONFIG
points: 1
hidden: true
failure_message: "Large numbers, and many steps."
"""  # END TEST CONFIG


def test_large_numbers(stretch_from_below):
    import math

    for steps in (50, 0):
        found = stretch_from_below(lambda v: 1000.0 * v, lambda u: 1000.0 * u, 3, steps, 1)
        assert hasattr(found, "__float__"), "return a number"
        found = float(found)
        assert math.isfinite(found), "the vector overflows: divide by its length in every step"
        assert abs(found - 1000) < 1, (
            f"everything is stretched 1000 times, not {found:.4g} times, after {steps} steps: the "
            "stretch is that of the last v, so apply W to it, and divide by its length"
        )


# %%
""" # BEGIN TEST CONFIG
points: 1
hidden: true
failure_message: "The start, and the cost."
"""  # END TEST CONFIG


def test_start_and_cost(stretch_from_below):
    import torch

    starts = []

    def forward(v):
        starts.append(v.clone())
        return torch.stack([v[0] - v[1], v[1] - v[2]])

    def backward(u):
        return torch.stack([u[0], u[1] - u[0], -u[1]])

    found = [stretch_from_below(forward, backward, 3, 20, seed) for seed in (0, 0, 1)]
    assert all(hasattr(f, "__float__") for f in found), "return a number"
    assert len(starts) <= 3 * 22, "each step needs one call of forward, and the result one more"
    assert all(f > 1e-3 for f in found), (
        "this matrix makes (1, 1, 1) vanish: a start that is not random can miss everything"
    )
    assert all(abs(f - 3**0.5) < 1e-2 for f in found), (
        "after 20 steps the root of 3 is expected: are there fewer steps, or is the stretch not "
        "divided by the length of v?"
    )
    each = len(starts) // 3
    assert torch.equal(starts[0], starts[each]), "the same seed must give the same start"
    assert not torch.equal(starts[0], starts[2 * each]), "another seed must give another start"


# %% [raw]
# # END TESTS

# %% [raw]
# # END QUESTION

# %% [raw]
# # BEGIN QUESTION
# name: q3
# points: 4

# %% [markdown]
# **Question 3: guarantee (4 points).** Let `pair[c, j]` bound the stretch of the *difference* of
# the logits $c$ and $j$. How far, at least, must an image go before it is read as another class
# than its label? An image that is misread already need not go at all. Then: for what share of your
# images (between 0 and 1) does this guarantee, with the best bounds for the affine classifier, that
# no perturbation of L2 norm `my_length` misleads?

# %% [raw]
# # BEGIN SOLUTION


# %%
def guaranteed(logits: Tensor, labels: Tensor, pair: Tensor) -> Tensor:
    """For each image a length up to which no perturbation makes it misread: of shape (n,).

    Args:
        logits: of shape (n, classes).
        labels: true classes, of shape (n,).
        pair: of shape (classes, classes), positive but on the diagonal, where it is 0.
    """
    # BEGIN SOLUTION
    lead = logits.gather(1, labels[:, None]) - logits
    lengths = lead / pair[labels]
    lengths[torch.arange(len(labels)), labels] = math.inf
    return lengths.amin(dim=1).clamp(min=0)
    # END SOLUTION


# BEGIN SOLUTION
my_lengths = guaranteed(
    my_images @ weight.T + bias,
    torch.full((len(my_images),), mine.digit),
    torch.cdist(weight, weight),
)
# END SOLUTION
my_share = (my_lengths > my_length).double().mean().item()  # SOLUTION

# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS

# %%
""" # BEGIN TEST CONFIG
points: 1
failure_message: "One image, three classes, all bounds 2 or 8."
"""  # END TEST CONFIG


def test_three_classes(guaranteed):
    import torch

    pair = torch.tensor([[0.0, 8.0, 2.0], [8.0, 0.0, 8.0], [2.0, 8.0, 0.0]])
    found = guaranteed(torch.tensor([[5.0, 4.0, 4.5]]), torch.tensor([0]), pair)
    assert isinstance(found, torch.Tensor) and found.shape == (1,), (
        "not answered yet: return one length per image"
    )
    found = found.float()
    assert not bool(found.isnan().any()), "a class has no bound against itself: leave it out"
    assert abs(float(found[0]) - 0.25) > 1e-5, (
        "the runner-up is not the nearest rival here: another class catches up faster"
    )
    assert abs(float(found[0]) - 0.125 / 2**0.5) > 1e-5, (
        "the root of two is for a bound of the network; these are bounds of differences already"
    )
    assert abs(float(found[0]) - 0.125) < 1e-5, f"it is 1 / 8, not {float(found[0]):.4g}"


# %%
""" # BEGIN TEST CONFIG
points: 1.5
hidden: true
failure_message: "Many images, some of them misread."
"""  # END TEST CONFIG


def test_many_images(guaranteed):
    import torch

    generator = torch.Generator().manual_seed(72)
    logits = torch.randn(40, 5, generator=generator)
    labels = torch.arange(40) % 5
    pair = torch.rand(5, 5, generator=generator) + 0.5
    pair = (pair + pair.T).fill_diagonal_(0)
    found = guaranteed(logits, labels, pair)
    assert isinstance(found, torch.Tensor) and found.shape == (40,), "return one length per image"
    found = found.float()
    misread = logits.argmax(dim=1) != labels
    assert (found[misread] <= 0).all(), (
        "a misread image is guaranteed some length: compare with the label, not with the class "
        "that the network says"
    )
    assert (found[misread] == 0).all(), "a length is not negative: a misread image has 0"
    for i in (~misread).nonzero()[:, 0].tolist():
        c = int(labels[i])
        rivals = [j for j in range(5) if j != c]
        expected = min(float((logits[i, c] - logits[i, j]) / pair[c, j]) for j in rivals)
        assert abs(float(found[i]) - expected) < 1e-4, (
            f"{expected:.4g} is expected, not {float(found[i]):.4g}"
        )


# %%
""" # BEGIN TEST CONFIG
points: 1.5
hidden: true
failure_message: "Your own images."
"""  # END TEST CONFIG


def test_own_share(my_share, my_images, weight, bias, mine, my_length):
    import torch

    assert hasattr(my_share, "__float__"), "not answered yet: my_share must be a number"
    my_share = float(my_share)
    logits, c = my_images @ weight.T + bias, mine[1]
    gaps = logits[:, [c]] - logits
    bounds = (weight - weight[c]).norm(dim=1)
    others = [j for j in range(10) if j != c]
    expected = float((gaps / bounds)[:, others].amin(dim=1).gt(my_length).double().mean())
    norm = float(torch.linalg.matrix_norm(weight, 2)) * 2**0.5
    coarse = float((gaps[:, others].amin(dim=1) / norm).gt(my_length).double().mean())
    assert abs(my_share - 100 * expected) > 1, (
        "a share is a number between 0 and 1, not a percentage"
    )
    assert abs(my_share - coarse) > 0.01 or abs(coarse - expected) < 0.02, (
        "that follows from the norm of the whole matrix: for each pair of classes the length of "
        "the difference of two rows is the best bound"
    )
    assert abs(my_share - expected) < 0.01, (
        f"{expected:.3f} is expected, not {my_share:.3f}: was it computed for another STUDENT, or "
        "with other bounds?"
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
# **Question 4: as little as possible (3 points).** A layer's norm is to be at most `largest`. Of
# all matrices for which this is true, return the one that differs least from the layer's weight, by
# the sum of the squared differences.

# %% [raw]
# # BEGIN SOLUTION


# %%
def nearest_with_norm(weight: Tensor, largest: float) -> Tensor:
    """The matrix nearest to weight whose operator norm is at most largest."""
    # BEGIN SOLUTION
    left, stretches, right = torch.linalg.svd(weight, full_matrices=False)
    return (left * stretches.clamp(max=largest)) @ right
    # END SOLUTION


# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS

# %%
""" # BEGIN TEST CONFIG
points: 1
failure_message: "The matrix ((3, 0), (0, 0.5)), to be held at the norm 1."
"""  # END TEST CONFIG


def test_two_stretches(nearest_with_norm):
    import torch

    found = nearest_with_norm(torch.tensor([[3.0, 0.0], [0.0, 0.5]]), 1.0)
    assert isinstance(found, torch.Tensor) and found.shape == (2, 2), (
        "not answered yet: return a matrix of the same shape"
    )
    found = found.float()
    assert not torch.allclose(found, torch.eye(2), atol=1e-4), (
        "the smaller stretch was raised to 1: what is below the limit can stay as it is"
    )
    assert abs(float(found[1, 1]) - 1 / 6) > 1e-4, (
        "the whole matrix was divided: only one of its two stretches is too large"
    )
    expected = torch.tensor([[1.0, 0.0], [0.0, 0.5]])
    assert torch.allclose(found, expected, atol=1e-4), (
        f"got {found.tolist()}: the stretch by 3 becomes 1, that by 0.5 stays"
    )


# %%
""" # BEGIN TEST CONFIG
points: 2
hidden: true
failure_message: "Matrices of any shape."
"""  # END TEST CONFIG


def test_any_shape(nearest_with_norm):
    import torch

    generator = torch.Generator().manual_seed(73)
    for rows, columns in ((6, 6), (3, 8), (8, 3)):
        weight = torch.randn(rows, columns, generator=generator)
        values = torch.linalg.svdvals(weight)
        for limit in (float(values[1] + values[0]) / 2, float(values[-1]) / 2, 100.0):
            found = nearest_with_norm(weight, limit)
            assert isinstance(found, torch.Tensor) and found.shape == weight.shape, "wrong shape"
            found = found.float()
            norm = float(torch.linalg.matrix_norm(found, 2))
            assert norm < limit * 1.001, (
                f"the norm is {norm:.4g}, the limit was {limit:.4g}: the norm is not the largest "
                "entry"
            )
            changed = float((found - weight).norm())
            least = float((values - limit).clamp(min=0).norm())
            assert changed < least + 1e-3, (
                f"changed by {changed:.4g} where {least:.4g} is enough: a matrix within the limit "
                "needs no change, and others only in the directions that are stretched too much"
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
# **Question 5: predict before you run (2 points).** A network has three convolutions of stride 2.
# Somebody computes their norms by the paper's formula as it is printed, with $\Delta^{-2}$, all
# else being right, and from the product a certified radius for every image. These radii are ...
#
# - `"a"`: 8 times too large, so an attack may succeed inside of one
# - `"b"`: 8 times too small, so they hold but give much away
# - `"c"`: 64 times too large, so an attack may succeed inside of one
# - `"d"`: twice too large, as the error is made in every layer alike
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
    assert choice != "b", "the norms come out too small, and a radius is a margin divided by them"
    assert choice != "c", "only one factor of the stride is wrong in each layer, not its square"
    assert choice != "d", "the layers are multiplied, and so are their errors"
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
# **Question 6: explain (3 points).** Network A has a product bound of 4000, network B one of 40.
# "So B is a hundred times more robust", says a classmate. In at most eight sentences: how can you
# make a network out of A that reads every image as A does and has a bound of 40? With what must a
# bound be compared? And what would follow if B's *certified radii* were the larger ones, what not?

# %% [raw]
# # BEGIN SOLUTION

# %% [markdown]
# Divide the weights and biases of A's last layer by 100: the order of the logits stays, and so does
# every adversarial image, but the bound is 40. So a bound means something only beside the margins
# between the logits, which were divided too; their ratio is the certified radius. If B's radii are
# larger, then more is *proved* of B. Whether A is less robust does not follow, as A's bound may be
# far above its true stretch: that would take an attack that finds something near A's images.
#
# **Rubric**
#
# - 1 point: rescales the logits, and says that no decision changes.
# - 1 point: a bound must be compared with the margins, image by image.
# - 1 point: larger radii prove more of B, but nothing bad of A; an attack would be needed.

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
# **Question 7: design a control (3 points).** You train a network with the norm of every layer held
# at 1, and the attack has to go 1.5 times as far as in the network that was trained freely. Design
# the experiment that shows whether the *norms* are the reason: what else do you train, what do you
# measure on all of the networks, and which result would speak against you?

# %% [raw]
# # BEGIN SOLUTION

# %% [markdown]
# Train, from the same initial weights and with several seeds, networks that are restrained in
# another way: with weight decay, chosen so that the clean error is that of the network with fixed
# norms, and with the same steepness of the logits. On images that all of them read correctly,
# measure the clean error, the distance that the same attack finds, and that of noise which misleads
# as often. If the decayed networks are as hard to attack, it is the restraint and not the norms; if
# the factor of 1.5 is within the spread of the seeds, it is nothing.
#
# **Rubric**
#
# - 1 point: another restraint as a control, at equal clean error, not only the free network.
# - 1 point: the same attack on the same images, and several seeds.
# - 1 point: names a result that would refute the explanation.

# %% [raw]
# # END SOLUTION

# %% [raw]
# # END QUESTION
