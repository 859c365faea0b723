"""Training on blind spots with several seeds: methods x seeds.

It runs on all cores, and stores the results for the book. Interrupted, it goes on where it stopped.
"""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from blindspots import (
    LabelledImages,
    add_equal_noise,
    distortion,
    error_rate,
    fit,
    fit_with_adversaries,
    lbfgs_attack,
    load_images,
    mlp,
    nearest_attack,
    predict,
    random_targets,
    rescale_perturbation,
    trained,
)
from blindspots.attack.adversaries import lbfgs_adversary, pgd
from blindspots.data import Source
from blindspots.zoo import RECIPES
from experiments.command import Results, store_results, sweep, sweep_parser

PLAIN = "FC100-100-10"
HIDDEN, WEIGHT_DECAY = RECIPES[PLAIN].hidden, RECIPES[PLAIN].weight_decay
STEPS = 19_800  # as many as the plain network's
IMAGES = 512
INPUT, FIRST, SECOND = 0, 3, 5  # depths: numbers of layers below the attack
PLACES = {
    "input": (INPUT,),
    "first layer": (FIRST,),
    "second layer": (SECOND,),
    "every layer": (INPUT, FIRST, SECOND),
}
CAP = 0.06  # distortion, about that of the plain network's adversarial images
SHARES = 5, 20, 100  # examples of the pool, beside 100 images
# All that was tried: without adversaries, as long and longer; pools at every depth and in several
# shares; the same with noise of equal length; what people do today; and, added when the others had
# been seen, pools whose perturbations are cut short.
METHODS: dict[str, dict[str, Any]] = {
    "weight decay": {},
    "weight decay, longer": {"times": 4},
    "dropout 0.2": {"dropout": (0.0, 0.2), "times": 4},
    "dropout 0.5": {"dropout": (0.2, 0.5), "times": 4},
    **{
        f"pool, {place}, {share}": {"depths": depths, "examples": share}
        for place, depths in PLACES.items()
        for share in SHARES
    },
    **{
        f"noise, {place}, 100": {"depths": PLACES[place], "examples": 100, "noise": True}
        for place in ("second layer", "every layer")
    },
    "FGSM": {"size": 0.1, "steps": 1},
    "PGD": {"size": 0.1, "steps": 5},
    **{
        f"pool, input, {share}, capped": {"depths": (INPUT,), "examples": share, "cap": CAP}
        for share in (20, 100)
    },
}


def adversary(how: dict[str, Any], seed: int) -> Callable[[nn.Module, Tensor, Tensor], Tensor]:
    """Make what `fit_with_adversaries` calls, from an entry of `METHODS`."""
    if "size" in how:
        return partial(pgd, size=how["size"], steps=how["steps"])
    generator = torch.Generator().manual_seed(1_000_000 + seed)  # not that of the weights
    attack = partial(lbfgs_adversary, generator=generator)

    def capped(head: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        found = attack(head, images, labels)
        long = distortion(images, found) > how["cap"]
        found[long] = rescale_perturbation(images[long], found[long], to=how["cap"])
        return found

    if "cap" in how:
        return capped
    if not how.get("noise"):
        return attack

    def noise(head: nn.Module, features: Tensor, labels: Tensor) -> Tensor:
        found = attack(head, features, labels)
        return add_equal_noise(features, found, bounds=(0, 1), generator=generator)

    return noise


def train(method: str, data: LabelledImages, seed: int) -> tuple[nn.Sequential, float]:
    """Train a network 100-100-10 in one way; also give the CPU seconds that it took.

    All networks of a seed start from the same weights.
    """
    how = METHODS[method]
    generator = torch.Generator().manual_seed(seed)
    network = mlp((data.images[0].numel(), *HIDDEN, 10), generator=generator)
    options: dict[str, Any] = {
        "weight_decay": WEIGHT_DECAY,
        "learning_rate": 2e-3,
        "generator": generator,
    }
    start = time.process_time()
    if "depths" in how:
        pools: dict[str, Any] = {
            "depths": how["depths"],
            "examples": how["examples"],
            "refresh": 50,
            "every": 20,
        }
        fit_with_adversaries(network, data, adversary(how, seed), steps=STEPS, **pools, **options)
    elif "size" in how:  # every step learns from as many new examples as images
        pools = {"examples": 100, "pool_size": 100, "refresh": 100, "every": 1}
        fit_with_adversaries(network, data, adversary(how, seed), steps=STEPS, **pools, **options)
    else:
        if "dropout" in how:
            network = with_dropout(network, *how["dropout"])
        torch.manual_seed(seed)  # dropout draws from it
        fit(network, data, steps=STEPS * how.get("times", 1), **options)
    return network.requires_grad_(False), time.process_time() - start


def with_dropout(network: nn.Sequential, pixels: float, units: float) -> nn.Sequential:
    """Take the same layers, and drop shares of the pixels and of the units while training."""
    layers: list[nn.Module] = []
    for layer in network:
        if isinstance(layer, nn.Linear):
            layers.append(nn.Dropout(pixels if len(layers) == 1 else units))
        layers.append(layer)
    return nn.Sequential(*layers)


def measure(data: Source, method: str, seed: int) -> Results:
    """Give errors and distances, and what becomes of images that mislead the plain network."""
    train_set, test = load_images(data, split="train"), load_images(data, split="test")
    network, seconds = train(method, train_set, seed)
    generator = torch.Generator().manual_seed(2_000_000 + seed)
    drawn = test[torch.randperm(len(test), generator=generator)[:IMAGES]]
    before = trained(PLAIN, train_set, seed=seed)
    correct = (predict(before, drawn.images) == drawn.labels) & (
        predict(network, drawn.images) == drawn.labels
    )
    images, labels = drawn.images[correct], drawn.labels[correct]
    targets = random_targets(labels, classes=10, generator=generator)
    old = lbfgs_attack(before, images, targets).images
    noisy = add_equal_noise(images, old, bounds=(0, 1), generator=generator)
    nearest = nearest_attack(network, images)
    new = lbfgs_attack(network, images, targets)
    return {
        "seconds": seconds,
        "train_error": error_rate(network, train_set.images, train_set.labels),
        "test_error": error_rate(network, test.images, test.labels),
        "images": len(images),
        "success": new.success.double().mean().item(),
        "nearest": (nearest.images - images).flatten(1).norm(dim=1).median().item(),
        "distortion": new.distortion[new.success].square().mean().sqrt().item(),
        "old": error_rate(network, old, labels),
        "old, noise": error_rate(network, noisy, labels),
        "old, doubled": error_rate(network, (images + 2 * (old - images)).clamp(0, 1), labels),
        "new to plain": error_rate(before, new.images, labels),
    }


def main(words: Sequence[str] | None = None) -> None:
    arguments = sweep_parser(__file__, __doc__).parse_args(words)
    data = load_images(split="train").name
    settings = [
        {"data": data.lower(), "method": method, "seed": seed}
        for seed in range(arguments.seeds)
        for method in METHODS
    ]
    runs = sweep(measure, settings, arguments)
    store_results(arguments, data, seeds=arguments.seeds, runs=runs)


if __name__ == "__main__":
    main()
