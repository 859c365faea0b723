"""Runs the cells of one notebook in the sandbox, then answers the grader's calls.

The grader starts this as a script, with the number of the socket that leads to it.
"""

import ast
import contextlib
import io
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType
from typing import Any

import wire
from IPython.core.interactiveshell import InteractiveShell

PRINTED = 2**20  # characters that one cell or one call may print
IDLE = 0.02  # share of a processor below which something waits, however busy the machine is
LEAST = 8  # a function that was too slow again and again still gets this part of the first time


class TooSlow(BaseException):
    """Raised in a cell or a call that takes too long; no `except Exception` holds it back."""


class Waits(BaseException):
    """Raised in a cell or a call that computes nothing."""


class TooLong(BaseException):
    """Raised in a cell or a call that prints too much."""


class Counting(io.TextIOBase):
    """Swallows what is printed, up to a limit."""

    def __init__(self) -> None:
        self.left = PRINTED

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self.left -= len(text)
        if self.left < 0:
            self.left = PRINTED
            raise TooLong(f"printed more than {PRINTED:,} characters")
        return len(text)


class Patience:
    """Limits what one cell or one call may compute and print.

    Seconds of the processor, so that a busy machine takes nothing away from anybody. A function
    that has used them up gets half as many when it is called again: an endless loop that is called
    by many tests shall leave time for the other answers. It takes nothing away from them. What
    hardly computes for as many seconds of the clock (it sleeps, or waits for a key) is ended too.

    Args:
        seconds: for each cell, and for each function's first call.
        printed: counts the characters.
    """

    def __init__(self, seconds: float, printed: Counting) -> None:
        self.seconds = seconds
        self.shortened: dict[str, float] = {}
        self.printed = printed
        self.peer: wire.Peer | None = None

    @contextlib.contextmanager
    def limit(self, name: str) -> Iterator[None]:
        """Interrupt the cell or function of this name, again and again if it does not end."""
        seconds = self.shortened.get(name, self.seconds)

        def interrupt(number: int, frame: FrameType | None) -> None:
            self.shortened[name] = max(seconds / 2, self.seconds / LEAST)
            error = TooSlow(f"computed for more than {seconds:.3g} seconds")
            if self.peer and self.peer.waiting:  # half a message must not be left behind
                self.peer.overdue = error
            else:
                raise error

        spent = time.process_time()

        def look(number: int, frame: FrameType | None) -> None:
            nonlocal spent
            before, spent = spent, time.process_time()
            if spent - before < IDLE * seconds and not (self.peer and self.peer.waiting):
                raise Waits(f"did nothing for {seconds:.3g} seconds but wait")

        self.printed.left = PRINTED
        signal.signal(signal.SIGPROF, interrupt)
        signal.signal(signal.SIGALRM, look)
        signal.setitimer(signal.ITIMER_PROF, seconds, 1.0)
        signal.setitimer(signal.ITIMER_REAL, seconds, seconds)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.setitimer(signal.ITIMER_REAL, 0)


def run_cells(
    shell: InteractiveShell, limit: Callable[[str], contextlib.AbstractContextManager[None]]
) -> Callable[[dict[str, str], list[str]], list[tuple[int, str]]]:
    """A function that writes the files, runs the cells in order and tells which cells failed."""

    def run(files: dict[str, str], cells: list[str]) -> list[tuple[int, str]]:
        for name, text in files.items():
            Path(name).write_text(text, encoding="utf-8")
        failed = []
        for i, source in enumerate(cells):
            error: BaseException | None
            try:
                with limit(f"cell {i}"):
                    result = shell.run_cell(source, store_history=False, silent=True)
                error = result.error_before_exec or result.error_in_exec
                # Not by isinstance, which a cell may have replaced.
                if type(error) in (ImportError, ModuleNotFoundError):
                    with limit(f"cell {i}"):
                        run_without_missing(shell, source)
            except BaseException as raised:
                error = raised
            if error is not None:
                failed.append((i, wire.described(error)))
        return failed

    return run


def run_without_missing(shell: InteractiveShell, source: str) -> None:
    """Run the imports of a cell one by one, as far as they are there, and then the rest of it."""
    statements = ast.parse(source).body
    imports = [s for s in statements if type(s) in (ast.Import, ast.ImportFrom)]
    rest = [s for s in statements if s not in imports]
    parts: list[list[ast.stmt]] = [[statement] for statement in imports]
    parts.append(rest)
    for part in parts:
        code = ast.unparse(ast.Module(body=part, type_ignores=[]))
        shell.run_cell(code, store_history=False, silent=True)


def refuse(hidden: list[str]) -> None:
    """Where the system cannot isolate a process: at least refuse what is plainly forbidden."""
    folders = tuple(os.path.join(os.path.realpath(folder), "") for folder in hidden)
    here = os.path.join(os.path.realpath("."), "")
    forbidden = ("socket.connect", "socket.bind", "socket.sendto", "os.kill", "os.killpg")
    writing = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC

    def guard(event: str, args: tuple[Any, ...]) -> None:
        if event in forbidden:
            raise PermissionError(f"{event} is not allowed in a submission")
        if event in ("open", "os.listdir", "os.scandir") and isinstance(args[0], str | bytes):
            path = os.path.realpath(os.fsdecode(args[0]))
            written = event == "open" and bool((args[2] or 0) & writing)
            outside = not path.startswith((here, "/dev/"))
            if path.startswith(folders) or path + os.sep in folders or (written and outside):
                raise PermissionError("files outside the notebook's folder are not allowed")

    sys.addaudithook(guard)


def main() -> None:
    channel, seconds, *hidden = sys.argv[1:]
    connection = Connection(int(channel))
    shell = InteractiveShell.instance()
    # Errors are reported, not printed.
    shell.showtraceback = lambda *args, **kwargs: None  # type: ignore[method-assign]
    shell.enable_gui = lambda *args, **kwargs: None  # type: ignore[method-assign]
    sys.path.insert(0, os.getcwd())
    printed = Counting()
    sys.stdout = sys.stderr = printed
    patience = Patience(float(seconds), printed)
    limit = patience.limit

    inside = False

    @contextlib.contextmanager
    def around(function: Callable[..., Any]) -> Iterator[None]:
        """Limit calls, but not the first, which runs all cells and limits each."""
        nonlocal inside
        if not inside:
            inside = True
            yield
        else:
            with limit(getattr(function, "__qualname__", "a function")):
                yield

    def get(name: str) -> Any:
        return shell.user_ns[name]

    if hidden:
        refuse(hidden)
    functions = [run_cells(shell, limit), get, time.process_time]
    patience.peer = wire.Peer(connection, functions, trusting=True, around=around)
    patience.peer.serve()


if __name__ == "__main__":
    main()
