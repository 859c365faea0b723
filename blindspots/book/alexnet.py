"""The network of Table 5 and of Figures 3 and 4: AlexNet, and pictures to show it."""

import warnings
from pathlib import Path
from urllib.error import URLError

import torch
from jaxtyping import Float
from sklearn.datasets import load_sample_images
from torch import Tensor, nn

SIDE = 224  # pixels


def load_alexnet(*, download: bool = True) -> tuple[nn.Module, bool]:
    """Load AlexNet in evaluation mode; say whether its weights were trained on ImageNet.

    They are downloaded once (233 MiB) to torch's cache, and their checksum is verified. Without a
    network the weights are random, from a fixed seed, with a warning. This is torchvision's variant
    of the architecture, whose convolutions have 64, 192, 384, 256 and 256 outputs; those of the
    paper have 96, 256, 384, 384 and 256. It expects pictures that are normalised.

    Args:
        download: whether to look for the weights at all.
    """
    from torchvision.models import AlexNet_Weights, alexnet  # slow, and no other room needs it

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = alexnet().eval()
    if not download:
        return model, False
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


def load_pictures(folder: str | Path | None = None) -> Float[Tensor, "n 3 224 224"]:
    """Load colour pictures for AlexNet, in [0, 1], cut to squares of 224 pixels.

    Args:
        folder: with the pictures, in it or below; the shorter side of each is brought to 256 pixels
            and the middle is kept. Without one, the windows of the two photographs that come with
            scikit-learn: enough to run the code, too little to find anything out.

    Raises:
        ValueError: if the folder holds no picture.
    """
    from torchvision.datasets.folder import IMG_EXTENSIONS, default_loader
    from torchvision.transforms import functional

    if folder is None:
        windows = [
            photograph[top : top + SIDE, left : left + SIDE]
            for photograph in load_sample_images().images
            for top in range(0, 201, 50)
            for left in range(0, 417, 52)
        ]
        return torch.stack([functional.to_tensor(window.copy()) for window in windows])
    files = sorted(f for f in Path(folder).rglob("*") if f.suffix.lower() in IMG_EXTENSIONS)
    if not files:
        raise ValueError(
            f"there is no picture ({', '.join(IMG_EXTENSIONS)}) in {folder} or below: "
            "pass a folder that holds some"
        )
    pictures = []
    for file in files:
        picture = functional.resize(default_loader(str(file)), [256], antialias=True)
        pictures.append(functional.to_tensor(functional.center_crop(picture, [SIDE])))
    return torch.stack(pictures)
