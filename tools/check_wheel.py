"""Try what strangers install: build the wheel, put it into environments of its own, and use it.

The README's lines run with what the wheel itself brings, and chapters of the notebook edition with
the extra `book` and a Jupyter kernel. Both run in empty folders, where nothing of this one is seen.
"""

import argparse
import ast
import json
import os
import re
import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = ROOT / "_build" / "notebooks"
LARGEST = 3  # MB, of the wheel
# What the science needs; each brings its own needs, joblib by way of scikit-learn.
BASE = {
    "torch",
    "torchvision",
    "numpy",
    "scipy",
    "scikit-learn",
    "joblib",
    "safetensors",
    "platformdirs",
    "jaxtyping",
    "tqdm",
}
FOR_THE_BOOK = {"matplotlib", "ipywidgets", "ipython"}
CHAPTER = "chapters/finding_blind_spots"
JUPYTER = ["ipykernel", "nbclient"]  # what runs a notebook; readers have some of it
EXECUTE = """
import sys, nbformat
from nbclient import NotebookClient
notebook = nbformat.read(sys.argv[1], as_version=4)
NotebookClient(notebook, timeout=1800).execute()
"""
INSTALLED = """
import importlib.metadata, json
print(json.dumps(sorted(d.metadata["Name"].lower() for d in importlib.metadata.distributions())))
"""


def readme_lines(text: str) -> tuple[str, str]:
    """Take the README's first lines of Python, and what it says that they print."""
    (code, printed), *_ = re.findall(r"```python\n(.*?)```\s*```text\n(.*?)```", text, re.S)
    return code, printed


def direct_needs(wheel: Path) -> set[str]:
    """Name what the package itself asks for, without extras."""
    with zipfile.ZipFile(wheel) as packed:
        (metadata,) = [name for name in packed.namelist() if name.endswith(".dist-info/METADATA")]
        text = packed.read(metadata).decode()
    return {
        name
        for name, rest in re.findall(r"^Requires-Dist: ([\w.-]+)(.*)$", text, re.MULTILINE)
        if "extra ==" not in rest
    }


def megabytes(path: Path) -> float:
    """Say how much a file, or all below a folder, takes."""
    files = [path] if path.is_file() else [f for f in path.rglob("*") if not f.is_symlink()]
    return sum(f.stat().st_size for f in files if f.is_file()) / 1e6


def run(*words: str | Path, folder: Path) -> str:
    """Run a command in a folder; only what it needs of the environment is passed on."""
    kept = "PATH", "HOME", "LANG", "TMPDIR", "BLINDSPOTS_CACHE", "OMP_WAIT_POLICY"
    environment = {k: v for k, v in os.environ.items() if k in kept or k.startswith("PIP_")}
    environment["BLINDSPOTS_DATASET"] = "digits"
    done = subprocess.run(
        [*map(str, words)], cwd=folder, env=environment, capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(f"{' '.join(map(str, words))[:200]}\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return done.stdout


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--all", action="store_true", help="run every chapter of the edition")
    everything = options.parse_args().all
    (ROOT / "_build").mkdir(exist_ok=True)
    # Six gigabytes, for which the system's own folder may have no room.
    with tempfile.TemporaryDirectory(dir=ROOT / "_build") as name:
        folder = Path(name)
        empty = folder / "empty"
        empty.mkdir()
        build = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder, ROOT]
        run(*build, folder=empty)
        (wheel,) = folder.glob("*.whl")
        print(f"{wheel.name}: {megabytes(wheel):.2f} MB", flush=True)
        if megabytes(wheel) > LARGEST:
            sys.exit(f"The wheel is larger than {LARGEST} MB: what has come into the package?")
        if excess := direct_needs(wheel) - BASE:
            sys.exit(f"The wheel asks for {', '.join(sorted(excess))}: that belongs to an extra")

        venv.create(folder / "venv", with_pip=True)
        python = folder / "venv" / "bin" / "python"
        pinned = [python, "-m", "pip", "install", "-q", "-c", ROOT / "constraints.txt"]
        run(*pinned, wheel, folder=empty)
        print(f"Installed: {megabytes(folder / 'venv'):,.0f} MB", flush=True)
        installed = set(json.loads(run(python, "-I", "-c", INSTALLED, folder=empty)))
        if unwanted := installed & FOR_THE_BOOK:
            sys.exit(f"The wheel alone brings {', '.join(sorted(unwanted))}: they are for the book")
        code, promised = readme_lines((ROOT / "README.md").read_text(encoding="utf-8"))
        (empty / "readme.py").write_text(code, encoding="utf-8")
        if (printed := run(python, "-I", "readme.py", folder=empty)) != promised:
            sys.exit(f"The README promises\n{promised}but its lines print\n{printed}")
        print(f"The README's lines print what it says, in {len(ast.parse(code).body)} statements.")

        run(*pinned, f"{wheel}[book,imagenet]", *JUPYTER, folder=empty)
        print(f"With what the book needs: {megabytes(folder / 'venv'):,.0f} MB", flush=True)
        chosen = [NOTEBOOKS / f"{CHAPTER}.ipynb"]
        if everything:
            chosen = [f for f in sorted(NOTEBOOKS.rglob("*.ipynb")) if f.parent.name != "exercises"]
        if not chosen[0].exists():
            sys.exit("There is no notebook edition yet: say make book first")
        for notebook in chosen:
            run(python, "-I", "-c", EXECUTE, notebook, folder=empty)
            print(f"{notebook.stem} runs from top to bottom.", flush=True)


if __name__ == "__main__":
    main()
