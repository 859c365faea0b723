"""The stored results of the benchmarks: complete, and of the attacks that are compared today."""

import ast
import re
from pathlib import Path

import pytest
import torch

from blindspots.book.stored import load_stored

ATTACKS = Path(__file__).resolve().parent.parent / "benchmarks" / "attacks"
STORED = load_stored("attacks")
NETWORKS = ("FC10(1e-4)", "FC100-100-10", "convnet")


def contest(network, targeted):
    return [r for r in STORED["rows"] if (r["network"], r["targeted"]) == (network, targeted)]


@pytest.mark.parametrize("targeted", [True, False])
@pytest.mark.parametrize("network", NETWORKS)
def test_every_library_took_part_on_the_same_images(network, targeted):
    rows = [row for row in contest(network, targeted) if row["library"] != "quadprog"]
    libraries = {row["library"] for row in rows}
    assert libraries - {"scipy"} == {"blindspots", "adv-lib", "foolbox", "torchattacks", "ART"}
    assert ("scipy" in libraries) == targeted
    assert len(rows) >= 25 and len(
        {(r["library"], r["attack"], r["setting"]) for r in rows}
    ) == len(rows)
    assert all(len(row["l2"]) == row["images"] <= 256 and row["gradients"] > 0 for row in rows)


@pytest.mark.parametrize("targeted", [True, False])
def test_nothing_is_nearer_than_the_exact_minimum(targeted):
    """A control of the benchmark itself: a shorter perturbation would be an error in it."""
    *rows, exact = sorted(contest("FC10(1e-4)", targeted), key=lambda r: r["library"] == "quadprog")
    assert len(exact["l2"]) == 256
    for row in rows:
        for found, least in zip(row["l2"], exact["l2"], strict=False):
            assert found is None or found >= least * (1 - 1e-4)


@pytest.mark.parametrize("targeted", [True, False])
@pytest.mark.parametrize("network", NETWORKS)
def test_ours_succeeded_everywhere(network, targeted):
    for row in contest(network, targeted):
        if row["library"] == "blindspots":
            assert None not in row["l2"] and row["images"] == 256


def test_the_settings_that_were_stored_are_those_in_the_code():
    tree = ast.parse((ATTACKS / "peers.py").read_text(encoding="utf-8"))
    named = {
        tuple(argument.value for argument in call.args[:3])
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        and getattr(call.func, "id", "") == "Setting"
        and all(isinstance(argument, ast.Constant) for argument in call.args[:3])
    }
    stored = {(row["library"], row["attack"], row["setting"]) for row in STORED["rows"]}
    assert len(named) > 20 and named <= stored


def test_versions_are_those_that_the_environment_asks_for():
    wanted = dict(
        re.findall(r"^([\w-]+)==(\S+)$", (ATTACKS / "requirements.txt").read_text(), re.M)
    )
    for name, version in STORED["versions"].items():
        assert wanted.get(name, version) == version


def test_every_layer_was_measured_with_every_method():
    rows = load_stored("lipschitz")["rows"]
    counts = {n: sum(r["network"] == n for r in rows) for n in ("convnet", "ResNet-20", "AlexNet")}
    assert counts == {"convnet": 2, "ResNet-20": 19, "AlexNet": 5}
    source = (ATTACKS.parent / "lipschitz" / "methods.py").read_text(encoding="utf-8")
    for row in rows:
        assert all(f'"{name}"' in source for name in row["values"])
        assert row["values"].keys() == row["cpu_seconds"].keys() and len(row["values"]) == 9


def test_our_bounds_of_layers_are_bounds_and_keep_what_is_promised():
    rows = load_stored("lipschitz")["rows"]
    for row in rows:
        assert 1 - 1e-9 <= row["values"]["ours, tight"] / row["exact"] <= 1.001
        assert 1 - 1e-9 <= row["values"]["ours, Fourier"] / row["exact"] <= 2.1
        assert row["values"]["power iteration, 100 steps"] <= row["exact"] * (1 + 1e-5)


@pytest.mark.parametrize("stride, padding", [(1, 1), (2, 0), (2, 2)])
def test_the_benchmarked_methods_are_what_they_say(stride, padding, monkeypatch, generator):
    monkeypatch.syspath_prepend(str(ATTACKS.parent / "lipschitz"))
    import methods

    weight = torch.randn(3, 2, 3, 3, generator=generator)
    layer = methods.Layer("", "", weight, 8, stride, padding)
    units = torch.eye(2 * 64).view(-1, 2, 8, 8)
    norm = torch.linalg.matrix_norm(layer(units).flatten(1).double(), 2).item()
    values = {name: method(layer) for name, method in methods.METHODS.items()}
    assert methods.exact(layer) == pytest.approx(norm, rel=1e-6)
    assert values["power iteration, 100 steps"] == pytest.approx(norm, rel=1e-2)
    assert values["paper, as printed"] == pytest.approx(values["ours, Fourier"] / stride, rel=1e-5)
    assert values["Gram iteration, 6 steps"] == pytest.approx(
        values["Sedghi et al., FFT"], rel=0.02
    )
    assert values["Gram iteration, 6 steps"] >= values["Sedghi et al., FFT"]
    assert values["reshaped kernel"] == pytest.approx(
        torch.linalg.matrix_norm(weight.flatten(1), 2).item(), rel=1e-5
    )
