"""Run the tests as other processors would: other instructions, other threads, a busy machine.

`make test-variants` runs all of them, `make test-variants OPTIONS="plain busy"` some, each with
networks of its own. With `--verdicts` the chapters are executed too, on the digits, and the ledger
must give the same verdicts in all.
"""

import argparse
import ast
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat

from tools.build_book import chapters
from tools.busy import busy
from tools.run_chapters import run_chapters, write_executed

ROOT = Path(__file__).resolve().parent.parent
VARIANTS = {
    "plain": {"ATEN_CPU_CAPABILITY": "default", "MKL_CBWR": "COMPATIBLE"},  # no vectors
    "avx2": {"ATEN_CPU_CAPABILITY": "avx2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"},
    "old-blas": {"OPENBLAS_CORETYPE": "Prescott", "MKL_ENABLE_INSTRUCTIONS": "SSE4_2"},
    "one-thread": {"OMP_NUM_THREADS": "1"},
    "two-threads": {"OMP_NUM_THREADS": "2"},
    "busy": {},
}


def tests_pass(name: str, tests: list[str], cache: Path, *, quick: bool = False) -> bool:
    """Whether the tests pass in this variant: all, or to be quick those that are not slow."""
    words = [sys.executable, "-m", "pytest", "-q", "--no-cov", "-n", "auto"]
    words += ["--dist", "loadfile", "--no-loadscope-reorder", *tests]
    words += ["-m", "not slow"] if quick else []
    environment = {**os.environ, **VARIANTS[name], "BLINDSPOTS_TEST_CACHE": str(cache)}
    return subprocess.run(words, cwd=ROOT, env=environment).returncode == 0


def verdicts(name: str, cache: Path, folder: Path) -> dict[str, str]:
    """What the ledger says of each claim when the chapters are executed in this variant."""
    files = chapters()
    data = {"BLINDSPOTS_DATASET": "digits", "BLINDSPOTS_CACHE": str(cache)}
    failed = run_chapters(
        files, folder / "cache", timeout=1800, environment={**VARIANTS[name], **data}
    )
    if failed:
        sys.exit("\n".join(f"{file.name}: {error}" for file, error in failed.items()))
    write_executed(files, folder / "cache", ROOT / "book", folder / "executed")
    found = {}
    for file in files:
        for glued, text in glued_in(folder / "executed" / file.relative_to(ROOT / "book")):
            if glued.startswith("claim_"):
                found[glued.removeprefix("claim_")] = json.loads(text)["verdict"]
    if not found:
        sys.exit("The executed chapters hold no verdict, so there is nothing to compare.")
    return found


def glued_in(file: Path):
    """Names and texts that an executed chapter leaves to the book."""
    for cell in nbformat.read(file, as_version=4).cells:
        for output in cell.get("outputs", []):
            if mark := output.get("metadata", {}).get("scrapbook"):
                text = output["data"].get(mark.get("mime_prefix", "") + "text/plain")
                if text is not None:
                    yield mark["name"], ast.literal_eval(text)


def differences(found: dict[str, dict[str, str]]) -> list[str]:
    """A line for every claim on which the variants do not agree."""
    lines = []
    for claim in sorted(set().union(*found.values())):
        said = {name: of.get(claim, "nothing") for name, of in found.items()}
        if len(set(said.values())) > 1:
            lines.append(f"{claim}: " + ", ".join(f"{said[name]} ({name})" for name in said))
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description="Run the tests as other processors would.")
    parser.add_argument("names", nargs="*", help=f"of {', '.join(VARIANTS)}; all, if none is named")
    parser.add_argument("--tests", nargs="*", default=["tests", "blindspots"])
    parser.add_argument("--quick", action="store_true", help="without the slow tests")
    parser.add_argument("--verdicts", action="store_true", help="compare those of the ledger too")
    arguments = parser.parse_args()
    names = arguments.names or list(VARIANTS)
    if unknown := [name for name in names if name not in VARIANTS]:
        parser.error(f"there is no variant {unknown[0]!r}: use one of {', '.join(VARIANTS)}")
    failed, found = [], {}
    for name in names:
        print(f"\nVariant {name}: {VARIANTS[name]}", flush=True)
        with tempfile.TemporaryDirectory() as folder, busy(2 if name == "busy" else 0):
            cache = Path(folder) / "networks"
            if arguments.tests and not tests_pass(
                name, arguments.tests, cache, quick=arguments.quick
            ):
                failed.append(name)
            if arguments.verdicts:
                found[name] = verdicts(name, cache, Path(folder))
    if failed:
        sys.exit(f"The tests fail in the variants {', '.join(failed)}.")
    if differing := differences(found):
        sys.exit("\n".join(["The verdicts turn on rounding:", *differing]))
    print(f"All is well in {len(names)} variants.")


if __name__ == "__main__":
    main()
