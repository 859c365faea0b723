"""Where a page says which other editions of it there are.

`tools/link_editions.py` fills these lines in, once the editions are made: sizes are known then.
"""

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.docutils import SphinxDirective

LINE = '<p class="editions"></p>'


class Line(nodes.General, nodes.Element):
    """Placeholder of the line."""


class EditionsDirective(SphinxDirective):
    def run(self):
        return [Line()]


class AddLines(SphinxPostTransform):
    """Puts the line where it is asked for, and at the end of every page that is a notebook."""

    default_priority = 8

    def run(self, **kwargs):
        if self.env.doc2path(self.env.docname).endswith(".ipynb"):
            self.document.append(Line())
        for node in list(self.document.findall(Line)):
            site = self.app.builder.name == "html"
            node.replace_self(nodes.raw("", LINE, format="html") if site else [])


def setup(app: Sphinx):
    app.add_node(Line)
    app.add_directive("editions", EditionsDirective)
    app.add_post_transform(AddLines)
    return {"version": "1", "parallel_read_safe": True}
