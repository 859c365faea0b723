"""Citations by author and year: the same names in the text, in the bibliography and on slides."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import sphinxcontrib.bibtex.plugin
from pybtex.database import Entry
from pybtex.plugin import register_plugin
from pybtex.style.formatting.unsrt import Style as Unsorted
from pybtex.style.labels import BaseLabelStyle
from sphinx.application import Sphinx
from sphinxcontrib.bibtex.style.referencing import BracketStyle
from sphinxcontrib.bibtex.style.referencing.author_year import AuthorYearReferenceStyle


def authors(source: Entry) -> str:
    """Write the last names of one or two authors, or of the first of more."""
    people = [" ".join(map(str, person.rich_last_names)) for person in source.persons["author"]]
    return f"{people[0]} et al." if len(people) > 2 else " and ".join(people)


class Labels(BaseLabelStyle):
    def format_labels(self, sorted_entries: Iterable[Entry]) -> list[str]:
        labels = [f"{authors(source)}, {source.fields['year']}" for source in sorted_entries]
        if twice := sorted({label for label in labels if labels.count(label) > 1}):
            raise ValueError(
                f"two sources of the bibliography are called {', '.join(twice)}: "
                "tell them apart by a letter after the year"
            )
        return labels


class Style(Unsorted):
    default_label_style = Labels
    default_sorting_style = "author_year_title"


def round_brackets() -> BracketStyle:
    return BracketStyle(left="(", right=")", sep="; ")


@dataclass
class RoundReferences(AuthorYearReferenceStyle):
    bracket_textual: BracketStyle = field(default_factory=round_brackets)
    bracket_parenthetical: BracketStyle = field(default_factory=round_brackets)


def setup(app: Sphinx):
    register_plugin("pybtex.style.formatting", "author_year", Style)
    sphinxcontrib.bibtex.plugin.register_plugin(
        "sphinxcontrib.bibtex.style.referencing", "author_year_round", RoundReferences
    )
    return {"version": "1", "parallel_read_safe": True}
