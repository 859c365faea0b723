import sys

import pytest

from coursework import cells


@pytest.mark.parametrize(
    "source, code, left_out",
    [
        ("%matplotlib inline\nimport torch", "pass\nimport torch", ["%matplotlib inline"]),
        ("files = !ls\ny = 2", "files = ['']\ny = 2", ["!ls"]),
        ("%%time\ndef f():\n    return 1", "def f():\n    return 1", []),
        ("%timeit -n 3 f(2)", "f(2)", []),
        ("%%bash\nls", "pass", ["%%bash"]),
        ("%%writefile notes.txt\nls", "pass", ["%%writefile notes.txt"]),
        ('prediction = %time "b"', "prediction = 'b'", []),
        ("%prun -s cumulative f()\nx = 1", "f()\nx = 1", []),
        ("%time )\nx = 1", "pass\nx = 1", ["%time )"]),
        ("%%memit\nx = 1", "x = 1", []),
        ("from otter import Notebook\ng = Notebook()\nx = 1", "pass\ng = None\nx = 1", []),
        ("import otter as o\ngrader = o.Notebook()", "pass\ngrader = None", []),
        ("if True:\n    !ls\n    x = 1", "if True:\n    pass\n    x = 1", ["!ls"]),
        ("torch.ones?\nx = 1", "pass\nx = 1", ["torch.ones?"]),
        ("import otter, math\ngrader = otter.Notebook()", "import math\ngrader = None", []),
        ('"""\n%magic in a text\n"""', '"""\n%magic in a text\n"""', []),
        ("x = 1  # as it is", "x = 1  # as it is", []),
        ("x = (", "x = (", []),
    ],
)
def test_what_is_for_the_notebook_alone_is_left_out(source, code, left_out):
    assert cells.plain(source) == (code, left_out)


def test_a_module_that_a_cell_writes_can_be_imported():
    written = cells.plain("%%writefile helpers_of_ada.py\ndef twice(x):\n    return 2 * x\n")
    assert written.left_out == []
    names = {}
    try:
        exec(written.code, names)
        exec("from helpers_of_ada import twice\nfour = twice(2)", names)
    finally:
        sys.modules.pop("helpers_of_ada", None)
    assert names["four"] == 4
