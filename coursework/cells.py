"""Cells as people write them: what in them is for the notebook alone is left out.

Magics, shell lines and Otter's own calls mean nothing to the grader. They may stand anywhere: above
the imports, beside an answer, in the middle of a cell.
"""

import ast
import contextlib
import re
import warnings
from typing import NamedTuple

from IPython.core.inputtransformer2 import TransformerManager

WRAPPERS = (
    "time",
    "timeit",
    "capture",
    "prun",
    "memit",
    "mprun",
    "lprun",
    "debug",
)  # magics around code that is run anyway
MODULE = re.compile(r"(?:writefile|file) ['\"]?(\w+)\.py['\"]?\s*")
# A module that a cell writes into a file can be imported, where there are no files.
WRITTEN = """
import sys, types
sys.modules[{name!r}] = types.ModuleType({name!r})
exec({code!r}, vars(sys.modules[{name!r}]))
"""
OPTIONS = re.compile(r"^((-[nrps]\s*\w+|-\w+|--\S+)\s+)+")  # of such a magic in a line
LONGEST = 60  # characters of a line in a remark


class Plain(NamedTuple):
    """A cell in plain Python.

    Attributes:
        code: what is left; the cell itself where nothing was left out, or where it is not Python.
        left_out: magics and shell lines, as they were written.
    """

    code: str
    left_out: list[str]


def plain(source: str) -> Plain:
    """Leave out what is for the notebook: magics, shell lines and what concerns Otter."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about what a student's code does
            tree = ast.parse(TransformerManager().transform_cell(source))
            cleaner = _Cleaner()
            cleaned = ast.fix_missing_locations(cleaner.visit(tree))
    except (SyntaxError, ValueError, RecursionError):
        return Plain(source, [])
    if not cleaner.changed:
        return Plain(source, [])
    return Plain(ast.unparse(cleaned), cleaner.left_out)


class _Cleaner(ast.NodeTransformer):
    """Replaces calls of the notebook's own by nothing, or by the code that they wrap."""

    def __init__(self) -> None:
        self.left_out: list[str] = []
        self.changed = False
        self.otter = {"grader", "otter"}  # names of Otter's own things

    def visit_Expr(self, node: ast.Expr) -> ast.AST | list[ast.stmt]:
        name, words = _magic(node.value)
        if name == "run_cell_magic" and words[0] in WRAPPERS:
            return self._wrapped(words[2])
        module = name == "run_cell_magic" and MODULE.fullmatch(f"{words[0]} {words[1]}")
        if module:
            self.changed = True
            return ast.parse(WRITTEN.format(name=module[1], code=words[2])).body
        if name == "run_line_magic" and words[0] in WRAPPERS:
            try:
                return self._wrapped(OPTIONS.sub("", words[1]))
            except SyntaxError:  # not this magic's code: only the magic is left out
                self.changed = True
                self.left_out.append(_written(name, words)[:LONGEST])
                return ast.Pass()
        value = self.visit(node.value)
        if isinstance(value, ast.Constant) and value is not node.value:
            return ast.Pass()
        node.value = value
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        name, words = _magic(node)
        if name == "run_line_magic" and words[0] in WRAPPERS:  # the value of an assignment
            with contextlib.suppress(SyntaxError):
                value = ast.parse(OPTIONS.sub("", words[1]).strip(), mode="eval").body
                self.changed = True
                return self.visit(value)
        if name:
            self.changed = True
            self.left_out.append(_written(name, words)[:LONGEST])
            if name == "getoutput":  # the lines that a shell prints, one of them empty
                return ast.List([ast.Constant("")], ast.Load())
            return ast.Constant(None)
        if _belongs_to(node.func, self.otter):
            self.changed = True
            return ast.Constant(None)
        return self.generic_visit(node)

    def visit_Import(self, node: ast.Import) -> ast.AST:
        kept = [alias for alias in node.names if alias.name.partition(".")[0] != "otter"]
        if len(kept) == len(node.names):
            return node
        self.changed = True
        self.otter |= {alias.asname for alias in node.names if alias not in kept and alias.asname}
        return ast.Import(kept) if kept else ast.Pass()

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST:
        if node.module != "otter":
            return node
        self.changed = True
        self.otter |= {alias.asname or alias.name for alias in node.names}
        return ast.Pass()

    def _wrapped(self, source: str) -> list[ast.stmt]:
        self.changed = True
        inner = plain(source)
        self.left_out += inner.left_out
        return ast.parse(inner.code).body or [ast.Pass()]


def _magic(node: ast.AST) -> tuple[str, list[str]]:
    """The method of `get_ipython()` that is called, and its words; nothing for any other call."""
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Call(func=ast.Name(id="get_ipython")))):
            words = [str(arg.value) for arg in node.args if isinstance(arg, ast.Constant)]
            return node.func.attr, [*words, "", "", ""]  # type: ignore[attr-defined]
    return "", []


def _written(name: str, words: list[str]) -> str:
    """A magic as a person wrote it."""
    if words[0].startswith("pinfo"):
        return f"{words[1]}?"
    mark = {"run_line_magic": "%", "run_cell_magic": "%%"}.get(name, "!")
    return f"{mark}{' '.join(words[:2] if mark != '!' else words[:1])}".strip()


def _belongs_to(function: ast.AST, owners: set[str]) -> bool:
    while isinstance(function, ast.Attribute):
        function = function.value
    return isinstance(function, ast.Name) and function.id in owners
