"""Compare attacks on networks of many kinds that they were not made on: one run, one table.

Sixteen kinds of networks, on MNIST and on the digits, and three large ones with up to seven
photographs, for the attacks that take a minute there. On each, every attack gets the same images
and targets, with one thread. Costs are compared within a network only. Interrupted, it goes on
where it stopped.

The images are 64: with half as many, single images moved the mean length of a network by up to
3 %. When and how a row leaves the projections for a walk was chosen on the first half of the kinds
and on EfficientNet-Lite0; the second half, Lite1 and Lite2 judge it. Of these, layer norm was
looked at as well.

What an attack does once per step, however many images it is given, weighs heavily on a tiny network
with few images. So our default and DDN with 100 steps are also timed with as many images at once as
our attacks take into one batch.

What is asked of other starts was committed before the first run. The *gap* of a network is that
between the mean length of the nearest attack from one start and from twenty; half of it is closed
by the fewest starts whose mean length is at most halfway. More starts pay better than more
projections where they come at least as near as 300 projections in less time. The control are the
kinds that are nearly linear or smooth (nearly linear, tanh), with one minimum per image and class:
no start may bring anything there if the class is given.
"""

import importlib.metadata
import platform
import warnings
from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from adv_lib.attacks import fab, sdf

from blindspots import (
    LabelledImages,
    correctly_classified,
    distortion,
    error_rate,
    load_images,
    nearest_attack,
    random_targets,
    rescale_perturbation,
)
from blindspots.data import Source
from blindspots.imagenet import load_network, load_photographs
from experiments import attacks
from experiments import attacks_peers as peers
from experiments.command import Results, parser, store_results, sweep
from experiments.strangers_networks import HALVES, KINDS, STEPS, train_stranger

IMAGES = 64
AT_ONCE = 256  # images, when only the time is asked
DISTANCE = 0.01  # at which a gradient is taken again, as a share of the perturbation
# By library, attack and setting, of those of `attacks`.
ALSO = (
    "blindspots margin defaults",
    "blindspots margin 100 projections",
    "blindspots margin 300 projections",
    "adv-lib DDN 100 steps, no levels",
    "adv-lib DDN 1000 steps, no levels",
    "adv-lib ALMA defaults",
    "adv-lib PDGD defaults",
    "foolbox FMN defaults",
    "foolbox DeepFool overshoot 1e-4",
)
STARTS = 2, 8, 20
LARGE = "EfficientNet-Lite0", "EfficientNet-Lite1", "EfficientNet-Lite2"
TIMED = "blindspots margin defaults", "adv-lib DDN 100 steps, no levels"
QUICK = (
    *TIMED,
    "blindspots margin 100 projections",
    "foolbox FMN defaults",
    "foolbox DeepFool overshoot 1e-4",
)


def settings() -> list[peers.Setting]:
    """List what is compared: a choice from `attacks`, and attacks that do without targets."""
    also = named(ALSO, peers.settings())
    assert len(also) == len(ALSO)
    any_class = (False,)
    by_fab = partial(peers.adv_lib_attack, True, fab, {})
    by_sdf = partial(peers.adv_lib_attack, False, sdf, {"overshoot": 1e-4})
    every_class = peers.Setting(
        "blindspots", "margin", "every class in turn", try_every_class, 540, any_class
    )
    starts = [
        peers.Setting("blindspots", "margin", f"{n} starts", partial(start_often, n), 60 * n)
        for n in STARTS
    ]
    return [
        *also,
        *starts,
        every_class,
        peers.Setting("adv-lib", "FAB", "defaults", by_fab, 1000, any_class),
        peers.Setting("adv-lib", "SuperDeepFool", "overshoot 1e-4", by_sdf, 1000, any_class),
    ]


def named(names: Sequence[str], among: Sequence[peers.Setting]) -> list[peers.Setting]:
    return [s for s in among if f"{s.library} {s.attack} {s.setting}" in names]


def start_often(
    starts: int, model: nn.Module, images: Tensor, labels: Tensor, targets: Tensor | None
) -> Tensor:
    return nearest_attack(model, images, targets, starts=starts).images


def try_every_class(
    model: nn.Module, images: Tensor, labels: Tensor, targets: Tensor | None
) -> Tensor:
    """Attack towards each wrong class: how far the class that the attack chooses is the best."""
    nearest, least = images.clone(), torch.full(labels.shape, torch.inf)
    for shift in range(1, 10):
        found = nearest_attack(model, images, (labels + shift) % 10)
        size = distortion(images, found.images).where(found.success, torch.inf)
        nearest[size < least] = found.images[size < least]
        least = least.minimum(size)
    return nearest


def examine(data: Source, kind: str, images: int, steps: int) -> Results:
    """Train a network of a kind and attack it in every way."""
    warnings.simplefilter("ignore")
    train, test = (load_images(data, split=split) for split in ("train", "test"))
    model = train_stranger(kind, train, steps=steps)
    right = correctly_classified(model, test)
    generator = torch.Generator().manual_seed(1)
    chosen, many = right[:images], right[:AT_ONCE]
    targets = random_targets(chosen.labels, classes=10, generator=generator)
    rows = measure_all(settings(), model, chosen, targets)
    turn = gradient_turn(model, chosen.images, targets)
    targets = random_targets(many.labels, classes=10, generator=generator)
    at_once = measure_all(named(TIMED, settings()), model, many, targets)
    for row in at_once:
        del row["l2"]
    error = error_rate(model, test.images, test.labels)
    return {"error": error, "turn": turn, "rows": rows, "at_once": at_once}


def examine_large(kind: str) -> Results:
    """Attack a network of ImageNet's classes, as it comes, with the photographs it knows."""
    warnings.simplefilter("ignore")
    model = load_network(kind)
    chosen = correctly_classified(model, load_photographs())
    generator = torch.Generator().manual_seed(1)
    targets = random_targets(chosen.labels, classes=1000, generator=generator)
    rows = measure_all(named(QUICK, settings()), model, chosen, targets)
    return {"images": len(chosen), "rows": rows}


def measure_all(
    chosen: Sequence[peers.Setting], model: nn.Module, data: LabelledImages, targets: Tensor
) -> list[Results]:
    """Attack the images in every way, with their targets and without where the attack can."""
    rows = []
    for setting in chosen:
        for targeted in setting.targeted:
            torch.manual_seed(0)  # of attacks that draw
            row = attacks.measure(setting, model, data, targets if targeted else None)
            rows.append({"targeted": targeted, **row})
    return rows


def gradient_turn(model: nn.Module, images: Tensor, targets: Tensor) -> float:
    """Measure how the gradient turns close to the boundary: in degrees, the median over images.

    Between the adversarial image and a random place a hundredth of its perturbation away. Zero
    where the network is affine; large where many kinks are near.
    """
    nearest = nearest_attack(model, images, targets, projections=300).images
    with torch.no_grad():
        rivals = model(nearest).scatter(1, targets[:, None], -torch.inf).argmax(dim=1)
    draw = torch.randn(images.shape, generator=torch.Generator().manual_seed(2))
    size = DISTANCE * distortion(images, nearest)
    away = rescale_perturbation(nearest, nearest + draw, to=size)
    gradients = []
    for points in (nearest, away):
        points = points.clone().requires_grad_()
        logits = model(points)
        difference = logits.gather(1, rivals[:, None]) - logits.gather(1, targets[:, None])
        gradients.append(torch.autograd.grad(difference.sum(), points)[0].flatten(1).double())
    cosine = nn.functional.cosine_similarity(gradients[0], gradients[1]).clamp(-1, 1)
    return cosine.arccos().rad2deg().median().item()


def main(words: Sequence[str] | None = None) -> None:
    options = parser(__file__, __doc__)
    options.set_defaults(jobs=1, dask=None)  # as times are measured
    options.add_argument("--images", type=int, default=IMAGES)
    options.add_argument("--steps", type=int, default=STEPS, help="of training")
    options.add_argument("--data", nargs="+", default=["mnist", "digits"])
    options.add_argument("--kinds", nargs="+", default=list(KINDS), choices=list(KINDS))
    arguments = options.parse_args(words)
    asked = [
        {"data": data, "kind": kind, "images": arguments.images, "steps": arguments.steps}
        for data in arguments.data
        for kind in arguments.kinds
    ]
    networks = sweep(examine, asked, arguments)
    large = sweep(examine_large, [{"kind": kind} for kind in LARGE], arguments)
    store_results(
        arguments,
        " and ".join(name.replace("mnist", "MNIST") for name in arguments.data),
        device=f"{platform.machine()} CPU",
        versions={name: importlib.metadata.version(name) for name in attacks.LIBRARIES},
        halves=HALVES,
        networks=networks,
        large=large,
    )


if __name__ == "__main__":
    main()
