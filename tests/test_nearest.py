import copy
import itertools
import math

import pytest
import torch
from torch import nn

from blindspots import (
    affine_minimum,
    convnet,
    distortion,
    lbfgs_attack,
    nearest_attack,
    predict,
    random_targets,
    trained,
)
from blindspots.attack import projections
from blindspots.attack._batches import checked_bounds
from blindspots.attack._problem import (
    ROUNDING,
    Found,
    Problem,
    margin_at,
    state_problem,
)
from blindspots.attack.boundary import end_on_boundary
from blindspots.attack.classes import nearest_class
from blindspots.attack.projections import project_repeatedly
from blindspots.attack.walk import walk
from blindspots.networks import evaluate, mlp


@pytest.fixture
def victims(train, test, generator):
    """A named network, and images that it reads correctly, with wrong targets."""

    def prepare(name, number=48, device="cpu"):
        model, data = trained(name, train.to(device)), test.to(device)
        correct = data[predict(model, data.images) == data.labels][:number]
        targets = random_targets(correct.labels, classes=10, generator=generator)
        return model, correct, targets

    return prepare


def norm(result):
    return result.distortion * math.sqrt(result.images[0].numel())


@pytest.mark.parametrize("targeted", [True, False])
@pytest.mark.parametrize("name", ["FC10(1e-4)", "FC10(1)"])
def test_an_affine_network_is_attacked_at_the_exact_minimum(victims, name, targeted):
    model, data, targets = victims(name)
    targets = targets if targeted else None
    result = nearest_attack(model, data.images, targets)
    exact = (affine_minimum(model, data.images, targets) - data.images).flatten(1).norm(dim=1)
    assert result.success.all()
    assert (norm(result) >= exact * (1 - 1e-5)).all()
    assert norm(result).mean() <= 1.0005 * exact.mean()
    assert (norm(result) <= 1.002 * exact).all()
    assert result.evaluations.double().mean() < 40


def minimum_behind(model, images, labels, slack):
    """Norm of the least perturbation after which another class leads the label by the slack."""
    norms = torch.empty(len(images), dtype=torch.float64)
    for i, (image, label) in enumerate(zip(images.double(), labels, strict=True)):
        handicapped = copy.deepcopy(model).double()
        with torch.no_grad():
            handicapped[-1].bias[label] += slack[i]
        norms[i] = (affine_minimum(handicapped, image[None], None) - image).norm()
    return norms


def test_a_short_way_is_found_as_exactly_as_a_long_one(victims):
    """Images next to a boundary, where a tolerance fit for the others would be too coarse.

    The attack aims behind the boundary by twice the guard, and 32 bits know a logit up to the
    guard; so it goes no farther than the exact way to a boundary moved by a few guards.
    """
    model, data, _ = victims("FC10(1e-2)", 200)
    minima = affine_minimum(model, data.images, None)
    near = (data.images + 0.999 * (minima - data.images)).float()
    still = predict(model, near) == data.labels
    near, labels = near[still], data.labels[still]
    assert len(near) > 150
    result = nearest_attack(model, near)
    guard = ROUNDING * evaluate(model, near).abs().amax(dim=1)
    assert result.success.all()
    assert (norm(result) <= 1.001 * minimum_behind(model, near, labels, 4 * guard)).all()


def test_other_classes_compete_without_targets(victims):
    """The nearest class is found by heats; attacking every class in turn finds none nearer."""
    for name in ("FC100-100-10", "convnet"):
        model, data, _ = victims(name, 24)
        result = nearest_attack(model, data.images)
        assert (predict(model, result.images) != data.labels).all()
        each = [
            nearest_attack(model, data.images, (data.labels + shift) % 10).distortion
            for shift in range(1, 10)
        ]
        assert result.distortion.mean() <= 1.01 * torch.stack(each).amin(dim=0).mean()


def test_a_longer_search_has_longer_heats(victims, monkeypatch):
    model, data, _ = victims("FC100-100-10", 2)
    given = []

    def note(problem, *, steps, **options):
        given.append(steps)
        return project_repeatedly(problem, steps=steps, **options)

    monkeypatch.setattr("blindspots.attack.classes.project_repeatedly", note)
    problem = state_problem(model, data.images, None, *checked_bounds(data.images, (0, 1)))
    for steps, heat in ((30, 6), (160, 10)):
        given.clear()
        nearest_class(problem, steps=steps, on_step=lambda n: None)
        assert given == [heat]


def test_a_class_whose_boundary_is_far_gets_no_trial(monkeypatch):
    """Of three wrong classes, at 0.1, 0.14 and 0.16 from the image, the third is not tried."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(3, 4)).eval()
    model[1].weight.data = torch.cat([torch.zeros(1, 3), torch.eye(3)])
    model[1].bias.data = torch.tensor([0.0, -0.64, -0.66, -0.6])
    images, tried = torch.full((2, 1, 1, 3), 0.5), []

    def note(problem, **options):
        tried.extend(problem.targets.tolist())
        return project_repeatedly(problem, **options)

    monkeypatch.setattr("blindspots.attack.classes.project_repeatedly", note)
    problem = state_problem(model, images, None, *checked_bounds(images, (0, 1)))
    chosen, spent = nearest_class(problem, steps=30, on_step=lambda n: None)
    assert chosen.tolist() == [3, 3] and sorted(tried) == [1, 1, 3, 3]
    assert (spent >= 3 + 2 * 2).all()


@pytest.mark.parametrize("name", ["FC100-100-10", "AE400-10", "convnet"])
def test_closer_than_the_paper_s_own_search(victims, name):
    model, data, targets = victims(name)
    ours = nearest_attack(model, data.images, targets).distortion.mean()
    papers = lbfgs_attack(model, data.images, targets).distortion.mean()
    assert ours < papers


def test_more_projections_come_closer(victims):
    model, data, targets = victims("convnet")
    sizes = [
        nearest_attack(model, data.images, targets, projections=steps).distortion.mean().item()
        for steps in (8, 30, 120)
    ]
    assert sizes[0] > sizes[1] > sizes[2]


class Corridor(nn.Module):
    """Class 1 lies 0.3 to the right of the middle, and 0.1 to the left, behind a rise."""

    def forward(self, x):
        way = x.flatten(1)[:, 0] - 0.5
        margin = torch.minimum(0.3 - way, 3.5 * (way + 0.1))
        return torch.stack([margin, 0 * margin], dim=1)


@pytest.mark.parametrize("targeted", [True, False])
def test_another_start_finds_what_lies_behind_a_rise(targeted):
    image = torch.full((3, 1, 1, 2), 0.5)
    targets = torch.ones(3, dtype=torch.long) if targeted else None
    for starts, way in ((1, 0.3), (8, 0.1)):
        result = nearest_attack(Corridor().eval(), image, targets, starts=starts)
        assert norm(result).tolist() == pytest.approx([way] * 3, rel=1e-3)
        assert torch.equal(
            predict(Corridor().eval(), result.images), torch.ones(3, dtype=torch.long)
        )
        assert norm(result).tolist() == pytest.approx(
            (result.images - image).flatten(1).norm(dim=1).tolist(), rel=1e-5
        )
    r = (result.images - image).flatten(1)[:, 0]
    assert torch.allclose(2 * result.penalty * r, torch.full_like(r, -3.5), rtol=1e-3)


@pytest.mark.parametrize("targeted", [True, False])
def test_no_row_is_farther_from_more_starts(victims, targeted):
    model, data, targets = victims("convnet", 32)
    targets = targets if targeted else None
    results = [nearest_attack(model, data.images, targets, starts=n) for n in (1, 2, 5)]
    for few, more in itertools.pairwise(results):
        assert (more.distortion <= few.distortion).all()
        assert (more.evaluations > few.evaluations).all()
    assert results[-1].distortion.mean() < 0.998 * results[0].distortion.mean()
    assert (results[-1].evaluations <= 5 * 1.2 * results[0].evaluations.max()).all()


def test_where_there_is_one_minimum_other_starts_bring_nothing(victims):
    model, data, targets = victims("FC10(1e-4)", 24)
    sizes = [
        nearest_attack(model, data.images, targets, starts=n).distortion.double() for n in (1, 4)
    ]
    assert (sizes[1] <= sizes[0]).all() and (sizes[1] > 0.9999 * sizes[0]).all()


@pytest.mark.parametrize("name", ["FC10(1e-4)", "FC100-100-10", "convnet"])
def test_ends_just_behind_the_boundary(victims, name):
    """A thousandth further back the prediction is not the target yet."""
    model, data, targets = victims(name)
    result = nearest_attack(model, data.images, targets)
    assert torch.equal(predict(model, result.images), targets)
    back = data.images + 0.999 * (result.images - data.images)
    assert (predict(model, back) != targets).double().mean() > 0.95


@pytest.mark.parametrize("name", ["FC10(1e-2)", "FC100-100-10", "convnet"])
@pytest.mark.parametrize("targeted", [True, False])
def test_success_survives_the_conversion_to_32_bits(victims, name, targeted):
    model, data, targets = victims(name)
    targets = targets if targeted else None
    images = data.images.double()
    result = nearest_attack(copy.deepcopy(model).double(), images, targets)
    assert result.success.all()
    assert result.images.min() >= 0 and result.images.max() <= 1
    afterwards = predict(model, result.images.float())
    assert (afterwards == targets if targeted else afterwards != data.labels).all()


def test_penalty_and_perturbation_balance():
    """Two classes, no bound in the way: 2 * penalty * r is minus the margin's gradient."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(2, 2)).eval()
    model[1].weight.data = torch.tensor([[0.0, 0.0], [3.0, 4.0]])
    model[1].bias.data = torch.tensor([0.0, -5.0])
    image = torch.tensor([[[[0.4, 0.4]]]])
    result = nearest_attack(model, image, torch.tensor([1]))
    assert norm(result).item() == pytest.approx(2.2 / 5, rel=1e-3)
    r = (result.images - image).flatten()
    assert torch.allclose(2 * result.penalty * r, torch.tensor([3.0, 4.0]), rtol=1e-3)


def test_evaluations_are_counted(victims):
    model, data, targets = victims("convnet", 12)
    rows = []
    counting = nn.Sequential(nn.Identity(), model).eval()
    counting[0].register_forward_hook(
        lambda module, inputs, output: rows.append(len(output)) if torch.is_grad_enabled() else None
    )
    for wanted in (targets, None):
        rows.clear()
        result = nearest_attack(counting, data.images, wanted)
        assert result.evaluations.sum().item() == sum(rows)
        rows.clear()
        result = nearest_attack(counting, data.images, wanted, starts=2, projections=8)
        assert result.evaluations.sum().item() == sum(rows)


@pytest.mark.parametrize("name", ["FC100-100-10", "convnet"])
def test_a_row_does_not_depend_on_its_batch(victims, name, monkeypatch):
    model, data, targets = victims(name, 20)
    model = copy.deepcopy(model).double()
    images = data.images.double()
    whole = nearest_attack(model, images, targets, starts=2)
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(2))
    mixed = nearest_attack(model, images[order], targets[order], starts=2)
    monkeypatch.setattr("blindspots.attack._batches.BATCH_SIZE", 3)
    split = nearest_attack(model, images, targets, starts=2)
    assert torch.allclose(whole.distortion, split.distortion, rtol=1e-4)
    assert torch.allclose(whole.distortion[order], mixed.distortion, rtol=1e-4)


def problem_of(model, images, targets):
    rivals = ~nn.functional.one_hot(targets, 10).bool()
    guard = torch.full((len(images),), 1e-5)
    shape = images.shape[1:]
    problem = Problem(
        lambda x: model(x.view(-1, *shape)),
        images.flatten(1),
        targets,
        rivals,
        guard,
        guard,
        guard,  # at which it does not look
        torch.ones_like(guard),
        torch.zeros(len(images), 1),
        torch.ones(len(images), 1),
    )
    with torch.no_grad():
        return problem._replace(first_margin=margin_at(problem, problem.images))


def test_a_point_before_the_boundary_is_moved_behind_it(victims):
    """One too far is drawn back, one not far enough moved out, one that gets nowhere fails."""
    model, data, targets = victims("FC100-100-10", 30)
    problem = problem_of(model, data.images, targets)
    good = project_repeatedly(problem, steps=30, on_step=lambda rows: None).images
    r, size = good - problem.images, distortion(problem.images, good).mean()
    for factor in (0.5, 1.5):
        start = (problem.images + factor * r).clamp(0, 1)
        zero = torch.zeros(len(good))
        found = end_on_boundary(problem, Found(start, zero, zero + 1, targets))
        assert (found.distortion < torch.inf).all()
        assert torch.equal(predict(model, found.images.view_as(data.images)), targets)
        with torch.no_grad():
            margins = margin_at(problem, found.images)
        assert (margins <= 0).all() and (margins > -0.01 * problem.first_margin).all()
        assert distortion(problem.images, found.images).mean() < 1.2 * size
    away = (problem.images - 0.1 * r).clamp(0, 1)
    lost = end_on_boundary(problem, Found(away, zero, zero + 1, targets))
    failed = lost.distortion == torch.inf
    assert failed.any()
    assert torch.equal(lost.images[failed], problem.images[failed])
    assert (lost.penalty[failed] == 0).all()


def test_averaging_is_what_finds_the_way_among_kinks(victims, monkeypatch):
    """The control: with the newest gradient alone, a convnet's perturbations are longer."""
    model, data, targets = victims("convnet")
    monkeypatch.setattr("blindspots.attack.nearest.WALK", 0)
    usual = nearest_attack(model, data.images, targets)
    monkeypatch.setattr("blindspots.attack.projections.LAST_WEIGHT", 1.0)
    newest = nearest_attack(model, data.images, targets)
    assert usual.distortion.mean() < 0.97 * newest.distortion.mean()


@pytest.mark.parametrize(("steps", "stride"), [(60, 0.3), (300, 0.3), (60, 1.0)])
def test_a_walk_ends_near_the_nearest_point_of_a_plane(generator, steps, stride):
    """Its penalty is the one whose minimiser that point is."""
    plane = nn.Sequential(nn.Flatten(), nn.Linear(16, 2)).double().eval().requires_grad_(False)
    images = 0.5 + 0.05 * torch.randn(8, 1, 4, 4, generator=generator, dtype=torch.float64)
    images = images[predict(plane, images) == predict(plane, images).mode().values]
    problem = state_problem(plane, images, None, *checked_bounds(images, (-9, 9)))
    distance = problem.first_margin / problem.slope
    found = walk(problem, torch.tensor(stride), steps=steps)
    length = (found.images - problem.images).norm(dim=1)
    assert (margin_at(problem, found.images) <= 0).all()
    assert (length >= distance * (1 - 1e-9)).all() and (length <= 1.05 * distance).all()
    assert torch.allclose(found.penalty, problem.slope / (2 * length))
    assert torch.allclose(found.distortion, length / 4)


def test_many_classes_and_three_channels(generator):
    """More classes than contenders, an untrained network, another shape."""
    model = convnet((3, 8, 8), channels=(6,), classes=40, generator=generator).eval()
    images = torch.rand(6, 3, 8, 8, generator=generator)
    labels = predict(model, images)
    result = nearest_attack(model, images)
    assert result.success.all() and (predict(model, result.images) != labels).all()


class Discs(nn.Module):
    """Class 0 is what lies outside two discs of two-dimensional images."""

    centres = torch.tensor([[0.4, 0.5], [0.6, 0.5]])

    def forward(self, images):
        squares = (images.flatten(1)[:, None] - self.centres).square().sum(dim=2)
        return torch.cat([torch.zeros(len(images), 1), 0.1 - squares], dim=1)


def test_every_rival_that_is_known_is_linearised_afresh():
    images, targets = torch.tensor([0.4, 0.6]).view(1, 1, 1, 2), torch.tensor([0])
    problem = state_problem(Discs().eval(), images, targets, *checked_bounds(images, (0, 1)))
    rows = projections._start(problem, 0)
    for point in ([0.4, 0.6], [0.7, 0.4]):  # the first disc is ahead, then the second
        rows = rows._replace(x=torch.tensor([point]))
        rows, _, _ = projections._linearise(problem, rows, 1.0)
    assert rows.rival.tolist() == [[1, 2]]
    assert torch.allclose(rows.normals[0], -2 * (rows.x - Discs.centres))


def test_an_image_whose_gradient_is_no_number_on_the_way_fails_alone(monkeypatch):
    """A hole between it and the boundary; the other image is nearer, and stays exact."""

    class Holed(nn.Module):
        def forward(self, images):
            mean = images.flatten(1).mean(dim=1)
            outside = ((mean < 0.4) | (mean > 0.5)).double()
            root = (outside + 0 * mean).sqrt()  # whose gradient is 0 times infinity in the hole
            return torch.stack([mean + root - outside, torch.full_like(mean, 0.25)], dim=1)

    images = torch.tensor([0.3, 0.55]).double().view(2, 1, 1, 1).expand(2, 1, 2, 2)
    walking = nearest_attack(Holed().eval(), images, torch.tensor([1, 1]))
    monkeypatch.setattr("blindspots.attack.nearest.WALK", 0)
    found = nearest_attack(Holed().eval(), images, torch.tensor([1, 1]))
    assert found.success.tolist() == [True, False] and torch.equal(found.images[1], images[1])
    assert found.distortion[0].item() == pytest.approx(0.05, rel=1e-4)
    assert walking.success.all()  # over the hole
    assert walking.distortion.tolist() == pytest.approx([0.05, 0.3], rel=1e-2)


def deep_network(seed):
    """Six random layers of 32 ReLU units, which fold space a hundred times."""
    generator = torch.Generator().manual_seed(seed)
    network = mlp((16, *[32] * 5, 10), activation=nn.ReLU, generator=generator).eval()
    for parameter in network.parameters():
        scale = 2 / parameter.shape[1] ** 0.5 if parameter.ndim == 2 else 0.5
        parameter.data = scale * torch.randn(parameter.shape, generator=generator)
    return network.requires_grad_(False)


def test_the_class_is_chosen_well_where_space_is_folded(generator):
    """There a heat ends far behind the boundary, and another class comes first."""
    ratios = []
    for seed in (0, 1, 3, 5):
        network, images = deep_network(seed), torch.rand(64, 1, 4, 4, generator=generator)
        labels = predict(network, images)
        chosen = nearest_attack(network, images)
        turns = [nearest_attack(network, images, (labels + k) % 10) for k in range(1, 10)]
        each = torch.stack([turn.distortion for turn in turns]).amin(dim=0)
        assert chosen.success.all()
        ratios.append(chosen.distortion.mean() / each.mean())
    assert sum(ratios) / len(ratios) < 1.035


def test_a_walk_does_not_know_the_units_of_logits_and_pixels(generator):
    """Powers of two round nothing, so not a bit changes."""
    network = deep_network(0).double()
    images = torch.rand(32, 1, 4, 4, generator=generator, dtype=torch.float64)
    targets = (predict(network, images) + 1) % 10

    def walked(pixel, logit):
        def model(x):
            return logit * network(x / pixel)

        bounds = checked_bounds(pixel * images, (0, pixel))
        problem = state_problem(model, pixel * images, targets, *bounds)
        return walk(problem, torch.tensor(0.3), steps=30)

    usual = walked(1, 1)
    assert (usual.distortion < torch.inf).sum() > 4
    for pixel, logit in ((256, 1), (1, 2**12), (1, 2**-12)):
        found = walked(pixel, logit)
        assert torch.equal(found.images, pixel * usual.images)
        assert torch.equal(found.penalty, usual.penalty * logit / pixel**2)


def test_an_image_that_goes_round_in_a_circle_is_led_out_of_it(generator, monkeypatch):
    """Where linearisations contradict each other from one point to the next."""

    def walk_nowhere(problem, strides, *, steps):
        nowhere = torch.full_like(problem.first_margin, torch.inf)
        return Found(problem.images, nowhere, nowhere, torch.full_like(problem.targets, steps))

    lost, failed, ratios = 0, 0, []
    for seed in range(6):
        network = deep_network(seed)
        images = torch.rand(256, 1, 4, 4, generator=generator)
        labels = predict(network, images)
        first, second, third = labels.bincount().topk(3).indices
        targets = torch.where(labels == first, second, first)
        targets = torch.where(labels == second, third, targets)
        problem = state_problem(network, images, targets, *checked_bounds(images, (0, 1)))
        usual = project_repeatedly(problem, steps=30, on_step=lambda rows: None)
        longer = project_repeatedly(problem, steps=30, more=60, on_step=lambda rows: None)
        with monkeypatch.context() as patch:
            # The same projections in the same batches, which round alike.
            patch.setattr("blindspots.attack.projections.walk", walk_nowhere)
            before = project_repeatedly(problem, steps=30, more=61, on_step=lambda rows: None)
        settled = before.evaluations == longer.evaluations
        early = before.evaluations < usual.evaluations + 61
        assert torch.equal(before.images[settled], longer.images[settled])
        assert (longer.distortion <= before.distortion).all()
        both = ~settled & early & (usual.distortion < torch.inf)
        ratios.append((longer.distortion / usual.distortion)[both])
        lost += int((usual.distortion == torch.inf).sum())
        failed += int((longer.distortion == torch.inf).sum())
    assert lost >= 5 and failed <= lost / 5
    ratio = torch.cat(ratios)
    # Although 24 projections are left out.
    assert len(ratio) > 50 and ratio.log().mean().exp() < 1.05


@pytest.fixture
def strides(monkeypatch):
    """The first strides of all walks that are taken."""
    taken = []

    def watched(problem, strides, *, steps):
        taken.extend(strides.tolist())
        return walk(problem, strides, steps=steps)

    monkeypatch.setattr("blindspots.attack.projections.walk", watched)
    return taken


class Ripples(nn.Module):
    """A plane with ripples: too small to move its boundary, steep enough to hide its slope."""

    def __init__(self, generator):
        super().__init__()
        plane = torch.randn(64, generator=generator)
        waves = torch.randn(64, 64, generator=generator)
        self.plane, self.waves = plane / plane.norm(), 300 * waves / waves.norm(dim=1)

    def forward(self, images):
        points = images.flatten(1) - 0.5
        ripple = torch.sin(points @ self.waves).sum(dim=1) / 1000
        return torch.stack([torch.zeros(len(images)), points @ self.plane - 0.3 + ripple], dim=1)


def test_an_image_whose_gradients_have_little_in_common_leaves_early(
    generator, monkeypatch, strides
):
    """For a walk with wide steps: nearer than the control, which goes on with projections."""
    model = Ripples(generator).eval()
    images = 0.5 + 0.01 * torch.randn(32, 1, 8, 8, generator=generator)
    found = nearest_attack(model, images)
    walked = found.evaluations > 90  # 90 steps, after 6 projections or, if unsettled, after 30
    early = walked & (found.evaluations < 110)
    wide = [stride == 1 for stride in strides]
    assert sum(wide) == early.sum() > 20 and len(wide) == walked.sum() and found.success.all()
    monkeypatch.setattr("blindspots.attack.projections.EARLY", 1)
    late = nearest_attack(model, images)
    assert found.distortion[early].mean() < 0.95 * late.distortion[early].mean()


class Cliff(nn.Module):
    """Past a steep fall the margin of class 0 is so low that its tangent says nothing any more."""

    def forward(self, images):
        t = 100 * images.flatten(1).sum(dim=1)
        return torch.stack([torch.zeros_like(t), 0.8 * t + torch.tanh(10 * (t - 0.6))], dim=1)


def test_a_step_that_leads_back_to_the_image_goes_half_way(monkeypatch, strides):
    image = torch.zeros(1, 1, 1, 2, dtype=torch.float64)
    found = nearest_attack(Cliff().eval(), image)
    monkeypatch.setattr("blindspots.attack.projections.FALL", 0)
    control = nearest_attack(Cliff().eval(), image)  # goes to and fro
    assert found.evaluations < 20 and control.evaluations > 100 and strides == [0.3]
    assert found.distortion <= control.distortion * (1 + 1e-5)


def test_an_image_that_the_last_projection_leaves_outside_is_given_more(victims):
    """With so few projections that none is past the boundary."""
    model, data, targets = victims("convnet", number=24)
    problem = state_problem(
        model, data.images, targets, *(torch.tensor(end).expand(24, 1) for end in (0.0, 1.0))
    )
    few = project_repeatedly(problem, steps=2, on_step=lambda rows: None)
    persistent = project_repeatedly(problem, steps=2, more=60, on_step=lambda rows: None)
    lost = few.distortion == torch.inf
    assert lost.any() and (persistent.distortion < torch.inf).all()
    more = persistent.evaluations - few.evaluations
    assert (more[lost] == 60).all()
    # What has settled is left alone, and nothing gets worse.
    assert torch.equal(few.images[more == 0], persistent.images[more == 0])
    assert (persistent.distortion <= few.distortion).all()
    assert (margin_at(problem, persistent.images) <= 0).all()


def test_a_step_from_before_the_boundary_does_not_go_half_way():
    """However close to the image it leads."""
    plane = nn.Linear(2, 2).double().eval()
    plane.weight.data = torch.tensor([[0.0, 0.0], [1.0, 0.0]], dtype=torch.float64)
    plane.bias.data = torch.tensor([0.01, 0.0], dtype=torch.float64)
    image = torch.zeros(1, 2, dtype=torch.float64)
    problem = state_problem(plane, image, None, *checked_bounds(image, (-1, 1)))
    rows = projections._start(problem, 0)._replace(
        x=torch.tensor([[0.0, 0.1]], dtype=torch.float64)
    )
    rows, differences, _ = projections._linearise(problem, rows, 1.0)
    rows, _ = projections._project(problem, rows, differences)
    assert rows.x[0, 0] > 0  # half-way to the image it would still be 0


class Slope(nn.Module):
    """It falls steeply at first, and then so gently that the boundary is very far away."""

    def __init__(self, gentle):
        super().__init__()
        self.gentle = gentle

    def forward(self, images):
        t = images.flatten(1).mean(dim=1)
        fall = torch.where(t < 0.01, 10 * t, 0.1 + self.gentle * (t - 0.01))
        return torch.stack([torch.full_like(t, 0.107), fall], dim=1)


@pytest.mark.parametrize("gentle", [0.008, 0.01, 0.012, 0.03])
def test_a_boundary_that_is_only_far_away_is_reached(gentle):
    """All gradients point the same way, though the steps are long and cut short."""
    image = torch.zeros(1, 1, 4, 4, dtype=torch.float64)
    found = nearest_attack(Slope(gentle).eval(), image)
    assert found.success and found.evaluations < 140
    exact = 0.01 + 0.007 / gentle
    assert exact <= found.distortion.item() <= exact * (1 + 1e-3)


@pytest.mark.parametrize("projections", [3, 4, 5, 30])
def test_the_penalty_is_finite_after_steps_half_way(projections):
    image = torch.zeros(1, 1, 1, 2, dtype=torch.float64)
    found = nearest_attack(Cliff().eval(), image, projections=projections)
    assert found.success and 0 < found.penalty < torch.inf


def test_a_row_that_leaves_early_keeps_its_last_point(generator):
    """A walk that does not cross the boundary either leaves it to be drawn out from there."""
    model = Ripples(generator).eval()
    images = 0.5 + 0.01 * torch.randn(8, 1, 8, 8, generator=generator)
    problem = state_problem(model, images, None, *checked_bounds(images, (0, 1)))
    found = project_repeatedly(problem, steps=30, more=1, on_step=lambda rows: None)
    lost = found.distortion == torch.inf
    assert lost.sum() > 4 and (found.images != problem.images).any(dim=1).all()
    assert (end_on_boundary(problem, found).distortion < torch.inf).all()
