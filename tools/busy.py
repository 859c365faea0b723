"""Keep the machine busy, and see how much slower a command is then.

    python -m tools.busy make test

runs the command twice, alone and beside two processes that compute without end, and prints the
ratio of the times.
"""

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator


@contextlib.contextmanager
def busy(processes: int = 2) -> Iterator[None]:
    """Processes that compute without end, as long as the context lasts."""
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(processes)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def seconds(words: list[str]) -> float:
    began = time.perf_counter()
    if subprocess.run(words).returncode:
        sys.exit(f"{' '.join(words)} failed, so its time says nothing.")
    return time.perf_counter() - began


def main() -> None:
    words = sys.argv[1:]
    if not words:
        sys.exit("Which command? Say python -m tools.busy make test")
    quiet = seconds(words)
    with busy():
        loaded = seconds(words)
    print(f"{quiet:.0f} s alone, {loaded:.0f} s beside two busy processes: {loaded / quiet:.2f}")


if __name__ == "__main__":
    main()
