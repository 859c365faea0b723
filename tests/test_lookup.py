"""What readers look for leads to a page that exists."""

from pathlib import Path

import pytest
import yaml

from book.extensions import lookup

BOOK = Path(__file__).resolve().parent.parent / "book"


def test_every_chapter_is_looked_for_by_something():
    pages = lookup.read_lookup(BOOK / lookup.FILE)
    assert set(pages) == {f"chapters/{path.stem}" for path in BOOK.glob("chapters/*.ipynb")}
    for number in range(1, 6):
        assert any(f"Table {number}" in words for words in pages.values())


@pytest.mark.parametrize(
    ("pages", "message"),
    [
        ({"chapters/two": ["Table 2"]}, "names chapters/two, which is no page of the book: mend"),
        ({"chapters/one": ["PGD", "PGD"]}, "has 'PGD' twice for chapters/one: remove one"),
    ],
)
def test_mistakes_in_the_file_are_named(tmp_path, pages, message):
    (tmp_path / "chapters").mkdir()
    (tmp_path / "chapters" / "one.ipynb").touch()
    (tmp_path / "lookup.yml").write_text(yaml.safe_dump(pages))
    with pytest.raises(ValueError, match=message):
        lookup.read_lookup(tmp_path / "lookup.yml")
