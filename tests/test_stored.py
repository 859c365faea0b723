"""What is stored instead of computed by the build: complete, and of the protocol of today."""

import ast
from pathlib import Path

import pytest
import torch

from blindspots import load_stored
from blindspots.paper import TABLE_1, TABLE_3

ROOT = Path(__file__).resolve().parent.parent
STORED = load_stored("transfer")
KINDS = {"clean", "adversarial", "equal noise", "equal noise in the box", "other image's"}
KINDS |= {"scrambled", "paper's size"}
TWIN = "FC100-100-10, other start"


def test_an_unknown_name_is_an_error():
    with pytest.raises(ValueError, match=r"nothing is stored as 'seeds': use one of .*transfer"):
        load_stored("seeds")


def test_the_grid_is_complete():
    assert STORED["seeds"] >= 3 and STORED["data"] == "MNIST"
    networks = {"hyperparameters": [*TABLE_1, "convnet", TWIN], "halves": [*TABLE_3, TWIN]}
    assert STORED["receivers"] == networks
    described = [(r["study"], r["name"], r["seed"]) for r in STORED["networks"]]
    expected = [(s, n, i) for s in networks for n in networks[s] for i in range(STORED["seeds"])]
    assert described == expected
    attacked = [(r["study"], r["name"], r["seed"], r["loss"]) for r in STORED["attacks"]]
    assert attacked == [(*e, loss) for e in expected for loss in ("cross_entropy", "margin")]


def test_rows_are_what_the_receivers_of_their_study_say():
    for row in STORED["attacks"]:
        assert row["attacked"] == row["images"] == 256 and set(row["error"]) > KINDS
        own = STORED["receivers"][row["study"]].index(row["name"])
        for kind, errors in row["error"].items():
            assert len(errors) == len(STORED["receivers"][row["study"]])
            assert all(0 <= e <= 1 for e in errors), kind
        assert row["error"]["adversarial"][own] == 1 and row["error"]["clean"][own] == 0
        # Percentages of 256 images.
        assert torch.tensor(row["error"]["adversarial"]).mul(256).frac().abs().max() < 1e-6


def test_the_sweep_makes_what_is_stored():
    """The kinds of images in the script's code are those of the stored file."""
    tree = ast.parse((ROOT / "sweeps" / "transfer.py").read_text(encoding="utf-8"))
    sizes = next(
        ast.literal_eval(n.value)
        for n in tree.body
        if isinstance(n, ast.Assign) and n.targets[0].id == "SIZES"
    )
    words = {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant)}
    row = STORED["attacks"][0]
    assert words >= KINDS
    assert set(row["error"]) == KINDS | {f"{k} {s}" for k in ("size", "noise") for s in sizes}
