"""Tests run on the embedded digits, with a cache of their own, whatever the machine has.

Chapters that `make book` has just executed, on the digits and by this very code, are not executed
again: tests/test_executed_chapters.py compares what the build left.
"""

import os
from pathlib import Path

import nbval.plugin

os.environ.pop("BLINDSPOTS_DATA", None)
os.environ["BLINDSPOTS_DATASET"] = "digits"
CACHE = Path(__file__).parent / "_build" / "test-cache"
os.environ["BLINDSPOTS_CACHE"] = os.environ.get("BLINDSPOTS_TEST_CACHE", str(CACHE))
os.environ["MPLBACKEND"] = "agg"
# Before PyTorch is imported: threads that wait do not spin, and tests side by side share the cores.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# Tests measure the coverage. In the kernels of the notebooks it would double their time.
nbval.plugin.setup_coverage = nbval.plugin.teardown_coverage = lambda *arguments: None
if "PYTEST_XDIST_WORKER" in os.environ:
    workers = int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // workers)))


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    here = Path(__file__).parent / "book" / "chapters"
    if collection_path.suffix == ".ipynb" and collection_path.parent == here:
        from tools.build_book import is_current  # not before the settings above

        return is_current(f"chapters/{collection_path.stem}") or None
    return None
