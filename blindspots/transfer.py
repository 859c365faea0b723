"""Who else is fooled: images made for some networks, shown to others."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from blindspots.networks import error_rate


@dataclass(frozen=True)
class TransferMatrix:
    """What `transfer_matrix` measured.

    Attributes:
        error: share of a source's images that a receiver misreads, in [0, 1], 64-bit on the CPU.
        sources: names of the rows.
        receivers: names of the columns.
    """

    error: Float[Tensor, "sources receivers"]
    sources: tuple[str, ...]
    receivers: tuple[str, ...]


def transfer_matrix(
    receivers: Mapping[str, Callable[[Tensor], Tensor]],
    sets: Mapping[str, tuple[Tensor, Tensor]],
) -> TransferMatrix:
    """Show every set of images to every receiver and count what is misread (Tables 2 and 4).

    An image counts as misread if the predicted class is not its label, whichever class the attack
    wanted. This includes the receivers' own errors: compare with a row of unperturbed images.

    Args:
        receivers: networks, or other functions from images to one score per class, by name.
        sets: images and their true labels, by the network that the images were made for (or by
            the kind of noise). They need not lie in [0, 1]: the paper's noise does not.

    Raises:
        ValueError: if there is no receiver, no set, no image in a set, or not one label for each.

    >>> images, labels = torch.zeros(4, 1, 2, 2), torch.tensor([0, 0, 0, 1])
    >>> zero = lambda x: torch.tensor([1.0, 0.0]).expand(len(x), 2)
    >>> transfer_matrix({"always 0": zero}, {"blank": (images, labels)}).error
    tensor([[0.2500]], dtype=torch.float64)
    """
    if not receivers or not sets:
        raise ValueError(
            f"need at least one receiver and one set of images, got {len(receivers)} receivers "
            f"and {len(sets)} sets"
        )
    error = [
        [error_rate(receiver, images, labels) for receiver in receivers.values()]
        for images, labels in sets.values()
    ]
    return TransferMatrix(torch.tensor(error, dtype=torch.float64), tuple(sets), tuple(receivers))
