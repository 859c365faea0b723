"""What every public function that is given a model or images does with what makes no sense."""

import copy
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

from blindspots import (
    LabelledImages,
    add_equal_noise,
    add_gaussian_noise,
    affine_minimum,
    basis_test,
    certified_radius,
    conv_norm,
    correctly_classified,
    dense_norm,
    distortion,
    error_rate,
    evaluate,
    fit,
    fit_to_convergence,
    fit_with_adversaries,
    haar_basis,
    label_agreement,
    layer_bounds,
    lbfgs_attack,
    lipschitz_lower_bound,
    load_images,
    mlp,
    nearest_attack,
    pair_bounds,
    pixel_compactness,
    predict,
    random_targets,
    rescale_perturbation,
    run_sweep,
    seed_interval,
    top_images,
    trained,
    transfer_matrix,
    whitening,
    wilson_interval,
    zoo,
)
from blindspots.attack.adversaries import pgd
from blindspots.attack.rounding import round_adversarial
from blindspots.intervals import median_interval, ratio_interval, share_bound
from blindspots.networks import KernelMachine
from blindspots.perturbations import structural_similarity
from blindspots.training import fit_sparse_autoencoder
from blindspots.units import count_detectors, participation_ratio

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


class Quantised(nn.Module):
    """Rounds to 256 greys in front of another model, and lets gradients through."""

    def __init__(self, how):
        super().__init__()
        self.how = how

    def forward(self, x):
        grey = (x.detach() * 255).round() / 255
        if self.how == "in place":
            x.add_(grey - x.detach())
        elif self.how == "through .data":
            x.data.copy_(grey)
        else:
            x = x + (grey - x.detach())
        return MODEL(x)


@pytest.mark.parametrize("how", ["in place", "through .data"])
@pytest.mark.parametrize("attack", [lbfgs_attack, nearest_attack])
def test_a_model_that_works_in_place_is_attacked_like_one_that_does_not(attack, how):
    found = attack(Quantised(how).eval(), IMAGES, TARGETS)
    plain = attack(Quantised("with a copy").eval(), IMAGES, TARGETS)
    assert torch.allclose(found.images, plain.images, atol=1e-6)
    assert torch.equal(found.success, plain.success)
    assert plain.success.any()


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
        (lambda a: a(MODEL, IMAGES, TARGETS.double()), TypeError, "integer class numbers"),
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
    with pytest.raises(TypeError, match="labels must be integer class numbers"):
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


FEATURES = torch.randn(50, 6, generator=SEEDED)
KINDS = torch.arange(50) % 3
TOP = top_images(FEATURES, torch.eye(6), k=4)
PLAIN = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))  # for training
KERNEL = torch.ones(2, 1, 3, 3)


def learn(model=PLAIN, data=DATA, function=fit, **options):
    """On a copy, as training changes a model."""
    if function is fit:
        options = {"steps": 2, "generator": SEEDED} | options
    return function(copy.deepcopy(model), data, weight_decay=[0.0], **options)


def bytes_of(images):
    return (255 * images).byte()


class Keeps(nn.Module):
    """Holds on to what it computed."""

    def forward(self, x):
        self.seen = MODEL(x)
        return self.seen


class Constant(nn.Module):
    """Multiplies by a tensor that is no buffer."""

    def __init__(self):
        super().__init__()
        self.weight = torch.rand(3, 4)

    def forward(self, x):
        return nn.functional.linear(x.flatten(1), self.weight)


def keeping():
    model = Keeps().eval()
    model(IMAGES)
    return model


def gives(result):
    """A function of the top level, as sweeps want it."""
    return torch.ones(2) if result == "tensor" else np.float32(1)


# What people pass by mistake; the error; words of the remedy.
MISTAKES = {
    "distortion of bytes": (
        lambda: distortion(bytes_of(IMAGES), bytes_of(IMAGES)),
        TypeError,
        r"floating point, got torch.uint8: .*\.float\(\) / 255",
    ),
    "distortion of arrays": (
        lambda: distortion(IMAGES.numpy(), IMAGES.numpy()),
        TypeError,
        "torch.as_tensor",
    ),
    "noise for bytes": (
        lambda: add_gaussian_noise(bytes_of(IMAGES), standard_deviation=1, generator=SEEDED),
        TypeError,
        "convert them",
    ),
    "rescaling to NaN": (
        lambda: rescale_perturbation(IMAGES, IMAGES * torch.nan, to=0.1),
        ValueError,
        "image 0 is not perturbed",
    ),
    "similarity of lists": (
        lambda: structural_similarity(IMAGES.tolist(), IMAGES),
        TypeError,
        "torch.as_tensor",
    ),
    "labels that are numbers": (
        lambda: label_agreement(KINDS.float(), TOP),
        TypeError,
        "labels must be integer class numbers",
    ),
    "labels that are masks": (
        lambda: count_detectors(KINDS == 1, TOP),
        TypeError,
        "labels must be integer class numbers",
    ),
    "negative labels": (lambda: label_agreement(KINDS - 1, TOP), ValueError, "not be negative"),
    "labels of other images": (
        lambda: count_detectors(KINDS[:20], TOP),
        ValueError,
        "but there are 20: pass what belongs to all",
    ),
    "pixels of other images": (
        lambda: pixel_compactness(IMAGES, torch.tensor([[0, 9]])),
        ValueError,
        "top names images 0 to 9",
    ),
    "equal images": (
        lambda: pixel_compactness(torch.full((8, 1, 4, 4), 0.1), torch.tensor([[0, 1]])),
        ValueError,
        "pass different images",
    ),
    "no dimension": (lambda: haar_basis(0), ValueError, "at least one dimension"),
    "labels counted from one": (
        lambda: error_rate(MODEL, IMAGES, LABELS + 1),
        ValueError,
        r"lie in 1\.\.3, outside 0\.\.2",
    ),
    "targets that are numbers": (
        lambda: random_targets(torch.tensor([0.5, 1, 2]), classes=3, generator=SEEDED),
        TypeError,
        "labels must be integer",
    ),
    "labels of other classes, climbed": (
        lambda: pgd(MODEL, IMAGES, LABELS + 3, size=0.1, steps=1),
        ValueError,
        "choose labels among them",
    ),
    "labels of other classes, learnt": (
        lambda: learn(data=LabelledImages(IMAGES, LABELS + 3, "n")),
        ValueError,
        "choose labels among them",
    ),
    "no images to learn from": (lambda: learn(data=DATA[:0]), ValueError, "pass a training set"),
    "no images to encode": (
        lambda: fit_sparse_autoencoder(nn.Linear(4, 2), DATA[:0], steps=1, generator=SEEDED),
        ValueError,
        "no batches of 100 out of 0",
    ),
    "no image per batch": (lambda: learn(batch_size=0), ValueError, "no batches of 0"),
    "no step": (lambda: learn(steps=0), ValueError, "at least one step"),
    "nothing that learns": (
        lambda: learn(copy.deepcopy(PLAIN).requires_grad_(False)),
        ValueError,
        "requires_grad_",
    ),
    "images of another size": (
        lambda: learn(nn.Sequential(nn.Flatten(), nn.Linear(9, 3)), function=fit_to_convergence),
        ValueError,
        "size and type that it was made for",
    ),
    "images of another type": (
        lambda: learn(data=LabelledImages(IMAGES.double(), LABELS, "n")),
        ValueError,
        "does not take torch.float64 images",
    ),
    "a setting that is a path": (
        lambda: run_sweep(gives, [{"result": Path("here")}], folder="nowhere"),
        TypeError,
        "no tensor, path or NaN",
    ),
    "a setting that is a tensor": (
        lambda: run_sweep(gives, [{"result": torch.ones(2)}], folder="nowhere"),
        TypeError,
        "no tensor, path or NaN",
    ),
    "one setting": (
        lambda: run_sweep(gives, {"result": 1}, folder="nowhere"),
        TypeError,
        "must be a mapping",
    ),
    "a model that returns two": (
        lambda: evaluate(lambda x: (x, x), IMAGES),
        ValueError,
        "returns tuple",
    ),
    "a model that returns one number": (
        lambda: evaluate(torch.sum, IMAGES),
        ValueError,
        "one row per image",
    ),
    "no place to look at": (
        lambda: lipschitz_lower_bound(MODEL, IMAGES[:0]),
        ValueError,
        "at least one image",
    ),
    "no start": (
        lambda: lipschitz_lower_bound(MODEL, IMAGES, starts=0),
        ValueError,
        "one start",
    ),
    "a function in 64 bits": (
        lambda: lipschitz_lower_bound(lambda x: MODEL(x), IMAGES),
        TypeError,
        "pass an nn.Module",
    ),
    "a model with a memory": (
        lambda: lipschitz_lower_bound(keeping(), IMAGES),
        ValueError,
        r"inside torch\.no_grad",
    ),
    "all of a bound": (
        lambda: certified_radius(MODEL, IMAGES, bound=layer_bounds(MODEL, (1, 2, 2))),
        TypeError,
        r"got NetworkBound: .*pass \.bound",
    ),
    "a number for a shape": (lambda: layer_bounds(MODEL, 4), ValueError, "such as"),
    "images for a shape": (lambda: layer_bounds(MODEL, IMAGES), ValueError, "such as"),
    "layers of a function": (
        lambda: layer_bounds(lambda x: x, (1, 2, 2)),
        TypeError,
        "pass an nn.Module",
    ),
    "lazy layers": (
        lambda: layer_bounds(nn.Sequential(nn.Flatten(), nn.LazyLinear(3)).eval(), (1, 2, 2)),
        ValueError,
        "call the model once",
    ),
    "pairs of nothing": (
        lambda: pair_bounds(nn.Sequential().eval(), (4,)),
        NotImplementedError,
        "last layer must be linear",
    ),
    "an array for a matrix": (lambda: dense_norm(np.eye(3)), TypeError, "torch.as_tensor"),
    "an array for a kernel": (lambda: conv_norm(KERNEL.numpy(), 5), TypeError, "torch.as_tensor"),
    "half a pixel": (lambda: conv_norm(KERNEL, 5.5), ValueError, "one whole number, or two"),
    "three sizes": (lambda: conv_norm(KERNEL, (5, 5, 5)), ValueError, "one whole number, or two"),
    "no share": (lambda: wilson_interval(torch.tensor([]), 0), ValueError, "at least one image"),
    "a run of NaN": (lambda: seed_interval([0.1, torch.nan]), ValueError, "all of them finite"),
    "arrays for images": (
        lambda: LabelledImages(IMAGES.numpy(), LABELS, "n"),
        TypeError,
        "torch.as_tensor",
    ),
    "a set of other images": (
        lambda: DATA.nearest(torch.rand(2, 1, 3, 3), [0, 1]),
        ValueError,
        "images of one shape",
    ),
    "scores that are no numbers": (
        lambda: basis_test(
            FEATURES, lambda top: label_agreement(KINDS, top) * torch.nan, k=2, rotations=2
        ),
        ValueError,
        "NaN or infinite: it must be a number",
    ),
    "directions that are no numbers": (
        lambda: top_images(FEATURES, torch.full((6, 6), torch.nan), k=2),
        ValueError,
        "directions must be finite",
    ),
    "a column of values": (
        lambda: median_interval(torch.rand(10, 1)),
        ValueError,
        "one value per image",
    ),
    "a matrix of shares": (lambda: share_bound(torch.rand(3, 9)), ValueError, "one for each"),
    "one reference for three runs": (
        lambda: ratio_interval(torch.rand(3), torch.rand(1), images=9),
        ValueError,
        "one reference for each run",
    ),
    "no image to count": (
        lambda: ratio_interval(torch.rand(3), torch.rand(3), images=0),
        ValueError,
        "at least one image",
    ),
    "a count that is no number": (
        lambda: wilson_interval(0.1, torch.nan),
        ValueError,
        "at least one image",
    ),
    "noise for pixels of another range": (
        lambda: add_gaussian_noise(
            255 * IMAGES, standard_deviation=1, bounds=(0, 1), generator=SEEDED
        ),
        ValueError,
        "outside the bounds",
    ),
    "equal noise for pixels of another range": (
        lambda: add_equal_noise(255 * IMAGES, 254 * IMAGES, bounds=(0, 1), generator=SEEDED),
        ValueError,
        "outside the bounds",
    ),
    "files of pixels of another range": (
        lambda: round_adversarial(MODEL, 255 * IMAGES, TARGETS),
        ValueError,
        r"must lie in \[0, 1\]",
    ),
    "files of arrays": (
        lambda: round_adversarial(MODEL, IMAGES.numpy(), TARGETS),
        TypeError,
        "torch.as_tensor",
    ),
    "half a level": (
        lambda: round_adversarial(MODEL, IMAGES, TARGETS, levels=2.5),
        ValueError,
        "two levels or more",
    ),
    "no iteration": (
        lambda: learn(function=fit_to_convergence, max_iterations=0),
        ValueError,
        "at least one iteration",
    ),
    "a decay that is no number": (
        lambda: fit(PLAIN, DATA, weight_decay=[torch.nan], steps=1, generator=SEEDED),
        ValueError,
        "one factor >= 0",
    ),
    "a pool that is never renewed": (
        lambda: learn(function=fit_with_adversaries, attack=None, every=0, generator=SEEDED),
        ValueError,
        "every must be at least 1",
    ),
    "no image in a batch": (
        lambda: evaluate(MODEL, IMAGES, batch_size=0),
        ValueError,
        "must be at least 1, got 0",
    ),
    "receivers without names": (
        lambda: transfer_matrix([MODEL], {"x": DATA}),
        TypeError,
        "pass dictionaries",
    ),
    "images that are no numbers": (
        lambda: lipschitz_lower_bound(MODEL, IMAGES * torch.nan),
        ValueError,
        "NaN or infinity",
    ),
    "whole numbers to certify": (
        lambda: certified_radius(MODEL, bytes_of(IMAGES), bound=1.0),
        TypeError,
        "floating point",
    ),
    "a constant that stays behind": (
        lambda: certified_radius(Constant().eval(), IMAGES, bound=1.0),
        ValueError,
        "register_buffer",
    ),
    "an affine model of 16 bits": (
        lambda: affine_minimum(copy.deepcopy(MODEL).half(), IMAGES.half(), TARGETS),
        TypeError,
        "float32 or float64",
    ),
    "no image to attack exactly": (
        lambda: affine_minimum(MODEL, IMAGES[:0], None),
        ValueError,
        "pass at least one",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_answered_with_its_remedy(mistake):
    call, error, message = MISTAKES[mistake]
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("result", ["tensor", "NumPy's number"])
def test_a_result_that_cannot_be_kept_says_so(tmp_path, result):
    with pytest.raises(TypeError, match="cannot be kept"):
        run_sweep(gives, [{"result": result}], folder=tmp_path)


@pytest.mark.parametrize("use", [top_images, basis_test, whitening, participation_ratio])
@pytest.mark.parametrize(
    "features, error, message",
    [
        (FEATURES.half(), TypeError, "float32 or float64, got torch.float16"),
        (FEATURES.long(), TypeError, "float32 or float64, got torch.int64"),
        (FEATURES.numpy(), TypeError, "got ndarray"),
        (FEATURES.tolist(), TypeError, "got list"),
        (FEATURES[:, :, None, None], ValueError, r"\.flatten\(1\)"),
        (FEATURES[:1], ValueError, "two or more images"),
        (FEATURES * torch.nan, ValueError, "NaN or infinity"),
    ],
    ids=lambda value: str(getattr(value, "dtype", value.__class__.__name__)),
)
def test_features_are_a_matrix_of_real_numbers(use, features, error, message):
    options = {
        top_images: lambda f: top_images(f, torch.eye(6), k=2),
        basis_test: lambda f: basis_test(f, partial(label_agreement, KINDS), k=2, rotations=2),
    }
    with pytest.raises(error, match=message):
        options.get(use, use)(features)


def test_what_is_plain_is_taken():
    agreement = label_agreement(KINDS, TOP)
    for labels in (KINDS.byte(), KINDS.short(), KINDS.tolist(), KINDS.numpy()):
        assert torch.equal(label_agreement(labels, TOP), agreement)
    doubled = top_images(FEATURES.double(), torch.eye(6), k=4)
    assert torch.equal(doubled, TOP)  # the directions follow the features
    one = transfer_matrix({"m": MODEL}, {"x": DATA[:2]}).error
    assert torch.equal(one, transfer_matrix({"m": MODEL}, {"x": (IMAGES[:2], LABELS[:2])}).error)
    low, high = seed_interval(np.array([0.1, 0.2, 0.3]))
    assert (low, high) == seed_interval([0.1, 0.2, 0.3])
    assert conv_norm(KERNEL, np.int64(5)) == conv_norm(KERNEL, 5)
    first = nn.Sequential(nn.LeakyReLU(1.0, inplace=True), *MODEL).eval()
    assert lipschitz_lower_bound(first, IMAGES) == pytest.approx(3)  # the weight is 3 identities


def test_training_needs_no_gradients_to_be_on():
    """Nor do the images bring any of their own."""
    curious = LabelledImages(IMAGES.clone().requires_grad_(), LABELS, "noise")
    assert not curious.images.requires_grad
    with torch.no_grad():
        learn()
        learn(data=curious)
        learn(function=fit_to_convergence, max_iterations=10)
        fit_sparse_autoencoder(nn.Linear(4, 2), DATA, steps=1, generator=SEEDED)


def test_a_batch_norm_is_trained_on_all_images():
    normed = nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.BatchNorm1d(3))
    assert learn(normed, function=fit_to_convergence, max_iterations=10) >= 0
    learn(normed)


def test_a_kernel_machine_can_be_computed_in_64_bits():
    machine = KernelMachine(DATA)
    assert lipschitz_lower_bound(machine, IMAGES) > 0
    with pytest.raises(ValueError, match="the model is not affine"):
        affine_minimum(machine, IMAGES, None)


def test_pgd_climbs_where_the_cross_entropy_is_flat():
    """Weights times a million leave the directions as they are."""
    labels = predict(MODEL, IMAGES)
    sure = copy.deepcopy(MODEL)
    for parameter in sure.parameters():
        parameter.data.mul_(1e6)
    usual, moved = (pgd(model, IMAGES, labels, size=0.1, steps=1) for model in (MODEL, sure))
    assert (moved != IMAGES).flatten(1).any(dim=1).all()
    # The strongest rival alone counts: its pixel rises and that of the label falls.
    rival = MODEL(IMAGES).scatter(1, labels[:, None], -torch.inf).argmax(dim=1)
    change = (moved - IMAGES).flatten(1)
    assert (change.gather(1, rival[:, None]) > 0).all()
    assert (change.gather(1, labels[:, None]) < 0).all()
    agree = (usual - IMAGES).flatten(1) * change
    assert (agree >= 0).all()


@pytest.mark.parametrize("attack", [nearest_attack, lbfgs_attack])
def test_pixels_can_be_kept_as_they_are(attack):
    free = torch.tensor([[1, 1], [1, 0]], dtype=torch.bool)
    bounds = torch.where(free, 0, IMAGES), torch.where(free, 1, IMAGES)
    found = attack(MODEL, IMAGES, TARGETS, bounds=bounds)
    assert found.success.all()
    assert torch.equal(found.images[..., ~free], IMAGES[..., ~free])
    exact = distortion(IMAGES, affine_minimum(MODEL, IMAGES, TARGETS, bounds=bounds).float())
    assert (found.distortion >= exact * (1 - 1e-4)).all()
    if attack is nearest_attack:
        assert torch.allclose(found.distortion, exact, rtol=1e-3)
    with pytest.raises(ValueError, match="no pixel is free"):
        attack(MODEL, IMAGES, TARGETS, bounds=(IMAGES, IMAGES))


@pytest.mark.parametrize("bounds", [None, 1.0, (0, 1, 2), ("0", "1"), (1, 0)])
def test_bounds_that_are_none_are_answered(bounds):
    with pytest.raises(ValueError, match=r"a lower and an upper one|choose other bounds"):
        nearest_attack(MODEL, IMAGES, TARGETS, bounds=bounds)


def test_sixteen_bits_do_not_hide_what_is_small_or_large():
    zero = torch.zeros(1, 784)
    for step in (1e-4, 300.0):
        exact = distortion(zero, zero + step)
        assert torch.allclose(distortion(zero.half(), zero.half() + step), exact, rtol=1e-2)
    images = 3 * torch.rand(1500, 784, generator=SEEDED)
    top = torch.arange(24).view(3, 8)
    exact = pixel_compactness(images, top)
    assert torch.allclose(pixel_compactness(images.half(), top), exact, atol=1e-3)


def test_one_feature_has_one_dimension():
    alone = torch.randn(50, 1, generator=SEEDED)
    assert participation_ratio(alone) == pytest.approx(1)
    assert (alone @ whitening(alone)).std().item() == pytest.approx(1)


def test_a_place_where_the_model_is_dead_does_not_end_the_climb():
    """All units of a ReLU layer are silent at black pixels; the root has no slope there."""
    model = mlp((10, 8, 3), activation=nn.ReLU, generator=SEEDED).eval()
    model[1].weight.data.fill_(500)
    model[1].bias.data.fill_(-500)
    images = torch.stack([torch.zeros(10), torch.ones(10)])
    alive = lipschitz_lower_bound(model, images[1:], steps=5)
    assert alive > 0 and lipschitz_lower_bound(model, images, steps=5) >= alive * (1 - 1e-6)
    model[-1].weight.data.zero_()
    assert lipschitz_lower_bound(model, images, steps=5) == 0

    class Root(nn.Module):
        def forward(self, x):
            return x.sqrt()

    assert lipschitz_lower_bound(Root().eval(), images) == pytest.approx(0.5, rel=1e-3)


def test_tiny_logits_have_their_slopes():
    tiny = copy.deepcopy(MODEL)
    tiny[1].weight.data.mul_(1e-20)
    tiny[1].bias.data.zero_()
    assert lipschitz_lower_bound(tiny, IMAGES) == pytest.approx(3e-20, rel=1e-4)
