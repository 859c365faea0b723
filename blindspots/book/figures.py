"""Pictures and tables of the book. Importing it sets the book's style for matplotlib."""

import base64
import html
import io
from collections.abc import Callable, Mapping, Sequence
from itertools import cycle, product
from typing import Any, Literal

import ipywidgets
import matplotlib.pyplot as plt
import torch
from IPython.display import HTML
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from torch import Tensor

from blindspots.data import LabelledImages

plt.style.use("blindspots.book.blindspots")
WIDTH = plt.rcParams["figure.figsize"][0]
BLUE, RED, GREY = "#2166ac", "#b2182b", "#8c8c8c"
Scale = Literal["linear", "log"]
MARKERS = ((RED, "D"), (BLUE, "o"), (GREY, "s"), ("black", "^"))


def image_grid(
    images: Float[Tensor, "n c h w"],
    *,
    columns: int,
    titles: Sequence[str] = (),
    signed: bool = False,
) -> Figure:
    """Draw images row by row.

    Args:
        images: in [0, 1], or of any sign.
        columns: images per row.
        titles: one above each image, or none.
        signed: blue for negative, white for zero, red for positive, each image to its own scale.

    Raises:
        ValueError: if there are titles, but not one per image.
    """
    if titles and len(titles) != len(images):
        raise ValueError(f"{len(images)} images need as many titles, got {len(titles)}")
    rows = -(-len(images) // columns)
    height = rows * (WIDTH / columns + (0.28 if titles else 0.0))
    figure, axes = _image_axes(rows, columns, height)
    titles = titles or [""] * len(images)
    for axis, image, title in zip(axes.flat, images, titles, strict=False):
        _show(axis, image, title, signed=signed)
    return finished(figure)


def row_grid(rows: Mapping[str, Float[Tensor, "n c h w"]]) -> Figure:
    """Draw one row of images per name, with the name at its left."""
    columns = max(len(images) for images in rows.values())
    height = len(rows) * ((WIDTH - 0.6) / columns + 0.05)
    figure, axes = _image_axes(len(rows), columns, height, layout="none")
    figure.subplots_adjust(0.6 / WIDTH, 0, 1, 1, wspace=0.04, hspace=0.08)
    for line, (name, images) in zip(axes, rows.items(), strict=True):
        line[0].text(-0.15, 0.5, name, transform=line[0].transAxes, ha="right", va="center")
        for axis, image in zip(line, images, strict=False):
            _show(axis, image)
    return finished(figure)


def perturbation_grid(
    originals: Float[Tensor, "n c h w"],
    perturbed: Float[Tensor, "n c h w"],
    *,
    before: Sequence[str],
    after: Sequence[str],
    amplification: float,
) -> Figure:
    """Draw three rows: the originals, the amplified differences, the perturbed images.

    Args:
        originals: images in [0, 1].
        perturbed: the same images with their perturbation.
        before: what to write above each original, such as what a person sees.
        after: what to write above each perturbed image, such as what the network says.
        amplification: factor of the differences: white is no change, a saturated colour is a
            change of 1 / amplification. Of pictures in colour: grey is no change.
    """
    count = len(originals)
    figure, axes = _image_axes(3, count, 3 * (WIDTH - 0.3) / count + 0.9)
    difference = (perturbed - originals) * amplification
    coloured = originals.shape[1] > 1
    if coloured:
        difference = (0.5 + difference / 2).clamp(0, 1)
    names = "original", f"difference × {amplification:g}", "adversarial"
    rows = (originals, before), (difference, [""] * count), (perturbed, after)
    for line, name, (pictures, titles) in zip(axes, names, rows, strict=True):
        line[0].set_ylabel(name, fontsize=9)
        for axis, picture, title in zip(line, pictures, titles, strict=True):
            signed = pictures is difference and not coloured
            _show(axis, picture, title, signed=signed, limit=1.0)
    return finished(figure)


def prediction_panel(
    original: Float[Tensor, "c h w"],
    perturbed: Float[Tensor, "c h w"],
    probabilities: Float[Tensor, "k"],
    *,
    label: int,
    target: int,
) -> Figure:
    """Draw original, difference and perturbed image, and how the network classifies the last.

    Args:
        original: an image in [0, 1].
        perturbed: the same image with its perturbation.
        probabilities: of each class, for the perturbed image.
        label: the true class, drawn in blue.
        target: the wanted wrong class, drawn in red.
    """
    pictures = {"original": original, "difference": perturbed - original, "perturbed": perturbed}
    figure, axes = plt.subplot_mosaic(
        [[*pictures], ["classes"] * 3], figsize=(WIDTH, 3.6), height_ratios=(3, 2)
    )
    for title, picture in pictures.items():
        _show(axes[title], picture, signed=title == "difference", limit=0.5)
        axes[title].set_title(title)
        axes[title].set_axis_off()
    axis, classes = axes["classes"], range(len(probabilities))
    colors = [BLUE if c == label else RED if c == target else GREY for c in classes]
    axis.bar(classes, probabilities.tolist(), color=colors)
    axis.set(ylim=(0, 1), xlabel="class", ylabel="probability", xticks=classes)
    axis.spines[["top", "right"]].set_visible(False)
    return finished(figure)


def search_curve(
    penalties: Sequence[float], distortions: Sequence[float], success: Sequence[bool]
) -> Figure:
    """Plot distortion against penalty, with successes and failures marked differently."""
    figure, axis = plt.subplots(figsize=(WIDTH, 3.2))
    axis.plot(penalties, distortions, color=GREY, zorder=1)
    tried = list(zip(success, penalties, distortions, strict=True))
    for wanted, color, marker, name in (
        (True, RED, "o", "target predicted"),
        (False, BLUE, "s", "target not predicted"),
    ):
        if points := [point for predicted, *point in tried if predicted == wanted]:
            axis.scatter(*zip(*points, strict=True), color=color, marker=marker, label=name)
    axis.set(xscale="log", xlabel="penalty", ylabel="distortion", ylim=(0, None))
    axis.legend()
    return finished(figure)


def search_path(
    penalties: Sequence[float], margins: Sequence[float], losses: Sequence[float]
) -> Figure:
    """Plot the penalties that a search tries, in order, and the losses that it meets.

    A negative margin is a success, and red. The losses are drawn against the margins, so that a
    vertical line is the decision boundary.
    """
    figure, (upper, lower) = plt.subplots(2, figsize=(WIDTH, 5.6))
    colors = [RED if margin < 0 else BLUE for margin in margins]
    steps = range(1, len(penalties) + 1)
    for axis, x, y in ((upper, steps, penalties), (lower, margins, losses)):
        axis.plot(x, y, color=GREY, linewidth=0.8, zorder=1)
        axis.scatter(x, y, color=colors, s=26, zorder=2)
        axis.margins(0.1)
    upper.set(yscale="log", xlabel="try", ylabel="penalty", xticks=steps)
    upper.yaxis.set_major_formatter("{x:g}")
    upper.yaxis.set_minor_formatter("{x:g}")
    lower.set(xlabel="margin (target predicted to the left of 0)", ylabel="loss")
    lower.axvline(0, color="black", linewidth=1)
    return finished(figure)


def cost_plot(
    panels: Mapping[str, Sequence[tuple[str, str, float, float]]],
    *,
    ours: str,
    xlabel: str,
    ylabel: str,
    line: bool = True,
    highest: float = 1.06,
) -> Figure:
    """Plot distance against cost, one panel per contest, two panels in a row.

    Args:
        panels: per title, the settings: a library, its attack, the cost and the distance of each.
        ours: the library whose settings stand out.
        xlabel: what the cost is; its axis is logarithmic.
        ylabel: what the distance is.
        line: join our settings, which are then those of one network.
        highest: settings beyond this distance are not drawn.
    """
    columns = min(2, len(panels))
    rows = -(-len(panels) // columns)
    size = (WIDTH, 2.6 * rows + 0.8)
    figure, axes = plt.subplots(
        rows, columns, figsize=size, sharex=True, sharey=True, squeeze=False
    )
    lowest = min(distance for settings in panels.values() for *_, distance in settings) - 0.005
    width = plt.rcParams["lines.linewidth"] if line else 0.0
    others = {row[:2]: None for rows in panels.values() for row in rows if row[0] != ours}
    libraries = dict.fromkeys(library for library, _ in others)
    colors = dict(zip(libraries, cycle((BLUE, "black", GREY, "#1b7837", "#b35806"))))
    shapes = dict(zip(dict.fromkeys(attack for _, attack in others), cycle("os^Dv*PX<")))
    styles = {name: (shapes[name[1]], colors[name[0]]) for name in others}
    for axis, (title, settings) in zip(axes.flat, panels.items(), strict=False):
        own = sorted((cost, distance) for name, _, cost, distance in settings if name == ours)
        axis.plot(
            *zip(*own, strict=True), color=RED, marker="o", markersize=5, linewidth=width, zorder=3
        )
        for library, attack, cost, distance in settings:
            if library != ours and distance <= highest:
                marker, color = styles[library, attack]
                axis.scatter(cost, distance, color=color, marker=marker, s=28, zorder=2)
        axis.set(xscale="log", ylim=(lowest, highest), title=title)
    plt.setp(axes[-1], xlabel=xlabel)
    plt.setp(axes[:, 0], ylabel=ylabel)
    handles = [Line2D([], [], color=RED, marker="o", markersize=5, linewidth=width, label=ours)]
    handles += [
        Line2D([], [], color=color, marker=marker, linestyle="", markersize=5, label=" ".join(name))
        for name, (marker, color) in styles.items()
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
    return finished(figure)


def distortion_histogram(
    distortions: Mapping[str, Tensor], *, marks: Mapping[str, float | None]
) -> Figure:
    """Draw one histogram of distortions per network, on a common axis.

    Args:
        distortions: per network, one number per image.
        marks: per network, a number to mark (the paper's), or None.
    """
    size = (WIDTH, 0.85 * len(distortions) + 0.4)
    figure, axes = plt.subplots(len(distortions), figsize=size, sharex=True, squeeze=False)
    largest = max(float(values.max()) for values in distortions.values())
    edges = torch.linspace(0, largest, 41).tolist()
    for axis, (name, values) in zip(axes[:, 0], distortions.items(), strict=True):
        axis.hist(values.cpu().numpy(), bins=edges, color=BLUE, alpha=0.75)
        pooled = values.square().mean().sqrt().item()
        axis.axvline(pooled, color="black", linewidth=1.5)
        if (mark := marks.get(name)) is not None:
            axis.axvline(mark, color=RED, linewidth=1.5, linestyle="--")
        axis.set_yticks([])
        axis.spines[["top", "right", "left"]].set_visible(False)
        axis.text(1, 0.9, name, transform=axis.transAxes, ha="right", va="top", fontsize=10)
    axes[-1, 0].set_xlabel("distortion")
    return finished(figure)


def dot_plot(rows: Sequence[str], series: Mapping[str, Sequence[float]], *, xlabel: str) -> Figure:
    """Plot several values per row, one marker per series: the shortest way to compare them."""
    figure, axis = plt.subplots(figsize=(WIDTH, 0.5 * len(rows) + 1.3))
    for (name, values), (color, marker) in zip(series.items(), MARKERS, strict=False):
        axis.scatter(values, range(len(rows)), color=color, marker=marker, s=50, label=name)
    axis.set_yticks(range(len(rows)), rows)
    axis.set(xlabel=xlabel, xlim=(0, None), ylim=(len(rows) - 0.5, -0.5))
    axis.grid(visible=False, axis="x")
    axis.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2)
    return finished(figure)


def heat_maps(
    panels: Mapping[str, Float[Tensor, "s r"]],
    *,
    sources: Sequence[str],
    receivers: Sequence[str],
    differences: Sequence[str] = (),
) -> Figure:
    """Draw matrices of percentages as coloured squares with their numbers, one or two in a row.

    Args:
        panels: per title, a matrix of shares, drawn on a scale from 0 to 1.
        sources: names of the rows.
        receivers: names of the columns.
        differences: titles of the panels that get two colours instead, white at zero.
    """
    columns = min(len(panels), 2 if len(receivers) <= 7 else 1)  # wide enough for the numbers
    rows = -(-len(panels) // columns)
    height = rows * (0.32 * len(sources) + 1.35)
    figure, axes = plt.subplots(rows, columns, figsize=(WIDTH, height), squeeze=False)
    for axis in axes.flat[len(panels) :]:
        axis.set_axis_off()
    for axis, (title, matrix) in zip(axes.flat, panels.items(), strict=False):
        difference = title in differences
        limit = float(matrix.abs().max()) if difference else 1.0
        colors, least, sign = ("RdBu_r", -limit, "+") if difference else ("Reds", 0, "")
        axis.imshow(matrix.numpy(), cmap=colors, vmin=least, vmax=limit, aspect="auto")
        axis.grid(visible=False)
        for i, j in product(range(len(sources)), range(len(receivers))):
            value = matrix[i, j].item()
            color = "white" if abs(value) > 0.6 * limit else "black"
            text = f"{100 * value:{sign}.0f}"
            axis.text(j, i, text, ha="center", va="center", fontsize=8, color=color)
        axis.set_title(title)
        axis.set_xticks(range(len(receivers)), receivers, rotation=60, ha="right", fontsize=8)
        axis.set_yticks(range(len(sources)), sources, fontsize=8)
    for axis in axes[:, 1:].flat:
        axis.set_yticks([])
    return finished(figure)


def interval_plot(
    rows: Sequence[str],
    intervals: tuple[Sequence[float], Sequence[float]],
    series: Mapping[str, Sequence[float]],
    *,
    xlabel: str,
    band: str = "95 % band",
    zone: tuple[float, float] | None = None,
    sections: Sequence[str] = (),
) -> Figure:
    """Draw a band per row, and markers that lie in it or do not.

    Args:
        rows: names.
        intervals: lower and upper ends of the bands.
        series: per name, one value per row; red and filled, then hollow.
        xlabel: what the values are.
        band: what the bands are.
        zone: a range of the values that is shaded, or a line if it has no width.
        sections: to which part of the figure each row belongs; parts have a line between them.

    Raises:
        ValueError: if there are sections, but not one per row.
    """
    if sections and len(sections) != len(rows):
        raise ValueError(f"{len(rows)} rows need as many sections, got {len(sections)}")
    parts = list(dict.fromkeys(sections))
    at = [i + 1.2 * (parts.index(sections[i]) + 1 if parts else 0) for i in range(len(rows))]
    end = at[-1] + 0.5
    figure, axis = plt.subplots(figsize=(WIDTH, 0.24 * (end + 0.5) + 1.2))
    if zone:
        axis.axvspan(*zone, facecolor="#eeeeee", edgecolor=GREY, zorder=0)
    for part in parts:
        top = at[list(sections).index(part)] - 1.1
        axis.axhline(top - 0.6, color=GREY, linewidth=0.8)
        label: dict[str, Any] = {"fontsize": 9, "fontweight": "bold", "va": "center", "ha": "right"}
        axis.text(-0.02, top, part, transform=axis.get_yaxis_transform(), **label)
    axis.hlines(at, *intervals, color=BLUE, alpha=0.35, linewidth=7, label=band)
    styles = [(RED, "D", RED), ("black", "o", "none")]
    for (name, values), (edge, marker, face) in zip(series.items(), styles, strict=False):
        axis.scatter(
            values, at, s=26, edgecolors=edge, marker=marker, facecolors=face, label=name, zorder=3
        )
    axis.set_yticks(at, rows, fontsize=9)
    axis.set(xlabel=xlabel, ylim=(end, -0.5))
    axis.legend(loc="lower center", bbox_to_anchor=(0.4, 1), ncols=3)
    return finished(figure)


def null_histograms(
    panels: Mapping[str, tuple[Sequence[float], float]], *, xlabel: str, observed: str
) -> Figure:
    """Draw what chance gives as a histogram per panel, and what was observed as a line."""
    figure, axes = plt.subplots(1, len(panels), figsize=(WIDTH, 2.8), sharex=True, squeeze=False)
    for axis, (title, (chance, value)) in zip(axes.flat, panels.items(), strict=True):
        axis.hist(chance, bins=30, color=GREY)
        axis.axvline(value, color=RED, linewidth=2.5, label=observed)
        axis.set(xlabel=xlabel, yticks=[], title=title)
    figure.legend(*axis.get_legend_handles_labels(), loc="outside lower center")
    return finished(figure)


def scatter(
    groups: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    *,
    xlabel: str,
    ylabel: str,
    xscale: Scale = "linear",
    yscale: Scale = "linear",
    diagonal: bool = False,
) -> Figure:
    """Draw points in one panel, with a marker and a colour for each group.

    Args:
        groups: per name, abscissas and ordinates.
        xlabel: what the abscissas are; likewise `ylabel`.
        xscale: `"linear"` or `"log"`; likewise `yscale`.
        diagonal: draw the line on which both are equal.
    """
    figure, axis = plt.subplots(figsize=(WIDTH, 4.4))
    size = 26 if sum(len(x) for x, _ in groups.values()) < 200 else 9
    for (name, (x, y)), (color, marker) in zip(groups.items(), cycle(MARKERS), strict=False):
        axis.scatter(x, y, color=color, marker=marker, s=size, label=name)
    if diagonal:
        axis.axline((0, 0), slope=1, color="black", linewidth=1)
    axis.set(xlabel=xlabel, ylabel=ylabel, xscale=xscale, yscale=yscale)
    if xscale == "log":
        axis.xaxis.set_major_formatter("{x:g}")
        axis.xaxis.set_minor_formatter("{x:g}")
    if yscale == "log":
        axis.yaxis.set_major_formatter("{x:g}")
    axis.legend(markerscale=(26 / size) ** 0.5)
    return finished(figure)


def curves(
    lines: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    *,
    bands: Mapping[str, tuple[Sequence[float], Sequence[float]]] | None = None,
    controls: Sequence[str] = (),
    xlabel: str,
    ylabel: str,
    yscale: Scale = "linear",
) -> Figure:
    """Draw lines in one panel, named in a legend; the controls are grey and dashed.

    Args:
        lines: per name, abscissas and ordinates.
        bands: per name, lower and upper ends of a band around the line, in its colour.
        controls: names of those that must stay low.
        xlabel: what the abscissas are; likewise `ylabel`.
        yscale: `"linear"` or `"log"`.
    """
    figure, axis = plt.subplots(figsize=(WIDTH, 4.8))
    markers = cycle("sv^")
    for name, (x, y) in lines.items():
        if name in controls:
            axis.plot(x, y, color=GREY, linestyle="--", marker=next(markers), label=name)
        else:
            (line,) = axis.plot(x, y, marker=".", label=name)
            if bands and name in bands:
                axis.fill_between(x, *bands[name], color=line.get_color(), alpha=0.15, linewidth=0)
    axis.set(xlabel=xlabel, ylabel=ylabel, yscale=yscale)
    if yscale == "log":
        axis.yaxis.set_major_formatter("{x:g}")
    figure.legend(loc="outside lower center", ncols=2, fontsize=8)
    return finished(figure)


def table(
    columns: Mapping[str, Sequence[object] | Callable[[Any], object]], *, caption: str
) -> HTML:
    """Set a table whose first column names the rows, in the colours of the page around it.

    Args:
        columns: by title, an entry for each row, or a function from the name of a row to its entry.
        caption: what the table shows.

    Raises:
        ValueError: if the columns differ in length.
    """
    names: Any = next(iter(columns.values()))
    filled = {t: [*map(c, names)] if callable(c) else c for t, c in columns.items()}
    lengths = {name: len(column) for name, column in filled.items()}
    if len(set(lengths.values())) != 1:
        raise ValueError(f"columns of a table must be equally long, got {lengths}")
    head = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in filled)
    body = ""
    for first, *rest in zip(*filled.values(), strict=True):
        cells = "".join(f"<td>{html.escape(str(cell))}</td>" for cell in rest)
        body += f'<tr><th scope="row">{html.escape(str(first))}</th>{cells}</tr>'
    # A table too wide for the screen scrolls in its box; a keyboard scrolls what has the focus.
    caption = html.escape(caption)
    return HTML(
        f'<div class="blindspots-scroll" role="region" tabindex="0" aria-label="{caption}">'
        f'<table class="blindspots-table"><caption>{caption}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def data_notice(data: LabelledImages) -> HTML:
    """Say in a box which data set a page was computed on, and how to get the paper's."""
    height, width = data.images.shape[2:]
    text = f"Computed on {data.name}: {height} × {width} pixels, {len(data):,} training images."
    if data.name != "MNIST":
        text += (
            " The paper used MNIST, so its numbers beside ours are for orientation only. To use "
            "MNIST, connect to the network, or set BLINDSPOTS_DATA to a folder that holds it."
        )
    return HTML(f'<div class="blindspots-notice" role="note">{html.escape(text)}</div>')


def flipbook(
    figures: Sequence[Figure],
    *,
    labels: Sequence[str],
    alts: Sequence[str],
    name: str,
    caption: str,
) -> ipywidgets.Widget:
    """Leaf through ready figures by a slider that works in a static page, without a kernel.

    Args:
        figures: one per position of the slider.
        labels: what stands beside the slider at each position.
        alts: description of each figure for those who do not see it.
        name: what the slider changes.
        caption: the one claim of the figure, set below it.

    Raises:
        ValueError: if there is not one label and one description per figure.
    """
    if not len(figures) == len(labels) == len(alts) > 0:
        raise ValueError(
            f"{len(figures)} figures need as many labels and descriptions, "
            f"got {len(labels)} and {len(alts)}"
        )
    pages = [
        ipywidgets.HTML(
            f'<p>{html.escape(label)}</p><img class="dark-light" style="max-width:100%" '
            f'alt="{html.escape(alt)}" src="{_png_url(page.savefig, dpi=100, facecolor="white")}">'
        )
        for page, label, alt in zip(figures, labels, alts, strict=True)
    ]
    layout = {"width": "auto", "padding": "0 0.7rem 0 0"}  # room for half of the handle
    slider = ipywidgets.IntSlider(
        max=len(pages) - 1, description=name, readout=False, layout=layout
    )
    stack = ipywidgets.Stack(pages, selected_index=0)
    ipywidgets.jslink((slider, "value"), (stack, "selected_index"))
    below = ipywidgets.HTML(f'<p class="blindspots-caption">{html.escape(caption)}</p>')
    return ipywidgets.VBox([slider, stack, below])


def image_url(pixels: Float[Tensor, "h w"]) -> str:
    """Encode a picture of exactly these pixels, black for 1 and white for 0, as a URL."""
    return _png_url(plt.imsave, pixels.numpy(), cmap="gray_r", vmin=0, vmax=1)


def file_links(files: Mapping[str, Float[Tensor, "3 h w"]]) -> HTML:
    """Offer pictures in colour, whose pixels are whole grey levels, as PNG files in the page."""
    links = []
    for name, pixels in files.items():
        levels = (255 * pixels).round().to(torch.uint8).permute(1, 2, 0)
        url = _png_url(plt.imsave, levels.numpy())
        links.append(f'<a download="{html.escape(name)}" href="{url}">{html.escape(name)}</a>')
    return HTML(f'<p class="blindspots-files">{" · ".join(links)}</p>')


def _image_axes(rows: int, columns: int, height: float, **options: Any) -> tuple[Figure, Any]:
    """Axes without ticks and frames."""
    figure, axes = plt.subplots(rows, columns, figsize=(WIDTH, height), squeeze=False, **options)
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
    return figure, axes


def _show(
    axis: Axes, image: Tensor, title: str = "", *, signed: bool = False, limit: float | None = None
) -> None:
    """Show an image; if it is signed, on a scale to the limit, or else to its largest pixel."""
    axis.set_title(title, fontsize=9)
    axis.grid(visible=False)
    image = image.detach().cpu()
    pixels = image.squeeze(0) if len(image) == 1 else image.permute(1, 2, 0)
    if signed:
        limit = limit or image.abs().max().item() or 1.0
        axis.imshow(pixels.numpy(), cmap="RdBu_r", vmin=-limit, vmax=limit)
    else:
        axis.imshow(pixels.numpy(), cmap="gray_r", vmin=0, vmax=1)


def finished(figure: Figure) -> Figure:
    """Close it, so that a notebook shows it once, as the value of its cell."""
    plt.close(figure)
    return figure


def _png_url(write: Callable[..., object], *args: Any, **options: Any) -> str:
    buffer = io.BytesIO()
    write(buffer, *args, **options, format="png")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
