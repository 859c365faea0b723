"""The ledger: what became of the paper's claims, by what the chapters recorded in this build.

`{claim} name` is a note in a chapter, where the evidence is; `{ledger}` has a section for every
claim, with rule and numbers; `{ledger-short}` is a table of all verdicts. Verdicts and numbers are
placeholders until every notebook has run.
"""

import ast
import json
from collections import Counter
from pathlib import Path
from typing import get_args

from build_facts import make_table
from docutils import nodes
from myst_nb.sphinx_ import NbMetadataCollector
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.docutils import SphinxDirective

from blindspots.book.ledger import CLAIMS, Verdict, read_records

LEDGER = "ledger"  # the document with the sections


class ClaimNote(nodes.General, nodes.Element):
    """Placeholder of a chapter's note about a claim."""


class Found(nodes.General, nodes.Element):
    """Placeholder of what a chapter found out about a claim."""


class Overview(nodes.General, nodes.Element):
    """Placeholder of the table of all verdicts."""


class ClaimDirective(SphinxDirective):
    required_arguments = 1

    def run(self):
        (name,) = self.arguments
        if name not in CLAIMS:
            raise self.error(f"there is no claim {name!r}: use one of {', '.join(CLAIMS)}")
        return [ClaimNote(name=name)]


class LedgerDirective(SphinxDirective):
    def run(self):
        sections = []
        for name, claim in CLAIMS.items():
            section = nodes.section(ids=[f"row-{name}"], names=[f"row-{name}"])
            section += nodes.title(text=claim.title)
            section += [nodes.paragraph(text=claim.statement), Found(name=name)]
            sections.append(section)
        return sections


class OverviewDirective(SphinxDirective):
    def run(self):
        return [Overview()]


class FillIn(SphinxPostTransform):
    default_priority = 8  # before references are resolved

    def run(self, **kwargs):
        for node in list(self.document.findall(ClaimNote)):
            node.replace_self(self.note(node["name"]))
        for node in list(self.document.findall(Found)):
            node.replace_self(self.found(node["name"]))
        for node in list(self.document.findall(Overview)):
            node.replace_self(self.overview())

    def note(self, name):
        document, evidence = self.records()[name]
        if document != self.env.docname:
            raise ValueError(f"{self.env.docname} has a note on {name}, recorded in {document}")
        text = nodes.paragraph("", "In the ledger: ")
        text += [self.link(LEDGER, f"row-{name}", CLAIMS[name].title), nodes.Text(" ")]
        text += badge(evidence.verdict)
        return nodes.container("", text, ids=[f"claim-{name}"], classes=["claim-note"])

    def found(self, name):
        claim, (document, evidence) = CLAIMS[name], self.records()[name]
        verdict = nodes.paragraph("", "", badge(evidence.verdict))
        fields = nodes.field_list()
        for title, body in (
            ("Where in the paper", nodes.Text(claim.source)),
            ("The paper's numbers", nodes.Text(claim.printed)),
            ("Ours", nodes.Text(evidence.ours)),
            ("Control", nodes.Text(evidence.control)),
            ("Rule", nodes.Text(claim.rule)),
            ("Evidence", self.link(document, f"claim-{name}", self.title(document))),
        ):
            content = nodes.field_body("", nodes.paragraph("", "", body))
            fields += nodes.field("", nodes.field_name(text=title), content)
        return [verdict, fields]

    def overview(self):
        records = self.records()
        rows = [
            (
                self.link(LEDGER, f"row-{name}", CLAIMS[name].title),
                badge(evidence.verdict),
                self.link(document, f"claim-{name}", self.title(document)),
            )
            for name, (document, evidence) in records.items()
        ]
        counts = Counter(evidence.verdict for _, evidence in records.values())
        said = ", ".join(f"{counts[verdict]} {verdict}" for verdict in get_args(Verdict))
        total = nodes.paragraph(text=f"Of {len(records)} claims and tables: {said}.")
        return [total, make_table(("Claim", "Verdict", "Computed in"), rows)]

    def title(self, document):
        return self.env.titles[document].astext()

    def link(self, document, anchor, text):
        address = self.app.builder.get_relative_uri(self.env.docname, document)
        return nodes.reference("", text, internal=True, refuri=f"{address}#{anchor}")

    def records(self):
        """Evidence by claim, from the files in which the build leaves what notebooks glued."""
        glued = {}
        for document, data in NbMetadataCollector.get_doc_data(self.env).items():
            if any(key.startswith("claim_") for key in data.get("glue", ())):
                file = Path(self.app.outdir).parent / "jupyter_execute" / f"{document}.glue.json"
                values = json.loads(file.read_text(encoding="utf-8"))
                glued[document] = {
                    key: ast.literal_eval(value["data"]["text/plain"])
                    for key, value in values.items()
                    if key.startswith("claim_")
                }
        return read_records(glued)


def badge(verdict):
    kind = verdict.replace(",", "").replace(" ", "-")
    return nodes.inline("", verdict, classes=["verdict", f"verdict-{kind}"])


def pages_to_refresh(app, env, added, changed, removed):
    """Pages that depend on all chapters."""
    return [page for page in ("intro", LEDGER) if page in env.all_docs]


def setup(app: Sphinx):
    for node in (ClaimNote, Found, Overview):
        app.add_node(node)
    app.add_directive("claim", ClaimDirective)
    app.add_directive("ledger", LedgerDirective)
    app.add_directive("ledger-short", OverviewDirective)
    app.add_post_transform(FillIn)
    app.connect("env-get-outdated", pages_to_refresh)
    return {"version": "1", "parallel_read_safe": True}
