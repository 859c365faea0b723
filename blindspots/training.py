"""Training, with the paper's weight decay in both of its readings."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm.auto import trange

from blindspots.data import LabelledImages, class_numbers
from blindspots.networks import classify, make_layer

Convention = Literal["half_squared_norm", "printed"]
Attack = Callable[[nn.Module, Tensor, Tensor], Tensor]

BATCH_SIZE = 100  # images per update
AUTOENCODER_DECAY = 1e-2  # factor of half the squared norm of both its weight matrices


def weight_decay_loss(
    model: nn.Module,
    weight_decay: Sequence[float],
    *,
    convention: Convention = "half_squared_norm",
) -> Float[Tensor, ""]:
    """Compute the weight decay term that is added to the mean cross-entropy.

    `"printed"` is the formula reported of the paper, the sum over the layers of
    `decay * sum(W**2) / k` with k the number of the layer's units. It does not reproduce Table 1.
    `"half_squared_norm"`, `decay / 2 * (sum(W**2) + sum(b**2))`, does, without hidden layers.

    Args:
        model: its `nn.Linear` and `nn.Conv2d` are decayed, in the order of `modules()`.
        weight_decay: one factor per such layer, input side first.
        convention: which of the two formulas.

    Raises:
        ValueError: if there is not one factor >= 0 per layer, or the convention is unknown.

    >>> layer = nn.Linear(3, 2)
    >>> _ = nn.init.ones_(layer.weight), nn.init.ones_(layer.bias)
    >>> weight_decay_loss(layer, [0.1]).item()  # 0.1 / 2 * (6 + 2)
    0.4000000059604645
    >>> weight_decay_loss(layer, [0.1], convention="printed").item()  # 0.1 * 6 / 2
    0.30000001192092896
    """
    layers = [m for m in model.modules() if isinstance(m, (nn.Linear, nn.Conv2d))]
    finite = all(0 <= factor < math.inf for factor in weight_decay)
    if len(weight_decay) != len(layers) or not layers or not finite:
        raise ValueError(
            f"weight_decay {tuple(weight_decay)} does not fit a model with {len(layers)} layers of "
            "nn.Linear or nn.Conv2d: give each one factor >= 0, input side first"
        )
    if convention not in ("half_squared_norm", "printed"):
        raise ValueError(
            f'convention {convention!r} is unknown: use "half_squared_norm" or "printed"'
        )
    terms = []
    for factor, layer in zip(weight_decay, layers, strict=True):
        if convention == "printed":
            terms.append(factor * layer.weight.square().sum() / len(layer.weight))
        else:
            squares = [p.square().sum() for p in layer.parameters()]
            terms.append(factor / 2 * torch.stack(squares).sum())
    return torch.stack(terms).sum()


@torch.enable_grad()
def fit(
    model: nn.Module,
    data: LabelledImages,
    *,
    weight_decay: Sequence[float],
    steps: int = 10_000,
    batch_size: int = BATCH_SIZE,
    learning_rate: float = 1e-3,
    generator: torch.Generator,
    progress: bool = False,
) -> None:
    """Train with Adam on random batches, the learning rate falling to zero along a cosine.

    Changes the model in place and leaves it in evaluation mode. Parameters that do not require a
    gradient stay as they are. The paper is reported to have trained with L-BFGS until convergence;
    see `fit_to_convergence`, which is only practical without hidden layers.

    Args:
        model: maps images to logits, on the device of the data.
        data: the training set.
        weight_decay: one factor per linear or convolutional layer; see `weight_decay_loss`.
        steps: number of parameter updates.
        batch_size: images per update.
        learning_rate: the initial one.
        generator: source of the order of the images. One seed gives the same bits on a CPU, with
            the same number of threads.
        progress: show a progress bar.

    Raises:
        ValueError: if there is nothing to learn: no images, no steps, no image per batch, no
            parameter that requires a gradient; or the model does not fit the images and labels.
    """
    _refuse_futile(model, data)

    def loss(step: int, images: Tensor, labels: Tensor) -> Tensor:
        logits = model(images) if step else _first_logits(model, images, data)
        return F.cross_entropy(logits, labels) + weight_decay_loss(model, weight_decay)

    model.train()
    batches = _batches(data, batch_size, generator)
    _adam(model.parameters(), loss, batches, steps, learning_rate, progress)
    model.eval()


@torch.enable_grad()
def fit_with_adversaries(
    model: nn.Sequential,
    data: LabelledImages,
    attack: Attack,
    *,
    weight_decay: Sequence[float],
    depths: Sequence[int] = (0,),
    pool_size: int | None = 2000,
    examples: int = 20,
    refresh: int = 100,
    every: int = 10,
    steps: int = 10_000,
    learning_rate: float = 1e-3,
    generator: torch.Generator,
    progress: bool = False,
) -> None:
    """Train on the images and, all the time, on a pool of adversarial examples (section 4.2).

    The pool is renewed continually: every few steps the attack is asked for new examples against
    the network as it then is, and they take the places of some old ones, drawn at random. Each step
    learns from a batch of images and a few examples of the pool.

    Adversarial examples can also be found for the output of a layer in place of an image: the
    attack is then against the layers above, and these learn from it. Each depth has a pool of its
    own, and the steps take turns. The paper says that this was done, and that the higher layers'
    examples were the more useful; sizes, rates and proportions are ours. Adam is used as in `fit`.

    A pool keeps images and perturbations. What goes into the layers above is computed when it is
    learnt from, as the layers below have changed by then.

    Args:
        model: layers in sequence, which map images to logits, on the device of the data.
        data: the training set; each update learns from 100 images.
        attack: called with the layers above (in evaluation mode), what goes into them, and the true
            labels; returns what goes into them after the attack, in the same shape. Rows that it
            leaves alone are trained on as they are.
        weight_decay: one factor per linear or convolutional layer; see `weight_decay_loss`.
        depths: numbers of layers below the attack; 0 attacks the images.
        pool_size: examples per depth. With None there is no pool: each update attacks the images
            that it learns from, and learns from both, as Goodfellow et al. (2014),
            arXiv:1412.6572, do. The next three are then ignored.
        examples: of the pool, per update, beside the images.
        refresh: examples replaced at once.
        every: steps between replacements; each replaces examples of one depth, in turn.
        steps: see `fit`, like the learning rate and the progress.
        generator: source of all that is random here; the attack has to bring its own.

    Raises:
        ValueError: if a depth is not below the last layer, or a pool is smaller than what is drawn;
            and as `fit`.
    """
    _refuse_futile(model, data)
    if not depths or not all(0 <= depth < len(model) for depth in depths):
        raise ValueError(
            f"depths must be numbers of layers from 0 to {len(model) - 1}, got {tuple(depths)}"
        )
    if pool_size is not None and min(examples, refresh, every) < 1:
        raise ValueError(
            f"examples, refresh and every must be at least 1, got {examples}, {refresh} and {every}"
        )
    if pool_size is not None and pool_size < max(examples, refresh):
        raise ValueError(
            f"a pool of {pool_size} is too small to learn from {examples} and to replace {refresh} "
            "at once: make it larger"
        )

    def draw(n: int, number: int) -> Tensor:
        return _draw(n, number, generator=generator).to(data.labels.device)

    def attacked(depth: int, images: Tensor, labels: Tensor) -> Tensor:
        """The perturbations of what goes into the layers above the depth."""
        inputs = _features(model, depth, images)
        return (attack(model[depth:].eval(), inputs, labels) - inputs).detach()

    model.eval()
    pools = {}
    if pool_size is not None:
        for depth in depths:
            members = draw(len(data), pool_size)
            pools[depth] = members, torch.zeros_like(_features(model, depth, data.images[members]))

    def loss(step: int, images: Tensor, labels: Tensor) -> Tensor:
        model.eval()
        depth, basis, truth = depths[step % len(depths)], images, labels
        if pool_size is None:
            moved = attacked(depth, images, labels)
        else:
            if step % every == 0:
                renewed = depths[step // every % len(depths)]
                fresh, slots = draw(len(data), refresh), draw(pool_size, refresh)
                pools[renewed][0][slots] = fresh
                pools[renewed][1][slots] = attacked(renewed, data.images[fresh], data.labels[fresh])
            chosen = draw(pool_size, examples)
            members, moved = (part[chosen] for part in pools[depth])
            basis, truth = data.images[members], data.labels[members]
        found = _features(model, depth, basis) + moved
        model.train()
        logits = model(images) if step else _first_logits(model, images, data)
        logits = torch.cat([logits, model[depth:](found)])
        entropy = F.cross_entropy(logits, torch.cat([labels, truth]))
        return entropy + weight_decay_loss(model, weight_decay)

    batches = _batches(data, BATCH_SIZE, generator)
    _adam(model.parameters(), loss, batches, steps, learning_rate, progress)
    model.eval()


@torch.enable_grad()
def fit_to_convergence(
    model: nn.Module,
    data: LabelledImages,
    *,
    weight_decay: Sequence[float],
    convention: Convention = "half_squared_norm",
    max_iterations: int = 300,
    progress: bool = False,
) -> float:
    """Train with L-BFGS on the whole training set at once, as the paper is reported to have done.

    Deterministic. Changes the model in place and leaves it in evaluation mode. Parameters that do
    not require a gradient stay as they are.

    Args:
        model: maps images to logits, on the device of the data.
        data: the training set.
        weight_decay: one factor per linear or convolutional layer; see `weight_decay_loss`.
        convention: see `weight_decay_loss`.
        max_iterations: of L-BFGS, rounded up to tens, unless the loss stops falling before.
        progress: show a progress bar.

    Returns:
        The largest entry of the gradient at the end, zero at a minimum.

    Raises:
        ValueError: as `fit`.
    """
    _refuse_futile(model, data)
    if not 1 <= max_iterations < math.inf:
        raise ValueError(f"need at least one iteration to learn, got {max_iterations}")
    per_call = 10
    optimizer = torch.optim.LBFGS(
        model.parameters(),
        max_iter=per_call,
        history_size=20,
        tolerance_grad=1e-6,
        tolerance_change=1e-10,
        line_search_fn="strong_wolfe",
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(data.images), data.labels)
        loss = loss + weight_decay_loss(model, weight_decay, convention=convention)
        loss.backward()
        return loss

    _first_logits(model.eval(), data.images[:1], data)  # a batch norm cannot learn from one image
    model.train()
    previous = math.inf
    for _ in trange(math.ceil(max_iterations / per_call), disable=not progress, leave=False):
        loss = optimizer.step(closure).item()
        if previous - loss < 1e-7 * abs(loss):
            break
        previous = loss
    closure()
    model.eval()
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    return max(gradient.abs().max().item() for gradient in gradients)


@torch.enable_grad()
def fit_sparse_autoencoder(
    encoder: nn.Linear,
    data: LabelledImages,
    *,
    sparsity: float = 0.05,
    steps: int = 10_000,
    learning_rate: float = 1e-3,
    generator: torch.Generator,
    progress: bool = False,
) -> None:
    """Train a layer of sigmoid units, without labels, as the encoder of a sparse autoencoder.

    Minimises the cross-entropy of the reconstruction, summed over the pixels, plus the sum over the
    units of KL(sparsity || the unit's mean activation in the batch of 100), plus weight decay of
    0.01 on encoder and decoder. The decoder is thrown away. The paper says no more than
    "autoencoder": sparsity, losses and the untied decoder are ours.

    Changes the encoder in place.

    Args:
        encoder: a linear layer from pixels to units; the sigmoid is applied here.
        data: the training set; its labels are not used.
        sparsity: wanted mean activation of every unit, in (0, 1).
        steps: see `fit`, like the learning rate and the progress.
        generator: source of the order of the images and of the decoder's initial weights.

    Raises:
        ValueError: if the sparsity is not in (0, 1), or there are no images or steps.
    """
    if not 0 < sparsity < 1:
        raise ValueError(f"sparsity must lie strictly between 0 and 1, got {sparsity}")
    sizes = encoder.out_features, encoder.in_features
    decoder = make_layer(nn.Linear, *sizes, generator=generator).to(encoder.weight)

    def loss(step: int, images: Tensor, labels: Tensor) -> Tensor:
        pixels = images.flatten(1)
        code = torch.sigmoid(encoder(pixels))
        logits = decoder(code)
        total = F.binary_cross_entropy_with_logits(logits, pixels, reduction="sum") / len(pixels)
        mean = code.mean(dim=0)
        divergence = sparsity * (sparsity / mean).log()
        divergence = divergence + (1 - sparsity) * ((1 - sparsity) / (1 - mean)).log()
        total = total + divergence.sum()
        for layer in (encoder, decoder):
            total = total + AUTOENCODER_DECAY / 2 * layer.weight.square().sum()
        return total

    parameters = [*encoder.parameters(), *decoder.parameters()]
    batches = _batches(data, BATCH_SIZE, generator)
    _adam(parameters, loss, batches, steps, learning_rate, progress)


def _refuse_futile(model: nn.Module, data: LabelledImages) -> None:
    """Refuse to train without images, or without a parameter to change."""
    if not len(data):
        raise ValueError("there are no images to learn from: pass a training set")
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise ValueError(
            "no parameter of the model requires a gradient, so nothing can be learnt: call "
            "model.requires_grad_() first"
        )


def _first_logits(model: nn.Module, images: Tensor, data: LabelledImages) -> Tensor:
    """The logits of the first batch; refuse a model that does not fit the images and labels."""
    logits = classify(model, images)
    class_numbers(data.labels, classes=logits.shape[1], name="labels")
    return logits


def _features(model: nn.Sequential, depth: int, images: Tensor) -> Tensor:
    """What goes into the layers above the depth."""
    with torch.no_grad():
        return model[:depth](images).clone()


def _draw(n: int, number: int, generator: torch.Generator) -> Tensor:
    """Different places out of n, or, where there are too few, places with repetition."""
    if number > n:
        return torch.randint(n, (number,), generator=generator, device=generator.device)
    return torch.randperm(n, generator=generator, device=generator.device)[:number]


def _batches(
    data: LabelledImages, batch_size: int, generator: torch.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    """Random batches without end; every image is used once before any is used again."""
    if not len(data) or batch_size < 1:
        raise ValueError(
            f"there are no batches of {batch_size} out of {len(data)} images: pass images, and at "
            "least one per batch"
        )
    order = torch.empty(0, dtype=torch.long, device=generator.device)
    while True:
        while len(order) < batch_size:
            epoch = torch.randperm(len(data), generator=generator, device=generator.device)
            order = torch.cat([order, epoch])
        batch, order = order[:batch_size].to(data.labels.device), order[batch_size:]
        yield data.images[batch], data.labels[batch]


def _adam(
    parameters: Iterable[nn.Parameter],
    loss: Callable[[int, Tensor, Tensor], Tensor],
    batches: Iterator[tuple[Tensor, Tensor]],
    steps: int,
    learning_rate: float,
    progress: bool,
) -> None:
    """Lower the loss, a function of step, images and labels, by Adam; the rate follows a cosine."""
    if steps < 1:
        raise ValueError(f"need at least one step to learn, got {steps}")
    optimizer = torch.optim.Adam(parameters, lr=learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for step in trange(steps, disable=not progress, leave=False):
        optimizer.zero_grad()
        loss(step, *next(batches)).backward()
        optimizer.step()
        schedule.step()
