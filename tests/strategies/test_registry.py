"""Strategies by name."""

import pytest

from nas_space.errors import InputError
from strategies.darts import DARTS
from strategies.method import MethodOptions
from strategies.registry import STRATEGIES, create_strategy
from strategies.ssr import SSR


@pytest.mark.parametrize(("name", "kind"), [("ssr", SSR), ("darts", DARTS)])
def test_by_name(name: str, kind: type) -> None:
    strategy = create_strategy(name, MethodOptions(), 3)
    assert type(strategy) is kind and strategy.seed == 3
    assert set(STRATEGIES) >= {"ssr", "darts"}


def test_an_unknown_name_lists_the_known() -> None:
    with pytest.raises(InputError, match="strategy: unknown 'sssr'; choose from ssr, darts"):
        create_strategy("sssr", MethodOptions())


def test_a_bad_option_is_refused() -> None:
    with pytest.raises(InputError, match="method.h"):
        create_strategy("ssr", MethodOptions(h=2.0))
