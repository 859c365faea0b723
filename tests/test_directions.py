import pytest
import torch

from blindspots.directions import aligned_directions


@pytest.mark.parametrize("k", [1, 2, 7, 36])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_directions_are_orthonormal_and_lean_equally(k, dtype, generator):
    gradients = torch.randn(5, 1, 6, 6, generator=generator, dtype=dtype)
    gradients *= torch.logspace(-30, 20, 5, dtype=dtype).view(-1, 1, 1, 1)
    directions = aligned_directions(gradients, k, generator=generator)
    assert directions.shape == (5, k, 1, 6, 6) and directions.dtype == dtype
    flat, tolerance = directions.flatten(2), 5e-7 if dtype == torch.float32 else 1e-14
    grams = flat @ flat.mT
    torch.testing.assert_close(
        grams, torch.eye(k, dtype=dtype).expand(5, k, k), atol=tolerance, rtol=0
    )
    aim = gradients.flatten(1).double()
    cosines = (flat.double() @ (aim / aim.norm(dim=1, keepdim=True))[:, :, None])[:, :, 0]
    expected = torch.full((5, k), k**-0.5, dtype=torch.float64)
    torch.testing.assert_close(cosines, expected, atol=tolerance, rtol=0)


def test_one_direction_is_the_gradients(generator):
    gradients = torch.randn(4, 3, 5, generator=generator, dtype=torch.float64)
    (only,) = aligned_directions(gradients, 1, generator=generator).unbind(dim=1)
    torch.testing.assert_close(only, gradients / gradients.flatten(1).norm(dim=1).view(-1, 1, 1))


def test_nothing_is_lost_where_the_random_vector_is_the_gradient():
    """With k = 1 the reflection would be by the difference of two equal vectors."""
    drawn = torch.randn(1, 9, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    same = torch.linalg.qr(drawn).Q[:, :, 0]
    for sign in (1, -1):
        gradients = sign * (same + 1e-12 * torch.ones(1, 9))
        found = aligned_directions(gradients, 1, generator=torch.Generator().manual_seed(0))
        expected = gradients / gradients.norm()
        torch.testing.assert_close(found[:, 0], expected, atol=1e-15, rtol=0)


def test_as_many_steps_as_promised_cross_a_plane(generator):
    """Steps twice as long as the way to the plane: four at right angles cross it, five do not."""
    gradients = torch.randn(20, 50, generator=generator, dtype=torch.float64)
    ways = torch.rand(20, generator=generator).double() + 0.1
    offsets = gradients.norm(dim=1) * ways
    for k, crosses in ((4, True), (5, False)):
        steps = 2.0001 * ways[:, None, None] * aligned_directions(gradients, k, generator=generator)
        beyond = (steps @ gradients[:, :, None])[:, :, 0] > offsets[:, None]
        assert bool(beyond.all()) == bool(beyond.any()) == crosses


def test_draws_differ_and_rows_do_not_share_them(generator):
    gradients = torch.ones(2, 30, dtype=torch.float64)
    first = aligned_directions(gradients, 3, generator=generator)
    second = aligned_directions(gradients, 3, generator=generator)
    assert (first - second).abs().max() > 0.01 and (first[0] - first[1]).abs().max() > 0.01


@pytest.mark.parametrize(
    "gradients, k, error, message",
    [
        (torch.ones(2, 4), 0, ValueError, r"no 0 orthonormal.*use k in 1\.\.4"),
        (torch.ones(2, 4), 5, ValueError, "no 5 orthonormal directions of 4 pixels"),
        (torch.tensor([[1.0, 0.0], [0.0, 0.0]]), 1, ValueError, "gradient 1 is zero"),
        (torch.tensor([[1.0, torch.nan]]), 1, ValueError, "NaN or infinity"),
        (torch.tensor([[1.0, torch.inf]]), 1, ValueError, "NaN or infinity"),
        (torch.ones(2, 4, dtype=torch.int64), 1, TypeError, "floating point, got torch.int64"),
    ],
)
def test_errors(gradients, k, error, message, generator):
    with pytest.raises(error, match=message):
        aligned_directions(gradients, k, generator=generator)
