"""`{chapter-map}`: which chapter needs which, drawn from what each says at its head.

Chapters stand in rows: below all that they need. A dashed line leads from what only helps.
"""

import html
import re

import nbformat
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.docutils import SphinxDirective

NEEDS = re.compile(r"\*\*You need\*\* (.+)")
LINK = re.compile(r"\]\((\w+)\.ipynb\)")
WIDTH, HEIGHT = 200, 62  # of a box
GAP_X, GAP_Y = 20, 44


class ChapterMap(nodes.General, nodes.Element):
    """Placeholder of the map."""


class ChapterMapDirective(SphinxDirective):
    def run(self):
        return [ChapterMap()]


class Draw(SphinxPostTransform):
    default_priority = 8

    def run(self, **kwargs):
        for node in list(self.document.findall(ChapterMap)):
            names = [d for d in self.env.toctree_includes["intro"] if d.startswith("chapters/")]
            heads = {name.partition("/")[2]: self.head(name) for name in names}
            links = {
                name: self.app.builder.get_relative_uri(self.env.docname, f"chapters/{name}")
                for name in heads
            }
            titles = {name: self.env.titles[f"chapters/{name}"].astext() for name in heads}
            drawn = draw({n: needs(head) for n, head in heads.items()}, titles, links)
            node.replace_self(nodes.raw("", drawn, format="html"))

    def head(self, document):
        return nbformat.read(self.env.doc2path(document), as_version=4).cells[0].source


def needs(head):
    """Find the chapters that a head names, each with whether it is needed or only helps.

    >>> needs("**You need** [one](a.ipynb) and [two](b.ipynb), gradients; [three](c.ipynb) helps.")
    {'a': True, 'b': True, 'c': False}
    """
    said = NEEDS.search(head)[1]
    return {
        name: not re.search(r"\bhelps?\b", part)
        for part in said.split(";")
        for name in LINK.findall(part)
    }


def rows(needed):
    """Sort chapters into rows, each below those that it names.

    >>> rows({"a": {}, "b": {"a": True}, "c": {"a": True, "b": False}, "d": {"a": True}})
    [['a'], ['b', 'd'], ['c']]
    """
    depth = {}
    for name, named in needed.items():  # in the order of the book: what is needed comes before
        depth[name] = 1 + max((depth[other] for other in named), default=-1)
    return [[n for n in needed if depth[n] == row] for row in range(max(depth.values()) + 1)]


def draw(needed, titles, links):
    """Draw the map as an SVG, whose boxes are links."""
    layout = rows(needed)
    width = max(map(len, layout)) * (WIDTH + GAP_X)
    height = len(layout) * (HEIGHT + GAP_Y) - GAP_Y + 4
    place = {}
    for y, row in enumerate(layout):
        left = (width - len(row) * (WIDTH + GAP_X) + GAP_X) / 2
        for x, name in enumerate(row):
            place[name] = left + x * (WIDTH + GAP_X), 2 + y * (HEIGHT + GAP_Y)
    lines, boxes = "", ""
    for name, named in needed.items():
        for other, necessary in named.items():
            (x1, y1), (x2, y2) = place[other], place[name]
            dash = "" if necessary else ' stroke-dasharray="5 5"'
            lines += (
                f'<line x1="{x1 + WIDTH / 2:g}" y1="{y1 + HEIGHT:g}" x2="{x2 + WIDTH / 2:g}" '
                f'y2="{y2:g}"{dash}/>'
            )
        x, y = place[name]
        words = titles[name].split()
        middle = min(range(1, len(words) + 1), key=lambda k: unevenness(words, k))
        both = [" ".join(words[:middle]), " ".join(words[middle:])]
        text = "".join(
            f'<tspan x="{x + WIDTH / 2:g}" y="{y + HEIGHT / 2 + dy:g}">{html.escape(line)}</tspan>'
            for line, dy in zip(both, (-4, 17) if both[1] else (6, 6), strict=True)
            if line
        )
        boxes += (
            f'<a href="{html.escape(links[name])}"><title>{html.escape(titles[name])}</title>'
            f'<rect x="{x:g}" y="{y:g}" width="{WIDTH}" height="{HEIGHT}" rx="8"/>'
            f"<text>{text}</text></a>"
        )
    said = "; ".join(
        f"{titles[name]} needs {' and '.join(titles[o] for o, must in named.items() if must)}"
        for name, named in needed.items()
        if any(named.values())
    )
    return (
        f'<svg class="chapter-map" viewBox="0 0 {width} {height}" role="group" '
        f'aria-label="Map of the chapters. {html.escape(said)}.">{lines}{boxes}</svg>'
    )


def unevenness(words, k):
    """How much longer one of two lines is than the other."""
    return abs(len(" ".join(words[:k])) - len(" ".join(words[k:])))


def setup(app: Sphinx):
    app.add_node(ChapterMap)
    app.add_directive("chapter-map", ChapterMapDirective)
    app.add_post_transform(Draw)
    return {"version": "1", "parallel_read_safe": True}
