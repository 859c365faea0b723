"""Make the environment in .venv and install everything into it, with the pinned versions.

Uses nothing but Python itself. Every way this can fail ends in one sentence.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.join(ROOT, ".venv")
OLDEST = (3, 10)
# Linux gets PyTorch with its CUDA libraries from the package index, other systems do not.
GIGABYTES = 8 if sys.platform == "linux" else 3

# What pip prints, and what it means. The first that is found is reported.
REASONS = [
    (
        ("No space left on device", "Disk quota exceeded"),
        f"the disk is full: free {GIGABYTES} GB and run this again",
    ),
    (
        (
            "NewConnectionError",
            "Failed to establish a new connection",
            "Temporary failure in name resolution",
            "NameResolutionError",
            "ConnectTimeoutError",
            "Network is unreachable",
            "ProxyError",
            "Connection refused",
        ),
        "the package index cannot be reached and the packages are not in pip's cache: connect to "
        "the network and run this again",
    ),
    (
        ("No matching distribution found", "ResolutionImpossible"),
        "there is no matching package for this Python on this system: see the lines above",
    ),
]


def problem():
    """What is missing before anything can be installed, or None."""
    if sys.version_info < OLDEST:
        found, needed = (".".join(map(str, v[:2])) for v in (sys.version_info, OLDEST))
        return (
            f"Python {found} is too old: install {needed} or newer, or say make PYTHON=python3.12"
        )
    for module in ("venv", "ensurepip"):
        if importlib.util.find_spec(module) is None:
            return f"Python's {module} module is missing: on Debian, apt-get install python3-venv"
    free = shutil.disk_usage(ROOT).free / 1e9
    if not os.path.exists(VENV) and free < GIGABYTES:
        return (
            f"{free:.1f} GB are free on the disk, {GIGABYTES} are needed: free some and try again"
        )
    return None


def diagnosis(errors):
    """One sentence for what pip printed."""
    for signs, sentence in REASONS:
        if any(sign in errors for sign in signs):
            return sentence
    return "pip failed for the reason above"


def run(words):
    """Run a command, showing how far it is; keep its error messages for the diagnosis."""
    with tempfile.TemporaryFile() as errors:
        with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=errors) as process:
            for line in process.stdout:
                show(line.decode(errors="replace").strip())
        show("")
        if process.returncode:
            errors.seek(0)
            printed = errors.read().decode(errors="replace")
            print("\n".join(printed.strip().splitlines()[-15:]))
            sys.exit(f"Setting up failed: {diagnosis(printed)}.")


def works(python):
    """Whether the environment is complete; an interrupted set-up may have left it without pip."""
    try:
        subprocess.run([python, "-m", "pip", "--version"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


def show(line):
    """What pip is at, in one line of the terminal that the next overwrites."""
    if sys.stdout.isatty() and not line.startswith(("Requirement", "Looking")):
        print("\r\033[K" + line[:78], end="", flush=True)


def main():
    missing = problem()
    if missing:
        sys.exit(f"Setting up is not possible: {missing}.")
    print("Setting up .venv with PyTorch and the book's tools, once, in a few minutes.", flush=True)
    python = os.path.join(VENV, "Scripts" if os.name == "nt" else "bin", "python")
    if not works(python):
        run([sys.executable, "-m", "venv", "--clear", VENV])
    install = [python, "-m", "pip", "install", "--disable-pip-version-check"]
    run([*install, "-c", "constraints.txt", "-e", ".[book,imagenet,build,test,teach]"])
    with open(os.path.join(VENV, "ready"), "w") as marker:
        marker.write("Set up. Delete this file to have it checked again.\n")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("Interrupted. Run the same command again to go on.")
