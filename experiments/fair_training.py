"""Training on adversarial examples, given a fair chance: choose on a validation set, then judge.

It runs on all cores, and stores the results for the book. Interrupted, it goes on where it stopped.

The protocol was committed before the first run:

- All networks are the paper's 100-100-10. All ways to train make as many updates, from the same
  initial weights of a seed; those that start from a trained network make half of them first.
- First a factor for the weight decay of Table 1 is chosen, then, with that factor, one way of each
  family. They learn from five sixths of the training set, with the seed 0, and the lowest error on
  the last sixth is chosen. The test set has no part in this.
- Then the chosen ways learn from the whole training set, with other seeds, beside their controls:
  noise as long as each perturbation in its place, and no perturbation at all ("clean, twice").
  These are judged by their test errors.
- A gain is a difference of mean test errors, with Dunnett's simultaneous 95 % intervals. *Sensitive
  enough* is the experiment if dropout, which is known to help, has a gain on weight decay alone
  whose interval lies above zero. If not, no verdict but "holds" is given.
- "Examples for each layer's outputs help" holds if the better of the two families that have them
  (by validation error) gains 0.2 points or more on weight decay alone, half of what the paper
  reports, with its whole interval; more weakly if it gains anything; it does not hold if it loses;
  else it is undecided. The known negative is "clean, twice", which must not pass.
- "Only these help" holds if that way gains on the family "image", by the same intervals around
  that family; it does not hold if it loses; else it is undecided. "Higher layers' examples help
  more" is decided in the same way for the last hidden layer's on those of the image.
"""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from blindspots import (
    LabelledImages,
    add_equal_noise,
    error_rate,
    fit,
    fit_with_adversaries,
    load_images,
    mlp,
    nearest_attack,
)
from blindspots.attack.adversaries import lbfgs_adversary, pgd
from blindspots.data import Source
from blindspots.zoo import RECIPES
from experiments.command import Results, store_results, sweep, sweep_parser

HIDDEN, WEIGHT_DECAY = RECIPES["FC100-100-10"].hidden, RECIPES["FC100-100-10"].weight_decay
STEPS = 29_700  # fifty times through the training set
LEARNING_RATE = 2e-3
IMAGES = 512  # whose nearest adversarial images are measured
FIRST_SEED = 100  # of those that are judged
INPUT, FIRST, SECOND = 0, 3, 5  # depths: numbers of layers below the attack
EVERY = [INPUT, FIRST, SECOND]
POOL = {"pool_size": 2000, "refresh": 50, "every": 20}  # the whole pool is renewed in 2,400 updates

How = dict[str, Any]
# What is tried. `length` is a share of the way to the boundary; a pool's share is of each update.
FAMILIES: dict[str, dict[str, How]] = {
    "weight decay": {f"decay x {factor}": {"decay": factor} for factor in (1, 3, 10, 30)},
    "dropout": {
        f"dropout {pixels:g}, {units:g}": {"dropout": [pixels, units]}
        for pixels, units in ((0.2, 0.0), (0.1, 0.1), (0.2, 0.2), (0.2, 0.5))
    },
    "image": {
        **{f"step {s:g}": {"depths": [INPUT], "length": s} for s in (0.25, 0.5, 1)},
        "FGSM": {"depths": [INPUT], "size": 0.1, "attacks": 1},
        "PGD": {"depths": [INPUT], "size": 0.1, "attacks": 5},
    },
    "last hidden layer": {f"step {s:g}": {"depths": [SECOND], "length": s} for s in (0.25, 0.5, 1)},
    "every layer": {
        **{f"step {s:g}": {"depths": EVERY, "length": s} for s in (0.25, 0.5, 1)},
        "step 0.5, begun trained": {"depths": EVERY, "length": 0.5, "begun": True},
    },
    "pools at every layer": {
        **{
            f"pool {share:g} %, length {length:g}": {
                "depths": EVERY,
                "length": length,
                "examples": examples,
            }
            for share, length, examples in ((1, 0.5, 1), (9, 0.5, 10), (50, 0.5, 100), (50, 1, 100))
        },
        "pool 50 %, length 0.5, begun trained": {
            "depths": EVERY,
            "length": 0.5,
            "examples": 100,
            "begun": True,
        },
    },
}
EXAMPLES_OF_LAYERS = "every layer", "pools at every layer"
CONTROLLED = "image", *EXAMPLES_OF_LAYERS
CLEAN = "clean, twice"


def step_to_boundary(head: nn.Module, inputs: Tensor, labels: Tensor, *, length: float) -> Tensor:
    """Go a share of the way to where the likeliest wrong class would win, were the model linear."""
    moved = inputs.detach().requires_grad_()
    logits = head(moved)
    own = F.one_hot(labels, logits.shape[1]).bool()
    margin = logits[own] - logits.masked_fill(own, -torch.inf).amax(dim=1)
    (slope,) = torch.autograd.grad(margin.sum(), moved)
    squares = slope.flatten(1).square().sum(dim=1).clamp(min=1e-12)
    way = (length * margin.clamp(min=0) / squares).view(-1, *[1] * (inputs.ndim - 1))
    return (inputs - way * slope).detach().clamp(0, 1)


def adversary(how: How, seed: int) -> Callable[[nn.Module, Tensor, Tensor], Tensor]:
    """Make what `fit_with_adversaries` calls."""
    generator = torch.Generator().manual_seed(1_000_000 + seed)  # not that of the weights
    if "size" in how:
        attack: Any = partial(pgd, size=how["size"], steps=how["attacks"])
    elif "examples" in how:

        def attack(head: nn.Module, inputs: Tensor, labels: Tensor) -> Tensor:
            found = lbfgs_adversary(head, inputs, labels, generator=generator)
            return inputs + how["length"] * (found - inputs)

    else:
        attack = partial(step_to_boundary, length=how["length"])
    if not how.get("noise"):
        return attack

    def noise(head: nn.Module, inputs: Tensor, labels: Tensor) -> Tensor:
        found = attack(head, inputs, labels)
        return add_equal_noise(inputs, found, bounds=(0, 1), generator=generator)

    return noise


def train(how: How, data: LabelledImages, seed: int) -> nn.Sequential:
    """Train a network 100-100-10 in one way; all of a seed start from the same weights."""
    generator = torch.Generator().manual_seed(seed)
    network = mlp((data.images[0].numel(), *HIDDEN, 10), generator=generator)
    if "dropout" in how:
        network = with_dropout(network, *how["dropout"])
    torch.manual_seed(seed)  # dropout draws from it
    options: How = {
        "weight_decay": [how["decay"] * factor for factor in WEIGHT_DECAY],
        "learning_rate": LEARNING_RATE,
        "steps": STEPS,
        "generator": generator,
    }
    if how.get("begun"):
        options["steps"] = STEPS // 2
        fit(network, data, **options)
        options["learning_rate"] = LEARNING_RATE / 10
    if "depths" in how:
        pool = POOL | {"examples": how["examples"]} if "examples" in how else {"pool_size": None}
        options |= pool | {"depths": how["depths"]}
        fit_with_adversaries(network, data, adversary(how, seed), **options)
    else:
        fit(network, data, **options)
    return network.requires_grad_(False)


def with_dropout(network: nn.Sequential, pixels: float, units: float) -> nn.Sequential:
    """Take the same layers, and drop shares of the pixels and of the units while training."""
    layers: list[nn.Module] = []
    for layer in network:
        if isinstance(layer, nn.Linear):
            layers.append(nn.Dropout(units if len(layers) > 1 else pixels))
        layers.append(layer)
    return nn.Sequential(*layers)


def split(data: LabelledImages) -> tuple[LabelledImages, LabelledImages]:
    """Five sixths to learn from, and the last sixth to choose by."""
    learnt = len(data) * 5 // 6
    return data[:learnt], data[learnt:]


def validate(data: Source, family: str, way: str, how: How) -> Results:
    """Give the errors of a network that has not seen the last sixth of the training set."""
    learnt, held_out = split(load_images(data, split="train"))
    start = time.process_time()
    network = train(how, learnt, seed=0)
    return {
        "seconds": time.process_time() - start,
        "train_error": error_rate(network, learnt.images, learnt.labels),
        "validation_error": error_rate(network, held_out.images, held_out.labels),
    }


def judge(data: Source, family: str, way: str, how: How, seed: int) -> Results:
    """Give the errors of a network, and how far its nearest adversarial images are."""
    train_set, test = load_images(data, split="train"), load_images(data, split="test")
    start = time.process_time()
    network = train(how, train_set, seed)
    seconds = time.process_time() - start
    images = test.images[:IMAGES]
    nearest = nearest_attack(network, images)
    return {
        "seconds": seconds,
        "train_error": error_rate(network, train_set.images, train_set.labels),
        "test_error": error_rate(network, test.images, test.labels),
        "nearest": (nearest.images - images).flatten(1).norm(dim=1).median().item(),
    }


def main(words: Sequence[str] | None = None) -> None:
    arguments = sweep_parser(__file__, __doc__).parse_args(words)
    name = load_images(split="train").name
    shared = {"data": name.lower()}

    def lowest(rows: list[Results]) -> Results:
        return min(rows, key=lambda row: row["validation_error"])

    factors = [
        shared | {"family": "weight decay", "way": way, "how": how}
        for way, how in FAMILIES["weight decay"].items()
    ]
    tried = sweep(validate, factors, arguments)
    decay = lowest(tried)["how"]["decay"]
    others = [
        shared | {"family": family, "way": way, "how": how | {"decay": decay}}
        for family, ways in FAMILIES.items()
        for way, how in ways.items()
        if family != "weight decay"
    ]
    tried += sweep(validate, others, arguments)
    chosen = [lowest([row for row in tried if row["family"] == family]) for family in FAMILIES]
    judged = [{key: row[key] for key in ("data", "family", "way", "how")} for row in chosen]
    judged += [
        row | {"family": f"{row['family']}, noise", "how": row["how"] | {"noise": True}}
        for row in judged
        if row["family"] in CONTROLLED
    ]
    nothing = {"depths": [INPUT], "length": 0.0, "decay": decay}
    judged.append(shared | {"family": CLEAN, "way": "step 0", "how": nothing})
    settings = [
        row | {"seed": seed}
        for seed in range(FIRST_SEED, FIRST_SEED + arguments.seeds)
        for row in judged
    ]
    runs = sweep(judge, settings, arguments)
    store_results(arguments, name, seeds=arguments.seeds, steps=STEPS, tried=tried, runs=runs)


if __name__ == "__main__":
    main()
