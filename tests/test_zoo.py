import dataclasses
import runpy
import shutil
from pathlib import Path

import pytest
import torch

from blindspots import LabelledImages, error_rate, trained, untrained, zoo
from blindspots.book.paper import TABLE_1
from blindspots.zoo import RECIPES, training_seconds


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("BLINDSPOTS_CACHE", str(tmp_path))
    return tmp_path


@pytest.fixture
def trainings(monkeypatch):
    """Counts the trainings."""
    calls, train = [], zoo._train

    def counting(recipe, *rest):
        calls.append(recipe)
        train(recipe, *rest)

    monkeypatch.setattr(zoo, "_train", counting)
    return calls


def test_the_papers_networks_by_their_names(train):
    assert list(RECIPES)[:6] == list(TABLE_1)
    widths = {
        name: [layer.out_features for layer in trained(name, train) if hasattr(layer, "bias")]
        for name in TABLE_1
    }
    assert widths == {
        "FC10(1e-4)": [10],
        "FC10(1e-2)": [10],
        "FC10(1)": [10],
        "FC100-100-10": [100, 100, 10],
        "FC200-200-10": [200, 200, 10],
        "AE400-10": [400, 10],
    }


@pytest.mark.parametrize("name", RECIPES)
def test_every_network_reads_digits(name, train, test):
    network = trained(name, train)
    assert not network.training and not any(p.requires_grad for p in network.parameters())
    limit = 0.2 if name == "FC10(1)" else 0.05
    assert error_rate(network, test.images, test.labels) < limit


def test_second_time_comes_from_the_cache_with_the_same_bits(cache, trainings, train):
    first, second = trained("FC10(1)", train), trained("FC10(1)", train)
    assert len(trainings) == 1 and torch.equal(first[1].weight, second[1].weight)
    assert training_seconds("FC10(1)", train) > 0
    assert [file.suffix for file in cache.iterdir()] == [".safetensors"]


@pytest.mark.parametrize("called", ["a" * 300, "of/my own: é", "../up"])
def test_any_name_of_a_data_set_makes_a_file(cache, train, called):
    """Kept in the cache itself, and found again; not in the way of another set's."""
    named = LabelledImages(train.images, train.labels, called)
    trained("FC10(1)", named)
    (file,) = cache.rglob("*")
    assert file.parent == cache and file.name.startswith("FC10-1-") and len(file.name) < 120
    assert training_seconds("FC10(1)", named) > 0


def test_retraining_gives_the_same_bits(cache, trainings, train):
    first = trained("FC10(1)", train)
    next(cache.iterdir()).unlink()
    assert torch.equal(trained("FC10(1)", train)[1].weight, first[1].weight)
    assert len(trainings) == 2


def test_key_depends_on_all_that_matters(cache, trainings, train, monkeypatch):
    trained("FC10(1)", train)
    trained("FC10(1)", train, seed=1)
    trained("FC10(1)", train[:-1])
    changed = LabelledImages(train.images.clone(), train.labels, train.name)
    changed.images[0, 0, 0, 0] = 0.123
    trained("FC10(1)", changed)
    monkeypatch.setattr(zoo, "CODE", "another")
    trained("FC10(1)", train)
    recipe = dataclasses.replace(RECIPES["FC10(1)"], weight_decay=(0.5,))
    monkeypatch.setitem(RECIPES, "FC10(1)", recipe)
    trained("FC10(1)", train)
    assert len(trainings) == 6 == len(list(cache.iterdir()))


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-5],
        lambda content: b"",
        lambda content: content[:-1] + bytes([content[-1] ^ 1]),
        lambda content: b"x" * 100,
    ],
    ids=["truncated", "empty", "one bit", "foreign"],
)
def test_damaged_file_is_reported_deleted_and_retrained(cache, trainings, train, damage):
    first = trained("FC10(1)", train)
    (file,) = cache.iterdir()
    file.write_bytes(damage(file.read_bytes()))
    with pytest.warns(UserWarning, match="is damaged.*deleted, training again"):
        again = trained("FC10(1)", train)
    assert len(trainings) == 2 and torch.equal(first[1].weight, again[1].weight)


def test_interrupted_training_leaves_no_file(cache, train, monkeypatch):
    def interrupted(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(zoo, "_train", interrupted)
    with pytest.raises(KeyboardInterrupt):
        trained("FC10(1)", train)
    assert list(cache.iterdir()) == []


def test_interrupted_writing_leaves_no_file(cache, train, monkeypatch):
    def interrupted(weights, file, metadata):
        file.write_bytes(b"half of it")
        raise KeyboardInterrupt

    monkeypatch.setattr(zoo.safetensors.torch, "save_file", interrupted)
    with pytest.warns(UserWarning, match="could not be written"):
        trained("FC10(1)", train)
    assert list(cache.iterdir()) == []


def test_unknown_name_and_missing_data(cache, train):
    with pytest.raises(ValueError, match=r"no recipe for 'VGG': use one of FC10\(1e-4\)"):
        trained("VGG", train)
    with pytest.raises(ValueError, match="cannot be trained on no images"):
        trained("FC10(1)", train[:0])
    with pytest.raises(FileNotFoundError, match="call trained first"):
        training_seconds("FC10(1)", train)


def test_untrained_is_what_training_starts_from(train, monkeypatch, cache):
    monkeypatch.setattr(zoo, "_train", lambda *anything: None)
    for name in ("FC10(1)", "convnet", "FC100-100-10, ReLU"):
        start, never = untrained(name, train, seed=3), trained(name, train, seed=3)
        pairs = zip(start.parameters(), never.parameters(), strict=True)
        assert all(torch.equal(a, b) and not a.requires_grad for a, b in pairs)
        assert not start.training
    assert isinstance(start[2], torch.nn.ReLU)
    with pytest.raises(ValueError, match="no recipe for 'FC1'"):
        untrained("FC1", train)


def test_networks_of_other_code_are_others(tmp_path):
    """Whichever of the files changes that build and train them."""
    files = [Path(zoo.__file__).with_name(f"{n}.py") for n in ("networks", "training", "zoo")]
    copies = [Path(shutil.copy(file, tmp_path)) for file in files]

    def code():
        return runpy.run_path(str(tmp_path / "zoo.py"))["CODE"]

    before = code()
    assert before == zoo.CODE
    for file in copies:
        file.write_text(file.read_text() + "# changed\n")
        assert code() != before
        before = code()
