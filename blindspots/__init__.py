"""Blind Spots: why neural networks have adversarial examples.

The package behind the book. In the order in which a reader of Szegedy et al. (2013) meets them:
images, networks, training, the attack.
"""

__version__ = "0.1.0"

from blindspots.affine import affine_minimum
from blindspots.attack import AdversarialImages, lbfgs_attack, random_targets
from blindspots.box import BoxMinimum, minimize_box
from blindspots.data import LabelledImages, load_images, split_halves
from blindspots.networks import convnet, error_rate, evaluate, margin, mlp, predict
from blindspots.perturbations import add_gaussian_noise, distortion, rescale_perturbation
from blindspots.polytope import PolytopeProjection, project_to_polytope
from blindspots.training import (
    fit,
    fit_sparse_autoencoder,
    fit_to_convergence,
    weight_decay_loss,
)
from blindspots.zoo import RECIPES, trained, training_seconds

__all__ = [
    "RECIPES",
    "AdversarialImages",
    "BoxMinimum",
    "LabelledImages",
    "PolytopeProjection",
    "add_gaussian_noise",
    "affine_minimum",
    "convnet",
    "distortion",
    "error_rate",
    "evaluate",
    "fit",
    "fit_sparse_autoencoder",
    "fit_to_convergence",
    "lbfgs_attack",
    "load_images",
    "margin",
    "minimize_box",
    "mlp",
    "predict",
    "project_to_polytope",
    "random_targets",
    "rescale_perturbation",
    "split_halves",
    "trained",
    "training_seconds",
    "weight_decay_loss",
]
