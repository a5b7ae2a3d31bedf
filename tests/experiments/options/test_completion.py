"""What a shell completes: one script for each shell, of all commands and their keys."""

import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path

import pytest

from experiments.cli import main
from experiments.commands import COMMANDS
from experiments.data.source import FINDERS
from experiments.options.completion import SHELLS
from experiments.options.leaves import leaves
from strategies.registry import NAMES

KEYS = {name: {f"--{leaf.key}" for leaf in leaves(import_module(module).Options)} for name, module in COMMANDS.items()}
Complete = Callable[[Sequence[str]], list[set[str]]]


@pytest.fixture(params=SHELLS)
def script(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    assert main(["--print_completion", request.param]) == 0
    return request.param, capsys.readouterr().out


def test_every_shell_knows_every_key(script: tuple[str, str]) -> None:
    shell, text = script
    written = set(re.findall(r"(?<![\w.-])(?:--|-l )([a-z]\w*(?:\.\w+)*)", text))
    assert {key[2:] for keys in KEYS.values() for key in keys} | {"config", "json", "preset"} <= written
    assert {word for name in COMMANDS for word in name.split()} <= set(re.findall(r"[\w-]+", text))
    program = shutil.which(shell)
    if program is not None:
        subprocess.run([program, "-n"], input=text, text=True, check=True, timeout=60)


@pytest.fixture
def complete(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Complete:
    """``complete(lines)``: what bash offers for the last word of each command line, in an empty folder of its own."""
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("no bash")
    assert main(["--print_completion", "bash"]) == 0
    (tmp_path / "completion").write_text(capsys.readouterr().out)
    folder = tmp_path / "here"
    folder.mkdir()
    (folder / "street.jpg").touch()

    def ask(lines: Sequence[str]) -> list[set[str]]:
        asked = [f"COMP_WORDS=(ssr-nas {line}) COMP_CWORD={len(line.split(' '))}\noffer" for line in lines]
        offer = 'offer() { $function 2>/dev/null; echo "${COMPREPLY[*]}"; }'
        found = r"function=$(complete -p ssr-nas | sed 's/.*-F \([^ ]*\) .*/\1/')"
        text = "\n".join(["source ../completion", found, offer, *(line.replace('""', "''") for line in asked)])
        result = subprocess.run([bash, "--norc"], input=text, cwd=folder, capture_output=True, text=True, timeout=60)
        assert result.stderr == ""
        return [set(line.split()) for line in result.stdout.splitlines()]

    return ask


def test_bash_offers_the_names_that_a_key_may_have(complete: Complete) -> None:
    asked = (
        "search --strategy s",
        "search --data.name ''",
        "retrain --data.name c",
        "search --space.preset p",
        "search --out s",
    )
    strategies, sets, cities, presets, files = complete(asked)
    assert strategies == {name for name in NAMES if name.startswith("s")} and "ssr" in strategies
    assert sets == set(FINDERS) and cities == {"camvid", "cityscapes"}
    assert presets == {"paper", "pyramid"} and files == {"street.jpg"}


def test_bash_offers_commands_keys_values_and_files(complete: Complete) -> None:
    offered = complete(
        [
            *("sea", "benchmark s", "search --space.pre", "search --method.uniform ''", "predict str"),
            *("search --config str", "data ''", "serch --"),
            *("hel", "help sea", "help benchmark s", "help data ''", "help search --"),
            *(f"{name} --" for name in COMMANDS),
        ]
    )
    assert offered[:3] == [{"search"}, {"search"}, {"--space.preset"}]
    assert offered[3:6] == [{"true", "false"}, {"street.jpg"}, {"street.jpg"}]
    assert offered[6] == {"check", "classes", "convert"}
    assert not offered[7] & {"--data.name", "--epochs"}
    assert offered[8:13] == [{"help"}, {"search"}, {"search"}, {"check", "classes", "convert"}, set()]
    for name, keys in zip(COMMANDS, offered[13:], strict=True):
        assert keys - {"--config", "--json", "--help", "--help_all", "--preset"} == KEYS[name], name


@pytest.mark.parametrize("words", [[], ["csh"], ["bash", "zsh"], ["bash; rm x"]])
def test_another_shell_is_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--print_completion", *words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "choose from bash, zsh, fish" in line
