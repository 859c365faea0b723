"""Where the numbers of a figure or table come from, at the end of its caption.

A cell that draws stored results has the tag `stored-NAME`, one that computes without images
`no-data`, a drawing `sketch`, one whose caption names its data `other-data`; everything else in a
chapter was computed by the build, on its data set.
"""

import html
import re

from build_facts import train_images
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform

from blindspots.book.stored import load_stored

# Of a table, or of a figure that is HTML.
END = re.compile(r"(?=</caption>|</p></div>$)")


UNSAID = {"tag_sketch", "tag_other-data"}


class SayWhere(SphinxPostTransform):
    default_priority = 9  # after one form of each output was selected

    def run(self, **kwargs):
        if not self.env.docname.startswith("chapters/"):
            return
        for cell in self.document.findall(nodes.container):
            if "cell" in cell["classes"] and not {*cell["classes"]} & UNSAID:
                said = f"({source(cell['classes'])})"
                for caption in cell.findall(nodes.caption):
                    caption += [nodes.Text(" "), nodes.inline(text=said, classes=["source"])]
                for raw in cell.findall(nodes.raw):
                    if "caption" in raw.astext():
                        place = f' <span class="source">{html.escape(said)}</span>'
                        filled = nodes.Text(END.sub(place, raw.astext()))
                        raw.clear()
                        raw += filled


def source(classes):
    """Say what the cell of these classes draws.

    >>> source(["cell", "tag_stored-transfer"])[:19]
    'MNIST, stored on 20'
    """
    data, when = None, "this build"
    for name in classes:
        if name.startswith("tag_stored-"):
            stored = load_stored(name.removeprefix("tag_stored-"))
            data, when = stored["data"], f"stored on {stored['date']}"
    if "tag_no-data" in classes:
        return f"no images, {when}"
    return f"{data or train_images().name}, {when}"


def setup(app: Sphinx):
    app.add_post_transform(SayWhere)
    return {"version": "1", "parallel_read_safe": True}
