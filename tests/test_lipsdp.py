import cvxpy
import numpy as np
import pytest
import torch
from torch import nn

from blindspots import mlp
from blindspots.bounds.layers import layer_bounds
from blindspots.bounds.lipsdp import SLOPES, lipsdp_bound, lipsdp_pair_bounds


def network(widths, activation, generator, scale=1.0):
    """Layers of norms about one, with rows of unequal sizes."""
    model = mlp(widths, activation=activation, generator=generator).eval()
    with torch.no_grad():
        for layer in model:
            if isinstance(layer, nn.Linear):
                rows = torch.linspace(0.3, 1.5, len(layer.weight))[:, None]
                layer.weight.copy_(
                    scale * rows * torch.randn(layer.weight.shape, generator=generator) / 4
                )
    return model


def weights_of(model):
    return [m.weight.detach().double().numpy() for m in model if isinstance(m, nn.Linear)]


def by_a_solver(weights, slope, end):
    """The same semidefinite program, stated plainly, for a solver of such programs."""
    sizes = [weights[0].shape[1], *map(len, weights), len(end)]
    blocks = [[np.zeros((rows, columns)) for columns in sizes] for rows in sizes]
    blocks[0][0] = np.eye(sizes[0])
    for k, weight in enumerate(weights, start=1):
        multipliers = cvxpy.diag(cvxpy.Variable(len(weight), nonneg=True))
        blocks[k][k] = 2 * multipliers
        blocks[k][k - 1] = -slope * multipliers @ weight
        blocks[k - 1][k] = blocks[k][k - 1].T
    square = cvxpy.Variable()
    blocks[-1][-1] = square * np.eye(len(end))
    blocks[-1][-2], blocks[-2][-1] = end, end.T
    program = cvxpy.Problem(cvxpy.Minimize(square), [cvxpy.bmat(blocks) >> 0])
    program.solve(solver="CLARABEL")
    return float(np.sqrt(square.value))


@pytest.mark.parametrize("activation", [nn.Sigmoid, nn.ReLU])
@pytest.mark.parametrize("widths", [(9, 7, 4), (9, 8, 6, 3), (6, 5, 7, 5, 3)], ids=str)
def test_as_small_as_a_semidefinite_solver_finds(widths, activation, generator):
    scale = (
        4.0 if activation is nn.Sigmoid else 1.0
    )  # the slope undone: solvers want numbers near 1
    model = network(widths, activation, generator, scale)
    *hidden, last = weights_of(model)
    slope = SLOPES[activation]
    assert lipsdp_bound(model) == pytest.approx(by_a_solver(hidden, slope, last), rel=2e-4)
    reference = by_a_solver(hidden, slope, last[:1] - last[2:3])
    assert lipsdp_pair_bounds(model)[0, 2].item() == pytest.approx(reference, rel=2e-4)


def test_one_layer_of_one_unit_in_closed_form():
    model = mlp((3, 1, 2), activation=nn.Tanh).eval()
    model[1].weight.data = torch.tensor([[0.0, 3.0, 4.0]])
    model[3].weight.data = torch.tensor([[1.0], [-2.0]])
    assert 5 * 5**0.5 <= lipsdp_bound(model) <= 5 * 5**0.5 * (1 + 1e-4)
    assert lipsdp_pair_bounds(model)[0, 1].item() == pytest.approx(15, rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("activation", [nn.Sigmoid, nn.ReLU, nn.Tanh])
def test_between_what_happens_and_the_product(activation, generator):
    for widths in ((12, 30, 5), (20, 10, 30, 8), (40, 25, 25, 25, 10)):
        model = network(widths, activation, generator, 3.0).double()
        bound, pairs = lipsdp_bound(model), lipsdp_pair_bounds(model)
        product = layer_bounds(model, (1, 1, widths[0])).bound
        assert bound < 0.95 * product if len(widths) > 3 else bound < product
        x = torch.randn(500, 1, 1, widths[0], generator=generator, dtype=torch.float64)
        moved = x + 0.05 * torch.randn(x.shape, generator=generator, dtype=torch.float64)
        with torch.no_grad():
            changes = (model(moved) - model(x)) / (moved - x).flatten(1).norm(dim=1, keepdim=True)
        assert changes.norm(dim=1).max() <= bound
        differences = (changes[:, :, None] - changes[:, None]).abs().amax(dim=0)
        assert (differences <= pairs).all()
        assert (pairs <= 2**0.5 * bound * (1 + 1e-4)).all() and torch.equal(pairs, pairs.T)


def test_a_wrong_weight_is_not_accepted(generator, monkeypatch):
    """What the search returns is checked: a bound that its weights do not prove grows."""
    from blindspots.bounds import lipsdp

    model = network((9, 8, 6, 3), nn.ReLU, generator)
    right, search = lipsdp_bound(model), lipsdp._follow_central_path

    def too_small(*arguments):
        weights, squares = search(*arguments)
        return weights, squares / 1.5

    monkeypatch.setattr(lipsdp, "_follow_central_path", too_small)
    assert right * (1 - 1e-4) <= lipsdp_bound(model) <= right * (1 + 1e-4)


def test_progress_is_shown(generator, capsys):
    lipsdp_pair_bounds(network((5, 4, 3), nn.ReLU, generator), progress=True)
    assert "0/3" in capsys.readouterr().err


def test_units_that_do_nothing(generator):
    model = network((9, 8, 6, 3), nn.ReLU, generator)
    usual = lipsdp_bound(model)
    wide = mlp((9, 10, 6, 3), activation=nn.ReLU).eval()
    with torch.no_grad():
        for new, old in zip(wide, model, strict=True):
            if isinstance(new, nn.Linear):
                new.weight.zero_()
                new.weight[: len(old.weight), : old.weight.shape[1]] = old.weight
    assert lipsdp_bound(wide) == pytest.approx(usual, rel=1e-4)
    wide[5].weight.data.zero_()
    assert lipsdp_bound(wide) == 0
    wide[1].weight.data.zero_()
    assert lipsdp_bound(wide) == 0 and not lipsdp_pair_bounds(wide).any()


@pytest.mark.parametrize(
    "model",
    [
        nn.Sequential(nn.Flatten(), nn.Linear(4, 2)),
        nn.Sequential(nn.Linear(4, 2), nn.GELU(), nn.Linear(2, 2)),
        nn.Sequential(nn.Conv2d(1, 2, 1), nn.ReLU(), nn.Linear(4, 2)),
        nn.Sequential(nn.Linear(4, 2), nn.ReLU()),
    ],
    ids=["affine", "gelu", "convolution", "no end"],
)
def test_other_layers_are_refused(model):
    with pytest.raises(NotImplementedError, match="use layer_bounds"):
        lipsdp_bound(model)


@pytest.mark.parametrize("scales", [(1e-20, 1), (1e30, 1), (1e-30, 1e-20), (1, 1e30), (1e-38, 1)])
def test_tiny_and_huge_weights_have_an_end(scales, generator):
    usual = network((6, 5, 4), nn.ReLU, generator)
    layers = [m for m in usual if isinstance(m, nn.Linear)]
    expected = lipsdp_bound(usual)
    with torch.no_grad():
        for layer, scale in zip(layers, scales, strict=True):
            layer.weight.mul_(scale)
    assert lipsdp_bound(usual) == pytest.approx(expected * scales[0] * scales[1], rel=1e-3)


class Tenfold(nn.Sequential):
    def forward(self, x):
        return 10 * super().forward(x)


def test_what_does_more_than_its_layers_is_refused():
    layers = nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)
    assert lipsdp_bound(nn.Sequential(*layers).eval()) > 0
    with pytest.raises(NotImplementedError, match="forward of its own"):
        lipsdp_bound(Tenfold(*layers).eval())
    hooked = nn.Sequential(*layers).eval()
    hooked[0].register_forward_hook(lambda module, given, out: 10 * out)
    with pytest.raises(NotImplementedError, match="0 has a hook"):
        lipsdp_bound(hooked)
    with pytest.raises(ValueError, match="training mode"):
        lipsdp_bound(nn.Sequential(*layers[:2], nn.Dropout(), layers[2]))
