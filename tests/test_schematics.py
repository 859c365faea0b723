"""The sketches: legible, small, and true where they are computed."""

from itertools import combinations

import pytest
import torch

from blindspots.book import schematics

SKETCHES = [
    schematics.level_set_and_polytope,
    schematics.plane_pocket_dust,
    schematics.raw_and_white,
    schematics.folded_frequencies,
    schematics.penalty_search,
    schematics.who_attacks_whom,
]


@pytest.fixture
def drawn(monkeypatch):
    """Draw a sketch, and give the figure in place of its file."""
    monkeypatch.setattr(schematics, "_as_svg", lambda figure: figure)
    return lambda sketch: sketch()


@pytest.mark.parametrize("sketch", SKETCHES)
def test_a_sketch_is_a_small_file_and_the_same_each_time(sketch):
    first = sketch().data
    assert first.startswith("<svg") and len(first) < 200_000
    assert first == sketch().data


@pytest.mark.parametrize("sketch", SKETCHES)
def test_words_lie_in_the_picture_and_apart(drawn, sketch):
    figure = drawn(sketch)
    figure.canvas.draw()
    (axes, page), texts = (figure.axes, figure.bbox), []
    for axis in axes:
        texts += [t for t in [*axis.texts, axis.title] if t.get_text()]
    boxes = [text.get_window_extent() for text in texts]
    assert len(boxes) >= 3
    for text, box in zip(texts, boxes, strict=True):
        assert page.x0 <= box.x0 and box.x1 <= page.x1, text
        assert page.y0 <= box.y0 and box.y1 <= page.y1, text
        assert text.get_fontsize() >= 9  # on a phone the picture is about half as wide
    for (one, box), (other, second) in combinations(zip(texts, boxes, strict=True), 2):
        assert not box.overlaps(second), (one, other)


def test_the_exact_minimum_is_nearer_than_where_the_cross_entropy_ends(drawn):
    """And both ends lie where the target begins, on the drawn level set only the second."""
    (axis,) = drawn(schematics.level_set_and_polytope).axes
    paths = [line.get_xydata() for line in axis.lines if len(line.get_xydata()) == 2]
    exact, entropy = (torch.tensor(path) for path in paths)
    assert (exact[0] == entropy[0]).all()
    lengths = [(path[1] - path[0]).norm() for path in (exact, entropy)]
    assert lengths[0] < 0.99 * lengths[1]
    gaps = []
    for collection in axis.collections[1:]:
        ends = [torch.tensor(p.vertices) for p in collection.get_paths() if len(p.vertices)]
        gaps.append([torch.cdist(path[1:], torch.cat(ends)).min() for path in (exact, entropy)])
    boundary, _, level = gaps
    assert max(boundary) < 0.01 and level[1] < 0.01 < level[0]


def test_white_directions_crowd_where_the_cloud_is_thin(drawn):
    raw, white = drawn(schematics.raw_and_white).axes
    spread = []
    for axis in (raw, white):
        cloud = torch.as_tensor(axis.collections[0].get_offsets().data)
        ends = torch.tensor([a.xy for a in axis.texts if not a.get_text()][:12])
        _, _, principal = torch.linalg.svd(cloud - cloud.mean(dim=0), full_matrices=False)
        along, across = (ends.double() @ principal.T).abs().unbind(dim=1)
        spread.append((across > along).double().mean())
    assert spread[0] == pytest.approx(0.5, abs=0.1) and spread[1] > 0.8


@pytest.mark.parametrize(("size", "stride"), [(8, 2), (9, 3), (8, 4)])
def test_folded_frequencies_are_those_that_aliasing_joins(monkeypatch, size, stride):
    """A wave of each frequency, sampled, is the wave of the frequency that it is joined with."""
    monkeypatch.setattr(schematics, "_as_svg", lambda figure: figure)
    (axis,) = schematics.folded_frequencies(size, stride).axes
    numbers = {t.get_position(): int(t.get_text()) for t in axis.texts if t.get_text().isdigit()}
    joined = [
        (numbers[start, 1.0], numbers[end, 0.0])
        for start, end in (x.get_xdata() for x in axis.lines if len(x.get_xdata()) == 2)
    ]
    assert [frequency for frequency, _ in joined] == list(range(size))
    places = torch.arange(0, size, stride)
    for frequency, folded in joined:
        wave = torch.exp(2j * torch.pi * frequency * places / size)
        kept = torch.exp(2j * torch.pi * folded * torch.arange(size // stride) * stride / size)
        assert torch.allclose(wave, kept, atol=1e-5)
