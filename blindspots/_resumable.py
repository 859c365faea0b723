"""What survives an interruption: files that are whole or not there, and sweeps of experiments."""

import contextlib
import hashlib
import inspect
import json
import os
import threading
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from types import CodeType
from typing import Any, TypeVar

import joblib
import torch
from safetensors import SafetensorError
from tqdm.auto import tqdm

Setting = Mapping[str, Any]
Content = TypeVar("Content")


@contextlib.contextmanager
def atomic_write(file: Path) -> Iterator[Path]:
    """Give a scratch file beside the final one, to write to; it takes the final name at the end.

    Makes the folder. If the block fails, the scratch file is removed and an older file stays.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    scratch = file.with_suffix(f".{os.getpid()}-{threading.get_ident()}.part")
    try:
        yield scratch
        os.replace(scratch, file)
    finally:
        scratch.unlink(missing_ok=True)


def read_verified(
    file: Path,
    parse: Callable[[Path], tuple[Content, str]],
    checksum: Callable[[Content], str],
    *,
    remedy: str,
) -> Content | None:
    """Return what a file holds, or None if there is none, or a damaged one, which is deleted.

    Args:
        file: what `atomic_write` wrote, unless something happened to it since.
        parse: gives its content, and the checksum that was written with it.
        checksum: computes that of a content.
        remedy: what is done about a damaged file, for the warning: `"training again"`.
    """
    try:
        if not file.exists():
            return None
        content, written = parse(file)
        if written != checksum(content):
            raise ValueError("its checksum is wrong")
    except (KeyError, OSError, RecursionError, SafetensorError, TypeError, ValueError) as error:
        if isinstance(error, PermissionError):
            warnings.warn(f"{file} cannot be read ({error}): {remedy}", stacklevel=3)
            return None
        warnings.warn(f"{file} is damaged ({error}): deleted, {remedy}", stacklevel=3)
        file.unlink()
        return None
    return content


def fingerprint(*sources: Path, without: Collection[Path] = ()) -> str:
    """Return a short text that changes with the content of any source, or with PyTorch.

    Use it wherever you ask whether the current code made something.

    Args:
        sources: files, and folders: these stand for all files in them and in their sub-folders,
            except hidden ones and Python's caches. Where a source lies does not matter.
        without: folders whose files do not count.

    Raises:
        FileNotFoundError: if a source does not exist.
    """
    digest = hashlib.sha256(torch.__version__.encode())
    for source in sources:
        for file in sorted(source.rglob("*")) if source.is_dir() else [source]:
            name = file.relative_to(source if source.is_dir() else source.parent)
            passed_over = any(part[0] == "." or part == "__pycache__" for part in name.parts)
            if not (file.is_dir() or passed_over or any(f in file.parents for f in without)):
                digest.update(name.as_posix().encode() + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:16]


def code_version(*sources: Path) -> str:
    """Return the fingerprint of what computes in the package, and of further sources.

    Stored with results, it tells whether the same code would make them again.
    """
    package = Path(__file__).parent
    # The book shows results, and computes none.
    return fingerprint(package, *sources, without=[package / "book"])


def run_sweep(
    function: Callable[..., Any],
    settings: Sequence[Setting],
    *,
    folder: Path,
    progress: bool = False,
) -> list[Any]:
    """Call `function(**setting)` for every setting and return the results in that order.

    The calls go through joblib: one after the other by default; on two cores, or on a Dask
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
        TypeError: if a setting or a result is not something that JSON can hold, or a setting would
            come back from it as another one, as a tuple does, which becomes a list.
        ValueError: if the function cannot be told from another one by its name and its code.
    """
    _refuse_ambiguous(function)
    folder = Path(folder)
    settings = list(settings)
    for setting in settings:
        if not isinstance(setting, Mapping) or _written(dict(setting)) != setting:
            raise TypeError(
                f"a setting must be a mapping that comes back from JSON unchanged, got "
                f"{setting!r}: use lists in place of tuples, strings as keys, and no tensor, path "
                "or NaN"
            )
    defaults = function.__defaults__, function.__kwdefaults__
    code = [code_version(), function.__qualname__, _source(function), defaults]
    files = [folder / f"{_checksum([*code, dict(setting)])[:24]}.json" for setting in settings]
    found = {i: content for i, file in enumerate(files) if (content := _read(file)) is not None}
    kept = {i: content["result"] for i, content in found.items()}
    missing = [i for i in range(len(settings)) if i not in kept]
    folder.mkdir(parents=True, exist_ok=True)
    calls = (joblib.delayed(_call)(function, i, settings[i]) for i in missing)
    arriving = joblib.Parallel(return_as="generator_unordered")(calls)
    with tqdm(total=len(settings), initial=len(kept), disable=not progress) as bar:
        for i, result in arriving:
            kept[i] = _write(files[i], settings[i], result)
            bar.update()
    return [kept[i] for i in range(len(settings))]


def _refuse_ambiguous(function: Callable[..., Any]) -> None:
    """Refuse what another function might be taken for, whose results would be returned then."""
    name = getattr(function, "__qualname__", "")
    if not inspect.isfunction(function):
        reason = f"a {type(function).__name__} does not show what it holds"
    elif "<lambda>" in name:
        reason = "all functions without a name have the same"
    elif function.__closure__:
        reason = f"{name} takes {', '.join(function.__code__.co_freevars)} from around it"
    elif not _source(function):
        reason = f"the code of {name} is not at hand"
    elif used := _own_globals(function):
        reason = f"{name} uses {', '.join(used)} of a notebook, which may change"
    elif _is_edited(function):
        reason = f"the file of {name} was edited after it was imported, so reload it first"
    elif _written([function.__defaults__, function.__kwdefaults__]) is None:
        reason = f"the default values of {name} do not show what they hold"
    else:
        return
    raise ValueError(
        f"results are kept by a function's name and code, and {reason}: define a function at the "
        "top level of a module or notebook, and pass what it needs in the settings"
    )


def _call(function: Callable[..., Any], i: int, setting: Setting) -> tuple[int, Any]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return i, function(**setting)
    finally:
        torch.set_num_threads(threads)


def _own_globals(function: Callable[..., Any]) -> list[str]:
    """What a notebook's function uses of the notebook itself: its code does not show that."""
    if _is_in_module_file(function):
        return []
    names = [n for code in _codes(function.__code__) for n in code.co_names]
    found = {n: function.__globals__[n] for n in names if n in function.__globals__}
    home = function.__module__

    def from_elsewhere(value: object) -> bool:
        holder = getattr(value, "__self__", None)  # of a method, what may have changed
        if holder is not None and not inspect.ismodule(holder):
            return False
        if inspect.isclass(value) or inspect.isroutine(value):
            return getattr(value, "__module__", home) != home
        return inspect.ismodule(value)

    return [name for name, value in found.items() if not from_elsewhere(value)]


def _codes(code: CodeType) -> Iterator[CodeType]:
    """The code of a function or a module, and of what is defined inside of it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _is_edited(function: Callable[..., Any]) -> bool:
    """Whether the function, or one of its module that it uses, is not in the file as it runs."""
    if not _is_in_module_file(function):
        return False
    file = function.__code__.co_filename
    written = [_contents(code) for code in _codes(compile(Path(file).read_bytes(), file, "exec"))]
    used = [function]
    for one in used:  # which grows on the way
        names = {name for code in _codes(one.__code__) for name in code.co_names}
        others = (one.__globals__.get(name) for name in sorted(names))
        at_home = (o for o in others if inspect.isfunction(o) and o.__code__.co_filename == file)
        used += [other for other in at_home if other not in used]
    return any(_contents(one.__code__) not in written for one in used)


def _contents(code: CodeType) -> list[object]:
    """What a function does, wherever it stands in its file."""
    constants = [c for inner in _codes(code) for c in inner.co_consts]
    plain = [repr(c) for c in constants if not isinstance(c, CodeType)]
    inner = [(c.co_name, c.co_names, c.co_code) for c in _codes(code)]
    return [inner, plain]


def _written(value: object) -> Any:
    """What comes back from JSON; None if it cannot hold the value."""
    try:
        return json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError):
        return None


def _is_in_module_file(function: Callable[..., Any]) -> bool:
    """Whether the function stands in its module's file."""
    file = getattr(inspect.getmodule(function), "__file__", None)
    return file is not None and file == function.__code__.co_filename


def _source(function: Callable[..., Any]) -> str:
    """The code of the module that defines the function, or, in a notebook, of the function."""
    module = inspect.getmodule(function)
    with contextlib.suppress(OSError, TypeError):
        return inspect.getsource(module if module and _is_in_module_file(function) else function)
    return ""


def _read(file: Path) -> Any:
    def parse(file: Path) -> tuple[Any, str]:
        content = json.loads(file.read_text(encoding="utf-8"))
        return content, content["sha256"]

    def checksum(content: Any) -> str:
        return _checksum(content["result"])

    return read_verified(file, parse, checksum, remedy="computing again")


def _write(file: Path, setting: Setting, result: Any) -> Any:
    """Give back what reading the file would give."""
    try:
        result = json.loads(json.dumps(result))
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"the result of {dict(setting)} cannot be kept ({error}): return numbers, strings, "
            "lists and dictionaries of them, such as tensor.tolist()"
        ) from error
    content = {"setting": dict(setting), "result": result, "sha256": _checksum(result)}
    with atomic_write(file) as scratch:
        scratch.write_text(json.dumps(content), encoding="utf-8")
    return result


def _checksum(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
