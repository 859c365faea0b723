"""Ledgers as data: what a build found, and how that differs from what a release found."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

RELEASES = Path(__file__).parent.parent / "releases"
FILE = "ledger.json"  # beside the pages

Ledger = Mapping[str, Any]
"""Its version, data and date; and of each claim, by name: title, verdict, rule and interval."""


class Change(NamedTuple):
    """A claim whose verdict is not what it was; None stands for no such row."""

    title: str
    before: str | None
    after: str | None
    why: str


def changes(old: Ledger, new: Ledger) -> list[Change]:
    """List the claims whose verdicts differ, in the order of the newer ledger.

    >>> row = {"title": "Near", "verdict": "holds", "rule": [95, 50], "interval": [97, 99]}
    >>> fewer = row | {"verdict": "undecided", "interval": [40, 60]}
    >>> changes({"claims": {"near": row}}, {"claims": {"near": fewer}})
    [Change(title='Near', before='holds', after='undecided', why='other numbers')]
    """
    found = []
    for name in [*new["claims"], *(n for n in old["claims"] if n not in new["claims"])]:
        before, after = (ledger["claims"].get(name) for ledger in (old, new))
        if before is None:
            found.append(Change(after["title"], None, after["verdict"], "a new row"))
        elif after is None:
            found.append(Change(before["title"], before["verdict"], None, "no longer judged"))
        elif before["verdict"] != after["verdict"]:
            why = "other numbers" if before["rule"] == after["rule"] else "another rule"
            found.append(Change(after["title"], before["verdict"], after["verdict"], why))
    return found


def moved(old: Ledger, new: Ledger) -> list[str]:
    """Name the claims whose measured intervals are not the same to the last bit."""
    both = old["claims"].keys() & new["claims"].keys()
    return sorted(n for n in both if old["claims"][n]["interval"] != new["claims"][n]["interval"])


def releases(data: str) -> list[Ledger]:
    """Read the ledgers of all releases on a data set, the newest first."""
    ledgers = [json.loads(file.read_text(encoding="utf-8")) for file in RELEASES.glob("*.json")]
    chosen = [ledger for ledger in ledgers if ledger["data"] == data]
    return sorted(chosen, key=lambda ledger: _parts(ledger["version"]), reverse=True)


def _parts(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]
