"""The network of Table 5: AlexNet, with its ImageNet weights where they can be had."""

import warnings
from urllib.error import URLError

import torch
from torch import nn
from torchvision.models import AlexNet_Weights, alexnet


def load_alexnet() -> tuple[nn.Module, bool]:
    """AlexNet in evaluation mode, and whether it has the weights trained on ImageNet.

    They are downloaded once (233 MiB) to torch's cache, and their checksum is verified. Without a
    network the weights are random, from a fixed seed, with a warning. This is torchvision's variant
    of the architecture, whose convolutions have 64, 192, 384, 256 and 256 outputs; those of the
    paper have 96, 256, 384, 384 and 256.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = alexnet().eval()
    try:
        weights = AlexNet_Weights.IMAGENET1K_V1.get_state_dict(check_hash=True, progress=False)
    except (URLError, OSError) as error:
        warnings.warn(
            f"AlexNet's ImageNet weights could not be downloaded ({error}): its weights are random",
            stacklevel=2,
        )
        return model, False
    model.load_state_dict(weights)
    return model, True
