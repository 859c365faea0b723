"""Training on blind spots with several seeds: methods x seeds.

`make sweep-training` runs it on all cores and stores the results for the book. Interrupted, it goes
on where it stopped.
"""

import time
from functools import partial

import torch
from command import SWEEPS, sweep_parser, workers
from torch import Tensor, nn

import blindspots
from blindspots import (
    LabelledImages,
    error_rate,
    fit,
    fit_with_adversaries,
    lbfgs_attack,
    load_images,
    mlp,
    predict,
    random_targets,
    run_sweep,
)
from blindspots.stored import store
from blindspots.sweep import code_version

HIDDEN = (100, 100)
WEIGHT_DECAY = (1e-5, 1e-5, 1e-6)
STEPS = 20_000
IMAGES = 256
INPUT, FIRST, SECOND = 0, 3, 5  # depths: layers below the attack
# What is tried, and recorded: no adversaries, pools at each depth and share, and what people do today.
METHODS = {
    "weight decay": {},
    "weight decay, longer": {"times": 4},
    "dropout": {"dropout": True},
    **{
        f"pool, {where}, {examples} examples": {"depths": depths, "examples": examples}
        for where, depths in {
            "input": (INPUT,),
            "first layer": (FIRST,),
            "second layer": (SECOND,),
            "every layer": (INPUT, FIRST, SECOND),
        }.items()
        for examples in (5, 20, 100)
    },
    "FGSM": {"signed": 0.1},
    "PGD": {"signed": 0.1, "pgd": 5},
}


def penalised(head: nn.Module, features: Tensor, labels: Tensor, *, generator) -> Tensor:
    """The paper's attack with random targets; what the network misreads is left as it is."""
    read = predict(head, features) == labels
    if not read.any():
        return features
    targets = random_targets(labels[read], classes=10, generator=generator)
    found = features.clone()
    found[read] = lbfgs_attack(head, features[read], targets, search_steps=6).images
    return found


def signed(head: nn.Module, images: Tensor, labels: Tensor, *, size: float, steps: int) -> Tensor:
    """Steps along the sign of the gradient (one: FGSM; several: PGD without random start)."""
    moved, step = images, size if steps == 1 else 2.5 * size / steps
    for _ in range(steps):
        moved = moved.detach().requires_grad_()
        loss = nn.functional.cross_entropy(head(moved), labels)
        (gradient,) = torch.autograd.grad(loss, moved)
        moved = moved + step * gradient.sign()
        moved = moved.clamp(images - size, images + size).clamp(0, 1)
    return moved.detach()


def train(method: str, data: LabelledImages, seed: int) -> tuple[nn.Sequential, float]:
    """A network 100-100-10 trained in one way, and the CPU seconds that it took."""
    how = METHODS[method]
    generator = torch.Generator().manual_seed(seed)
    network = mlp((data.images[0].numel(), *HIDDEN, 10), generator=generator)
    if how.get("dropout"):
        network = with_dropout(network)
    fitted = partial(
        fit_with_adversaries,
        network,
        data,
        weight_decay=WEIGHT_DECAY,
        steps=STEPS,
        learning_rate=2e-3,
        generator=generator,
    )
    start = time.process_time()
    if "depths" in how:
        attack = partial(penalised, generator=torch.Generator().manual_seed(seed + 1))
        with torch.random.fork_rng(devices=[]):
            fitted(attack, depths=how["depths"], examples=how["examples"])
    elif "signed" in how:
        attack = partial(signed, size=how["signed"], steps=how.get("pgd", 1))
        fitted(attack, examples=100, pool_size=100, refresh=100, every=1)
    else:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)  # dropout draws from it
            fit(
                network,
                data,
                weight_decay=WEIGHT_DECAY,
                steps=STEPS * how.get("times", 1),
                learning_rate=2e-3,
                generator=generator,
            )
    return network.requires_grad_(False), time.process_time() - start


def with_dropout(network: nn.Sequential) -> nn.Sequential:
    """A fifth of the pixels and half of the units are dropped while training."""
    layers: list[nn.Module] = []
    for layer in network:
        if isinstance(layer, nn.Linear):
            layers.append(nn.Dropout(0.2 if len(layers) == 1 else 0.5))
        layers.append(layer)
    return nn.Sequential(*layers)


def measure(data: str, method: str, seed: int) -> dict:
    """Errors, distances, and what becomes of examples made for the plain network of the seed."""
    train_set, test = load_images(data, split="train"), load_images(data, split="test")
    network, seconds = train(method, train_set, seed)
    plain = network if method == "weight decay" else train("weight decay", train_set, seed)[0]
    generator = torch.Generator().manual_seed(1_000_000 + seed)
    drawn = test[torch.randperm(len(test), generator=generator)[: 2 * IMAGES]]
    result = {
        "seconds": seconds,
        "train_error": error_rate(network, train_set.images, train_set.labels),
        "test_error": error_rate(network, test.images, test.labels),
    }
    for name, model in (("network", network), ("plain", plain)):
        read = (predict(model, drawn.images) == drawn.labels).nonzero()[:IMAGES, 0]
        found = lbfgs_attack(model, drawn.images[read], None, loss="margin")
        change = (found.images - drawn.images[read]).flatten(1)
        result[name] = {
            "distance": change.norm(dim=1).median().item(),
            "transfer": error_rate(network, found.images, drawn.labels[read]),
            "amplified": error_rate(
                network,
                drawn.images[read] + 2 * (found.images - drawn.images[read]),
                drawn.labels[read],
            ),
        }
    return result


def main() -> None:
    arguments = sweep_parser("training", __doc__).parse_args()
    data = load_images(split="train").name
    settings = [
        {"data": data.lower(), "method": method, "seed": seed}
        for seed in range(arguments.seeds)
        for method in METHODS
    ]
    with workers(arguments):
        measured = run_sweep(measure, settings, folder=SWEEPS, progress=True)
    results = {
        "data": data,
        "code": code_version(),
        "version": blindspots.__version__,
        "seeds": arguments.seeds,
        "runs": [s | r for s, r in zip(settings, measured, strict=True)],
    }
    store(arguments.output, results)


if __name__ == "__main__":
    main()
