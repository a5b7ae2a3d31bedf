"""Every shipped configuration is read by the command that its header names."""

import importlib
import re
from pathlib import Path

import pytest

from experiments.arguments import parse
from experiments.recipe import RetrainOptions
from experiments.search_options import check_options

CONFIGS = sorted((Path(__file__).parents[2] / "experiments" / "configs").glob("*.yml"))


@pytest.mark.parametrize("path", CONFIGS, ids=[path.stem for path in CONFIGS])
def test_it_parses_and_means_something(path: Path) -> None:
    named = re.search(r"ssr-nas (\w+) --config experiments/configs/(\S+)", path.read_text())
    assert named is not None and named[2] == path.name
    module = importlib.import_module(f"experiments.commands.{named[1]}")
    options, _ = parse(f"ssr-nas {named[1]}", "", module.Options, [f"--config={path}"])
    options.check() if isinstance(options, RetrainOptions) else check_options(options)
    assert options != module.Options()
