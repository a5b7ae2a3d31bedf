"""The strategies of the experiment by name: which of ours, and with which options."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from strategies.method import MethodOptions

RANDOM = "random"
PLAIN: Mapping[str, Any] = {"warmup": 0.0, "explore": 0.1, "uniform": False, "rescale": False}
"""The paper's search, with a short time without the regularizer; its learning rate is that of all, for few steps."""


@dataclass(frozen=True)
class Entrant:
    """A strategy with its options.

    Args:
        strategy: its name in ``strategies.registry``.
        changes: of ``MethodOptions``.
    """

    strategy: str
    changes: Mapping[str, Any] = field(default_factory=dict)

    def method(self) -> MethodOptions:
        """The options of the search."""
        return replace(MethodOptions(), **self.changes)


ENTRANTS: Mapping[str, Entrant] = {
    "ssr": Entrant("ssr"),
    "ssr-plain": Entrant("ssr", PLAIN),
    "ssr-long": Entrant("ssr", {"explore": 0.6}),
    "ssr-weighted": Entrant("ssr", {"uniform": False}),
    "ssr-drawn": Entrant("ssr", {"spread": 1.0, "explore": 0.6}),
    "ssr-staggered": Entrant("ssr", {"stagger": True, "explore": 0.2}),
    "ssr-ie": Entrant("ssr-ie"),
    "darts": Entrant("darts"),
    "snas": Entrant("snas"),
    "fairdarts": Entrant("fairdarts"),
    "sgas": Entrant("sgas"),
    "pdarts": Entrant("pdarts"),
    RANDOM: Entrant(RANDOM),
}
