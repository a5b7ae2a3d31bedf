"""Strategies by name."""

from nas_space.errors import InputError
from strategies.darts import DARTS
from strategies.method import MethodOptions
from strategies.ssr import SSR
from strategies.strategy import DifferentiableStrategy

STRATEGIES: dict[str, type[SSR] | type[DARTS]] = {"ssr": SSR, "darts": DARTS}


def create_strategy(name: str, method: MethodOptions, seed: int = 0) -> DifferentiableStrategy:
    """The strategy called ``name``.

    Raises:
        InputError: an unknown name, or a method option out of range.
    """
    if name not in STRATEGIES:
        raise InputError(f"strategy: unknown {name!r}; choose from {', '.join(STRATEGIES)}")
    return STRATEGIES[name](method, seed)
