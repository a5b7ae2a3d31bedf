"""Modules of this toolkit as processes of their own."""

import sys
from pathlib import Path

ROOT = str(Path(__file__).parents[2])
"""Where this toolkit lies."""

# As ``python -m``, which would take a folder ``experiments`` in the current one for this toolkit. (``python -P`` begins
# with Python 3.11.)
START = """\
import sys
root, module = sys.argv[1:3]
del sys.argv[1:3]
if sys.path[:1] == [""]:
    del sys.path[0]
if root not in sys.path:
    sys.path.insert(0, root)
import runpy
runpy.run_module(module, run_name="__main__", alter_sys=True)
"""


def module_command(module: str, *arguments: str) -> list[str]:
    """The command line that runs a module of this very toolkit, wherever it is run and whatever lies there.

    Args:
        module: its full name.
        arguments: its own.
    """
    return [sys.executable, "-c", START, ROOT, module, *arguments]
