"""Help: quick, short, as wide as the terminal, with examples that work."""

import re
import shlex
import subprocess
import sys
from dataclasses import MISSING
from importlib import import_module
from pathlib import Path

import pytest

from experiments.cli import main
from experiments.commands import COMMANDS
from experiments.commands.usage import USAGE
from experiments.options.arguments import parse
from experiments.options.leaves import leaves

ROOT = Path(__file__).parents[3]
HEAVY = "torch nni pytorch_lightning cv2 matplotlib pandas onnx onnxruntime openvino torchvision"
CODE = f"""
import sys
from experiments.cli import main
from experiments.commands import COMMANDS

for name in COMMANDS:
    assert main(["help", *name.split()]) == 0, name
    heavy = set("{HEAVY}".split()) & set(sys.modules)
    assert not heavy, f"loaded for the help of {{name}}: {{sorted(heavy)}}"
"""


def help_of(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    """The lines of a help."""
    assert main(words) == 0
    return capsys.readouterr().out.splitlines()


def test_help_is_light() -> None:
    command = [sys.executable, "-c", CODE]
    result = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120, check=False
    )
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_help_is_short_and_begins_with_examples_that_parse(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    options = import_module(COMMANDS[name]).Options
    known = {leaf.key: leaf for leaf in leaves(options)}
    usage = USAGE[name]
    assert {*usage.common, *usage.required} <= known.keys()
    for columns in (60, 80, 131):
        monkeypatch.setenv("COLUMNS", str(columns))
        lines = help_of(capsys, *name.split(), "--help")
        assert max(map(len, lines)) <= columns
        text = "\n".join(lines)
        shown = re.search(r"\nexamples?:\n((?:  .+\n)+)\n", text)
        title = "options:" if known else "options of every command:"  # fit-trial has none of its own
        assert shown is not None and text.index("\ncommon options:" if "more options" in text else f"\n{title}") > 0
        assert shown.end() <= text.index(title)
        examples = [shlex.split(line) for line in shown[1].replace("\\\n", " ").splitlines()]
        assert examples == [shlex.split(example) for example in usage.examples]
        for words in examples:
            start = 1 + len(name.split())
            assert words[:start] == ["ssr-nas", *name.split()]
            parse("", "", options, words[start:])
    monkeypatch.setenv("COLUMNS", "80")
    lines = help_of(capsys, *name.split(), "-h")
    assert len(lines) <= 60
    text = "\n".join(lines)
    positional = getattr(options, "POSITIONAL", None)
    named = set(re.findall(r"--([\w.]+)", text)) | {positional}
    for group, keys in re.findall(r"--([\w.]+)\.KEY: (.*(?:\n    .*)*)", text):
        named |= {f"{group}.{key}" for key in keys.split()}
    assert known.keys() <= named
    assert re.search(r"\(type|<class|null\b", text) is None
    for key, leaf in known.items():
        if leaf.default is MISSING or key in usage.required:
            mark = key.upper() if key == positional else f"--{key}"
            entry = re.search(rf"\n  {mark}\b.*?(?=\n  \S|\n\n|\Z)", text, re.DOTALL)
            assert mark in text.partition("\n\n")[0] and entry is not None and "required" in entry[0]


def test_all_options_are_explained_where_that_is_asked(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    short, full = (" ".join(" ".join(help_of(capsys, "search", word)).split()) for word in ("--help", "--help_all"))
    assert re.search(r"--method.KEY: .* zero_one ", short) and "FairDARTS' zero-one loss" not in short
    assert "FairDARTS' zero-one loss (default: 10.0)" in full


def test_help_as_a_command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    overview = help_of(capsys, "help")
    assert overview == help_of(capsys, "--help") == help_of(capsys)
    assert len(overview) <= 60 and max(map(len, overview)) <= 80
    assert help_of(capsys, "help", "data", "check") == help_of(capsys, "data", "check", "--help")
    assert main(["help", "serach"]) == 2
    assert "did you mean search?" in capsys.readouterr().err
