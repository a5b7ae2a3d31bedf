"""How the space is searched: relaxations, regularizers and shrinking, composed into NNI one-shot strategies.

``from strategies import SSR`` works for every class in ``CLASSES``. Nothing is imported before that, so that listing
commands loads neither torch nor NNI; see ``strategies.registry``.
"""

import importlib
from typing import Any

CLASSES = {
    "SSR": "strategies.ssr",
    "SSRInformationEntropy": "strategies.ssr",
    "SSRL1": "strategies.ssr",
    "SSRL2": "strategies.ssr",
    "Progressive": "strategies.progressive",
    "DARTS": "strategies.darts",
    "DARTSSecondOrder": "strategies.darts",
    "SNAS": "strategies.snas",
    "FairDARTS": "strategies.fairdarts",
    "PDARTS": "strategies.pdarts",
    "PDARTSWithSSR": "strategies.pdarts",
    "SGAS": "strategies.sgas",
    "SGASStability": "strategies.sgas",
    "SGASWithSSR": "strategies.sgas",
    "DifferentiableStrategy": "strategies.strategy",
    "MethodOptions": "strategies.method",
    "Rho": "strategies.method",
}
"""Module of each class that this package offers."""


def __getattr__(name: str) -> Any:
    if name not in CLASSES:
        raise AttributeError(f"module 'strategies' has no attribute {name!r}")
    return getattr(importlib.import_module(CLASSES[name]), name)
