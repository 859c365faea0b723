"""Every experiment on two images, or on as few as it can do with: it makes what is stored."""

import contextlib
import importlib.metadata
import io
import itertools
import json
import math
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest
import scipy.optimize
import scipy.stats
import torch
from torch import nn

from blindspots import (
    LabelledImages,
    convnet,
    fit_to_convergence,
    imagenet,
    load_images,
    nearest_attack,
)
from blindspots.book.ledger import CLAIMS
from blindspots.book.stored import load_stored
from experiments import (
    command,
    fair_training,
    lipschitz,
    lipschitz_methods,
    photographs,
    threads,
    trainings,
    transfer,
    units,
)

FOLDER = Path(command.__file__).parent
DEEP_ALONE = "pockets", "smoothness"  # claims about deep networks


def made(module, tmp_path, *options):
    """Run an experiment as its command does, and read what it stores."""
    module.main([*options, "--output", str(tmp_path / "made.json")])
    return json.loads((tmp_path / "made.json").read_text())


def keys(value):
    """The names in a result, however deep."""
    if isinstance(value, dict):
        return {key: keys(inner) for key, inner in value.items()}
    return None


@pytest.fixture
def sweep_options(tmp_path, monkeypatch):
    """One seed, in this process; what is finished is not kept for other tests."""
    monkeypatch.setattr(command, "cache_folder", lambda: tmp_path)
    return "--seeds=1", "--jobs=1"


@pytest.fixture
def attacks(monkeypatch):
    """The comparison of attacks; in the place of libraries that are not installed, their names."""

    def solve_qp(_, point, constraints, offsets):
        found = scipy.optimize.minimize(
            lambda x: (x - point) @ (x - point) / 2,
            point,
            jac=lambda x: x - point,
            constraints={"type": "ineq", "fun": lambda x: x @ constraints - offsets},
            options={"ftol": 1e-12},
        )
        return (found.x,)

    names = "foolbox torchattacks adv_lib adv_lib.attacks adv_lib.attacks.carlini_wagner art "
    names += "art.attacks art.attacks.evasion art.estimators art.estimators.classification"
    for name in names.split():
        monkeypatch.setitem(sys.modules, name, MagicMock())
    monkeypatch.setitem(sys.modules, "quadprog", SimpleNamespace(solve_qp=solve_qp))
    from experiments import attacks

    monkeypatch.setattr(attacks, "LIBRARIES", ("torch", "scipy"))
    return attacks


def test_results_record_what_made_them(tmp_path, monkeypatch):
    """Code, including an experiment's own; it was read when the run began."""
    files = [tmp_path / name for name in ("one.py", "one_part.py", "other.py")]
    for file in files:
        file.write_text("first")
    output = tmp_path / "made.json"

    def stored(edited=None):
        arguments = command.parser(str(files[0]), "Do it.").parse_args([f"--output={output}"])
        if edited:
            edited.write_text("while it runs")
        command.store_results(arguments, "digits", runs=[1])
        return json.loads(output.read_text())

    first = stored()
    assert list(first) == ["date", "data", "code", "version", "protocol", "runs"]
    assert stored(edited=files[1]) == first
    assert (third := stored())["code"] != first["code"]
    assert stored(edited=files[2]) == stored() == third


def test_a_protocol_is_the_commit_of_its_files(tmp_path):
    """Not that of what else is there; and what was edited since has none."""
    file, other = tmp_path / "one.py", tmp_path / "other.py"

    def commit():
        who = ["-c", "user.name=n", "-c", "user.email=e"]
        for words in (["add", "."], [*who, "commit", "-qm", "why"]):
            subprocess.run(["git", "-C", tmp_path, *words], check=True)

    assert command.protocol(FOLDER.parent.parent / "nowhere" / "x.py").startswith("unknown")
    subprocess.run(["git", "-C", tmp_path, "init", "-q"], check=True)
    file.write_text("rule")
    assert command.protocol(file) == "not committed"
    commit()
    first = command.protocol(file)
    assert re.fullmatch(r"[0-9a-f]{7,}, \d{4}-\d\d-\d\dT.*", first)
    other.write_text("else")
    commit()
    assert command.protocol(file) == first != command.protocol(file, other)
    file.write_text("other rule")
    assert command.protocol(file) == "not committed"


@pytest.mark.slow
def test_transfer(tmp_path, monkeypatch, sweep_options):
    monkeypatch.setattr(transfer, "IMAGES", 2)
    few = {name: transfer.STUDIES["halves"][name] for name in ("FC100-100-10", "FC100-100-10'")}
    monkeypatch.setitem(transfer.STUDIES, "halves", few)
    found, stored = (
        made(transfer, tmp_path, *sweep_options, "--studies=halves"),
        load_stored("transfer"),
    )
    assert keys(found) == keys(stored) | {"receivers": {"halves": None}, "protocol": None}
    assert len(found["networks"]) == 2 and len(found["attacks"]) == 4
    assert keys(found["networks"][0]) == keys(stored["networks"][0])
    for row in found["attacks"]:
        assert row["attacked"] == 2 and keys(row) == keys(stored["attacks"][0])
        own = list(few).index(row["name"])
        assert row["error"]["adversarial"][own] == 1 and row["error"]["clean"][own] == 0


@pytest.mark.slow
def test_trainings(tmp_path, monkeypatch, sweep_options):
    monkeypatch.setattr(trainings, "FOUND_ON", trainings.RARE_ON)
    monkeypatch.setattr(trainings, "IMAGES", {"finding": 2, "rare": 2, "smoothness": 2})
    monkeypatch.setattr(trainings, "DRAWS", 2)
    found = made(trainings, tmp_path, *sweep_options)
    (row,) = found["trainings"]
    assert (row["data"], row["seed"]) == ("digits", 0)
    assert list(row["whole_way"]) == [*trainings.RARE_ON] and min(row["whole_way"].values()) > 0
    for claim, values in row["values"].items():
        rule = CLAIMS[claim].rule
        assert list(values) == [*(trainings.DEEP if claim in DEEP_ALONE else trainings.RARE_ON)]
        assert all(0 <= value <= (100 if rule.unit == "%" else 2) for value in values.values())


@pytest.mark.slow
def test_trainings_measure_what_their_rules_ask_for(generator):
    """On an affine network: the way out is known, and noise as long leads out by a known chance."""
    weight = torch.randn(2, 16, generator=generator)
    affine = nn.Sequential(nn.Flatten(), nn.Linear(16, 2, bias=False)).eval()
    affine[1].weight.data = weight
    start = torch.rand(64, 1, 4, 4, generator=generator)
    labels = affine(start).argmax(dim=1)
    normal = (weight[0] - weight[1]).view(1, 4, 4)
    away = (affine(start) @ torch.tensor([1.0, -1.0])) / normal.norm()
    end = start - 1.01 * away.view(-1, 1, 1, 1) * normal / normal.norm()
    # A direction on the unit sphere of 16 dimensions of which one coordinate exceeds 1 / k.
    for k in (2.0, 4.0):
        tail = scipy.stats.beta.sf(1 / (1.01 * k) ** 2, 1 / 2, 15 / 2) / 2
        error = trainings.noise_error(affine, start, start + k * (end - start), labels, generator)
        spread = 100 * (tail / trainings.DRAWS / len(start)) ** 0.5
        assert abs(error - 100 * tail) < 5 * spread


def test_adversarial_images_in_a_test_set_are_counted(generator):
    """Copies beyond the boundary, each beside its original; not those that are far from one."""
    affine = nn.Sequential(nn.Flatten(), nn.Linear(16, 2, bias=False)).eval()
    affine[1].weight.data = torch.cat([torch.ones(1, 16), -torch.ones(1, 16)]) / 4
    affine.append(nn.Linear(2, 2)).eval()
    affine[2].weight.data, affine[2].bias.data = torch.eye(2), torch.tensor([-2.0, 2.0])
    start = 0.5 + 0.1 * torch.rand(40, 1, 4, 4, generator=generator)
    train = LabelledImages(start, torch.zeros(40, dtype=torch.long), "right of the plane")
    normal = affine(start)[:, 0] - affine(start)[:, 1]
    beyond = start - 0.51 * normal.view(-1, 1, 1, 1) / 4
    images = torch.cat([start[:10] + 0.05, beyond[10:30], beyond[30:] - 0.2])
    test = LabelledImages(images, torch.zeros(40, dtype=torch.long), "test")
    usual = (beyond - start).flatten(1).norm(dim=1).max().item()
    found = trainings.adversarial_by_nature(affine, train, test, usual)
    assert found.tolist() == [False] * 10 + [True] * 20 + [False] * 10


@pytest.mark.slow
def test_units(tmp_path, monkeypatch, sweep_options):
    monkeypatch.setattr(units, "LAYERS", {"FC100-100-10": {"last": 5}})
    monkeypatch.setattr(units, "rotations", lambda number: 9)
    monkeypatch.setattr(units, "KINDS", 10)
    found, stored = made(units, tmp_path, *sweep_options), load_stored("units")
    assert keys(found) == keys(stored) | {"protocol": None}
    assert [row["learnt"] for row in found["networks"]] == [True, False]
    for row in found["networks"]:
        layer, like = row["layers"]["last"], stored["networks"][0]["layers"]["last"]
        assert keys(layer) == keys(like)
        settings = [(t["space"], t["k"], t["score"]) for t in layer["tests"]]
        assert settings == [(t["space"], t["k"], t["score"]) for t in like["tests"]]


@pytest.mark.slow
def test_photographs(tmp_path, monkeypatch, sweep_options):
    """Of one photograph, smaller, by a network with random weights and few classes."""
    weights = torch.Generator().manual_seed(0)
    small = nn.Sequential(
        nn.Conv2d(3, 8, 5, stride=4), nn.ReLU(), nn.AdaptiveAvgPool2d(4), nn.Flatten()
    ).append(nn.Linear(128, 12))
    for parameter in small.parameters():
        parameter.data = torch.randn(parameter.shape, generator=weights) / 5
    small.requires_grad_(False).eval()
    data = imagenet.load_photographs()
    several = LabelledImages(data.images[:2, :, ::7, ::7], data.labels[:2] * 0, data.name)
    names = ["ostrich", *map(str, range(11))]
    for name, value in {
        "load_network": lambda name: small,
        "load_photographs": lambda: several,
        "class_names": lambda: names,
        "SIDE": 32,
        "DRAWS": 3,
        "CROPS": 300,
        "ROTATIONS": 9,
    }.items():
        monkeypatch.setattr(photographs, name, value)
    found = made(photographs, tmp_path, *sweep_options)
    assert keys(found) == keys(load_stored("photographs")) | {"protocol": None}
    apart = (several.images[0] - several.images[1]).norm().item()
    for row in found["photographs"]:
        assert row["targets"][0] == "ostrich" and row["reads"] not in row["targets"]
        for attack in ("nearest", "lbfgs"):
            assert len(row["targets"]) == 1 + photographs.OTHERS == len(row[attack]["l2"])
            assert all(row[attack]["success"]) and all(row[attack]["file success"])
        assert row["blend"]["whole way"] == pytest.approx(apart) and row["blend"]["share"] <= 100
        assert row["any"]["l2"][0] <= 1.01 * min(row["nearest"]["l2"])
        assert set(row["noise"]) == set(photographs.MULTIPLES)
    assert 0 < found["bound"] < 1e6 and len(found["units"]) == 9


def test_a_blend_ends_where_the_other_photograph_is_read():
    """On a plane half-way between two pictures, and a third that is farther away."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 2)).eval()
    model[1].weight.data = torch.tensor([[-1.0], [1.0]]).expand(2, 3 * 16 * 16) / 768
    model[1].bias.data = torch.tensor([0.49, -0.49])
    pictures = torch.stack([torch.full((3, 16, 16), level) for level in (0.2, 0.8, 1.0)])
    found = photographs.blend(model, pictures[:1], pictures)
    assert found["whole way"] == pytest.approx(0.6 * 768**0.5) and found["share"] == 49
    assert 0 < found["alike"] < 1


@pytest.mark.slow
def test_fair_training(tmp_path, monkeypatch, sweep_options):
    """Every way is tried; one of each family, and the controls, are judged with other seeds."""
    monkeypatch.setattr(fair_training, "STEPS", 30)
    found = made(fair_training, tmp_path, *sweep_options)
    families = fair_training.FAMILIES
    tried = [(row["family"], row["way"]) for row in found["tried"]]
    assert tried == [(family, way) for family, ways in families.items() for way in ways]
    noise = [f"{family}, noise" for family in fair_training.CONTROLLED]
    assert [run["family"] for run in found["runs"]] == [*families, *noise, fair_training.CLEAN]
    assert {run["seed"] for run in found["runs"]} == {100} and found["steps"] == 30
    decay = found["runs"][0]["how"]["decay"]
    assert all(run["how"]["decay"] == decay for run in found["runs"])
    for run in found["runs"][: len(families)]:
        errors = {
            r["way"]: r["validation_error"] for r in found["tried"] if r["family"] == run["family"]
        }
        assert errors[run["way"]] == min(errors.values())


@pytest.mark.slow
def test_robustness(tmp_path, monkeypatch):
    """With our own attack in the place of the library's, which is not installed here."""

    def auto(network, norm, eps, n_classes, seed):
        def attack(images, labels):
            found = nearest_attack(network, images).images
            near = (found - images).flatten(1).norm(dim=1) <= eps
            near &= network(images).argmax(dim=1) == labels
            return torch.where(near.view(-1, 1, 1, 1), found, images)

        return attack

    monkeypatch.setitem(
        sys.modules, "torchattacks", SimpleNamespace(AutoAttack=auto, __version__="0")
    )
    from experiments import robustness

    monkeypatch.setattr(fair_training, "STEPS", 100)
    monkeypatch.setattr(robustness, "FAMILIES", ("weight decay", "image"))
    monkeypatch.setattr(robustness, "IMAGES", 12)
    found = made(robustness, tmp_path)
    assert [row["family"] for row in found["rows"]] == ["weight decay", "image"]
    for row in found["rows"]:
        assert row["auto"] == row["ours"] == sorted(row["ours"]) and len(row["ours"]) == 4
        assert row["clean"] <= row["ours"][0]


@pytest.mark.parametrize("length", [0.25, 1.0])
def test_a_step_goes_its_share_of_the_way_to_the_boundary(length, generator):
    """On a linear model it is exact; what is misread already stays."""
    model = nn.Linear(6, 3).double()  # as single inputs lie so close that 32 bits do not tell
    inputs = 0.4 + 0.2 * torch.rand(200, 6, generator=generator).double()
    labels = torch.randint(3, (200,), generator=generator)
    moved = fair_training.step_to_boundary(model, inputs, labels, length=length)
    logits, weight = model(inputs), model.weight
    for x, y, z, label in zip(inputs, moved, logits, labels.tolist(), strict=True):
        rival = max((c for c in range(3) if c != label), key=lambda c: z[c])
        distance = (z[label] - z[rival]) / (weight[label] - weight[rival]).norm()
        inside = ((y > 0) & (y < 1)).all()
        if distance <= 0:
            assert torch.equal(x, y)
        elif inside:
            assert (y - x).norm() == pytest.approx(length * distance.item(), rel=1e-3)


def test_images_to_choose_by_are_not_learnt_from():
    learnt, held_out = fair_training.split(load_images("digits", split="train"))
    assert len(learnt) + len(held_out) == 1347 and 5 * len(held_out) - len(learnt) in range(6)
    seen = {image.numpy().tobytes() for image in learnt.images}
    assert sum(image.numpy().tobytes() in seen for image in held_out.images) == 0


def test_attacks(tmp_path, monkeypatch, attacks):
    monkeypatch.setattr(attacks, "IMAGES", 2)
    network = "FC10(1e-4)"
    ours = "--only", "defaults", "L-BFGS-B"
    whose = ("blindspots", "scipy")
    settings = [s for s in attacks.peers.settings() if s.library in whose]
    monkeypatch.setattr(attacks.peers, "settings", lambda: settings)
    found, stored = made(attacks, tmp_path, f"--networks={network}", *ours), load_stored("attacks")
    versions = {name: importlib.metadata.version(name) for name in ("torch", "scipy")}
    assert keys(found) == keys(stored) | keys(
        {"versions": versions, "code": "", "version": "", "protocol": ""}
    )
    assert found["versions"] == versions
    exact = {row["targeted"]: row["l2"] for row in found["rows"] if row["library"] == "quadprog"}
    rows = [row for row in found["rows"] if row["library"] != "quadprog"]
    assert [(row["attack"], row["targeted"]) for row in rows] == [
        ("margin", True),
        ("cross-entropy", True),
        ("L-BFGS-B per image", True),
        ("margin", False),
    ]
    for row in rows:
        assert keys(row) == keys(stored["rows"][-1]) and row["gradients"] > 0
        for distance, least in zip(row["l2"], exact[row["targeted"]], strict=True):
            assert least * (1 - 1e-4) <= distance <= least * 1.1


def test_the_settings_that_were_stored_are_those_in_the_code(attacks):
    rows = load_stored("attacks")["rows"]
    stored = {(row["library"], row["attack"], row["setting"]) for row in rows}
    stored.remove(("quadprog", "exact minimum", ""))
    assert {(s.library, s.attack, s.setting) for s in attacks.peers.settings()} == stored


@pytest.mark.slow
def test_strangers(tmp_path, monkeypatch, attacks, sweep_options):
    """Our own attacks on two networks, hardly trained."""
    from experiments import strangers

    every = strangers.settings()
    assert len(every) == len(strangers.ALSO) + len(strangers.STARTS) + 3
    few = "defaults", "every class in turn"
    ours = [s for s in every if s.library == "blindspots" and s.setting in few]
    monkeypatch.setattr(strangers, "settings", lambda: ours)
    pictures = LabelledImages(torch.rand(2, 3, 8, 8), torch.tensor([3, 4]), "photographs")
    large = convnet((3, 8, 8), channels=(4,), classes=1000).eval()
    pictures = replace(pictures, labels=large(pictures.images).argmax(dim=1))
    monkeypatch.setattr(strangers, "load_network", lambda name: large)
    monkeypatch.setattr(strangers, "load_photographs", lambda: pictures)
    few = "--images=2", "--steps=20", "--data", "digits", "--kinds", "wide", "nearly linear"
    found = made(strangers, tmp_path, *few)
    assert [network["kind"] for network in found["networks"]] == ["wide", "nearly linear"]
    stored = load_stored("strangers")
    for results in (found, stored):
        assert [network["kind"] for network in results["large"]] == list(strangers.LARGE)
        assert all(network["rows"] for network in results["large"])
    assert keys(found) == keys(stored) | {"versions": keys(found["versions"])}
    for rows in ("rows", "at_once"):
        assert keys(found["networks"][0][rows][0]) == keys(stored["networks"][0][rows][0])
    for network in stored["networks"]:
        timed = {(row["library"], row["targeted"]) for row in network["at_once"]}
        assert len(timed) == len(network["at_once"]) == 4
        assert {row["images"] for row in network["at_once"]} == {strangers.AT_ONCE}
    compared = {
        (row["library"], row["attack"], row["setting"]) for row in stored["networks"][0]["rows"]
    }
    assert compared == {(s.library, s.attack, s.setting) for s in every}
    assert {network["kind"] for network in stored["networks"]} == {
        *stored["halves"][0],
        *stored["halves"][1],
    }
    for network in found["networks"]:
        rows = {(row["setting"], row["targeted"]): row for row in network["rows"]}
        assert 0 <= network["error"] < 1 and len(rows) == 3
        wanted = [rows["defaults", targeted]["l2"] for targeted in (True, False)]
        best = rows["every class in turn", False]["l2"]
        for far, near, least in zip(*wanted, best, strict=True):
            assert 0 < least <= near * (1 + 1e-4) and least <= far * (1 + 1e-4)


def test_gradients_turn_where_the_boundary_is_bent(attacks):
    """Not at all on a plane; on a circle by no more than the step is seen under from its centre."""
    from experiments.strangers import DISTANCE, gradient_turn

    flat = nn.Sequential(nn.Flatten(), nn.Linear(4, 10)).eval()
    images = 0.3 + 0.1 * torch.rand(6, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    others = (flat(images).argmax(dim=1) + 1) % 10
    assert gradient_turn(flat, images, others) < 0.1

    class Circle(nn.Module):
        def forward(self, x):
            size = x.flatten(1).square().sum(dim=1)  # the boundary has the radius 1
            return torch.stack([torch.zeros_like(size), size - 1], dim=1)

    bent = gradient_turn(Circle().eval(), images, torch.ones(6, dtype=torch.long))
    longest = (1 - images.flatten(1).norm(dim=1)).max().item()
    assert 0 < bent <= math.degrees(math.asin(DISTANCE * longest))


@pytest.mark.slow
def test_all_kinds_of_strangers_can_be_built_and_attacked(attacks):
    """And each half has every second of them; no layer is left that renews its weights."""
    from experiments import strangers_networks

    data = load_images("digits", split="train")[:200]
    halves = strangers_networks.HALVES
    assert sorted(halves[0] + halves[1]) == sorted(strangers_networks.KINDS)
    for kind in strangers_networks.KINDS:
        network = strangers_networks.train_stranger(kind, data, steps=1)
        assert network(data.images[:3]).shape == (3, 10)
        assert not any(module.training for module in network.modules())
        assert all(not parameter.requires_grad for parameter in network.parameters())
        assert (nearest_attack(network, data.images[:3], projections=2).distortion > 0).all()


def test_versions_are_those_that_the_environment_asks_for():
    requirements = (FOLDER / "attacks_requirements.txt").read_text()
    wanted = dict(re.findall(r"^([\w-]+)==(\S+)$", requirements, re.M))
    for name, version in load_stored("attacks")["versions"].items():
        assert wanted.get(name, version) == version


def test_lipschitz(tmp_path, monkeypatch):
    """On the book's convnet, a layer of the ResNet, and the small ones of a thin AlexNet."""
    alexnet = nn.Sequential(*(nn.Conv2d(1, 1, 3) for _ in range(5)), nn.Linear(2, 2))
    resnet = list(itertools.islice(lipschitz.resnet_layers(), 1))
    small = list(itertools.islice(lipschitz.alexnet_layers(alexnet), 1, None))
    monkeypatch.setattr(lipschitz, "load_alexnet", lambda: (alexnet, False))
    monkeypatch.setattr(lipschitz, "resnet_layers", lambda: resnet)
    monkeypatch.setattr(lipschitz, "alexnet_layers", lambda model: small)
    before = torch.get_num_threads()
    try:
        found, stored = made(lipschitz, tmp_path), load_stored("lipschitz")
    finally:
        torch.set_num_threads(before)
    dense = {"alexnet_dense": {"FC. 1": None}}
    assert keys(found) == keys(stored) | keys({"code": "", "version": "", "protocol": ""}) | dense
    networks = [row["network"] for row in found["rows"]]
    assert networks == ["convnet"] * 2 + ["ResNet-20"] + ["AlexNet"] * 4
    for row in found["rows"]:
        assert keys(row) == keys(stored["rows"][0])
        assert 1 - 1e-9 <= row["values"]["ours, tight"] / row["exact"] <= 1.001


@pytest.mark.parametrize("stride, padding", [(1, 1), (2, 0), (2, 2)])
def test_the_compared_norms_are_what_they_say(stride, padding, generator):
    weight = torch.randn(3, 2, 3, 3, generator=generator)
    layer = lipschitz_methods.Layer("", "", weight, 8, stride, padding)
    units = torch.eye(2 * 64).view(-1, 2, 8, 8)
    norm = torch.linalg.matrix_norm(layer(units).flatten(1).double(), 2).item()
    values = {name: method(layer) for name, method in lipschitz_methods.METHODS.items()}
    assert lipschitz_methods.exact(layer) == pytest.approx(norm, rel=1e-6)
    assert values["power iteration, 100 steps"] == pytest.approx(norm, rel=1e-2)
    assert values["with 1 / Δ², otherwise corrected"] == pytest.approx(
        values["ours, Fourier"] / stride, rel=1e-5
    )
    assert values["Gram iteration, 6 steps"] == pytest.approx(
        values["Sedghi et al., FFT"], rel=0.02
    )
    assert values["Gram iteration, 6 steps"] >= values["Sedghi et al., FFT"]
    assert values["reshaped kernel"] == pytest.approx(
        torch.linalg.matrix_norm(weight.flatten(1), 2).item(), rel=1e-5
    )


@pytest.mark.slow
def test_threads(monkeypatch, capsys):
    """In this process, and with networks that are hardly trained."""
    environments = []

    def short(*arguments, max_iterations, **options):
        return fit_to_convergence(*arguments, max_iterations=1, **options)

    def run(words, env, **options):
        environments.append(env)
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            exec(words[-1], {})
        return said.getvalue()

    monkeypatch.setattr(threads, "fit_to_convergence", short)
    monkeypatch.setattr(threads, "WAYS", {"1 thread": threads.WAYS["1 thread"]})
    monkeypatch.setattr(threads.subprocess, "check_output", run)
    threads.main([])
    head, *table = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert head == ["1", "thread"]
    assert [row[:2] for row in table] == [
        [work, load] for work in threads.WORK for load in ("quiet", "loaded")
    ]
    assert all(row[2] == "1.00" for row in table[::2])
    assert all(float(row[2]) > 0 for row in table)
    assert all(e["OMP_NUM_THREADS"] == "1" and "PATH" in e for e in environments)
