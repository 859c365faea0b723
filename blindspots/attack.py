"""The paper's attack (section 4.1): box-constrained L-BFGS with a search for the penalty."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal, get_args

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm.auto import tqdm

from blindspots.box import BoxMinimum, minimize_box
from blindspots.networks import predict
from blindspots.perturbations import Bounds, distortion

Loss = Literal["cross_entropy", "margin"]

PENALTY_STEP = 10.0  # factor by which the search moves until it has a success and a failure
SMOOTHING = 0.02  # temperature of the smooth maximum in the margin, as a share of the first margin


@dataclass(frozen=True)
class AdversarialImages:
    """Result of `lbfgs_attack`, one entry per image.

    Attributes:
        images: the adversarial images, inside the bounds; the original where the attack failed.
        success: whether the model's predicted class is the target.
        distortion: root mean square change of a pixel; infinite where the attack failed.
        penalty: the largest penalty that succeeded; zero where the attack failed.
        evaluations: gradient evaluations of the model.
    """

    images: Float[Tensor, "n *shape"]
    success: Bool[Tensor, "n"]
    distortion: Float[Tensor, "n"]
    penalty: Float[Tensor, "n"]
    evaluations: Int[Tensor, "n"]


def lbfgs_attack(
    model: nn.Module,
    images: Float[Tensor, "n *shape"],
    targets: Int[Tensor, "n"],
    *,
    loss: Loss = "cross_entropy",
    bounds: Bounds = (0.0, 1.0),
    search_steps: int = 12,
    history: int = 10,
    max_iterations: int = 200,
    gtol: float = 1e-4,
    ftol: float = 1e-5,
    batch_size: int = 256,
    progress: bool = False,
) -> AdversarialImages:
    r"""Perturb each image as little as possible so that the model takes it for its target.

    Section 4.1 of the paper: for each image x and target l, box-constrained L-BFGS finds the
    minimiser x + r of

    .. math::

        & \text{penalty} \cdot \|r\|_2^2 + \mathrm{loss}(x + r, l) \\
        & \text{subject to lower} \le x + r \le \text{upper} ,

    and a search in the penalty, image by image, keeps the minimiser of the *largest* penalty for
    which the prediction is the target: the larger the penalty, the smaller the perturbation. Each
    minimisation starts from the last minimiser.

    Departures from the paper: the squared norm in place of `|r|`, which traces the same curve and
    is smooth at zero; the largest penalty in place of the "minimum c", which would be right if c
    stood before the loss; and a search of `search_steps` penalties, by factors of ten until one
    succeeds and one fails, by bisection of the logarithm from there on.

    Args:
        model: in evaluation mode; maps images to logits, row by row. It is left as it is.
        images: floating point (32 bits or more), within the bounds.
        targets: the wanted wrong class of each image.
        loss: `"cross_entropy"` as in the paper, or `"margin"`, the largest other logit minus the
            target's. With more than two classes the cross-entropy does not lead to the nearest
            adversarial image, because its level sets are not the decision boundary. The largest
            logit is smoothed (a log-sum-exp whose temperature is 2% of the margin at the image),
            since L-BFGS gets stuck at the kinks of a maximum.
        bounds: lower and upper bound of every pixel.
        search_steps: penalties tried per image.
        history: see `minimize_box`.
        max_iterations: see `minimize_box`; per penalty.
        gtol: see `minimize_box`; the objective is in units of the loss.
        ftol: see `minimize_box`.
        batch_size: images attacked at once.
        progress: show a progress bar.

    Raises:
        TypeError: if images or targets have a type that cannot work.
        ValueError: if the model is in training mode, returns probabilities or has no gradient; if
            images are empty, outside the bounds or not finite; if targets are out of range or
            already predicted; or if shapes, devices or options do not fit.
    """
    if loss not in get_args(Loss):
        raise ValueError(f"loss {loss!r} is unknown: use one of {', '.join(get_args(Loss))}")
    for name, number in (("search_steps", search_steps), ("batch_size", batch_size)):
        if number < 1:
            raise ValueError(f"{name} must be at least 1, got {number}")
    _check_arguments(model, images, targets, bounds)
    minimize = partial(
        minimize_box,
        lower=bounds[0],
        upper=bounds[1],
        history=history,
        max_iterations=max_iterations,
        gtol=gtol,
        ftol=ftol,
    )
    batches = list(zip(images.split(batch_size), targets.split(batch_size), strict=True))
    first_margins = [_first_margin(model, *batch) for batch in batches]
    with tqdm(total=len(images) * search_steps, disable=not progress, leave=False) as bar:
        parts = [
            _search(model, *batch, first_margin, loss, bounds, search_steps, minimize, bar)
            for batch, first_margin in zip(batches, first_margins, strict=True)
        ]
    return AdversarialImages(*(torch.cat(field) for field in zip(*parts, strict=True)))


def random_targets(
    labels: Int[Tensor, "n"], *, classes: int, generator: torch.Generator
) -> Int[Tensor, "n"]:
    """A wrong class for each label, every wrong class equally likely.

    The paper does not say how it chose the targets for MNIST; nearest wrong classes give
    distortions far below its own, random ones give its range.

    Raises:
        ValueError: if there are fewer than two classes, or a label is not one of them.

    >>> labels = torch.tensor([0, 1, 2])
    >>> targets = random_targets(labels, classes=3, generator=torch.Generator().manual_seed(0))
    >>> (targets != labels).all().item(), targets.max().item() < 3
    (True, True)
    """
    if classes < 2:
        raise ValueError(f"there is no wrong class among {classes}: use at least 2 classes")
    if len(labels) and not (int(labels.min()) >= 0 and int(labels.max()) < classes):
        raise ValueError(
            f"labels lie in {int(labels.min())}..{int(labels.max())}, outside 0..{classes - 1}: "
            "state the right number of classes"
        )
    shift = torch.randint(1, classes, labels.shape, generator=generator, device=generator.device)
    return (labels + shift.to(labels.device)) % classes


def _margin(logits: Tensor, targets: Tensor, temperature: Tensor | None = None) -> Tensor:
    """Largest other logit minus the target's: negative exactly where the target is predicted.

    With a temperature per row the maximum is smoothed, and the margin is slightly larger.
    """
    wanted = targets[:, None]
    others = logits.scatter(1, wanted, -torch.inf)
    if temperature is None:
        largest = others.amax(dim=1)
    else:
        largest = temperature * (others / temperature[:, None]).logsumexp(dim=1)
    return largest - logits.gather(1, wanted)[:, 0]


def _search(
    model: nn.Module,
    images: Tensor,
    targets: Tensor,
    first_margin: Tensor,
    loss: Loss,
    bounds: Bounds,
    search_steps: int,
    minimize: Callable[..., BoxMinimum],
    bar: tqdm,
) -> tuple[Tensor, ...]:
    """The fields of `AdversarialImages` for one batch."""
    flat = images.flatten(1)
    # The first penalty makes a tenth of the pixels' range as dear as the margin at the image.
    unit = (0.1 * (bounds[1] - bounds[0])) ** 2 * flat.shape[1]
    penalty = first_margin / unit
    temperature = SMOOTHING * first_margin
    succeeds, fails = torch.zeros_like(penalty), torch.full_like(penalty, torch.inf)

    def objective(points: Tensor, rows: Tensor) -> Tensor:
        logits = model(points.view(-1, *images.shape[1:]))
        squared_norm = (points - flat[rows]).square().sum(dim=1)
        if loss == "cross_entropy":
            losses = F.cross_entropy(logits, targets[rows], reduction="none")
        else:
            losses = _margin(logits, targets[rows], temperature[rows])
        return penalty[rows] * squared_norm + losses

    best, smallest = flat.clone(), torch.full_like(penalty, torch.inf)
    evaluations = torch.ones_like(targets)
    latest = flat
    for _ in range(search_steps):
        minimum = minimize(objective, latest)
        latest = minimum.x
        evaluations += minimum.evaluations
        success = predict(model, latest.view_as(images)) == targets
        succeeds, fails = (
            torch.where(success, penalty, succeeds),
            torch.where(success, fails, penalty),
        )
        size = distortion(flat, latest)
        better = success & (size < smallest)
        best[better], smallest[better] = latest[better], size[better]
        penalty = torch.where(
            fails == torch.inf,
            succeeds * PENALTY_STEP,
            torch.where(succeeds == 0, fails / PENALTY_STEP, (succeeds * fails).sqrt()),
        )
        bar.update(len(images))
    return best.view_as(images), smallest < torch.inf, smallest, succeeds, evaluations


def _first_margin(model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
    """The margin at the images; refuse what would make every later result meaningless."""
    with torch.enable_grad():
        points = images.detach().requires_grad_()
        logits = model(points)
        if logits.ndim != 2 or len(logits) != len(images):
            raise ValueError(
                f"the model returned shape {tuple(logits.shape)} for {len(images)} images: it must "
                "return one row of logits per image"
            )
        classes = logits.shape[1]
        if not (int(targets.min()) >= 0 and int(targets.max()) < classes):
            raise ValueError(
                f"targets lie in {int(targets.min())}..{int(targets.max())} but the model has "
                f"classes 0..{classes - 1}: choose targets among them"
            )
        margin = _margin(logits, targets)
        (gradient,) = torch.autograd.grad(margin.sum(), points)
    logits, margin = logits.detach(), margin.detach()
    if not logits.isfinite().all():
        raise ValueError("the model returned NaN or infinite logits: mend the model")
    sums = logits.sum(dim=1)
    if (logits >= 0).all() and torch.allclose(sums, torch.ones_like(sums), atol=1e-4):
        raise ValueError(
            "the model's outputs look like probabilities (each row sums to 1): leave out its "
            "softmax, the attack needs logits"
        )
    if (already := margin <= 0).any():
        raise ValueError(
            f"{int(already.sum())} targets are already predicted (the first is class "
            f"{int(targets[already][0])}): choose another class, or leave these images out"
        )
    if not (alive := gradient.flatten(1).any(dim=1)).all():
        raise ValueError(
            f"the gradient is exactly zero at {int((~alive).sum())} images, so no step can be "
            "taken: the model is saturated or not differentiable there"
        )
    return margin


def _check_arguments(model: nn.Module, images: Tensor, targets: Tensor, bounds: Bounds) -> None:
    if any(module.training for module in model.modules()):
        raise ValueError("the model is in training mode: call model.eval() first")
    if images.dtype not in (torch.float32, torch.float64):
        raise TypeError(f"images must be float32 or float64, got {images.dtype}: convert them")
    if targets.dtype != torch.int64:
        raise TypeError(f"targets must be int64 class numbers, got {targets.dtype}: convert them")
    if images.ndim < 2 or images.numel() == 0:
        raise ValueError(
            f"images have shape {tuple(images.shape)}: pass at least one, with a batch axis first"
        )
    if targets.shape != images.shape[:1]:
        raise ValueError(
            f"{len(images)} images need as many targets, got shape {tuple(targets.shape)}: "
            "pass one class per image"
        )
    if not bounds[0] < bounds[1]:
        raise ValueError(f"the lower bound must be below the upper, got {bounds}")
    if not images.isfinite().all():
        raise ValueError("images contain NaN or infinity: mend or leave them out")
    if images.min() < bounds[0] or images.max() > bounds[1]:
        raise ValueError(
            f"pixels lie in [{images.min():.3g}, {images.max():.3g}], outside the bounds {bounds}: "
            "rescale the images, or state their range as bounds"
        )
    weights = next(model.parameters(), images)
    for name, tensor in (("targets", targets), ("the model", weights)):
        if tensor.device != images.device:
            raise ValueError(
                f"images are on {images.device} but {name} on {tensor.device}: use one device"
            )
    if weights.dtype != images.dtype:
        raise ValueError(
            f"images are {images.dtype} but the model is {weights.dtype}: convert one of them"
        )
