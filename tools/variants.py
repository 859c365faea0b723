"""Run the tests as other processors would: other instructions, other threads, a busy machine.

`make test-variants` runs all of them, `make test-variants OPTIONS="plain busy"` some, each with
networks of its own.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from busy import busy

ROOT = Path(__file__).resolve().parent.parent
VARIANTS = {
    "plain": {"ATEN_CPU_CAPABILITY": "default", "MKL_CBWR": "COMPATIBLE"},  # no vectors
    "avx2": {"ATEN_CPU_CAPABILITY": "avx2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"},
    "old-blas": {"OPENBLAS_CORETYPE": "Prescott", "MKL_ENABLE_INSTRUCTIONS": "SSE4_2"},
    "one-thread": {"OMP_NUM_THREADS": "1"},
    "two-threads": {"OMP_NUM_THREADS": "2"},
    "busy": {},
}


def run(name: str, tests: list[str]) -> bool:
    """Whether the tests pass in this variant."""
    words = [sys.executable, "-m", "pytest", "-q", "--no-cov", "-n", "auto"]
    words += ["--dist", "loadfile", "--no-loadscope-reorder", *tests]
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, **VARIANTS[name], "BLINDSPOTS_TEST_CACHE": cache}
        with busy(2 if name == "busy" else 0):
            return subprocess.run(words, cwd=ROOT, env=environment).returncode == 0


def main() -> None:
    parser = argparse.ArgumentParser(description="Run the tests as other processors would.")
    parser.add_argument("names", nargs="*", help=f"of {', '.join(VARIANTS)}; all, if none is named")
    parser.add_argument("--tests", nargs="+", default=["tests", "blindspots"])
    arguments = parser.parse_args()
    names = arguments.names or list(VARIANTS)
    if unknown := [name for name in names if name not in VARIANTS]:
        parser.error(f"there is no variant {unknown[0]!r}: use one of {', '.join(VARIANTS)}")
    failed = []
    for name in names:
        print(f"\nVariant {name}: {VARIANTS[name]}", flush=True)
        if not run(name, arguments.tests):
            failed.append(name)
    if failed:
        sys.exit(f"The tests fail in the variants {', '.join(failed)}.")
    print(f"The tests pass in {len(names)} variants.")


if __name__ == "__main__":
    main()
