"""What the sweeps' commands share: their options, where they compute, and how they are stored."""

import argparse
import contextlib
from collections.abc import Iterator
from pathlib import Path

import joblib

import blindspots
from blindspots._resumable import code_version
from blindspots.book.stored import FOLDER, store
from blindspots.data import cache_folder

SWEEPS = cache_folder() / "sweeps"  # where finished results are kept until all are there


def sweep_parser(name: str, description: str) -> argparse.ArgumentParser:
    """The options of every sweep; its results are stored for the book unless told otherwise."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5, help="how many, from 0 on (default 5)")
    parser.add_argument("--jobs", type=int, default=-1, help="processes here (default all cores)")
    parser.add_argument("--dask", help="address of a Dask scheduler, to compute on its cluster")
    parser.add_argument("--output", type=Path, default=FOLDER / f"{name}.json")
    return parser


@contextlib.contextmanager
def workers(arguments: argparse.Namespace) -> Iterator[None]:
    """Compute in processes here, or on the cluster."""
    with contextlib.ExitStack() as stack:
        if arguments.dask:
            from dask.distributed import Client

            stack.enter_context(Client(arguments.dask))
            stack.enter_context(joblib.parallel_config(backend="dask"))
        else:
            stack.enter_context(joblib.parallel_config(n_jobs=arguments.jobs))
        yield


def store_sweep(arguments: argparse.Namespace, data: str, **results: object) -> None:
    """Write the results, with what they were made from and by."""
    made = {"data": data, "code": code_version(), "version": blindspots.__version__}
    store(arguments.output, made | {"seeds": arguments.seeds} | results)
