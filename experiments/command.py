"""What the commands of all experiments share: options, where they compute, and what they store."""

import argparse
import contextlib
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import joblib

import blindspots
from blindspots import run_sweep
from blindspots._resumable import code_version
from blindspots.book.stored import FOLDER, store
from blindspots.data import cache_folder

Results = dict[str, Any]


def parser(module: str, description: str | None) -> argparse.ArgumentParser:
    """Make the parser of the experiment in a file; results go to the book unless told otherwise."""
    file = Path(module)
    made = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    made.add_argument("--output", type=Path, default=FOLDER / f"{file.stem}.json")
    # Of now: files may be edited while it runs.
    files = sorted(file.parent.glob(f"{file.stem}*.py"))
    made.set_defaults(code=code_version(*files), protocol=protocol(*files))
    return made


def protocol(*files: Path) -> str:
    """Give the commit in which these files last changed and its time, or say that there is none.

    What is stored can so be seen to be younger than the rules by which it was made.
    """

    def git(*words: str) -> str:
        names = [file.name for file in files]
        command = ["git", "-C", str(files[0].parent), *words, "--", *names]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        changed = git("status", "--porcelain")
        return "not committed" if changed else git("log", "-1", "--format=%h, %cI")
    except (OSError, subprocess.CalledProcessError):
        return "unknown: no history at hand"


def sweep_parser(module: str, description: str | None) -> argparse.ArgumentParser:
    """Make the parser of an experiment that goes through `sweep`."""
    made = parser(module, description)
    made.add_argument("--seeds", type=int, default=5, help="how many, from 0 on (default 5)")
    made.add_argument("--jobs", type=int, default=-1, help="processes here (default all cores)")
    made.add_argument("--dask", help="address of a Dask scheduler, to compute on its cluster")
    return made


def sweep(
    function: Callable[..., Results], settings: Sequence[Results], arguments: argparse.Namespace
) -> list[Results]:
    """Call the function for every setting, here or on the cluster; give settings with results.

    What is finished is kept in the cache until the code changes.
    """
    with contextlib.ExitStack() as stack:
        if arguments.dask:
            from dask.distributed import Client

            stack.enter_context(Client(arguments.dask))
            stack.enter_context(joblib.parallel_config(backend="dask"))
        else:
            stack.enter_context(joblib.parallel_config(n_jobs=arguments.jobs))
        folder = cache_folder() / "experiments"
        results = run_sweep(function, settings, folder=folder, progress=True)
    return [setting | result for setting, result in zip(settings, results, strict=True)]


def store_results(arguments: argparse.Namespace, data: str, **results: object) -> None:
    """Write the results, with what they were made from and by."""
    made = {"data": data, "code": arguments.code, "version": blindspots.__version__}
    made["protocol"] = arguments.protocol
    store(arguments.output, made | results)
