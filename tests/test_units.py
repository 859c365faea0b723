import itertools
import time
from functools import partial

import pytest
import scipy.stats
import torch
from torch import nn

from blindspots import (
    basis_test,
    haar_basis,
    label_agreement,
    pixel_compactness,
    top_images,
    whitening,
)
from blindspots.book.ledger import compare_units
from blindspots.directions import partial_rotations
from blindspots.units import basis_tests, count_detectors, participation_ratio


def one_hot_features(generator, *, classes=50, each=12):
    """Units that each fire for one class alone, by degrees, and the classes."""
    labels = torch.arange(classes).repeat_interleave(each)
    degrees = 0.5 + torch.rand(len(labels), 1, generator=generator)
    return nn.functional.one_hot(labels, classes) * degrees, labels


@pytest.mark.parametrize("d", [1, 2, 7])
def test_haar_basis_is_orthonormal(d, generator):
    basis = haar_basis(d, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(basis.T @ basis, torch.eye(d, dtype=torch.float64))


def test_haar_bases_are_equally_likely(generator):
    """The trace of Q and that of RQ, for a fixed R, are one distribution: QR's own signs fail."""
    bases = torch.stack([haar_basis(3, generator=generator) for _ in range(4000)])
    turned = torch.diag(torch.tensor([-1.0, -1.0, 1.0])) @ bases
    traces = [m.diagonal(dim1=1, dim2=2).sum(dim=1).numpy() for m in (bases, turned)]
    assert scipy.stats.ks_2samp(*traces).pvalue > 0.01
    assert abs((bases.det() > 0).float().mean() - 0.5) < 0.03
    raw = torch.linalg.qr(torch.randn(4000, 3, 3, generator=generator)).Q
    turned = torch.diag(torch.tensor([-1.0, -1.0, 1.0])) @ raw
    traces = [m.diagonal(dim1=1, dim2=2).sum(dim=1).numpy() for m in (raw, turned)]
    assert scipy.stats.ks_2samp(*traces).pvalue < 1e-6


def test_partial_rotation_goes_the_shortest_way(generator):
    angle = torch.tensor(2.5, dtype=torch.float64)
    rotation = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()]).view(2, 2)
    (half,) = partial_rotations(rotation, [0.5])
    torch.testing.assert_close(half[0, 0], (angle / 2).cos())
    rotation = haar_basis(20, generator=generator, dtype=torch.float64)
    rotation[:, 0] *= rotation.det().sign()
    none, third, whole = partial_rotations(rotation, [0, 1 / 3, 1])
    torch.testing.assert_close(third @ third @ third, rotation)
    torch.testing.assert_close(third.T @ third, torch.eye(20).double())
    torch.testing.assert_close(none, torch.eye(20).double())
    torch.testing.assert_close(whole, rotation)
    assert partial_rotations(rotation.float(), [1]).dtype == torch.float32


def test_partial_rotation_refuses_what_is_none():
    with pytest.raises(ValueError, match="change the sign of one column"):
        partial_rotations(torch.diag(torch.tensor([-1.0, 1.0])), [0.5])
    with pytest.raises(ValueError, match="half-turn"):
        partial_rotations(-torch.eye(2), [0.5])
    with pytest.raises(ValueError, match="orthonormal"):
        partial_rotations(torch.ones(2, 2), [0.5])


def test_whitening_is_zca(generator):
    features = torch.randn(500, 6, generator=generator) @ torch.randn(6, 6, generator=generator)
    features = features.double() + 3
    matrix = whitening(features)
    torch.testing.assert_close((features @ matrix).T.cov(), torch.eye(6).double())
    torch.testing.assert_close(matrix, matrix.T)  # of all that whiten, the least change in total
    assert torch.linalg.eigvalsh(matrix).min() > 0
    half = whitening(features, strength=0.5)
    torch.testing.assert_close(half @ half, matrix)
    torch.testing.assert_close(whitening(features, strength=0), torch.eye(6).double())
    assert whitening(features.float()).dtype == torch.float32


def test_whitening_turns_with_the_features(generator):
    """So the test is exact in the whitened space too."""
    features = torch.randn(50, 4, generator=generator).double().cumsum(dim=1)
    rotation = haar_basis(4, generator=generator, dtype=torch.float64)
    there = features @ rotation @ whitening(features @ rotation)
    torch.testing.assert_close(there, features @ whitening(features) @ rotation)


def test_whitening_refuses_dependent_features(generator):
    features = torch.randn(50, 3, generator=generator)
    with pytest.raises(ValueError, match=r"4 features of 50 images .* drop dead units"):
        whitening(torch.cat([features, features.sum(dim=1, keepdim=True)], dim=1))
    with pytest.raises(ValueError, match="linearly dependent"):
        whitening(torch.cat([features, torch.zeros(50, 1)], dim=1))
    many = 30 * torch.randn(2000, 200, generator=generator)  # what is left is rounding, in 32 bits
    with pytest.raises(ValueError, match="linearly dependent"):
        whitening(torch.cat([many, many @ torch.randn(200, 5, generator=generator)], dim=1))


def test_whitening_takes_what_is_nearly_dependent(generator):
    features = torch.randn(500, 3, generator=generator).double()
    features[:, 2] = features[:, 0] + 5e-6 * features[:, 2]
    white = features @ whitening(features)
    assert torch.allclose(white.T.cov(), torch.eye(3).double(), atol=1e-3)


def test_participation_ratio_counts_dimensions(generator):
    basis = haar_basis(5, generator=generator, dtype=torch.float64)
    data = torch.cat([torch.eye(5), -torch.eye(5)]).double()
    scales = torch.tensor([1.0, 1.0, 1.0, 0.0, 0.0]).double()
    assert participation_ratio(data @ basis) == pytest.approx(5)
    assert participation_ratio(data * scales @ basis + 7) == pytest.approx(3)


def test_top_images_reach_farthest(generator):
    features = torch.randn(30, 4, generator=generator)
    directions = torch.randn(2, 4, 3, generator=generator)
    top = top_images(features, directions, k=5)
    for b, m in itertools.product(range(2), range(3)):
        order = (features @ directions[b, :, m]).argsort(descending=True)
        assert top[b, m].tolist() == order[:5].tolist()
    units = top_images(features, torch.eye(4), k=1)
    assert units[:, 0].tolist() == features.argmax(dim=0).tolist()


def test_top_images_refuse_what_does_not_fit():
    features = torch.rand(5, 3)
    for k in (0, 6):
        with pytest.raises(ValueError, match=rf"between 1 and the number of images, 5, got {k}"):
            top_images(features, torch.eye(3), k=k)
    with pytest.raises(ValueError, match="3 features must have 3 rows"):
        top_images(features, torch.eye(4), k=1)


def test_scores_agree_with_a_double_loop(generator):
    images = torch.rand(40, 1, 3, 3, generator=generator).double()
    labels = torch.randint(0, 4, (40,), generator=generator)
    top = torch.stack([torch.randperm(40, generator=generator)[:6] for _ in range(10)])
    top = top.view(2, 5, 6)

    def distance(i, j):
        return ((images[i] - images[j]) ** 2).sum()

    def mean_over_pairs(pair, chosen):
        return torch.stack([pair(i, j) for i, j in itertools.permutations(chosen, 2)]).mean()

    agreement, compactness = label_agreement(labels, top), pixel_compactness(images, top)
    assert agreement.shape == compactness.shape == (2, 5)
    overall = mean_over_pairs(distance, range(40))
    for b, m in itertools.product(range(2), range(5)):
        chosen = top[b, m].tolist()
        same = mean_over_pairs(lambda i, j: (labels[i] == labels[j]).double(), chosen)
        torch.testing.assert_close(agreement[b, m].double(), same)
        spread = mean_over_pairs(distance, chosen)
        torch.testing.assert_close(compactness[b, m], 1 - spread / overall)


def test_compactness_of_many_directions_is_computed_in_parts(generator, monkeypatch):
    images = torch.rand(20, 1, 3, 3, generator=generator)
    top = torch.randint(0, 20, (4, 5, 3), generator=generator)
    whole = pixel_compactness(images, top)
    monkeypatch.setattr("blindspots.units.PIXELS_AT_ONCE", 20)
    torch.testing.assert_close(pixel_compactness(images, top), whole)


def test_scores_refuse_one_image_and_equal_images():
    top = torch.zeros(3, 1, dtype=torch.long)
    with pytest.raises(ValueError, match="at least two top images"):
        label_agreement(torch.zeros(4, dtype=torch.long), top)
    with pytest.raises(ValueError, match="at least two top images"):
        pixel_compactness(torch.rand(4, 2), top)
    with pytest.raises(ValueError, match="all images are equal"):
        pixel_compactness(torch.ones(4, 2), top.expand(3, 2))


def test_units_that_mean_something_are_told_from_their_rotations(generator):
    features, labels = one_hot_features(generator)
    agreement = partial(label_agreement, labels)
    result = basis_test(features, agreement, k=8, rotations=199, generator=generator)
    assert result.natural.tolist() == [1.0] * 50 and result.rotated.shape == (199, 50)
    assert result.pvalue == 2 / 200 and result.superiority > 0.9
    turned = features @ haar_basis(50, generator=generator)
    hidden = basis_test(turned, agreement, k=8, rotations=199, generator=generator)
    assert hidden.pvalue > 0.1 and abs(hidden.superiority - 0.5) < 0.1


def test_less_coherent_units_are_told_too(generator):
    """Each unit sees the classes, but also a few images that excite it alone, and most of all."""
    labels = torch.arange(300) % 2
    shared = labels[:, None] * torch.randn(60, generator=generator) * 4
    alone = torch.rand(300, 60, generator=generator) < 0.03
    features = shared + 20 * alone + torch.rand(300, 60, generator=generator)
    score = partial(label_agreement, labels)
    result = basis_test(features, score, k=8, rotations=99, generator=generator)
    assert result.pvalue == 2 / 100 and result.superiority < 0.44
    assert result.natural.mean() < result.rotated.mean()


def test_other_directions_than_the_axes_can_be_tested(generator):
    features, labels = one_hot_features(generator)
    rotation = haar_basis(50, generator=generator)
    score = partial(label_agreement, labels)
    options = {"directions": rotation, "rotations": 99, "generator": generator}
    found = basis_test(features @ rotation, score, **options)
    assert found.natural.mean() < 1
    options["directions"] = rotation.T
    found = basis_test(features @ rotation, score, **options)
    torch.testing.assert_close(found.natural, torch.ones(50))  # the units are found again
    assert found.pvalue == 2 / 100
    one = basis_test(features, score, directions=torch.eye(50)[:, :1], rotations=9)
    assert one.natural.shape == (1,) and one.rotated.shape == (9, 1)


def test_units_do_not_change_when_only_the_inner_product_does(generator):
    features = torch.randn(80, 5, generator=generator).double().cumsum(dim=1)
    labels = torch.randint(0, 3, (80,), generator=generator)
    score = partial(label_agreement, labels)
    matrix = whitening(features)
    raw = basis_test(features, score, rotations=9, generator=generator)
    white = basis_test(
        features @ matrix, score, directions=matrix.inverse(), rotations=9, generator=generator
    )
    assert torch.equal(raw.natural, white.natural)


def test_detectors_are_counted_once_per_label():
    labels = torch.tensor([0, 0, 0, 1, 1, 1, 2, 2, 2])
    top = torch.tensor([[0, 1, 2], [0, 1, 3], [3, 4, 6], [6, 3, 0]])
    assert count_detectors(labels, top).item() == 2
    assert count_detectors(labels, torch.tensor([[0, 3, 1, 4], [6, 0, 3, 7]])).item() == 2
    assert count_detectors(labels, torch.stack([top, top[[3, 3, 3, 3]]])).tolist() == [2, 0]


@pytest.mark.parametrize("score", ["label agreement, raw", "pixel compactness, whitened"])
def test_the_test_is_calibrated(generator, score):
    """Layers that are random rotations of something else: the null hypothesis is true."""
    layers = 400
    labels = torch.randint(0, 3, (60,), generator=generator)
    images = labels[:, None] + torch.randn(60, 9, generator=generator)
    coherence = {
        "label agreement, raw": partial(label_agreement, labels),
        "pixel compactness, whitened": partial(pixel_compactness, images),
    }[score]
    pvalues = []
    for _ in range(layers):
        hidden = torch.randn(60, 6, generator=generator) + nn.functional.one_hot(labels, 6)
        features = hidden.exp() @ haar_basis(6, generator=generator)
        if "whitened" in score:
            features = features @ whitening(features)
        result = basis_test(features, coherence, k=5, rotations=39, generator=generator)
        pvalues.append(result.pvalue)
    rejected = sum(p <= 0.05 for p in pvalues) / layers
    assert 0.02 <= rejected <= 0.08
    assert 0.4 <= sum(p <= 0.5 for p in pvalues) / layers <= 0.6


def test_results_do_not_depend_on_how_many_are_sorted_at_once(generator, monkeypatch):
    features, labels = one_hot_features(generator, classes=10)
    results = []
    for limit in (1, 2**24):
        monkeypatch.setattr("blindspots.units.SORTED_AT_ONCE", {"cpu": limit})
        seeded = torch.Generator().manual_seed(3)
        score = partial(label_agreement, labels)
        results.append(basis_test(features, score, rotations=19, generator=seeded))
    assert torch.equal(results[0].rotated, results[1].rotated)


def test_several_scores_at_once_are_those_of_one_by_one(generator):
    features, labels = one_hot_features(generator, classes=10)
    images = torch.rand(len(labels), 1, 4, 4, generator=generator)
    short = {"few": lambda top: label_agreement(labels, top[..., :3])}
    scores = short | {"pixels": partial(pixel_compactness, images)}
    options = {"k": 8, "rotations": 19}
    seeded = [torch.Generator().manual_seed(3) for _ in range(3)]
    both = basis_tests(features, scores, **options, generator=seeded[0])
    pixels = basis_test(features, scores["pixels"], **options, generator=seeded[1])
    assert torch.equal(both["pixels"].rotated, pixels.rotated)
    assert both["pixels"].pvalue == pixels.pvalue
    options["k"] = 3
    few = basis_test(features, partial(label_agreement, labels), **options, generator=seeded[2])
    assert torch.equal(both["few"].rotated, few.rotated)


def test_the_order_of_the_images_decides_nothing(generator):
    """Units that two of 200 images excite, in a set sorted by label: the other six are a draw."""
    labels = torch.arange(10).repeat_interleave(20)
    features = torch.zeros(200, 30)
    for unit in features.unbind(dim=1):
        unit[torch.randperm(200, generator=generator)[:2]] = 1 + torch.rand(2, generator=generator)
    result = basis_test(
        features, partial(label_agreement, labels), k=8, rotations=99, generator=generator
    )
    assert result.natural.mean() < 0.2  # chance is 0.1; in their order the agreement is above 0.5
    assert result.pvalue > 0.05


def test_superiority_counts_ties_half(generator):
    features, labels = one_hot_features(generator, classes=4)
    same = basis_test(features, lambda top: torch.zeros(top.shape[:-1]), rotations=9)
    assert same.pvalue == 1 and same.superiority == 0.5
    result = basis_test(
        features, partial(label_agreement, labels), rotations=49, generator=generator
    )
    pairs = result.natural[:, None] - result.rotated.flatten()
    expected = (pairs > 0).double().mean() + (pairs == 0).double().mean() / 2
    assert result.superiority == pytest.approx(expected.item())


def test_basis_test_refuses_what_it_cannot_decide():
    features, score = torch.rand(20, 3), partial(label_agreement, torch.zeros(20).long())
    with pytest.raises(ValueError, match=r"1 of 4 units are dead .* drop them"):
        basis_test(torch.cat([features, torch.zeros(20, 1)], dim=1), score)
    with pytest.raises(ValueError, match="finite"):
        basis_test(features / torch.tensor([1.0, 1.0, 0.0]), score)
    with pytest.raises(ValueError, match="at least one random basis"):
        basis_test(features, score, rotations=0)
    with pytest.raises(ValueError, match="between 1 and the number of images, 20, got 21"):
        basis_test(features, score, k=21)


def test_an_untrained_sigmoid_layer_makes_no_distinction(test):
    """Random weights hardly know their coordinates."""
    superiorities = []
    for seed in range(5):
        generator = torch.Generator().manual_seed(seed)
        weights = torch.randn(64, 100, generator=generator) / 8
        features = (test.images.flatten(1) @ weights).sigmoid()
        score = partial(label_agreement, test.labels)
        result = basis_test(features, score, rotations=49, generator=generator)
        superiorities.append(result.superiority)
    assert compare_units(torch.tensor(superiorities)) == "no distinction"


def test_on_any_device(device, generator):
    features, labels = one_hot_features(generator)
    images = torch.rand(len(labels), 1, 4, 4, generator=generator)
    here = basis_test(
        features, partial(pixel_compactness, images), generator=generator.clone_state()
    )
    there = basis_test(
        features.to(device), partial(pixel_compactness, images.to(device)), generator=generator
    )
    assert there.rotated.device.type == device
    torch.testing.assert_close(there.natural.cpu(), here.natural)
    assert there.superiority == pytest.approx(here.superiority, abs=0.01)
    agreement = label_agreement(
        labels.to(device), top_images(features.to(device), torch.eye(50, device=device), k=8)
    )
    assert agreement.tolist() == [1.0] * 50


def test_its_time_goes_into_products_and_top_images(generator):
    """At most four times what these alone cost; sorting all images would cost ten times more."""
    features, images = torch.randn(10_000, 100, generator=generator), torch.rand(10_000, 784)
    score, rotations = partial(pixel_compactness, images), 100

    def alone():
        for basis in torch.linalg.qr(torch.randn(rotations, 100, 100)).Q:
            top = (basis.T @ features.T).topk(8).indices
            nn.functional.embedding_bag(top, images, mode="mean")

    def tested():
        basis_test(features, score, rotations=rotations, generator=generator)

    assert processor_seconds(tested) < 4 * processor_seconds(alone)


def processor_seconds(function):
    """What the function takes, warm."""
    function()
    start = time.process_time()
    function()
    return time.process_time() - start


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_a_gpu_tests_a_thousand_bases_in_a_second(generator):
    features = torch.randn(10_000, 100, generator=generator).sigmoid().cuda()
    score = partial(pixel_compactness, torch.rand(10_000, 784, generator=generator).cuda())
    generator = torch.Generator("cuda").manual_seed(0)
    basis_test(features, score, rotations=1)
    start = time.perf_counter()
    basis_test(features, score, rotations=999, generator=generator)
    assert time.perf_counter() - start < 1
