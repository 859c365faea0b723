"""The minimum-norm attacks of other libraries, each at its defaults and at its best setting."""

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import scipy.optimize
import torch
from torch import Tensor, nn
from torch.nn import functional as F

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import foolbox
    import torchattacks
    from adv_lib import attacks as adv_lib
    from adv_lib.attacks.carlini_wagner import carlini_wagner_l2
    from art.attacks.evasion import CarliniL2Method
    from art.estimators.classification import PyTorchClassifier

from blindspots import lbfgs_attack, nearest_attack

Attack = Callable[[nn.Module, Tensor, Tensor, Tensor | None], Tensor]
"""From a model, images, their labels and targets (None: untargeted) to perturbed images."""

ANY = (True, False)


@dataclass(frozen=True)
class Setting:
    """One attack at one setting.

    Attributes:
        library: whose attack it is.
        attack: its name.
        setting: what distinguishes it, in words; "defaults" for the documented ones.
        run: the attack.
        targeted: whether it can be given targets, may be used without, or both.
        gradients: evaluations per image at most, or as costly: they decide how many images it gets.
    """

    library: str
    attack: str
    setting: str
    run: Attack
    gradients: int
    targeted: tuple[bool, ...] = ANY


def settings() -> list[Setting]:
    """List everything that is compared, ours first."""
    ours = [
        Setting("blindspots", "margin", f"{steps} projections", partial(_margin, steps), 2 * steps)
        for steps in (10, 20, 30, 100, 300, 1000)
    ]
    ours[2] = Setting("blindspots", "margin", "defaults", partial(_margin, 30), 60)
    ours.append(Setting("blindspots", "cross-entropy", "defaults", _cross_entropy, 300, (True,)))
    lib = partial(adv_lib_attack, False)
    norm = partial(adv_lib_attack, True)
    ddn, alma, pdgd, fmn = adv_lib.ddn, adv_lib.alma, adv_lib.pdgd, adv_lib.fmn
    cw = carlini_wagner_l2
    fool, fb = _foolbox, foolbox.attacks
    return [
        *ours,
        Setting("scipy", "L-BFGS-B per image", "12 penalties", _scipy, 8000, (True,)),
        Setting("adv-lib", "DDN", "defaults", partial(lib, ddn, {}), 100),
        Setting("adv-lib", "DDN", "100 steps, no levels", partial(lib, ddn, {"levels": None}), 100),
        Setting(
            "adv-lib",
            "DDN",
            "1000 steps, no levels",
            partial(lib, ddn, {"levels": None, "steps": 1000}),
            1000,
        ),
        Setting("adv-lib", "ALMA", "defaults", partial(lib, alma, {}), 1000),
        Setting(
            "adv-lib", "ALMA", "first step 1", partial(lib, alma, {"init_lr_distance": 1.0}), 1000
        ),
        Setting("adv-lib", "PDGD", "defaults", partial(lib, pdgd, {}), 500),
        Setting("adv-lib", "PDGD", "100 steps", partial(lib, pdgd, {"num_steps": 100}), 100),
        Setting("adv-lib", "PDGD", "2000 steps", partial(lib, pdgd, {"num_steps": 2000}), 2000),
        Setting("adv-lib", "FMN", "defaults", partial(norm, fmn, {}), 10),
        Setting("adv-lib", "FMN", "1000 steps", partial(norm, fmn, {"steps": 1000}), 1000),
        Setting("adv-lib", "C&W", "defaults", partial(lib, cw, {}), 90_000),
        Setting("adv-lib", "C&W", "9 x 1000", partial(lib, cw, {"max_iterations": 1000}), 9000),
        Setting("foolbox", "DDN", "defaults", partial(fool, fb.DDNAttack, {}), 100),
        Setting("foolbox", "DDN", "1000 steps", partial(fool, fb.DDNAttack, {"steps": 1000}), 1000),
        Setting("foolbox", "FMN", "defaults", partial(fool, fb.L2FMNAttack, {}), 100),
        Setting(
            "foolbox", "FMN", "1000 steps", partial(fool, fb.L2FMNAttack, {"steps": 1000}), 1000
        ),
        Setting(
            "foolbox", "DeepFool", "defaults", partial(fool, fb.L2DeepFoolAttack, {}), 60, (False,)
        ),
        Setting(
            "foolbox",
            "DeepFool",
            "overshoot 1e-4",
            partial(fool, fb.L2DeepFoolAttack, {"overshoot": 1e-4}),
            60,
            (False,),
        ),
        Setting("foolbox", "C&W", "defaults", partial(fool, fb.L2CarliniWagnerAttack, {}), 90_000),
        Setting(
            "foolbox",
            "C&W",
            "9 x 1000",
            partial(fool, fb.L2CarliniWagnerAttack, {"steps": 1000}),
            9000,
        ),
        Setting(
            "foolbox",
            "Brendel-Bethge",
            "defaults",
            partial(fool, fb.L2BrendelBethgeAttack, {}),
            10_000,  # one gradient a step, but much else besides
            (False,),  # it finds a start of its own only without targets
        ),
        Setting(
            "foolbox",
            "Brendel-Bethge",
            "started from DDN",
            partial(fool, fb.L2BrendelBethgeAttack, {"init_attack": fb.DDNAttack()}),
            10_000,
        ),
        Setting("torchattacks", "C&W", "defaults", partial(_torchattacks, {}), 50),
        Setting(
            "torchattacks",
            "C&W",
            "c = 10, 1000 steps",
            partial(_torchattacks, {"c": 10, "steps": 1000}),
            1000,
        ),
        Setting("ART", "C&W", "defaults", partial(_art, {}), 9000),
        Setting("ART", "C&W", "1000 steps", partial(_art, {"max_iter": 1000}), 90_000),
    ]


def _margin(
    steps: int, model: nn.Module, images: Tensor, labels: Tensor, targets: Tensor | None
) -> Tensor:
    return nearest_attack(model, images, targets, projections=steps).images


def _cross_entropy(
    model: nn.Module, images: Tensor, labels: Tensor, targets: Tensor | None
) -> Tensor:
    assert targets is not None
    return lbfgs_attack(model, images, targets).images


def _scipy(model: nn.Module, images: Tensor, labels: Tensor, targets: Tensor | None) -> Tensor:
    """The paper's attack as it is usually written: one image after another, by bisection."""
    assert targets is not None
    found = [_scipy_image(model, *pair) for pair in zip(images, targets, strict=True)]
    return torch.stack(found).to(images)


def _scipy_image(model: nn.Module, image: Tensor, target: Tensor) -> Tensor:
    start = image.double().flatten().cpu().numpy()

    def as_image(x: np.ndarray) -> Tensor:
        return torch.from_numpy(x).to(image).view(1, *image.shape)

    def objective(x: np.ndarray, penalty: float) -> tuple[float, np.ndarray]:
        point = as_image(x).requires_grad_()
        loss = F.cross_entropy(model(point), target[None])
        (gradient,) = torch.autograd.grad(loss, point)
        r = x - start
        slope = gradient.flatten().double().cpu().numpy()
        return loss.item() + penalty * (r @ r), slope + 2 * penalty * r

    with torch.no_grad():
        logits = model(image[None])[0]
    others = logits.clone()
    others[target] = -math.inf
    penalty = (others.max() - logits[target]).item() / (0.01 * start.size)  # where ours begins
    succeeds, fails, best, x = 0.0, math.inf, start, start
    for _ in range(12):
        x = scipy.optimize.minimize(
            objective, x, args=(penalty,), jac=True, method="L-BFGS-B", bounds=[(0, 1)] * x.size
        ).x
        with torch.no_grad():
            success = model(as_image(x)).argmax() == target
        if success:
            succeeds, best = penalty, x
        else:
            fails = penalty
        if fails == math.inf:
            penalty *= 10
        else:
            penalty = math.sqrt(succeeds * fails) if succeeds else penalty / 10
    return torch.from_numpy(best).view(image.shape)


def adv_lib_attack(
    with_norm: bool,
    attack: Callable[..., Tensor],
    options: dict[str, Any],
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    targets: Tensor | None,
) -> Tensor:
    if with_norm:
        options = {"norm": 2, **options}
    wanted = labels if targets is None else targets
    return attack(model, images, wanted, targeted=targets is not None, **options)


def _foolbox(
    attack: Callable[..., Any],
    options: dict[str, Any],
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    targets: Tensor | None,
) -> Tensor:
    fmodel = foolbox.PyTorchModel(model, bounds=(0, 1), device=images.device)
    criterion = foolbox.criteria.Misclassification(labels)
    if targets is not None:
        criterion = foolbox.criteria.TargetedMisclassification(targets)
    return attack(**options)(fmodel, images, criterion, epsilons=None)[0]


def _torchattacks(
    options: dict[str, Any],
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    targets: Tensor | None,
) -> Tensor:
    attack = torchattacks.CW(model, **options)
    if targets is None:
        return attack(images, labels)
    attack.set_mode_targeted_by_label(quiet=True)
    return attack(images, targets)


def _art(
    options: dict[str, Any],
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    targets: Tensor | None,
) -> Tensor:
    classifier = PyTorchClassifier(
        model,
        loss=nn.CrossEntropyLoss(),
        input_shape=tuple(images.shape[1:]),
        nb_classes=10,
        clip_values=(0, 1),
        device_type="gpu" if images.is_cuda else "cpu",
    )
    attack = CarliniL2Method(
        classifier,
        targeted=targets is not None,
        batch_size=len(images),
        verbose=False,
        **options,
    )
    wanted = labels if targets is None else targets
    found = attack.generate(images.cpu().numpy(), np.eye(10)[wanted.cpu().numpy()])
    return torch.from_numpy(found).to(images)
