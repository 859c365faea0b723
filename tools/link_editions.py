"""Say in the built pages which other editions of them there are, how large, and of which day."""

import os
import re
from datetime import datetime
from pathlib import Path

SITE = Path(__file__).resolve().parent.parent / "_build" / "html"
LINE = re.compile(r'<p class="editions">.*?</p>', re.DOTALL)
BOOK = {"PDF": "blind-spots.pdf", "EPUB": "blind-spots.epub", "slides": "slides/slides.zip"}


def of_page(document: str) -> dict[str, str]:
    """Name the editions that a page may have, each with its file below the site."""
    return {
        "a notebook": f"_sources/{document}.ipynb",
        "slides": f"slides/{Path(document).name}.html" if document.startswith("chapters/") else "",
    }


def line(site: Path, document: str) -> str:
    """Write the line of one page: links to what is there, each with its size and its day."""
    here = (site / document).parent

    def links(editions: dict[str, str]) -> str:
        said = []
        for name, path in editions.items():
            file = site / path
            if file.is_file():
                size, made = file.stat().st_size / 1e6, datetime.fromtimestamp(file.stat().st_mtime)
                address = Path(os.path.relpath(file, here)).as_posix()
                day = f"{made.day} {made:%B %Y}"
                said.append(f'<a href="{address}">{name}</a> ({max(size, 0.1):.1f} MB, {day})')
        return ", ".join(said)

    page, book = links(of_page(document)), links(BOOK)
    parts = [f"This page as {page}." if page else "", f"The whole book as {book}." if book else ""]
    return f'<p class="editions">{" ".join(filter(None, parts))}</p>'


def main(site: Path = SITE) -> None:
    for file in sorted(site.rglob("*.html")):
        text = file.read_text(encoding="utf-8")
        if LINE.search(text):
            document = file.relative_to(site).with_suffix("").as_posix()
            filled = LINE.sub(lambda _, to=document: line(site, to), text)
            file.write_text(filled, encoding="utf-8")


if __name__ == "__main__":
    main()
