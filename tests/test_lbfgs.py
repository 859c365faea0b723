import copy

import scipy.optimize
import torch
from torch import nn
from torch.nn import functional as F

from blindspots import convnet, lbfgs_attack, predict
from blindspots.attack.box import minimize_box


def test_agrees_with_scipy_on_the_same_objective(network, digits, monkeypatch):
    """At the penalty that our search found, SciPy's L-BFGS-B finds no better image."""
    data, targets = digits
    network = copy.deepcopy(network).double()
    images = data.images[:6].double()
    monkeypatch.setattr("blindspots.attack.lbfgs.TOLERANCE", 1e-12)
    result = lbfgs_attack(network, images, targets[:6])
    for image, target, found, penalty in zip(
        images, targets, result.images, result.penalty, strict=False
    ):

        def objective(point, image=image, target=target, penalty=penalty):
            r = point - image.flatten()
            logits = network(point.view(1, *image.shape))
            return penalty * r.square().sum() + F.cross_entropy(logits, target[None])

        def value_and_gradient(x, objective=objective):
            point = torch.tensor(x, requires_grad=True)
            value = objective(point)
            return value.item(), torch.autograd.grad(value, point)[0].numpy()

        reference = scipy.optimize.minimize(
            value_and_gradient,
            image.flatten().numpy(),
            jac=True,
            method="L-BFGS-B",
            bounds=[(0, 1)] * image.numel(),
            options={"ftol": 1e-14, "gtol": 1e-8, "maxiter": 2000},
        )
        assert objective(found.flatten()).item() <= reference.fun * (1 + 1e-5)


def test_the_largest_penalty_that_succeeds(network, digits):
    """At a slightly larger penalty the minimiser is not adversarial any more."""
    data, targets = digits
    result = lbfgs_attack(network, data.images, targets, penalties=20)
    flat = data.images.flatten(1)

    def attacked(penalty):
        def fun(points, rows):
            loss = F.cross_entropy(network(points), targets[rows], reduction="none")
            return penalty[rows] * (points - flat[rows]).square().sum(dim=1) + loss

        start = result.images.flatten(1)
        return predict(network, minimize_box(fun, start, ftol=1e-7).x) == targets

    assert attacked(result.penalty * 0.98).double().mean() > 0.9
    assert attacked(result.penalty * 1.05).double().mean() < 0.1


def test_more_search_steps_come_closer(network, digits):
    data, targets = digits
    sizes = [
        lbfgs_attack(network, data.images, targets, penalties=steps).distortion.mean().item()
        for steps in (2, 4, 12)
    ]
    assert sizes[0] > sizes[1] > sizes[2]


def test_rows_that_are_close_enough_leave(network, digits):
    """Later penalties are tried for fewer images, and none is evaluated in vain."""
    data, targets = digits
    few, many = (
        lbfgs_attack(network, data.images, targets, penalties=steps).evaluations
        for steps in (12, 24)
    )
    assert torch.equal(few, many)  # all had finished within twelve
    assert few.min() < 0.7 * few.max()


def test_evaluations_are_counted(network, digits):
    data, targets = digits
    rows = []
    counting = nn.Sequential(nn.Flatten(), network)
    counting[0].register_forward_hook(
        lambda module, inputs, output: rows.append(len(output)) if torch.is_grad_enabled() else None
    )
    result = lbfgs_attack(counting.eval(), data.images, targets, penalties=4)
    assert result.evaluations.sum().item() == sum(rows)


def test_convnet_with_kinks_ends_in_reasonable_time(generator):
    """ReLU and max-pooling: the search must not crawl along kinks for ever."""
    model = convnet((1, 8, 8), channels=(4,), generator=generator).eval()
    images = torch.rand(8, 1, 8, 8, generator=generator)
    targets = (predict(model, images) + 1) % 10
    assert lbfgs_attack(model, images, targets).evaluations.max() < 2500


def test_as_close_as_scipy_with_the_usual_search(network, digits):
    """The reference: SciPy's L-BFGS-B, one image at a time, and plain bisection."""
    data, targets = digits
    model, data, targets = copy.deepcopy(network).double(), data[:8], targets[:8]
    ours = lbfgs_attack(model, data.images.double(), targets).distortion
    references = []
    for image, target in zip(data.images.double(), targets, strict=True):
        start = image.flatten().numpy()

        def objective(x, penalty, target=target, start=start):
            point = torch.tensor(x.reshape(1, -1), requires_grad=True)
            loss = F.cross_entropy(model(point), target[None])
            (gradient,) = torch.autograd.grad(loss, point)
            r = x - start
            return loss.item() + penalty * (r @ r), gradient.numpy()[0] + 2 * penalty * r

        low, high, best = 1e-3, 1e3, None
        for _ in range(20):
            penalty = (low * high) ** 0.5
            x = scipy.optimize.minimize(
                objective, start, (penalty,), "L-BFGS-B", jac=True, bounds=[(0, 1)] * start.size
            ).x
            success = predict(model, torch.tensor(x)[None]) == target
            low, high = (penalty, high) if success else (low, penalty)
            best = x if success else best
        references.append(((best - start) ** 2).mean() ** 0.5)
    assert ours.mean() <= 1.005 * sum(references) / len(references)
