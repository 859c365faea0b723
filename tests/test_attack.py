import copy
import math
import pkgutil
from unittest.mock import Mock

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from blindspots import (
    add_gaussian_noise,
    distortion,
    lbfgs_attack,
    mlp,
    nearest_attack,
    predict,
    random_targets,
    trained,
)

STEPS = {lbfgs_attack: "penalties", nearest_attack: "projections"}
STEP = {
    lbfgs_attack: "blindspots.attack.box._iterate",
    nearest_attack: "blindspots.attack.projections._project",
}


def affine(weight, bias):
    model = nn.Sequential(nn.Flatten(), nn.Linear(weight.shape[1], weight.shape[0]))
    model[1].weight.data, model[1].bias.data = weight, bias
    return model.to(weight.dtype).eval()


@pytest.fixture
def two_classes(generator):
    """An affine classifier of two classes, images in the middle of the cube, and the distances."""
    weight = torch.randn(2, 30, generator=generator)
    normal = weight[1] - weight[0]
    images = 0.5 + 0.05 * torch.randn(12, 1, 5, 6, generator=generator)
    bias = torch.tensor([0.0, -0.5 * normal.sum() - 0.4])
    model = affine(weight, bias)
    logits = model(images)
    keep = logits[:, 0] > logits[:, 1] + 0.05
    gap = (logits[:, 0] - logits[:, 1])[keep]
    return model, images[keep], (gap / normal.norm()).detach()


@pytest.mark.parametrize("attack", [lbfgs_attack, nearest_attack])
def test_distance_to_a_plane(two_classes, attack):
    """With two classes the nearest adversarial image is the foot of the perpendicular."""
    model, images, distance = two_classes
    assert len(images) >= 5
    targets = torch.ones(len(images), dtype=torch.long)
    result = attack(model, images, targets, **{STEPS[attack]: 20})
    found = result.distortion * math.sqrt(30)
    assert result.success.all()
    assert (found >= distance * (1 - 1e-5)).all()
    assert (found <= distance * 1.01).all()


def test_box_cuts_the_shortest_way_off(generator):
    """Two pixels, one of them at its bound already: all the change must come from the other."""
    model = affine(torch.tensor([[0.0, 0.0], [1.0, 1.0]]), torch.tensor([0.0, -1.5]))
    image = torch.tensor([[[[1.0, 0.2]]]])
    result = nearest_attack(model, image, torch.tensor([1]), projections=20)
    assert torch.allclose(result.images, torch.tensor([[[[1.0, 0.5]]]]), atol=2e-3)


@pytest.mark.parametrize("attack", [lbfgs_attack, nearest_attack])
@pytest.mark.parametrize("name", ["FC10(1e-2)", "FC100-100-10", "AE400-10", "convnet"])
def test_success_inside_the_box_when_evaluated_afresh(name, attack, train, test, generator, device):
    model = trained(name, train.to(device))
    data = test.to(device)
    correct = data[predict(model, data.images) == data.labels][:32]
    targets = random_targets(correct.labels, classes=10, generator=generator)
    result = attack(model, correct.images, targets)
    assert result.success.all()
    assert torch.equal(predict(model, result.images), targets)
    assert result.images.min() >= 0 and result.images.max() <= 1
    assert torch.allclose(result.distortion, distortion(correct.images, result.images))
    noise = add_gaussian_noise(
        correct.images, standard_deviation=result.distortion, generator=generator
    )
    assert (predict(model, noise) == targets).double().mean() < 0.2  # the control


def test_a_row_does_not_depend_on_its_batch(network, digits, monkeypatch):
    data, targets = digits
    network, images = copy.deepcopy(network).double(), data.images.double()
    whole = lbfgs_attack(network, images, targets)
    alone = lbfgs_attack(network, images[3:4], targets[3:4])
    monkeypatch.setattr("blindspots.attack._batches.BATCH_SIZE", 7)
    split = lbfgs_attack(network, images, targets)
    assert torch.allclose(whole.distortion, split.distortion, rtol=1e-6)
    assert alone.distortion.item() == pytest.approx(whole.distortion[3].item(), rel=1e-6)


@pytest.mark.parametrize("attack", [lbfgs_attack, nearest_attack])
def test_a_row_does_not_depend_on_its_batch_in_32_bits(network, digits, attack, monkeypatch):
    data, targets = digits
    whole = attack(network, data.images, targets)
    monkeypatch.setattr("blindspots.attack._batches.BATCH_SIZE", 7)
    split = attack(network, data.images, targets)
    assert torch.allclose(whole.distortion, split.distortion, rtol=5e-3)


class Waits(TorchDispatchMode):
    """Counts where a GPU and its host would wait for each other: for a number, or for a shape."""

    NUMBERS = ("_local_scalar_dense", "equal", "is_nonzero")
    SHAPES = ("nonzero", "masked_select", "bincount", "_unique2", "repeat_interleave")
    count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function.overloadpacket.__name__
        masks = name.removeprefix("_").startswith("index") and isinstance(args[1], (list, tuple))
        masks = masks and any(i is not None and i.dtype == torch.bool for i in args[1])
        self.count += name in self.NUMBERS + self.SHAPES or masks
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize(("attack", "most"), [(lbfgs_attack, 14), (nearest_attack, 30)])
def test_a_gpu_waits_as_often_for_many_images_as_for_few(
    network, digits, attack, most, monkeypatch
):
    """A fixed number of times per step at most, and none per image."""
    data, targets = digits
    monkeypatch.setattr("blindspots.attack._batches.BATCH_SIZE", 4 * len(targets))
    step, counts = Mock(wraps=pkgutil.resolve_name(STEP[attack])), []
    monkeypatch.setattr(STEP[attack], step)
    for times in (1, 4):
        images = data.images.double().repeat(times, 1, 1, 1)
        with Waits() as waits:
            attack(copy.deepcopy(network).double(), images, targets.repeat(times))
        counts.append(waits.count / step.call_count)
        step.reset_mock()
    few, many = counts
    assert many < 1.2 * few < 1.2 * most  # rounding may add a step


@pytest.mark.parametrize("attack", [lbfgs_attack, nearest_attack])
def test_a_batch_that_does_not_fit_is_split(network, digits, attack):
    data, targets = digits

    class Small(nn.Module):
        """A device whose memory holds twenty images with their gradients."""

        def forward(self, images):
            if torch.is_grad_enabled() and len(images) > 20:
                raise torch.OutOfMemoryError("out of memory")
            return network(images)

    usual = attack(network, data.images, targets)
    result = attack(Small().eval(), data.images, targets)
    assert result.success.all()
    assert torch.allclose(result.distortion, usual.distortion, rtol=5e-3)


def test_a_batch_that_stops_fitting_is_split(network, digits):
    """Renewing several gradients of an image at once takes more than the first one did."""
    data, targets = digits
    sizes = []

    class Tight(nn.Module):
        def forward(self, images):
            sizes.append(len(images))
            if len(sizes) > 3 and torch.is_grad_enabled() and len(images) > 20:
                raise torch.OutOfMemoryError("out of memory")
            return network(images)

    result = nearest_attack(Tight().eval(), data.images, targets)
    assert result.success.all() and sizes[:3] == [
        1,
        1,
        40,
    ]  # twice one, to see whether it is random


def test_one_image_that_does_not_fit_is_an_error(network, digits):
    data, targets = digits
    calls = []

    class Tiny(nn.Module):
        def forward(self, images):
            calls.append(len(images))
            if len(calls) > 1:
                raise torch.OutOfMemoryError("out of memory")
            return network(images)

    with pytest.raises(torch.OutOfMemoryError):
        nearest_attack(Tiny().eval(), data.images[:2], targets[:2])


@pytest.mark.parametrize("attack", [lbfgs_attack, nearest_attack])
def test_interrupting_keeps_what_is_finished(network, digits, attack, monkeypatch):
    data, targets = digits
    monkeypatch.setattr("blindspots.attack._batches.BATCH_SIZE", 10)

    class Interrupted(nn.Module):
        stop = False

        def forward(self, images):
            if self.stop and torch.equal(images[0].flatten(), data.images[20].flatten()):
                raise KeyboardInterrupt
            self.stop |= torch.equal(images[0].flatten(), data.images[30].flatten())
            return network(images)

    whole = attack(network, data.images, targets)
    with pytest.warns(UserWarning, match="20 of 40 images are finished"):
        part = attack(Interrupted().eval(), data.images, targets, progress=True)
    assert part.success.tolist() == [True] * 20 + [False] * 20
    assert torch.allclose(part.distortion[:20], whole.distortion[:20], rtol=5e-3)
    assert torch.equal(part.images[20:], data.images[20:])
    with pytest.raises(KeyboardInterrupt):
        attack(Interrupted().eval(), data.images, targets)
    with pytest.raises(KeyboardInterrupt):  # nothing is finished, so there is nothing to return
        model, rest = Interrupted().eval(), data.images[20:]
        attack(model, rest, targets[20:], progress=True)


def test_other_bounds(network, digits, monkeypatch):
    """The same network behind other units gives the same attack in those units."""
    data, targets = digits
    monkeypatch.setattr("blindspots.attack.lbfgs.TOLERANCE", 1e-6)

    class Rescaled(nn.Module):
        def forward(self, images):
            return network((images + 1) / 2)

    result = lbfgs_attack(Rescaled().eval(), 2 * data.images - 1, targets, bounds=(-1, 1))
    usual = lbfgs_attack(network, data.images, targets)
    assert result.success.all() and result.images.min() >= -1 and result.images.max() <= 1
    assert torch.allclose(result.distortion, 2 * usual.distortion, rtol=0.02)


def test_failure_is_data():
    """Class 1 cannot be reached inside the box; class 2 can."""
    weight = torch.tensor([[0.0, 0.0], [0.1, 0.0], [0.0, 2.0]])
    model = affine(weight, torch.tensor([0.0, -5.0, -1.0]))
    images = torch.tensor([[0.2, 0.2], [0.3, 0.3]]).view(2, 1, 1, 2)
    result = lbfgs_attack(model, images, torch.tensor([1, 2]))
    assert result.success.tolist() == [False, True]
    assert result.distortion[0] == math.inf and result.penalty[0] == 0
    assert torch.equal(result.images[0], images[0])


def test_model_is_left_as_it_was(network, digits):
    data, targets = digits
    model = mlp((64, 5, 10), generator=torch.Generator().manual_seed(5)).eval()
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    usable = predict(model, data.images) != targets
    lbfgs_attack(model, data.images[usable], targets[usable], penalties=2)
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())
    assert all(p.grad is None and p.requires_grad for p in model.parameters())
    assert not model.training and not data.images.requires_grad


def test_margin_comes_closer_than_cross_entropy_with_ten_classes(train, test, generator):
    """The level sets of the cross-entropy are not the decision boundary : clearest at decay 1."""
    model = trained("FC10(1)", train)
    correct = test[predict(model, test.images) == test.labels][:64]
    targets = random_targets(correct.labels, classes=10, generator=generator)
    usual = lbfgs_attack(model, correct.images, targets).distortion.mean()
    assert nearest_attack(model, correct.images, targets).distortion.mean() < 0.9 * usual


IMAGES, TARGETS = torch.full((2, 1, 2, 2), 0.5), torch.tensor([1, 1])


def toy(generator_seed=0):
    weight = torch.tensor([[1.0, 1, 1, 1], [0.5, 0.2, 0.1, 0.4], [0.3, 0.2, 0.4, 0.1]])
    return affine(weight, torch.zeros(3))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"model": toy().train()}, ValueError, "training mode: call model.eval()"),
        ({"images": IMAGES + 1}, ValueError, r"lie in \[1.5, 1.5\], outside the bounds"),
        ({"images": IMAGES * torch.nan}, ValueError, "NaN or infinity"),
        ({"images": IMAGES / 0}, ValueError, "NaN or infinity"),
        ({"images": IMAGES[:0], "targets": TARGETS[:0]}, ValueError, "pass at least one"),
        ({"images": torch.ones(2, 1, 2, 2).long()}, TypeError, "float32 or float64, got torch.int"),
        ({"images": IMAGES.half()}, TypeError, "got torch.float16: convert"),
        ({"images": IMAGES.double()}, ValueError, "model is torch.float32: convert one"),
        ({"targets": torch.tensor([1, 3])}, ValueError, r"classes 0..2: choose targets"),
        ({"targets": torch.tensor([-1, 1])}, ValueError, r"lie in -1..1"),
        ({"targets": torch.tensor([0, 1])}, ValueError, "1 targets are already predicted"),
        ({"targets": torch.tensor([1.0, 2.0])}, TypeError, "integer class numbers"),
        ({"targets": torch.tensor([1])}, ValueError, "need as many targets"),
        ({"targets": TARGETS.to("meta")}, ValueError, "targets on meta: use one device"),
        ({"bounds": (1.0, 0.0)}, ValueError, "lower bound must be below"),
        ({"targets": None}, ValueError, "pass them, or use nearest_attack"),
        ({"loss": "margin"}, TypeError, "no loss any more: for the margin call nearest_attack"),
        ({"search_steps": 6}, TypeError, "no search_steps any more: it is called penalties"),
        ({"penalties": 0}, ValueError, "penalties must be at least 1, got 0"),
        ({"gtol": 1e-4}, TypeError, "no gtol any more: leave it out"),
        (
            {"model": nn.Sequential(toy(), nn.Softmax(1)).eval()},
            ValueError,
            "leave out its softmax",
        ),
        ({"model": nn.Flatten(0).eval()}, ValueError, "one row of two or more logits"),
        (
            {"model": affine(torch.zeros(3, 4), torch.tensor([2.0, 0, 0]))},
            ValueError,
            "gradient is exactly zero at 2 images",
        ),
        (
            {"model": affine(torch.full((3, 4), torch.inf), torch.zeros(3))},
            ValueError,
            "NaN or infinite logits",
        ),
    ],
)
def test_bad_input(arguments, error, message):
    usual = {"model": toy(), "images": IMAGES, "targets": TARGETS}
    with pytest.raises(error, match=message):
        lbfgs_attack(**(usual | arguments))


def test_both_attacks_check_their_arguments():
    for arguments, message in (
        ({"projections": 0}, "projections must be at least 1, got 0"),
        ({"starts": 0}, "starts must be at least 1, got 0"),
        ({"model": toy().train()}, "training mode"),
        ({"images": IMAGES * torch.nan}, "NaN or infinity"),
    ):
        with pytest.raises(ValueError, match=message):
            nearest_attack(**({"model": toy(), "images": IMAGES} | arguments))
    for option in ("loss", "history"):
        with pytest.raises(TypeError, match=f"unexpected keyword argument '{option}'"):
            nearest_attack(toy(), IMAGES, **{option: 1})


def test_random_targets_are_wrong_and_all_wrong_classes_occur(generator):
    labels = torch.arange(10).repeat(500)
    targets = random_targets(labels, classes=10, generator=generator)
    assert not (targets == labels).any()
    counts = torch.zeros(10, 10).index_put((labels, targets), torch.ones(5000), accumulate=True)
    assert (counts + 100 * torch.eye(10)).min() > 25  # expected 55.6


@pytest.mark.parametrize(("classes", "message"), [(1, "no wrong class"), (3, "outside 0..2")])
def test_random_targets_refuse(classes, message, generator):
    with pytest.raises(ValueError, match=message):
        random_targets(torch.tensor([0, 5]), classes=classes, generator=generator)
