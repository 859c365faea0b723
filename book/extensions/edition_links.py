"""Leaves room at the end of every notebook's page for links to its other editions.

`tools/link_editions.py` fills it in, once these are made: their sizes are known then.
"""

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform

LINE = '<p class="editions"></p>'


class AddLine(SphinxPostTransform):
    default_priority = 8

    def run(self, **kwargs):
        notebook = self.env.doc2path(self.env.docname).endswith(".ipynb")
        if notebook and self.app.builder.name == "html":
            self.document.append(nodes.raw("", LINE, format="html"))


def setup(app: Sphinx):
    app.add_post_transform(AddLine)
    return {"version": "1", "parallel_read_safe": True}
