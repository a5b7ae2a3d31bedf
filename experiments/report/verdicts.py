"""How much of a comparison's spread is noise, and where its networks stand among random ones."""

import re
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

Scores = Mapping[str, Sequence[float]]
"""mIoU of the retrainings of each network, in [0, 1]."""


def is_random(name: str) -> bool:
    """Whether this is a random network of a comparison: ``random-<i>``, not ``random-search-<seed>``."""
    return re.fullmatch(r"random-\d+", name) is not None


def _means(scores: Scores) -> tuple[dict[str, float], dict[str, float]]:
    """Mean score of every network that has one, and of the random ones alone."""
    means = {name: statistics.mean(values) for name, values in scores.items() if values}
    return means, {name: mean for name, mean in means.items() if is_random(name)}


def spread(scores: Scores) -> dict[str, float | None]:
    """How far random networks differ, and how far retrainings of one network differ, in mIoU.

    Args:
        scores: mIoU of each network's retrainings.

    Returns:
        ``between_networks``: standard deviation of the random networks' means; ``between_seeds``: pooled standard
        deviation over all networks; None where there are too few.
    """
    _, sampled = _means(scores)
    within = [statistics.variance(values) for values in scores.values() if len(values) > 1]
    return {
        "between_networks": statistics.stdev(sampled.values()) if len(sampled) > 1 else None,
        "between_seeds": statistics.mean(within) ** 0.5 if within else None,
    }


def percentiles(scores: Scores) -> dict[str, float]:
    """Where each network stands among the random ones.

    Args:
        scores: mIoU of each network's retrainings; random networks are called ``random-<i>``.

    Returns:
        For every other network the percentage of random networks with a lower mean mIoU; empty without random ones.
    """
    means, sampled = _means(scores)
    if not sampled:
        return {}
    below = {name: sum(mean > other for other in sampled.values()) for name, mean in means.items()}
    return {name: 100 * count / len(sampled) for name, count in below.items() if name not in sampled}


def verdicts(scores: Scores, costs: Mapping[str, Mapping[str, Any]], searches: Sequence[str]) -> list[str]:
    """The comparison in sentences: noise, the random networks, and where each search's network stands among them.

    Args:
        scores: mIoU of each network's retrainings.
        costs: ``macs_total`` of each network.
        searches: names of the networks that searches have found.
    """
    means, sampled = ({name: 100 * mean for name, mean in part.items()} for part in _means(scores))
    noise, places = spread(scores), percentiles(scores)
    kinds = {"between_networks": "random networks", "between_seeds": "retrainings of one network, pooled"}
    measured = [(kind, 100 * sd) for key, kind in kinds.items() if (sd := noise[key]) is not None]
    lines = [f"standard deviation between {kind}  {points:.2f} points" for kind, points in measured]
    if not sampled:
        return lines
    lines.append(f"median of {len(sampled)} random networks  {statistics.median(sampled.values()):.2f} %")
    for name in searches:
        if name not in means:
            continue
        line = f"{name}: {means[name]:.2f} %, above {places[name]:.0f} % of the random networks"
        affordable = [other for other in sampled if costs[other]["macs_total"] <= costs[name]["macs_total"]]
        if affordable:
            best = max(affordable, key=sampled.__getitem__)
            line += f"; the best of {len(affordable)} with no more MACs is {best} with {sampled[best]:.2f} %"
        if f"matched-{name}" in means:
            line += f"; a random one of as many MACs has {means[f'matched-{name}']:.2f} %"
        lines.append(line)
    return lines
