"""Strategies by name, and those of users by ``module:Class``. Their modules, and torch, are loaded on demand."""

import importlib
import sys
from typing import TYPE_CHECKING, Any

from nas_space.errors import InputError
from strategies.method import MethodOptions

if TYPE_CHECKING:
    from strategies.strategy import DifferentiableStrategy

STRATEGIES = {
    "ssr": "strategies.ssr:SSR",
    "ssr-ie": "strategies.ssr:SSRInformationEntropy",
    "ssr-l1": "strategies.ssr:SSRL1",
    "ssr-l2": "strategies.ssr:SSRL2",
    "progressive": "strategies.progressive:Progressive",
    "darts": "strategies.darts:DARTS",
    "darts2": "strategies.darts:DARTSSecondOrder",
    "snas": "strategies.snas:SNAS",
    "fairdarts": "strategies.fairdarts:FairDARTS",
    "pdarts": "strategies.pdarts:PDARTS",
    "pdarts-ssr": "strategies.pdarts:PDARTSWithSSR",
    "sgas": "strategies.sgas:SGAS",
    "sgas2": "strategies.sgas:SGASStability",
    "sgas-ssr": "strategies.sgas:SGASWithSSR",
}
NNI_STRATEGIES = ("nni-darts", "nni-gumbel", "nni-proxyless")  # NNI's own one-shot strategies
MULTI_TRIAL = ("random", "nni-random", "nni-evolution")  # those that train sampled networks one by one
NAMES = (*STRATEGIES, *NNI_STRATEGIES, *MULTI_TRIAL)
OF_SSR = {"stagger": "take one layer after the other"}
"""Options of ``MethodOptions`` that SSR and its controls follow, and what they do then."""


def create_strategy(name: str, method: MethodOptions, seed: int = 0) -> "DifferentiableStrategy":
    """The differentiable strategy called ``name``, or a user's ``module:Class``, made with ``(method, seed)``.

    Raises:
        InputError: an unknown name, a class that cannot be used, or a method option out of range.
    """
    if ":" in name:
        return _of_user(name, method, seed)
    check_name(name)
    if name not in STRATEGIES:
        raise ValueError(f"{name} is no differentiable strategy of ours")
    module, _, attribute = STRATEGIES[name].partition(":")
    return getattr(importlib.import_module(module), attribute)(method, seed)


def follows(name: str, method: MethodOptions, option: str) -> bool:
    """Whether a strategy does what an option of ``OF_SSR`` asks for, which ``method`` has set.

    Raises:
        InputError: as of ``create_strategy``.
    """
    from strategies.staggered import Staggered

    if name in NNI_STRATEGIES or name in MULTI_TRIAL:
        return False
    composition = create_strategy(name, method).composition
    return isinstance({"stagger": composition.shrinking}[option], Staggered)


def without_effect(name: str, method: MethodOptions) -> list[str]:
    """Those of ``spread``, ``ramp`` and ``share_widths`` that ``method`` asks for and a strategy does not follow.

    Those of ``OF_SSR`` are not among them: they are refused. What a user's own strategy follows is not known.

    Raises:
        InputError: as of ``create_strategy``.
    """
    from strategies.regularizers import none

    asked = [option for option in ("spread", "ramp", "share_widths") if getattr(method, option)]
    if not asked or name in NNI_STRATEGIES or name in MULTI_TRIAL:
        return asked
    if ":" in name:
        return []
    composition = create_strategy(name, method).composition
    follows = {
        "spread": getattr(composition.relaxation, "spread", 0.0) > 0.0,
        "ramp": composition.phases.ramp > 0.0 and composition.regularizer is not none,
        "share_widths": True,  # the parameters' business, whatever the strategy does with them
    }
    return [option for option in asked if not follows[option]]


def check_name(name: str) -> None:
    """Refuse an unknown name.

    Raises:
        InputError: the name, and all that exist.
    """
    if ":" not in name and name not in NAMES:
        raise InputError(f"strategy: unknown {name!r}; choose from {', '.join(NAMES)}, or write module:Class")


def _of_user(name: str, method: MethodOptions, seed: int) -> "DifferentiableStrategy":
    from strategies.strategy import DifferentiableStrategy

    module, _, attribute = name.partition(":")
    if "" not in sys.path:  # a module in the current folder can be imported, as with python -m
        sys.path.insert(0, "")
    try:
        strategy_class: Any = getattr(importlib.import_module(module), attribute, None)
    except (Exception, SystemExit) as error:  # whatever a user's file may do
        raise InputError(f"strategy {name!r}: cannot import {module!r} ({type(error).__name__}: {error})") from error
    if strategy_class is None:
        raise InputError(f"strategy {name!r}: the module {module!r} has no {attribute!r}")
    if not (isinstance(strategy_class, type) and issubclass(strategy_class, DifferentiableStrategy)):
        raise InputError(f"strategy {name!r}: must be a subclass of strategies.strategy.DifferentiableStrategy")
    try:
        strategy: DifferentiableStrategy = strategy_class(method, seed)  # type: ignore[call-arg, arg-type]
    except InputError:
        raise
    except (Exception, SystemExit) as error:
        problem = f"{type(error).__name__}: {error}"
        raise InputError(f"strategy {name!r}: cannot be made with (method, seed): {problem}") from error
    if not hasattr(strategy, "composition"):
        raise InputError(f"strategy {name!r}: its __init__ must call that of DifferentiableStrategy")
    return strategy
