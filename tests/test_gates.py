"""What every public function that is given a model or images does with what makes no sense."""

import copy
import warnings
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

from blindspots import (
    LabelledImages,
    affine_minimum,
    certified_radius,
    correctly_classified,
    error_rate,
    lbfgs_attack,
    load_images,
    mlp,
    nearest_attack,
    predict,
    trained,
    transfer_matrix,
    zoo,
)
from blindspots.attack.adversaries import pgd
from blindspots.bounds.layers import lipschitz_lower_bound

SEEDED = torch.Generator().manual_seed(0)  # or it would depend on what was collected before
IMAGES = 0.2 + 0.6 * torch.rand(4, 1, 2, 2, generator=SEEDED)
LABELS = torch.tensor([0, 1, 2, 0])
MODEL = nn.Sequential(nn.Flatten(), nn.Linear(4, 3)).eval()
nn.init.uniform_(MODEL[1].bias, -0.5, 0.5, generator=SEEDED)
nn.init.eye_(MODEL[1].weight).data.mul_(3)  # every class can be reached by one pixel
TARGETS = (MODEL(IMAGES).argmax(dim=1) + 1) % 3
DATA = LabelledImages(IMAGES, LABELS, "noise")

# Each as a function of the model and the images alone.
USES = {
    "predict": predict,
    "error_rate": lambda m, x: error_rate(m, x, LABELS),
    "correctly_classified": lambda m, x: correctly_classified(m, DATA),
    "transfer_matrix": lambda m, x: transfer_matrix({"m": m}, {"x": (x, LABELS)}),
    "pgd": lambda m, x: pgd(m, x, LABELS, size=0.1, steps=2),
    "lbfgs_attack": lambda m, x: lbfgs_attack(m, x, TARGETS),
    "nearest_attack": lambda m, x: nearest_attack(m, x, TARGETS),
    "affine_minimum": lambda m, x: affine_minimum(m, x, TARGETS),
    "certified_radius": lambda m, x: certified_radius(m, x, bound=1.0),
}


class Returns(nn.Module):
    """What it makes of a good model's logits."""

    def __init__(self, function):
        super().__init__()
        self.function, self.model = function, MODEL

    def forward(self, x):
        return self.function(self.model(x))


class Output:
    def __init__(self, logits):
        self.logits = logits


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize(
    "function",
    [
        lambda z: (z, z),
        lambda z: {"logits": z},
        Output,
        lambda z: z[:, :1],
        lambda z: z[:, :, None, None],
        lambda z: z[0],
        lambda z: z.argmax(dim=1),
        lambda z: z.round().long(),
    ],
)
def test_what_is_no_logits_is_refused(use, function):
    with pytest.raises((ValueError, NotImplementedError), match=r"return|logits"):
        USES[use](Returns(function).eval(), IMAGES)


@pytest.mark.parametrize("use", [*USES, "lipschitz_lower_bound"])
def test_training_mode_is_refused(use):
    model = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(4), nn.Dropout(), nn.Linear(4, 3))
    call = {**USES, "lipschitz_lower_bound": lipschitz_lower_bound}[use]
    before = model[1].running_mean.clone()
    with pytest.raises(ValueError, match=r"training mode: call model.eval\(\)"):
        call(model, IMAGES)
    assert torch.equal(model[1].running_mean, before)


@pytest.mark.parametrize("use", USES)
def test_a_batch_norm_of_the_batch_itself_is_refused(use):
    norm = nn.BatchNorm1d(4, track_running_stats=False)
    with pytest.raises(ValueError, match="without running statistics"):
        USES[use](nn.Sequential(nn.Flatten(), norm, nn.Linear(4, 3)).eval(), IMAGES)


@pytest.mark.parametrize("use", USES)
def test_images_are_left_as_they_are(use):
    """By a model whose first step is in place, too."""
    model = nn.Sequential(nn.Hardtanh(-0.1, 0.1, inplace=True), *MODEL).eval()
    images = IMAGES.clone()
    if use in ("lbfgs_attack", "nearest_attack", "affine_minimum"):
        model = nn.Sequential(nn.LeakyReLU(1.0, inplace=True), *MODEL).eval()
    USES[use](model, images)
    assert torch.equal(images, IMAGES)


def test_a_receiver_that_works_in_place_leaves_the_others_theirs():
    """Right is one error of the first and none of the second."""
    spoils = nn.Sequential(nn.Hardtanh(-1e-9, 1e-9, inplace=True), *MODEL).eval()
    labels = predict(MODEL, IMAGES)
    both = transfer_matrix({"spoils": spoils, "good": MODEL}, {"x": (IMAGES.clone(), labels)})
    assert both.error[0, 1] == 0


class Random(nn.Module):
    def forward(self, x):
        return MODEL(x + torch.randn_like(x))


def test_chance_is_noticed():
    with pytest.warns(UserWarning, match="it is random"):
        nearest_attack(Random().eval(), IMAGES)
    with pytest.raises(NotImplementedError, match="it is random"):
        certified_radius(Random().eval(), IMAGES, bound=1.0)


@pytest.mark.parametrize("attack", [lbfgs_attack, nearest_attack])
@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda a: a(MODEL, IMAGES.numpy(), TARGETS), TypeError, "got ndarray.*torch.as_tensor"),
        (lambda a: a(MODEL, IMAGES, 1), ValueError, "one class per image"),
        (lambda a: a(MODEL, IMAGES, ["one"] * 4), TypeError, "must be class numbers"),
        (lambda a: a(MODEL, IMAGES, TARGETS.double()), TypeError, "int64 class numbers"),
        (lambda a: a(MODEL, IMAGES, TARGETS - 3), ValueError, "choose targets among them"),
        (lambda a: a(MODEL, IMAGES[0, 0, 0], TARGETS), ValueError, "a batch axis first"),
        (lambda a: a(MODEL, torch.rand(4, 1, 3, 3), TARGETS), ValueError, r"images\[None\]"),
        (lambda a: a(Returns(torch.Tensor.detach).eval(), IMAGES, TARGETS), ValueError, "detaches"),
        (lambda a: torch.inference_mode()(a)(MODEL, IMAGES, TARGETS), ValueError, "inference_mode"),
    ],
)
def test_attacks_say_what_to_do(attack, call, error, message):
    with pytest.raises(error, match=message):
        call(attack)


@pytest.mark.parametrize("attack", [lbfgs_attack, nearest_attack])
def test_attacks_take_what_is_plain(attack):
    usual = attack(MODEL, IMAGES, TARGETS).images
    assert torch.equal(attack(MODEL, IMAGES, TARGETS.tolist()).images, usual)
    assert torch.equal(attack(MODEL, IMAGES, TARGETS.int()).images, usual)
    half = attack(Returns(torch.Tensor.bfloat16).eval(), IMAGES, TARGETS)
    assert half.images.dtype == torch.float32
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert attack(MODEL, IMAGES, TARGETS).success.any()


def test_tied_logits_are_on_a_boundary_already():
    with pytest.raises(ValueError, match="largest logits of 2 images are equal"):
        nearest_attack(nn.Flatten().eval(), torch.full((2, 1, 2, 2), 0.5))


def test_pixels_outside_the_bounds_are_refused_by_pgd_and_the_exact_answer():
    with pytest.raises(ValueError, match="outside the bounds"):
        pgd(MODEL, 255 * IMAGES, LABELS, size=8, steps=1)
    with pytest.raises(ValueError, match="outside the bounds"):
        affine_minimum(MODEL, 255 * IMAGES, TARGETS)
    with pytest.raises(ValueError, match="choose targets among them"):
        affine_minimum(MODEL, IMAGES, torch.full_like(TARGETS, -1))
    moved = pgd(MODEL, 255 * IMAGES, LABELS, size=8, steps=1, bounds=(0.0, 255.0))
    assert (moved - 255 * IMAGES).abs().max() <= 8.001


@pytest.mark.parametrize("use", [use for use in USES if use != "correctly_classified"])
def test_numpy_images_are_refused_in_a_sentence(use):
    """All but that which takes labelled images: these are tensors."""
    with pytest.raises(TypeError, match=r"torch\.as_tensor"):
        USES[use](MODEL, IMAGES.numpy())


def test_labelled_images_are_a_data_set():
    image, label = DATA[3]
    assert image.shape == (1, 2, 2) and label == 0 and DATA[np.int64(1)][1] == 1
    assert [label for _, label in DATA] == [0, 1, 2, 0]
    batches = list(DataLoader(DATA, batch_size=3))
    assert [len(labels) for _, labels in batches] == [3, 1]
    assert torch.equal(torch.cat([images for images, _ in batches]), IMAGES)
    assert LabelledImages(IMAGES, LABELS.int(), "n").labels.dtype == torch.int64
    with pytest.raises(ValueError, match="labels must be integers"):
        LabelledImages(IMAGES, LABELS.double(), "n")
    with pytest.raises(IndexError):
        DATA[4]


def raising(error, *_, **__):
    raise error


@pytest.mark.parametrize("error", [OSError("no space left"), KeyboardInterrupt()])
def test_a_network_that_cannot_be_kept_is_returned(monkeypatch, tmp_path, error):
    monkeypatch.setenv("BLINDSPOTS_CACHE", str(tmp_path))
    monkeypatch.setattr(zoo.safetensors.torch, "save_file", partial(raising, error))
    data = load_images("digits", split="train")[:50]
    with pytest.warns(UserWarning, match="could not be written.*BLINDSPOTS_CACHE"):
        network = trained("FC10(1)", data)
    assert error_rate(network, data.images, data.labels) < 0.5
    assert not list(tmp_path.iterdir())


def test_a_cache_that_is_a_file_is_no_end(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("BLINDSPOTS_CACHE", str(tmp_path / "file"))
    monkeypatch.delenv("BLINDSPOTS_DATASET", raising=False)
    data = load_images("digits", split="train")[:50]
    with pytest.warns(UserWarning, match="could not be written"):
        assert trained("FC10(1)", data) is not None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert load_images("auto", split="test").name == "digits"
    assert any("digits instead" in str(warning.message) for warning in caught)


@pytest.mark.parametrize("mask", [-1e4, -1e9])
def test_a_class_that_is_masked_out_hides_no_other(mask, generator):
    network = mlp((16, 20, 5), activation=nn.ReLU, generator=generator).eval()
    images = torch.rand(20, 1, 4, 4, generator=generator)
    network[-1].bias.data[4] = -100
    usual = nearest_attack(network, images)
    network[-1].bias.data[4] = mask
    masked = nearest_attack(network, images)
    targets = torch.where(predict(network, images) == 0, 1, 0)
    assert masked.success.all() and lbfgs_attack(network, images, targets).success.all()
    assert masked.distortion.mean() < 1.01 * usual.distortion.mean()


@pytest.mark.parametrize("shift", [10, 1000])
@pytest.mark.parametrize("attack", [nearest_attack, lbfgs_attack])
def test_success_holds_for_pixels_far_from_zero(attack, shift, generator):
    """Temperatures in kelvins, for instance: one image at a time, and in 64 bits."""
    model = mlp((8, 4), generator=generator).eval()
    model[-1].bias.data -= model[-1].weight.data.sum(dim=1) * shift
    images = (torch.rand(40, 2, 2, 2, generator=generator) + shift).clamp(shift, shift + 1)
    before = predict(model, images)
    found = attack(model, images, (before + 1) % 4, bounds=(shift, shift + 1.0))
    moved = found.images[found.success]
    alone = torch.cat([predict(model, image[None]) for image in moved])
    exact = predict(copy.deepcopy(model).double(), moved.double())
    assert found.success.sum() > 20
    assert (alone == (before + 1)[found.success] % 4).all()
    assert (exact == (before + 1)[found.success] % 4).all()


@pytest.mark.parametrize("attack", [nearest_attack, lbfgs_attack])
def test_a_model_may_be_any_function(attack, network, test):
    images, labels = test.images[:4], predict(network, test.images[:4])
    found = attack(lambda x: network(x), images, (labels + 1) % 10)
    assert torch.equal(found.images, attack(network, images, (labels + 1) % 10).images)


def test_pgd_needs_no_gradients_to_be_on(network, test):
    images, labels = test.images[:4], test.labels[:4]
    with torch.no_grad():
        off = pgd(network, images, labels, size=0.1, steps=2)
    assert torch.equal(off, pgd(network, images, labels, size=0.1, steps=2))
