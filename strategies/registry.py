"""Strategies by name, and those of users by ``module:Class``."""

import importlib
import sys
from collections.abc import Callable

from nas_space.errors import InputError
from strategies.darts import DARTS, DARTSSecondOrder
from strategies.fairdarts import FairDARTS
from strategies.method import MethodOptions
from strategies.pdarts import PDARTS, PDARTSWithSSR
from strategies.progressive import Progressive
from strategies.sgas import SGAS, SGASStability, SGASWithSSR
from strategies.snas import SNAS
from strategies.ssr import SSR, SSRL1, SSRL2, SSRInformationEntropy
from strategies.strategy import DifferentiableStrategy

STRATEGIES: dict[str, Callable[[MethodOptions, int], DifferentiableStrategy]] = {
    "ssr": SSR,
    "ssr-ie": SSRInformationEntropy,
    "ssr-l1": SSRL1,
    "ssr-l2": SSRL2,
    "progressive": Progressive,
    "darts": DARTS,
    "darts2": DARTSSecondOrder,
    "snas": SNAS,
    "fairdarts": FairDARTS,
    "pdarts": PDARTS,
    "pdarts-ssr": PDARTSWithSSR,
    "sgas": SGAS,
    "sgas2": SGASStability,
    "sgas-ssr": SGASWithSSR,
}
NNI_STRATEGIES = ("nni-darts", "nni-gumbel", "nni-proxyless")
"""NNI's own one-shot strategies."""
MULTI_TRIAL = ("random", "nni-random", "nni-evolution")
"""Those that train sampled networks one by one."""
NAMES = (*STRATEGIES, *NNI_STRATEGIES, *MULTI_TRIAL)


def create_strategy(name: str, method: MethodOptions, seed: int = 0) -> DifferentiableStrategy:
    """The differentiable strategy called ``name``, or the class that ``module:Class`` names, called with ``(method, seed)``.

    Raises:
        InputError: an unknown name, a class that cannot be used, or a method option out of range.
    """
    if ":" in name:
        return _of_user(name, method, seed)
    check_name(name)
    if name not in STRATEGIES:
        raise ValueError(f"{name} is no differentiable strategy of ours")
    return STRATEGIES[name](method, seed)


def check_name(name: str) -> None:
    """Refuse a name that is none.

    Raises:
        InputError: the name, and all that exist.
    """
    if ":" not in name and name not in NAMES:
        raise InputError(f"strategy: unknown {name!r}; choose from {', '.join(NAMES)}, or write module:Class")


def _of_user(name: str, method: MethodOptions, seed: int) -> DifferentiableStrategy:
    module, _, attribute = name.partition(":")
    if "" not in sys.path:  # a module in the current folder is found, as with python -m
        sys.path.insert(0, "")
    try:
        found = getattr(importlib.import_module(module), attribute, None)
    except (Exception, SystemExit) as error:  # whatever a user's file may do
        raise InputError(f"strategy {name!r}: cannot import {module!r} ({type(error).__name__}: {error})") from error
    if found is None:
        raise InputError(f"strategy {name!r}: the module {module!r} has no {attribute!r}")
    if not (isinstance(found, type) and issubclass(found, DifferentiableStrategy)):
        raise InputError(f"strategy {name!r}: must be a subclass of strategies.strategy.DifferentiableStrategy")
    try:
        strategy = found(method, seed)  # type: ignore[call-arg, arg-type]
    except InputError:
        raise
    except (Exception, SystemExit) as error:
        raise InputError(
            f"strategy {name!r}: cannot be made with (method, seed): {type(error).__name__}: {error}"
        ) from error
    if not hasattr(strategy, "composition"):
        raise InputError(f"strategy {name!r}: its __init__ must call that of DifferentiableStrategy")
    return strategy
