"""A landscape in a few numbers: its best network, the hand-made ones, and how far it can be trusted."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import numpy as np

from experiments.landscape.notation import to_text
from experiments.landscape.predictor import FEWEST, cross_validated
from experiments.landscape.table import HAND_MADE, Landscape, Trained, digest
from experiments.landscape.truth import Floats, ceiling, network_scores, seed_correlation, seed_counts
from experiments.runs.environment import versions
from nas_space.architecture import Architecture
from nas_space.config import SpaceConfig


def names_of(rows: Sequence[Trained]) -> dict[Architecture, str]:
    """The name of each network."""
    return {row.architecture: row.name for row in rows}


def table_of(rows: Sequence[Trained]) -> tuple[list[Architecture], Floats, Floats]:
    """The networks, the score of each, and of how many trainings it is the mean."""
    scores, counts = network_scores(rows), seed_counts(rows)
    networks = list(scores)
    return networks, np.array([scores[n] for n in networks]), np.array([float(counts[n]) for n in networks])


QUALITY = ("seed_correlation", "ceiling", "predictor_correlation")


@lru_cache(maxsize=2)
def quality(space: SpaceConfig, rows: tuple[Trained, ...]) -> Mapping[str, float | None]:
    """How far a table can be trusted: ``QUALITY``. None where too few networks have it."""
    correlation, (networks, scores, trainings) = seed_correlation(rows), table_of(rows)
    of_mean = ceiling(correlation, round(trainings.mean())) if len(networks) else None
    values = (correlation, of_mean, cross_validated(space, networks, scores, trainings))
    return MappingProxyType(dict(zip(QUALITY, values, strict=True)))


def quality_of(landscape: Landscape) -> dict[str, float | None]:
    """``quality`` of a landscape; what its file says of this very table, by this version, is not found out again."""
    told, known = landscape.facts.get("summary"), landscape.facts.get("versions")
    if isinstance(told, dict) and told.get("table") == digest(landscape.rows) and known == versions():
        values = {key: told.get(key, "") for key in QUALITY}
        if all(value is None or isinstance(value, float) for value in values.values()):
            return values
    return dict(quality(landscape.space, landscape.rows))


def summarise(space: SpaceConfig, rows: Sequence[Trained]) -> dict[str, Any]:
    """What a table says.

    Args:
        space: of its networks.
        rows: of the table.

    Returns:
        ``trainings``, ``trained`` (networks), ``minutes``; ``best`` and the hand-made networks, each with ``name``,
        ``architecture``, ``miou`` (in [0, 1], over the seeds), ``seeds``, ``percentile`` (of the other random ones);
        what ``quality`` tells, and of which ``table`` (its digest) it does.
    """
    scores, counts, names = network_scores(rows), seed_counts(rows), names_of(rows)
    summary: dict[str, Any] = {"trainings": len(rows), "trained": len(scores)}
    summary["minutes"] = sum(row.minutes for row in rows)
    if scores:
        summary["best"] = _described(max(scores, key=lambda n: scores[n]), scores, counts, names)
    for network, name in names.items():
        if name in HAND_MADE:
            summary[name] = _described(network, scores, counts, names)
    return {**summary, **quality(space, tuple(rows)), "table": digest(rows)}


def _described(
    network: Architecture,
    scores: Mapping[Architecture, float],
    counts: Mapping[Architecture, int],
    names: Mapping[Architecture, str],
) -> dict[str, Any]:
    others = [score for other, score in scores.items() if other != network and names[other] not in HAND_MADE]
    below = 100 * float(np.mean([score < scores[network] for score in others])) if others else None
    described = {"name": names[network], "architecture": to_text(network), "miou": scores[network]}
    return {**described, "seeds": counts[network], "percentile": below}


def closing_text(summary: Mapping[str, Any]) -> str:
    """The summary in lines."""
    lines = []
    for key in ("best", *HAND_MADE):
        if key in summary:
            one = summary[key]
            place = "" if one["percentile"] is None else f", above {one['percentile']:.0f} % of the random ones"
            title = f"best ({one['name']})" if key == "best" else key
            lines.append(f"  {title:<18}{100 * one['miou']:>6.2f} %  {one['architecture']}{place}")
    kinds = {
        "seed_correlation": "rank correlation of one seed with another",
        "ceiling": "rank correlation of a perfect prediction with the mean over the seeds",
        "predictor_correlation": "rank correlation of the predictor with networks that it has not seen",
    }
    for key, words in kinds.items():
        value = "-" if summary[key] is None else f"{summary[key]:.2f}"
        few = key == "predictor_correlation" and summary[key] is None and summary["trained"] < FEWEST
        lines.append(f"  {value:>6}  {words}{f'; it takes {FEWEST} networks' if few else ''}")
    return "\n".join(lines)
