"""Which searches are seeds of one another, so that their mean says something."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from experiments.landscape.ruler import FoundNetwork
from experiments.runs.files import plain
from experiments.runs.folder import filled
from experiments.search.options import SearchOptions

DECIDING = ("epochs", "precision", "data", "method", "train", "constraint", "target", "cost")
"""Options that decide what a search chooses; its space is the landscape's."""
ELSEWHERE = ("data.root", "data.format", "data.allow_absent", "constraint.table")
"""Where things lie, or what only lets a search begin."""


def deciding(config: Mapping[str, Any]) -> dict[str, Any]:
    """The options that decide a search's choice, by keys such as ``method.ramp``.

    Args:
        config: of the run. An option that it does not have is younger than the run, and had its default. Empty where
            the run has none: then nothing is known.
    """
    if not config:
        return {}
    leaves = dict(_leaves(filled(plain(config), plain(asdict(SearchOptions())))))
    return {key: value for key, value in leaves.items() if key.split(".")[0] in DECIDING and key not in ELSEWHERE}


def grouped(found: Sequence[FoundNetwork[Any, Any]]) -> list[FoundNetwork[Any, Any]]:
    """Searches with a group each.

    One without a group gets its strategy, and the options with which others of its strategy differ from it and that
    are not its defaults, as in ``ssr, method.ramp 0.3``.
    """
    defaults = deciding(asdict(SearchOptions()))
    told = []
    for one in found:
        if one.group is None:
            alike = [other for other in found if other.group is None and other.strategy == one.strategy]
            keys = [
                key for key in different_options(alike) if one.options.get(key, defaults.get(key)) != defaults.get(key)
            ]
            one = replace(one, group=", ".join([one.strategy, *(f"{key} {_shown(one.options[key])}" for key in keys)]))
        told.append(one)
    return told


def different_options(found: Sequence[FoundNetwork[Any, Any]]) -> list[str]:
    """The keys of the options that are not the same in all searches; of one without options nothing is known."""
    known = [one.options for one in found if one.options]
    keys = dict.fromkeys(key for options in known for key in options)
    return [key for key in keys if any(options.get(key) != known[0].get(key) for options in known)]


def _leaves(options: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in options.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", value


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(map(_shown, value))
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
