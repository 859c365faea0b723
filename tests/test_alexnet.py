from urllib.error import URLError

import pytest
import torch
from torchvision.models import AlexNet_Weights, alexnet

from blindspots.alexnet import load_alexnet

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
