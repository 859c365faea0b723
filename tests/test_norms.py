import math

import pytest
import torch
from torch.nn import functional as F

from blindspots.bounds import _enclosure, norms
from blindspots.bounds.norms import conv_norm, dense_norm


def as_matrix(weight, size, **options):
    """The layer as a matrix, column by column."""
    inputs = weight.shape[1] * options.get("groups", 1)
    impulses = torch.eye(inputs * math.prod(size), dtype=torch.float64).view(-1, inputs, *size)
    return F.conv2d(impulses, weight.double(), **options).flatten(1).T


def exact(weight, size, **options):
    return torch.linalg.matrix_norm(as_matrix(weight, size, **options), 2).item()


def random_layer(generator):
    """Any convolution that fits: kernels to 11, strides to 4, groups, unequal axes."""

    def draw(low, high):
        return int(torch.randint(low, high + 1, (), generator=generator))

    while True:
        groups = draw(1, 3)
        shape = draw(1, 3) * groups, draw(1, 3), draw(1, 11), draw(1, 11)
        size = draw(4, 14), draw(4, 14)
        options = {
            "stride": (draw(1, 4), draw(1, 4)),
            "padding": (draw(0, 5), draw(0, 5)),
            "dilation": (draw(1, 3), draw(1, 3)),
            "groups": groups,
        }
        spans = [d * (k - 1) + 1 for d, k in zip(options["dilation"], shape[2:], strict=True)]
        if all(n + 2 * p >= e for n, p, e in zip(size, options["padding"], spans, strict=True)):
            weight = torch.randn(shape, generator=generator)
            return weight * 10.0 ** draw(-12, 4), size, options


@pytest.mark.parametrize("small", [norms.SMALL, 0])
def test_never_below_the_norm_and_tight(generator, monkeypatch, small):
    """Small layers as matrices, and as the others."""
    monkeypatch.setattr(norms, "SMALL", small)
    for _ in range(150):
        weight, size, options = random_layer(generator)
        true = exact(weight, size, **options)
        fast = conv_norm(weight, size, tight=False, **options)
        tight = conv_norm(weight, size, **options)
        assert true <= tight <= 1.001 * true + 1e-300
        assert tight <= fast


@pytest.mark.parametrize("shape", [(3, 7), (40, 40), (60, 5), (1, 1)])
@pytest.mark.parametrize("scale", [1e-20, 1.0, 1e8])
def test_dense_is_just_above_the_largest_singular_value(generator, shape, scale):
    weight = scale * torch.randn(shape, generator=generator)
    true = torch.linalg.svdvals(weight.double())[0].item()
    assert true <= dense_norm(weight) <= true * (1 + 1e-10)


def test_an_orthogonal_layer_has_norm_one(generator):
    basis = torch.linalg.qr(torch.randn(30, 30, generator=generator, dtype=torch.float64)).Q
    assert 1 - 1e-14 <= dense_norm(basis) <= 1 + 1e-10
    assert 1 - 1e-14 <= conv_norm(basis[:, :, None, None], (5, 5)) <= 1.0005


def test_a_sum_over_windows_in_closed_form():
    """A kernel of ones on n pixels without padding, stride k: sqrt(k) per axis."""
    ones = torch.ones(1, 1, 3, 2)
    assert conv_norm(ones, (9, 8), stride=(3, 2)) == pytest.approx(math.sqrt(6), rel=1e-3)


def test_three_taps_with_zero_padding_in_closed_form():
    """[1, 1, 1] on n pixels with padding 1 has the eigenvalue 1 + 2 cos(pi / (n + 1))."""
    ones, n = torch.ones(1, 1, 1, 3), 7
    true = 1 + 2 * math.cos(math.pi / (n + 1))
    assert true <= conv_norm(ones, (1, n), padding=(0, 1)) <= 1.001 * true
    assert conv_norm(ones, (1, n), padding=(0, 1), tight=False) == pytest.approx(3)


@pytest.mark.parametrize("stride", [1, 2, 3, 4])
def test_fourier_is_exact_on_the_torus(generator, stride):
    """Equation (1) with 1 / stride, against the matrix of the circular convolution."""
    weight = torch.randn(3, 2, 3, 3, generator=generator, dtype=torch.float64)
    size = 12
    impulses = torch.eye(2 * size**2, dtype=torch.float64).view(-1, 2, size, size)
    wrapped = F.pad(impulses, (0, 2, 0, 2), mode="circular")
    circular = F.conv2d(wrapped, weight, stride=stride).flatten(1)
    true = torch.linalg.matrix_norm(circular, 2).item()
    found = conv_norm(weight, (size, size), stride=(stride, stride), tight=False)
    assert found == pytest.approx(true, rel=1e-9)
    assert true <= found


def test_zero_weights_have_norm_zero():
    assert dense_norm(torch.zeros(3, 2)) == 0
    assert conv_norm(torch.zeros(2, 2, 3, 3), (5, 5)) == 0


@pytest.mark.parametrize("scale", [5e-324, 1e-200, 1e200, 1e308])
def test_neither_small_nor_large_weights_are_lost(scale):
    """Their squares would be zero, or infinite."""
    norm, weight = math.sqrt(2) * scale, torch.full((1, 2), scale, dtype=torch.float64)
    assert norm <= dense_norm(weight) <= norm * (1 + 1e-9) + 1e-323
    assert norm <= conv_norm(weight[:, :, None, None], (3, 3)) <= norm * (1 + 1e-9) + 1e-323


def around(centre):
    kernel = torch.full((1, len(centre), 3, 3), 9.0)
    kernel[0, :, 1, 1] = torch.tensor(centre)
    return kernel


@pytest.mark.parametrize(
    "weight, size, options, norm",
    [
        (torch.tensor([[[[1.0, -1.0]]]]), (1, 2), {}, math.sqrt(2)),
        (around([0.0]), (1, 1), {"padding": 1}, 0),  # only the centre meets the picture
        (around([2.0, 0.5]), (1, 1), {"padding": 1}, math.hypot(2, 0.5)),
        (torch.ones(1, 3, 1, 1), (1, 1), {"stride": 2, "padding": 1}, 0),
        (torch.ones(1, 1, 1, 1), (9, 9), {"stride": 20, "padding": 1}, 0),
    ],
)
@pytest.mark.parametrize("small", [norms.SMALL, 0])
def test_maps_of_few_numbers_have_an_end(weight, size, options, norm, small, monkeypatch):
    monkeypatch.setattr(norms, "SMALL", small)
    assert conv_norm(weight, size, **options) == pytest.approx(norm, rel=1e-3, abs=0)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@pytest.mark.parametrize("number", range(20))
def test_padding_by_name_bounds_what_is_computed(number):
    draw = torch.Generator().manual_seed(number)
    kernel = torch.randint(1, 5, (2,), generator=draw).tolist()
    dilation = torch.randint(1, 3, (2,), generator=draw).tolist()
    weight = torch.randn(2, 3, *kernel, generator=draw)
    for name in ("same", "valid"):
        options = {"padding": name, "dilation": dilation}
        norm, bound = exact(weight, (9, 8), **options), conv_norm(weight, (9, 8), **options)
        even = any(d * (k - 1) % 2 for d, k in zip(dilation, kernel, strict=True))
        assert norm <= bound
        assert bound <= 1.001 * norm or (name == "same" and even and bound <= 2 * norm)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.999, 1.0, 7.0])
def test_a_bad_estimate_is_found_out(generator, monkeypatch, share):
    """Lanczos may fail, or find another eigenvalue; it only says where to begin."""
    estimate = _enclosure._estimated_square
    monkeypatch.setattr(_enclosure, "_estimated_square", lambda layer: share * estimate(layer))
    weight = torch.randn(3, 2, 3, 3, generator=generator)
    norm = exact(weight, (9, 8), padding=1)
    assert norm <= conv_norm(weight, (9, 8), padding=1) <= (1.001 if share <= 1 else 3) * norm


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: dense_norm(torch.zeros(2)), r"a matrix, got shape \(2,\)"),
        (lambda: dense_norm(torch.tensor([[torch.nan]])), "NaN"),
        (lambda: dense_norm(torch.tensor([[1j]])), "complex"),
        (lambda: conv_norm(torch.ones(2, 2), (4, 4)), "four axes"),
        (lambda: conv_norm(torch.ones(1, 1, 1, 1), (4, 4), stride=0), "must be positive"),
        (lambda: conv_norm(torch.ones(1, 1, 1, 1), (4, 4), padding=-1), "not negative"),
        (lambda: conv_norm(torch.ones(3, 1, 1, 1), (4, 4), groups=2), "2 groups"),
        (lambda: conv_norm(torch.ones(1, 1, 3, 3), (4, 4), padding="full"), "names .* got 'full'"),
        (lambda: conv_norm(torch.ones(1, 1, 5, 5), (4, 4)), r"kernel of \(5, 5\).*does not fit"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()
