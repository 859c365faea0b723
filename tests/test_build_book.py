import ast
import errno
import re
import sqlite3
import subprocess
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from sqlalchemy.exc import OperationalError

import tools.build_book
from blindspots import load_images
from blindspots.book.stored import load_stored
from book.extensions import build_facts
from book.extensions.api_pages import read_code


@pytest.fixture
def build_book(monkeypatch, tmp_path):
    monkeypatch.setattr(tools.build_book, "BUILD", tmp_path / "_build")
    return tools.build_book


def test_chapters_are_forgotten_exactly_when_something_changed(build_book):
    build_book.forget_outdated("one")
    page = build_book.BUILD / "html" / "page.html"
    cached = build_book.BUILD / ".jupyter_cache" / "chapter"
    for file in (page, cached):
        file.parent.mkdir()
        file.touch()
    build_book.forget_outdated("one")
    assert page.exists() and cached.exists()
    build_book.forget_outdated("two")
    assert not page.exists() and not cached.exists()


def test_the_build_depends_on_the_data_and_on_all_that_the_chapters_import(
    build_book, monkeypatch, tmp_path
):
    train, test = load_images("digits", split="train"), load_images("digits", split="test")
    now = build_book.build_version(train)
    assert build_book.build_version(train) == now != build_book.build_version(test)
    stored, extension = "blindspots/book/stored/attacks.json", "book/extensions/build_facts.py"
    claims = "blindspots/book/claims.toml"
    changed = "constraints.txt", "_config.yml", "blindspots/data.py", claims, stored, extension
    for name in changed:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("one")
    monkeypatch.setattr(build_book, "ROOT", tmp_path)
    before = build_book.build_version(train)
    for name in changed:
        (tmp_path / name).write_text("two")
        after = build_book.build_version(train)
        assert after != before
        before = after


def test_a_chapter_is_run_again_unless_the_build_has_just_run_it(build_book, monkeypatch, tmp_path):
    book, executed = tmp_path / "book", tmp_path / "executed"
    monkeypatch.setattr(build_book, "BOOK", book)
    monkeypatch.setattr(build_book, "EXECUTED", executed)

    def write(folder, code, text="Some text."):
        (folder / "chapters").mkdir(parents=True, exist_ok=True)
        cells = [new_markdown_cell(text), new_code_cell(code)]
        nbformat.write(new_notebook(cells=cells), folder / "chapters" / "one.ipynb")

    def current():
        return build_book.is_current("chapters/one")

    write(book, "1 + 1")
    assert not current()  # nothing was built
    write(executed, "1 + 1", "Its text may change.")
    assert not current()  # by nobody knows what
    build_book.forget_outdated(build_book.build_version(load_images(split="train")))
    assert current()
    write(book, "1 + 2")
    assert not current()  # another cell
    write(book, "1 + 1")
    build_book.forget_outdated(build_book.build_version(load_images(split="test")))
    assert not current()  # other data


def test_durations_are_readable():
    durations = [build_facts.duration(seconds) for seconds in (0.2, 45, 89, 90, 200)]
    assert durations == ["1 second", "45 seconds", "89 seconds", "1.5 minutes", "3.3 minutes"]


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "1 second"), (0.6, "1 second"), (1.4, "1 second"), (1.6, "2 seconds"), (95, "95 seconds")],
)
def test_one_second_is_no_plural(seconds, said):
    assert build_facts.in_seconds(seconds) == said


def test_stored_runs_say_when_and_on_what_they_were_made():
    runs = dict(build_facts.stored_runs())
    assert len(runs) >= 6
    stored = load_stored("transfer")
    assert runs["transfer"].startswith(f"{stored['date']}, MNIST, {stored['seeds']} seeds; ")
    day = r"\d{4}-\d\d-\d\d"
    protocol = rf"protocol [0-9a-f]{{7,}} of {day}|no protocol recorded"
    for name, made in runs.items():
        assert re.fullmatch(rf"{day}, [\w ]+, (1 seed|[2-9] seeds); ({protocol})", made), name


def test_every_stored_run_is_shown_in_a_chapter():
    folder = Path(__file__).resolve().parent.parent / "book" / "chapters"
    shown = [build_facts.loaded(read_code(file)) for file in folder.glob("*.ipynb")]
    assert set().union(*shown) == set(build_facts.names_of_stored())


def test_only_loading_counts_as_showing():
    assert build_facts.loaded(ast.parse('a = load_stored("one")\nload("two")')) == {"one"}
    assert build_facts.loaded(ast.parse('record("near", data="digits")')) == {"trainings"}
    assert build_facts.loaded(ast.parse('record("near", stored=run)')) == set()


def test_commit_without_git(monkeypatch):
    def no_git(*args, **kwargs):
        raise FileNotFoundError("git")

    monkeypatch.setattr(subprocess, "run", no_git)
    assert build_facts.commit() == "unknown, not a git checkout"


FULL_TABLE = OperationalError("INSERT", {}, sqlite3.OperationalError("database or disk is full"))


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), True),
        (FULL_TABLE, True),
        (PermissionError(errno.EACCES, "Permission denied"), False),
        (OperationalError("INSERT", {}, sqlite3.OperationalError("no such table")), False),
    ],
)
def test_a_full_disk_is_told_from_other_errors(build_book, error, full):
    assert build_book.disk_is_full(error) == full
