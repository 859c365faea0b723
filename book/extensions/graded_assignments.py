"""`{assignments}`: a table of the graded assignments that it names, read from their masters."""

from build_facts import line_break, make_table, refer
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from coursework.overview import MASTERS, WORKING, overview

HEADER = ("Assignment, and what it asks", "It has")


class AssignmentsDirective(SphinxDirective):
    has_content = True

    def run(self):
        masters = {master.stem: master for master in MASTERS.glob("*.py")}
        named = [line.strip() for line in self.content if line.strip()]
        if unlike := masters.keys() ^ set(named):
            raise self.error(
                f"{', '.join(sorted(unlike))}: not an assignment, or one left out; give each of "
                f"{', '.join(sorted(masters))} a line of its own"
            )
        found = [overview(masters[name]) for name in named]
        rows = [
            (
                nodes.inline("", "", self.link(one.name), line_break(), nodes.Text(one.asks)),
                lines(
                    f"{one.questions} questions",
                    f"{one.by_machine} + {one.by_hand} points",
                    f"{one.minutes} minutes",
                ),
            )
            for one in found
        ]
        below = (
            "Points are given by machine + by hand. The minutes of a student are estimated, at "
            f"{WORKING} for a point; nobody has measured them."
        )
        return [make_table(HEADER, rows), nodes.paragraph(text=below)]

    def link(self, name):
        """The chapter, which gives the assignment its title."""
        return refer(self.env.docname, f"chapters/{name}", nodes.strong(), explicit=False)


def lines(first, *others):
    """Several lines in one cell, so that a phone has room for the words beside it."""
    together = nodes.inline("", first)
    for line in others:
        together += [line_break(), nodes.Text(line)]
    return together


def setup(app: Sphinx):
    app.add_directive("assignments", AssignmentsDirective)
    return {"version": "1", "parallel_read_safe": True}
