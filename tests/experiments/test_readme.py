"""What README.md, docs/ and the result pages show works: commands parse, keys exist, a user's strategy searches."""

import ast
import importlib
import re
import shlex
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from experiments.cli import main
from experiments.commands import COMMANDS
from experiments.examples.nas_bench.options import NasBenchOptions
from experiments.options.arguments import parse
from experiments.options.leaves import leaves
from nas_space.errors import InputError
from strategies.registry import NAMES

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
RESULTS = sorted((ROOT / "experiments/results").glob("*.md"))
FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", re.DOTALL | re.MULTILINE)
NUMBERS = {"SEED": "0", "EPOCHS": "1"}
"""Words that stand for a number in a page."""
NO_COMMANDS = ("COMMAND", "help", "--help", "--version", "--print_completion")
TINY = [
    "--data.size",
    "32x40",
    "--data.limit",
    "8",
    "--data.batch",
    "4",
    "--epochs",
    "1",
    "--space.dilations",
    "1,2",
    "--space.span",
    "8",
]


def blocks(text: str, language: str) -> list[str]:
    return [body for name, body in FENCE.findall(text) if name == language]


def commands(text: str) -> Iterator[list[str]]:
    """The words after ``ssr-nas`` of all commands in a page: of fenced and of indented blocks, and of inline code."""
    indented = "".join(re.findall(r"^ {4}.*\n", text, re.MULTILINE))
    for line in "\n".join([*blocks(text, "bash"), indented]).replace("\\\n", " ").splitlines():
        words = shlex.split(line.split(" #")[0].split(" && ")[-1])
        if words and words[0].removeprefix(".venv/bin/") == "ssr-nas":
            yield [NUMBERS.get(word, word) for word in words[1:]]
    for code in re.findall(r"`(ssr-nas [^`\n]+)`", FENCE.sub("", text)):
        yield shlex.split(code)[1:]


def keys(text: str) -> Iterator[str]:
    """The options that a page names in inline code, such as ``--data.size HxW`` or ``method.ramp``."""
    groups = "|".join(sorted({key.partition(".")[0] for key in known_keys() if "." in key}))
    for code in re.findall(r"`([^`\n]+)`", FENCE.sub("", text)):
        if code.startswith("--"):
            yield from re.findall(r"(?<!\S)--([a-z][\w.]*\w)", code)
        yield from re.findall(rf"^(?:{groups})\.(?!yaml)\w+$", code)


def known_keys() -> set[str]:
    options = [*(importlib.import_module(module).Options for module in COMMANDS.values()), NasBenchOptions]
    found = {leaf.key for kind in options for leaf in leaves(kind)}
    groups = {key[:place] for key in found for place, letter in enumerate(key) if letter == "."}
    return found | groups | {"config", "json", "help", "help_all", "preset"}


def complaint(words: list[str]) -> str | None:
    """What the command line would say of a command, before it does anything."""
    name = next((name for n in (2, 1) if (name := " ".join(words[:n])) in COMMANDS), None)
    if name is None:
        return None if words[0] in NO_COMMANDS else f"{words[0]}: no command"
    rest = words[len(name.split()) :]
    if not rest or rest == ["--help"]:
        return None
    try:
        parse("", "", importlib.import_module(COMMANDS[name]).Options, rest)
    except InputError as error:
        return str(error)
    return None


@pytest.mark.parametrize("page", [*PAGES, *RESULTS], ids=lambda page: page.stem)
def test_its_commands_and_keys(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    text = page.read_text(encoding="utf-8")
    wrong = {shlex.join(words): said for words in commands(text) if (said := complaint(words)) is not None}
    assert wrong == {}
    assert set(keys(text)) - known_keys() == set()


def test_wrong_commands_and_keys_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    text = "```bash\nssr-nas serch\nx && ssr-nas search --epoch 3  # why\n```\n`ssr-nas space --size`\n"
    text += "`--nothing 3`, `data.none`\n\n    ssr-nas cost baseline1 \\\n        --fps maybe\n"
    assert len([words for words in commands(text) if complaint(words)]) == 4
    assert set(keys(text)) - known_keys() == {"nothing", "data.none"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_its_python(page: Path) -> None:
    for body in blocks(page.read_text(encoding="utf-8"), "python"):
        for node in ast.walk(ast.parse(body)):
            name = node.module if isinstance(node, ast.ImportFrom) else None
            if name and name.partition(".")[0] in ("nas_space", "strategies", "experiments"):
                assert find_spec(name) is not None, name


def test_the_strategy_of_a_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (ROOT / "docs/strategies.md").read_text(encoding="utf-8")
    code = re.search(r"```python\n# my_strategy.py\n(.*?)```", text, re.DOTALL)
    assert code is not None and len(code[1].strip().splitlines()) <= 22
    (tmp_path / "my_strategy.py").write_text(code[1])
    monkeypatch.chdir(tmp_path)
    assert main(["search", *TINY, "--strategy", "my_strategy:Gini", "--out", "run"]) == 0
    assert (tmp_path / "run" / "architecture.json").is_file()


def test_every_strategy_has_a_row_and_a_section() -> None:
    head, *sections = (ROOT / "docs/strategies.md").read_text(encoding="utf-8").split("\n## ")
    assert [name for name in NAMES if f"`{name}`" not in head] == []
    titles = " ".join(section.partition("\n")[0] for section in sections)
    own = [name for name in NAMES if not name.startswith("nni-")]
    assert [name for name in own if not re.search(rf"(?<![\w-]){name}(?![\w-])", titles)] == []


def test_the_readme_is_read_in_two_minutes() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 120
    prose = re.sub(r"^(\||#|!\[|<!--).*$", "\n", FENCE.sub("\n\n", text), flags=re.MULTILINE)
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", re.sub(r"`[^`]*`", "code", prose))
    sentences = re.split(r"(?<=[.:?!])\s+|\n\n", plain)
    assert [sentence for sentence in sentences if len(sentence.split()) > 25] == []
