"""The content of ``search.json``: the same keys whatever the strategy."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from experiments.data import SegmentationData
from experiments.runs.environment import device_name, peak_memory_mb, versions
from experiments.search.options import SearchOptions
from nas_space.architecture import Architecture
from nas_space.cost import cost
from strategies.alive import LEVELS
from strategies.shrinking import Removal


@dataclass(frozen=True)
class Outcome:
    """The result of a search.

    Args:
        architecture: the found network.
        discrete: whether no choice had to be cut by argmax.
        discrete_epoch: after which epoch every choice had one survivor; None if never, or for sampled networks.
        removals: all candidates that left, in order.
        entropy: final entropy of each level, in nats.
        miou: ``supernet`` and ``derived``, in [0, 1], on the validation set at the resolution of the labels.
        gap: ``loss_supernet``, ``loss_derived``, ``max_logit_difference``.
        gap_before: the same at the last epoch that was not discrete, None if all were.
        alive: survivors of each level at the end.
    """

    architecture: Architecture
    discrete: bool
    discrete_epoch: int | None
    removals: Sequence[Removal]
    entropy: Mapping[str, float]
    miou: Mapping[str, float]
    gap: Mapping[str, float]
    gap_before: Mapping[str, float] | None
    alive: Mapping[str, int]


def search_summary(
    options: SearchOptions, data: SegmentationData, outcome: Outcome, rows: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """The content of ``search.json``.

    Args:
        options: what was asked for.
        data: the data set.
        outcome: what came out.
        rows: of ``metrics.csv``, with ``seconds`` and ``seconds_validation``; where there is one, ``entropy_<level>``.
    """
    space, size, device = outcome.architecture.space, options.cost_size, options.resolved_device
    cells = tuple(-(-side // 8) for side in options.image_size)
    exact = cost(outcome.architecture, size, len(data.classes))
    alive = [{"epoch": row["epoch"], **{level: row[f"alive_{level}"] for level in LEVELS}} for row in rows]
    return {
        "strategy": options.strategy,
        "seed": options.seed,
        "space": asdict(space),
        "dataset": data.name,
        "epochs": options.epochs,
        "discrete": outcome.discrete,
        "discrete_epoch": outcome.discrete_epoch,
        "removals": [asdict(removal) for removal in outcome.removals],
        "entropy": {
            "initial": space.sizes()["entropy_nats"],
            "final": sum(outcome.entropy.values()),
            "per_level": {
                level: {"first_epoch": rows[0].get(f"entropy_{level}", 0.0), "final": outcome.entropy[level]}
                for level in LEVELS
            },
        },
        "miou": {**outcome.miou, "resolution": f"{cells[0]}x{cells[1]}"},
        "gap": dict(outcome.gap),
        "gap_before": outcome.gap_before,
        "cost": {**asdict(exact), "size": f"{size[0]}x{size[1]}"},
        "time": {
            "total_s": sum(row["seconds"] + row["seconds_validation"] for row in rows),
            "epoch_s": [row["seconds"] for row in rows],
        },
        "peak_memory_mb": peak_memory_mb(device),
        "alive": [*alive, {"epoch": len(rows) + 1, **outcome.alive}],
        "versions": versions(),
        "device": device_name(device),
    }
