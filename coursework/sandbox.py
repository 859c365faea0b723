"""A process for code that nobody has read: no network, no files, and an end.

On Linux it lives in namespaces of its own (`unshare`), with a file system that holds Python, the
installed packages and an empty folder. Where the system does not allow that, the limits of time,
memory, output and processes remain, and a guard inside Python; `isolation` tells which it is.
"""

import contextlib
import functools
import os
import resource
import signal
import site
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import psutil

import blindspots

HERE = Path(__file__).resolve().parent
PACKAGE = Path(blindspots.__path__[0]).resolve()
SCRIPT = HERE / "sandboxed" / "sandbox.sh"
RUNNER = HERE / "sandboxed" / "runner.py"
UNSHARE = ["unshare", "--user", "--map-root-user", "--net", "--ipc", "--uts", "--pid", "--mount"]
UNSHARE += ["--fork", "--kill-child"]
SCRATCH = "/scratch"  # the empty folder, as the isolated process sees it
WEAK = "the system allows no namespaces: files and network are guarded from inside Python only"
GIGABYTE = 2**30


@dataclass(frozen=True)
class Limits:
    """What one submission may use.

    Times are multiples of what the model solution computes on this machine, so that a grade does
    not depend on the machine that grades.

    Attributes:
        notebook: of the clock, for everything, the loading of PyTorch included.
        cell: of computing, for one cell of the notebook or one call by a test.
        unit: seconds of the processor that the model solution takes; the grader measures it.
        memory: bytes in all its processes together; what they share counts in each.
        processes: at one time.
        file_size: bytes of one file.
    """

    notebook: float = 60.0
    cell: float = 2.0
    unit: float = 4.0
    memory: int = 3 * GIGABYTE
    processes: int = 40
    file_size: int = 64 * 2**20

    @property
    def seconds(self) -> float:
        """Of the clock, for everything."""
        return self.notebook * self.unit

    @property
    def cell_seconds(self) -> float:
        """Of the processor, for one cell or call."""
        return self.cell * self.unit


class Sandbox:
    """A running process and the connection to it. `ended` says why the grader ended it, if it did.

    Args:
        process: the outermost process.
        connection: to the runner.
    """

    def __init__(self, process: subprocess.Popen[bytes], connection: Connection) -> None:
        self.process = process
        self.connection = connection
        self.ended: str | None = None
        self._seen: dict[int, psutil.Process] = {}
        self._lock = threading.Lock()

    def members(self) -> list[psutil.Process]:
        """All processes in it, also those whose parent is gone."""
        with self._lock:
            roots = [*self._seen.values()]
            with contextlib.suppress(psutil.NoSuchProcess):
                roots.append(psutil.Process(self.process.pid))
            for root in roots:
                with contextlib.suppress(psutil.NoSuchProcess):
                    self._seen |= {child.pid: child for child in root.children(recursive=True)}
            return [p for p in self._seen.values() if p.is_running()]

    def kill(self, reason: str | None = None) -> None:
        """End every process in it."""
        self.ended = self.ended or reason
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        for member in self.members():
            with contextlib.suppress(psutil.NoSuchProcess):
                member.kill()


@contextlib.contextmanager
def sandbox(limits: Limits, *, hidden: tuple[Path, ...] = ()) -> Iterator[Sandbox]:
    """Start the runner in a sandbox of its own; in the end nothing of it is left.

    Args:
        limits: beyond which everything in it is killed.
        hidden: folders that must not be read where the system cannot isolate a process.
    """
    strong = isolation() is None
    ours, theirs = socket.socketpair()
    lifeline, held = os.pipe()  # held by nobody but this process: when it dies, the sandbox does
    with tempfile.TemporaryDirectory(prefix="submission-") as folder:
        if strong:
            start = [*UNSHARE, "sh", str(SCRIPT), folder, *map(str, visible()), "--"]
            seen_folder, guard = SCRATCH, []
        else:
            start = ["sh", str(SCRIPT), "--weak", "--"]
            seen_folder, guard = folder, [str(path) for path in hidden]
        runner = [sys.executable, str(RUNNER), str(theirs.fileno()), str(limits.cell_seconds)]
        process = subprocess.Popen(
            [*start, *runner, *guard],
            stdin=lifeline,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            env=environment(seen_folder),
            pass_fds=[theirs.fileno()],
            start_new_session=True,
            preexec_fn=functools.partial(_set_limits, limits),
        )
        theirs.close()
        os.close(lifeline)
        box = Sandbox(process, Connection(ours.detach()))
        done = threading.Event()
        watchdog = threading.Thread(target=_watch, args=(box, limits, done), daemon=True)
        watchdog.start()
        try:
            yield box
        finally:
            done.set()
            watchdog.join()
            box.kill()
            box.connection.close()
            os.close(held)
            process.wait()


@functools.cache
def isolation() -> str | None:
    """None where submissions can be isolated by the system, or else a sentence that says so."""
    if os.environ.get("BLINDSPOTS_ISOLATION") == "weak":  # for tests of the way without
        return WEAK
    lifeline, held = os.pipe()
    with tempfile.TemporaryDirectory() as folder:
        words = [*UNSHARE, "sh", str(SCRIPT), folder, *map(str, visible()), "--"]
        words += [sys.executable, "-c", "import importlib.metadata as m; m.version('torch')"]
        try:
            done = subprocess.run(
                words, env=environment(SCRATCH), stdin=lifeline, capture_output=True, timeout=60
            )
        except (OSError, subprocess.TimeoutExpired):
            return WEAK
        finally:
            os.close(lifeline)
            os.close(held)
    return WEAK if done.returncode else None


def visible() -> list[Path]:
    """The folders that Python and the packages need, outside of the system's own."""
    needed = [sys.prefix, sys.base_prefix, *site.getsitepackages(), str(PACKAGE)]
    folders = sorted({Path(folder).resolve() for folder in [*needed, str(RUNNER.parent)]})
    shown: list[Path] = []
    for folder in folders:
        if not folder.is_relative_to("/usr") and not any(folder.is_relative_to(s) for s in shown):
            shown.append(folder)
    return shown


def environment(folder: str) -> dict[str, str]:
    """The variables of the process: none of the grader's own but the path."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    return kept | {
        "PYTHONPATH": str(PACKAGE.parent),  # the very package that the grader has
        "HOME": folder,
        "TMPDIR": folder,
        "IPYTHONDIR": folder,
        "MPLCONFIGDIR": folder,
        "MPLBACKEND": "agg",
        "BLINDSPOTS_CACHE": folder,
        "BLINDSPOTS_DATASET": "digits",
        "OMP_NUM_THREADS": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def _set_limits(limits: Limits) -> None:
    """Called in the new process, before anything else runs in it."""
    seconds = int(limits.seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_FSIZE, (limits.file_size, limits.file_size))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":  # counts what is written to, unlike the address space
        resource.setrlimit(resource.RLIMIT_DATA, (limits.memory, limits.memory))


def _watch(box: Sandbox, limits: Limits, done: threading.Event) -> None:
    """Kill everything when the time, the memory or the number of processes is exceeded."""
    end = time.monotonic() + limits.seconds
    while not done.wait(0.05):
        members = box.members()
        memory = sum(_resident(member) for member in members)
        if time.monotonic() > end:
            box.kill(f"it ran for more than {limits.seconds:g} seconds")
        elif memory > limits.memory:
            box.kill(f"it took more than {limits.memory / GIGABYTE:g} GB of memory")
        elif len(members) > limits.processes:
            box.kill(f"it started more than {limits.processes} processes")


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:  # it has ended meanwhile
        return 0
