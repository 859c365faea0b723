"""How many threads are worth while: four kinds of work, quiet and beside two busy processes.

Prints seconds as a multiple of one thread on the quiet machine, so compares within one run only.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from tqdm import tqdm

from blindspots import (
    LabelledImages,
    conv_norm,
    convnet,
    fit_to_convergence,
    lipsdp_bound,
    load_images,
    mlp,
)

sys.path.append(str(Path(__file__).parents[2] / "tools"))
from busy import busy

WAYS = {
    "1 thread": {"OMP_NUM_THREADS": "1"},
    "2 threads, passive": {"OMP_NUM_THREADS": "2", "OMP_WAIT_POLICY": "PASSIVE"},
    "2 threads, spinning": {"OMP_NUM_THREADS": "2", "OMP_WAIT_POLICY": "ACTIVE"},
}


def small_network(data: LabelledImages) -> None:
    fit_to_convergence(mlp([64, 100, 100, 10]), data, weight_decay=[1e-5] * 3, max_iterations=300)


def convolutional_network(data: LabelledImages) -> None:
    model = convnet(data.images.shape[1:], channels=[16, 32])
    fit_to_convergence(model, data, weight_decay=[1e-5] * 3, max_iterations=50)


def lipsdp(data: LabelledImages) -> None:
    lipsdp_bound(mlp([784, 100, 100, 10]))


def enclosure(data: LabelledImages) -> None:
    weight = torch.randn(24, 24, 5, 5, generator=torch.Generator().manual_seed(0))
    conv_norm(weight, (20, 20), padding=2, tight=True)


WORK: dict[str, Callable[[LabelledImages], None]] = {
    "FC100-100-10": small_network,
    "convnet": convolutional_network,
    "LipSDP": lipsdp,
    "enclosure": enclosure,
}


def seconds(work: str) -> float:
    """Time of the work in this process, warm."""
    data = load_images(split="train")
    torch.manual_seed(0)
    WORK[work](data)
    began = time.perf_counter()
    WORK[work](data)
    return time.perf_counter() - began


def main() -> None:
    runs = [(work, load, way) for work in WORK for load in (0, 2) for way in WAYS]
    table = {}
    for work, load, way in (bar := tqdm(runs)):
        bar.set_description(f"{work}, {way}")
        with busy(load):
            words = [sys.executable, __file__, work]
            environment = {**os.environ, "BLINDSPOTS_DATASET": "digits", **WAYS[way]}
            said = subprocess.check_output(words, env=environment, stderr=subprocess.DEVNULL)
        table[work, load, way] = float(said)
    print(f"{'':22}{'':>7}" + "".join(f"{way:>22}" for way in WAYS))
    for work in WORK:
        for load in (0, 2):
            ratios = [table[work, load, way] / table[work, 0, "1 thread"] for way in WAYS]
            cells = "".join(f"{ratio:22.2f}" for ratio in ratios)
            print(f"{work:22}{'loaded' if load else 'quiet':>7}{cells}")


if __name__ == "__main__":
    print(seconds(sys.argv[1])) if len(sys.argv) > 1 else main()
