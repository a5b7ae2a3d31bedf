"""The commands of ``ssr-nas``, one module each; a name may have two words.

A module's docstring begins with the line of help. The module holds a dataclass ``Options`` and a function
``run(options) -> dict``, which prints for people and returns what ``--json`` prints. If a command can answer no,
a function ``exit_code(result) -> int`` says so. The modules are named here and not imported, since most load torch.
"""

from importlib.util import find_spec

GROUPS = {
    "find and train a network": ("fit", "search", "retrain", "evaluate", "predict"),
    "your data": ("data check", "data convert", "data classes"),
    "deploy": ("export", "export lowering"),
    "measure": (
        *("cost", "latency", "latency pack"),
        *("benchmark", "benchmark video", "benchmark search", "benchmark training"),
    ),
    "compare": ("space", "report", "figures", "figures paper", "compare", "race", "landscape"),
    "experiments in NNI": ("launch", "trial", "race-trial", "fit-trial", "export-best"),
}
"""What each command is for, the usual ones first."""
NAMES = tuple(name for names in GROUPS.values() for name in names)
COMMANDS = {name: f"{__name__}.{name.replace('-', '_').replace(' ', '_')}" for name in NAMES}


def help_line(name: str) -> str:
    """First line of a command's docstring, read from its source without importing it."""
    spec = find_spec(COMMANDS[name])
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(COMMANDS[name])
    with open(spec.origin, encoding="utf-8") as source:
        return source.readline().strip().strip('"')
