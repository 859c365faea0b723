"""Compare the ledgers of two builds: `python -m tools.compare_ledgers OLD NEW`, two ledger.json.

What differs is printed as a table, and the exit status is 1. Two builds of the same code on the
same machine must agree to the last bit (`--exact`).
"""

import argparse
import json
import sys
from pathlib import Path

from book.extensions import ledgers


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("old", type=Path)
    options.add_argument("new", type=Path)
    options.add_argument("--exact", action="store_true", help="intervals must be equal, too")
    arguments = options.parse_args()
    old, new = (json.loads(file.read_text()) for file in (arguments.old, arguments.new))
    if old["data"] != new["data"]:
        sys.exit(
            f"One ledger is on {old['data']}, the other on {new['data']}: take two of the same"
        )
    if differing := ledgers.changes(old, new):
        print("| claim | then | now | because of |\n| --- | --- | --- | --- |")
        for change in differing:
            print(f"| {change.title} | {change.before} | {change.after} | {change.why} |")
        sys.exit(1)
    if arguments.exact and (names := ledgers.moved(old, new)):
        sys.exit(f"The verdicts are equal, but not the intervals of {', '.join(names)}")
    print(f"The verdicts on {len(new['claims'])} claims are equal.")


if __name__ == "__main__":
    main()
