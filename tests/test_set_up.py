"""What goes wrong on a stranger's machine ends in one sentence."""

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

TOOL = Path(__file__).resolve().parent.parent / "tools" / "set_up.py"


@pytest.fixture
def set_up(monkeypatch, tmp_path):
    spec = importlib.util.spec_from_file_location("set_up", TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "VENV", str(tmp_path / "venv"))
    return module


def test_nothing_missing(set_up, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1e11))
    assert set_up.problem() is None


def test_old_python(set_up, monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 8, 1))
    assert set_up.problem() == (
        "Python 3.8 is too old: install 3.10 or newer, or say make PYTHON=python3.12"
    )


@pytest.mark.parametrize("module", ["venv", "ensurepip"])
def test_no_venv_module(set_up, monkeypatch, module):
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == module else real(name)
    )
    assert (
        f"{module} module is missing: on Debian, apt-get install python3-venv" in set_up.problem()
    )


def test_little_disk(set_up, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1.5e9))
    assert set_up.problem().startswith("1.5 GB are free on the disk")


@pytest.mark.parametrize(
    ("printed", "sentence"),
    [
        ("OSError: [Errno 28] No space left on device", "the disk is full"),
        ("Failed to establish a new connection: [Errno -3]", "connect to the network"),
        ("Temporary failure in name resolution", "connect to the network"),
        ("ERROR: No matching distribution found for torch", "no matching package"),
        ("something else", "for the reason above"),
    ],
)
def test_pip_failures_are_explained(set_up, printed, sentence):
    command = [sys.executable, "-c", f"import sys; sys.exit({printed!r})"]
    with pytest.raises(SystemExit, match=f"Setting up failed: .*{sentence}"):
        set_up.run(command)


def test_without_network_the_real_pip_ends_in_the_sentence(set_up):
    """pip itself, sent to an address where nothing listens."""
    command = [sys.executable, "-m", "pip", "download", "--no-cache-dir", "--retries=1"]
    command += ["--index-url=http://127.0.0.1:9/simple", "--no-deps", "no-such-package-anywhere"]
    with pytest.raises(SystemExit, match="connect to the network and run this again"):
        set_up.run([*command, "--isolated"])


def test_the_whole_script_says_one_sentence():
    """Run as make does, but by a Python that lacks the venv module."""
    code = (
        f"import sys, runpy; sys.modules['venv'] = None; runpy.run_path({str(TOOL)!r}, "
        "run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
