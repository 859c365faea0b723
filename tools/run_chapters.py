"""Execute the chapters side by side, into the cache from which Jupyter Book takes their outputs."""

import os
import resource
import shutil
import signal
import subprocess
import time
import warnings
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import joblib
import nbformat
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from tqdm import tqdm


class Executed(NamedTuple):
    """A chapter that was executed.

    Attributes:
        file: the chapter.
        notebook: with its outputs.
        seconds: of the clock.
        processor_seconds: of all cores together.
        error: what went wrong, or nothing.
    """

    file: Path
    notebook: nbformat.NotebookNode
    seconds: float
    processor_seconds: float
    error: str


def run_chapters(
    files: list[Path], cache_folder: Path, *, timeout: int, environment: dict[str, str]
) -> dict[Path, str]:
    """Execute those that the cache does not know; keep each as soon as it is finished.

    As many run at a time as there are cores, but at least two, each on its share of them.

    Args:
        files: the chapters, those first that had better be started early.
        cache_folder: Jupyter Book's cache.
        timeout: seconds for one cell.
        environment: variables of the kernels, added to those of this process.

    Returns:
        What went wrong, by chapter.
    """
    cache = open_cache(cache_folder)
    missing = [file for file in files if not known(cache, file)]
    if not missing:
        return {}
    cores = joblib.cpu_count()
    jobs = min(max(2, cores), len(missing))
    environment = {"OMP_NUM_THREADS": str(max(1, cores // jobs)), **os.environ, **environment}
    # At Ctrl-C joblib's tracker of semaphores may miss one, which is of no use to anybody.
    os.environ.setdefault("PYTHONWARNINGS", "ignore:resource_tracker:UserWarning")
    # joblib would do a single job in this process, which is then deaf to Ctrl-C.
    runs = joblib.Parallel(n_jobs=max(2, jobs), return_as="generator_unordered", batch_size=1)(
        joblib.delayed(execute)(file, timeout, environment) for file in missing
    )
    failed = {}
    with ended(runs), tqdm(runs, total=len(missing), unit="chapter") as progress:
        for done in progress:
            progress.set_postfix_str(done.file.stem)
            if done.error:
                failed[done.file] = done.error
                continue
            times = {
                "execution_seconds": done.seconds,
                "processor_seconds": done.processor_seconds,
                "side_by_side": jobs,
            }
            bundle = CacheBundleIn(done.notebook, str(done.file), data=times)
            cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)
    return failed


@contextmanager
def ended(runs: Generator) -> Iterator[None]:
    """End what still runs on leaving, and say nothing of it: whoever interrupted us knows."""
    try:
        yield
    finally:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            runs.close()


def open_cache(folder: Path):
    """Jupyter Book's cache; a new one if the disk was full when it was begun."""
    cache = get_cache(folder)
    try:
        cache.list_cache_records()
    except RuntimeError:
        shutil.rmtree(folder)
        cache = get_cache(folder)
    return cache


def known(cache, file: Path) -> bool:
    """Whether the cache holds the outputs of these very cells; what it holds by half is removed."""
    notebook = nbformat.read(file, as_version=4)
    try:
        cache.merge_match_into_notebook(notebook)
    except (KeyError, ValueError):  # no record, or one whose notebook was not written to its end
        _, key = cache.create_hashed_notebook(notebook)
        shutil.rmtree(cache.path / "executed" / key, ignore_errors=True)
        return False
    return True


def write_executed(files: list[Path], cache_folder: Path, book: Path, folder: Path) -> None:
    """Write chapters with their outputs, each where it lies in the book, for the other editions.

    MyST-NB writes them too, but without outputs where these came from the cache.
    """
    cache = get_cache(cache_folder)
    for file in files:
        _, notebook = cache.merge_match_into_notebook(nbformat.read(file, as_version=4))
        written = folder / file.relative_to(book)
        written.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, written)


def execute(file: Path, timeout: int, environment: dict[str, str]) -> Executed:
    """Run one chapter in a kernel of its own; called in a process of its own."""
    leave_interruptions_to_the_parent()
    notebook = nbformat.read(file, as_version=4)
    resources = {"metadata": {"path": str(file.parent)}}
    client = NotebookClient(
        notebook,
        timeout=timeout,
        resources=resources,
        record_timing=False,  # written into the cells, by which the cache knows a notebook
        extra_arguments=["--IPKernelApp.log_level=40"],  # else each tells that it listens on TCP
    )
    error = ""
    began, spent = time.perf_counter(), spent_by_children()
    try:
        # What cells print comes another way; left is what a kernel says of its own end at Ctrl-C.
        client.execute(env=environment, stderr=subprocess.DEVNULL)
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as raised:
        error = str(raised)
    finally:
        leave_interruptions_to_the_parent()
    seconds = time.perf_counter() - began
    return Executed(file, notebook, seconds, spent_by_children() - spent, error)


def leave_interruptions_to_the_parent() -> None:
    """Say nothing at Ctrl-C: the parent says it, and ends this process. NBClient undoes this."""
    signal.signal(signal.SIGINT, lambda *_: None)


def spent_by_children() -> float:
    """Seconds of the processor that the processes started from here have used, once they ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
