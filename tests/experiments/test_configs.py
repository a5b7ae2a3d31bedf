"""Every shipped configuration is read by the command that its header names."""

import importlib
import re
from dataclasses import replace
from pathlib import Path

import pytest

from experiments.options.arguments import parse
from experiments.search.options import SearchRunOptions, check_options
from experiments.training.recipe import RetrainOptions

CONFIGS = sorted((Path(__file__).parents[2] / "experiments" / "configs").glob("*.yml"))


@pytest.mark.parametrize("path", CONFIGS, ids=[path.stem for path in CONFIGS])
def test_it_parses_and_means_something(path: Path) -> None:
    named = re.search(r"ssr-nas (\w+) --config experiments/configs/(\S+)", path.read_text())
    assert named is not None and named[2] == path.name
    module = importlib.import_module(f"experiments.commands.{named[1]}")
    options, _ = parse(f"ssr-nas {named[1]}", "", module.Options, [f"--config={path}"])
    options.check() if isinstance(options, RetrainOptions) else check_options(options)
    assert options != module.Options()


def test_a_search_on_a_gpu_has_todays_defaults() -> None:
    """The search whose figures are kept has those of its day."""
    folder = Path(__file__).parents[2] / "experiments" / "configs"
    today, then = (
        parse("ssr-nas search", "", SearchRunOptions, [f"--config={folder / name}"])[0]
        for name in ("gpu/search.yml", "camvid_gpu.yml")
    )
    default = SearchRunOptions()
    assert today.method == replace(default.method, lr=0.01) and today.train == default.train
    assert then.method == replace(default.method, lr=0.01, arch_split=0.5, uniform=False, explore=0.1)
    assert (then.train.augmentation, default.train.augmentation) == ("shift", "crop")
