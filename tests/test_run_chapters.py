"""Chapters side by side: what is finished is kept, whatever becomes of the others."""

import gc
import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import nbformat
import psutil
import pytest
from jupyter_cache import get_cache

from tools.run_chapters import run_chapters, write_executed

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = """
import signal, sys
from pathlib import Path
from tools.run_chapters import run_chapters
signal.signal(signal.SIGINT, signal.default_int_handler)  # else ignored in the background
try:
    run_chapters([Path(f) for f in sys.argv[2:]], Path(sys.argv[1]), timeout=100, environment={})
except KeyboardInterrupt:
    sys.exit("Interrupted.")
"""


@pytest.fixture
def run(tmp_path):
    def run(*files, **environment):
        return run_chapters([*files], tmp_path / "cache", timeout=100, environment=environment)

    return run


@pytest.fixture
def chapter(tmp_path):
    def chapter(name, *cells):
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
        nbformat.write(notebook, tmp_path / f"{name}.ipynb")
        return tmp_path / f"{name}.ipynb"

    return chapter


def outputs(folder, file):
    """What the book would show, by the very call of MyST-NB; an error if it would execute."""
    cache = get_cache(folder)
    _, notebook = cache.merge_match_into_notebook(nbformat.read(file, as_version=4))
    return "".join(o.text for cell in notebook.cells for o in cell.get("outputs", []))


def test_finished_chapters_are_kept_and_failed_ones_named(run, chapter, tmp_path):
    note = tmp_path / "executed"
    count = f"with open({str(note)!r}, 'a') as file: file.write('x')"
    good = chapter("good", count, "import os; print(os.environ['WORD'])")
    bad = chapter("bad", "1 / 0")
    failed = run(bad, good, WORD="hello")
    assert list(failed) == [bad] and "ZeroDivisionError" in failed[bad]
    assert outputs(tmp_path / "cache", good) == "hello\n"
    assert run(good) == {} and note.read_text() == "x"
    chapter("good", count, "print(2)")
    assert run(good) == {} and note.read_text() == "xx"


def cut_short(notebook, database):
    notebook.write_text(notebook.read_text()[:100])


def empty(notebook, database):
    notebook.write_text("")


def not_begun(notebook, database):
    notebook.unlink()


def without_tables(notebook, database):
    database.write_bytes(b"")


@pytest.mark.parametrize("damage", [cut_short, empty, not_begun, without_tables])
def test_what_a_full_disk_left_by_half_is_made_again(run, chapter, tmp_path, damage):
    file = chapter("one", "print('one')")
    assert run(file) == {}
    (kept,) = (tmp_path / "cache" / "executed").rglob("base.ipynb")
    damage(kept, tmp_path / "cache" / "global.db")
    assert run(file) == {}
    assert outputs(tmp_path / "cache", file) == "one\n"


def test_executed_chapters_are_written_with_what_came_out(run, chapter, tmp_path):
    file = chapter("one", "print('one')")
    assert run(file) == {}
    write_executed([file], tmp_path / "cache", file.parent, tmp_path / "shown")
    written = nbformat.read(tmp_path / "shown" / "one.ipynb", as_version=4)
    assert [output.text for output in written.cells[0].outputs] == ["one\n"]


def test_times_are_of_the_clock_and_of_the_processor(run, chapter, tmp_path):
    sleeps = chapter("sleeps", "import time; time.sleep(4)")
    computes = chapter(
        "computes", "import time\nwhile time.process_time() < 4: pass", "print('done')"
    )
    assert run(sleeps, computes) == {}
    cache = get_cache(tmp_path / "cache")
    slept, computed = (
        cache.match_cache_notebook(nbformat.read(file, as_version=4)).data
        for file in (sleeps, computes)
    )
    assert slept["execution_seconds"] > 4 and slept["processor_seconds"] < 3
    assert computed["processor_seconds"] >= 4


def test_chapters_share_the_cores(run, chapter, tmp_path, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr("joblib.cpu_count", lambda: 4)
    say = "import os; print(os.environ['OMP_NUM_THREADS'])"
    alone = chapter("alone", say)
    assert run(alone) == {} and outputs(tmp_path / "cache", alone) == "4\n"
    both = chapter("one", say, "x = 1"), chapter("other", say, "x = 2")
    assert run(*both) == {}
    assert [outputs(tmp_path / "cache", file)[0] for file in both] == ["2", "2"]
    monkeypatch.setattr("joblib.cpu_count", lambda: 1)
    third, fourth = chapter("third", say, "x = 3"), chapter("fourth", say, "x = 4")
    assert run(third, fourth) == {}
    third = get_cache(tmp_path / "cache").match_cache_notebook(nbformat.read(third, as_version=4))
    assert third.data["side_by_side"] == 2


@pytest.mark.parametrize(("cores", "alone"), [(1, False), (2, False), (2, True)])
def test_an_interruption_keeps_what_is_finished_and_leaves_nothing_running(
    chapter, tmp_path, cores, alone
):
    pid, cache = tmp_path / "pid", tmp_path / "cache"
    quick = chapter("quick", "print('quick')")
    write = f"import os, time; open({str(pid)!r}, 'w').write(str(os.getpid()))"
    endless = chapter("endless", write, "while True: time.sleep(1)")
    chapters = [endless] if alone else [quick, endless]
    words = [sys.executable, "-c", SCRIPT, str(cache), *map(str, chapters)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "LOKY_MAX_CPU_COUNT": str(cores)}
    process = subprocess.Popen(
        words, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True
    )

    def wait_for(condition):
        end = time.monotonic() + 100
        while not condition():
            assert time.monotonic() < end
            time.sleep(0.2)

    def finished():
        try:
            return alone or outputs(cache, quick) == "quick\n"
        except KeyError:
            return False

    wait_for(lambda: finished() and pid.exists() and pid.read_text())
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1 and "Traceback" not in said
    assert said.strip().endswith("Interrupted.") and "cancelled" not in said
    assert finished()
    wait_for(lambda: not psutil.pid_exists(int(pid.read_text())))


def test_an_interruption_while_a_chapter_is_kept_says_nothing_else(run, chapter, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("tools.run_chapters.CacheBundleIn", interrupted)
    chapters = chapter("quick", "print('quick')"), chapter("slow", "import time; time.sleep(60)")
    with warnings.catch_warnings(record=True) as said:
        with pytest.raises(KeyboardInterrupt):
            run(*chapters)
        gc.collect()
    assert not said
