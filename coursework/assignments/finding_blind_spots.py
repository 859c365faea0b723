# %% [markdown]
# # Finding blind spots: graded assignment
#
# This goes with the chapter *Finding blind spots*. You will measure a set of perturbations by one
# number, find the cheapest perturbation exactly where that is possible, write down an objective and
# the first part of a search, and build a control without which none of it means anything.
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
images = load_images("digits", split="train")
my_side = 20 + mine.seed % 21  # of an imaginary square picture
my_dearness = 2 + mine.seed % 7  # of the pixels in the middle
print(f"Your digit is {mine.digit}, your target {mine.target}, your picture {my_side} pixels wide.")

# %% [markdown]
# The classifier of this assignment is affine and has two classes, your digit and your target. Its
# logits are `weight @ x + bias`, and it takes an image for the class whose mean image is nearer.
# Your image is one that it reads correctly.

# %%
means = torch.stack(
    [images.images[images.labels == c].flatten(1).mean(dim=0) for c in (mine.digit, mine.target)]
)
weight, bias = means, -means.square().sum(dim=1) / 2
candidates = images.images[images.labels == mine.digit].flatten(1)
candidates = candidates[(candidates @ weight.T + bias).argmax(dim=1) == 0]
my_image = candidates[mine.seed % 50]
my_cost = torch.ones(8, 8)
my_cost[2:6, 2:6] = my_dearness
my_cost = my_cost.flatten()

# %% [raw]
# # BEGIN QUESTION
# name: q1
# points: 2

# %% [markdown]
# **Question 1: pool (2 points).** The *pooled distortion* of $n$ perturbed images of $m$ pixels
# each is the root of the mean of $r_i^2$ over all $n m$ changes at once. Write the function that
# computes it from the L2 norms of the $n$ perturbations. Then: two of your imaginary pictures,
# `my_side` pixels wide and as many high, have perturbations of L2 norm 1 and 3. What is their
# pooled distortion?

# %% [raw]
# # BEGIN SOLUTION


# %%
def pooled_distortion(norms: list[float], pixels: int) -> float:
    """The root mean square of all changes of all images.

    Args:
        norms: L2 norm of each image's perturbation.
        pixels: of each image.
    """
    return math.sqrt(sum(n**2 for n in norms) / (len(norms) * pixels))  # SOLUTION


my_distortion = math.sqrt(5) / my_side  # SOLUTION

# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS

# %%
""" # BEGIN TEST CONFIG
points: 0.5
failure_message: "Two images of 25 pixels, with perturbations of norm 2 and 14."
"""  # END TEST CONFIG


def test_pools_two(pooled_distortion):
    found = pooled_distortion([2.0, 14.0], 25)
    assert hasattr(found, "__float__"), "not answered yet: the function must return a number"
    found = float(found)
    assert abs(found - 1.6) > 1e-3, (
        "that is the mean of the two distortions: pooled means one mean of squares, then one root"
    )
    assert abs(found - 4) > 1e-3, "that is the mean square: the root is missing"
    assert abs(found - 2**1.5) > 1e-3, "there are 50 changes in two images, not 25"
    assert abs(found - 10) > 1e-3, "that is a mean over the images only: m pixels share each norm"
    assert abs(found - 2) < 1e-3, f"got {found:.3g}: the squares sum to 200, over 50 changes"


# %%
""" # BEGIN TEST CONFIG
points: 0.5
hidden: true
failure_message: "Any number of images, of any size."
"""  # END TEST CONFIG


def test_pools_any(pooled_distortion):
    for norms, pixels, expected in (
        ([1.624], 784, 0.058),
        ([0.0, 0.0], 9, 0.0),
        ([3.0] * 7, 36, 0.5),
    ):
        found = pooled_distortion(norms, pixels)
        assert hasattr(found, "__float__"), "the function must return a number"
        found = float(found)
        assert abs(found - expected) < 1e-3, (
            f"for {len(norms)} images of {pixels} pixels it is {expected:.3g}, not {found:.3g}: "
            "neither number must be written into the function"
        )


# %%
""" # BEGIN TEST CONFIG
points: 1
hidden: true
failure_message: "Your own pictures."
"""  # END TEST CONFIG


def test_own_distortion(my_distortion, my_side):
    assert hasattr(my_distortion, "__float__"), "not answered yet: my_distortion must be a number"
    my_distortion = float(my_distortion)
    assert abs(my_distortion - 5**0.5 / my_side**2) > 1e-6, "m enters by its root"
    assert abs(my_distortion * my_side - 2) > 1e-3, (
        "that is the mean of the two distortions: the larger norm counts for more than that"
    )
    assert abs(my_distortion * my_side - 5**0.5) < 0.02, (
        f"{my_distortion:.4g} is not the pooled distortion of the norms 1 and 3 in pictures "
        f"{my_side} pixels wide: was it computed for another STUDENT?"
    )


# %% [raw]
# # END TESTS

# %% [raw]
# # END QUESTION

# %% [raw]
# # BEGIN QUESTION
# name: q2
# manual: true
# points: 3

# %% [markdown]
# **Question 2: prove (3 points).** Let $f(x) = w \cdot x + b$ be the difference of the two logits,
# target minus digit, with $w \ne 0$. Some pixels are dearer than others: a perturbation costs
# $\sum_i c_i r_i^2$, with all $c_i > 0$. Show that among all $r$ with $f(x + r) = 0$ the cheapest
# is $r_i = -f(x)\, \frac{w_i / c_i}{\sum_j w_j^2 / c_j}$, and that it is the only cheapest one.
# Ignore the box.

# %% [raw]
# # BEGIN SOLUTION

# %% [markdown]
# Let $s_i = \sqrt{c_i}\, r_i$ and $v_i = w_i / \sqrt{c_i}$. Then the cost is $\|s\|^2$, and
# $f(x+r) = f(x) + w \cdot r = f(x) + v \cdot s = 0$ means $v \cdot s = -f(x)$. By Cauchy-Schwarz
# $|f(x)| = |v \cdot s| \le \|v\| \|s\|$, so nothing costs less than $f(x)^2 / \|v\|^2$. Equality
# holds only where $s$ is a multiple of $v$, and the condition fixes the multiple:
# $s = -f(x)\, v / \|v\|^2$, which is the stated $r$. There is no other.
#
# **Rubric**
#
# - 1 point: the condition is turned into an equation for $w \cdot r$, and the cost into a squared
#   norm, by substitution or by a weighted inner product (or both enter a Lagrange function).
# - 1 point: a lower bound for the cost of every admissible $r$, by Cauchy-Schwarz, an orthogonal
#   decomposition, or convexity (a stationary point alone needs a word on why it is a minimum).
# - 1 point: the bound is attained by the stated $r$, and only by it.

# %% [raw]
# # END SOLUTION

# %% [raw]
# # END QUESTION

# %% [raw]
# # BEGIN QUESTION
# name: q3
# points: 4

# %% [markdown]
# **Question 3: compute the minimum (4 points).** Write question 2 down for logits `weight @ x +
# bias` of two classes. Then apply it to your image, your classifier and `my_cost`, in which the
# middle of the picture, where a change is seen most easily, is dearer than its edge.

# %% [raw]
# # BEGIN SOLUTION


# %%
def cheapest_to_tie(weight: Tensor, bias: Tensor, x: Tensor, cost: Tensor) -> Tensor:
    """The r of least sum(cost * r**2) for which both logits of x + r are equal, of shape (m,).

    The box is ignored.

    Args:
        weight: of shape (2, m).
        bias: of shape (2,).
        x: of shape (m,).
        cost: of shape (m,), above zero.
    """
    # BEGIN SOLUTION
    normal = weight[1] - weight[0]
    ahead = normal @ x + bias[1] - bias[0]
    cheap = normal / cost
    return -ahead * cheap / (normal @ cheap)
    # END SOLUTION


my_cheapest = cheapest_to_tie(weight, bias, my_image, my_cost)  # SOLUTION

# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS

# %%
""" # BEGIN TEST CONFIG
points: 1
failure_message: "Two pixels, the second sixteen times as dear as the first."
"""  # END TEST CONFIG


def test_plane(cheapest_to_tie):
    import torch

    weight, bias = torch.tensor([[0.0, 0.0], [3.0, 4.0]]), torch.tensor([0.0, -10.0])
    r = cheapest_to_tie(weight, bias, torch.zeros(2), torch.tensor([1.0, 16.0]))
    assert isinstance(r, torch.Tensor) and r.shape == (2,), (
        "not answered yet: the function must return a tensor of the shape of x"
    )
    r = r.float()
    assert not torch.allclose(r, torch.tensor([-3.0, -0.25]), atol=1e-4), (
        "right size, wrong way: at x + r the difference of the logits must vanish, not double"
    )
    assert not torch.allclose(r, torch.tensor([1.2, 1.6]), atol=1e-4), (
        "that is the shortest r, not the cheapest: the cost does not enter"
    )
    assert not r.abs()[1] > r.abs()[0], "the dearer pixel changes more: divide by the cost"
    tie = 3 * r[0].item() + 4 * r[1].item()
    assert abs(tie - 10) < 1e-3, (
        f"3a + 4b is {tie:.4g} at r, not 10, so the logits do not tie: the cost enters the sum "
        "that you divide by, too"
    )
    assert torch.allclose(r, torch.tensor([3.0, 0.25]), atol=1e-4), (
        f"r = {[round(v, 3) for v in r.tolist()]} ties and costs more than (3, 0.25) does: the "
        "cost of a pixel multiplies the square of its change"
    )


# %%
""" # BEGIN TEST CONFIG
points: 1.5
hidden: true
failure_message: "Random classifiers and costs, where both rows and both biases count."
"""  # END TEST CONFIG


def test_random_classifiers(cheapest_to_tie):
    import torch

    generator = torch.Generator().manual_seed(1)
    for m in (2, 17, 64):
        weight = torch.randn(2, m, generator=generator)
        bias, x = torch.randn(2, generator=generator), torch.randn(m, generator=generator)
        cost = 0.1 + 5 * torch.rand(m, generator=generator)
        r = cheapest_to_tie(weight, bias, x, cost)
        assert isinstance(r, torch.Tensor) and r.shape == (m,), "r must have the shape of x"
        r = r.float()
        logits = weight @ (x + r) + bias
        assert abs((logits[1] - logits[0]).item()) < 1e-3, (
            "the logits at x + r do not tie: w is the difference of the two rows of the weight, "
            "and b the difference of the two biases"
        )
        w = weight[1] - weight[0]
        difference = (w @ x + bias[1] - bias[0]).item()
        least = difference**2 / (w * w / cost).sum().item()
        assert (cost * r * r).sum().item() < 1.001 * least, "r ties, but it is not the cheapest"


# %%
""" # BEGIN TEST CONFIG
points: 1.5
hidden: true
failure_message: "Your own image and classifier."
"""  # END TEST CONFIG


def test_own_image(my_cheapest, my_image, my_cost, weight, bias):
    import torch

    assert isinstance(my_cheapest, torch.Tensor) and my_cheapest.shape == my_image.shape, (
        "not answered yet: my_cheapest must be a tensor like my_image"
    )
    my_cheapest = my_cheapest.float()
    logits = weight @ (my_image + my_cheapest) + bias
    assert abs((logits[1] - logits[0]).item()) < 1e-3, (
        "your image plus my_cheapest does not tie: was it computed for another STUDENT?"
    )
    w = weight[1] - weight[0]
    least = (w @ my_image + bias[1] - bias[0]).item() ** 2 / (w * w / my_cost).sum().item()
    assert (my_cost * my_cheapest * my_cheapest).sum().item() < 1.001 * least + 1e-4, (
        "my_cheapest ties, but something costs less: was it computed with my_cost?"
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
# **Question 4: the objective (3 points).** Without a formula for the minimum, an attack minimises
# $\text{penalty} \cdot \|r\|_2^2 + \mathrm{loss}(x + r, l)$, many points at once. Take for the loss
# not the cross-entropy but the *margin*: by how much the largest logit of all other classes
# exceeds that of the target $l$, and zero where it does not.

# %% [raw]
# # BEGIN SOLUTION


# %%
def objective(
    model: nn.Module, penalty: float, original: Tensor, points: Tensor, target: int
) -> Tensor:
    """The value of the objective at each point: a tensor of shape (n,).

    Args:
        model: maps points of shape (n, m) to logits.
        penalty: the weight of the squared norm.
        original: the image x, of shape (m,).
        points: x + r for n different r, of shape (n, m).
        target: the wanted class, the same for all points.
    """
    # BEGIN SOLUTION
    logits = model(points)
    behind = logits.amax(dim=1) - logits[:, target]
    return penalty * (points - original).square().sum(dim=1) + behind
    # END SOLUTION


# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS

# %%
""" # BEGIN TEST CONFIG
points: 1
failure_message: "At the image itself there is no perturbation: only the loss is left."
"""  # END TEST CONFIG


def test_loss_only(objective):
    import torch
    from torch import nn

    model = nn.Linear(4, 3)
    nn.init.zeros_(model.weight)
    model.bias.data = torch.tensor([0.0, 1.0, 3.0])
    value = objective(model, 5.0, torch.ones(4), torch.ones(2, 4), 1)
    assert isinstance(value, torch.Tensor), "not answered yet: return one value per point"
    value = value.float()
    assert value.shape == (2,), (
        f"the shape is {tuple(value.shape)}, not (2,): each point needs its own value, so sum over "
        "the pixels only and average over nothing"
    )
    entropy = -model.bias.log_softmax(dim=0)[1]
    assert not torch.allclose(value, entropy, atol=1e-3), "that is the cross-entropy"
    assert not torch.allclose(value, torch.tensor(22.0), atol=1e-4), (
        "the points are the image itself here: r is their difference, and costs nothing"
    )
    assert (value >= 0).all(), "the sign of the loss: it falls as the target's logit rises"
    assert torch.allclose(value, torch.tensor(2.0), atol=1e-4), (
        f"the logits are 0, 1 and 3, so class 1 is 2 behind, not {value[0].item():.3f}"
    )


# %%
""" # BEGIN TEST CONFIG
points: 1
hidden: true
failure_message: "Where the target leads, there is nothing left to gain."
"""  # END TEST CONFIG


def test_won(objective):
    import torch
    from torch import nn

    model = nn.Linear(4, 3)
    nn.init.zeros_(model.weight)
    model.bias.data = torch.tensor([-5.0, 1.0, -3.0])
    value = objective(model, 5.0, torch.ones(4), torch.ones(2, 4), 1)
    assert isinstance(value, torch.Tensor) and value.shape == (2,), "return one value per point"
    value = value.float()
    assert (value > -1e-5).all(), "below zero: the attack is not paid for leading by more"
    assert (value < 1e-5).all(), "the target leads, and the loss is not zero"


# %%
""" # BEGIN TEST CONFIG
points: 1
hidden: true
failure_message: "The price of the perturbation."
"""  # END TEST CONFIG


def test_price(objective):
    import torch
    from torch import nn

    model = nn.Linear(4, 3)
    original = torch.zeros(4)
    points = torch.tensor([[0.0, 0.0, 0.0, 0.0], [0.3, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0]])
    dear, cheap = (objective(model, penalty, original, points, 2) for penalty in (7.0, 0.0))
    assert isinstance(dear, torch.Tensor) and dear.shape == (3,), "return one value per point"
    price = (dear - cheap).float() / 7
    assert not torch.allclose(price, torch.tensor([0.0, 0.3, 2.0]), atol=1e-3), (
        "that is the norm, not its square"
    )
    assert not torch.allclose(price, torch.tensor([0.0, 0.0225, 1.0]), atol=1e-3), (
        "that is the mean over the pixels: the squared norm is their sum"
    )
    assert torch.allclose(price, torch.tensor([0.0, 0.09, 4.0]), atol=1e-3), (
        f"the squared norms are 0, 0.09 and 4; yours are {[round(p, 3) for p in price.tolist()]}"
    )


# %% [raw]
# # END TESTS

# %% [raw]
# # END QUESTION

# %% [raw]
# # BEGIN QUESTION
# name: q5
# points: 4

# %% [markdown]
# **Question 5: the bracket (4 points).** The larger the penalty, the smaller the perturbation, as
# long as the attack succeeds. A search by halves needs two penalties to begin with: one that
# succeeds and a larger one that fails. `succeeds(penalty)` runs a minimisation, which is dear, and
# says whether its result is taken for the target. Go up from `start` in steps of the factor
# `factor` while the attack succeeds, or down from it while it fails, and return two neighbours of
# which the smaller succeeds and the larger fails. You may rely on it that there are such.

# %% [raw]
# # BEGIN SOLUTION


# %%
def bracket(succeeds: Callable[[float], bool], start: float, factor: float) -> tuple[float, float]:
    """Two neighbours among start * factor**k: one that succeeds, and the next, which fails.

    Args:
        succeeds: whether the attack with this penalty succeeds; every call is a minimisation.
        start: the first penalty to try, above zero.
        factor: between neighbours, above one.
    """
    # BEGIN SOLUTION
    begun_well = succeeds(start)
    stride = factor if begun_well else 1 / factor
    here, there = start, start * stride
    while succeeds(there) == begun_well:
        here, there = there, there * stride
    return (here, there) if begun_well else (there, here)
    # END SOLUTION


# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS

# %%
""" # BEGIN TEST CONFIG
points: 1
failure_message: "Everything up to 3 succeeds, and 0.01 is the start."
"""  # END TEST CONFIG


def test_goes_up(bracket):
    found = bracket(lambda penalty: penalty <= 3, 0.01, 10.0)
    assert isinstance(found, list | tuple) and len(found) == 2, (
        "not answered yet: return two penalties"
    )
    low, high = (float(end) for end in found)
    assert low < high, "the one that succeeds comes first, and it is the smaller"
    assert low <= 3, f"{low:.4g} fails, and stands first: go one step less"
    assert high > 3, f"{high:.4g} succeeds, and stands second: go on while the attack succeeds"
    assert abs(low - 1) < 1e-6 and abs(high - 10) < 1e-5, (
        f"from 0.01 by tens the two are 1 and 10, not {low:.4g} and {high:.4g}"
    )


# %%
""" # BEGIN TEST CONFIG
points: 1
hidden: true
failure_message: "A start that fails."
"""  # END TEST CONFIG


def test_goes_down(bracket):
    tried = []

    def succeeds(penalty):
        tried.append(penalty)
        assert len(tried) < 50, "goes on for ever"
        return penalty <= 3

    found = bracket(succeeds, 1000.0, 10.0)
    assert isinstance(found, list | tuple) and len(found) == 2, "return two penalties"
    low, high = (float(end) for end in found)
    assert low <= 3, f"{low:.4g} fails, and stands first: from a start that fails, go down"
    assert abs(low - 1) < 1e-6 and abs(high - 10) < 1e-5, (
        f"from 1000 by tens the two are 1 and 10, not {low:.4g} and {high:.4g}"
    )


# %%
""" # BEGIN TEST CONFIG
points: 1
hidden: true
failure_message: "Any start and any factor."
"""  # END TEST CONFIG


def test_any_ladder(bracket):
    for start, factor, expected in ((1.0, 2.0, (2.0, 4.0)), (81.0, 3.0, (3.0, 9.0))):
        found = bracket(lambda penalty: penalty <= 3.5, start, factor)
        assert isinstance(found, list | tuple) and len(found) == 2, "return two penalties"
        low, high = (float(end) for end in found)
        assert abs(low - expected[0]) < 1e-6 and abs(high - expected[1]) < 1e-6, (
            f"from {start:g} by {factor:g} the two are {expected}, not {low:.4g} and {high:.4g}: "
            "are start and factor used?"
        )


# %%
""" # BEGIN TEST CONFIG
points: 1
hidden: true
failure_message: "Every call is a minimisation: none twice."
"""  # END TEST CONFIG


def test_wastes_nothing(bracket):
    for start, most in ((0.01, 4), (1000.0, 4), (1.0, 2), (10.0, 2)):
        tried = []

        def succeeds(penalty, tried=tried):
            tried.append(round(penalty, 9))
            return penalty <= 3

        bracket(succeeds, start, 10.0)
        assert tried, "succeeds was never called"
        assert len(set(tried)) == len(tried), f"tried {tried} from {start:g}: remember the answers"
        assert len(tried) <= most, f"tried {tried} from {start:g}: {most} calls are enough"


# %% [raw]
# # END TESTS

# %% [raw]
# # END QUESTION

# %% [raw]
# # BEGIN QUESTION
# name: q6
# points: 2

# %% [markdown]
# **Question 6: predict before you run (2 points).** You add noise to an image of $m$ pixels:
# Gaussian, scaled so that its L2 norm is that of the *shortest* perturbation (question 2 with all
# costs one), which changes $f$ by $-f(x)$. By how much, typically, does the noise change it?
#
# - `"a"`: by as much, because its norm is the same
# - `"b"`: by about $1/\sqrt m$ of that
# - `"c"`: by about $1/m$ of that
# - `"d"`: by exactly nothing, because the noise has mean zero
#
# Answer before you go on; a wrong prediction still earns a point.

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
    assert choice != "a", "the norm is the same, but only the part of the noise along w counts"
    assert choice != "c", "the squares of the parts add up to the squared norm: take a root"
    assert choice != "d", "the mean is zero, but a single draw is not its mean"
    assert choice == "b", "there are four answers to choose from"


# %% [raw]
# # END TESTS

# %% [raw]
# # END QUESTION

# %% [raw]
# # BEGIN QUESTION
# name: q7
# points: 4

# %% [markdown]
# **Question 7: a control (4 points).** Noise of the same size is one control. Another asks whether
# the perturbation has to be *this image's*: give each image the perturbation of another image of
# the set, drawn at random, and scale it to the L2 norm that its own perturbation had. Nothing is
# clipped.

# %% [raw]
# # BEGIN SOLUTION


# %%
def borrowed(original: Tensor, perturbed: Tensor, seed: int) -> Tensor:
    """The originals, each with the perturbation of another, scaled to the norm of its own.

    No image gets its own. One perturbation may serve several images.

    Args:
        original: images of shape (n, m), at least two.
        perturbed: the same images with their perturbations, none of which is zero.
        seed: of the generator that draws: the same seed, the same result.
    """
    # BEGIN SOLUTION
    change = perturbed - original
    norm = change.norm(dim=1, keepdim=True)
    circle = torch.randperm(len(change), generator=torch.Generator().manual_seed(seed))
    lender = torch.empty_like(circle)
    lender[circle] = circle.roll(1)
    return original + norm * (change / norm)[lender]
    # END SOLUTION


# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS

# %%
""" # BEGIN TEST CONFIG
points: 1
failure_message: "The norm, row by row."
"""  # END TEST CONFIG


def test_norms(borrowed):
    import torch

    generator = torch.Generator().manual_seed(3)
    original = torch.rand(6, 50, generator=generator)
    sizes = torch.tensor([0.1, 0.2, 0.5, 1.0, 2.0, 0.01])[:, None]
    direction = torch.randn(6, 50, generator=generator)
    perturbed = original + sizes * direction / direction.norm(dim=1, keepdim=True)
    given = borrowed(original, perturbed, 0)
    assert isinstance(given, torch.Tensor) and given.shape == (6, 50), (
        "not answered yet: return images of the shape of the originals"
    )
    given = given.float()
    assert not torch.allclose(given.norm(dim=1), sizes[:, 0], rtol=1e-3), (
        "that is the perturbation alone: return the originals with it"
    )
    assert not bool(((given == 0) | (given == 1)).any()), (
        "some pixels are exactly 0 or 1: do not clip, or the norms are no longer equal"
    )
    norms = (given - original).norm(dim=1)
    assert norms.min() > 0, "some rows are not changed at all"
    assert not torch.allclose(norms.sort().values, sizes[:, 0].sort().values, rtol=1e-3) or (
        torch.allclose(norms, sizes[:, 0], rtol=1e-3)
    ), "each perturbation keeps the norm that it had: scale it to that of the image's own"
    assert torch.allclose(norms, sizes[:, 0], rtol=1e-2), (
        "the norms are not those of the images' own perturbations"
    )


# %%
""" # BEGIN TEST CONFIG
points: 2
hidden: true
failure_message: "Whose perturbation it is."
"""  # END TEST CONFIG


def test_is_anothers(borrowed):
    import torch

    generator = torch.Generator().manual_seed(4)
    for n in (8, 3, 2):
        original = torch.rand(n, 400, generator=generator)
        r = 0.3 * torch.randn(n, 400, generator=generator)
        unit = r / r.norm(dim=1, keepdim=True)
        for seed in range(12):
            given = borrowed(original, original + r, seed)
            assert isinstance(given, torch.Tensor) and given.shape == (n, 400), "wrong shape"
            change = given.float() - original
            alike = (change / change.norm(dim=1, keepdim=True)) @ unit.T
            own = alike.diagonal().abs()
            assert not (own > 0.9).all(), "these are the images' own perturbations"
            assert own.max() < 0.9, (
                f"with seed {seed} and {n} images, one keeps its own perturbation: a permutation "
                "may leave something in its place"
            )
            assert alike.min() > -0.9, "the perturbation is turned round"
            assert alike.amax(dim=1).min() > 0.99, (
                "what is added is not the perturbation of another image: do not mix several, nor "
                "draw noise, nor take the difference of two images"
            )


# %%
""" # BEGIN TEST CONFIG
points: 1
hidden: true
failure_message: "The seed."
"""  # END TEST CONFIG


def test_seed(borrowed):
    import torch

    original = torch.zeros(30, 40)
    perturbed = torch.randn(30, 40, generator=torch.Generator().manual_seed(5))
    one, again, other = (borrowed(original, perturbed, seed) for seed in (5, 5, 6))
    assert isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor), "wrong type"
    assert torch.equal(one, again), "the same seed gives another result: nobody can repeat it"
    assert not torch.equal(one, other), (
        "another seed gives the same result: draw the other image with the seed"
    )


# %% [raw]
# # END TESTS

# %% [raw]
# # END QUESTION

# %% [raw]
# # BEGIN QUESTION
# name: q8
# manual: true
# points: 3

# %% [markdown]
# **Question 8: explain (3 points).** A classmate reports: "My attack fooled the network on all 256
# images, with a mean distortion of 0.3." In at most eight sentences: which control do you ask for,
# what result of it would make the report worthless, and why is a low mean distortion alone no
# answer?

# %% [raw]
# # BEGIN SOLUTION

# %% [markdown]
# Ask for noise of the same norm, image by image, on the same images and the same network. If it
# fools the network about as often as the attack, the report says that the network is not robust to
# noise of that size, and nothing about directions. A distortion of 0.3 is a third of the range of a
# pixel; a mean hides a few images with huge perturbations, and whether 0.3 is small depends on the
# data, which is what the control measures.
#
# **Rubric**
#
# - 1 point: a control of equal size for each image, on the same images.
# - 1 point: names the result that would count against the attack (noise fools as often).
# - 1 point: why the mean alone does not do (spread, scale of the data, or no comparison).

# %% [raw]
# # END SOLUTION

# %% [raw]
# # END QUESTION
