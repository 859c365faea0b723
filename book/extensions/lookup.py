"""Entries of the index from a file, so that the search puts first the page that a reader wants."""

from collections.abc import Iterable
from pathlib import Path

import yaml
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

FILE = "lookup.yml"


def read_lookup(file: Path) -> dict[str, list[str]]:
    """Read which words lead to which page.

    Raises:
        ValueError: if a page does not exist, or leads there by the same words twice.
    """
    pages = yaml.safe_load(file.read_text(encoding="utf-8"))
    for page, words in pages.items():
        if not any(file.parent.glob(f"{page}.*")):
            raise ValueError(f"{file.name} names {page}, which is no page of the book: mend it")
        if twice := sorted({word for word in words if words.count(word) > 1}):
            raise ValueError(f"{file.name} has {twice[0]!r} twice for {page}: remove one")
    return pages


class AddEntries(SphinxTransform):
    default_priority = 800  # before the index is collected

    def apply(self, **kwargs):
        file = Path(self.app.srcdir, FILE)
        self.env.note_dependency(str(file))
        if words := read_lookup(file).get(self.env.docname):
            entries = [("single", word, "", "main", None) for word in words]
            self.document += addnodes.index(entries=entries)


def write_all_pages(app: Sphinx, env) -> Iterable[str]:
    """All pages: of one that is not written anew, Sphinx forgets the entries in the search.

    So links to the glossary, and the overview of the reference, are always up to date too.
    """
    return env.all_docs


def setup(app: Sphinx):
    app.add_transform(AddEntries)
    app.connect("env-updated", write_all_pages)
    return {"version": "1", "parallel_read_safe": True}
