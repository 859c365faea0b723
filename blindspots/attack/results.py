"""What an attack returns."""

from dataclasses import dataclass

from jaxtyping import Bool, Float, Int
from torch import Tensor


@dataclass(frozen=True)
class AdversarialImages:
    """Result of `lbfgs_attack` and of `nearest_attack`, one entry per image.

    Attributes:
        images: the adversarial images, inside the bounds; the original where the attack failed.
        success: whether the predicted class is the target or, without targets, has changed.
        distortion: root mean square change of a pixel; infinite where the attack failed.
        penalty: the penalty whose minimiser this is; zero where the attack failed.
        evaluations: gradient evaluations of the model.
    """

    images: Float[Tensor, "n *shape"]
    success: Bool[Tensor, "n"]
    distortion: Float[Tensor, "n"]
    penalty: Float[Tensor, "n"]
    evaluations: Int[Tensor, "n"]
