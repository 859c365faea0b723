"""Closed, or moved? AutoAttack on networks of the fair trial, beside our own attack.

A defence that is measured by its own author's attack only may owe its success to that attack.
AutoAttack (Croce and Hein 2020, arXiv:2003.01690) is four attacks of others, without settings to
choose; an image counts as misclassified if any of them succeeds within the length. One seed: the
table supports no verdict.
"""

import warnings
from collections.abc import Sequence

import torch
from tqdm import tqdm

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import torchattacks

from blindspots import error_rate, load_images, nearest_attack, predict
from blindspots.book.stored import load_stored
from experiments.command import parser, store_results
from experiments.fair_training import train

FAMILIES = "weight decay", "image", "last hidden layer", "every layer", "pools at every layer"
LENGTHS = 0.5, 1.0, 1.5, 2.0  # L2
IMAGES = 256


def main(words: Sequence[str] | None = None) -> None:
    arguments = parser(__file__, __doc__).parse_args(words)
    train_set, test = load_images(split="train"), load_images(split="test")[:IMAGES]
    chosen = {run["family"]: run for run in reversed(load_stored("fair_training")["runs"])}
    rows = []
    for family in tqdm(FAMILIES):
        run = chosen[family]
        network = train(run["how"], train_set, run["seed"]).eval()
        nearest = nearest_attack(network, test.images)
        away = (nearest.images - test.images).flatten(1).norm(dim=1)
        wrong = predict(network, test.images) != test.labels  # without any attack
        clean = wrong.double().mean().item()
        row = {"family": family, "way": run["way"], "clean": clean, "auto": [], "ours": []}
        for length in LENGTHS:
            attack = torchattacks.AutoAttack(network, norm="L2", eps=length, n_classes=10, seed=0)
            found = attack(test.images, test.labels)
            row["auto"].append(error_rate(network, found, test.labels))
            row["ours"].append((wrong | (away <= length)).double().mean().item())
        rows.append(row)
    version = torchattacks.__version__
    found = {"lengths": LENGTHS, "images": IMAGES, "torchattacks": version, "rows": rows}
    store_results(arguments, train_set.name, **found)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
