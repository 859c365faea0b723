import errno
import importlib.util
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from blindspots import load_images

ROOT = Path(__file__).resolve().parent.parent


def load(file):
    spec = importlib.util.spec_from_file_location(file.stem, file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def build_book(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "path", [*sys.path])
    module = load(ROOT / "tools" / "build_book.py")
    monkeypatch.setattr(module, "BUILD", tmp_path / "_build")
    return module


@pytest.fixture
def build_facts():
    return load(ROOT / "book" / "extensions" / "build_facts.py")


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


def test_fingerprint_depends_on_the_data_and_the_package(build_book, monkeypatch, tmp_path):
    train, test = load_images("digits", split="train"), load_images("digits", split="test")
    now = build_book.fingerprint(train)
    assert build_book.fingerprint(train) == now != build_book.fingerprint(test)
    read = ("blindspots/data.py", "blindspots/book/claims.toml", "blindspots/book/stored/a.json")
    for name in ("constraints.txt", "_config.yml", *read):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("one")
    monkeypatch.setattr(build_book, "ROOT", tmp_path)
    before = build_book.fingerprint(train)
    for name in read:
        (tmp_path / name).write_text("two")
        after = build_book.fingerprint(train)
        assert after != before
        before = after


def test_durations_are_readable(build_facts):
    durations = [build_facts.duration(seconds) for seconds in (0.2, 45, 89, 90, 200)]
    assert durations == ["1 second", "45 seconds", "89 seconds", "1.5 minutes", "3.3 minutes"]


def test_commit_without_git(build_facts, monkeypatch):
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
