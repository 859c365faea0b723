"""Images as tensors in [0, 1]: MNIST through torchvision, or the 8x8 digits inside scikit-learn."""

import hashlib
import os
import shutil
import socket
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np
import platformdirs
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

Source = Literal["auto", "mnist", "digits"]
Split = Literal["train", "test"]

# MD5 of the four uncompressed files as published; torchvision pins those of the compressed ones.
MNIST_MD5 = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}
INTEGERS = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)
RAW = Path("MNIST", "raw")  # where torchvision keeps them


@dataclass(frozen=True)
class LabelledImages:
    """Images with their true classes.

    Indexing with a slice, a list, an index tensor or a mask selects images and labels together. A
    number gives an image and its label, as in a data set of PyTorch, so that it can be iterated
    over and given to a `torch.utils.data.DataLoader`.

    Attributes:
        images: floating point, every pixel in [0, 1].
        labels: true class of each image, 0, 1, 2, ...
        name: what the set is called in a figure or a sentence.

    Raises:
        TypeError: if the images are not a tensor, or the labels not integers.
        ValueError: if the shapes, the number of labels or the pixel range are wrong.

    >>> data = load_images("digits", split="test")
    >>> len(data), tuple(data.images.shape), data[:3].name
    (450, (450, 1, 8, 8), 'digits')
    """

    images: Float[Tensor, "n c h w"]
    labels: Int[Tensor, "n"]
    name: str

    def __post_init__(self) -> None:
        refuse_other_than_tensors(self.images)
        if self.images.ndim != 4 or not self.images.is_floating_point():
            raise ValueError(
                f"images must be floating point of shape (n, c, h, w), got {self.images.dtype} of "
                f"shape {tuple(self.images.shape)}: convert with .float() / 255, reshape to 4 axes"
            )
        labels = class_numbers(self.labels, len(self.images), name="labels")
        if (labels < 0).any():
            raise ValueError(f"labels are counted from 0, got {int(labels.min())}: convert them")
        object.__setattr__(self, "labels", labels.to(self.images.device))
        object.__setattr__(self, "images", self.images.detach())
        if len(self.images) and not (self.images.min() >= 0 and self.images.max() <= 1):
            raise ValueError(
                f"pixels must lie in [0, 1], got {self.images.min():.3g} to "
                f"{self.images.max():.3g}: divide by the largest intensity"
            )

    def __len__(self) -> int:
        return len(self.labels)

    @overload
    def __getitem__(self, index: int) -> tuple[Tensor, int]: ...

    @overload
    def __getitem__(self, index: slice | list[int] | Tensor) -> "LabelledImages": ...

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, (int, np.integer)) and not isinstance(index, bool):
            return self.images[int(index)], int(self.labels[int(index)])
        return LabelledImages(self.images[index], self.labels[index], self.name)

    def nearest(
        self, images: Float[Tensor, "m c h w"], labels: Int[Tensor, "m"]
    ) -> tuple[Float[Tensor, "m"], Int[Tensor, "m"]]:
        """Find the nearest image of this set that has the given label, for each of some images.

        Args:
            images: of the shape of this set's; memory grows with their number times the set's.
            labels: the class wanted, one per image.

        Raises:
            ValueError: if the shapes differ, or there is not one label per image.

        Returns:
            The L2 distances, infinite where this set has no such image; and the places in it.

        >>> data = load_images("digits", split="test")
        >>> data.nearest(data.images[:2], data.labels[:2])
        (tensor([0., 0.]), tensor([0, 1]))
        """
        labels = class_numbers(labels, len(images), name="labels").to(self.labels.device)
        if images.shape[1:] != self.images.shape[1:]:
            raise ValueError(
                f"images have shape {tuple(images.shape)}, those of the set "
                f"{tuple(self.images.shape)}: compare images of one shape"
            )
        apart = torch.cdist(images.flatten(1), self.images.flatten(1))
        apart[labels[:, None] != self.labels] = torch.inf
        nearest = apart.min(dim=1)
        # Between near images the rounding error of `cdist` is large.
        exact = (images - self.images[nearest.indices]).flatten(1).norm(dim=1)
        return torch.where(nearest.values.isinf(), torch.inf, exact), nearest.indices

    def to(self, device: torch.device | str) -> "LabelledImages":
        """Copy images and labels to another device."""
        return LabelledImages(self.images.to(device), self.labels.to(device), self.name)


def refuse_other_than_tensors(numbers: object, name: str = "images") -> None:
    """Refuse arrays and lists.

    Raises:
        TypeError: if the numbers are not a tensor.
    """
    if not isinstance(numbers, Tensor):
        raise TypeError(
            f"{name} must be a tensor, got {type(numbers).__name__}: convert them with "
            "torch.as_tensor"
        )


def refuse_other_than_floats(numbers: object, name: str = "images") -> None:
    """Refuse arrays, lists and integers.

    Raises:
        TypeError: if the numbers are not a tensor of floating point numbers.
    """
    refuse_other_than_tensors(numbers, name)
    if isinstance(numbers, Tensor) and not numbers.is_floating_point():
        raise TypeError(
            f"{name} must be floating point, got {numbers.dtype}: convert them with .float(), and "
            "pixels of 0..255 with .float() / 255"
        )


def class_numbers(
    labels: Any, count: int | None = None, *, classes: int | None = None, name: str = "targets"
) -> Int[Tensor, "n"]:
    """Take a list of class numbers, or a tensor of any integers, as one of 64 bits.

    Raises:
        TypeError: if they are not integers.
        ValueError: if there are not as many as there should be, or some are not among the classes.
    """
    try:
        numbers = torch.as_tensor(labels)
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(f"{name} must be class numbers, got {labels!r}: pass a tensor") from error
    if numbers.dtype not in INTEGERS:
        raise TypeError(f"{name} must be integer class numbers, got {numbers.dtype}: convert them")
    if numbers.ndim != 1 or (count is not None and len(numbers) != count):
        raise ValueError(
            f"{'images' if count is None else f'{count} images'} need as many {name}, got shape "
            f"{tuple(numbers.shape)}: pass one class per image"
        )
    if classes is not None and ((numbers < 0) | (numbers >= classes)).any():
        raise ValueError(
            f"{name} lie in {int(numbers.min())}..{int(numbers.max())}, outside 0..{classes - 1}; "
            f"the model has classes 0..{classes - 1}: choose {name} among them"
        )
    return numbers.long()


def load_images(name: Source = "auto", *, split: Split) -> LabelledImages:
    """Load the training or the test images of a data set.

    `"auto"` takes what the variable `BLINDSPOTS_DATASET` names; without it, MNIST where it can be
    found or downloaded and the digits otherwise, with a warning that says so. MNIST is read from
    the folder `BLINDSPOTS_DATA` if that is set; otherwise from the user's cache
    (`BLINDSPOTS_CACHE`), into which it is downloaded the first time. Checksums are verified.

    The digits are the 1,797 8x8 images that ship with scikit-learn; every fourth is a test image.

    Raises:
        ValueError: for an unknown name or split, or a truncated, corrupted or foreign file.
        FileNotFoundError: if MNIST was asked for and cannot be found or downloaded.
    """
    if name == "auto":
        name = (os.environ.get("BLINDSPOTS_DATASET") or "auto").lower()  # type: ignore[assignment]
    if name not in ("auto", "mnist", "digits"):
        raise ValueError(f'data set {name!r} is unknown: use "auto", "mnist" or "digits"')
    if split not in ("train", "test"):
        raise ValueError(f'split {split!r} is unknown: use "train" or "test"')
    if name == "digits":
        return _digits(split)
    try:
        return _mnist(_mnist_folder(), split)
    except _NotFound as missing:
        if name == "mnist":
            raise
        warnings.warn(f"{missing}. Using scikit-learn's 8x8 digits instead.", stacklevel=2)
        return _digits(split)


def split_halves(
    data: LabelledImages, *, generator: torch.Generator
) -> tuple[LabelledImages, LabelledImages]:
    """Divide a data set at random into two disjoint halves whose sizes differ by at most one.

    The paper splits MNIST's training set so (section 4.2, P1 and P2) without saying how.
    """
    order = torch.randperm(len(data), generator=generator, device=generator.device)
    order = order.to(data.labels.device)
    middle = (len(data) + 1) // 2
    return data[order[:middle]], data[order[middle:]]


def cache_folder() -> Path:
    """Name the folder of downloads and networks: `BLINDSPOTS_CACHE`, or the user's cache."""
    stated = os.environ.get("BLINDSPOTS_CACHE") or platformdirs.user_cache_dir("blindspots")
    return Path(stated).expanduser()


class _NotFound(FileNotFoundError):
    """MNIST is not there and cannot be downloaded: `load_images("auto")` takes the digits then."""


def _digits(split: Split) -> LabelledImages:
    from sklearn.datasets import load_digits  # one second to import, needed only here

    pixels, labels = load_digits(return_X_y=True)
    test = np.arange(len(labels)) % 4 == 0
    chosen = test if split == "test" else ~test
    images = torch.tensor(pixels[chosen] / 16, dtype=torch.float32).view(-1, 1, 8, 8)
    return LabelledImages(images, torch.tensor(labels[chosen]), "digits")


def _mnist_folder() -> Path:
    """The folder that holds (after a download, if need be) MNIST in torchvision's layout."""
    if stated := os.environ.get("BLINDSPOTS_DATA"):
        return Path(stated).expanduser()
    folder = cache_folder()
    if not all((folder / RAW / name).is_file() for name in MNIST_MD5):
        _download(folder)
    return folder


def _download(folder: Path) -> None:
    """Download into a scratch folder and rename at the end, so that nothing half-done is kept."""
    import torchvision  # takes as long as all the rest, and the digits do without

    before, scratch = socket.getdefaulttimeout(), folder
    # torchvision sets no timeout of its own: behind a silent firewall it would wait for ever.
    socket.setdefaulttimeout(20.0)
    try:
        (folder / RAW).mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix="mnist-", dir=folder))
        torchvision.datasets.MNIST(str(scratch), download=True)
        for name in MNIST_MD5:
            os.replace(scratch / RAW / name, folder / RAW / name)
    except (RuntimeError, OSError) as error:
        reason = " ".join(str(error).split())
        raise _NotFound(
            f"MNIST could not be downloaded ({reason}); connect to the network, or set "
            "BLINDSPOTS_DATA to a folder that holds MNIST/raw/train-images-idx3-ubyte and the rest"
        ) from error
    finally:
        socket.setdefaulttimeout(before)
        if scratch != folder:
            shutil.rmtree(scratch, ignore_errors=True)


def _mnist(folder: Path, split: Split) -> LabelledImages:
    prefix = "train" if split == "train" else "t10k"
    images = _read_idx(folder / RAW / f"{prefix}-images-idx3-ubyte")
    labels = _read_idx(folder / RAW / f"{prefix}-labels-idx1-ubyte")
    return LabelledImages(images[:, None].float() / 255, labels.long(), "MNIST")


def _read_idx(file: Path) -> UInt8[Tensor, "n *shape"]:
    """The bytes of an IDX file that is the published one: its header then needs no check."""
    if not file.is_file():
        raise _NotFound(f"{file} does not exist: put the uncompressed MNIST files there")
    content = file.read_bytes()
    if (found := hashlib.md5(content, usedforsecurity=False).hexdigest()) != MNIST_MD5[file.name]:
        raise ValueError(
            f"{file} is not the published MNIST file (MD5 {found}, expected "
            f"{MNIST_MD5[file.name]}): delete it and get it again"
        )
    shape = np.frombuffer(content, ">i4", count=content[3], offset=4)
    pixels = np.frombuffer(content, np.uint8, offset=4 + 4 * len(shape))
    return torch.tensor(pixels.reshape(shape))
