"""Links from the chapters to the glossary, where a chapter first uses a word."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform

GLOSSARY = "glossary"
CHAPTERS = "chapters/"
# A word is linked where all that it stands in is of these kinds: not in headings, captions, tables,
# outputs, links, code or formulas, nor where a number or a verdict is pasted in.
PROSE = (
    nodes.document,
    nodes.section,
    nodes.bullet_list,
    nodes.enumerated_list,
    nodes.list_item,
    nodes.paragraph,
    nodes.emphasis,
    nodes.strong,
)
# In these phrases a word means something else than in the glossary.
OTHER_SENSES = (
    "adversarial twin",
    "all these units",
    "from one source",
    "in one unit",
    "in units of",
    "per unit of",
    "periodic boundaries",
    "pools windows",
    "unit cube",
    "unit image",
)


class Entry(NamedTuple):
    """An entry of the glossary: where it is, and the first sentence of what it says."""

    anchor: str
    gist: str


class LinkTerms(SphinxPostTransform):
    default_priority = 9  # before references are resolved

    def run(self, **kwargs):
        if self.env.docname.startswith(CHAPTERS):
            entries = read_entries(self.env.get_doctree(GLOSSARY))
            address = self.app.builder.get_relative_uri(self.env.docname, GLOSSARY)
            link_terms(self.document, entries, address)


def read_entries(glossary: nodes.document) -> dict[str, Entry]:
    """Find the entries by what they are called; several terms may share one."""
    entries = {}
    for item in glossary.findall(nodes.definition_list_item):
        terms = list(item.findall(nodes.term))
        (definition,) = item.findall(nodes.definition)
        said = " ".join(definition[0].astext().split())
        gist = re.split(r"(?<=[.?!]) ", said)[0]
        for term in terms:
            entries[term.astext().lower()] = Entry(terms[0]["ids"][0], gist)
    return entries


def link_terms(document: nodes.document, entries: Mapping[str, Entry], address: str) -> None:
    """Link the first use of each entry in the prose of a document, or else in its boxes."""
    known = {form: entry for term, entry in entries.items() for form in forms(term)}
    pattern, linked = any_of({*known, *OTHER_SENSES}), set()
    for places in (PROSE, (*PROSE, nodes.Admonition)):
        for text in list(document.findall(nodes.Text)):
            if all(isinstance(node, places) for node in ancestors(text)):
                text.parent.replace(text, pieces(text, pattern, known, linked, address))


def pieces(
    text: str,
    pattern: re.Pattern[str],
    known: Mapping[str, Entry],
    linked: set[Entry],
    address: str,
) -> list[nodes.Node]:
    """Cut a text into what stays and links for what it names first; `linked` grows."""
    found, begin = [], 0
    for match in pattern.finditer(text):
        entry = known.get(" ".join(match.group().lower().split()))
        if entry and entry not in linked:
            linked.add(entry)
            found += [nodes.Text(text[begin : match.start()]), link(match.group(), entry, address)]
            begin = match.end()
    return [*found, nodes.Text(text[begin:])]


def ancestors(node: nodes.Node) -> Iterator[nodes.Node]:
    while node := node.parent:
        yield node


def forms(term: str) -> list[str]:
    """Write a term in singular and plural, by the rules; exceptions are terms of their own."""
    if re.search("[^aeiou]y$", term):
        return [term, f"{term[:-1]}ies"]
    if re.search("(ss|x|ch|sh)$", term):
        return [term, f"{term}es"]
    return [term, term[:-1] if term.endswith("s") else f"{term}s"]


def any_of(known: Iterable[str]) -> re.Pattern[str]:
    """Match any of some words in any case, the longest that begins at a place."""
    longest_first = sorted(known, key=len, reverse=True)
    words = (re.escape(form).replace(r"\ ", r"\s+") for form in longest_first)
    return re.compile(rf"(?<![\w-])(?:{'|'.join(words)})(?![\w-])", re.IGNORECASE)


def link(text: str, entry: Entry, address: str) -> nodes.reference:
    return nodes.reference(
        "",
        text,
        internal=True,
        refuri=f"{address}#{entry.anchor}",
        reftitle=entry.gist,
        classes=["glossary-link"],
    )


def setup(app: Sphinx):
    app.add_post_transform(LinkTerms)
    return {"version": "1", "parallel_read_safe": True}
