"""Which networks the chapters need, so that the build trains them before and can say how long."""

import torch

from blindspots import LabelledImages, split_halves
from blindspots.book.paper import TABLE_1


def book_networks(train: LabelledImages) -> dict[str, tuple[str, LabelledImages, int]]:
    """Per network, as a reader knows it: its recipe, what it is trained on, and its seed."""
    p1, p2 = split_halves(train, generator=torch.Generator().manual_seed(0))
    return {name: (name, train, 0) for name in (*TABLE_1, "convnet", "FC100-100-10, ReLU")} | {
        "FC100-100-10, twin": ("FC100-100-10", train, 100),
        "FC100-100-10 on P1": ("FC100-100-10", p1, 0),
        "FC100-100-10 on P1, twin": ("FC100-100-10", p1, 100),
        "FC123-456-10 on P1": ("FC123-456-10", p1, 0),
        "FC100-100-10' on P2": ("FC100-100-10", p2, 200),
    }
