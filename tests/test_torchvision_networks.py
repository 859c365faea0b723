"""The networks that people take from torchvision."""

import math

import pytest
import torch
from torch import nn
from torchvision import models

from blindspots.bounds.layers import layer_bounds


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The default weight initialization of GoogleNet")
@pytest.mark.parametrize(
    "name", ["alexnet", "vgg11", "resnet18", "densenet121", "mobilenet_v2", "googlenet"]
)
def test_torchvision_networks_are_bounded(name, generator):
    options = {"aux_logits": False} if name == "googlenet" else {}
    model = getattr(models, name)(num_classes=4, **options).eval()
    if name in ("alexnet", "vgg11"):  # their wide layers take a minute
        wide = next(m.in_features for m in model.classifier if isinstance(m, nn.Linear))
        model.classifier = nn.Linear(wide, 4).eval()
    shape = (3, 64, 64) if name == "alexnet" else (3, 32, 32)
    found = layer_bounds(model, shape, tight=False)
    assert len(found.layers) > 14
    model, (x, y) = model.double(), torch.randn(2, 4, *shape, generator=generator).double()
    with torch.no_grad():
        stretched = (model(x) - model(y)).norm(dim=1) / (x - y).flatten(1).norm(dim=1)
    assert 0 < stretched.max().item() <= found.bound < math.inf


def test_alexnet_has_three_poolings_of_factor_two():
    model = models.alexnet().eval()
    model.classifier = nn.Sequential(nn.Dropout(), nn.Linear(9216, 4), nn.ReLU(inplace=True)).eval()
    found = layer_bounds(model, (3, 64, 64), tight=False)
    by_kind = {kind: [x.bound for x in found.layers if x.kind == kind] for kind in ("MaxPool2d",)}
    assert by_kind == {"MaxPool2d": [2, 2, 2]}
    assert found.bound == pytest.approx(math.prod(x.bound for x in found.layers), rel=1e-12)
