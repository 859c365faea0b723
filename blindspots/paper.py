"""Numbers printed in the paper (arXiv 1312.6199v4), to stand beside ours."""

from dataclasses import dataclass


@dataclass(frozen=True)
class NetworkRow:
    """A row of Table 1.

    Attributes:
        train_error: share of the training images misclassified, in [0, 1].
        test_error: likewise of the test images.
        distortion: "Av. min. distortion", root mean square over pixels in [0, 1].
    """

    train_error: float
    test_error: float
    distortion: float


TABLE_1 = {
    "FC10(1e-4)": NetworkRow(0.067, 0.074, 0.062),
    "FC10(1e-2)": NetworkRow(0.10, 0.094, 0.1),
    "FC10(1)": NetworkRow(0.212, 0.20, 0.14),
    "FC100-100-10": NetworkRow(0.0, 0.0164, 0.058),
    "FC200-200-10": NetworkRow(0.0, 0.0154, 0.065),
    "AE400-10": NetworkRow(0.0057, 0.019, 0.086),
}
