"""The glossary, and the links to it from the chapters."""

import random
import re
from pathlib import Path

import pytest
from docutils import nodes
from docutils.utils import new_document

from book.extensions import glossary_links
from book.extensions.glossary_links import Entry, forms, link_terms

BOOK = Path(__file__).resolve().parent.parent / "book"
PAGE = (BOOK / "glossary.md").read_text(encoding="utf-8")
ENTRIES = re.findall(r"((?:^\S.*\n)+)  (.+)$", PAGE.split("```{glossary}\n")[1], re.M)
NAMES = [names.splitlines() for names, _ in ENTRIES]


def test_entries_stand_in_the_order_of_the_alphabet():
    first = [names[0].lower() for names in NAMES]
    assert len(first) > 80 and first == sorted(first)


def test_no_term_stands_twice_even_in_another_form():
    written = [form for names in NAMES for name in names for form in forms(name.lower())]
    assert len(written) == len(set(written))


@pytest.mark.parametrize(("names", "said"), ENTRIES, ids=[names[0] for names in NAMES])
def test_an_entry_is_a_sentence_and_no_list(names, said):
    assert re.match(r"[A-Z0-9*]", said) and said.endswith(".") and len(said) < 450


KNOWN = {
    "margin": Entry("term-margin", "A margin."),
    "rank": Entry("term-rank-of", "A rank."),
    "rank correlation": Entry("term-rank", "A rank correlation."),
    "correlation": Entry("term-correlation", "A correlation."),
    "penalty": Entry("term-penalty", "A penalty."),
    "box": Entry("term-box", "A box."),
    "twin": Entry("term-twin", "A twin."),
    "pgd": Entry("term-pgd", "Steps."),
    "projected gradient descent": Entry("term-pgd", "Steps."),
}


def document(*parts):
    made = new_document("page")
    section = nodes.section("", *parts)
    made += section
    return made


def links(made):
    return [(x.astext(), x["refuri"]) for x in made.findall(nodes.reference)]


def linked(text):
    made = document(nodes.paragraph("", text))
    link_terms(made, KNOWN, "glossary.html")
    assert made.astext() == text
    return [said for said, _ in links(made)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("The margin, and again the margin.", ["margin"]),
        ("Margins; penalties; boxes.", ["Margins", "penalties", "boxes"]),
        ("A Rank\nCorrelation.", ["Rank\nCorrelation"]),
        ("A rank correlation, then a correlation.", ["rank correlation", "correlation"]),
        ("A rank correlation, then a rank.", ["rank correlation", "rank"]),
        ("Projected gradient descent (PGD).", ["Projected gradient descent"]),
        ("Box-constrained, marginal, a sub-margin, boxing.", []),
        ("A twin; once more an adversarial twin.", ["twin"]),
        ("An adversarial twin, then a twin.", ["twin"]),
        ("Its adversarial twin.", []),
        ("Nothing.", []),
    ],
)
def test_first_uses_are_found_in_every_form(text, found):
    assert linked(text) == found


OUTSIDE = [
    lambda word: nodes.title("", word),
    lambda word: nodes.figure("", nodes.caption("", word)),
    lambda word: nodes.literal_block("", word),
    lambda word: nodes.paragraph("", "", nodes.reference("", word, refuri="there")),
    lambda word: nodes.paragraph("", "", nodes.literal("", word)),
    lambda word: nodes.paragraph("", "", nodes.math("", word)),
    lambda word: nodes.paragraph("", "", nodes.inline("", word, classes=["verdict"])),
    lambda word: nodes.container("", nodes.paragraph("", word)),
    lambda word: nodes.table("", nodes.tgroup("", nodes.paragraph("", word))),
    lambda word: nodes.admonition("", nodes.title("", word)),
]
INSIDE = [
    lambda word: nodes.paragraph("", f"It is a {word}."),
    lambda word: nodes.bullet_list("", nodes.list_item("", nodes.paragraph("", word))),
    lambda word: nodes.paragraph("", "", nodes.strong("", word)),
    lambda word: nodes.paragraph("", "", nodes.emphasis("", f"the {word}")),
]
BOXED = [lambda word: nodes.admonition("", nodes.paragraph("", word))]


@pytest.mark.parametrize("seed", range(200))
def test_of_any_document_prose_is_linked_once_and_nothing_else_is_touched(seed):
    chance = random.Random(seed)
    words = [form for term in KNOWN for form in forms(term)] + ["nothing", "no term"]
    chosen = [(chance.choice(OUTSIDE + INSIDE + BOXED), chance.choice(words)) for _ in range(12)]
    made = document(*(part(word) for part, word in chosen))
    said, elsewhere = made.astext(), [str(part(word)) for part, word in chosen if part in OUTSIDE]
    link_terms(made, KNOWN, "glossary.html")
    assert made.astext() == said
    after = [str(node) for node in made[0].children]
    assert [x for (part, _), x in zip(chosen, after, strict=True) if part in OUTSIDE] == elsewhere

    def entry(word):
        return next((e for term, e in KNOWN.items() if word.lower() in forms(term)), None)

    expected = []
    for places in (INSIDE, BOXED):
        for part, word in chosen:
            if part in places and entry(word) and entry(word) not in expected:
                expected.append(entry(word))
    found = [address for _, address in links(made) if address.startswith("glossary")]
    assert sorted(found) == sorted(f"glossary.html#{e.anchor}" for e in expected)
    # A box is linked only where prose does not have the word.
    for (part, word), text in zip(chosen, after, strict=True):
        if part in BOXED and "glossary.html" in text:
            assert not any(p in INSIDE and entry(w) == entry(word) for p, w in chosen)


def test_terms_of_one_entry_lead_to_its_first_and_show_its_first_sentence():
    item = nodes.definition_list_item("")
    item += nodes.term("", "PGD", ids=["term-PGD"])
    item += nodes.term("", "projected gradient descent", ids=["term-projected"])
    item += nodes.definition("", nodes.paragraph("", "Up the loss. And so on."))
    entries = glossary_links.read_entries(document(nodes.definition_list("", item)))
    assert set(entries) == {"pgd", "projected gradient descent"}
    assert set(entries.values()) == {Entry("term-PGD", "Up the loss.")}
