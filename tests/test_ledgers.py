"""What changed between two builds, and what strangers find of it."""

import json
import os
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

import blindspots
from book.extensions import ledgers
from tools import check_site, check_wheel, compare_ledgers, link_editions

ROOT = Path(__file__).resolve().parent.parent
ROW = {"title": "Near", "verdict": "holds", "rule": ["share", 95, 50], "interval": [97.0, 99.0]}


def ledger(data="digits", version="1.0.0", **claims):
    return {"version": version, "date": "2026-11-28", "data": data, "claims": claims}


def test_each_kind_of_change_is_told_with_its_reason():
    lower = ROW | {"verdict": "undecided", "interval": [40.0, 60.0]}
    stricter = ROW | {"verdict": "does not hold", "rule": ["share", 100, None]}
    old = ledger(numbers=ROW, rule=ROW, gone=ROW, same=ROW)
    new = ledger(numbers=lower, rule=stricter, fresh=ROW, same=ROW | {"interval": [96.0, 99.0]})
    found = {(c.before, c.after, c.why) for c in ledgers.changes(old, new)}
    assert found == {
        ("holds", "undecided", "other numbers"),
        ("holds", "does not hold", "another rule"),
        ("holds", None, "no longer judged"),
        (None, "holds", "a new row"),
    }
    assert ledgers.changes(old, old) == [] == ledgers.moved(old, old)
    assert ledgers.moved(old, new) == ["numbers", "same"]


def test_releases_are_those_on_the_same_data_the_newest_first(tmp_path, monkeypatch):
    monkeypatch.setattr(ledgers, "RELEASES", tmp_path)
    for data, version in (("digits", "1.9.0"), ("MNIST", "2.0.0"), ("digits", "1.10.0")):
        content = json.dumps(ledger(data, version, near=ROW))
        (tmp_path / f"{version}-{data}.json").write_text(content)
    assert [r["version"] for r in ledgers.releases("digits")] == ["1.10.0", "1.9.0"]
    assert ledgers.releases("photographs") == []


@pytest.mark.parametrize(
    ("changed", "options", "said"),
    [
        ({}, [], "are equal"),
        ({"interval": [97.0, 99.5]}, [], "are equal"),
        ({"interval": [97.0, 99.5]}, ["--exact"], "intervals of near"),
        ({"verdict": "undecided"}, [], "| Near | holds | undecided | other numbers |"),
    ],
)
def test_two_builds_are_compared_by_a_command(
    changed, options, said, tmp_path, monkeypatch, capsys
):
    files = [tmp_path / "old.json", tmp_path / "new.json"]
    for file, row in zip(files, (ROW, ROW | changed), strict=True):
        file.write_text(json.dumps(ledger(near=row)))
    monkeypatch.setattr(sys, "argv", ["compare_ledgers", *map(str, files), *options])
    if "equal" in said:
        compare_ledgers.main()
        assert said in capsys.readouterr().out
    else:
        with pytest.raises(SystemExit) as ended:
            compare_ledgers.main()
        assert said in f"{ended.value} {capsys.readouterr().out}" and ended.value.code != 0


@pytest.mark.parametrize("data", ["digits", "MNIST"])
def test_this_release_keeps_its_ledger(data):
    (newest, *_) = ledgers.releases(data)
    assert newest["version"] == blindspots.__version__ and newest["claims"]


def test_no_page_of_a_release_is_lost():
    redirects = yaml.safe_load((ROOT / "_config.yml").read_text())["sphinx"]["config"]["redirects"]
    here = set(check_site.listed(ROOT / "book" / "_toc.yml"))
    for release in [*ledgers.releases("digits"), *ledgers.releases("MNIST")]:
        assert set(release["pages"]) <= here | redirects.keys()
    assert here.isdisjoint(redirects)


def test_a_page_links_its_editions_with_size_and_day(tmp_path):
    page = tmp_path / "chapters" / "near.html"
    for file in (
        page,
        tmp_path / "_sources" / "chapters" / "near.ipynb",
        tmp_path / "slides" / "near.html",
    ):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x" * 1_234_567)
        os.utime(file, (1.8e9, 1.8e9))
    page.write_text('<p class="editions"></p>')
    link_editions.main(tmp_path)
    assert (
        page.read_text()
        == '<p class="editions">This page as <a href="../_sources/chapters/near.ipynb">'
        "a notebook</a> (1.2 MB, 15 January 2027), "
        '<a href="../slides/near.html">slides</a> (1.2 MB, 15 January 2027).</p>'
    )
    (tmp_path / "blind-spots.pdf").write_bytes(b"x" * 14_100_000)
    link_editions.main(tmp_path)  # again, when there is more
    assert 'book as <a href="../blind-spots.pdf">PDF</a> (14.1 MB' in page.read_text()


def test_the_readme_promises_what_its_lines_print():
    code, printed = check_wheel.readme_lines((ROOT / "README.md").read_text())
    compile(code, "README", "exec")
    assert "print" in code and "test error" in printed


def test_what_a_wheel_asks_for_is_read_without_extras(tmp_path):
    wheel = tmp_path / "a.whl"
    with zipfile.ZipFile(wheel, "w") as packed:
        needs = (
            "Name: a\nRequires-Dist: torch<3,>=2.6\nRequires-Dist: ipython>=8; extra == 'book'\n"
        )
        packed.writestr("a-1.dist-info/METADATA", needs)
    assert check_wheel.direct_needs(wheel) == {"torch"}
    assert check_wheel.megabytes(tmp_path) == check_wheel.megabytes(wheel) > 0
