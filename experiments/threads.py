"""How many threads are worth while: four kinds of work, quiet and beside two busy processes.

Prints seconds as a multiple of one thread on the quiet machine, so compares within one run only.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

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
from tools.busy import busy

WAYS = {
    "1 thread": {"OMP_NUM_THREADS": "1"},
    "2 threads, passive": {"OMP_NUM_THREADS": "2", "OMP_WAIT_POLICY": "PASSIVE"},
    "2 threads, spinning": {"OMP_NUM_THREADS": "2", "OMP_WAIT_POLICY": "ACTIVE"},
}


def small_network(data: LabelledImages) -> None:
    fit_to_convergence(mlp([64, 100, 100, 10]), data, weight_decay=[1e-5] * 3, max_iterations=300)


def convolutional_network(data: LabelledImages) -> None:
    channels, height, width = data.images.shape[1:]
    model = convnet((channels, height, width), channels=[16, 32])
    fit_to_convergence(model, data, weight_decay=[1e-5] * 3, max_iterations=50)


def lipsdp(data: LabelledImages) -> None:
    lipsdp_bound(mlp([784, 100, 100, 10]).eval())


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
    """Measure the time of the work in this process, warm."""
    data = load_images(split="train")
    torch.manual_seed(0)
    WORK[work](data)
    began = time.perf_counter()
    WORK[work](data)
    return time.perf_counter() - began


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--work", nargs="+", default=list(WORK), choices=WORK)
    chosen = parser.parse_args(words).work
    runs = [(work, load, way) for work in chosen for load in (0, 2) for way in WAYS]
    table = {}
    for work, load, way in (bar := tqdm(runs)):
        bar.set_description(f"{work}, {way}")
        with busy(load):
            program = f"from experiments.threads import seconds; print(seconds({work!r}))"
            environment = {**os.environ, "BLINDSPOTS_DATASET": "digits", **WAYS[way]}
            said = subprocess.check_output(
                [sys.executable, "-c", program], env=environment, stderr=subprocess.DEVNULL
            )
        table[work, load, way] = float(said)
    print(f"{'':22}{'':>7}" + "".join(f"{way:>22}" for way in WAYS))
    for work in chosen:
        for load in (0, 2):
            ratios = [table[work, load, way] / table[work, 0, "1 thread"] for way in WAYS]
            cells = "".join(f"{ratio:22.2f}" for ratio in ratios)
            print(f"{work:22}{'loaded' if load else 'quiet':>7}{cells}")


if __name__ == "__main__":
    main()
