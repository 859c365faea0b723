"""Numbers printed in the paper (arXiv 1312.6199v4), to stand beside ours."""

from dataclasses import dataclass


@dataclass(frozen=True)
class NetworkRow:
    """A row of Table 1.

    Attributes:
        train_error: share of the training images misclassified, in [0, 1].
        test_error: share of the test images misclassified.
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

#: Error, in [0, 1], of each receiver (in the order of Table 1) on images made for each source from
#: the training set.
TABLE_2 = {
    "FC10(1e-4)": (1.0, 0.117, 0.227, 0.02, 0.039, 0.027),
    "FC10(1e-2)": (0.871, 1.0, 0.352, 0.359, 0.273, 0.098),
    "FC10(1)": (0.719, 0.762, 1.0, 0.481, 0.47, 0.344),
    "FC100-100-10": (0.289, 0.137, 0.211, 1.0, 0.066, 0.02),
    "FC200-200-10": (0.382, 0.14, 0.238, 0.203, 1.0, 0.027),
    "AE400-10": (0.234, 0.16, 0.248, 0.094, 0.066, 1.0),
}

#: Likewise for Gaussian noise, by its standard deviation.
TABLE_2_NOISE = {
    0.1: (0.05, 0.101, 0.183, 0.0, 0.0, 0.008),
    0.3: (0.156, 0.113, 0.227, 0.05, 0.043, 0.031),
}


@dataclass(frozen=True)
class HalfRow:
    """A row of Table 3: a network trained on one half of the training set.

    Attributes:
        p1_error: share of the first half misclassified, in [0, 1].
        p2_error: share of the second half misclassified.
        test_error: share of the test images misclassified.
        distortion: average minimum distortion of the test images.
    """

    p1_error: float
    p2_error: float
    test_error: float
    distortion: float


#: The networks of Tables 3 and 4; the prime marks the one trained on the other half.
TABLE_3 = {
    "FC100-100-10": HalfRow(0.0, 0.024, 0.02, 0.062),
    "FC123-456-10": HalfRow(0.0, 0.025, 0.021, 0.059),
    "FC100-100-10'": HalfRow(0.023, 0.0, 0.021, 0.058),
}

#: Error, in [0, 1], of each network of Table 3 on images made for each from the test set.
TABLE_4 = {
    "FC100-100-10": (1.0, 0.262, 0.059),
    "FC123-456-10": (0.0625, 1.0, 0.051),
    "FC100-100-10'": (0.082, 0.082, 1.0),
}

#: The same perturbations amplified to a distortion of 0.1.
TABLE_4_AMPLIFIED = {
    "FC100-100-10": (1.0, 0.98, 0.43),
    "FC123-456-10": (0.96, 1.0, 0.22),
    "FC100-100-10'": (0.27, 0.5, 1.0),
}

#: Gaussian noise, by its standard deviation.
TABLE_4_NOISE = {0.06: (0.022, 0.026, 0.024), 0.1: (0.026, 0.028, 0.027)}

#: Upper bounds on the layers of AlexNet (Krizhevsky et al. 2012).
TABLE_5 = {
    "Conv. 1": 2.75,
    "Conv. 2": 10.0,
    "Conv. 3": 7.0,
    "Conv. 4": 7.5,
    "Conv. 5": 11.0,
    "FC. 1": 3.12,
    "FC. 2": 4.0,
    "FC. 3": 4.0,
}

#: Test errors of 100-100-10 that section 4.2 reports, by what was added to the training. That of
#: the pools at every layer is an upper bound, that of dropout is said to be approximate.
TRAINING_ON_BLIND_SPOTS = {"weight decay": 0.016, "dropout": 0.013, "pool, every layer": 0.012}
