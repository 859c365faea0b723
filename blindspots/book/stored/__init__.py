"""Results that take too long for a build: made by one command, stored with date and version."""

import datetime
import json
from pathlib import Path
from typing import Any

from blindspots._resumable import atomic_write

FOLDER = Path(__file__).parent


def load_stored(name: str) -> dict[str, Any]:
    """Load the stored results of an experiment.

    Args:
        name: `"attacks"`, `"fair_training"`, `"lipschitz"`, `"photographs"`, `"robustness"`,
            `"strangers"`, `"trainings"`, `"transfer"` or `"units"`, made by
            `make experiment NAME=attacks` and so on.

    Raises:
        ValueError: if there are no stored results of that name.

    >>> load_stored("transfer")["data"]
    'MNIST'
    """
    names = sorted(file.stem for file in FOLDER.glob("*.json"))
    if name not in names:
        raise ValueError(f"nothing is stored as {name!r}: use one of {', '.join(names)}")
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def store(file: Path, results: dict[str, Any]) -> None:
    """Write results with the date of today, in full or not at all."""
    with atomic_write(file) as scratch:
        content = {"date": datetime.date.today().isoformat(), **results}
        scratch.write_text(json.dumps(content) + "\n", encoding="utf-8")
