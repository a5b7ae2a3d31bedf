"""Strategies by name, and those of users."""

from pathlib import Path

import pytest

from nas_space.errors import InputError
from strategies.darts import DARTS
from strategies.method import MethodOptions
from strategies.registry import NAMES, STRATEGIES, create_strategy
from strategies.ssr import SSR

MINE = """
from strategies.method import MethodOptions
from strategies.regularizers import information_entropy
from strategies.relaxation import Softmax
from strategies.shrinking import LevelThreshold
from strategies.strategy import DifferentiableStrategy


class Mine(DifferentiableStrategy):
    def __init__(self, method: MethodOptions, seed: int = 0) -> None:
        super().__init__(Softmax(), information_entropy, LevelThreshold(method.h), method, seed)


class Breaks(Mine):
    def __init__(self, method: MethodOptions, seed: int = 0) -> None:
        raise KeyError("abc")


class Bare(Mine):
    def __init__(self, method: MethodOptions, seed: int = 0) -> None:
        pass


class NoStrategy:
    pass


class Odd(DifferentiableStrategy):
    def __init__(self) -> None:
        pass
"""


@pytest.mark.parametrize(("name", "kind"), [("ssr", SSR), ("darts", DARTS)])
def test_by_name(name: str, kind: type) -> None:
    strategy = create_strategy(name, MethodOptions(), 3)
    assert type(strategy) is kind and strategy.seed == 3


def test_all_names_of_the_design() -> None:
    ours = {
        "ssr",
        "ssr-ie",
        "ssr-l1",
        "ssr-l2",
        "progressive",
        "darts",
        "snas",
        "fairdarts",
        "pdarts",
        "pdarts-ssr",
        "sgas",
        "sgas-ssr",
    }
    assert ours <= set(STRATEGIES)
    assert {"random", "nni-darts", "nni-gumbel", "nni-proxyless", "nni-random", "nni-evolution"} <= set(NAMES)


def test_an_unknown_name_lists_the_known() -> None:
    with pytest.raises(InputError, match="strategy: unknown 'sssr'; choose from ssr, .*darts, .*or write module:Class"):
        create_strategy("sssr", MethodOptions())


def test_a_bad_option_is_refused() -> None:
    with pytest.raises(InputError, match="method.h"):
        create_strategy("ssr", MethodOptions(h=2.0))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a module of the user's."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "of_a_user.py").write_text(MINE)
    (tmp_path / "that_exits.py").write_text("import sys; sys.exit(0)")
    (tmp_path / "that_fails.py").write_text("import os; os.nope")
    (tmp_path / "no_python.py").write_text("def (")
    return tmp_path


def test_a_users_own(here: Path) -> None:
    strategy = create_strategy("of_a_user:Mine", MethodOptions(h=0.3), 5)
    assert type(strategy).__name__ == "Mine" and strategy.seed == 5


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("of_nobody:Mine", "cannot import 'of_nobody'"),
        ("of_a_user:Yours", "has no 'Yours'"),
        ("of_a_user:NoStrategy", "must be a subclass"),
        ("of_a_user:MethodOptions", "must be a subclass"),
        ("of_a_user:Odd", "cannot be made with .method, seed.: TypeError"),
        ("of_a_user:Breaks", "cannot be made with .method, seed.: KeyError"),
        ("of_a_user:Bare", "its __init__ must call that of"),
        ("that_exits:Mine", "cannot import 'that_exits' .SystemExit"),
        ("that_fails:Mine", "cannot import 'that_fails' .AttributeError"),
        ("no_python:Mine", "cannot import 'no_python' .SyntaxError"),
        (":", "cannot import"),
        ("of_a_user:", "has no"),
    ],
)
def test_what_cannot_be_used_is_named(here: Path, name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        create_strategy(name, MethodOptions())
