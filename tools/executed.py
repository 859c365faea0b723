"""The chapters as `make book` has executed them, and their roles in plain words.

Slides and the notebook edition are both made of this.
"""

import ast
import base64
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import nbformat
import yaml
from pybtex.database import parse_file

from book.extensions.author_year import authors

ROOT = Path(__file__).resolve().parent.parent
BOOK = ROOT / "book"
EXECUTED = ROOT / "_build" / "jupyter_execute"
PICTURES = {"image/png": "png", "image/svg+xml": "svg"}  # types, and how their files end

ROLE = re.compile(r"\{([\w:-]+)\}`([^`]*)`")
# A link, or code, in which nothing is one.
LINK = re.compile(
    r"(?P<code>^(?P<fence>`{3,})(?![`{]).*?^(?P=fence)|`[^`\n]+`)"
    r"|\[(?P<words>[^\]]*)\]\((?P<address>[^)]*)\)",
    re.DOTALL | re.MULTILINE,
)


class Unfit(Exception):
    """Something cannot be shown in this edition; the message says what to do."""


@dataclass
class Chapter:
    """A chapter as it was executed.

    Attributes:
        cells: those of the source, with its marks.
        outputs: of each cell.
        glued: the numbers in its sentences, by name.
    """

    document: str
    cells: list[Any]
    outputs: list[list[Any]]
    glued: Mapping[str, str]

    @property
    def title(self) -> str:
        return title_of(self.cells)


def documents(book: Path = BOOK) -> list[str]:
    """All notebooks of the table of contents, in its order."""
    toc = yaml.safe_load((book / "_toc.yml").read_text(encoding="utf-8"))
    entries = [entry for part in toc["parts"] for entry in part["chapters"]]
    files = [e["file"] for entry in entries for e in (entry, *entry.get("sections", []))]
    return [file for file in files if (book / f"{file}.ipynb").exists()]


def widgets(document: str) -> Mapping[str, Any]:
    """The widgets that a notebook has kept, as they stand in its metadata; none, if it has none."""
    file = EXECUTED / f"{document}.ipynb"
    if not file.exists():
        return {}
    kept: Mapping[str, Any] = nbformat.read(file, as_version=4).metadata.get("widgets", {})
    return kept


def read(file: Path) -> list[Any]:
    return list(nbformat.read(file, as_version=4).cells)


def title_of(cells: Sequence[Any]) -> str:
    return str(cells[0].source.split("\n")[0].removeprefix("# "))


def load(document: str, book: Path = BOOK, executed: Path = EXECUTED) -> Chapter:
    """Read a chapter, with what came out when the book was built.

    Raises:
        Unfit: if it was not executed, or was changed since.
    """
    cells, file = read(book / f"{document}.ipynb"), executed / f"{document}.ipynb"
    if not file.exists():
        raise Unfit(f"{document} has not been executed: run make book first")
    ran = iter([cell for cell in read(file) if cell.cell_type == "code"])
    outputs: list[list[Any]] = []
    for cell in cells:
        code = next(ran, None) if cell.cell_type == "code" else None
        if cell.cell_type == "code" and (code is None or code.source != cell.source):
            raise Unfit(f"{document} has changed since it was executed: run make book first")
        outputs.append(code.outputs if code else [])
    stored = json.loads(file.with_suffix(".glue.json").read_text(encoding="utf-8"))
    glued = {n: ast.literal_eval(value["data"]["text/plain"]) for n, value in stored.items()}
    return Chapter(document, cells, outputs, glued)


def fill(
    text: str,
    glued: Mapping[str, str],
    link: Callable[[str, str], str],
    cite: Callable[[str], str] = str,
    numbers: Mapping[str, str] | None = None,
) -> str:
    """Put numbers and names in the place of roles.

    Args:
        text: of a chapter.
        glued: numbers by name.
        link: given the words of a link and where it leads, what is to stand there.
        cite: given authors and years, what is to stand there.
        numbers: of figures, equations and minutes, by label; without, none can be referred to.

    Raises:
        Unfit: for a role that cannot be filled in.
    """

    def filled(role: re.Match[str]) -> str:
        name, content = role.groups()
        if name == "glue:text" and content in glued:
            return glued[content]
        if name.startswith("cite:"):
            return cite(cited(content.split(","), in_text=name == "cite:t"))
        if numbers and name in ("eq", "numref", "minutes") and content in numbers:
            return numbers[content]
        raise Unfit(f"{role.group()} cannot be filled in: leave it out by naming other parts")

    def linked(found: re.Match[str]) -> str:
        return found["code"] or link(found["words"], found["address"])

    return LINK.sub(linked, ROLE.sub(filled, text))


def title_at(address: str) -> str:
    """The title of the chapter to which a link without words leads."""
    return title_of(read(BOOK / "chapters" / Path(address).name))


def cited(keys: Sequence[str], *, in_text: bool) -> str:
    """Authors and year of some sources."""
    shown = []
    for key in keys:
        source = bibliography()[key.strip()]
        names, year = authors(source), source.fields["year"]
        shown.append(f"{names} ({year})" if in_text else f"{names}, {year}")
    return ", ".join(shown) if in_text else f"({'; '.join(shown)})"


@cache
def bibliography() -> Mapping[str, Any]:
    entries: Mapping[str, Any] = parse_file(str(BOOK / "references.bib")).entries
    return entries


def picture(data: Mapping[str, str]) -> tuple[str, bytes] | None:
    """The picture in an output, if there is one: its type, and the content of its file."""
    for mime in PICTURES:
        if mime in data:
            content = data[mime]
            return mime, base64.b64decode(content) if mime == "image/png" else content.encode()
    return None
