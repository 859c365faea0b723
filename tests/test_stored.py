"""What is stored instead of computed by the build: complete, and of the protocol of today."""

import re

import pytest
import torch

from blindspots.book.paper import TABLE_1, TABLE_3
from blindspots.book.stored import FOLDER, load_stored
from blindspots.imagenet import PHOTOGRAPHS, class_names
from experiments import fair_training, photographs, trainings
from experiments.lipschitz_methods import METHODS

STORED = load_stored("transfer")
ATTACKS = load_stored("attacks")
ATTACKED = ("FC10(1e-4)", "FC100-100-10", "convnet")
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


def test_units_were_examined_in_all_networks_and_layers():
    stored = load_stored("units")
    assert stored["seeds"] >= 5 and stored["data"] == "MNIST"
    layers = {
        "FC100-100-10": ["first, linear", "first", "last, linear", "last"],
        "FC100-100-10, ReLU": ["first, linear", "first", "last"],
        "convnet": ["last"],
    }
    expected = [(n, t, s) for n in layers for t in (True, False) for s in range(stored["seeds"])]
    assert [(r["name"], r["learnt"], r["seed"]) for r in stored["networks"]] == expected
    scores = "label agreement", "pixel compactness", "shuffled labels"
    settings = [(a, k, s) for a in ("raw", "white", "ZCA") for k in (8, 50) for s in scores]
    for row in stored["networks"]:
        assert list(row["layers"]) == layers[row["name"]]
        for found in row["layers"].values():
            assert [(t["space"], t["k"], t["score"]) for t in found["tests"]] == settings
            assert 1 < found["participation"] < found["units"]
            assert all(0 <= t["superiority"] <= 1 for t in found["tests"])
            assert all(0.01 <= t["pvalue"] <= 1 for t in found["tests"])
            # The units are the same whatever is drawn at random, but for ties and rounding.
            raw, white = (found["rotated"][space]["0"] for space in ("raw", "white"))
            assert raw["agreement"] == pytest.approx(found["tests"][0]["units"], abs=0.01)
            assert raw["agreement"] == pytest.approx(white["agreement"], abs=0.03)
            # The same question twice, of other directions.
            assert abs(found["strengths"]["0"] - found["tests"][0]["superiority"]) < 0.05
            assert abs(found["strengths"]["1"] - found["tests"][6]["superiority"]) < 0.05


def test_every_way_to_train_was_tried_and_the_chosen_ones_judged():
    stored = load_stored("fair_training")
    assert stored["seeds"] >= 5 and stored["data"] == "MNIST"
    assert stored["steps"] == fair_training.STEPS
    tried = [(row["family"], row["way"]) for row in stored["tried"]]
    assert tried == [(f, way) for f, ways in fair_training.FAMILIES.items() for way in ways]
    errors = {(row["family"], row["way"]): row["validation_error"] for row in stored["tried"]}
    noise = [f"{family}, noise" for family in fair_training.CONTROLLED]
    families = [*fair_training.FAMILIES, *noise, fair_training.CLEAN]
    first = fair_training.FIRST_SEED
    expected = [(f, s) for s in range(first, first + stored["seeds"]) for f in families]
    assert [(run["family"], run["seed"]) for run in stored["runs"]] == expected
    for run in stored["runs"]:
        if run["family"] in fair_training.FAMILIES:  # the best by validation
            own = [e for (family, _), e in errors.items() if family == run["family"]]
            assert errors[run["family"], run["way"]] == min(own)
        assert 0 <= run["train_error"] < 0.1 and 0.005 < run["test_error"] < 0.1
        assert 0 < run["nearest"] < 10 and run["seconds"] > 0


def test_five_trainings_of_every_network_on_both_data_sets():
    stored = load_stored("trainings")
    expected = [(data, seed) for data in ("mnist", "digits") for seed in range(5)]
    assert [(row["data"], row["seed"]) for row in stored["trainings"]] == expected
    for row in stored["trainings"]:
        for claim, values in row["values"].items():
            finding = claim in ("found", "very-close", "indistinguishable")
            deep = claim in ("pockets", "smoothness")
            names = trainings.DEEP if deep else trainings.RARE_ON
            assert list(values) == list(trainings.FOUND_ON if finding else names)


def test_every_photograph_was_attacked_with_every_target():
    stored = load_stored("photographs")
    assert [row["photograph"] for row in stored["photographs"]] == list(range(len(PHOTOGRAPHS)))
    for row, photograph in zip(stored["photographs"], PHOTOGRAPHS, strict=True):
        assert row["reads"] == photograph.shows
        wanted = photographs.draw_targets(row["photograph"], class_names().index(row["reads"]))
        assert row["targets"] == [class_names()[target] for target in wanted]
        for attack, count in ("nearest", 9), ("lbfgs", 9), ("any", 1):
            assert len(row[attack]["l2"]) == count and min(row[attack]["l2"]) > 0
            assert row[attack]["success"] == row[attack]["file success"] == [True] * count
        assert row["any"]["l2"][0] <= min(row["nearest"]["l2"])
        assert row["noise"]["1"] < 0.1  # the control
    assert {(u["space"], u["score"]) for u in stored["units"]} == {
        (space, score)
        for space in ("raw", "white", "principal")
        for score in ("photograph", "pixels", "shuffled")
    }
    steepest = max(max(row["slopes"]) for row in stored["photographs"])
    assert steepest <= 2**0.5 * stored["bound"]


@pytest.mark.parametrize("name", sorted(file.stem for file in FOLDER.glob("*.json")))
def test_a_protocol_is_older_than_its_runs(name):
    """By the commit in which the experiment last changed."""
    stored = load_stored(name)
    commit, _, time = stored["protocol"].partition(", ")
    assert re.fullmatch("[0-9a-f]{7,}", commit) and time[:10] <= stored["date"]


def contest(network, targeted):
    return [r for r in ATTACKS["rows"] if (r["network"], r["targeted"]) == (network, targeted)]


@pytest.mark.parametrize("targeted", [True, False])
@pytest.mark.parametrize("network", ATTACKED)
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
@pytest.mark.parametrize("network", ATTACKED)
def test_ours_succeeded_everywhere(network, targeted):
    for row in contest(network, targeted):
        if row["library"] == "blindspots":
            assert None not in row["l2"] and row["images"] == 256


def test_every_layer_was_measured_with_every_method():
    rows = load_stored("lipschitz")["rows"]
    counts = {n: sum(r["network"] == n for r in rows) for n in ("convnet", "ResNet-20", "AlexNet")}
    assert counts == {"convnet": 2, "ResNet-20": 19, "AlexNet": 5}
    for row in rows:
        assert row["values"].keys() == row["cpu_seconds"].keys() == METHODS.keys()


def test_our_bounds_of_layers_are_bounds_and_keep_what_is_promised():
    rows = load_stored("lipschitz")["rows"]
    for row in rows:
        assert 1 - 1e-9 <= row["values"]["ours, tight"] / row["exact"] <= 1.001
        assert 1 - 1e-9 <= row["values"]["ours, Fourier"] / row["exact"] <= 2.1
        assert row["values"]["power iteration, 100 steps"] <= row["exact"] * (1 + 1e-5)
