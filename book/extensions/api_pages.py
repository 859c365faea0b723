"""The API reference: which chapters use a function, and an overview of its pages.

Each description says in which chapters its object is imported. `{api-overview}` lists all objects,
each with a place of the name that it had when the reference was one page, so that old links to that
page still lead on.
"""

import ast
import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path

import yaml
from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.docutils import SphinxDirective

PACKAGE = "blindspots"
OVERVIEW = "api"
KINDS = ("function", "class", "exception", "data")  # not what belongs to a class


class ApiOverview(nodes.General, nodes.Element):
    """Placeholder of the lists of all objects."""


class ApiOverviewDirective(SphinxDirective):
    def run(self):
        return [ApiOverview()]


class FillIn(SphinxPostTransform):
    default_priority = 8  # before references are resolved

    def run(self, **kwargs):
        for node in list(self.document.findall(ApiOverview)):
            pages = self.env.toctree_includes[OVERVIEW]
            node.replace_self([self.section(page) for page in pages])

    def section(self, page):
        address = self.app.builder.get_relative_uri(OVERVIEW, page)
        title = self.env.titles[page].astext()
        section = nodes.section(ids=[page.rpartition("/")[2].replace("_", "-")])
        link = nodes.reference("", title, internal=True, refuri=address)
        section += nodes.title("", "", link)
        section += nodes.bullet_list(
            "", *(item(address, *about) for about in described(self.env.get_doctree(page)))
        )
        return section


def item(address: str, names: list[str], gist: str) -> nodes.list_item:
    link = nodes.reference("", "", internal=True, refuri=f"{address}#{names[0]}", ids=names)
    link += nodes.literal("", names[0].rpartition(".")[2])
    return nodes.list_item("", nodes.paragraph("", "", link, nodes.Text(f": {gist}")))


def described(page: nodes.document) -> Iterator[tuple[list[str], str]]:
    """What a page describes: its name and those of its members, and its first sentence."""
    for described in page.findall(addnodes.desc):
        if described["objtype"] in KINDS:
            signatures = described.findall(addnodes.desc_signature)
            names = [name for signature in signatures for name in signature["ids"]]
            paragraph = next(described[-1].findall(nodes.paragraph), nodes.paragraph())
            said = " ".join(paragraph.astext().split())
            yield names, re.sub(r":$", ".", re.split(r"(?<=\.) ", said)[0])


def read_code(notebook: Path) -> ast.Module:
    """The code of a notebook, its magics aside."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    return ast.parse(re.sub(r"^(\s*)[%!].*", r"\1pass", code, flags=re.M))


def used(code: ast.Module) -> set[str]:
    """Full names of what some code takes from the package, by import or from its modules."""
    names, modules = set(), {}
    for node in ast.walk(code):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == PACKAGE:
            imported = {}
            exec(ast.unparse(node), imported)
            for alias in node.names:
                here = alias.asname or alias.name
                found = imported[here]
                if inspect.ismodule(found):
                    modules[here] = found.__name__
                elif inspect.isfunction(found) or inspect.isclass(found):
                    names.add(f"{found.__module__}.{found.__qualname__}")
                else:
                    names.add(f"{node.module}.{alias.name}")
    for node in ast.walk(code):
        if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") in modules:
            names.add(f"{modules[node.value.id]}.{node.attr}")
    return names


def chapters(toc: Path) -> list[str]:
    """The chapters, in the order of the book."""
    parts = yaml.safe_load(toc.read_text(encoding="utf-8"))["parts"]
    files = [chapter["file"] for part in parts for chapter in part["chapters"]]
    return [file for file in files if file.startswith("chapters/")]


def look_into_chapters(app: Sphinx) -> None:
    book = Path(app.srcdir)
    app.api_users = {
        chapter: used(read_code(book / f"{chapter}.ipynb"))
        for chapter in chapters(book / "_toc.yml")
    }


def put_types_before_examples(app, what, name, obj, options, lines):
    """Correct sphinx_autodoc_typehints, which puts what is returned in the midst of an example."""
    example = next((at for at, line in enumerate(lines) if line.startswith(">>>")), len(lines))
    returned = next((at for at, line in enumerate(lines) if line.startswith(":rtype:")), -1)
    if returned > example:
        split_by_it = lines[returned - 1].strip() and lines[returned + 1 : returned + 2] == [""]
        line = lines[returned]
        del lines[returned : returned + (2 if split_by_it else 1)]
        lines[example:example] = [line, ""]


def say_where_used(app, what, name, obj, options, lines):
    if what not in KINDS:
        return
    for chapter in app.api_users:  # or a page would not change with them
        app.env.note_dependency(app.env.doc2path(chapter))
    links = [f":doc:`/{chapter}`" for chapter, names in app.api_users.items() if name in names]
    lines += ["", f":Used in: {', '.join(links) or 'no chapter; other functions need it'}", ""]


def setup(app: Sphinx):
    app.add_node(ApiOverview)
    app.add_directive("api-overview", ApiOverviewDirective)
    app.add_post_transform(FillIn)
    app.connect("builder-inited", look_into_chapters)
    # When types are there.
    app.connect("autodoc-process-docstring", put_types_before_examples, priority=900)
    app.connect("autodoc-process-docstring", say_where_used, priority=901)
    return {"version": "1", "parallel_read_safe": True}
