import base64
import io
import re

import ipywidgets
import pytest
import torch
from matplotlib.colors import to_hex
from PIL import Image
from torchvision.transforms import functional

from blindspots import load_images
from blindspots.book import figures


def images(n):
    return torch.linspace(0, 1, n * 16).view(n, 1, 4, 4)


def shown(axis):
    return torch.tensor(axis.images[0].get_array().filled())


def test_grid_shows_each_image_under_its_title():
    figure = figures.image_grid(images(5), columns=3, titles=list("abcde"))
    axes = figure.axes
    assert len(axes) == 6 and [a.get_title() for a in axes] == [*"abcde", ""]
    for axis, image in zip(axes, images(5), strict=False):
        assert torch.equal(shown(axis), image[0])
        assert axis.images[0].get_clim() == (0, 1)  # not stretched to the image's own range


def test_signed_images_are_white_at_zero():
    figure = figures.image_grid(images(1) - 0.2, columns=1, signed=True)
    low, high = figure.axes[0].images[0].get_clim()
    assert low == -high == pytest.approx(-0.8)


def test_titles_must_match():
    with pytest.raises(ValueError, match="5 images need as many titles, got 2"):
        figures.image_grid(images(5), columns=3, titles=["a", "b"])


def test_perturbations_are_amplified_and_labelled():
    figure = figures.perturbation_grid(
        images(2), images(2) + 0.1, before=["7", "2"], after=["3", "8"], amplification=5
    )
    axes = figure.axes
    assert [a.get_title() for a in axes] == ["7", "2", "", "", "3", "8"]
    assert torch.allclose(shown(axes[2]), torch.full((4, 4), 0.5))
    assert "× 5" in axes[2].get_ylabel()


def test_differences_in_colour_are_drawn_around_grey():
    pictures = torch.rand(1, 3, 4, 4) / 2
    figure = figures.perturbation_grid(
        pictures, pictures + 0.1, before=["cat"], after=["ostrich"], amplification=5
    )
    assert torch.allclose(shown(figure.axes[1]), torch.tensor(0.75), atol=1e-6)
    same = figures.perturbation_grid(
        pictures, pictures, before=["cat"], after=["cat"], amplification=5
    )
    assert torch.allclose(shown(same.axes[1]), torch.tensor(0.5))


def test_files_in_the_page_hold_exactly_the_pixels():
    levels = torch.randint(0, 256, (3, 5, 7))
    page = figures.file_links({"a <b>.png": levels / 255}).data
    name, url = re.search('download="(.+?)" href="data:image/png;base64,(.+?)"', page).groups()
    assert name == "a &lt;b&gt;.png"
    picture = Image.open(io.BytesIO(base64.b64decode(url))).convert("RGB")
    assert (functional.pil_to_tensor(picture) == levels).all()


def test_prediction_panel_marks_label_and_target():
    figure = figures.prediction_panel(
        images(1)[0], images(1)[0], torch.tensor([0.1, 0.2, 0.7]), label=0, target=2
    )
    bars = figure.axes[-1].patches
    assert [bar.get_height() for bar in bars] == pytest.approx([0.1, 0.2, 0.7])
    colors = [to_hex(bar.get_facecolor()) for bar in bars]
    assert colors == [figures.BLUE, figures.GREY, figures.RED]


def test_search_curve_separates_successes():
    figure = figures.search_curve([0.1, 1, 10], [0.3, 0.2, 0.1], [True, True, False])
    (axis,) = figure.axes
    points = {c.get_label(): c.get_offsets().tolist() for c in axis.collections}
    assert points["target predicted"] == [[0.1, 0.3], [1, 0.2]]
    assert points["target not predicted"] == [[10, 0.1]]
    assert len(figures.search_curve([1], [0.2], [False]).axes[0].collections) == 1


def test_histograms_mark_the_pooled_distortion_and_the_papers():
    values = torch.tensor([0.1, 0.2, 0.2])
    figure = figures.distortion_histogram({"a": values, "b": values}, marks={"a": 0.15, "b": None})
    first, second = figure.axes
    pooled = values.square().mean().sqrt().item()
    assert [line.get_xdata()[0] for line in first.lines] == pytest.approx([pooled, 0.15])
    assert len(second.lines) == 1
    assert sum(bar.get_height() for bar in first.patches) == 3


def test_dot_plot_has_a_point_per_row_and_series():
    figure = figures.dot_plot(["x", "y"], {"ours": [1.0, 2.0], "paper": [3.0, 4.0]}, xlabel="%")
    offsets = [c.get_offsets().tolist() for c in figure.axes[0].collections]
    assert offsets == [[[1, 0], [2, 1]], [[3, 0], [4, 1]]]


def test_heat_maps_print_percentages_and_signed_differences():
    shares = torch.tensor([[0.0, 1.0], [0.25, 0.5]])
    figure = figures.heat_maps(
        {"a": shares, "b": shares, "a - b": shares - 0.5},
        sources=["x", "y"],
        receivers=["p", "q"],
        differences=["a - b"],
    )
    texts = [[t.get_text() for t in axis.texts] for axis in figure.axes[:3]]
    assert texts[0] == ["0", "100", "25", "50"] and texts[2] == ["-50", "+50", "-25", "+0"]
    assert figure.axes[0].images[0].get_clim() == (0, 1)
    assert figure.axes[2].images[0].get_clim() == (-0.5, 0.5)  # white at zero
    assert [t.get_text() for t in figure.axes[0].get_xticklabels()] == ["p", "q"]


def test_interval_plot_draws_bands_and_markers():
    figure = figures.interval_plot(
        ["x", "y"], ([1, 2], [3, 5]), {"ours": [2, 3], "paper": [0, 4]}, xlabel="%"
    )
    bands, ours, paper = figure.axes[0].collections
    assert [s[:, 0].tolist() for s in bands.get_segments()] == [[1, 3], [2, 5]]
    assert ours.get_offsets().tolist() == [[2, 0], [3, 1]]
    assert paper.get_offsets().tolist() == [[0, 0], [4, 1]]


def test_row_grid_names_its_rows():
    figure = figures.row_grid({"A": images(3), "B": images(2)})
    assert len(figure.axes) == 6
    assert [axis.texts[0].get_text() for axis in figure.axes if axis.texts] == ["A", "B"]
    assert [len(axis.images) for axis in figure.axes] == [1, 1, 1, 1, 1, 0]


def test_null_histograms_show_chance_and_what_was_observed():
    figure = figures.null_histograms(
        {"raw": ([0.1, 0.2, 0.2], 0.9), "white": ([0.3], 0.4)}, xlabel="score", observed="units"
    )
    raw, white = figure.axes
    assert raw.get_title() == "raw" and sum(p.get_height() for p in raw.patches) == 3
    assert list(raw.lines[0].get_xdata()) == [0.9, 0.9]
    assert list(white.lines[0].get_xdata()) == [0.4, 0.4]


def test_interval_plot_shades_a_zone():
    figure = figures.interval_plot(["x"], ([1], [3]), {"a": [2]}, xlabel="", zone=(1.5, 2.5))
    (zone,) = figure.axes[0].patches
    assert zone.get_x() == 1.5 and zone.get_width() == 1


def test_interval_plot_has_a_line_and_a_name_for_each_section():
    rows, ends = ["x", "y", "z"], ([1, 2, 3], [3, 5, 6])
    figure = figures.interval_plot(
        rows, ends, {"a": [2, 3, 4]}, xlabel="", sections=["one", "two", "two"]
    )
    (axis,) = figure.axes
    assert [t.get_text() for t in axis.texts] == ["one", "two"]
    at = [y for _, y in axis.collections[-1].get_offsets()]
    lines = [line.get_ydata()[0] for line in axis.lines]
    assert lines[0] < axis.texts[0].get_position()[1] < at[0] < lines[1] < at[1] < at[2]
    with pytest.raises(ValueError, match="3 rows need as many sections, got 1"):
        figures.interval_plot(rows, ends, {"a": [2, 3, 4]}, xlabel="", sections=["one"])


def test_cost_plot_has_a_colour_per_library_and_a_shape_per_attack():
    settings = [("us", "a", 1.0, 1.0)] + [
        (library, attack, 2.0, 1.01) for library in ("A", "B") for attack in ("x", "y")
    ]
    figure = figures.cost_plot({"": settings}, ours="us", xlabel="", ylabel="")
    _, *handles = figure.legends[0].legend_handles
    look = {(h.get_color(), h.get_marker()) for h in handles}
    assert len(look) == 4 == len({c for c, _ in look}) * len({m for _, m in look})


def test_controls_are_grey_and_dashed():
    figure = figures.curves(
        {"real": ([1, 2], [3, 4]), "noise": ([1, 2], [0, 0])},
        controls=["noise"],
        xlabel="size",
        ylabel="error",
    )
    real, noise = figure.axes[0].lines
    assert (noise.get_linestyle(), noise.get_color()) == ("--", figures.GREY)
    assert real.get_linestyle() == "-" and real.get_ydata().tolist() == [3, 4]


def test_curves_have_bands_in_their_colour():
    figure = figures.curves(
        {"a": ([1, 2], [3, 4]), "b": ([1, 2], [5, 6])},
        bands={"b": ([4, 5], [6, 7])},
        xlabel="x",
        ylabel="y",
    )
    (band,) = figure.axes[0].collections
    assert to_hex(band.get_facecolor()[0]) == to_hex(figure.axes[0].lines[1].get_color())
    heights = {tuple(point) for point in band.get_paths()[0].vertices.tolist()}
    assert heights >= {(1, 4), (2, 5), (1, 6), (2, 7)}


def test_curves_may_be_logarithmic():
    lines = {"a": ([1, 10], [0.01, 1])}
    (axis,) = figures.curves(lines, xlabel="x", ylabel="y", yscale="log").axes
    assert (axis.get_xscale(), axis.get_yscale()) == ("linear", "log")
    assert axis.yaxis.get_major_formatter()(0.01, 0) == "0.01"


def test_scatter_draws_each_group_in_its_own_marker():
    groups = {"a": ([1, 2], [3, 4]), "b": ([5], [6])}
    (axis,) = figures.scatter(groups, xlabel="x", ylabel="y", xscale="log").axes
    assert [c.get_offsets().tolist() for c in axis.collections] == [[[1, 3], [2, 4]], [[5, 6]]]
    assert (axis.get_xscale(), axis.get_yscale()) == ("log", "linear")
    assert len(axis.lines) == 0


def test_scatter_may_draw_the_line_where_both_agree():
    (axis,) = figures.scatter({"a": ([1], [3])}, xlabel="x", ylabel="y", diagonal=True).axes
    assert (axis.lines[0].get_xy1(), axis.lines[0].get_slope()) == ((0, 0), 1)


def test_images_have_no_grid():
    figure = figures.heat_maps({"A": torch.eye(2)}, sources=["p", "q"], receivers=["p", "q"])
    assert not any(line.get_visible() for line in figure.axes[0].get_xgridlines())
    (axis,) = figures.scatter({"a": ([1], [3])}, xlabel="x", ylabel="y").axes
    assert all(line.get_visible() for line in axis.get_xgridlines())


def test_table_is_accessible_and_escaped():
    html = figures.table({"name": ["<a>", "b"], "value": [1, 2.5]}, caption="A & B").data
    assert '<th scope="row">&lt;a&gt;</th><td>1</td>' in html
    assert "<caption>A &amp; B</caption>" in html and '<th scope="col">value</th>' in html
    assert 'role="region" tabindex="0" aria-label="A &amp; B"' in html  # scrolls by keyboard
    rows = figures.table({"n": [2, 3], "square": lambda n: n**2}, caption="").data
    assert "2</th><td>4</td>" in rows and "3</th><td>9</td>" in rows
    with pytest.raises(ValueError, match=r"equally long, got \{'a': 1, 'b': 2\}"):
        figures.table({"a": [1], "b": [1, 2]}, caption="")


def test_notice_tells_when_the_data_are_not_the_papers():
    digits = load_images("digits", split="test")
    assert "The paper used MNIST" in figures.data_notice(digits).data
    mnist = type(digits)(digits.images, digits.labels, "MNIST")
    assert "The paper used MNIST" not in figures.data_notice(mnist).data


def test_flipbook_links_the_slider_to_described_pictures(monkeypatch):
    links = []
    monkeypatch.setattr(ipywidgets, "jslink", lambda *ends: links.append(ends))
    pages = [figures.image_grid(images(1), columns=1) for _ in range(3)]
    book = figures.flipbook(
        pages, labels=["<1>", "2", "3"], alts=["one", "two", "three"], name="n", caption="A & B"
    )
    slider, stack, below = book.children
    assert ">A &amp; B</p>" in below.value
    assert links == [((slider, "value"), (stack, "selected_index"))]
    assert slider.max == 2 and len(stack.children) == 3
    first = stack.children[0].value
    assert 'alt="one"' in first and "&lt;1&gt;" in first
    picture = base64.b64decode(re.search(r"base64,([^\"]+)", first).group(1))
    assert picture.startswith(b"\x89PNG")
    with pytest.raises(ValueError, match="2 figures need as many labels"):
        figures.flipbook(pages[:2], labels=["1"], alts=["one"], name="n", caption="")


def test_search_path_keeps_the_order_and_colours_the_successes():
    figure = figures.search_path([1.0, 10.0, 3.0], [-2.0, 3.0, -0.1], [0.1, 4, 1])
    tries, losses = (axis.collections[0] for axis in figure.axes)
    assert tries.get_offsets().tolist() == [[1, 1.0], [2, 10.0], [3, 3.0]]
    assert losses.get_offsets().tolist() == [[-2.0, 0.1], [3.0, 4.0], [-0.1, 1.0]]
    colors = [to_hex(color) for color in tries.get_facecolors()]
    assert colors == [figures.RED, figures.BLUE, figures.RED]


def test_cost_plot_joins_ours_and_leaves_out_what_is_too_far():
    panels = {
        "easy": [("us", "a", 2.0, 0.9), ("us", "a", 1.0, 1.0), ("them", "b", 3.0, 1.05)],
        "hard": [("us", "a", 2.0, 0.8), ("them", "b", 3.0, 2.0), ("them", "c", 3.0, 1.03)],
    }
    figure = figures.cost_plot(panels, ours="us", xlabel="cost", ylabel="distance")
    easy, hard = figure.axes
    assert easy.get_title() == "easy" and easy.get_xscale() == "log"
    assert easy.lines[0].get_xydata().tolist() == [[1.0, 1.0], [2.0, 0.9]]
    assert [c.get_offsets().tolist() for c in easy.collections] == [[[3.0, 1.05]]]
    assert [c.get_offsets().tolist() for c in hard.collections] == [[[3.0, 1.03]]]
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["us", "them b", "them c"]
