"""Build the book: train networks, execute chapters, make pages and slides, check the site."""

import errno
import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import joblib
import torch
import yaml
from sqlalchemy.exc import OperationalError
from tqdm import tqdm

import blindspots
from blindspots._resumable import fingerprint
from book.extensions.book_networks import book_networks
from tools import build_notebooks, build_slides, check_site, link_editions
from tools.executed import BOOK, EXECUTED, documents, read
from tools.run_chapters import run_chapters, write_executed

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "_build"
SITE = BUILD / "html"
JUPYTER_BOOK = "from jupyter_book.cli.main import main; main()"  # it has no `python -m`


def build_version(data: blindspots.LabelledImages) -> str:
    """Return a text that changes when chapters whose cells are the same must be executed again."""
    names = "constraints.txt", "_config.yml", "blindspots", "book/extensions"
    code = fingerprint(*(ROOT / name for name in names))
    return f"{code} {data.name} {len(data)} {torch.cuda.is_available()}"


def forget_outdated(current: str) -> None:
    """The execution cache of Jupyter Book knows the cells only, so drop it when all else changed.

    The parsed pages have to go with it.
    """
    stamp = BUILD / "fingerprint"
    if not stamp.exists() or stamp.read_text() != current:
        for folder in (".jupyter_cache", ".doctrees", "jupyter_execute", "html"):
            shutil.rmtree(BUILD / folder, ignore_errors=True)
    BUILD.mkdir(exist_ok=True)
    stamp.write_text(current)


def is_current(document: str) -> bool:
    """Whether the last build has executed this notebook as it is, by this code, on this data.

    Then the tests need not execute it again; they look at what the build left.
    """
    stamp, executed = BUILD / "fingerprint", EXECUTED / f"{document}.ipynb"
    if not (stamp.exists() and executed.exists()):
        return False
    if stamp.read_text() != build_version(blindspots.load_images(split="train")):
        return False
    source, left = (
        [cell.source for cell in read(file) if cell.cell_type == "code"]
        for file in (BOOK / f"{document}.ipynb", executed)
    )
    return source == left


def train(recipe: str, part: blindspots.LabelledImages, seed: int) -> None:
    """Put a network into the cache; called in a process of its own, on one thread."""
    blindspots.trained(recipe, part, seed=seed)


def train_networks(data: blindspots.LabelledImages) -> None:
    """Train what the chapters need, side by side; what the cache has is only read."""
    networks = book_networks(data.to("cuda" if torch.cuda.is_available() else "cpu"))

    def seconds(name: str) -> float:
        recipe, part, seed = networks[name]
        return blindspots.zoo.training_seconds(recipe, part, seed=seed)

    def missing(name: str) -> bool:
        try:
            seconds(name)
        except FileNotFoundError:
            return True
        return False

    longest = sorted(filter(missing, networks), key=lambda name: "convnet" not in name)
    with joblib.parallel_config(inner_max_num_threads=1, backend="loky"):
        runs = joblib.Parallel(
            n_jobs=min(joblib.cpu_count(), max(1, len(longest))),
            return_as="generator_unordered",
            batch_size=1,
        )(joblib.delayed(train)(*networks[name]) for name in longest)
        for _ in tqdm(runs, total=len(longest), unit="network", disable=not longest):
            pass
    for number, (name, (recipe, part, seed)) in enumerate(networks.items(), start=1):
        blindspots.trained(recipe, part, seed=seed)
        print(f"  {number}/{len(networks)} {name}: {seconds(name):.0f} s", flush=True)


def chapters() -> list[Path]:
    """The notebooks that are executed, from the last of the book: those compute longest."""
    named = [name for name in documents() if not name.startswith("exercises/")]
    return [BOOK / f"{name}.ipynb" for name in reversed(named)]


def disk_is_full(error: Exception) -> bool:
    """Whether this is how the system, or the cache's SQLite, says so."""
    return getattr(error, "errno", None) == errno.ENOSPC or "disk is full" in str(error)


def main() -> None:
    for variable in ("BLINDSPOTS_DATA", "BLINDSPOTS_CACHE"):
        if os.environ.get(variable):  # the chapters run in another folder
            os.environ[variable] = os.path.abspath(os.environ[variable])
    os.chdir(ROOT)
    with warnings.catch_warnings(record=True) as notices:
        data = blindspots.load_images(split="train")
    for notice in notices:
        print(f"Note: {notice.message}")
    print(f"Data: {data.name}. Networks: trained now, or read from the cache.", flush=True)
    train_networks(data)

    forget_outdated(build_version(data))
    dataset = {"BLINDSPOTS_DATASET": "mnist" if data.name == "MNIST" else "digits"}
    settings = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["execute"]
    failed = run_chapters(
        chapters(), BUILD / ".jupyter_cache", timeout=settings["timeout"], environment=dataset
    )
    if failed:
        for file, error in failed.items():
            print(f"{file.relative_to(ROOT)}: {error}")
        sys.exit(f"The book was not built: {len(failed)} chapters failed, for the reasons above.")
    environment = os.environ | dataset
    build = [sys.executable, "-c", JUPYTER_BOOK, "build", "book", "-W", "-n"]
    build += ["--keep-going", "--config", "_config.yml", "--path-output", "."]
    if subprocess.run(build, env=environment).returncode:
        sys.exit("The book was not built: the reason is above.")
    write_executed(chapters(), BUILD / ".jupyter_cache", ROOT / "book", BUILD / "jupyter_execute")
    build_slides.main()
    build_notebooks.main()
    link_editions.main()
    if defects := check_site.defects(SITE, ROOT / "book" / "_toc.yml"):
        print(*defects, sep="\n")
        sys.exit(f"The book was built but has {len(defects)} defects, listed above.")
    address = (SITE / "index.html").as_uri()
    print(f"\nThe book is in {SITE}\nOpen it with: {sys.executable} -m webbrowser {address}")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("Interrupted. What was finished is kept; run the same command again to go on.")
    except (OSError, OperationalError) as error:
        if not disk_is_full(error):
            raise
        sys.exit("The disk is full: free some space and run the same command again.")
