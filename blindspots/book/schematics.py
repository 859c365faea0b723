"""Sketches of ideas: what a drawing says better than data. What can be computed in them is."""

import io
from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import torch
from IPython.display import SVG
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Rectangle
from torch import nn

from blindspots.attack.exact import affine_minimum
from blindspots.attack.lbfgs import lbfgs_attack
from blindspots.book.figures import BLUE, GREY, RED, WIDTH, finished
from blindspots.directions import whitening

LIGHT = "#f2d6d9"  # where the target is predicted
ARROW = {"arrowstyle": "-|>", "shrinkA": 0, "shrinkB": 0, "mutation_scale": 10}


def level_set_and_polytope() -> SVG:
    """Draw three classes in a plane, and where two losses end the search for one of them.

    Images of two pixels and an affine network; both end points are computed by the package.
    """
    weights = torch.tensor([[-4.0, -4.0], [8.0, 2.0], [3.0, 7.5]])
    network = nn.Sequential(nn.Flatten(), nn.Linear(2, 3)).eval()
    network[1].weight.data, network[1].bias.data = weights, torch.tensor([5.0, -3.0, -3.4])
    network.requires_grad_(requires_grad=False)
    image, target = torch.tensor([[[[0.30, 0.38]]]]), torch.tensor([1])
    exact = affine_minimum(network, image, target)[0, 0, 0]
    entropy = lbfgs_attack(network, image, target).images[0, 0, 0]
    grid = torch.cartesian_prod(torch.linspace(0, 1, 201), torch.linspace(0, 1, 201))
    logits = network(grid.view(-1, 1, 1, 2))
    loss = (logits.logsumexp(dim=1) - logits[:, 1]).view(201, 201).T
    end = network(entropy.view(1, 1, 1, 2))
    level = (end.logsumexp(dim=1) - end[:, 1]).item()
    figure, axis = plt.subplots(figsize=(WIDTH, 4.8))
    ticks = torch.linspace(0, 1, 201).tolist()
    others = logits[:, 0] - logits[:, 2]
    lead = logits[:, 1] - logits[:, [0, 2]].amax(dim=1)
    others[lead > 0] = torch.nan
    axis.contourf(ticks, ticks, lead.view(201, 201).T, levels=[0, 99], colors=[LIGHT])
    for boundary in (lead, others):
        line = boundary.view(201, 201).T
        axis.contour(ticks, ticks, line, levels=[0], colors="black", linewidths=1)
    axis.contour(ticks, ticks, loss, levels=[level], colors=BLUE, linewidths=1.5)
    start = image[0, 0, 0]
    for point, color, marker, text, place in (
        (start, "black", "s", "image", (-8, -14)),
        (exact, RED, "D", "nearest image\nof the target class", (-150, 30)),
        (entropy, BLUE, "o", "where the search with\nthe cross-entropy ends", (8, -16)),
    ):
        if point is not start:
            axis.plot(*torch.stack([start, point]).T.tolist(), color=color, linestyle="--")
        x, y = point.tolist()
        axis.plot(x, y, color=color, marker=marker)
        axis.annotate(text, (x, y), place, textcoords="offset points", color=color)
    for text, center in (
        ("target", (0.68, 0.33)),
        ("class", (0.16, 0.2)),
        ("another", (0.16, 0.74)),
    ):
        axis.text(*center, text, fontsize=11, style="italic")
    axis.text(0.51, 0.7, "equal cross-entropy", color=BLUE, ha="right")
    axis.set(xlim=(0.12, 0.82), ylim=(0.17, 0.78))
    return _sketched(figure, [axis], aspect="equal")


def plane_pocket_dust() -> SVG:
    """Draw three kinds of places where a network might err, around one image, with noise."""
    figure, axes = plt.subplots(1, 3, figsize=(WIDTH, 2.4))
    titles = "a half-space", "a pocket", "dust"
    angles = torch.linspace(0, 6.28, 13)[:-1]
    noise = torch.stack([angles.cos(), angles.sin()])
    generator = torch.Generator().manual_seed(2)
    for axis, title in zip(axes, titles, strict=True):
        if title == "a half-space":
            axis.axvspan(0.8, 2.4, color=LIGHT)
        elif title == "a pocket":
            axis.add_patch(Circle((1.05, 0.0), 0.25, color=LIGHT))
        else:
            dust = 3.6 * torch.rand(2, 260, generator=generator) - 1.6
            axis.scatter(*dust.tolist(), s=1.5, color=RED)
        for center, color in ((0.0, BLUE), (1.05, RED)):
            points = noise * 0.8 + torch.tensor([[center], [0.0]])
            axis.scatter(*points.tolist(), s=7, facecolors="none", edgecolors=color)
        axis.plot(0, 0, "s", color="black")
        axis.plot(1.05, 0, "D", color=RED)
        axis.set(title=title, xlim=(-1.2, 2.2), ylim=(-1.3, 1.3))
    return _sketched(figure, axes, aspect="equal")


def raw_and_white() -> SVG:
    """Draw directions that are random in a layer's space, and after whitening, in one cloud."""
    generator = torch.Generator().manual_seed(0)
    turn = torch.tensor([[0.94, -0.34], [0.34, 0.94]])
    cloud = torch.randn(300, 2, generator=generator) * torch.tensor([1.5, 0.3]) @ turn.T
    angles = torch.arange(12) * torch.pi / 6 + 0.1
    even = torch.stack([angles.cos(), angles.sin()], dim=1)
    figure, axes = plt.subplots(1, 2, figsize=(WIDTH, 3.0))
    for axis, title, directions in (
        (axes[0], "random in the raw space", even),
        (axes[1], "random after whitening", even @ whitening(cloud)),
    ):
        axis.scatter(*cloud.T.tolist(), s=3, color=GREY)
        for x, y in (directions / directions.norm(dim=1, keepdim=True)).tolist():
            _arrow(axis, (0, 0), (1.9 * x, 1.9 * y), RED)
        for place, name in (((2.6, 0), "unit 1"), ((0, 2.6), "unit 2")):
            _arrow(axis, (0, 0), place, "black")
            axis.annotate(name, place, (3, 3), textcoords="offset points")
        axis.set(title=title, xlim=(-3.2, 3.8), ylim=(-2.4, 3.2))
    return _sketched(figure, axes, aspect="equal")


def folded_frequencies(size: int = 8, stride: int = 2) -> SVG:
    """Draw which frequencies of an image become one after a stride.

    Args:
        size: of the image, in pixels, a multiple of the stride.
        stride: of the convolution.
    """
    figure, axis = plt.subplots(figsize=(WIDTH, 2.4))
    kept = size // stride
    colors = plt.rcParams["axes.prop_cycle"].by_key()["color"]
    for frequency in range(size):
        folded = frequency % kept
        end = (folded + (size - kept) / 2, 0.0)
        axis.plot([frequency, end[0]], [1, 0], color=colors[folded])
        _numbered(axis, (frequency, 1.0), frequency, colors[folded])
        if frequency == folded:
            _numbered(axis, end, folded, colors[folded])
    axis.text(-0.6, 1, f"image of {size} pixels", ha="right", va="center")
    axis.text(-0.6, 0, f"every {_ordinal(stride)} kept", ha="right", va="center")
    axis.set(xlim=(-4.2, size - 0.5), ylim=(-0.45, 1.45))
    return _sketched(figure, [axis])


def penalty_search() -> SVG:
    """Draw how the search closes in on the largest penalty that succeeds."""
    figure, axis = plt.subplots(figsize=(WIDTH, 2.7))
    axis.axvspan(0, 5.3, color=LIGHT)
    axis.axvline(5.3, color="black", linewidth=1)
    tried = 2.0, 8.0, 5.0, 6.5, 5.75, 5.37
    for step, penalty in enumerate(tried):
        color, marker = (RED, "o") if penalty < 5.3 else (BLUE, "s")
        axis.plot(penalty, -step, marker=marker, color=color)
        axis.annotate(f"{step + 1}", (penalty, -step), (7, -4), textcoords="offset points")
    axis.plot(tried, [-step for step in range(len(tried))], color=GREY, linewidth=0.8, zorder=0)
    axis.text(0.2, 0.75, "too cheap: long perturbation, success", color=RED)
    axis.text(9.8, 0.75, "too expensive: it fails", color=BLUE, ha="right")
    _arrow(axis, (0.1, -6.0), (9.9, -6.0), "black")
    axis.text(9.9, -6.7, "penalty on the perturbation", ha="right")
    axis.set(xlim=(0, 10), ylim=(-7.2, 1.5))
    return _sketched(figure, [axis])


def who_attacks_whom() -> SVG:
    """Draw what the tables of transfer change: hyperparameters, first weights, training images."""
    figure, axis = plt.subplots(figsize=(WIDTH, 3.9))
    receivers = (
        ("FC100-100-10", "learnt from P1", "itself", RED),
        ("FC100-100-10, twin", "learnt from P1", "other initial weights", BLUE),
        ("FC123-456-10", "learnt from P1", "other hyperparameters", BLUE),
        ("FC100-100-10′", "learnt from P2", "other training images", BLUE),
    )
    _box(axis, (1.35, 0), "FC100-100-10", "learnt from P1", RED)
    _box(axis, (4.5, 0), "adversarial", "images", "black", width=1.7)
    _arrow(axis, (2.6, 0), (3.6, 0), "black")
    axis.text(3.1, 0.22, "attack", ha="center")
    for row, (name, learnt, changed, color) in enumerate(receivers):
        height = 2.55 - 1.7 * row
        _arrow(axis, (5.4, 0), (6.85, height), color)
        _box(axis, (8.2, height), name, learnt, color, width=2.6)
        axis.text(8.2, height - 0.87, changed, ha="center", style="italic")
    axis.text(1.35, -0.95, "source", ha="center", style="italic")
    axis.text(8.2, 3.45, "receivers, and what they change", ha="center")
    axis.set(xlim=(0, 9.6), ylim=(-3.6, 3.8))
    return _sketched(figure, [axis])


def _numbered(axis: Axes, place: tuple[float, float], number: int, color: str) -> None:
    axis.plot(*place, marker="o", markersize=19, color=color)
    look: dict[str, Any] = {"color": "white", "fontweight": "bold"}
    axis.text(*place, f"{number}", ha="center", va="center", **look)


def _box(
    axis: Axes,
    center: tuple[float, float],
    first: str,
    second: str,
    color: str,
    *,
    width: float = 2.5,
) -> None:
    x, y = center
    corner = x - width / 2, y - 0.55
    axis.add_patch(Rectangle(corner, width, 1.1, fill=False, edgecolor=color, linewidth=1.5))
    axis.text(x, y, f"{first}\n{second}", ha="center", va="center")


def _arrow(axis: Axes, start: tuple[float, float], end: tuple[float, float], color: str) -> None:
    axis.annotate("", end, start, arrowprops=ARROW | {"color": color})


def _ordinal(number: int) -> str:
    return {2: "second", 3: "third"}.get(number, f"{number}th")


def _sketched(figure: Figure, axes: Sequence[Axes], *, aspect: str = "auto") -> SVG:
    """Without axes: a sketch has no numbers."""
    for axis in axes:
        axis.set(xticks=[], yticks=[], aspect=aspect)
        axis.grid(visible=False)
        axis.spines[:].set_visible(False)
    return _as_svg(finished(figure))


def _as_svg(figure: Figure) -> SVG:
    """Without the date, so that the same sketch is the same file."""
    buffer = io.StringIO()
    with plt.rc_context({"svg.hashsalt": "blindspots"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return SVG(buffer.getvalue())
