"""A transfer matrix whose cells, hovered, tapped or reached by keyboard, show the images."""

import hashlib
import html
from collections.abc import Mapping
from pathlib import Path

import torch
from IPython.display import HTML
from jaxtyping import Float, Int
from torch import Tensor

from blindspots.book.figures import image_url
from blindspots.networks import TransferMatrix

SIDE = 56  # pixels of the screen per image
POOL = 64  # images per source that examples are taken from
PER_KIND = 4  # examples misread, and examples read rightly

# Without a script: a cell is a radio button, and the panel beside it is shown while it is chosen.
STYLE = Path(__file__).with_suffix(".css").read_text(encoding="utf-8")


def matrix_browser(
    matrix: TransferMatrix,
    images: Mapping[str, Float[Tensor, "n 1 h w"]],
    labels: Mapping[str, Int[Tensor, "n"]],
    predicted: Mapping[tuple[str, str], Int[Tensor, "n"]],
    *,
    notes: Mapping[tuple[str, str], str],
    caption: str,
) -> HTML:
    """Show the matrix in percent; a chosen cell shows images of its source, and how they are read.

    Lives in a static page, without kernel or script.

    Args:
        matrix: as `transfer_matrix` returns it.
        images: per source, the images shown to the receivers; the first 64 serve as examples.
        labels: per source, their true classes.
        predicted: per source and receiver, the classes that the receiver sees.
        notes: per source and receiver, a sentence for the head of the panel, or none.
        caption: what the matrix shows, set below it.
    """
    name = "mb" + hashlib.sha256(caption.encode()).hexdigest()[:8]  # of the group of buttons
    head = "".join(f"<th scope='col'><span>{html.escape(r)}</span></th>" for r in matrix.receivers)
    body, sprites = "", ""
    for i, source in enumerate(matrix.sources):
        sprites += f".{name}-{i} {{ background-image: url({_sprite(images[source][:POOL])}); }}\n"
        body += f"<tr><th scope='row'>{html.escape(source)}</th>"
        for j, receiver in enumerate(matrix.receivers):
            share = matrix.error[i, j].item()
            key = source, receiver
            chosen = " checked" if (i, j) == (1, 0) else ""
            title = html.escape(f"Made for {source}, shown to {receiver}")
            examples = _examples(labels[source][:POOL], predicted[key][:POOL], f"{name}-{i}")
            body += (
                f"<td><input type='radio' name='{name}' id='{name}-{i}-{j}'{chosen} "
                f"aria-label='{title}: {100 * share:.1f} percent misread'>"
                f"<label for='{name}-{i}-{j}' style='--share: {share:.3f}'>{100 * share:.0f}"
                f"</label><div class='mb-panel'><p><b>{title}:</b> {100 * share:.1f} % misread. "
                f"{html.escape(notes.get(key, ''))}</p>{examples}</div></td>"
            )
        body += "</tr>"
    corner = "<th scope='col'>made for ↓, shown to →</th>"
    return HTML(
        f"<style>{STYLE}{sprites}</style><div class='mb' style='--side: {SIDE}px'>"
        f"<div class='blindspots-scroll'><table><thead><tr>{corner}{head}</tr></thead>"
        f"<tbody>{body}</tbody></table></div>"
        f"<p class='blindspots-caption'>{html.escape(caption)}</p></div>"
    )


def _examples(labels: Tensor, predicted: Tensor, sprite: str) -> str:
    """A few misread images, then a few read rightly."""
    text = ""
    for title, chosen in (("Misread", predicted != labels), ("Read rightly", predicted == labels)):
        found = chosen.nonzero()[:, 0]
        text += f"<p>{title}, {len(found)} of the first {len(labels)}:</p><ul>"
        for k in found[:PER_KIND].tolist():
            x, y = SIDE * (k % 8), SIDE * (k // 8)
            said = f"a {int(labels[k])}, read as {int(predicted[k])}"
            text += (
                f"<li><i class='{sprite}' role='img' aria-label='{said}' "
                f"style='background-position: -{x}px -{y}px'></i>"
                f"{int(labels[k])} → {int(predicted[k])}</li>"
            )
        text += "</ul>"
    return text


def _sprite(images: Tensor) -> str:
    """All examples of a source in one picture, eight in a row, as a data URL."""
    height, width = images.shape[2:]
    rows = -(-len(images) // 8)
    canvas = torch.zeros(8 * rows, height, width)
    canvas[: len(images)] = images[:, 0].detach().cpu()
    tiled = canvas.view(rows, 8, height, width).transpose(1, 2)
    return image_url(tiled.reshape(rows * height, 8 * width))
