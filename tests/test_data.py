import hashlib
import shutil
import socket
import struct

import numpy as np
import pytest
import torch
import torchvision
from sklearn.datasets import load_digits

from blindspots import LabelledImages, data, load_images, split_halves


def images(n=3, **changes):
    fields = {"images": torch.zeros(n, 1, 2, 2), "labels": torch.arange(n), "name": "toy"}
    return LabelledImages(**(fields | changes))


@pytest.fixture
def mnist(tmp_path, monkeypatch):
    """A folder with a tiny MNIST of the right format, whose checksums count as the published."""
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for prefix, count in (("train", 7), ("t10k", 4)):
        pixels = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        labels = rng.integers(0, 10, count, dtype=np.uint8)
        header = struct.pack(">4i", 0x803, count, 28, 28)
        (raw / f"{prefix}-images-idx3-ubyte").write_bytes(header + pixels.tobytes())
        header = struct.pack(">2i", 0x801, count)
        (raw / f"{prefix}-labels-idx1-ubyte").write_bytes(header + labels.tobytes())
    sums = {file.name: hashlib.md5(file.read_bytes()).hexdigest() for file in raw.iterdir()}
    monkeypatch.setattr(data, "MNIST_MD5", sums)
    monkeypatch.setenv("BLINDSPOTS_DATA", str(tmp_path))
    return raw


@pytest.fixture
def no_network(tmp_path, monkeypatch):
    """An empty cache, and every connection refused."""

    def refuse(*args, **kwargs):
        raise OSError("connection refused")

    monkeypatch.delenv("BLINDSPOTS_DATA", raising=False)
    monkeypatch.setenv("BLINDSPOTS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    return tmp_path / "cache"


def test_digits_are_disjoint_in_range_and_of_all_classes():
    train, test = load_images("digits", split="train"), load_images("digits", split="test")
    assert (len(train), len(test)) == (1347, 450)
    for part in (train, test):
        assert part.images.shape[1:] == (1, 8, 8) and part.images.dtype == torch.float32
        assert part.images.min() == 0 and part.images.max() == 1
        assert part.labels.unique().tolist() == list(range(10))
    pixels = load_digits().data / 16
    assert np.array_equal(test.images.flatten(1).numpy(), pixels[::4].astype("float32"))
    together = torch.cat([train.images, test.images]).flatten(1)
    assert len(together.unique(dim=0)) == 1797


def test_mnist_is_read_as_it_was_written(mnist):
    loaded = load_images("mnist", split="test")
    content = (mnist / "t10k-images-idx3-ubyte").read_bytes()[16:]
    expected = torch.tensor(list(content)).view(4, 1, 28, 28) / 255
    assert torch.equal(loaded.images, expected)
    assert loaded.labels.tolist() == list((mnist / "t10k-labels-idx1-ubyte").read_bytes()[8:])
    assert loaded.name == "MNIST" and len(load_images("mnist", split="train")) == 7


@pytest.mark.parametrize("name", ["t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"])
@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-1],
        lambda content: b"",
        lambda content: content[:-1] + bytes([content[-1] ^ 1]),
        lambda content: b"<html>not found</html>",
    ],
    ids=["truncated", "empty", "one bit", "foreign"],
)
@pytest.mark.parametrize("choice", ["mnist", "auto"])
def test_damaged_file_is_refused_by_name(mnist, monkeypatch, name, damage, choice):
    monkeypatch.setenv("BLINDSPOTS_DATASET", choice)
    file = mnist / name
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(ValueError, match=f"{name} is not the published.*delete it"):
        load_images(split="test")


@pytest.mark.parametrize("split", ["train", "test"])
def test_it_reads_what_torchvision_reads(mnist, split):
    loaded, other = (
        load_images("mnist", split=split),
        torchvision.datasets.MNIST(str(mnist.parent.parent), train=split == "train"),
    )
    assert torch.equal(loaded.images[:, 0], other.data / 255)
    assert torch.equal(loaded.labels, other.targets)


@pytest.mark.parametrize(("split", "prefix"), [("train", "train"), ("test", "t10k")])
def test_missing_file_is_named(mnist, split, prefix):
    (mnist / f"{prefix}-labels-idx1-ubyte").unlink()
    with pytest.raises(FileNotFoundError, match=f"{prefix}-labels-idx1-ubyte does not exist: put"):
        load_images("mnist", split=split)


def test_without_network_mnist_is_an_error_with_the_remedy(no_network):
    with pytest.raises(FileNotFoundError, match=r"could not be downloaded.*BLINDSPOTS_DATA"):
        load_images("mnist", split="test")
    assert [p for p in no_network.rglob("*") if p.is_file()] == []  # nothing half-done is left


def test_without_network_auto_falls_back_with_a_notice(no_network, monkeypatch):
    monkeypatch.setenv("BLINDSPOTS_DATASET", "auto")
    with pytest.warns(UserWarning, match="BLINDSPOTS_DATA.*Using scikit-learn's 8x8 digits"):
        assert load_images(split="test").name == "digits"


def test_download_goes_through_a_scratch_folder_and_replaces_what_was_deleted(
    mnist, no_network, monkeypatch
):
    original, roots = torchvision.datasets.MNIST, []

    def downloads(root, train=True, download=False):
        if download:
            roots.append(root)
            shutil.copytree(mnist.parent, f"{root}/MNIST")
            return None
        return original(root, train=train)

    monkeypatch.setattr(torchvision.datasets, "MNIST", downloads)
    for _ in range(2):
        assert load_images("mnist", split="test").name == "MNIST"
    assert len(roots) == 1 and str(no_network) != roots[0]
    assert [p.name for p in no_network.iterdir()] == ["MNIST"]

    (no_network / "MNIST" / "raw" / "t10k-labels-idx1-ubyte").unlink()
    assert load_images("mnist", split="train").name == "MNIST" and len(roots) == 2


def test_folders_may_begin_with_a_tilde(mnist, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path.parent))
    monkeypatch.setenv("BLINDSPOTS_DATA", f"~/{tmp_path.name}")
    monkeypatch.setenv("BLINDSPOTS_CACHE", "~/kept")
    assert load_images("mnist", split="test").name == "MNIST"
    assert data.cache_folder() == tmp_path.parent / "kept"


def test_an_empty_choice_is_no_choice(mnist, monkeypatch):
    monkeypatch.setenv("BLINDSPOTS_DATASET", "")
    assert load_images(split="test").name == "MNIST"


@pytest.mark.parametrize(("name", "split"), [("cifar", "test"), ("digits", "validation")])
def test_unknown_name_or_split(name, split):
    with pytest.raises(ValueError, match="is unknown: use"):
        load_images(name, split=split)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": torch.zeros(3, 2, 2)}, "must be floating point of shape"),
        ({"images": torch.zeros(3, 1, 2, 2, dtype=torch.uint8)}, "must be floating point"),
        ({"labels": torch.arange(2)}, "need as many labels"),
        ({"images": torch.full((3, 1, 2, 2), 1.5)}, r"must lie in \[0, 1\], got 1.5"),
        ({"images": torch.full((3, 1, 2, 2), torch.nan)}, r"must lie in \[0, 1\], got nan"),
    ],
)
def test_malformed_images_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        images(**changes)


def test_indexing_keeps_images_and_labels_together(test):
    for index in (slice(3, 9), [5, 1], torch.tensor([7, 7]), test.labels == 4):
        part = test[index]
        assert torch.equal(part.images, test.images[index])
        assert torch.equal(part.labels, test.labels[index])


def test_nearest_of_a_class(test, generator):
    """As by looking at every image; a class that the set has not is infinitely far."""
    images, labels = (
        torch.rand(20, *test.images.shape[1:], generator=generator),
        torch.arange(20) % 10,
    )
    apart, places = test.nearest(images, labels)
    for image, label, far, place in zip(images, labels, apart, places, strict=True):
        each = (test.images - image).flatten(1).norm(dim=1)
        assert test.labels[place] == label and far == pytest.approx(each[place].item(), rel=1e-3)
        assert far == pytest.approx(each[test.labels == label].min().item(), rel=1e-3)
    assert test.nearest(images[:1], torch.tensor([10]))[0].isinf().all()


def test_to_moves_both(device):
    moved = images().to(device)
    assert moved.images.device.type == moved.labels.device.type == device


@pytest.mark.parametrize("n", [0, 1, 10, 11])
def test_halves_are_disjoint_and_complete(n, generator):
    whole = images(n)
    first, second = split_halves(whole, generator=generator)
    assert 0 <= len(first) - len(second) <= 1
    assert sorted([*first.labels.tolist(), *second.labels.tolist()]) == list(range(n))


def test_halves_follow_the_generator():
    halves = [
        split_halves(images(50), generator=torch.Generator().manual_seed(seed))[0].labels.tolist()
        for seed in (1, 1, 2)
    ]
    assert halves[0] == halves[1] != halves[2]


def test_an_image_is_at_no_distance_from_itself(generator):
    images = torch.rand(300, 1, 28, 28, generator=generator)
    known = LabelledImages(images, torch.arange(300) % 3, "random")
    apart, places = known.nearest(images[:100], known.labels[:100])
    assert (apart == 0).all() and places.tolist() == list(range(100))
    moved, _ = known.nearest((images + 1e-4)[:100], known.labels[:100])
    assert torch.allclose(moved, torch.tensor(28e-4), rtol=1e-2)
    assert known.nearest(images[:1], torch.tensor([7]))[0].isinf().all()
