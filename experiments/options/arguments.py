"""The command line and YAML files of a command: from dotted keys to a typed options dataclass.

argparse only lays out the help (``options/help.py``): it names no nearest key, and it refuses a value that begins with
a dash.
"""

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import MISSING, is_dataclass
from difflib import get_close_matches
from typing import Any, TypeVar, get_type_hints

import yaml

from experiments.options.help import NO_USAGE, SHORT_KEYS, Usage, describe_command
from experiments.options.leaves import Leaf, leaves
from experiments.options.yaml_text import load_yaml
from nas_space.errors import InputError
from nas_space.text_file import read_text, reason

OptionsT = TypeVar("OptionsT")
Known = Mapping[str, Leaf]


def parse(
    prog: str, description: str, options: type[OptionsT], argv: Sequence[str], usage: Usage = NO_USAGE
) -> tuple[OptionsT, bool]:
    """Read ``argv``: ``--config`` files in order, then the command line, which wins.

    A list of text may be given as ``a,b`` (unless it is ``WHOLE``) or ``[a, b]``, as several values after its key, or
    by repeating the key. A class attribute ``POSITIONAL`` of the options names the one that also takes what stands
    without a key: one value, or, where it is a list of text, all of them.

    Args:
        prog: the program and the command, for help.
        description: what the command does, for help.
        options: the dataclass.
        argv: the words behind the command.
        usage: its examples and common options, for help.

    Returns:
        The options, and whether ``--json`` was asked for.

    Raises:
        InputError: an unknown key, a value of the wrong type, an unreadable file; the message names it.
        SystemExit: after ``--help`` or ``--help_all``.
    """
    leaves_by_key = {leaf.key: leaf for leaf in leaves(options)}
    positional: str | None = getattr(options, "POSITIONAL", None)
    if {"-h", "--help", "--help_all"} & set(argv):
        print(describe_command(prog, description, leaves_by_key.values(), positional, usage, "--help_all" in argv))
        raise SystemExit(0)
    values = {key: leaf.default for key, leaf in leaves_by_key.items()}
    given, files = _read_line([word for word in argv if word != "--json"], leaves_by_key, positional)
    for file in files:
        values.update(_read_config(file, leaves_by_key))
    values.update(given)
    missing = next((key for key, value in values.items() if value is MISSING), None)
    if missing is not None:
        what = f"{missing.upper()} is missing" if missing == positional else f"--{missing} is required"
        raise InputError(what + (f"; for example: {usage.examples[0]}" if usage.examples else ""))
    return _build(options, values), "--json" in argv


def from_plain(options: type[OptionsT], content: Mapping[str, Any]) -> OptionsT:
    """Options from plain values, nested as in a YAML file: the inverse of ``plain(asdict(options))``.

    Raises:
        InputError: an unknown key, or a value of the wrong type.
    """
    leaves_by_key = {leaf.key: leaf for leaf in leaves(options)}
    values = {key: leaf.default for key, leaf in leaves_by_key.items()}
    given = _flatten(content, leaves_by_key, "options")
    values.update({key: leaves_by_key[key].read(value, f"options: {key}") for key, value in given})
    return _build(options, values)


def _read_line(argv: Sequence[str], leaves_by_key: Known, positional: str | None) -> tuple[dict[str, Any], list[str]]:
    """The options of the command line, and the ``--config`` files."""
    given: dict[str, Any] = {}
    files: list[str] = []
    positionals: list[str] = []
    queue = list(argv)
    while queue:
        token = queue.pop(0)
        if not token.startswith("--"):
            if positional is None or token.startswith("-"):
                others = "; a file needs its key here as well" if os.path.exists(token) else ""
                raise InputError(f"{token}: no option and no value of one; write --key value{others}")
            positionals.append(token)
            continue
        name, has_value, value = token.partition("=")
        key = SHORT_KEYS[name[2:]] if SHORT_KEYS.get(name[2:]) in leaves_by_key else name[2:]
        if key != "config" and key not in leaves_by_key:
            raise InputError(f"{name}: {explain_unknown(key, leaves_by_key, '--')}")
        if not has_value:
            if not queue or queue[0].startswith("--"):
                raise InputError(f"{name}: a value is missing")
            value = queue.pop(0)
        if key == "config":
            files.append(value)
            continue
        result = leaves_by_key[key].read(value, name)
        if leaves_by_key[key].is_names:
            result = given.get(key, []) + result
            while positional is None and queue and not queue[0].startswith("-"):
                result += leaves_by_key[key].read(queue.pop(0), name)
        given[key] = result
    if positional is not None and positionals:
        takes_all = leaves_by_key[positional].is_names
        if len(positionals) > 1 and not takes_all:
            raise InputError(f"{positionals[1]}: only one {positional} is taken")
        given[positional] = positionals if takes_all else positionals[0]
    return given, files


def _read_config(file: str, leaves_by_key: Known) -> dict[str, Any]:
    try:
        content = load_yaml(read_text(file))
    except FileNotFoundError:
        raise InputError(f"--config {file}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"--config {file}: cannot be read ({reason(error)}); give a YAML file") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(f"{file}: not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, Mapping | None):
        raise InputError(f"{file}: expected keys and values, such as epochs: 20")
    flat = _flatten(content or {}, leaves_by_key, file)
    return {key: leaves_by_key[key].read(value, f"{file}: {key}") for key, value in flat}


def _flatten(
    content: Mapping[Any, Any], leaves_by_key: Known, file: str, prefix: str = ""
) -> Iterator[tuple[str, Any]]:
    for name, value in content.items():
        key = f"{prefix}{name}"
        if key in leaves_by_key:
            yield key, value
        elif any(other.startswith(f"{key}.") for other in leaves_by_key) and isinstance(value, Mapping | None):
            yield from _flatten(value or {}, leaves_by_key, file, f"{key}.")
        else:
            raise InputError(f"{file}: {key}: {explain_unknown(key, leaves_by_key)}")


def explain_unknown(key: str, known: Collection[str], dashes: str = "") -> str:
    """What is wrong with ``key``, and the nearest key that exists."""
    inside = [other for other in known if other.startswith(f"{key}.")]
    if inside:
        return f"is a group; give its keys, such as {dashes}{inside[0]}"
    # ``epoch`` is near ``epochs``, and ``size`` is meant for ``data.size``.
    tails = [other for other in known if other.rpartition(".")[2] == key.rpartition(".")[2]]
    suggestion = get_close_matches(key, [*known, *(("config", "json", "help_all") if dashes else ())], n=1) or tails
    return f"unknown key; did you mean {dashes}{suggestion[0]}?" if suggestion else "unknown key; --help lists the keys"


def _build(options: type[OptionsT], values: Mapping[str, Any], prefix: str = "") -> OptionsT:
    """The dataclass from flat values."""
    arguments: dict[str, Any] = {}
    for name, hint in get_type_hints(options).items():
        key, is_group = f"{prefix}{name}", isinstance(hint, type) and is_dataclass(hint)
        arguments[name] = _build(hint, values, f"{key}.") if is_group else values[key]
    return options(**arguments)
