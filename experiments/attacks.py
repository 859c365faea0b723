"""Compare our attacks with those of other libraries: one run, one table.

Every attack gets the same networks, images and targets, in one process with one thread. The costs
of the same attack differ from machine to machine, so they are compared within a run only.
"""

import importlib.metadata
import platform
import time
import warnings
from argparse import Namespace
from collections.abc import Sequence

import numpy as np
import quadprog
import torch
from torch import Tensor, nn
from tqdm import tqdm

from blindspots import LabelledImages, load_images, predict, random_targets, trained
from experiments import attacks_peers as peers
from experiments.command import Results, parser, store_results

NETWORKS = ("FC10(1e-4)", "FC100-100-10", "convnet")
IMAGES = 256
LIBRARIES = (
    "torch",
    "scipy",
    "foolbox",
    "adv-lib",
    "torchattacks",
    "adversarial-robustness-toolbox",
    "quadprog",
)


class Counting(nn.Module):
    """Passes images on to a model and counts those that it will be asked a gradient of."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.images = 0

    def forward(self, images: Tensor) -> Tensor:
        if torch.is_grad_enabled() and images.requires_grad:
            self.images += len(images)
        return self.model(images)


def main(words: Sequence[str] | None = None) -> None:
    options = parser(__file__, __doc__)
    options.add_argument("--device", default="cpu")
    options.add_argument("--networks", nargs="+", default=NETWORKS, choices=NETWORKS)
    options.add_argument(
        "--only", nargs="+", default=[""], help='settings whose name contains this: "foolbox C&W"'
    )
    arguments = options.parse_args(words)
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    train, test = (load_images(split=split) for split in ("train", "test"))
    device = torch.device(arguments.device)
    models = {name: trained(name, train, progress=True).to(device) for name in arguments.networks}
    data, targets = choose_images(models, test.to(device))
    chosen = [
        setting
        for setting in peers.settings()
        for name in [f"{setting.library} {setting.attack} {setting.setting}"]
        if any(part in name for part in arguments.only)
    ]
    jobs = [
        (name, targeted, setting)
        for name in models
        for targeted in (True, False)
        for setting in chosen
        if targeted in setting.targeted
    ]
    rows = [
        {"network": name, "targeted": targeted, **exact(model, data, targets if targeted else None)}
        for name, model in models.items()
        if name.startswith("FC10(")
        for targeted in (True, False)
    ]
    save(arguments, device, data, rows)
    for name, targeted, setting in (bar := tqdm(jobs)):
        bar.set_description(f"{name} {setting.library} {setting.attack} {setting.setting}")
        number = how_many(setting)
        wanted = targets[:number] if targeted else None
        row = measure(setting, models[name], data[:number], wanted)
        rows.append({"network": name, "targeted": targeted, **row})
        save(arguments, device, data, rows)


def choose_images(
    models: dict[str, nn.Sequential], test: LabelledImages
) -> tuple[LabelledImages, Tensor]:
    """Take the first images that all networks classify correctly, and a wrong class for each."""
    right = torch.stack([predict(m, test.images) == test.labels for m in models.values()])
    data = test[right.all(dim=0).nonzero()[:IMAGES, 0]]
    generator = torch.Generator().manual_seed(1)
    return data, random_targets(data.labels, classes=10, generator=generator)


def how_many(setting: peers.Setting) -> int:
    """Give an attack all images, or fewer if it would take hours."""
    if setting.gradients <= 2000:
        return IMAGES
    return 32 if setting.gradients <= 10_000 else 8


def measure(
    setting: peers.Setting, model: nn.Module, data: LabelledImages, targets: Tensor | None
) -> Results:
    """Run one attack and check afresh what it returns."""
    counting = Counting(model).eval()
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    if setting.gradients <= 2000:  # compiled or loaded before the clock runs
        one = None if targets is None else targets[:1]
        setting.run(counting, data.images[:1], data.labels[:1], one)
        counting.images = 0
    synchronize(data.images)
    cpu, wall = time.process_time(), time.perf_counter()
    found = setting.run(counting, data.images, data.labels, targets).detach()
    synchronize(data.images)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    gradients = counting.images / len(data)
    inside = (found >= 0).flatten(1).all(dim=1) & (found <= 1).flatten(1).all(dim=1)
    predicted = predict(model, found)
    success = inside & (predicted != data.labels if targets is None else predicted == targets)
    distances = torch.linalg.vector_norm((found - data.images).flatten(1), dim=1)
    return {
        "library": setting.library,
        "attack": setting.attack,
        "setting": setting.setting,
        "images": len(data),
        "gradients": gradients,
        "cpu_seconds": cpu / len(data),
        "wall_seconds": wall / len(data),
        "l2": [
            round(d, 6) if s else None
            for d, s in zip(distances.tolist(), success.tolist(), strict=True)
        ],
    }


def synchronize(images: Tensor) -> None:
    """Wait for the GPU, where there is one, before the clock is read."""
    if images.is_cuda:
        torch.cuda.synchronize()


def exact(model: nn.Sequential, data: LabelledImages, targets: Tensor | None) -> Results:
    """Find the true minima of an affine model by the quadratic programming solver quadprog."""
    weight, bias = (p.double().cpu().numpy() for p in model[-1].parameters())
    points, labels = data.images.flatten(1).double().cpu().numpy(), data.labels.tolist()
    distances = []
    for i in tqdm(range(len(points)), desc="exact minima"):
        if targets is None:
            distances.append(_exact_nearest(weight, bias, points[i], labels[i]))
        else:
            rivals = [k for k in range(10) if k != int(targets[i])]
            distances.append(_exact_image(weight, bias, points[i], int(targets[i]), rivals))
    return {"library": "quadprog", "attack": "exact minimum", "setting": "", "l2": distances}


def _exact_nearest(weight: np.ndarray, bias: np.ndarray, point: np.ndarray, label: int) -> float:
    """The least of the distances to the other classes; without the box they could only be less."""
    logits = weight @ point + bias
    slopes = np.linalg.norm(weight - weight[label], axis=1)
    bounds = {k: (logits[label] - logits[k]) / slopes[k] for k in range(10) if k != label}
    least = np.inf
    for target in sorted(bounds, key=lambda k: bounds[k]):
        if bounds[target] < least:
            least = min(least, _exact_image(weight, bias, point, target, [label]))
    return float(least)


def _exact_image(
    weight: np.ndarray, bias: np.ndarray, point: np.ndarray, target: int, rivals: list[int]
) -> float:
    identity = np.eye(len(point))
    normals = weight[target] - weight[rivals]
    constraints = np.concatenate([normals, identity, -identity])
    offsets = np.concatenate([bias[rivals] - bias[target], 0 * point, 0 * point - 1])
    return float(
        np.linalg.norm(quadprog.solve_qp(identity, point, constraints.T, offsets)[0] - point)
    )


def save(
    arguments: Namespace, device: torch.device, data: LabelledImages, rows: list[Results]
) -> None:
    """Store all rows so far, so that an interrupted run loses nothing."""
    is_gpu = device.type == "cuda"
    store_results(
        arguments,
        data.name,
        device=torch.cuda.get_device_name(device) if is_gpu else f"{platform.machine()} CPU",
        shape=list(data.images.shape[1:]),
        python=platform.python_version(),
        versions={name: importlib.metadata.version(name) for name in LIBRARIES},
        rows=rows,
    )


if __name__ == "__main__":
    main()
