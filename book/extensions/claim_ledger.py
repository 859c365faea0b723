"""The ledger: what became of the paper's claims, by what the chapters recorded in this build.

`{claim} name` is a note in a chapter, where the evidence is; `{ledger}` has a section for every
claim, with rule and numbers; `{ledger-short}` is a table of all verdicts. Verdicts and numbers are
placeholders until every notebook has run. `{ballot}` lists what there is to vote on, and gives no
verdict away. `{ledger-changes}` says which verdicts differ from those of earlier releases. The
ledger is also written beside the pages, as data.
"""

import ast
import datetime
import json
from collections import Counter
from pathlib import Path

import ledgers
from build_facts import line_break, make_table, train_images
from docutils import nodes
from myst_nb.sphinx_ import NbMetadataCollector
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.docutils import SphinxDirective

import blindspots
from blindspots.book.ledger import CLAIMS, read_records
from blindspots.book.stored import load_stored

LEDGER = "ledger"  # the document with the sections
COUNTED = {  # one, and several
    "holds": ("holds", "hold"),
    "holds, weaker": ("holds in a weaker form", "hold in a weaker form"),
    "does not hold": ("does not hold", "do not hold"),
    "undecided": ("is undecided", "are undecided"),
    "not testable here": ("is not testable here", "are not testable here"),
    "false, by a theorem": ("is false by a theorem", "are false by a theorem"),
}


class ClaimNote(nodes.General, nodes.Element):
    """Placeholder of a chapter's note about a claim."""


class Found(nodes.General, nodes.Element):
    """Placeholder of what a chapter found out about a claim."""


class Overview(nodes.General, nodes.Element):
    """Placeholder of the table of all verdicts."""


class Changes(nodes.General, nodes.Element):
    """Placeholder of what has changed since earlier releases."""


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


class ChangesDirective(SphinxDirective):
    def run(self):
        return [Changes()]


class BallotDirective(SphinxDirective):
    """The statements with the paper's words, and boxes to tick; numbers of tables are no matter."""

    def run(self):
        rows = [
            (
                nodes.Text(str(number)),
                nodes.inline(
                    "",
                    claim.statement,
                    line_break(),
                    nodes.emphasis(
                        text=f"{claim.words} ({claim.source})", classes=["papers-words"]
                    ),
                ),
                nodes.Text("☐ yes ☐ no"),
            )
            for number, claim in enumerate(to_vote_on(), start=1)
        ]
        return [make_table(("No.", "Statement, and the paper's words", "Your vote"), rows)]


class FillIn(SphinxPostTransform):
    default_priority = 8  # before references are resolved

    def run(self, **kwargs):
        for node in list(self.document.findall(ClaimNote)):
            node.replace_self(self.note(node["name"]))
        for node in list(self.document.findall(Found)):
            node.replace_self(self.found(node["name"]))
        for node in list(self.document.findall(Overview)):
            node.replace_self(self.overview())
        for node in list(self.document.findall(Changes)):
            node.replace_self(self.changes())

    def note(self, name):
        document, evidence = self.records()[name]
        if document != self.env.docname:
            raise ValueError(f"{self.env.docname} has a note on {name}, recorded in {document}")
        text = nodes.paragraph("", "In the ledger: ")
        text += [self.link(LEDGER, f"row-{name}", CLAIMS[name].title), nodes.Text(" ")]
        text += [badge(evidence.verdict), nodes.emphasis(text=f" {evidence.origin}")]
        return nodes.container("", text, ids=[f"claim-{name}"], classes=["claim-note"])

    def found(self, name):
        claim, (document, evidence) = CLAIMS[name], self.records()[name]
        verdict = nodes.paragraph("", "", badge(evidence.verdict))
        verdict += nodes.Text(f" {evidence.found}{spread(name, evidence)} ")
        verdict += nodes.emphasis(text=f"{evidence.origin[0].upper()}{evidence.origin[1:]}.")
        fields = nodes.field_list()
        for title, body in (
            ("The paper", nodes.Text(f"{claim.words} ({claim.source})")),
            ("Ours", nodes.Text(evidence.ours)),
            ("Control, or comparison", nodes.Text(evidence.control)),
            *((title, nodes.Text(text)) for title, text in judged(claim, evidence)),
            ("Rule set", nodes.Text(claim.since)),
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
                nodes.inline(
                    "",
                    "",
                    badge(evidence.verdict),
                    nodes.Text(f" {evidence.found}{spread(name, evidence)} "),
                    nodes.emphasis(text=place(evidence)),
                ),
                self.link(document, f"claim-{name}", self.title(document)),
            )
            for name, (document, evidence) in records.items()
        ]
        counts = Counter(evidence.verdict for _, evidence in records.values())
        said = [
            f"{counts[verdict]} {several if counts[verdict] != 1 else one}"
            for verdict, (one, several) in COUNTED.items()
            if counts[verdict]
        ]
        total = f"Of {len(records)} statements and tables {', '.join(said[:-1])}, and {said[-1]}."
        table = make_table(
            ("Claim", "What we found, and where the numbers are from", "Evidence in"), rows
        )
        return [nodes.paragraph(text=total), table]

    def changes(self):
        """Per release, a sentence and the rows that differ."""
        now = as_data(self.records())
        found = []
        for release in ledgers.releases(now["data"]):
            differing = ledgers.changes(release, now)
            number = f"{len(differing) or 'none'} of {len(now['claims'])}"
            text = f": another verdict in {number} rows of the ledger on {now['data']}."
            if release["version"] == now["version"]:
                text += " (This is that version, built again.)"
            since = f"Since {release['version']} ({release['date']})"
            found.append(nodes.paragraph("", "", nodes.strong(text=since), nodes.Text(text)))
            if differing:
                titles = ("Claim", "Then", "Now", "Because of")
                rows = [
                    (
                        nodes.Text(change.title),
                        *(badge(v) if v else nodes.Text("–") for v in change[1:3]),
                        nodes.Text(change.why),
                    )
                    for change in differing
                ]
                found.append(make_table(titles, rows))
        if not found:
            found.append(nodes.paragraph(text=f"No release has a ledger on {now['data']} yet."))
        if self.app.builder.name == "html":  # which writes the file
            data = nodes.reference("", "as data", internal=True, refuri=ledgers.FILE)
            text = nodes.Text("The ledger of this build is also available ")
            found.append(nodes.paragraph("", "", text, data, nodes.Text(".")))
        return found

    def title(self, document):
        return self.env.titles[document].astext()

    def link(self, document, anchor, text):
        address = self.app.builder.get_relative_uri(self.env.docname, document)
        return nodes.reference("", text, internal=True, refuri=f"{address}#{anchor}")

    def records(self):
        return recorded(self.app)


def recorded(app):
    """Evidence by claim, from the files in which the build leaves what notebooks glued."""
    glued = {}
    for document, data in NbMetadataCollector.get_doc_data(app.env).items():
        if any(key.startswith("claim_") for key in data.get("glue", ())):
            file = Path(app.outdir).parent / "jupyter_execute" / f"{document}.glue.json"
            values = json.loads(file.read_text(encoding="utf-8"))
            glued[document] = {
                key: ast.literal_eval(value["data"]["text/plain"])
                for key, value in values.items()
                if key.startswith("claim_")
            }
    return read_records(glued)


def as_data(records):
    """The ledger as other programs, and later releases, read it."""
    claims = {
        name: {
            "title": CLAIMS[name].title,
            "verdict": evidence.verdict,
            "rule": (rule := CLAIMS[name].rule) and [rule.quantity, rule.threshold, rule.weaker],
            "interval": evidence.interval,
            "origin": evidence.origin,
            "document": document,
        }
        for name, (document, evidence) in records.items()
    }
    today = f"{datetime.date.today():%Y-%m-%d}"
    about = {"version": blindspots.__version__, "date": today, "data": train_images().name}
    return {**about, "claims": claims}


def write_data(app, exception):
    """Leave the ledger beside the pages."""
    if exception is None and app.builder.name == "html" and LEDGER in app.env.all_docs:
        found = as_data(recorded(app)) | {"pages": sorted(app.env.all_docs)}
        text = json.dumps(found, indent=1, ensure_ascii=False)
        (Path(app.outdir) / ledgers.FILE).write_text(text + "\n", encoding="utf-8")


def to_vote_on():
    """The claims that are statements, in the order of the paper."""
    return [claim for name, claim in CLAIMS.items() if not name.startswith("table-")]


def judged(claim, evidence):
    """What the rule is, and what it says of the paper's numbers and of a known negative."""
    rule = claim.rule
    if rule is None:
        yield "Theorem", claim.why
        return
    yield "Rule", f"{rule.words()} {claim.why}"
    measured = rule.written(*evidence.interval)
    if claim.source.startswith("Table") and list(evidence.interval) == [0, 100]:
        measured = f"anything ({measured}), as the bands are too wide to say more"
    if evidence.trainings:
        seeds, ends = load_stored("trainings")["seeds"], rule.written(*evidence.trainings)
        measured += (
            f", widened to hold the interval for the mean of {seeds} stored trainings, {ends}"
        )
    yield "Measured", measured
    flips = [
        f"{flip.verdict} with a threshold {'above' if flip.moved > flip.present else 'below'} "
        f"{rule.written(flip.moved)} in place of {rule.written(flip.present)}"
        for flip in rule.flips(*evidence.interval)
    ]
    alone = "" if evidence.testable else f"by the rule alone, {rule.judge(*evidence.interval)}; "
    yield "It would be", alone + ("; ".join(flips) if flips else "the same with any threshold")
    if evidence.paper is not None:
        said = rule.judge(*evidence.paper)
        yield "The paper's own numbers", f"{rule.written(*evidence.paper)}: {said}"
    elif not claim.source.startswith(("Table", "Figure")):  # there they are what is judged
        yield "The paper's own numbers", "the paper prints none that this rule could judge"
    what, *ends = evidence.negative
    negative = f"{what}: {rule.written(*ends)}, {rule.judge(*ends)}"
    yield "Known negative", negative


def spread(name, evidence):
    """What is judged, where other trainings say something else than this build alone."""
    if not evidence.trainings:
        return ""
    return (
        f" With the spread of several trainings: {CLAIMS[name].rule.written(*evidence.interval)}."
    )


def place(evidence):
    return "stored" if evidence.origin.startswith("stored") else "this build"


def badge(verdict):
    kind = verdict.replace(",", "").replace(" ", "-")
    return nodes.inline("", verdict, classes=["verdict", f"verdict-{kind}"])


def pages_to_refresh(app, env, added, changed, removed):
    """Pages that depend on all chapters."""
    return [page for page in ("intro", LEDGER, "changed") if page in env.all_docs]


def setup(app: Sphinx):
    for node in (ClaimNote, Found, Overview, Changes):
        app.add_node(node)
    app.add_directive("claim", ClaimDirective)
    app.add_directive("ledger", LedgerDirective)
    app.add_directive("ledger-short", OverviewDirective)
    app.add_directive("ledger-changes", ChangesDirective)
    app.add_directive("ballot", BallotDirective)
    app.add_post_transform(FillIn)
    app.connect("env-get-outdated", pages_to_refresh)
    app.connect("build-finished", write_data)
    return {"version": "1", "parallel_read_safe": True}
