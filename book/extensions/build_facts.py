"""What the book says about its own build: when, from what, on what, and how long it took.

Two roles, `{minutes}` (of a chapter, or of `training`) and `{build-data}`, and three directives,
`{chapter-table}`, `{build-facts}` and `{stored-runs}`, leave placeholders. They are filled in when
every notebook has run.
"""

import ast
import functools
import os
import platform
import subprocess
from datetime import datetime, timezone
from importlib import resources
from importlib.metadata import version
from pathlib import Path

import nbformat
from api_pages import chapters, read_code
from docutils import nodes
from jupyter_cache import get_cache
from myst_nb.sphinx_ import NbMetadataCollector
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.docutils import SphinxDirective, SphinxRole

import blindspots
from blindspots.book.stored import load_stored

PACKAGES = ("blindspots", "torch", "torchvision", "numpy", "scikit-learn", "jupyter-book", "Sphinx")


class Minutes(nodes.Inline, nodes.TextElement):
    """Placeholder of a duration."""


class ChapterTable(nodes.General, nodes.Element):
    """Placeholder of the table of chapters."""


class BuildFacts(nodes.General, nodes.Element):
    """Placeholder of the table of facts."""


class StoredRuns(nodes.General, nodes.Element):
    """Placeholder of the table of what was computed before."""


class MinutesRole(SphinxRole):
    def run(self):
        return [Minutes(of=self.text)], []


class DataRole(SphinxRole):
    """The data set of the build."""

    def run(self):
        data = train_images()
        height, width = data.images.shape[2:]
        told = "scikit-learn's digits" if data.name == "digits" else data.name
        return [nodes.Text(f"{told}, {height} × {width} pixels")], []


class ChapterTableDirective(SphinxDirective):
    """One line per chapter: its document, a colon, what it is about."""

    has_content = True

    def run(self):
        lines = [line.split(":", 1) for line in self.content if line.strip()]
        return [ChapterTable(rows=[(doc.strip(), about.strip()) for doc, about in lines])]


class BuildFactsDirective(SphinxDirective):
    def run(self):
        return [BuildFacts()]


class StoredRunsDirective(SphinxDirective):
    def run(self):
        return [StoredRuns()]


class FillIn(SphinxPostTransform):
    default_priority = 8  # before references are resolved

    def run(self, **kwargs):
        for node in list(self.document.findall(Minutes)):
            said, of = duration(self.seconds(node["of"])), node["of"]
            node.replace_self(nodes.inline(text=said, classes=[f"minutes-of-{of}"]))
        for node in list(self.document.findall(ChapterTable)):
            header = ("Chapter", "What it is about", "Computing")
            rows = [
                (
                    self.link(document),
                    nodes.Text(about),
                    nodes.Text(duration(self.seconds(document))),
                )
                for document, about in node["rows"]
            ]
            node.replace_self(make_table(header, rows))
        for node in list(self.document.findall(BuildFacts)):
            rows = [(nodes.Text(name), nodes.Text(value)) for name, value in facts().items()]
            rows += [
                (self.link(document), nodes.Text(self.spent(document)))
                for document in sorted(self.executed())
            ]
            node.replace_self(make_table(("What", "In this build"), rows))
        for node in list(self.document.findall(StoredRuns)):
            rows = [(*map(nodes.Text, run), self.links(run[0])) for run in stored_runs()]
            node.replace_self(make_table(("Run", "How it was made", "Used in"), rows))

    def executed(self):
        everything = NbMetadataCollector.get_doc_data(self.env)
        return {d: x["exec_data"] for d, x in everything.items() if x.get("exec_data")}

    def seconds(self, of):
        if of == "training":
            return sum(training().values())
        if of not in self.executed():
            raise ValueError(f"the build has run no notebook {of}: mend the {{minutes}} role")
        return self.executed()[of]["runtime"]

    def spent(self, document):
        """How long a chapter took: by the clock, and by the processor where that was measured."""
        said = in_seconds(self.seconds(document))
        cache = get_cache(self.env.mystnb_config.execution_cache_path)
        notebook = nbformat.read(self.env.doc2path(document), as_version=4)
        data = cache.match_cache_notebook(notebook).data
        if "processor_seconds" not in data:
            return said
        return (
            f"{said}, of the processor {data['processor_seconds']:.0f}; "
            f"chapters side by side: {data['side_by_side']}"
        )

    def links(self, run):
        """The chapters that show a stored run."""
        book = Path(self.app.srcdir)
        links = nodes.inline()
        for chapter in chapters(book / "_toc.yml"):
            if run in loaded(read_code(book / f"{chapter}.ipynb")):
                links += [nodes.Text(", ")] if links.children else []
                links += self.link(chapter)
        return links

    def link(self, document):
        title = nodes.inline(text=self.env.titles[document].astext())
        return refer(self.env.docname, document, title, explicit=True)


def refer(here, document, text, *, explicit):
    """Refer to a document; its title takes the place of a text that is not explicit."""
    reference = pending_xref(
        refdoc=here,
        refdomain="std",
        reftype="doc",
        reftarget=f"/{document}",
        refexplicit=explicit,
        refwarn=True,
    )
    reference += text
    return reference


def duration(seconds):
    return in_seconds(seconds) if seconds < 90 else f"{seconds / 60:.1f} minutes"


def in_seconds(seconds):
    whole = max(1, round(seconds))
    return f"{whole} second{'s' if whole > 1 else ''}"


def stored_runs():
    """Per stored run: its name, and how it was made."""
    for name in names_of_stored():
        run = load_stored(name)
        seeds = run.get("seeds", 1)
        commit, _, time = run.get("protocol", "").partition(", ")
        protocol = f"protocol {commit} of {time[:10]}" if commit else "no protocol recorded"
        made = f"{run['date']}, {run['data']}, {seeds} seed{'s' if seeds > 1 else ''}"
        yield name, f"{made}; {protocol}"


def names_of_stored():
    folder = resources.files("blindspots.book.stored")
    return sorted(file.name[:-5] for file in folder.iterdir() if file.name.endswith(".json"))


def loaded(code):
    """The stored runs that some code loads."""
    calls = [node for node in ast.walk(code) if isinstance(node, ast.Call)]
    found = set()
    for call in calls:
        name = getattr(call.func, "id", "")
        if name == "load_stored":
            found.add(call.args[0].value)
        elif name == "record" and any(keyword.arg == "data" for keyword in call.keywords):
            found.add("trainings")  # which widen the interval
    return found


def make_table(header, rows):
    group = nodes.tgroup(cols=len(header))
    group += [nodes.colspec(colwidth=1) for _ in header]
    head = nodes.thead()
    head += make_row([nodes.Text(title) for title in header])
    body = nodes.tbody()
    body += [make_row(row) for row in rows]
    group += [head, body]
    return nodes.table("", group, classes=["colwidths-auto"])


def make_row(cells):
    row = nodes.row()
    for cell in cells:
        row += nodes.entry("", nodes.paragraph("", "", cell))
    return row


def line_break():
    return nodes.raw("", "<br>", format="html")


@functools.cache
def train_images():
    import blindspots

    return blindspots.load_images(split="train")


@functools.cache
def training():
    """Seconds that each network took to train, as stored with it."""
    import torch
    from book_networks import book_networks

    import blindspots

    data = train_images().to("cuda" if torch.cuda.is_available() else "cpu")
    return {
        name: blindspots.zoo.training_seconds(recipe, part, seed=seed)
        for name, (recipe, part, seed) in book_networks(data).items()
    }


@functools.cache
def facts():
    import torch

    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "processor"
    data = train_images()
    shape = " × ".join(map(str, data.images.shape[2:]))
    return {
        "Built": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "Commit": commit(),
        "Data set": f"{data.name}, {shape} pixels, {len(data):,} training images",
        "Device": device,
        "Processor": f"{platform.machine()}, {os.cpu_count()} cores",
        "System": f"{platform.system()}, Python {platform.python_version()}",
        **{package: version(package) for package in PACKAGES},
        **{f"Training {name}": in_seconds(s) for name, s in training().items()},
    }


def commit():
    def git(*words):
        try:
            return subprocess.run(["git", *words], capture_output=True, text=True).stdout.strip()
        except OSError:  # there is no git here
            return ""

    changed = " with local changes" if git("status", "--porcelain") else ""
    return (git("rev-parse", "--short=12", "HEAD") or "unknown, not a git checkout") + changed


def name_version(app, config):
    """Say at the foot of every page which version it is of, on which data."""
    footer = config.html_theme_options.get("extra_footer", "")
    built = f"Version {blindspots.__version__}, computed on {train_images().name}. "
    config.html_theme_options["extra_footer"] = built + footer


def pages_to_refresh(app, env, added, changed, removed):
    """Pages with facts are never up to date: the date alone changes every time."""
    return [page for page in ("intro", "teaching", "what_ran_where") if page in env.all_docs]


def setup(app: Sphinx):
    for node in (Minutes, ChapterTable, BuildFacts, StoredRuns):
        app.add_node(node)
    app.add_role("minutes", MinutesRole())
    app.add_role("build-data", DataRole())
    app.add_directive("chapter-table", ChapterTableDirective)
    app.add_directive("build-facts", BuildFactsDirective)
    app.add_directive("stored-runs", StoredRunsDirective)
    app.add_post_transform(FillIn)
    app.connect("config-inited", name_version)
    app.connect("env-get-outdated", pages_to_refresh)
    return {"version": "1", "parallel_read_safe": True}
