"""Tables 2 to 4 with several seeds: networks x seeds x training sets x attacks, through joblib.

It runs on all cores, and stores the results for the book. Interrupted, it goes on where it stopped.
"""

from collections.abc import Callable, Sequence

import torch
from torch import nn

from blindspots import (
    LabelledImages,
    add_equal_noise,
    add_gaussian_noise,
    error_rate,
    lbfgs_attack,
    load_images,
    nearest_attack,
    predict,
    random_targets,
    rescale_perturbation,
    split_halves,
    trained,
    transfer_matrix,
)
from blindspots.attack.results import AdversarialImages
from blindspots.book.paper import TABLE_1, TABLE_3
from blindspots.data import Source
from experiments.command import Results, store_results, sweep, sweep_parser

# Per study, the networks: what the book calls each, its recipe, what it is trained on, and what is
# added to the run's seed, so that two of one recipe do not start from the same weights.
STUDIES = {
    "hyperparameters": {name: (name, "train", 0) for name in (*TABLE_1, "convnet")}
    | {"FC100-100-10, other start": ("FC100-100-10", "train", 100)},
    "halves": {
        "FC100-100-10": ("FC100-100-10", "P1", 0),
        "FC123-456-10": ("FC123-456-10", "P1", 0),
        "FC100-100-10'": ("FC100-100-10", "P2", 200),
        "FC100-100-10, other start": ("FC100-100-10", "P1", 100),
    },
}
PAPER = {  # its distortions
    "hyperparameters": {name: row.distortion for name, row in TABLE_1.items()},
    "halves": {name: row.distortion for name, row in TABLE_3.items()},
}
ATTACKED = {"hyperparameters": "train", "halves": "test"}  # which images, as in the paper
ATTACKS: dict[str, Callable[..., AdversarialImages]] = {
    "cross_entropy": lbfgs_attack,
    "margin": nearest_attack,
}  # by what each follows
IMAGES = 256
NOISE_IMAGES = 10_000
SIZES = (0.02, 0.04, 0.06, 0.08, 0.1, 0.15, 0.2, 0.3)


def parts(data: Source, seed: int) -> dict[str, LabelledImages]:
    """Load the training and the test images, and halve the former."""
    train, test = load_images(data, split="train"), load_images(data, split="test")
    p1, p2 = split_halves(train, generator=torch.Generator().manual_seed(seed))
    return {"train": train, "P1": p1, "P2": p2, "test": test}


def network(study: str, name: str, seed: int, sets: dict[str, LabelledImages]) -> nn.Module:
    """Train a network of a study, or take it from the cache."""
    recipe, half, offset = STUDIES[study][name]
    return trained(recipe, sets[half], seed=seed + offset)


def describe(data: Source, study: str, name: str, seed: int) -> Results:
    """Train one network; its errors on clean images and on Gaussian noise (not clipped)."""
    sets = parts(data, seed)
    model = network(study, name, seed, sets)
    attacked = sets[ATTACKED[study]][:NOISE_IMAGES]
    generator = torch.Generator().manual_seed(seed)
    noise = {}
    for size in SIZES:
        noisy = add_gaussian_noise(attacked.images, standard_deviation=size, generator=generator)
        noise[str(size)] = error_rate(model, noisy, attacked.labels)
    clean = {title: error_rate(model, s.images, s.labels) for title, s in sets.items()}
    return {"clean": clean, "noise": noise}


def attack(data: Source, study: str, name: str, seed: int, loss: str) -> Results:
    """Attack one network and show the images, and the controls, to all networks of its study."""
    sets = parts(data, seed)
    networks = {other: network(study, other, seed, sets) for other in STUDIES[study]}
    source, attacked = networks[name], sets[ATTACKED[study]]
    generator = torch.Generator().manual_seed(seed)
    drawn = attacked[torch.randperm(len(attacked), generator=generator)[: 4 * IMAGES]]
    targets = random_targets(drawn.labels, classes=10, generator=generator)
    correct = (predict(source, drawn.images) == drawn.labels).nonzero()[:IMAGES, 0]
    found = ATTACKS[loss](source, drawn.images[correct], targets[correct])
    ok = found.success
    images, labels, adversarial = (
        drawn.images[correct][ok],
        drawn.labels[correct][ok],
        found.images[ok],
    )
    change = adversarial - images
    pooled = change.square().mean().sqrt().item()
    pixels = torch.randperm(change[0].numel(), generator=generator)
    shown = {
        "clean": images,
        "adversarial": adversarial,
        "equal noise": add_equal_noise(images, adversarial, generator=generator),
        "equal noise in the box": add_equal_noise(
            images, adversarial, bounds=(0, 1), generator=generator
        ),
        "other image's": images + change.roll(1, dims=0),
        "scrambled": images + change.flatten(1)[:, pixels].view_as(change),
        "paper's size": images + PAPER[study].get(name, pooled) / pooled * change,
        "one factor 0.1": images + 0.1 / pooled * change,  # "size 0.1" is one factor per image
    }
    for size in SIZES:
        resized = rescale_perturbation(images, adversarial, to=size)
        shown[f"size {size}"] = resized
        shown[f"noise {size}"] = add_equal_noise(images, resized, generator=generator)
    matrix = transfer_matrix(networks, {key: (x, labels) for key, x in shown.items()})
    return {
        "attacked": len(correct),
        "images": len(images),
        "distortion": pooled,
        "error": dict(zip(matrix.sources, matrix.error.tolist(), strict=True)),
    }


def main(words: Sequence[str] | None = None) -> None:
    parser = sweep_parser(__file__, __doc__)
    parser.add_argument("--studies", nargs="+", default=list(STUDIES), choices=STUDIES)
    arguments = parser.parse_args(words)
    data = load_images(split="train").name
    trainings = [
        {"data": data.lower(), "study": study, "name": name, "seed": seed}
        for study in arguments.studies
        for name in STUDIES[study]
        for seed in range(arguments.seeds)
    ]
    attacks = [{**t, "loss": loss} for t in trainings for loss in ATTACKS]
    store_results(
        arguments,
        data,
        seeds=arguments.seeds,
        receivers={study: list(STUDIES[study]) for study in arguments.studies},
        networks=sweep(describe, trainings, arguments),
        attacks=sweep(attack, attacks, arguments),
    )


if __name__ == "__main__":
    main()
