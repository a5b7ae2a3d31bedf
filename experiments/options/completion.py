"""What a shell completes: the commands and their keys, as a script that shtab writes."""

from argparse import Action, ArgumentParser
from collections.abc import Collection, Mapping
from typing import Any, get_args

import shtab

from experiments.options.device import DEVICES
from experiments.options.groups import AUGMENTATIONS, SETS
from experiments.options.help import SHORT_KEYS
from experiments.options.leaves import Leaf, leaves
from experiments.options.loggers import LOGGERS
from nas_space.config import DIMENSIONS, PRESETS, Head
from nas_space.errors import InputError
from strategies.registry import NAMES

SHELLS = ("bash", "zsh", "fish")
NAMED: Mapping[str, Collection[str]] = {
    "strategy": NAMES,
    "space.preset": PRESETS,
    "space.search": DIMENSIONS,
    "data.name": SETS,
    "device": DEVICES,
    "logger": LOGGERS,
    "train.augmentation": AUGMENTATIONS,
    "constraint.head": get_args(Head),
}
"""What is offered for a key; a strategy may be module:Class all the same."""
TEXT = (str, str | None, list[str])
"""Options of these types may be paths."""


def completion(shell: str, prog: str, commands: Mapping[str, tuple[str, type]]) -> str:
    """The script that a shell reads.

    Args:
        shell: one of ``SHELLS``.
        prog: the program.
        commands: name -> line of help, dataclass of options. A name may have two words.

    Raises:
        InputError: another shell.
    """
    if shell not in SHELLS:
        raise InputError(f"--print_completion: {shell!r} is no shell that is known; choose from {', '.join(SHELLS)}")
    return shtab.complete(_parser(prog, commands), shell)


def _parser(prog: str, commands: Mapping[str, tuple[str, type]]) -> ArgumentParser:
    """The command line as argparse describes it: for shtab alone, which asks nothing else."""
    root = ArgumentParser(prog=prog, add_help=False)
    root.add_argument("--help", action="store_true", help="list the commands")
    root.add_argument("--version", action="store_true", help="print the version")
    root.add_argument("--print_completion", choices=SHELLS, help="print what a shell completes")
    groups = root.add_subparsers()
    for name, parser in _add_commands(groups, commands).items():
        _add_options(parser, commands[name][1])
    helped = groups.add_parser("help", add_help=False, help="examples and the usual keys of a command")
    _add_commands(helped.add_subparsers(), commands)
    return root


def _add_commands(groups: Any, commands: Mapping[str, tuple[str, type]]) -> dict[str, ArgumentParser]:
    """The parser of each command, without options; the second words of commands lie below the first ones."""
    above: dict[str, Any] = {"": groups}
    parsers: dict[str, ArgumentParser] = {}
    for name in sorted(commands, key=lambda name: len(name.split())):  # export before export lowering
        first, _, word = name.rpartition(" ")
        if first not in above:
            parent = parsers.get(first)
            if parent is None:  # data alone is no command
                parent = groups.add_parser(first, add_help=False, help=f"{first} ...")
            above[first] = parent.add_subparsers()
        parsers[name] = above[first].add_parser(word, add_help=False, help=commands[name][0])
    return parsers


def _add_options(parser: ArgumentParser, options: type) -> None:
    parser.add_argument("--help", action="store_true", help="examples and the usual keys")
    parser.add_argument("--help_all", action="store_true", help="all keys, explained")
    parser.add_argument("--json", action="store_true", help="print one JSON object on the last line")
    _complete_files(parser.add_argument("--config", help="YAML file of options"))
    positional = getattr(options, "POSITIONAL", None)
    for leaf in leaves(options):
        names = (leaf.key, *(short for short, key in SHORT_KEYS.items() if key == leaf.key))
        argument = parser.add_argument(*(f"--{name}" for name in names), help=_short(leaf), choices=_choices(leaf))
        if leaf.hint in TEXT and argument.choices is None:
            _complete_files(argument)
        if leaf.key == positional:
            _complete_files(parser.add_argument(positional, nargs="*", help=_short(leaf)))


def _complete_files(argument: Action) -> None:
    argument.complete = shtab.FILE  # type: ignore[attr-defined]  # what shtab looks for


def _choices(leaf: Leaf) -> Collection[str] | None:
    return ("true", "false") if bool in leaf.kinds else NAMED.get(leaf.key)


def _short(leaf: Leaf) -> str:
    """The first part of an option's help; argparse takes ``%`` for its own."""
    return leaf.help.partition(";")[0].rstrip(".").replace("%", "%%")
