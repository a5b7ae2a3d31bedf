"""The leaf fields of an options dataclass, each an option with a dotted key, and how their values are read."""

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from inspect import cleandoc
from typing import Any, get_args, get_origin, get_type_hints

import yaml

from experiments.options.quantity import Quantity
from nas_space.errors import InputError

WHOLE = {"whole": True}  # metadata of a list of text whose items are names of files: commas belong to the name
NULL = type(None)
EXPECTED: dict[Any, str] = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    NULL: "null",
    Quantity: "a positive number such as 900K, 0.9M or 7.8G",
    list[str]: "a list such as a,b",
    list[int]: "a list such as 1,2,4",
    list[float]: "a list such as 0.75,1,1.25",
    list[Quantity]: "positive numbers such as 10M or 10M,20M",
    list[list[int]]: "a list such as [[1, 2], [2, 3]]",
}


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


READERS: dict[Any, Callable[[str], Any]] = {
    int: int,
    float: _finite,
    bool: lambda text: yaml.SafeLoader.bool_values[text.lower()],  # yes, no, on and off too, as in YAML
    Quantity: Quantity,
}


@dataclass(frozen=True)
class Leaf:
    """One option: its dotted key, type, default and line of help, and whether it is ``WHOLE``."""

    key: str
    hint: Any
    default: Any
    help: str
    is_whole: bool

    @property
    def kinds(self) -> tuple[Any, ...]:
        """The type, or the members of the union."""
        return get_args(self.hint) if NULL in get_args(self.hint) else (self.hint,)

    @property
    def type_name(self) -> str:
        names = (
            str(kind).replace(f"{Quantity.__module__}.", "")
            if get_args(kind)
            else "null"
            if kind is NULL
            else kind.__name__
            for kind in self.kinds
        )
        return " | ".join(names)

    @property
    def is_names(self) -> bool:
        """Whether it is a list of text, whose items are taken as they are: a folder may be called ``base #2``, or 7."""
        return self.hint == list[str]

    def read(self, value: Any, place: str) -> Any:
        """``value`` in the option's type.

        Args:
            value: text of the command line, or a plain value of a YAML file.
            place: where it was given, for messages: ``--epochs`` or ``run.yml: epochs``.

        Raises:
            InputError: it is of another type.
        """
        try:
            result = self._convert(value)
        except (ValueError, KeyError, yaml.YAMLError, RecursionError):
            expected = " or ".join(EXPECTED[kind] for kind in self.kinds)
            raise InputError(f"{place}: expected {expected}, got {as_text(value)}") from None
        if "\0" in str(result):  # which a YAML file can write, and no system takes in a path
            raise InputError(f"{place}: holds a NUL character; remove it")
        return result

    def _convert(self, value: Any) -> Any:
        if str in self.kinds:  # as it is: a folder may be called null
            if isinstance(value, list | Mapping) or (value is None and NULL not in self.kinds):
                raise ValueError(value)
            return None if value is None else str(value)
        text = as_text(value)
        if NULL in self.kinds and text in ("null", "~"):
            return None
        kind = next((kind for kind in self.kinds if get_origin(kind) is list), self.kinds[0])
        is_single = isinstance(value, str) if self.is_names else not isinstance(value, list)
        if is_single and kind is not self.kinds[0] and "," not in text and text[:1] != "[":
            kind = self.kinds[0]  # one number, where a list may be given too
        if is_single and get_origin(kind) is list:
            if text[:1] == "[" and text[-1:] == "]":
                value = yaml.load(text, yaml.BaseLoader)  # which leaves all items text
            else:
                items = [text] if self.is_whole else [item.strip() for item in text.split(",")]
                value = [item for item in items if item]
        return _converted(value, kind)


def _converted(value: Any, kind: Any) -> Any:
    if get_origin(kind) is list and isinstance(value, list):
        return [_converted(item, get_args(kind)[0]) for item in value]
    if kind is str and isinstance(value, str):
        return value
    return READERS[kind](as_text(value))  # which has no entry where a list, or the text in a list, is due


def as_text(value: Any) -> str:
    """``value`` as the command line takes it: text as it is, else JSON."""
    try:
        return value if isinstance(value, str) else json.dumps(value, default=str)
    except TypeError:  # a key that JSON does not have, such as a date
        return str(value)


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


def _documented(options: type) -> dict[str, str]:
    """Field -> its text in the ``Args`` section of a Google docstring, of the dataclass or of one that it extends."""
    helps: dict[str, str] = {}
    for base in reversed(options.__mro__):
        section = re.search(r"^Args:\n((?:[ ]{4,}.*\n?|\n)*)", cleandoc(base.__doc__ or ""), re.MULTILINE)
        entries = re.findall(r"^ {4}(\w+): (.*(?:\n {5,}.*)*)", section[1] if section else "", re.MULTILINE)
        helps |= {name: " ".join(text.split()).replace("``", "") for name, text in entries}
    return helps
