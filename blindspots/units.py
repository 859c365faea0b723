"""Single units against random directions of the same space: pictures, scores and an exact test."""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from tqdm.auto import trange

from blindspots.data import class_numbers, refuse_other_than_floats
from blindspots.directions import haar_bases, refuse_other_than_features

# Activations sorted at once; on a GPU, 999 rotations of 100 units on 10,000 images.
SORTED_AT_ONCE = {"cpu": 2**24, "cuda": 2**30}
PIXELS_AT_ONCE = 2**27  # of mean images

Name = TypeVar("Name", bound=Hashable)
Coherence = Callable[[Int[Tensor, "*b m k"]], Float[Tensor, "*b m"]]


@dataclass(frozen=True)
class BasisTest:
    """What `basis_test` finds.

    Attributes:
        natural: coherence of every unit.
        rotated: coherence of every direction of every random basis.
        pvalue: of the mean over the units among the means over the random bases, two-sided.
        superiority: probability, in [0, 1], that a unit beats a random direction (ties: half).
    """

    natural: Float[Tensor, "m"]
    rotated: Float[Tensor, "rotations m"]
    pvalue: float
    superiority: float


def participation_ratio(features: Float[Tensor, "n d"]) -> float:
    """Count the dimensions that the features fill, from 1 to d: (sum of l)^2 / sum of l^2.

    The l are the variances along the principal directions.

    Raises:
        TypeError: if the features are not a tensor of 32- or 64-bit numbers.
        ValueError: if they are not a finite matrix, or the same for all images.
    """
    refuse_other_than_features(features)
    variances = torch.linalg.eigvalsh(torch.atleast_2d(features.double().mT.cov()))
    if not variances.sum() > 0:
        raise ValueError("the features of all images are equal and fill no dimension")
    return (variances.sum().square() / variances.square().sum()).item()


def top_images(
    features: Float[Tensor, "n d"], directions: Float[Tensor, "*b d m"], *, k: int
) -> Int[Tensor, "*b m k"]:
    """Find the k images that reach farthest along each direction, the farthest first (section 3).

    For the units themselves the directions are `torch.eye(d)`. Among images with equal activations
    (a ReLU unit that is mostly silent) the choice is arbitrary: shuffle images if they are ordered.

    Args:
        features: activations of n images.
        directions: as columns, of any length; one set, or batches of sets.
        k: number of images, from 1 to n.

    Returns:
        Indices of images.

    Raises:
        TypeError: if the features are not a tensor of 32- or 64-bit numbers.
        ValueError: if k is out of its range, the shapes do not match, or a feature is not finite.
    """
    refuse_other_than_features(features)
    n, d = features.shape
    if not 1 <= k <= n:
        raise ValueError(f"k must lie between 1 and the number of images, {n}, got {k}")
    refuse_other_than_floats(directions, "directions")
    if not directions.isfinite().all():
        raise ValueError("directions must be finite, but contain NaN or infinity")
    if directions.shape[-2:-1] != (d,):
        raise ValueError(
            f"directions of {d} features must have {d} rows, got shape {tuple(directions.shape)}"
        )
    return (directions.to(features).mT @ features.mT).topk(k).indices


def label_agreement(labels: Int[Tensor, "n"], top: Int[Tensor, "*b m k"]) -> Float[Tensor, "*b m"]:
    """Compute the share of pairs among the top images that have one label, in [0, 1].

    sum over classes of n_c (n_c - 1) / (k (k - 1)), for each direction.

    Args:
        labels: classes of all images.
        top: indices, as `top_images` returns them; at least two per direction.

    Raises:
        TypeError: if the labels are not integers.
        ValueError: if there are no pairs, or fewer labels than images.

    >>> label_agreement(torch.tensor([0, 0, 0, 1]), torch.tensor([[0, 1, 3], [0, 1, 2]]))
    tensor([0.3333, 1.0000])
    """
    k = _pairs(top)
    labels = _labels(labels, top)
    chosen = labels[top]
    counts = torch.zeros(*top.shape[:-1], int(labels.max()) + 1, device=labels.device)
    counts.scatter_add_(-1, chosen, torch.ones_like(chosen, dtype=counts.dtype))
    return (counts * (counts - 1)).sum(dim=-1) / (k * (k - 1))


def pixel_compactness(
    images: Float[Tensor, "n *shape"], top: Int[Tensor, "*b m k"]
) -> Float[Tensor, "*b m"]:
    """Score how alike the top images are: 1 if identical, 0 at chance level, negative below it.

    1 - (mean squared distance of two of the top images) / (that of two of all images), for each
    direction. Below 0 they are less alike than images at random.

    Args:
        images: all images.
        top: indices, as `top_images` returns them; at least two per direction.

    Raises:
        TypeError: if the images are not floating point.
        ValueError: if there are no pairs, or all images are equal.
    """
    k = _pairs(top)
    refuse_other_than_floats(images)
    _refuse_others(top, len(images))
    pixels = images.flatten(1).to(torch.promote_types(images.dtype, torch.float32))
    pixels = pixels - pixels.mean(dim=0)
    squares = pixels.square().sum(dim=1)
    scatter = squares.sum() / (len(pixels) - 1)
    if (images == images[:1]).all():
        raise ValueError("all images are equal, so none are more alike: pass different images")
    centers = torch.cat(
        [
            nn.functional.embedding_bag(rows, pixels, mode="mean").square().sum(dim=1)
            for rows in top.reshape(-1, k).split(max(1, PIXELS_AT_ONCE // pixels.shape[1]))
        ]
    ).view(top.shape[:-1])
    within = (squares[top].sum(dim=-1) - k * centers) / (k - 1)
    return 1 - within / scatter


def count_detectors(labels: Int[Tensor, "n"], top: Int[Tensor, "*b m k"]) -> Int[Tensor, "*b"]:
    """Count the labels that have a direction which detects them, per basis.

    A direction detects the most frequent label of its top images if at least half of them have it
    (of two with half each, the smaller one): one label, as a unit detects one visual concept at
    most in Network Dissection (Bau et al. 2017).

    Args:
        labels: of all images: classes, or finer kinds.
        top: indices, as `top_images` returns them.

    Returns:
        One count per basis.

    Raises:
        TypeError: if the labels are not integers.
        ValueError: if there are fewer labels than images.

    >>> top = torch.tensor([[0, 1], [1, 0], [2, 3]])
    >>> count_detectors(torch.tensor([0, 0, 1, 1, 2]), top).item()
    2
    """
    labels = _labels(labels, top)
    chosen = labels[top]
    found, _ = chosen.mode(dim=-1)
    enough = (chosen == found[..., None]).sum(dim=-1) >= 0.5 * top.shape[-1]
    detected = torch.zeros(*top.shape[:-2], int(labels.max()) + 1, device=labels.device)
    detected.scatter_add_(-1, found, enough.to(detected.dtype))
    return (detected > 0).sum(dim=-1)


def basis_test(
    features: Float[Tensor, "n d"],
    coherence: Coherence,
    *,
    directions: Float[Tensor, "d m"] | None = None,
    k: int = 8,
    rotations: int = 999,
    generator: torch.Generator | None = None,
    progress: bool = False,
) -> BasisTest:
    """Test whether the units are as coherent as a random basis: the paper's first claim.

    The null hypothesis is that the natural basis is one of the random ones. The mean coherence of
    the units is then exchangeable with the means of the `rotations` Haar bases, and the p-value,
    twice the share of means (its own included) at least as far out on its side, is exact: it is at
    most x with a probability of at most x. The paper judged by eye (section 3); the scores, the
    test and the whitening are ours.

    Args:
        features: activations of n images that the network was not trained on.
        coherence: turns the indices of the top images (`*b m k`) into one score per direction
            (`*b m`), as `functools.partial(label_agreement, labels)` does.
        directions: what is tested in place of the axes, as columns; the random ones are rotations
            of all of them together. So the units are tested against directions that are random
            after whitening by W: with features `features @ W` and directions `W.inverse()`.
        k: number of top images per direction.
        rotations: number of random bases; the smallest p-value is 2 / (rotations + 1).
        generator: source of the random bases.
        progress: show a progress bar.

    Where images tie for the last places among the top ones, as those at which a ReLU unit is
    silent do, chance decides, so that their order does not.

    Raises:
        TypeError: if the features are not a tensor of 32- or 64-bit numbers.
        ValueError: if units are dead, features or scores are not finite, or k or rotations are out
            of range.
    """
    return basis_tests(
        features,
        {"": coherence},
        directions=directions,
        k=k,
        rotations=rotations,
        generator=generator,
        progress=progress,
    )[""]


def basis_tests(
    features: Float[Tensor, "n d"],
    coherences: Mapping[Name, Coherence],
    *,
    directions: Float[Tensor, "d m"] | None = None,
    k: int = 8,
    rotations: int = 999,
    generator: torch.Generator | None = None,
    progress: bool = False,
) -> dict[Name, BasisTest]:
    """Run several tests on the same random bases, at hardly more cost than one; see `basis_test`.

    A score of fewer images is one of `top[..., :fewer]`: the farthest come first.
    """
    refuse_other_than_features(features)
    n, d = features.shape
    if rotations < 1:
        raise ValueError(f"need at least one random basis to compare with, got {rotations}")
    if dead := int((features == features[0]).all(dim=0).sum()):
        raise ValueError(
            f"{dead} of {d} units are dead (the same on all images) and have no top images: "
            "drop them (features[:, features.std(dim=0) > 0])"
        )
    frame = torch.eye(d).to(features) if directions is None else directions
    top = _fairly(features, frame, k, generator)
    natural = {name: coherence(top) for name, coherence in coherences.items()}
    at_once = max(1, SORTED_AT_ONCE.get(features.device.type, 2**24) // (n * frame.shape[1]))
    scores = []
    for start in trange(0, rotations, at_once, disable=not progress):
        number = min(at_once, rotations - start)
        bases = haar_bases(number, d, generator, features.dtype).to(features.device)
        top = top_images(features, bases @ frame, k=k)
        scores.append({name: coherence(top) for name, coherence in coherences.items()})
    return {
        name: _compare(natural[name], torch.cat([score[name] for score in scores]))
        for name in coherences
    }


def _compare(natural: Tensor, rotated: Tensor) -> BasisTest:
    if not (natural.isfinite().all() and rotated.isfinite().all()):
        raise ValueError("the coherence of some directions is NaN or infinite: it must be a number")
    mean, means = natural.double().mean(), rotated.double().mean(dim=1)
    beyond = min(int((means >= mean).sum()), int((means <= mean).sum()))
    pvalue = min(1.0, 2 * (1 + beyond) / (len(means) + 1))
    ordered = rotated.flatten().sort().values
    below, upto = (torch.searchsorted(ordered, natural, side=side) for side in ("left", "right"))
    superiority = ((below + upto) / (2 * len(ordered))).double().mean().item()
    return BasisTest(natural, rotated, pvalue, superiority)


def _fairly(
    features: Tensor, directions: Tensor, k: int, generator: torch.Generator | None
) -> Tensor:
    """The top images; where any tie for the last places, those of images in random orders."""
    top = top_images(features, directions, k=k)
    values = directions.to(features).mT @ features.mT
    if not ((values >= values.gather(1, top[:, -1:])).sum(dim=1) > k).any():
        return top
    device = "cpu" if generator is None else generator.device
    # An order for each direction: with one for all, they would share the images that tie.
    orders = torch.rand(values.shape, generator=generator, device=device).argsort(dim=1)
    orders = orders.to(values.device)
    return orders.gather(1, values.gather(1, orders).topk(k).indices)


def _labels(labels: Tensor, top: Tensor) -> Tensor:
    numbers = class_numbers(labels, name="labels").to(top.device)
    if (numbers < 0).any():
        raise ValueError(f"labels must not be negative, got {int(numbers.min())}: use 0, 1, 2, ...")
    _refuse_others(top, len(numbers))
    return numbers


def _refuse_others(top: Tensor, count: int) -> None:
    if top.numel() and (int(top.min()) < 0 or int(top.max()) >= count):
        raise ValueError(
            f"top names images {int(top.min())} to {int(top.max())}, but there are {count}: pass "
            "what belongs to all images of the features"
        )


def _pairs(top: Tensor) -> int:
    if top.shape[-1] < 2:
        raise ValueError(f"need at least two top images to compare, got k = {top.shape[-1]}")
    return top.shape[-1]
