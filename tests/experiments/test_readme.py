"""What README.md shows works."""

import re
from pathlib import Path

import pytest

from experiments.cli import main
from strategies.registry import NAMES

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
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


def test_the_strategy_of_a_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = re.search(r"```python\n# my_strategy.py\n(.*?)```", README, re.DOTALL)
    assert code is not None and len(code[1].strip().splitlines()) <= 22
    (tmp_path / "my_strategy.py").write_text(code[1])
    monkeypatch.chdir(tmp_path)
    assert main(["search", *TINY, "--strategy", "my_strategy:Gini", "--out", "run"]) == 0
    assert (tmp_path / "run" / "architecture.json").is_file()


def test_every_strategy_is_in_its_table() -> None:
    table = README.partition("## Strategies")[2].partition("\n## ")[0]
    assert [name for name in NAMES if f"`{name}`" not in table] == []
