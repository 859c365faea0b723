# %% [markdown]
# # Finding blind spots: graded assignment
#
# This goes with the chapter *Finding blind spots*. You will convert between two measures of a
# perturbation, find the smallest one exactly where that is possible, write down the paper's
# objective and its search, and build the control without which none of it means anything.
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

# %% [raw]
# # BEGIN QUESTION
# name: q1
# points: 2

# %% [markdown]
# **Question 1: convert (2 points).** The paper, as reported, measures a perturbation $r$ of $m$
# pixels by its *distortion*, $\sqrt{\sum_i r_i^2 / m}$. Write the function that gives its L2 norm.
# Then: a perturbation of your imaginary picture, `my_side` pixels wide and as many high, has the
# L2 norm 2. What is its distortion?

# %% [raw]
# # BEGIN SOLUTION


# %%
def l2_from_distortion(distortion: float, pixels: int) -> float:
    """The L2 norm of a perturbation with this distortion, in an image of so many pixels."""
    return distortion * math.sqrt(pixels)  # SOLUTION


my_distortion = 2 / my_side  # SOLUTION

# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS

# %%
""" # BEGIN TEST CONFIG
points: 0.5
failure_message: "Table 1 says 0.058 for FC100-100-10, on 784 pixels: an L2 norm of 1.62."
"""  # END TEST CONFIG


def test_converts_table_1(l2_from_distortion):
    norm = l2_from_distortion(0.058, 784)
    assert hasattr(norm, "__float__"), "not answered yet: the function must return a number"
    norm = float(norm)
    assert norm < 40, "too large: the sum of squares grows with m, its root only with the root of m"
    assert norm > 0.1, "too small: an L2 norm is a root of a sum, the distortion a root of a mean"
    assert abs(norm - 1.624) < 1e-3, f"got {norm:.3g}: compare the two formulas"


# %%
""" # BEGIN TEST CONFIG
points: 0.5
hidden: true
failure_message: "Other sizes of pictures."
"""  # END TEST CONFIG


def test_converts_any_size(l2_from_distortion):
    for distortion, pixels in ((0.2, 64), (0.006508, 150528), (0.0, 10)):
        norm, expected = l2_from_distortion(distortion, pixels), distortion * pixels**0.5
        assert hasattr(norm, "__float__"), "the function must return a number"
        norm = float(norm)
        assert distortion == 0 or abs(norm - 28 * distortion) > 1e-6, (
            f"that is right for 784 pixels, not for {pixels}: 784 must not be in the function"
        )
        assert abs(norm - expected) < 1e-6 * (1 + expected), (
            f"for {pixels} pixels and distortion {distortion:g} the norm is {expected:.4g}, not "
            f"{norm:.4g}: compare the two formulas"
        )


# %%
""" # BEGIN TEST CONFIG
points: 1
hidden: true
failure_message: "Your own picture."
"""  # END TEST CONFIG


def test_own_distortion(my_distortion, my_side):
    assert hasattr(my_distortion, "__float__"), "not answered yet: my_distortion must be a number"
    my_distortion = float(my_distortion)
    assert abs(my_distortion - 2 / my_side**2) > 1e-6, "m enters by its root, and m is my_side ** 2"
    assert abs(my_distortion * my_side - 2) < 0.02, (
        f"{my_distortion:.4g} is not the distortion of an L2 norm of 2 in a picture {my_side} "
        "pixels wide: was it computed for another STUDENT, or in the wrong direction?"
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
# target minus digit, with $w \ne 0$. Show that among all $r$ with $f(x + r) = 0$ the shortest is
# $r = -f(x)\, w / \|w\|^2$, and that it is the only shortest one. Ignore the box.

# %% [raw]
# # BEGIN SOLUTION

# %% [markdown]
# From $f(x+r) = f(x) + w \cdot r = 0$ follows $w \cdot r = -f(x)$. By Cauchy and Schwarz
# $|f(x)| = |w \cdot r| \le \|w\| \|r\|$, so every such $r$ has a norm of at least $|f(x)| / \|w\|$.
# The stated $r$ satisfies the condition and has exactly that norm. Equality holds only where $r$ is
# a multiple of $w$, and the condition fixes the multiple: there is no other.
#
# **Rubric**
#
# - 1 point: the condition is turned into $w \cdot r = -f(x)$.
# - 1 point: a lower bound for every admissible $r$, by Cauchy-Schwarz, an orthogonal decomposition
#   or a Lagrange multiplier (for the latter, with a word on why the stationary point is a minimum).
# - 1 point: the bound is attained, and only there.

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
# bias` of two classes, and apply it to your image.

# %% [raw]
# # BEGIN SOLUTION


# %%
def shortest_to_tie(weight: Tensor, bias: Tensor, x: Tensor) -> Tensor:
    """The shortest r for which the two logits of x + r are equal; the box is ignored.

    Args:
        weight: of shape (2, m).
        bias: of shape (2,).
        x: of shape (m,).
    """
    # BEGIN SOLUTION
    normal = weight[1] - weight[0]
    ahead = normal @ x + bias[1] - bias[0]
    return -ahead * normal / (normal @ normal)
    # END SOLUTION


my_shortest = shortest_to_tie(weight, bias, my_image)  # SOLUTION

# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS

# %%
""" # BEGIN TEST CONFIG
points: 1
failure_message: "Two classes in the plane, with a boundary at the distance 2 from x."
"""  # END TEST CONFIG


def test_plane(shortest_to_tie):
    import torch

    weight, bias = torch.tensor([[0.0, 0.0], [3.0, 4.0]]), torch.tensor([0.0, -10.0])
    r = shortest_to_tie(weight, bias, torch.zeros(2))
    assert isinstance(r, torch.Tensor) and r.shape == (2,), (
        "not answered yet: the function must return a tensor of the shape of x"
    )
    r = r.float()
    assert not torch.allclose(r, torch.tensor([-1.2, -1.6]), atol=1e-4), (
        "right length, wrong way: at x + r the difference of the logits must vanish, not double"
    )
    assert not torch.allclose(r, torch.tensor([6.0, 8.0]), atol=1e-4), (
        "five times too long: divide by the square of the norm of w, or by its norm twice"
    )
    assert torch.allclose(r, torch.tensor([1.2, 1.6]), atol=1e-4), (
        f"r = {r.tolist()}, but the nearest point of the line 3a + 4b = 10 is (1.2, 1.6)"
    )


# %%
""" # BEGIN TEST CONFIG
points: 1.5
hidden: true
failure_message: "Random classifiers, where both rows of the weight and both biases count."
"""  # END TEST CONFIG


def test_random_classifiers(shortest_to_tie):
    import torch

    generator = torch.Generator().manual_seed(1)
    for m in (2, 17, 64):
        weight = torch.randn(2, m, generator=generator)
        bias, x = torch.randn(2, generator=generator), torch.randn(m, generator=generator)
        r = shortest_to_tie(weight, bias, x)
        assert isinstance(r, torch.Tensor) and r.shape == (m,), "r must have the shape of x"
        r = r.float()
        logits = weight @ (x + r) + bias
        assert abs(float(logits[1] - logits[0])) < 1e-3, (
            "the logits at x + r do not tie: w is the difference of the two rows of the weight, "
            "and b the difference of the two biases"
        )
        w = weight[1] - weight[0]
        along = float(r @ w) ** 2
        assert along > 0.999 * float(r @ r) * float(w @ w), "r ties, but it is not the shortest"


# %%
""" # BEGIN TEST CONFIG
points: 1.5
hidden: true
failure_message: "Your own image and classifier."
"""  # END TEST CONFIG


def test_own_image(my_shortest, my_image, weight, bias):
    import torch

    assert isinstance(my_shortest, torch.Tensor) and my_shortest.shape == my_image.shape, (
        "not answered yet: my_shortest must be a tensor like my_image"
    )
    my_shortest = my_shortest.float()
    logits = weight @ (my_image + my_shortest) + bias
    assert abs(float(logits[1] - logits[0])) < 1e-3, (
        "your image plus my_shortest does not tie: was it computed for another STUDENT?"
    )
    w = weight[1] - weight[0]
    shortest = float((w @ my_image + bias[1] - bias[0]).abs() / w.norm())
    assert float(my_shortest.norm()) < 1.001 * shortest + 1e-4, (
        "my_shortest ties, but is not the shortest"
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
# **Question 4: the objective (3 points).** Without a formula for the minimum, the attack minimises
# $\text{penalty} \cdot \|r\|_2^2 + \mathrm{loss}(x + r, l)$, many points at once. The loss is the
# cross-entropy of the target $l$.

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
    squared = (points - original).square().sum(dim=1)
    surprise = -model(points).log_softmax(dim=1)[:, target]
    return penalty * squared + surprise
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
    expected = -model.bias.log_softmax(dim=0)[1]
    assert not torch.allclose(value, -expected), (
        "the sign of the loss: log-probabilities are negative"
    )
    assert not torch.allclose(value, expected.expand(2) + 20), (
        "the points are the image itself here: r is their difference, and costs nothing"
    )
    assert torch.allclose(value, expected.expand(2), atol=1e-4), (
        f"the cross-entropy of class 1 is {float(expected):.3f} here, not {float(value[0]):.3f}"
    )


# %%
""" # BEGIN TEST CONFIG
points: 2
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
        f"the squared norms are 0, 0.09 and 4; yours are {[round(float(p), 3) for p in price]}"
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
# **Question 5: the search (4 points).** The larger the penalty, the smaller the perturbation, as
# long as the attack succeeds. `succeeds(penalty)` runs a minimisation, which is dear, and says
# whether the minimiser is taken for the target. It is true at `low` and false at `high`. Halve the
# interval between them `steps` times, on a logarithmic scale, and return the largest penalty known
# to succeed.

# %% [raw]
# # BEGIN SOLUTION


# %%
def largest_success(
    succeeds: Callable[[float], bool], low: float, high: float, steps: int
) -> float:
    """The largest penalty that was seen to succeed, after `steps` calls of `succeeds`.

    Args:
        succeeds: whether the attack with this penalty succeeds; every call is a minimisation.
        low: a penalty that is known to succeed, above zero.
        high: one that is known to fail.
        steps: how often to halve the interval.
    """
    # BEGIN SOLUTION
    works, breaks = math.log(low), math.log(high)
    for _halving in range(steps):
        halfway = 0.5 * (works + breaks)
        if succeeds(math.exp(halfway)):
            works = halfway
        else:
            breaks = halfway
    return low if works == math.log(low) else math.exp(works)
    # END SOLUTION


# %% [raw]
# # END SOLUTION

# %% [raw]
# # BEGIN TESTS

# %%
""" # BEGIN TEST CONFIG
points: 1
failure_message: "A search whose answer is known: everything up to 3 succeeds."
"""  # END TEST CONFIG


def test_finds_three(largest_success):
    found = largest_success(lambda penalty: penalty <= 3, 0.01, 100.0, 40)
    assert hasattr(found, "__float__"), "not answered yet: return a penalty"
    found = float(found)
    assert found > 0.02, "that is the smallest penalty: the paper's word, but the wrong end"
    assert abs(found - 3) < 0.01, f"got {found:.4g}: the largest penalty that succeeds is 3"


# %%
""" # BEGIN TEST CONFIG
points: 1
hidden: true
failure_message: "What is returned must itself succeed, also after few steps."
"""  # END TEST CONFIG


def test_result_succeeds(largest_success):
    for steps in range(8):
        found = largest_success(lambda penalty: penalty <= 3, 0.01, 100.0, steps)
        assert hasattr(found, "__float__"), "return a penalty, also after 0 steps"
        found = float(found)
        assert found <= 3, (
            f"after {steps} steps the result is {found:.4g}, which fails: keep the penalty that "
            "succeeded, not the last one tried, nor the upper end"
        )


# %%
""" # BEGIN TEST CONFIG
points: 1
hidden: true
failure_message: "Halving on a logarithmic scale."
"""  # END TEST CONFIG


def test_halves_the_logarithm(largest_success):
    tried = []

    def succeeds(penalty):
        tried.append(penalty)
        return penalty <= 3

    largest_success(succeeds, 0.01, 100.0, 3)
    assert tried, "succeeds was never called"
    assert abs(tried[0] - 50.005) > 1e-3, (
        "the first penalty tried is the arithmetic middle: between 0.01 and 100 the logarithmic "
        "middle is 1, and half of all steps would go into the upper decade"
    )
    assert abs(tried[0] - 1) < 1e-4, f"the first penalty tried is {tried[0]:.4g}, not 1"


# %%
""" # BEGIN TEST CONFIG
points: 1
hidden: true
failure_message: "Every call is a minimisation, so no more of them than steps."
"""  # END TEST CONFIG


def test_spends_no_more_than_it_may(largest_success):
    calls = []

    def succeeds(penalty):
        calls.append(penalty)
        return penalty <= 0.5

    found = largest_success(succeeds, 0.001, 10.0, 12)
    assert len(calls) <= 12, f"12 steps were allowed, succeeds was called {len(calls)} times"
    assert len(calls) == 12, f"succeeds was called {len(calls)} times: there were 12 steps to use"
    assert hasattr(found, "__float__") and abs(found - 0.5) < 0.005, (
        "after 12 steps the result must be within one percent"
    )
    found = float(found)


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
# Gaussian, scaled so that its L2 norm is that of the shortest perturbation of question 3. That
# perturbation changes $f$ by $-f(x)$. By how much, typically, does the noise change it?
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
# **Question 7: the control (4 points).** An adversarial perturbation means something only if noise
# of the same size does not do the same. Write that control: Gaussian noise in place of the
# perturbation, drawn anew for each image, and for each image of exactly the L2 norm of its
# perturbation. Nothing is clipped.

# %% [raw]
# # BEGIN SOLUTION


# %%
def noise_of_equal_norm(original: Tensor, perturbed: Tensor, seed: int) -> Tensor:
    """The originals with Gaussian noise, row by row of the norm of perturbed - original.

    Args:
        original: images of shape (n, m).
        perturbed: the same images with their perturbations.
        seed: of the generator that draws the noise: the same seed, the same noise.
    """
    # BEGIN SOLUTION
    drawn = torch.randn(original.shape, generator=torch.Generator().manual_seed(seed))
    wanted_norm = (perturbed - original).norm(dim=1, keepdim=True)
    return original + wanted_norm * drawn / drawn.norm(dim=1, keepdim=True)
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


def test_norms(noise_of_equal_norm):
    import torch

    generator = torch.Generator().manual_seed(3)
    original = torch.rand(6, 50, generator=generator)
    sizes = torch.tensor([0.1, 0.2, 0.5, 1.0, 2.0, 0.01])[:, None]
    direction = torch.randn(6, 50, generator=generator)
    perturbed = original + sizes * direction / direction.norm(dim=1, keepdim=True)
    noisy = noise_of_equal_norm(original, perturbed, 0)
    assert isinstance(noisy, torch.Tensor) and noisy.shape == (6, 50), (
        "not answered yet: return images of the shape of the originals"
    )
    noisy = noisy.float()
    assert not torch.allclose(noisy.norm(dim=1), sizes[:, 0], rtol=1e-3), (
        "that is the noise alone: return the originals with noise"
    )
    assert not torch.allclose((noisy - perturbed).norm(dim=1), sizes[:, 0], rtol=1e-3), (
        "the noise was added to the perturbed images: it takes the place of the perturbation"
    )
    norms = (noisy - original).norm(dim=1)
    assert norms.min() > 0, "some rows are not changed at all"
    assert not bool(((noisy == 0) | (noisy == 1)).any()), (
        "some pixels are exactly 0 or 1: clipping makes the noise shorter than the perturbation"
    )
    assert not (norms > 5 * sizes[:, 0]).all(), (
        "far too long: was every pixel given the norm of the whole row as standard deviation?"
    )
    share = norms / sizes[:, 0]
    assert share.max() < 1.5 * share.min(), (
        "the norms do not follow those of the perturbations: each row has its own"
    )
    assert torch.allclose(norms, sizes[:, 0], rtol=1e-3), (
        "about right, but not exactly: divide each row's noise by its own norm"
    )


# %%
""" # BEGIN TEST CONFIG
points: 2
hidden: true
failure_message: "The noise must be noise."
"""  # END TEST CONFIG


def test_is_noise(noise_of_equal_norm):
    import torch

    generator = torch.Generator().manual_seed(4)
    original = torch.rand(5, 400, generator=generator)
    perturbed = original + torch.randn(5, 400, generator=generator)
    noisy = noise_of_equal_norm(original, perturbed, 1)
    assert isinstance(noisy, torch.Tensor) and noisy.shape == (5, 400), "wrong shape"
    noisy = noisy.float()
    noise, r = noisy - original, perturbed - original
    unit, along = noise / noise.norm(dim=1, keepdim=True), r / r.norm(dim=1, keepdim=True)
    assert (unit * along).sum(dim=1).abs().max() < 0.5, (
        "this is the perturbation again, or its opposite: a control must know nothing of it"
    )
    assert unit.sum(dim=1).abs().max() < 10, (
        "nearly all pixels become brighter, or nearly all darker: Gaussian noise has mean zero"
    )
    alike = (unit @ unit.T).fill_diagonal_(0)
    assert alike.abs().max() < 0.5, "all rows have the same noise: draw it anew for each image"
    assert not torch.allclose(r.abs().sort(dim=1).values, noise.abs().sort(dim=1).values), (
        "this is the perturbation with its pixels shuffled: draw Gaussian noise"
    )
    kurtosis = 400 * unit.pow(4).sum(dim=1).mean()
    assert 2.2 < float(kurtosis) < 4.2, (
        f"the pixels do not look Gaussian (kurtosis {float(kurtosis):.1f} instead of 3): all signs "
        "and uniform noise point into corners"
    )


# %%
""" # BEGIN TEST CONFIG
points: 1
hidden: true
failure_message: "The seed, and what must not change."
"""  # END TEST CONFIG


def test_seed(noise_of_equal_norm):
    import torch

    original, perturbed = torch.zeros(2, 30), torch.ones(2, 30)
    one, again, other = (noise_of_equal_norm(original, perturbed, seed) for seed in (5, 5, 6))
    assert isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor), "wrong type"
    assert torch.equal(one, again), "the same seed gives different noise: nobody can repeat it"
    assert not torch.equal(one, other), "another seed gives the same noise: the seed is not used"


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
