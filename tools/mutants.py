"""Break each core function in one place and see that a test fails.

A mutant that survives means that a test cannot fail, which is a defect of the tests. The mutants
are in tests/mutants.toml. With `--changed` only those run whose file or tests have changed since
the commit at which all were noticed (tests/mutants_noticed.txt), and a sample of the others.
"""

import argparse
import math
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import joblib
from tqdm import tqdm

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
TABLE = ROOT / "tests" / "mutants.toml"
NOTICED = ROOT / "tests" / "mutants_noticed.txt"
COPIED = "blindspots", "book", "coursework", "tests", "tools"
PATIENCE = 600  # seconds: a function that never returns is noticed too
SAMPLE = 12  # of those whose files have not changed


class Mutant(NamedTuple):
    """One change of one place in a file, and the files of tests that must notice it."""

    file: str
    original: str
    broken: str
    tests: str


def mutants() -> list[Mutant]:
    """All of the table. A file's tests are those of its name, unless the table names others."""
    table = tomllib.loads(TABLE.read_text(encoding="utf-8"))
    return [
        Mutant(file, *change, entry.get("tests", f"tests/test_{Path(file).stem}.py"))
        for file, entry in table.items()
        for change in entry["broken"]
    ]


def git(*words: str) -> str:
    return subprocess.run(
        ["git", *words], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()


def chosen(everything: list[Mutant]) -> list[Mutant]:
    """Those of changed files, and a sample that is another one for every commit."""
    try:
        changed = git("diff", "--name-only", NOTICED.read_text().strip()).splitlines()
        seed = git("rev-parse", "HEAD")
    except (OSError, subprocess.CalledProcessError):
        print("The commit at which all mutants were noticed is not at hand: all of them run.")
        return everything
    due = [mutant for mutant in everything if {mutant.file, *mutant.tests.split()} & {*changed}]
    others = [mutant for mutant in everything if mutant not in due]
    return due + random.Random(seed).sample(others, min(SAMPLE, len(others)))


def copy(folder: Path) -> None:
    """What the tests need, so that nothing here is ever broken."""
    for part in COPIED:
        shutil.copytree(ROOT / part, folder / part)
    for part in ("conftest.py", "pyproject.toml", "README.md", "_config.yml", "constraints.txt"):
        shutil.copy(ROOT / part, folder)


def passes(folder: Path, tests: str) -> bool:
    """Whether these tests pass, in time, on the copy of the package in the folder."""
    words = [sys.executable, "-m", "pytest", "-q", "-x", "--no-cov", *tests.split()]
    environment = {
        **os.environ,
        "PYTHONPATH": str(folder),
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
        "BLINDSPOTS_TEST_CACHE": str(ROOT / "_build" / "test-cache"),
    }
    try:
        done = subprocess.run(
            words, cwd=folder, env=environment, capture_output=True, text=True, timeout=PATIENCE
        )
    except subprocess.TimeoutExpired:
        return False
    if done.returncode not in (0, 1):
        sys.exit(f"the tests in {tests} did not run:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.returncode == 0


def unbroken(tests: str) -> bool:
    """Whether the tests pass before anything is broken."""
    with tempfile.TemporaryDirectory() as name:
        copy(Path(name))
        return passes(Path(name), tests)


def survives(mutant: Mutant) -> bool:
    """Whether the tests pass although the function is broken."""
    with tempfile.TemporaryDirectory() as name:
        copy(Path(name))
        path = Path(name) / mutant.file
        source = path.read_text(encoding="utf-8")
        path.write_text(source.replace(mutant.original, mutant.broken), encoding="utf-8")
        return passes(Path(name), mutant.tests)


def side_by_side(function, values: list, minutes: float = math.inf) -> Iterator:
    """The function of each value, as many at a time as there are cores, while there is time."""
    end = time.monotonic() + 60 * minutes
    runs = joblib.Parallel(n_jobs=-1, return_as="generator", batch_size=1, pre_dispatch="n_jobs")(
        joblib.delayed(function)(value) for value in values
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of runs that nobody waits for any more
        for result in tqdm(runs, total=len(values)):
            yield result
            if time.monotonic() > end:
                return


def main() -> None:
    parser = argparse.ArgumentParser(description="Break each core function and see a test fail.")
    parser.add_argument("--changed", action="store_true", help="those of changed files, and some")
    parser.add_argument(
        "--minutes", type=float, default=math.inf, help="leave out what takes longer"
    )
    arguments = parser.parse_args()
    everything = mutants()
    for mutant in everything:
        if mutant.original not in (ROOT / mutant.file).read_text(encoding="utf-8"):
            sys.exit(f"{mutant.file} has no {mutant.original!r} any more: renew {TABLE.name}")
    tried = chosen(everything) if arguments.changed else everything
    if arguments.minutes < math.inf:  # of all kinds, whichever these are
        random.Random(git("rev-parse", "HEAD")).shuffle(tried)
    # A third of the time for the tests themselves; what there is no time for is left out.
    files = list(dict.fromkeys(mutant.tests for mutant in tried))
    checked = set()
    for tests, well in zip(
        files, side_by_side(unbroken, files, arguments.minutes / 3), strict=False
    ):
        if not well:
            sys.exit(f"{tests} fails before anything is broken: correct that first")
        checked.add(tests)
    wanted, tried = len(tried), [mutant for mutant in tried if mutant.tests in checked]
    done = survivors = 0
    runs = side_by_side(survives, tried, 2 * arguments.minutes / 3)
    for mutant, lives in zip(tried, runs, strict=False):
        done += 1
        if lives:
            survivors += 1
            tqdm.write(f"SURVIVED: {mutant.file}: {mutant.original!r} -> {mutant.broken!r}")
    if done < wanted:
        print(f"There was time for {done} of {wanted} broken functions.")
    if survivors:
        sys.exit(f"{survivors} of {done} broken functions went unnoticed.")
    print(f"All {done} broken functions were noticed by a test.")
    if done == len(everything) and not git("status", "--porcelain"):
        NOTICED.write_text(git("rev-parse", "HEAD") + "\n")


if __name__ == "__main__":
    main()
