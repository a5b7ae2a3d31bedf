"""The help of a command: examples, then the options that most people need, then the names of the others."""

import shutil
import textwrap
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field
from typing import Any, get_args, get_origin

from experiments.options.leaves import Leaf, as_text
from experiments.options.quantity import Quantity

SHORT_KEYS = {"preset": "space.preset"}
NARROWEST = 40
"""Columns below which lines are not made shorter: nothing could be read."""
VALUES = {bool: "true", int: "N", float: "X", Quantity: "X"}
"""What stands for a value in help; for text, the name of the option."""


@dataclass(frozen=True)
class Usage:
    """What the help of a command shows first.

    Args:
        examples: command lines, whole.
        common: keys of the options that most people need, in the order in which help explains them.
        required: keys that must be given although they have a default, and what may be given instead.
    """

    examples: Sequence[str] = ()
    common: Sequence[str] = ()
    required: Mapping[str, str] = field(default_factory=dict)


NO_USAGE = Usage()
"""Of a command without examples, whose options are all explained."""


def terminal_width() -> int:
    """Columns of the terminal: those of the variable ``COLUMNS``, else those that the terminal says, else 80."""
    return max(shutil.get_terminal_size().columns, NARROWEST)


def describe_command(
    prog: str, description: str, known: Collection[Leaf], positional: str | None, usage: Usage, explain_all: bool
) -> str:
    """The help of a command, wrapped at the terminal's width.

    Args:
        prog: the program and the command.
        description: what the command does, in a sentence.
        known: its options.
        positional: key of the option that stands without a key; None where there is none.
        usage: its examples and common options.
        explain_all: explain all options; else the rare ones are only named.
    """
    from argparse import ArgumentParser, RawDescriptionHelpFormatter  # only for help

    width = terminal_width()
    rare = [leaf for leaf in known if leaf.key not in {*usage.common, *usage.required, positional}]
    if not usage.common and not explain_all:  # a command without examples, such as one of a test
        rare, usage = [], Usage(usage.examples, [leaf.key for leaf in known], usage.required)
    needed = {leaf.key: "required" for leaf in known if leaf.default is MISSING}
    needed |= {key: f"required, or {instead}" for key, instead in usage.required.items()}
    chosen = [leaf for leaf in known if leaf not in rare]
    order = [*([positional] if positional else []), *usage.required, *usage.common]
    chosen.sort(key=lambda leaf: order.index(leaf.key) if leaf.key in order else len(order))
    parser = ArgumentParser(
        prog=prog,
        usage=_usage_line(prog, chosen, positional, needed, width),
        description="\n".join([*textwrap.wrap(description, width - 2), "", *_examples(usage, width)]),
        formatter_class=lambda prog: RawDescriptionHelpFormatter(prog, max_help_position=24, width=width - 2),
        add_help=False,
    )
    common = parser.add_argument_group("common options" if rare else "options")
    for leaf in chosen:
        _explain(common, leaf, positional, needed)
    if explain_all:
        groups: dict[str, Any] = {}
        for leaf in rare:
            group = leaf.key.rpartition(".")[0]
            if group not in groups:
                groups[group] = parser.add_argument_group(f"more options of {group}" if group else "more options")
            _explain(groups[group], leaf, positional, needed)
    elif rare:
        parser.add_argument_group("more options (explained by --help_all)", "\n".join(_named(rare, width)))
    every = parser.add_argument_group("options of every command")
    every.add_argument("--config", metavar="FILE", help="YAML file of options; the command line wins")
    every.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    every.add_argument("--help_all", action="store_true", help="explain all options")
    return parser.format_help()


def _usage_line(prog: str, chosen: Iterable[Leaf], positional: str | None, needed: Collection[str], width: int) -> str:
    parts = [prog]
    for leaf in chosen:
        if leaf.key == positional:
            name = leaf.key.upper() + (" ..." if leaf.is_names else "")
            parts.append(name if leaf.key in needed else f"[{name}]")
        elif leaf.key in needed:
            parts.append(f"--{leaf.key} {_value(leaf)}")
    text = " ".join([*parts, "[--key value ...]"])
    lines = textwrap.wrap(text, width - len("usage: "), subsequent_indent="    ", break_on_hyphens=False)
    return _escaped("\n".join(lines))


def _examples(usage: Usage, width: int) -> list[str]:
    """Lines that can be copied: a long one goes on behind a backslash."""
    lines = ["examples:" if len(usage.examples) > 1 else "example:"] if usage.examples else []
    for example in usage.examples:
        parts = textwrap.wrap(
            example, width - 6, subsequent_indent="    ", break_on_hyphens=False, break_long_words=False
        )
        lines += [f"  {part} \\" for part in parts[:-1]] + [f"  {parts[-1]}"]
    return lines


def _explain(group: Any, leaf: Leaf, positional: str | None, needed: Mapping[str, str]) -> None:
    short = "".join(f" (short: --{short})" for short, key in SHORT_KEYS.items() if key == leaf.key)
    told = needed.get(leaf.key) or _default(leaf)
    text = _escaped(f"{leaf.help.removesuffix('.')}{short}{f' ({told})' if told else ''}")
    if leaf.key == positional:
        group.add_argument(leaf.key, metavar=leaf.key.upper(), help=text)
    else:
        group.add_argument(f"--{leaf.key}", metavar=_value(leaf), help=text)


def _named(rare: Sequence[Leaf], width: int) -> list[str]:
    """The keys of each group as one paragraph, which begins with what all of them begin with."""
    groups: dict[str, list[str]] = {}
    for leaf in rare:
        group, dot, name = leaf.key.partition(".") if "." in leaf.key else ("", "", leaf.key)
        groups.setdefault(f"--{group}.KEY:" if dot else "", []).append(name if dot else f"--{name}")
    lines: list[str] = []
    for first, names in groups.items():
        text = " ".join([first, *names]).strip()
        lines += textwrap.wrap(text, width - 4, subsequent_indent="  ", break_on_hyphens=False, break_long_words=False)
    return lines


def _value(leaf: Leaf) -> str:
    """What stands for the option's value."""
    kind = leaf.kinds[0]
    if get_origin(kind) is list:
        (inner,) = get_args(kind)
        return "[[N,N],[N]]" if get_args(inner) else "A,B" if inner is str else f"{VALUES[inner]},{VALUES[inner]}"
    return VALUES.get(kind, leaf.key.rpartition(".")[2].upper())


def _default(leaf: Leaf) -> str:
    """The default as it would be given; nothing where there is none."""
    value = leaf.default
    if value is None or value == []:
        return ""
    if isinstance(value, list) and not any(isinstance(item, list) for item in value):
        return f"default: {','.join(map(as_text, value))}"
    return f"default: {as_text(value)}"


def _escaped(text: str) -> str:
    return text.replace("%", "%%")
