"""Aids to reading: a figure opens at full size, and the fold that installs says so."""

import posixpath

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.osutil import relative_uri

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


class NameInstallCell(SphinxPostTransform):
    """Lets the fold of the first cell, which most readers skip, say so."""

    default_priority = 190  # before MyST-NB folds the cells
    formats = ("html",)

    def run(self, **kwargs):
        for cell in self.document.findall(nodes.container):
            if cell.get("hide_mode") and cell.astext().startswith(INSTALL):
                cell["prompt_show"] = cell["prompt_hide"] = "Install on Colab"


def setup(app: Sphinx):
    app.add_post_transform(OpenFigures)
    app.add_post_transform(NameInstallCell)
    return {"version": "1", "parallel_read_safe": True}
