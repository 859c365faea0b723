"""Tests run on the embedded digits, with a cache of their own, whatever the machine has."""

import os
from pathlib import Path

os.environ.pop("BLINDSPOTS_DATA", None)
os.environ["BLINDSPOTS_DATASET"] = "digits"
os.environ["BLINDSPOTS_CACHE"] = str(Path(__file__).parent / "_build" / "test-cache")
os.environ["MPLBACKEND"] = "agg"
