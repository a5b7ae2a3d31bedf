"""MkDocs hook: the reference of all options, written from the dataclasses that the commands read. It loads no torch."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import MISSING
from html import escape
from importlib import import_module
from typing import Any

from experiments.commands import COMMANDS, help_line
from experiments.options.help import SHORT_KEYS
from experiments.options.leaves import Leaf, as_text, leaves

MARK = "<!-- the options of all commands -->"
Rows = tuple[str, ...]
"""The lines of a table, one for each option."""


def row(leaf: Leaf) -> str:
    """One option as a line of a table."""
    short = [f"--{short}" for short, key in SHORT_KEYS.items() if key == leaf.key]
    name = ", ".join(f"`{key}`{{.key}}" for key in (f"--{leaf.key}", *short))
    default = "required" if leaf.default is MISSING else f"`{as_text(leaf.default)}`"
    kind = leaf.type_name.replace(" | ", " or ")
    return f"| {name} | `{kind}` | {default} | {escape(leaf.help, quote=False).replace('|', '&#124;')} |"


def group_of(leaf: Leaf) -> str:
    """``data`` of ``data.size``; empty for an option without a group."""
    return leaf.key.rpartition(".")[0].partition(".")[0]


def grouped(options: type) -> dict[str, Rows]:
    """Group -> its lines, of one command."""
    groups: dict[str, list[str]] = defaultdict(list)
    for leaf in leaves(options):
        groups[group_of(leaf)].append(row(leaf))
    return {group: tuple(rows) for group, rows in groups.items()}


def table(rows: Rows) -> str:
    """The Markdown of a table of options."""
    return "\n".join(["| key | type | default | what it is |", "|---|---|---|---|", *rows])


def reference(commands: Mapping[str, type]) -> str:
    """A section for each command, then one for each group that several commands take alike.

    Args:
        commands: the options of each command, by its name.
    """
    sections = {name: grouped(options) for name, options in commands.items()}
    takers: dict[tuple[str, Rows], list[str]] = defaultdict(list)
    for name, groups in sections.items():
        for group, rows in groups.items():
            takers[group, rows].append(name)
    shared = {key: names for key, names in takers.items() if key[0] and len(names) > 1}
    titles = _titles(shared)
    parts = ["## Commands"]
    for name, groups in sections.items():
        positional = getattr(commands[name], "POSITIONAL", None)
        parts += [f"### ssr-nas {name}", escape(help_line(name), quote=False)]
        parts += [f"What stands without a key is `--{positional}`."] * bool(positional)
        parts += [table(rows) for group, rows in groups.items() if (group, rows) not in shared]
        links = [f"[{titles[key]}](#{anchor(titles[key])})" for key in groups.items() if key in shared]
        parts += [f"Also: {', '.join(links)}."] * bool(links)
    parts.append("## Groups of options")
    for key, names in shared.items():
        parts += [f"### {titles[key]}", f"Taken by {', '.join(f'`{name}`' for name in names)}.", table(key[1])]
    return "\n\n".join(parts)


def _titles(shared: Mapping[tuple[str, Rows], Sequence[str]]) -> dict[tuple[str, Rows], str]:
    """A heading for each group; where one has other options or defaults elsewhere, it names its first command."""
    groups = [group for group, _ in shared]
    return {key: f"{key[0]} ({names[0]})" if groups.count(key[0]) > 1 else key[0] for key, names in shared.items()}


def anchor(title: str) -> str:
    """What the heading is called in a link."""
    return "".join(letter for letter in title.lower().replace(" ", "-") if letter.isalnum() or letter in "-_")


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put the reference where a page has ``MARK``."""
    if MARK not in markdown:
        return markdown
    commands = {name: import_module(module).Options for name, module in COMMANDS.items()}
    return markdown.replace(MARK, reference(commands))
