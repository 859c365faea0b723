"""Results that take too long for a build: made by one command, stored with date and version."""

import json
from importlib import resources
from typing import Any


def load_stored(name: str) -> dict[str, Any]:
    """The stored results of a benchmark or a sweep.

    Args:
        name: `"attacks"`, made by `make benchmark-attacks`, `"lipschitz"`, made by
            `make benchmark-lipschitz`, or `"transfer"`, made by `make sweep-transfer`.

    Raises:
        ValueError: if there are no stored results of that name.

    >>> load_stored("transfer")["data"]
    'MNIST'
    """
    folder = resources.files(__package__)
    names = sorted(file.name[:-5] for file in folder.iterdir() if file.name.endswith(".json"))
    if name not in names:
        raise ValueError(f"nothing is stored as {name!r}: use one of {', '.join(names)}")
    return json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
