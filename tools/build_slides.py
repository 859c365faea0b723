"""Cut slides from the chapters: one deck each, and one for a lecture, into the built site.

What goes on a slide is marked in the metadata of the chapters' cells, under `slideshow`, as for
Jupyter's own slides: `slide_type` is "slide" where a slide begins, "-" where it goes on, and
"fragment" where it waits for a key first. Three more keys are ours:

- `parts`: not the whole cell, but these pieces of it, each as "first words … last words" (or in
  full); a piece "---" begins another slide;
- `code`: show the code of the cell, above its output;
- `lecture`: the slides that begin here also go into the lecture.

The heading of a slide is the one that it stands under in the chapter. Figures and numbers come from
the chapters as `make book` has executed them. Beside the decks lie archives to take away: of all
decks, and of the figures of each chapter.
"""

import base64
import html
import json
import re
import shutil
import struct
import sys
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from blindspots.book.ledger import CLAIMS
from tools.executed import (
    BOOK,
    PICTURES,
    ROOT,
    Chapter,
    Unfit,
    documents,
    fill,
    load,
    picture,
    read,
    title_at,
)

SLIDES = ROOT / "_build" / "html" / "slides"
VENDOR = BOOK / "assets" / "vendor"
LECTURE = "lecture"

HEADING = re.compile(r"#{1,6} (.+)")
ADMONITION = re.compile(r"`{3,}\{admonition\} (.+)")


@dataclass
class Slide:
    """One slide: its heading, and the pieces of HTML below it."""

    heading: str
    opening: bool  # under the chapter's own title
    lecture: bool
    body: list[str] = field(default_factory=list)


def marked_documents(book: Path = BOOK) -> list[str]:
    """Notebooks of the table of contents that have a marked cell, in its order."""
    return [
        document
        for document in documents(book)
        if any("slideshow" in cell.metadata for cell in read(book / f"{document}.ipynb"))
    ]


def cut(chapter: Chapter) -> list[Slide]:
    """The slides of a chapter.

    Raises:
        Unfit: if a mark asks for what is not there, or cannot be shown.
    """
    slides: list[Slide] = []
    heading = Heading("", 0)
    for number, (cell, outputs) in enumerate(zip(chapter.cells, chapter.outputs, strict=True)):
        mark, where = cell.metadata.get("slideshow"), f"{chapter.document}, cell {number}"
        if mark is not None:
            try:
                pieces = list(cell_pieces(cell, mark, outputs, chapter))
                add(slides, pieces, mark, cell, heading)
            except Unfit as problem:
                raise Unfit(f"{where}: {problem}") from problem
        if cell.cell_type == "markdown":
            heading = heading_at(cell.source, len(cell.source), heading)
    return slides


@dataclass
class Heading:
    """What a piece of text stands under."""

    text: str
    level: int


def heading_at(source: str, place: int, before: Heading) -> Heading:
    """The last heading before a place in a text, or the title of the box that the place is in."""
    found, box, fenced = before, None, False
    for line in source[:place].split("\n"):
        if line.startswith("```"):
            title = ADMONITION.match(line)
            box = Heading(title.group(1), 3) if title else None
            fenced = not fenced
        elif (match := HEADING.match(line)) and not fenced:
            found = Heading(match.group(1), line.index(" "))
    return box or found


def add(
    slides: list[Slide],
    pieces: Sequence[tuple[int, str] | None],
    mark: Mapping[str, Any],
    cell: Any,
    before: Heading,
) -> None:
    """Put the pieces of a cell on the slides; None begins another slide."""
    kind = mark["slide_type"]
    if kind not in ("slide", "-", "fragment"):
        raise Unfit(f'slide_type is {kind!r}: say "slide", "-" or "fragment"')
    fresh = kind == "slide"
    for piece in pieces:
        if piece is None:
            fresh = True
            continue
        place, body = piece
        if fresh:
            markdown = cell.cell_type == "markdown"
            under = heading_at(cell.source, place, before) if markdown else before
            slides.append(Slide(under.text, under.level == 1, bool(mark.get("lecture"))))
            fresh = False
        if not slides:
            raise Unfit('nothing to go on with: the first mark needs the slide_type "slide"')
        slides[-1].body.append(
            f'<div class="fragment">{body}</div>' if kind == "fragment" else body
        )


def cell_pieces(
    cell: Any, mark: Mapping[str, Any], outputs: Sequence[Any], chapter: Chapter
) -> Iterator[tuple[int, str] | None]:
    """What a cell gives to the slides: places in its text, and HTML."""
    parts = pick(cell.source, mark.get("parts"))
    if cell.cell_type == "markdown":
        for part in parts:
            yield part and (part[0], to_html(part[1], chapter.glued))
        return
    shown = [f"<pre><code>{coloured(p[1])}</code></pre>" for p in parts if p and mark.get("code")]
    shown += [body for output in outputs if (body := output_html(output, cell, chapter.glued))]
    if not shown:
        raise Unfit("it has no output that a slide can show, so mark another cell, or its code")
    yield 0, "\n".join(shown)


def pick(source: str, parts: Sequence[str] | None) -> list[tuple[int, str] | None]:
    """Pieces of a text with their places; the whole text if no parts are named.

    Raises:
        Unfit: if a piece is not there, or its first words are there twice.
    """
    if parts is None:
        return [(0, source)]
    picked: list[tuple[int, str] | None] = []
    for part in parts:
        if part == "---":
            picked.append(None)
            continue
        first, dots, last = (word.strip() for word in part.partition("…"))
        if source.count(first) != 1:
            raise Unfit(f"{first!r} is in the cell {source.count(first)} times, not once")
        begin = source.index(first)
        end = source.find(last, begin + len(first)) + len(last) if dots else begin + len(first)
        if end < begin + len(first):
            raise Unfit(f"{last!r} does not follow {first!r}")
        picked.append((begin, source[begin:end]))
    return picked


def to_html(text: str, glued: Mapping[str, str]) -> str:
    """A piece of a chapter's text as HTML, its roles and boxes filled in.

    Raises:
        Unfit: for what means nothing on a slide, such as the number of an equation.
    """
    text = re.sub(r"\$\$ \(eq-[\w-]+\)", "$$", text)
    return str(parser().render(in_words(text, glued), {"glued": glued}))


def in_words(text: str, glued: Mapping[str, str]) -> str:
    """A text with its roles filled in; of links, which lead nowhere on a slide, the words."""
    return fill(text, glued, lambda words, address: words or title_at(address))


@cache
def parser() -> MarkdownIt:
    """CommonMark with formulas for MathJax, and with the boxes of the book."""

    def formula(content: str, options: Mapping[str, bool]) -> str:
        escaped = html.escape(content)
        return rf"\[{escaped}\]" if options["display_mode"] else rf"\({escaped}\)"

    def fence(
        self: Any, tokens: Sequence[Any], index: int, options: Any, env: Mapping[str, Any]
    ) -> str:
        return box(tokens[index].info, tokens[index].content, env["glued"])

    made = MarkdownIt("commonmark").enable("table")
    made.use(dollarmath_plugin, renderer=formula, double_inline=True)
    made.add_render_rule("fence", fence)
    return made


def box(info: str, content: str, glued: Mapping[str, str]) -> str:
    """A fenced block: code, a box with a title, or a verdict of the ledger."""
    directive, _, title = info.partition(" ")
    if directive == "{admonition}":
        body = to_html(re.sub(r"\A(:\w+:.*\n)+", "", content), glued)
        return f'<div class="box"><p class="box-title">{html.escape(title)}</p>{body}</div>'
    if directive == "{claim}":
        verdict = json.loads(glued[f"claim_{title}"])["verdict"]
        return f'<p class="claim">{html.escape(CLAIMS[title].title)}: <b>{verdict}</b></p>'
    if directive.startswith("{"):
        raise Unfit(f"{directive} cannot be shown: leave it out by naming other parts")
    return f"<pre><code>{coloured(content)}</code></pre>"


def coloured(code: str) -> str:
    formatter = HtmlFormatter(nowrap=True, noclasses=True, style="a11y-light")
    return highlight(code, PythonLexer(), formatter).rstrip()


def output_html(output: Any, cell: Any, glued: Mapping[str, str]) -> str:
    """An output of a cell, with the caption of its figure; empty if there is nothing to show."""
    if output.output_type == "stream":
        return f"<pre>{html.escape(output.text)}</pre>" if output.name == "stdout" else ""
    data = output.get("data", {})
    if drawn := picture(data):
        book = cell.metadata["mystnb"]
        mime, content = drawn
        encoded = base64.b64encode(content).decode()
        address, tall = f"data:{mime};base64,{encoded}", mime == "image/png" and is_tall(encoded)
        caption = parser().renderInline(in_words(book["figure"]["caption"], glued))
        return (
            f'<figure{" class=tall" if tall else ""}><img src="{address}" '
            f'alt="{html.escape(book["image"]["alt"])}"><figcaption>{caption}</figcaption></figure>'
        )
    if "text/html" in data:
        return str(data["text/html"])
    if "text/plain" in data and len(data) == 1:
        return f"<pre>{html.escape(data['text/plain'])}</pre>"
    return ""


def is_tall(picture: str) -> bool:
    """Whether a picture, a PNG in base64, leaves room beside it rather than below."""
    width, height = struct.unpack(">II", base64.b64decode(picture[:32])[16:24])
    return bool(height > 0.8 * width)


def deck(title: str, slides: Sequence[Slide]) -> str:
    """The page of a deck."""
    sections = []
    for slide in slides:
        tag = "h1" if slide.opening else "h2"
        heading = parser().renderInline(html.escape(slide.heading, quote=False), {"glued": {}})
        sections.append(
            f"<section{' class=opening' if slide.opening else ''}><{tag}>{heading}</{tag}>\n"
            + "\n".join(slide.body)
            + "\n</section>"
        )
    page = (Path(__file__).parent / "slides" / "deck.html").read_text(encoding="utf-8")
    return page.replace("TITLE", html.escape(title)).replace("SLIDES", "\n".join(sections))


def write(chapters: Sequence[Chapter], folder: Path = SLIDES) -> dict[str, int]:
    """Write all decks, what they load and the archives, and return how many slides each has."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in ("reveal", "mathjax"):
        shutil.copytree(VENDOR / name, folder / name)
    shutil.copy(Path(__file__).parent / "slides" / "slides.css", folder)
    decks = {c.document.rpartition("/")[2]: (c.title, cut(c)) for c in chapters}
    lecture = [slide for _, slides in decks.values() for slide in slides if slide.lecture]
    decks = {LECTURE: ("A lecture of 90 minutes", lecture)} | decks
    for name, (title, slides) in decks.items():
        (folder / f"{name}.html").write_text(deck(title, slides), encoding="utf-8")
    lines = [
        f'<li><a href="{name}.html">{html.escape(title)}</a>, {len(slides)} slides</li>'
        for name, (title, slides) in decks.items()
    ]
    archives = {"All slides, to be shown offline": pack_decks(folder)}
    archives |= {f"Figures: {c.title}": pack_figures(c, folder) for c in chapters if figures(c)}
    files = [
        f'<li><a href="{archive.name}" download>{html.escape(title)}</a>, {size(archive)}</li>'
        for title, archive in archives.items()
    ]
    page = (Path(__file__).parent / "slides" / "index.html").read_text(encoding="utf-8")
    page = page.replace("DECKS", "\n".join(lines)).replace("ARCHIVES", "\n".join(files))
    (folder / "index.html").write_text(page, encoding="utf-8")
    return {name: len(slides) for name, (_, slides) in decks.items()}


def pack_decks(folder: Path) -> Path:
    """Everything that is in the folder, as one archive in it."""
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    archive = folder / "slides.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for file in files:
            packed.write(file, Path("slides") / file.relative_to(folder))
    return archive


def pack_figures(chapter: Chapter, folder: Path) -> Path:
    """The figures of a chapter as one archive in the folder, named as in the chapter."""
    stem = chapter.document.rpartition("/")[2]
    archive = folder / f"figures-{stem}.zip"
    with zipfile.ZipFile(archive, "w") as packed:  # pictures are compressed already
        for name, picture in figures(chapter).items():
            packed.writestr(f"{stem}/{name}", picture)
    return archive


def figures(chapter: Chapter) -> dict[str, bytes]:
    """The figures of a chapter that have a name, by the file that they become."""
    found = {}
    for cell, outputs in zip(chapter.cells, chapter.outputs, strict=True):
        for output in outputs:
            if drawn := picture(output.get("data", {})):
                mime, content = drawn
                name = cell.metadata["mystnb"]["figure"]["name"]
                found[f"{name}.{PICTURES[mime]}"] = content
    return found


def size(file: Path) -> str:
    """How large a file is, for readers."""
    count = file.stat().st_size
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.0f} kB"


def main() -> None:
    try:
        counts = write([load(document) for document in marked_documents()])
    except Unfit as problem:
        sys.exit(f"No slides: {problem}.")
    for name, count in counts.items():
        print(f"  {name}: {count} slides")
    address = (SLIDES / "index.html").as_uri()
    print(f"The slides are in {SLIDES}\nOpen them with: {sys.executable} -m webbrowser {address}")


if __name__ == "__main__":
    main()
