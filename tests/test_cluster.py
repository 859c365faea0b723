"""Sweeps on a real Dask cluster, and the sweep that the book prints and stores."""

import json
import os
import re
import runpy
import subprocess
import sys
import warnings
from pathlib import Path

import joblib
import pytest

from blindspots import run_sweep

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent
SETTINGS = [{"seed": seed} for seed in range(4)]


@pytest.fixture
def job():
    """A function without a home, so that any worker process gets it by value."""

    def job(seed):
        import torch

        matrix = torch.randn(40, 40, generator=torch.Generator().manual_seed(seed))
        return {"sum": (matrix @ matrix).sum().item(), "threads": torch.get_num_threads()}

    return job


@pytest.fixture(scope="module")
def cluster():
    """A real Dask cluster of two worker processes on this machine."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Dask's own, which change with its version
        from dask.distributed import LocalCluster

        with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
            yield cluster


@pytest.mark.filterwarnings("ignore")
def test_a_dask_cluster_gives_the_same_results(tmp_path, job, cluster):
    expected = run_sweep(job, SETTINGS, folder=tmp_path / "here")
    with cluster.get_client() as client, joblib.parallel_config(backend="dask"):
        assert run_sweep(job, SETTINGS, folder=tmp_path / "there") == expected
        assert len(client.run(lambda: 0)) == 2


@pytest.mark.filterwarnings("ignore")
def test_the_book_s_own_sweep_is_the_same_on_the_cluster(tmp_path, cluster):
    """Tables 3 and 4 with one seed, here and on the cluster."""
    results = []
    for number, where in enumerate(["--jobs=1", f"--dask={cluster.scheduler_address}"]):
        output = tmp_path / f"{number}.json"
        words = [sys.executable, "-m", "experiments.transfer", "--seeds=1", "--studies=halves"]
        # The cluster trains its own networks; here they are those of the other tests.
        own = {"BLINDSPOTS_CACHE": str(tmp_path)} if "dask" in where else {}
        environment = os.environ | own
        done = subprocess.run([*words, where, f"--output={output}"], cwd=ROOT, env=environment)
        assert done.returncode == 0
        results.append(json.loads(output.read_text()))
    assert results[0] == results[1]
    assert len(results[0]["networks"]) == 4 and len(results[0]["attacks"]) == 8


def test_the_sweep_printed_in_the_chapter_runs(tmp_path, monkeypatch):
    chapter = ROOT / "book" / "chapters" / "transfer_hyperparameters.ipynb"
    cells = json.loads(chapter.read_text(encoding="utf-8"))["cells"]
    text = "".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
    here, cluster = re.findall(r"```python\n(.*?)```", text, re.S)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "snippet.py").write_text(here, encoding="utf-8")
    names = runpy.run_path("snippet.py", run_name="__main__")
    assert len(names["results"]) == 6 and max(names["results"]) < 0.3
    assert len(list((tmp_path / "results").iterdir())) == 6
    assert cluster.splitlines()[-1] == here.splitlines()[-1]  # the same call
