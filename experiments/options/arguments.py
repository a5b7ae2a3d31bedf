"""From a typed options dataclass to command-line and YAML options: one dotted key for each leaf field.

jsonargparse checks the types and writes the help. Keys are looked up here first, in files and on the command line
alike, so that an unknown one is answered with its file and its nearest neighbour.
"""

import json
import re
import types
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from difflib import get_close_matches
from inspect import cleandoc
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import yaml
from jsonargparse import ArgumentError, ArgumentParser
from jsonargparse.typing import register_type

from experiments.options.quantity import Quantity
from experiments.options.yaml_text import load_yaml
from nas_space.errors import InputError

OptionsT = TypeVar("OptionsT")
SHORT = {"preset": "space.preset"}
WHOLE = {"whole": True}
"""Metadata of a list of text whose items are names of files: each word is one, commas and all."""
WORDS: dict[Any, str] = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    type(None): "null",
    Quantity: "a positive number such as 900K, 0.9M or 7.8G",
    list[str]: "a list such as a,b",
    list[int]: "a list such as 1,2,4",
    list[float]: "a list such as 0.75,1,1.25",
    list[list[int]]: "a list such as [[1, 2], [2, 3]]",
}

register_type(Quantity, serializer=float, deserializer=Quantity)


@dataclass(frozen=True)
class Leaf:
    """One option: its dotted key, its type, its default, its line of help, and whether it is ``WHOLE``."""

    key: str
    hint: Any
    default: Any
    help: str
    is_whole: bool

    @property
    def kinds(self) -> tuple[Any, ...]:
        """The type, or the members of the union."""
        return get_args(self.hint) if get_origin(self.hint) in (Union, types.UnionType) else (self.hint,)

    @property
    def expected(self) -> str:
        """The type in words."""
        return " or ".join(WORDS.get(kind, str(kind)) for kind in self.kinds)

    @property
    def is_text(self) -> bool:
        """Whether a value is taken as it is: a folder may be called null."""
        return str in self.kinds

    @property
    def is_names(self) -> bool:
        """Whether it is a list of text, whose items are taken as they are: a folder may be called ``base #2``, or 7."""
        return self.hint == list[str]

    def read(self, value: Any) -> str | list[str] | None:
        """What is made of ``value`` from a YAML file or the command line: text and lists of text as they are, else what jsonargparse reads.

        ``a,b`` is a list where one is due.

        Raises:
            ValueError: a list of text is due, and it is none.
        """
        if self.is_text:
            return None if value is None else str(value)
        if self.is_names:
            return self._names(value)
        raw = _raw(value)
        is_list = any(get_origin(kind) is list for kind in self.kinds)
        return f"[{raw}]" if is_list and raw != "null" and not raw.lstrip().startswith("[") else raw

    def _names(self, value: Any) -> list[str]:
        if isinstance(value, str):
            if value[:1] != "[" or value[-1:] != "]":
                items = [value] if self.is_whole else [item.strip() for item in value.split(",")]
                return [item for item in items if item]
            try:
                value = yaml.load(value, yaml.BaseLoader)  # which leaves all that stands in it text
            except (yaml.YAMLError, RecursionError) as error:
                raise ValueError from error
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise ValueError
        return value


@dataclass(frozen=True)
class Given:
    """One option's value, as of ``Leaf.read``, and where it was given, for messages: ``--epochs`` or ``run.yml: epochs``."""

    place: str
    value: str | list[str] | None


def leaves(options: type, prefix: str = "", defaults: Any = None) -> Iterator[Leaf]:
    """The options of a dataclass, those of nested dataclasses under dotted keys.

    Args:
        options: the dataclass.
        prefix: what goes before its keys.
        defaults: an instance whose values are the defaults, instead of those of the class.
    """
    hints, helps = get_type_hints(options), _documented(options)
    for field in fields(options):
        key, hint = f"{prefix}{field.name}", hints[field.name]
        default = field.default if field.default_factory is MISSING else field.default_factory()
        default = default if defaults is None else getattr(defaults, field.name)
        if isinstance(hint, type) and is_dataclass(hint):
            yield from leaves(hint, f"{key}.", default)
        else:
            yield Leaf(key, hint, default, helps.get(field.name, ""), WHOLE.items() <= field.metadata.items())


def parse(prog: str, description: str, options: type[OptionsT], argv: Sequence[str]) -> tuple[OptionsT, bool]:
    """Read ``argv``: ``--config`` files in order, then the command line, which wins.

    A list of text may be given as ``a,b`` (unless it is ``WHOLE``) or ``[a, b]``, as several values after its key, or
    by repeating the key. A class attribute ``POSITIONAL`` of the options names the one that also takes what stands
    without a key: one value, or, where it is a list of text, all of them.

    Returns:
        The options, and whether ``--json`` was asked for.

    Raises:
        InputError: an unknown key, a value of the wrong type, an unreadable file; the message names it.
        SystemExit: after ``--help``.
    """
    known = {leaf.key: leaf for leaf in leaves(options)}
    positional: str | None = getattr(options, "POSITIONAL", None)
    parser = _parser(prog, description, known, positional)
    given: dict[str, Given] = {}
    line, files, rest = _split(argv, known, positional)
    for file in files:
        given.update(_read_config(file, known))
    given.update(line)
    if {"-h", "--help"} & set(rest):
        # jsonargparse's second way to give a list, --key+, is not ours.
        print(re.sub(r", --[\w.]+\+ \w+", "", parser.format_help()))
        raise SystemExit(0)
    required = [leaf.key for leaf in known.values() if leaf.default is MISSING and leaf.key not in given]
    if required:
        raise InputError(
            f"{required[0].upper()} is missing" if required[0] == positional else f"--{required[0]} is required"
        )
    taken = {key: value.value for key, value in given.items() if known[key].is_text or known[key].is_names}
    try:
        namespace = parser.parse_args(
            [*(f"--{key}={value.value}" for key, value in given.items() if key not in taken), *rest]
        )
    except ArgumentError as error:
        raise InputError(_explain(str(error), known, given)) from None
    return _build(options, {**dict(vars(namespace.as_flat())), **taken}), bool(namespace["json"])


def _parser(prog: str, description: str, known: Mapping[str, Leaf], positional: str | None) -> ArgumentParser:
    usage = None if positional is None else f"{prog} {positional.upper()} [--key value ...]"
    parser = ArgumentParser(prog=prog, usage=usage, description=description, exit_on_error=False)
    parser.add_argument(
        "--config", metavar="FILE", help="YAML file of options; may be given again, and the command line wins"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object on the last line of standard output")
    groups: dict[str, Any] = {"": parser}
    for leaf in known.values():
        group, _, name = leaf.key.rpartition(".")
        if group not in groups:
            groups[group] = parser.add_argument_group(group)
        short = next((f" (short: --{short})" for short, key in SHORT.items() if key == leaf.key), "")
        default = {} if leaf.default is MISSING else {"default": leaf.default}
        groups[group].add_argument(
            f"--{leaf.key}", type=leaf.hint, metavar=name.upper(), help=leaf.help + short, **default
        )
    return parser


def _split(
    argv: Sequence[str], known: Mapping[str, Leaf], positional: str | None
) -> tuple[dict[str, Given], list[str], list[str]]:
    """Options of the command line, the ``--config`` files, and what is left to jsonargparse."""
    given: dict[str, Given] = {}
    files, rest, bare, queue = [], [], [], list(argv)
    while queue:
        token = queue.pop(0)
        name, has_value, value = token.partition("=")
        if positional is not None and not token.startswith("-"):
            bare.append(token)
            continue
        if not token.startswith("--") or token in ("--help", "--json"):
            rest.append(token)
            continue
        key = name[2:]
        key = SHORT[key] if SHORT.get(key) in known else key
        if key != "config" and key not in known:
            raise InputError(f"{name}: {explain_unknown(key, known, '--')}")
        if not has_value:
            if not queue or queue[0].startswith("--"):
                raise InputError(f"{name}: a value is missing")
            value = queue.pop(0)
        if key == "config":
            files.append(value)
            continue
        words = [value]
        while known[key].is_names and positional is None and queue and not queue[0].startswith("-"):
            words.append(queue.pop(0))
        for word in words:
            given[key] = _added(given.get(key), _given(known[key], name, word))
    if positional is not None and bare:
        takes_all = known[positional].is_names
        if len(bare) > 1 and not takes_all:
            raise InputError(f"{bare[1]}: only one {positional} is taken")
        given[positional] = Given(positional, bare if takes_all else bare[0])
    return given, files, rest


def _given(leaf: Leaf, place: str, value: Any) -> Given:
    try:
        given = Given(place, leaf.read(value))
    except ValueError:
        raise InputError(f"{place}: expected {leaf.expected}, got {_raw(value)}") from None
    if "\0" in str(given.value):  # which a YAML file can write, and no system takes in a path
        raise InputError(f"{place}: holds a NUL character; remove it")
    return given


def _added(before: Given | None, now: Given) -> Given:
    """Items of a list of text come together; of everything else the last value counts."""
    if before is None or not isinstance(before.value, list) or not isinstance(now.value, list):
        return now
    return Given(now.place, [*before.value, *now.value])


def _raw(value: Any) -> str:
    try:
        return value if isinstance(value, str) else json.dumps(value, default=str)
    except TypeError:  # a key that JSON does not have, such as a date
        return str(value)


def _read_config(file: str, known: Mapping[str, Leaf]) -> dict[str, Given]:
    try:
        content = load_yaml(Path(file).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"--config {file}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"--config {file}: cannot be read ({error.__class__.__name__}); give a YAML file") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(f"{file}: not valid YAML: {one_line(str(error))}") from None
    if not isinstance(content, Mapping | None):
        raise InputError(f"{file}: expected keys and values, such as epochs: 20")
    return {key: _given(known[key], f"{file}: {key}", value) for key, value in _flatten(content or {}, known, file)}


def _flatten(
    content: Mapping[Any, Any], known: Mapping[str, Leaf], file: str, prefix: str = ""
) -> Iterator[tuple[str, Any]]:
    for name, value in content.items():
        key = f"{prefix}{name}"
        if key in known:
            if isinstance(value, list | Mapping) and str in known[key].kinds:
                raise InputError(f"{file}: {key}: expected {known[key].expected}, got {_raw(value)}")
            yield key, value
        elif any(other.startswith(f"{key}.") for other in known) and isinstance(value, Mapping | None):
            yield from _flatten(value or {}, known, file, f"{key}.")
        else:
            raise InputError(f"{file}: {key}: {explain_unknown(key, known)}")


def explain_unknown(key: str, known: Collection[str], dashes: str = "") -> str:
    """What is wrong with ``key``, and the nearest key that exists."""
    inside = [other for other in known if other.startswith(f"{key}.")]
    if inside:
        return f"is a group; give its keys, such as {dashes}{inside[0]}"
    # ``epoch`` is near ``epochs``, and ``size`` is meant for ``data.size``.
    tails = [other for other in known if other.rpartition(".")[2] == key.rpartition(".")[2]]
    near = get_close_matches(key, [*known, *(("config", "json") if dashes else ())], n=1) or tails
    return f"unknown key; did you mean {dashes}{near[0]}?" if near else "unknown key; --help lists the keys"


def _explain(message: str, known: Mapping[str, Leaf], given: Mapping[str, Given]) -> str:
    """The message of jsonargparse as one line that names the place and the type in words."""
    found = re.search(r'key "([^"]+)"', message)
    if found and found[1] in given:
        value = given[found[1]]
        return f"{value.place}: expected {known[found[1]].expected}, got {value.value}"
    return one_line(message)


def _build(options: type[OptionsT], values: Mapping[str, Any], prefix: str = "") -> OptionsT:
    """The dataclass from flat values."""
    arguments: dict[str, Any] = {}
    for name, hint in get_type_hints(options).items():
        key = f"{prefix}{name}"
        arguments[name] = (
            _build(hint, values, f"{key}.") if isinstance(hint, type) and is_dataclass(hint) else values[key]
        )
    return options(**arguments)


def one_line(text: str) -> str:
    """``text`` without line breaks."""
    return " ".join(text.split())


def _documented(options: type) -> dict[str, str]:
    """Field -> its text in the ``Args`` section of a Google docstring, of the dataclass or of one that it extends."""
    helps: dict[str, str] = {}
    for base in reversed(options.__mro__):
        section = re.search(r"^Args:\n((?:[ ]{4,}.*\n?|\n)*)", cleandoc(base.__doc__ or ""), re.MULTILINE)
        entries = re.findall(r"^ {4}(\w+): (.*(?:\n {5,}.*)*)", section[1] if section else "", re.MULTILINE)
        helps |= {name: one_line(text).replace("``", "") for name, text in entries}
    return helps
