from urllib.error import URLError

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from torchvision.models import AlexNet_Weights, alexnet

from blindspots.book.alexnet import load_alexnet, load_pictures

WEIGHTS = type(AlexNet_Weights.IMAGENET1K_V1)


def test_without_a_network_the_weights_are_random_and_said_to_be(monkeypatch):
    def fail(self, **options):
        raise URLError("no network")

    monkeypatch.setattr(WEIGHTS, "get_state_dict", fail)
    before = torch.random.get_rng_state()
    with pytest.warns(UserWarning, match="could not be downloaded .*weights are random"):
        first, pretrained = load_alexnet()
    assert torch.equal(before, torch.random.get_rng_state())
    torch.rand(1)
    with pytest.warns(UserWarning):
        second, _ = load_alexnet()
    assert not pretrained and not first.training
    assert torch.equal(first.features[0].weight, second.features[0].weight)


def test_with_one_they_are_those_of_the_file_and_its_checksum_is_verified(monkeypatch):
    asked, file = [], {name: value + 1 for name, value in alexnet().state_dict().items()}

    def download(self, **options):
        asked.append(options)
        return file

    monkeypatch.setattr(WEIGHTS, "get_state_dict", download)
    model, pretrained = load_alexnet()
    assert pretrained and asked[0]["check_hash"]
    assert all(torch.equal(value, file[name]) for name, value in model.state_dict().items())


def test_nothing_is_downloaded_when_nobody_asks(monkeypatch):
    monkeypatch.setattr(WEIGHTS, "get_state_dict", None)
    assert not load_alexnet(download=False)[1]


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


def test_two_photographs_serve_for_trying_out():
    windows = load_pictures()
    assert windows.shape == (90, 3, 224, 224) and 0 <= windows.min() < windows.max() <= 1
    assert len(windows.flatten(1).unique(dim=0)) == 90
