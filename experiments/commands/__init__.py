"""The commands of ``ssr-nas``, one module each; a name may have two words.

A module holds a dataclass ``Options``, a function ``run(options) -> dict`` that prints for people and returns what
``--json`` prints, and a docstring whose first line is the command's help. Where its answer may be no, a function
``exit_code(result) -> int`` says so. This page names them without importing them: most load torch.
"""

import ast
from importlib.util import find_spec
from pathlib import Path

NAMES = (
    "space",
    "search",
    "retrain",
    "evaluate",
    "predict",
    "figures",
    "compare",
    "report",
    "data check",
    "cost",
    "latency",
    "export",
    "export lowering",
    "benchmark",
    "benchmark search",
    "benchmark training",
    "benchmark video",
    "trial",
    "launch",
    "export-best",
)
COMMANDS = {name: f"{__name__}.{name.replace('-', '_').replace(' ', '_')}" for name in NAMES}


def help_line(name: str) -> str:
    """First line of a command's docstring, read from its source without importing it."""
    spec = find_spec(COMMANDS[name])
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(COMMANDS[name])
    docstring = ast.get_docstring(ast.parse(Path(spec.origin).read_text(encoding="utf-8"))) or ""
    return docstring.partition("\n")[0]
