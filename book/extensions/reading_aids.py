"""Aids to reading: a figure opens at full size, and a fold says what is in it."""

import posixpath
import re

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.osutil import relative_uri

CAPTION = re.compile(r"<caption>([^<]*)")
INSTALL = "# On Colab, run this cell first."


class OpenFigures(SphinxPostTransform):
    """Makes each figure a link to its picture; a phone shows it too small."""

    default_priority = 300
    formats = ("html",)

    def run(self, **kwargs):
        builder, here = self.app.builder, self.env.docname
        folder = relative_uri(builder.get_target_uri(here), builder.imagedir)
        for figure in self.document.findall(nodes.figure):
            for image in list(figure.findall(nodes.image)):
                if image["uri"] not in self.env.images:
                    continue
                _, file = self.env.images[image["uri"]]
                link = nodes.reference(
                    internal=True,
                    refuri=posixpath.join(folder, file),
                    reftitle="Open this figure at full size",
                    classes=["full-size"],
                )
                image.replace_self(link)
                link += image


class NameFolds(SphinxPostTransform):
    """Lets each fold of a notebook say what is in it."""

    default_priority = 190  # before MyST-NB folds the cells
    formats = ("html",)

    def run(self, **kwargs):
        for cell in self.document.findall(nodes.container):
            if cell.get("hide_mode"):
                what = folded(cell)
                cell["prompt_show"], cell["prompt_hide"] = f"Show {what}", f"Hide {what}"


def folded(cell):
    """Say what is in the fold of a cell."""
    if cell.astext().startswith(INSTALL):
        return "how to install on Colab"
    tables = [raw.astext() for raw in cell.findall(nodes.raw) if "<caption>" in raw.astext()]
    if cell["hide_mode"] == "output":
        return f"the table: {CAPTION.search(tables[0])[1]}" if tables else "the output"
    if tables:
        return "the code of this table"
    if re.match(r"import |from ", cell.astext()):
        return "the imports"
    drawn = any(True for _ in cell.findall(nodes.image))
    return "the code of this figure" if drawn else "the code"


def setup(app: Sphinx):
    app.add_post_transform(OpenFigures)
    app.add_post_transform(NameFolds)
    return {"version": "1", "parallel_read_safe": True}
