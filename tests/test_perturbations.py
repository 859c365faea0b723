import itertools

import numpy
import pytest
import torch

from blindspots import add_equal_noise, add_gaussian_noise, distortion, rescale_perturbation
from blindspots.perturbations import structural_similarity


def test_distortion_is_the_root_mean_square():
    original = torch.zeros(2, 1, 2, 2)
    perturbed = torch.tensor([[0.0, 0, 0, 0], [0.1, -0.1, 0.1, -0.1]]).view(2, 1, 2, 2)
    assert torch.allclose(distortion(original, perturbed), torch.tensor([0.0, 0.1]))
    with pytest.raises(ValueError, match="compare images of the same shape"):
        distortion(original, perturbed[:1])


def test_rescaling_gives_the_wanted_distortion(generator):
    original = torch.rand(4, 1, 5, 5, generator=generator)
    perturbed = torch.rand(4, 1, 5, 5, generator=generator)
    for to in (0.1, torch.tensor([0.0, 0.1, 0.2, 3.0])):
        rescaled = rescale_perturbation(original, perturbed, to=to)
        assert torch.allclose(distortion(original, rescaled), torch.as_tensor(to).expand(4))
    ratio = (rescaled - original)[3] / (perturbed - original)[3]
    assert torch.allclose(ratio, ratio.mean().expand_as(ratio), rtol=1e-3)
    clipped = rescale_perturbation(original, perturbed, to=3.0, bounds=(0, 1))
    assert clipped.min() >= 0 and clipped.max() <= 1


def test_rescaling_refuses_what_has_no_direction():
    images = torch.zeros(3, 1, 2, 2)
    perturbed = images + torch.tensor([0.1, 0.0, 0.1]).view(3, 1, 1, 1)
    with pytest.raises(ValueError, match="image 1 is not perturbed"):
        rescale_perturbation(images, perturbed, to=0.1)
    with pytest.raises(ValueError, match=r"to must not be negative, got -0\.1"):
        rescale_perturbation(images, images + 0.1, to=-0.1)


def test_noise_has_its_standard_deviation(generator, device):
    images = torch.full((50, 1, 40, 40), 0.5, device=device)
    noisy = add_gaussian_noise(images, standard_deviation=0.1, generator=generator)
    assert distortion(images, noisy).mean().item() == pytest.approx(0.1, rel=0.01)
    assert (noisy - images).mean().abs() < 0.002
    deviations = torch.linspace(0, 0.3, 50, device=device)
    noisy = add_gaussian_noise(images, standard_deviation=deviations, generator=generator)
    assert torch.allclose(distortion(images, noisy), deviations, rtol=0.1)
    clipped = add_gaussian_noise(images, standard_deviation=1.0, bounds=(0, 1), generator=generator)
    assert clipped.min() == 0 and clipped.max() == 1


def test_noise_refuses_bad_deviations(generator):
    images = torch.zeros(3, 1, 2, 2)
    for deviation, message in ((-0.1, "must not be negative"), (torch.ones(2), "one per image")):
        with pytest.raises(ValueError, match=message):
            add_gaussian_noise(images, standard_deviation=deviation, generator=generator)


@pytest.mark.parametrize("bounds", [None, (0, 1)])
def test_equal_noise_has_the_distortion_of_the_twin(bounds, generator):
    original = torch.rand(5, 1, 6, 6, generator=generator).round()  # all pixels at the bounds
    perturbed = (original + 0.3 * torch.rand(5, 1, 6, 6, generator=generator)).clamp(0, 1)
    noisy = add_equal_noise(original, perturbed, bounds=bounds, generator=generator)
    assert torch.allclose(distortion(original, noisy), distortion(original, perturbed), rtol=1e-4)
    outside = (noisy < 0).any() or (noisy > 1).any()
    assert bool(outside) == (bounds is None)
    again = add_equal_noise(original, perturbed, bounds=bounds, generator=generator)
    correlation = torch.corrcoef(
        torch.stack([(noisy - original).flatten(), (again - original).flatten()])
    )[0, 1]
    assert abs(correlation) < (0.3 if bounds is None else 0.9)  # another draw


def test_equal_noise_needs_room(generator):
    original = torch.full((1, 1, 4, 4), 0.5)
    with pytest.raises(ValueError, match=r"no room for noise of distortion 0\.6"):
        add_equal_noise(original, original + 0.6, bounds=(0, 1), generator=generator)


def test_structural_similarity_is_that_of_its_definition(generator):
    """Window by window, with NumPy's covariance."""
    x, y = torch.rand(2, 3, 2, 9, 10, generator=generator, dtype=torch.float64)
    expected = []
    for image, other in zip(x.numpy(), y.numpy(), strict=True):
        windows = []
        for channel, i, j in itertools.product(range(2), range(3), range(4)):
            a, b = (part[channel, i : i + 7, j : j + 7].ravel() for part in (image, other))
            (va, c), (_, vb) = numpy.cov(a, b)
            top = (2 * a.mean() * b.mean() + 1e-4) * (2 * c + 9e-4)
            windows.append(top / (a.mean() ** 2 + b.mean() ** 2 + 1e-4) / (va + vb + 9e-4))
        expected.append(sum(windows) / len(windows))
    assert structural_similarity(x, y).tolist() == pytest.approx(expected)


def test_structural_similarity_falls_with_noise_and_is_symmetric(generator):
    x = torch.rand(4, 1, 12, 12, generator=generator)
    noise = torch.randn(x.shape, generator=generator)
    found = [structural_similarity(x, x + s * noise) for s in (0, 0.05, 0.2, 0.8)]
    assert torch.allclose(found[0], torch.ones(4))
    assert all((a > b).all() for a, b in itertools.pairwise(found))
    assert torch.allclose(found[2], structural_similarity(x + 0.2 * noise, x))


@pytest.mark.parametrize(
    "shapes", [((1, 1, 6, 9),) * 2, ((1, 1, 9, 9), (2, 1, 9, 9)), ((9, 9),) * 2]
)
def test_structural_similarity_refuses(shapes):
    with pytest.raises(ValueError, match="at least 7 pixels"):
        structural_similarity(*(torch.zeros(shape) for shape in shapes))
