"""Sources are named by author and year, everywhere in the same way."""

import re
from pathlib import Path

import pytest
from pybtex.database import Entry, Person, parse_file

from book.extensions import author_year
from tools import executed

SOURCES = parse_file(
    str(Path(__file__).resolve().parent.parent / "book" / "references.bib")
).entries


def source(*last_names, year="2013"):
    people = [Person(first="A.", last=name) for name in last_names]
    return Entry("misc", {"year": year, "title": "T"}, {"author": people})


@pytest.mark.parametrize(
    ("names", "label"),
    [
        (("Bau",), "Bau, 2013"),
        (("Bau", "Zhou"), "Bau and Zhou, 2013"),
        (("Bau", "Zhou", "Khosla"), "Bau et al., 2013"),
    ],
)
def test_labels_are_names_and_a_year(names, label):
    assert author_year.Labels().format_labels([source(*names)]) == [label]


def test_two_sources_of_one_name_are_refused():
    with pytest.raises(ValueError, match=r"two sources .* are called Bau, 2013: tell them apart"):
        author_year.Labels().format_labels([source("Bau"), source("Bau")])


def test_every_label_of_the_book_can_be_read():
    labels = author_year.Labels().format_labels(SOURCES.values())
    assert len(labels) == len(SOURCES) > 30
    for label in labels:
        assert re.fullmatch(r"\D+, (19|20)\d\d", label), label


def test_slides_cite_as_the_pages_do():
    label = author_year.Labels().format_labels([SOURCES["carlini2017"]])[0]
    assert executed.cited(["carlini2017"], in_text=False) == f"({label})"


def test_numbers_of_arxiv_and_dois_are_links():
    """The style links these two fields; what a note says would not be one."""
    linked = 0
    for key, entry in SOURCES.items():
        linked += "eprint" in entry.fields or "doi" in entry.fields
        for name, value in entry.fields.items():
            if name == "eprint":
                assert re.fullmatch(r"\d{4}\.\d{4,5}(v\d+)?", value), key
            elif name != "doi":
                assert not re.search("arxiv|doi:", value, re.I), key
    assert linked > 20
