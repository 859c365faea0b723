"""The photographs of the last chapter, attacked: any target, both attacks, noise, units, bounds.

Each photograph is to be taken for an ostrich, as in the paper's Figure 5, and for eight classes
drawn at random, by both attacks; then any class will do. What is found is also written to 8 bits.
It runs on all cores, in less than an hour on two; interrupted, it goes on where it stopped.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.transforms import RandomResizedCrop

from blindspots import (
    LabelledImages,
    add_gaussian_noise,
    basis_test,
    evaluate,
    label_agreement,
    layer_bounds,
    lbfgs_attack,
    nearest_attack,
    pixel_compactness,
    predict,
    whitening,
)
from blindspots.attack.results import AdversarialImages
from blindspots.attack.rounding import round_adversarial
from blindspots.imagenet import (
    PHOTOGRAPHS,
    SIDE,
    class_names,
    load_network,
    load_photographs,
)
from blindspots.perturbations import structural_similarity
from blindspots.units import Coherence
from experiments.command import Results, store_results, sweep, sweep_parser

NETWORK = "EfficientNet-Lite0"
TARGET = "ostrich"
OTHERS = 8  # targets drawn at random
Z = 2.3263  # a normal number exceeds it with a chance of one per cent
# Multiples of the way to the nearest adversarial image; and that at which noise would mislead with
# a chance of one per cent if all beyond a plane were misread.
MULTIPLES = {"1": 1.0, "10": 10.0, "100": 100.0, "plane": (3 * SIDE**2) ** 0.5 / Z}
DRAWS = 200
CROPS = 2000
CROP_AREAS = 0.05, 0.5  # of the photograph
TOP, ROTATIONS = 8, 49


def draw_targets(photograph: int, label: int) -> list[int]:
    """Give the ostrich, and classes drawn at random that are neither it nor the label."""
    names = class_names()
    generator = torch.Generator().manual_seed(photograph)
    drawn = torch.randperm(len(names), generator=generator).tolist()
    ostrich = names.index(TARGET)
    return [ostrich, *[c for c in drawn if c not in (ostrich, label)][:OTHERS]]


def examine(network: str, photograph: int) -> Results:
    """Attack one photograph with every target, and with none; and send noise."""
    model, data = load_network(network), load_photographs()[[photograph]]
    image = data.images
    logits = model(image)[0]
    label = int(logits.argmax())
    targets = torch.tensor(draw_targets(photograph, label))
    copies = image.expand(len(targets), -1, -1, -1)
    nearest, any_class = nearest_attack(model, copies, targets), nearest_attack(model, image)
    names, steepness = class_names(), slopes(model, copies, targets, label)
    found = {
        "reads": names[label],
        "probability": logits.softmax(dim=0)[label].item(),
        "targets": [names[target] for target in targets],
        "behind": (logits[label] - logits[targets]).tolist(),
        "slopes": steepness.tolist(),
        "nearest": describe(model, copies, nearest, targets),
        "lbfgs": describe(model, copies, lbfgs_attack(model, copies, targets), targets),
        "any": describe(model, image, any_class, predict(model, any_class.images)),
        "any class": names[int(predict(model, any_class.images))],
        "blend": blend(model, image, load_photographs().images),
    }
    generator = torch.Generator().manual_seed(1_000_000 + photograph)
    found["noise"] = {
        name: noise_error(model, image, label, multiple * any_class.distortion, generator)
        for name, multiple in MULTIPLES.items()
    }
    return found


def describe(
    model: nn.Module, images: Tensor, found: AdversarialImages, targets: Tensor
) -> dict[str, list[Any]]:
    """Measure perturbations; success by a prediction of each image alone, in 32 bits and in 8."""
    change = (found.images - images).flatten(1)
    files, _ = round_adversarial(model, found.images, targets)
    alone, from_file = (
        torch.cat([predict(model, picture[None]) for picture in pictures])
        for pictures in (found.images, (255 * files).round() / 255)
    )
    return {
        "success": (alone == targets).tolist(),
        "file success": (from_file == targets).tolist(),
        "l2": change.norm(dim=1).tolist(),
        "levels": (255 * change.abs().amax(dim=1)).tolist(),
        "alike": structural_similarity(images, found.images).tolist(),
        "gradients": found.evaluations.tolist(),
    }


def blend(model: nn.Module, image: Tensor, photographs: Tensor) -> dict[str, float]:
    """Go straight to the nearest other photograph, in steps of one per cent, until it is read so.

    Gives the whole distance, how much of it that takes in per cent, and how similar the blend is.
    """
    apart = (photographs - image).flatten(1).norm(dim=1)
    apart[apart == 0] = torch.inf
    whole, other = apart.min(dim=0)
    wanted = predict(model, photographs[[int(other)]])
    for part in range(1, 101):
        mixed = torch.lerp(image, photographs[[int(other)]], part / 100)
        if predict(model, mixed) == wanted:
            break
    alike = structural_similarity(image, mixed).item()
    return {"whole way": whole.item(), "share": float(part), "alike": alike}


def slopes(model: nn.Module, images: Tensor, targets: Tensor, label: int) -> Tensor:
    """Compute the norms of the gradients of a target's logit minus that of the class read."""
    points = images.clone().requires_grad_()
    logits = model(points)
    ahead = logits.gather(1, targets[:, None]).sum() - logits[:, label].sum()
    (gradient,) = torch.autograd.grad(ahead, points)
    return gradient.flatten(1).norm(dim=1)


def noise_error(
    model: nn.Module, image: Tensor, label: int, size: Tensor, generator: torch.Generator
) -> float:
    """Add noise of a standard deviation many times; the share that is not read as before."""
    wrong = 0
    for _ in range(DRAWS):
        noisy = add_gaussian_noise(
            image, standard_deviation=size.float(), bounds=None, generator=generator
        )
        wrong += int(predict(model, noisy) != label)
    return wrong / DRAWS


def examine_units(data: LabelledImages, seed: int) -> list[Results]:
    """Test the last features of the network as units, on crops of the photographs.

    By which photograph the top crops are from, and by their pixels; raw and white; the same of the
    principal directions in their place; and, as a control, with the photographs shuffled.
    """
    network = load_network(NETWORK)
    generator = torch.Generator().manual_seed(seed)
    which = torch.arange(CROPS) % len(data)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        crop = RandomResizedCrop(SIDE, scale=CROP_AREAS, antialias=True)
        crops = torch.stack([crop(data.images[i]) for i in which])
    features = evaluate(nn.Sequential(*[*network.children()][:-1]), crops, batch_size=20)
    features = features[:, features.std(dim=0) > 0].double()
    shuffled = which[torch.randperm(CROPS, generator=generator)]
    scores: dict[str, Coherence] = {
        "photograph": partial(label_agreement, which),
        "pixels": partial(pixel_compactness, torch.nn.functional.avg_pool2d(crops, 7)),
        "shuffled": partial(label_agreement, shuffled),
    }
    white = whitening(features)
    principal = features @ torch.linalg.svd(features - features.mean(0), full_matrices=False).Vh.T
    spaces = {
        "raw": (features, None),
        "white": (features @ white, white.inverse()),
        "principal": (principal, None),
    }
    rows = []
    for space, (seen, directions) in spaces.items():
        for score, coherence in scores.items():
            found = basis_test(
                seen,
                coherence,
                directions=directions,
                k=TOP,
                rotations=ROTATIONS,
                generator=generator,
            )
            row = {"space": space, "score": score, "units": seen.shape[1], "pvalue": found.pvalue}
            rows.append(row | {"superiority": found.superiority})
    return rows


def main(words: Sequence[str] | None = None) -> None:
    arguments = sweep_parser(__file__, __doc__).parse_args(words)
    data = load_photographs()
    settings = [{"network": n, "photograph": i} for n in (NETWORK,) for i in range(len(data))]
    rows = sweep(examine, settings, arguments)
    bounds = layer_bounds(load_network(NETWORK), (3, SIDE, SIDE), progress=True)
    store_results(
        arguments,
        data.name,
        network=NETWORK,
        titles=[photograph.title for photograph in PHOTOGRAPHS],
        draws=DRAWS,
        crops=CROPS,
        multiples=MULTIPLES,
        photographs=rows,
        bound=bounds.bound,
        layers=len(bounds.layers),
        units=examine_units(data, 0),
    )


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
