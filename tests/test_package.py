"""What the repository promises outside the code: README, versions, notebooks, metadata."""

import ast
import contextlib
import io
import itertools
import json
import re
import sys
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

import blindspots
from blindspots import _former

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
NOTEBOOKS = sorted((ROOT / "book").rglob("*.ipynb"))
CHAPTERS = [path for path in NOTEBOOKS if path.parent.name == "chapters"]
REPOSITORY = PROJECT["urls"]["Repository"]


def test_readme_example_prints_what_the_readme_says():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    code, printed = re.search(r"```python\n(.*?)```\s+```text\n(.*?)```", readme, re.S).groups()
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        exec(code, {})
    assert output.getvalue() == printed


def test_readme_lists_the_chapters_and_shows_a_picture():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    toc = yaml.safe_load((ROOT / "book" / "_toc.yml").read_text(encoding="utf-8"))
    for chapter in toc["parts"][0]["chapters"]:
        (source,) = (ROOT / "book").glob(f"{chapter['file']}.*")
        assert f"(book/{source.relative_to(ROOT / 'book').as_posix()})" in readme
    for alt, picture in re.findall(r"!\[(.*?)\]\((?!http)(.*?)\)", readme):
        assert len(alt) > 20 and (ROOT / picture).stat().st_size > 5000


def test_readme_has_no_blanks_to_fill_in():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert not re.findall(r"\| [A-Z]{4,} \|", readme)


def test_version_is_stated_once():
    assert blindspots.__version__ == PROJECT["version"]
    assert (
        yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))["version"]
        == PROJECT["version"]
    )
    assert f"## {PROJECT['version']} (" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def requirements():
    extras = PROJECT["optional-dependencies"].values()
    return [Requirement(r) for group in (PROJECT["dependencies"], *extras) for r in group]


@pytest.mark.parametrize("requirement", requirements(), ids=str)
def test_every_dependency_is_bounded_and_pinned_within_its_bounds(requirement):
    operators = {s.operator for s in requirement.specifier}
    assert ">=" in operators and "<" in operators
    pins = [
        Requirement(line)
        for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
        if re.split(r"[=<>; ]", line)[0] == requirement.name.lower().replace("_", "-")
    ]
    assert pins, f"{requirement.name} is not in constraints.txt"
    for pin in pins:
        assert requirement.specifier.contains(next(iter(pin.specifier)).version)


def test_constraints_name_no_host():
    assert "://" not in (ROOT / "constraints.txt").read_text(encoding="utf-8")


def test_conda_environment_asks_for_the_same():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    *conda, pip = environment["dependencies"]
    python = next(Requirement(r) for r in conda if r.startswith("python"))
    oldest = PROJECT["requires-python"].removeprefix(">=")
    assert python.specifier.contains(oldest) and not python.specifier.contains("3.9")
    extras = ",".join(PROJECT["optional-dependencies"])
    assert pip["pip"] == ["-c constraints.txt", f"-e .[{extras}]"]


def test_one_repository_address():
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert config["repository"]["url"] == REPOSITORY == citation["repository-code"]


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_notebook_follows_the_house_rules(notebook):
    assert not notebook.name[0].isdigit()
    content = json.loads(notebook.read_text(encoding="utf-8"))
    cells = content["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert f"git+{REPOSITORY}" in "".join(code[0]["source"])  # makes it run on Colab
    for cell in code:
        source = "".join(cell["source"])
        tags = cell["metadata"].get("tags", [])
        assert not cell["outputs"] or "keep_output" in tags
        assert cell["outputs"] or "nbval-check-output" not in tags  # or it would compare nothing
        assert not re.search(r"^(def|class) (load_|fit|lbfgs|minimize_)", source, re.M)
        assert not re.search(r"^# (#|\*|\[)", source, re.M)  # prose that slipped into a code cell
        if "mystnb" in cell["metadata"]:
            assert len(cell["metadata"]["mystnb"]["image"]["alt"]) > 40
            assert len(cell["metadata"]["mystnb"]["figure"]["caption"]) > 40


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_chapter_says_what_it_takes_and_ends_in_a_verdict(chapter):
    cells = json.loads(chapter.read_text(encoding="utf-8"))["cells"]
    text = "".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    for promise in ("You will be able to", "You need", "It takes", "Verdict, computed"):
        assert promise in text


def test_visible_cells_are_short():
    """At most a fifth of those that a reader sees have more than 15 lines."""
    hiding = {"remove-cell", "hide-input", "hide-cell"}
    cells = [
        cell
        for chapter in CHAPTERS
        for cell in json.loads(chapter.read_text(encoding="utf-8"))["cells"]
        if cell["cell_type"] == "code" and not hiding & set(cell["metadata"].get("tags", []))
    ]
    lengths = [sum(bool(line.strip()) for line in cell["source"]) for cell in cells]
    assert len(lengths) > 100  # or it would look at nothing
    assert sum(length > 15 for length in lengths) <= 0.2 * len(lengths)


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_every_glued_number_is_used_and_every_used_one_is_glued(notebook):
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    code = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "code")
    text = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
    code = re.sub(r"^(\s*)%.*", r"\1pass", code, flags=re.M)  # magics are not Python
    made = {
        keyword.arg
        for call in ast.walk(ast.parse(code))
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "glue"
        for keyword in call.keywords
    }
    assert made == set(re.findall(r"\{glue:text\}`(\w+)`", text))


def public_names():
    modules = {path.stem for path in (ROOT / "blindspots").iterdir()}
    return [name for name in vars(blindspots) if name[0] != "_" and name not in modules]


def test_the_public_face_has_at_most_forty_names_in_reading_order():
    names = public_names()
    assert len(names) <= 40
    order = ("load_images", "mlp", "fit", "trained", "lbfgs_attack", "nearest_attack", "top_images")
    order += ("transfer_matrix", "layer_bounds")
    assert sorted(order, key=names.index) == list(order)


def test_every_public_name_is_documented():
    pages = sorted((ROOT / "book" / "api").glob("*.md"))
    api = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    for name in public_names():
        thing = getattr(blindspots, name)
        assert len(thing.__doc__) > 40
        section = api.split(f"automodule:: {thing.__module__}\n")[1].split("```")[0]
        members = re.search(r":members:(.*)", section).group(1)
        assert not members or name in re.split(r"[, ]+", members)


@pytest.mark.parametrize("name", _former.NAMES)
def test_old_names_say_what_replaces_them(name):
    with pytest.raises(ImportError, match=f"{name} any more: "):
        exec(f"from blindspots import {name}")
    with pytest.raises(ImportError, match=f"{name} any more: "):
        getattr(blindspots, name)


@pytest.mark.parametrize(("home", "names"), _former.MOVED.items())
def test_old_names_are_where_it_is_said(home, names):
    for name in names:
        exec(f"from blindspots.{home} import {name}")


VERBS = """
Add Apply Bound Call Check Choose Close Collect Compare Compute Convert Copy Count Decide Describe
Divide Draw Encode Find Fit Give Join Judge Keep Leaf Lengthen Link List Load Make Minimise Move
Name Offer Perturb Plot Project Raise Read Refuse Register Repeat Rotate Round Run Say Score
Select Set Show State Subtract Take Tell Test Train Write
"""


def public_functions():
    private = {*(ROOT / "blindspots").rglob("_[!_]*.py")}
    checks = {*(ROOT / "blindspots/book/practice").glob("[!_]*.py")}  # named after exercises
    for path in sorted({*(ROOT / "blindspots").rglob("*.py")} - private - checks):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        classes = [n for n in tree.body if isinstance(n, ast.ClassDef) and n.name[0] != "_"]
        for node in itertools.chain(tree.body, *(c.body for c in classes)):
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                yield f"{path.stem}.{node.name}", ast.get_docstring(node)


def test_docstrings_of_public_functions_begin_with_a_verb_in_the_imperative():
    first = {name: (text or "nothing").split()[0] for name, text in public_functions()}
    assert {name: word for name, word in first.items() if word not in VERBS.split()} == {}
