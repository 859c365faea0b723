"""What an instructor wants to know of an assignment before giving it out, read from its master."""

import re
from pathlib import Path
from typing import Any, NamedTuple

import yaml

MASTERS = Path(__file__).resolve().parent / "assignments"
QUESTION = re.compile(r"^# # BEGIN QUESTION\n((?:# .*\n)+)", re.M)
ASKS = re.compile(r"\bYou will (.+?)\.(?:\s|$)", re.S)

# Estimates: nobody has measured them.
WORKING = 5  # minutes of a student, per point
READING = 1  # minutes of whoever grades by hand, per point and student


class Overview(NamedTuple):
    """An assignment at a glance.

    Attributes:
        name: of the master, and of the chapter that it goes with.
        asks: what the students will do, in a sentence.
        questions: how many there are.
        by_machine: points that the grader gives.
        by_hand: points for what a person has to read.
    """

    name: str
    asks: str
    questions: int
    by_machine: int
    by_hand: int

    @property
    def minutes(self) -> int:
        """Estimate how long a student works."""
        return WORKING * (self.by_machine + self.by_hand)

    def reading(self, students: int) -> int:
        """Estimate the minutes that it takes to read what a class has written."""
        return READING * self.by_hand * students


def overview(master: Path) -> Overview:
    """Read what a master says of itself, without building it.

    Raises:
        ValueError: if its first cell does not say "You will ...".
    """
    text = master.read_text(encoding="utf-8")
    opening = text.split("\n# %%", 1)[0].replace("\n# ", " ").replace("\n#", "\n")
    if not (asks := ASKS.search(opening)):
        raise ValueError(f'{master}: the first cell must say what is asked, "You will ... ."')
    configs = [_config(block) for block in QUESTION.findall(text)]
    by_hand = sum(config["points"] for config in configs if config.get("manual"))
    total = sum(config["points"] for config in configs)
    return Overview(
        name=master.stem,
        asks=asks[1][0].upper() + asks[1][1:] + ".",
        questions=len(configs),
        by_machine=total - by_hand,
        by_hand=by_hand,
    )


def _config(block: str) -> dict[str, Any]:
    """What stands in the comments of a question's first cell."""
    lines = [line.removeprefix("# ") for line in block.splitlines()]
    config: dict[str, Any] = yaml.safe_load("\n".join(lines))
    return config
