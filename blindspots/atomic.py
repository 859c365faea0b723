"""Files that are there in full or not at all, whenever the program is interrupted."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def whole_file(file: Path) -> Iterator[Path]:
    """A scratch file beside the final one, to write to; it takes the final name at the end.

    Makes the folder. If the block fails, the scratch file is removed and an older file stays.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    scratch = file.with_suffix(f".{os.getpid()}.part")
    try:
        yield scratch
        os.replace(scratch, file)
    finally:
        scratch.unlink(missing_ok=True)
