"""Blind Spots: why neural networks have adversarial examples.

The book's package. In the order in which a reader of Szegedy et al. (2013) meets them: images,
networks, training; the attacks; units; who else is fooled; what no attack can do.
"""

__version__ = "1.0.0"

from blindspots._former import NAMES as _NAMES
from blindspots.data import (
    LabelledImages as LabelledImages,
    load_images as load_images,
    split_halves as split_halves,
)
from blindspots.networks import (
    convnet as convnet,
    correctly_classified as correctly_classified,
    error_rate as error_rate,
    evaluate as evaluate,
    margin as margin,
    mlp as mlp,
    predict as predict,
)
from blindspots.training import (
    fit as fit,
    fit_to_convergence as fit_to_convergence,
    fit_with_adversaries as fit_with_adversaries,
)
from blindspots.zoo import trained as trained, untrained as untrained
from blindspots.attack.lbfgs import (
    lbfgs_attack as lbfgs_attack,
    random_targets as random_targets,
)
from blindspots.attack.nearest import nearest_attack as nearest_attack
from blindspots.attack.exact import affine_minimum as affine_minimum
from blindspots.perturbations import (
    add_equal_noise as add_equal_noise,
    add_gaussian_noise as add_gaussian_noise,
    distortion as distortion,
    rescale_perturbation as rescale_perturbation,
)
from blindspots.units import (
    basis_test as basis_test,
    label_agreement as label_agreement,
    pixel_compactness as pixel_compactness,
    top_images as top_images,
)
from blindspots.directions import haar_basis as haar_basis, whitening as whitening
from blindspots.networks import transfer_matrix as transfer_matrix
from blindspots.intervals import seed_interval as seed_interval, wilson_interval as wilson_interval
from blindspots.bounds.norms import conv_norm as conv_norm, dense_norm as dense_norm
from blindspots.bounds.layers import (
    certified_radius as certified_radius,
    layer_bounds as layer_bounds,
    lipschitz_lower_bound as lipschitz_lower_bound,
    pair_bounds as pair_bounds,
)
from blindspots.bounds.lipsdp import lipsdp_bound as lipsdp_bound
from blindspots._resumable import run_sweep as run_sweep


def __getattr__(name: str) -> None:
    # Not an AttributeError, of which `from blindspots import ...` would not show the words.
    if name in _NAMES:
        raise ImportError(f"blindspots has no {name} any more: {_NAMES[name]}")
    raise AttributeError(f"module 'blindspots' has no attribute {name!r}")
