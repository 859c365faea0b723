"""Blind Spots: why neural networks have adversarial examples.

The package behind the book. In the order in which a reader of Szegedy et al. (2013) meets them:
images, networks, training, the attack, who else is fooled, what no attack can do.
"""

__version__ = "0.1.0"

from blindspots._former import NAMES
from blindspots._resumable import run_sweep
from blindspots.attack._problem import AdversarialImages
from blindspots.attack.adversaries import blind_spots, pgd
from blindspots.attack.box import BoxMinimum, minimize_box
from blindspots.attack.exact import affine_minimum
from blindspots.attack.lbfgs import lbfgs_attack, random_targets
from blindspots.attack.nearest import nearest_attack
from blindspots.attack.polytope import PolytopeProjection, project_to_polytope
from blindspots.bounds.layers import (
    LayerBound,
    NetworkBound,
    certified_radius,
    largest_gradient,
    layer_bounds,
    pair_bounds,
)
from blindspots.bounds.lipsdp import lipsdp_bound, lipsdp_pair_bounds
from blindspots.bounds.norms import conv_norm, dense_norm
from blindspots.data import LabelledImages, load_images, split_halves
from blindspots.directions import (
    aligned_directions,
    haar_basis,
    partial_rotations,
    whitening,
)
from blindspots.intervals import seed_interval, share_bound, wilson_interval
from blindspots.networks import (
    convnet,
    correctly_classified,
    error_rate,
    evaluate,
    margin,
    mlp,
    predict,
)
from blindspots.perturbations import (
    add_equal_noise,
    add_gaussian_noise,
    distortion,
    rescale_perturbation,
)
from blindspots.training import (
    fit,
    fit_sparse_autoencoder,
    fit_to_convergence,
    fit_with_adversaries,
    weight_decay_loss,
)
from blindspots.transfer import TransferMatrix, transfer_matrix
from blindspots.units import (
    BasisTest,
    basis_test,
    basis_tests,
    count_detectors,
    label_agreement,
    participation_ratio,
    pixel_compactness,
    top_images,
)
from blindspots.zoo import RECIPES, trained, training_seconds, untrained

__all__ = [
    "RECIPES",
    "AdversarialImages",
    "BasisTest",
    "BoxMinimum",
    "LabelledImages",
    "LayerBound",
    "NetworkBound",
    "PolytopeProjection",
    "TransferMatrix",
    "add_equal_noise",
    "add_gaussian_noise",
    "affine_minimum",
    "aligned_directions",
    "basis_test",
    "basis_tests",
    "blind_spots",
    "certified_radius",
    "conv_norm",
    "convnet",
    "correctly_classified",
    "count_detectors",
    "dense_norm",
    "distortion",
    "error_rate",
    "evaluate",
    "fit",
    "fit_sparse_autoencoder",
    "fit_to_convergence",
    "fit_with_adversaries",
    "haar_basis",
    "label_agreement",
    "largest_gradient",
    "layer_bounds",
    "lbfgs_attack",
    "lipsdp_bound",
    "lipsdp_pair_bounds",
    "load_images",
    "margin",
    "minimize_box",
    "mlp",
    "nearest_attack",
    "pair_bounds",
    "partial_rotations",
    "participation_ratio",
    "pgd",
    "pixel_compactness",
    "predict",
    "project_to_polytope",
    "random_targets",
    "rescale_perturbation",
    "run_sweep",
    "seed_interval",
    "share_bound",
    "split_halves",
    "top_images",
    "trained",
    "training_seconds",
    "transfer_matrix",
    "untrained",
    "weight_decay_loss",
    "whitening",
    "wilson_interval",
]


def __getattr__(name: str) -> None:
    if name in NAMES:
        raise AttributeError(f"blindspots has no {name} any more: {NAMES[name]}")
    raise AttributeError(f"module 'blindspots' has no attribute {name!r}")
