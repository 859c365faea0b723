"""What a build measures on one training of each network, on several: blind spots by the seed.

For the rows of the ledger that *Finding blind spots* and *Rare, or dense?* record. On all data sets
at hand, so that a build is judged by trainings on its own. It runs on all cores; interrupted, it
goes on where it stopped.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from blindspots import (
    LabelledImages,
    add_equal_noise,
    correctly_classified,
    distortion,
    error_rate,
    lbfgs_attack,
    load_images,
    nearest_attack,
    predict,
    random_targets,
    rescale_perturbation,
    trained,
)
from blindspots.book.paper import TABLE_1
from blindspots.data import Source
from blindspots.networks import KernelMachine
from blindspots.perturbations import structural_similarity
from experiments.command import Results, store_results, sweep, sweep_parser

FOUND_ON = (*TABLE_1, "convnet")  # as in the chapters
RARE_ON = "FC10(1e-4)", "FC100-100-10", "convnet"
DEEP = RARE_ON[1:]
IMAGES = {"finding": 256, "rare": 512, "smoothness": 128}
KERNELS = 4000  # images that a kernel machine learns, or half of them all; as many choose it
HALF_WAY = 0.5  # there an image of the other class is as near as the original
DRAWS = 100  # noises per image
Values = dict[str, dict[str, float]]  # by claim and network, in the units of the claim's rule


def examine(data: Source, seed: int) -> Results:
    """Train all networks from one seed, attack them, and measure what the rules ask for."""
    train, test = load_images(data, split="train"), load_images(data, split="test")
    networks = {name: trained(name, train, seed=seed) for name in FOUND_ON}
    generator = torch.Generator().manual_seed(1_000_000 + seed)  # not that of the weights
    finding, whole_way = find(networks, in_random_order(train, generator), generator)
    few = {name: networks[name] for name in RARE_ON}
    sampled = sample(few, train, in_random_order(test, generator), generator)
    return {"values": finding | sampled, "whole_way": whole_way}


def in_random_order(data: LabelledImages, generator: torch.Generator) -> LabelledImages:
    return data[torch.randperm(len(data), generator=generator)]


def find(
    networks: dict[str, nn.Sequential], train: LabelledImages, generator: torch.Generator
) -> tuple[Values, dict[str, float]]:
    """Attack training images with random targets: how near it ends, and how long the way is.

    The way is that to the nearest training image of the target class; its median is given too.
    """
    values: Values = {"found": {}, "very-close": {}, "indistinguishable": {}}
    whole_way = {}
    for name, network in networks.items():
        count = IMAGES["finding"]
        originals = correctly_classified(network, train[: 4 * count])[:count]
        targets = random_targets(originals.labels, classes=10, generator=generator)
        found = lbfgs_attack(network, originals.images, targets)
        before, after = originals.images[found.success], found.images[found.success]
        whole, _ = train.nearest(before, predict(network, after))
        way = length(after - before) / whole
        alike = structural_similarity(before, after)
        whole_way[name] = whole.median().item()
        values["found"][name] = 100 * int((way <= HALF_WAY).sum()) / len(originals)
        values["very-close"][name] = 100 * way.median().item()
        values["indistinguishable"][name] = alike.median().item()
    return values, whole_way


def sample(
    networks: dict[str, nn.Sequential],
    train: LabelledImages,
    test: LabelledImages,
    generator: torch.Generator,
) -> Values:
    """Attack test images that all networks read correctly, and send noise as far as the attack."""
    data = test
    for network in networks.values():
        data = correctly_classified(network, data)
    data = data[: IMAGES["rare"]]
    images, labels = data.images, data.labels
    targets = random_targets(labels, classes=10, generator=generator)
    apart = torch.cdist(images.flatten(1), test.images.flatten(1))
    apart[labels[:, None] == test.labels] = torch.inf
    half_way = HALF_WAY * apart.amin(dim=1)
    claims = "hard-to-hit", "rare", "pockets", "near"
    values: Values = {claim: {} for claim in claims}
    for name, network in networks.items():
        nearest, random = nearest_attack(network, images), nearest_attack(network, images, targets)
        within = nearest.success & (length(nearest.images - images) <= half_way)
        values["near"][name] = percent(within)
        reached = nearest.success & random.success
        start, own = images[reached], labels[reached]
        end = nearest.images[reached]
        twice = noise_error(network, start, 2 * end - start, own, generator)
        values["hard-to-hit"][name] = twice
        usual = length(random.images[reached] - start).median().item()
        values["rare"][name] = percent(adversarial_by_nature(network, train, test, usual))
        if name in DEEP:
            beyond = rescale_perturbation(
                start, end, to=1.5 * distortion(start, end), bounds=(0, 1)
            )
            as_long = beyond + end - start
            values["pockets"][name] = 100 - noise_error(network, beyond, as_long, own, generator)
    return values | {"smoothness": compare_with_kernels(networks, train, data, generator)}


def adversarial_by_nature(
    network: nn.Module, train: LabelledImages, test: LabelledImages, within: float
) -> Tensor:
    """Find the test images that are misread, but have a near one of their class that is not.

    Near is within the given length, among training and test images.
    """
    everything = LabelledImages(
        torch.cat([train.images, test.images]), torch.cat([train.labels, test.labels]), train.name
    )
    misread = predict(network, test.images) != test.labels
    apart, _ = correctly_classified(network, everything).nearest(
        test.images[misread], test.labels[misread]
    )
    found = torch.zeros(len(test), dtype=torch.bool)
    found[misread] = apart <= within
    return found


def noise_error(
    network: nn.Module,
    start: Tensor,
    perturbed: Tensor,
    labels: Tensor,
    generator: torch.Generator,
) -> float:
    """Send noise as long as a perturbation; the share that is misread, in per cent."""
    errors = [
        error_rate(network, add_equal_noise(start, perturbed, generator=generator), labels)
        for _ in range(DRAWS)
    ]
    return 100 * sum(errors) / DRAWS


def compare_with_kernels(
    networks: dict[str, nn.Sequential],
    train: LabelledImages,
    data: LabelledImages,
    generator: torch.Generator,
) -> dict[str, float]:
    """Divide the way out of each deep network by that out of a kernel machine; medians."""
    count, mixed = min(KERNELS, len(train) // 2), in_random_order(train, generator)
    machine = KernelMachine.chosen(mixed[:count], mixed[count : 2 * count])
    images = correctly_classified(machine, data).images[: IMAGES["smoothness"]]
    ways = [
        length(nearest_attack(network, images).images - images)
        for network in (machine, *(networks[name] for name in DEEP))
    ]
    ratios = [(way / ways[0]).median().item() for way in ways[1:]]
    return dict(zip(DEEP, ratios, strict=True))


def length(change: Tensor) -> Tensor:
    """L2 norm, per image."""
    return change.flatten(1).norm(dim=1)


def percent(hits: Tensor) -> float:
    return 100 * hits.double().mean().item()


def main(words: Sequence[str] | None = None) -> None:
    arguments = sweep_parser(__file__, __doc__).parse_args(words)
    here = load_images(split="train").name
    settings = [
        {"data": data, "seed": seed}
        for data in dict.fromkeys((here.lower(), "digits"))
        for seed in range(arguments.seeds)
    ]
    found = sweep(examine, settings, arguments)
    store_results(arguments, here, seeds=arguments.seeds, trainings=found)


if __name__ == "__main__":
    main()
