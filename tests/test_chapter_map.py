"""The map of the chapters: what each says that it needs, and an order that respects it."""

import re
from pathlib import Path

import chapter_map
import nbformat
import pytest
import yaml

ROOT = Path(__file__).parent.parent
TOC = yaml.safe_load((ROOT / "book" / "_toc.yml").read_text(encoding="utf-8"))
FILES = [entry["file"] for part in TOC["parts"] for entry in part["chapters"]]
CHAPTERS = [Path(name).name for name in FILES if name.startswith("chapters/")]
CELLS = {
    name: nbformat.read(ROOT / f"book/chapters/{name}.ipynb", as_version=4).cells
    for name in CHAPTERS
}
NEEDED = {name: chapter_map.needs(cells[0].source) for name, cells in CELLS.items()}


def test_what_a_chapter_needs_comes_before_it():
    for place, (name, named) in enumerate(NEEDED.items()):
        assert set(named) <= set(CHAPTERS[:place]), name
    assert [n for n, named in NEEDED.items() if not named] == CHAPTERS[:1]


@pytest.mark.parametrize("name", CHAPTERS)
def test_next_and_last_chapter_are_what_they_say(name):
    said = "\n".join(cell.source for cell in CELLS[name] if cell.cell_type == "markdown")
    place = CHAPTERS.index(name)
    meant = {"next": place + 1, "last": place - 1, "first": 0}
    for word, target in re.findall(r"\[the (next|last|first) chapter\]\((\w+)\.ipynb\)", said):
        assert CHAPTERS.index(target) == meant[word]
    named = re.findall(r"\b(?:next|last|previous|first) chapter\b", said)
    assert len(named) == len(re.findall(r"\[the (?:next|last|first) chapter\]\(", said))


def test_rows_lie_below_what_they_need():
    layout = chapter_map.rows(NEEDED)
    depth = {name: row for row, names in enumerate(layout) for name in names}
    assert sorted(depth) == sorted(CHAPTERS)
    for name, named in NEEDED.items():
        assert all(depth[other] < depth[name] for other in named)


def test_map_links_every_chapter_and_draws_every_need():
    titles = {name: f"Title of {name}" for name in CHAPTERS}
    drawn = chapter_map.draw(NEEDED, titles, {name: f"{name}.html" for name in CHAPTERS})
    assert re.findall(r'<a href="(\w+)\.html"', drawn) == CHAPTERS
    lines = re.findall(r"<line [^>]*>", drawn)
    assert len(lines) == sum(map(len, NEEDED.values()))
    helpful = sum(not must for named in NEEDED.values() for must in named.values())
    assert sum("dasharray" in line for line in lines) == helpful > 0
