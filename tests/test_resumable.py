import importlib
import json
import shutil
from functools import partial
from pathlib import Path

import joblib
import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell

from blindspots import _resumable, run_sweep

SETTINGS = [{"seed": seed, "size": size} for seed in range(3) for size in (20, 40)]


def make_job():
    """A function without a home, so that any worker process can get it by value."""

    def job(seed, size):
        import torch

        generator = torch.Generator().manual_seed(seed)
        matrix = torch.randn(size, size, generator=generator)
        return {"sum": (matrix @ matrix).sum().item(), "threads": torch.get_num_threads()}

    return job


@pytest.fixture
def expected(tmp_path):
    return run_sweep(make_job(), SETTINGS, folder=tmp_path / "expected")


def test_results_come_in_the_order_of_the_settings(expected):
    job = make_job()
    assert [r["sum"] for r in expected] == [pytest.approx(job(**s)["sum"]) for s in SETTINGS]


def test_every_call_has_one_thread_and_the_caller_keeps_theirs(tmp_path):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        results = run_sweep(make_job(), SETTINGS, folder=tmp_path)
        assert torch.get_num_threads() == 2 and {r["threads"] for r in results} == {1}
    finally:
        torch.set_num_threads(before)


@pytest.mark.slow
def test_processes_give_the_same_results(tmp_path, expected):
    with joblib.parallel_config(n_jobs=2):
        assert run_sweep(make_job(), SETTINGS, folder=tmp_path) == expected


def counting(seed, folder):
    """Leave a trace of every call, and fail while there is no go-ahead."""
    (Path(folder) / f"called-{seed}").touch(exist_ok=False)
    if seed == 2 and not (Path(folder) / "go").exists():
        raise KeyboardInterrupt
    return seed * 10


def test_an_interrupted_sweep_goes_on_where_it_stopped(tmp_path):
    settings = [{"seed": seed, "folder": str(tmp_path)} for seed in range(4)]
    with pytest.raises(KeyboardInterrupt):
        run_sweep(counting, settings, folder=tmp_path / "kept")
    assert {f.name for f in tmp_path.glob("called-*")} == {"called-0", "called-1", "called-2"}
    (tmp_path / "go").touch()
    (tmp_path / "called-2").unlink()  # those of 0 and 1 stay: a second call of them would fail
    results = run_sweep(counting, settings, folder=tmp_path / "kept")
    assert results == [0, 10, 20, 30]


def within(number):
    def times(x):
        return number * x

    return times


class Holder:
    def __call__(self, x):
        return x

    def method(self, x):
        return x


@pytest.mark.parametrize(
    "function, reason",
    [
        (lambda x: 100 * x, "without a name"),
        (within(2), "takes number from around it"),
        (partial(max, 3), "partial does not show"),
        (Holder(), "Holder does not show"),
        (Holder().method, "method does not show"),
        (max, "builtin_function_or_method does not show"),
    ],
)
def test_functions_that_cannot_be_told_apart_are_refused(tmp_path, function, reason):
    with pytest.raises(ValueError, match=rf"{reason}.*at the top level"):
        run_sweep(function, [{"x": 1}], folder=tmp_path)


@pytest.mark.parametrize("damage", ["", "{}", '{"result": 7, "sha256": "0"}', "half"])
def test_a_damaged_result_is_reported_and_computed_again(tmp_path, damage):
    settings = [{"data": [1.0, 2.0]}, {"data": [3.0]}]
    assert run_sweep(total, settings, folder=tmp_path) == [3, 3]
    file = sorted(tmp_path.glob("*.json"))[0]
    file.write_text(file.read_text()[:30] if damage == "half" else damage)
    with pytest.warns(UserWarning, match=r"is damaged .*computing again"):
        assert run_sweep(total, settings, folder=tmp_path) == [3, 3]
    assert json.loads(file.read_text())["result"] == 3
    assert not list(tmp_path.glob("*.part"))


def test_a_damaged_file_is_gone_even_if_nothing_is_made_in_its_place(tmp_path):
    def parse(file):
        return file.read_text(), "4"

    def read():
        return _resumable.read_verified(file, parse, lambda text: str(len(text)), remedy="alas")

    file = tmp_path / "file"
    assert read() is None
    file.write_text("four")
    assert read() == "four" and file.exists()
    file.write_text("three")
    with pytest.warns(UserWarning, match=r"damaged \(its checksum is wrong\): deleted, alas"):
        assert read() is None
    assert not file.exists()


def total(data):
    return sum(data)


def test_other_code_makes_results_outdated(tmp_path, monkeypatch):
    run_sweep(total, [{"data": [1]}], folder=tmp_path)
    run_sweep(total, [{"data": [1]}], folder=tmp_path)
    assert len(list(tmp_path.iterdir())) == 1
    monkeypatch.setattr(_resumable, "code_version", lambda: "other")
    run_sweep(total, [{"data": [1]}], folder=tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


def test_a_change_of_the_function_or_of_the_data_makes_results_outdated(tmp_path, monkeypatch):
    assert run_sweep(total, [{"data": [1]}], folder=tmp_path) == [1]
    assert run_sweep(total, [{"data": [1, 1]}], folder=tmp_path) == [2]
    assert "def total(data)" in _resumable._source(total)
    monkeypatch.setattr(_resumable, "_source", lambda function: "changed")
    run_sweep(total, [{"data": [1]}], folder=tmp_path)
    assert len(list(tmp_path.iterdir())) == 3


def test_code_version_is_of_what_computes(tmp_path, monkeypatch):
    monkeypatch.setattr(_resumable, "__file__", str(tmp_path / "sweep.py"))
    (tmp_path / "attack.py").write_text("one")
    before = _resumable.code_version()
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "figures.py").write_text("a picture")
    assert _resumable.code_version() == before
    (tmp_path / "bounds").mkdir()
    (tmp_path / "bounds" / "norms.py").write_text("a wing")
    assert _resumable.code_version() != before
    before = _resumable.code_version()
    (tmp_path / "attack.py").write_text("two")
    assert _resumable.code_version() != before
    assert _resumable.code_version(tmp_path / "attack.py") != _resumable.code_version()


def test_a_fingerprint_sees_every_file_of_a_folder_and_of_its_sub_folders(tmp_path, monkeypatch):
    code = tmp_path / "code"
    seen = ["one.py", "data.json", "wing/two.py", "wing/deep/three.sh"]
    unseen = [".venv/lib.py", "wing/.hidden", "__pycache__/one.pyc", "left/out.py"]
    for name in (*seen, *unseen):
        (code / name).parent.mkdir(parents=True, exist_ok=True)
        (code / name).write_text("first")

    def now(folder=code):
        return _resumable.fingerprint(folder, without=[folder / "left"])

    before = now()
    for name in unseen:
        (code / name).write_text("second")
    assert now() == before == now(shutil.copytree(code, tmp_path / "another place"))
    for name in seen:
        (code / name).write_text("second")
        assert now() != before
        before = now()
    (code / "wing" / "two.py").rename(code / "wing" / "four.py")
    assert now() != before
    before = now()
    monkeypatch.setattr(torch, "__version__", "another")
    assert now() != before
    with pytest.raises(FileNotFoundError):
        _resumable.fingerprint(tmp_path / "nowhere")


def test_progress_is_shown_and_counts_what_was_kept(tmp_path, capsys):
    run_sweep(total, [{"data": [1]}], folder=tmp_path)
    run_sweep(total, [{"data": [1]}, {"data": [2]}], folder=tmp_path, progress=True)
    assert "2/2" in capsys.readouterr().err


def test_what_json_cannot_hold_is_an_error(tmp_path):
    with pytest.raises(TypeError, match="and no tensor"):
        run_sweep(total, [{"data": torch.ones(2)}], folder=tmp_path)


@pytest.mark.parametrize("data", [(1, 2), {1: 2}, [float("nan")]])
def test_settings_that_json_makes_others_are_refused(tmp_path, data):
    """The tuple (1, 2) and the list [1, 2] would share one result."""
    with pytest.raises(TypeError, match=r"unchanged, got .*: use lists in place of tuples"):
        run_sweep(total, [{"data": [1]}, {"data": data}], folder=tmp_path)
    assert not any(tmp_path.iterdir())


def test_the_order_is_that_of_the_settings_also_when_the_last_were_kept(tmp_path):
    settings = [{"data": [number]} for number in range(4)]
    run_sweep(total, settings[2:], folder=tmp_path)
    assert run_sweep(total, settings, folder=tmp_path) == [0, 1, 2, 3]


GLOBALS = {
    "a tensor": ("data = torch.ones(3)", "x * data.sum().item()"),
    "a network": ("data = torch.nn.Linear(1, 1)", "data(torch.ones(1)).item()"),
    "a partial": ("data = functools.partial(min, 2)", "data(x)"),
    "a method": ("data = torch.nn.Linear(1, 1).forward", "data(torch.ones(1)).item()"),
    "in a generator": ("data = 2", "sum(data * v for v in [x])"),
    "in a lambda": ("def data(v):\n    return v", "list(map(lambda v: data(v), [x]))"),
}


@pytest.mark.parametrize("define, body", GLOBALS.values(), ids=GLOBALS)
def test_what_a_notebook_may_change_is_refused(tmp_path, define, body):
    function = in_a_notebook(define, f"def f(x):\n    return {body}")
    with pytest.raises(ValueError, match="uses data of a notebook"):
        run_sweep(function, [{"x": 1}], folder=tmp_path)


def in_a_notebook(*cells):
    """The function f that these cells define where there is no file."""
    shell = InteractiveShell.instance()
    for cell in ("import torch, functools", *cells):
        shell.run_cell(cell)
    return shell.user_ns["f"]


def test_another_default_value_is_another_function(tmp_path):
    for scale in (1, 100):
        function = in_a_notebook(f"scale = {scale}", "def f(x, scale=scale):\n    return x * scale")
        assert run_sweep(function, [{"x": 1}], folder=tmp_path) == [scale]
    function = in_a_notebook("def f(x, t=torch.ones(2)):\n    return x")
    with pytest.raises(ValueError, match="default values of f"):
        run_sweep(function, [{"x": 1}], folder=tmp_path)


@pytest.mark.parametrize("part", ["f", "helper"])
def test_a_module_that_was_edited_since_is_refused(tmp_path, monkeypatch, part):
    monkeypatch.syspath_prepend(tmp_path)
    name, file = f"edited_{part}", tmp_path / f"edited_{part}.py"
    text = "def helper(x):\n    return x\n\n\ndef f(x):\n    return helper(x) + 0\n"
    file.write_text(text)
    module = importlib.import_module(name)
    file.write_text(f"# moved by a line\n{text}")
    assert run_sweep(module.f, [{"x": 1}], folder=tmp_path / "kept") == [1]
    file.write_text(
        text.replace("return x", "return 9 * x") if part == "helper" else text.replace("+ 0", "+ 8")
    )
    with pytest.raises(ValueError, match="was edited after it was imported"):
        run_sweep(module.f, [{"x": 1}], folder=tmp_path / "kept")


def test_nothing_is_a_result_too(tmp_path):
    def nothing(folder, x):
        (Path(folder) / f"called-{x}").touch(exist_ok=False)

    setting = [{"folder": str(tmp_path), "x": 1}]
    for _ in range(2):
        assert run_sweep(nothing, setting, folder=str(tmp_path / "kept")) == [None]
