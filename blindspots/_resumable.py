"""What survives an interruption: files that are whole or not there, and sweeps of experiments."""

import contextlib
import hashlib
import inspect
import json
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import joblib
import torch
from tqdm.auto import tqdm

Setting = Mapping[str, Any]


@contextlib.contextmanager
def whole_file(file: Path) -> Iterator[Path]:
    """Give a scratch file beside the final one, to write to; it takes the final name at the end.

    Makes the folder. If the block fails, the scratch file is removed and an older file stays.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    scratch = file.with_suffix(f".{os.getpid()}.part")
    try:
        yield scratch
        os.replace(scratch, file)
    finally:
        scratch.unlink(missing_ok=True)


def code_version() -> str:
    """A short fingerprint of the code that computes, and of the version of PyTorch.

    Stored with a sweep's results, it tells whether the same code would make them again.
    """
    digest = hashlib.sha256(torch.__version__.encode())
    package = Path(__file__).parent
    for file in sorted(package.rglob("*.py")):
        if package / "book" not in file.parents:  # it shows results, and computes none
            digest.update(str(file.relative_to(package)).encode() + file.read_bytes())
    return digest.hexdigest()[:12]


def run_sweep(
    function: Callable[..., Any],
    settings: Sequence[Setting],
    *,
    folder: Path,
    progress: bool = False,
) -> list[Any]:
    """Call `function(**setting)` for every setting and return the results in that order.

    The calls go through joblib: one after the other by default; on two cores, or on a Dask or Ray
    cluster, inside `joblib.parallel_config`::

        with joblib.parallel_config(n_jobs=2):
            results = run_sweep(function, settings, folder=Path("results"))

    Each call computes with one thread of PyTorch, so that the results do not depend on how many
    run side by side (another kind of processor may still round otherwise). Each result is written
    into the folder, here, where the sweep was started, as soon as it arrives; an interrupted sweep
    that is started again computes only what is missing. A file is there in full or not at all, and
    is verified when it is read; a damaged one is reported and computed again. Results are outdated
    by a change of the package's code, of the module that defines the function, or of PyTorch; what
    else they depend on, such as the data set, belongs into the settings.

    Args:
        function: gives numbers, strings, lists and dictionaries of them: what JSON can hold.
        settings: its keyword arguments, one mapping per call, likewise.
        folder: where the results are kept; made if it does not exist.
        progress: show a progress bar.

    Raises:
        TypeError: if a setting or a result is not something that JSON can hold.
    """
    files = [folder / f"{_key(function, setting)}.json" for setting in settings]
    kept = {i: result for i, file in enumerate(files) if (result := _read(file)) is not None}
    missing = [i for i in range(len(settings)) if i not in kept]
    folder.mkdir(parents=True, exist_ok=True)
    calls = (joblib.delayed(_call)(function, i, settings[i]) for i in missing)
    arriving = joblib.Parallel(return_as="generator_unordered")(calls)
    bar = tqdm(total=len(settings), initial=len(kept), disable=not progress)
    with bar:
        for i, result in arriving:
            kept[i] = _write(files[i], settings[i], result)
            bar.update()
    return [kept[i] for i in range(len(settings))]


def _call(function: Callable[..., Any], i: int, setting: Setting) -> tuple[int, Any]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return i, function(**setting)
    finally:
        torch.set_num_threads(threads)


def _key(function: Callable[..., Any], setting: Setting) -> str:
    identity = [code_version(), function.__qualname__, _source(function), dict(setting)]
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:24]


def _source(function: Callable[..., Any]) -> str:
    """The code of the module that defines the function, or, in a notebook, of the function."""
    for thing in (inspect.getmodule(function), function):
        with contextlib.suppress(OSError, TypeError):
            return inspect.getsource(thing)  # type: ignore[arg-type]
    return ""


def _read(file: Path) -> Any:
    """The result in a file; None if there is none, or it is damaged and had to be deleted."""
    if not file.exists():
        return None
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        if content["sha256"] != _checksum(content["result"]):
            raise ValueError("its checksum is wrong")
    except (ValueError, KeyError, TypeError) as error:
        warnings.warn(f"{file} is damaged ({error}): deleted, computing again", stacklevel=3)
        file.unlink()
        return None
    return content["result"]


def _write(file: Path, setting: Setting, result: Any) -> Any:
    """Give back what reading the file would give."""
    result = json.loads(json.dumps(result))
    content = {"setting": dict(setting), "result": result, "sha256": _checksum(result)}
    with whole_file(file) as scratch:
        scratch.write_text(json.dumps(content), encoding="utf-8")
    return result


def _checksum(result: Any) -> str:
    return hashlib.sha256(json.dumps(result, sort_keys=True).encode()).hexdigest()
