"""A network beside ``baseline1``, as a table: what it costs, how fast it is, how good it is."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experiments.options.groups import parse_size
from experiments.runs.columns import FPS, LATENCY, MACS, MIOU, PARAMETERS, cells
from experiments.runs.folder import SPEED
from experiments.runs.names import visible
from nas_space.architecture import Architecture, baseline1, baseline2
from nas_space.config import Head
from nas_space.cost import cost
from nas_space.scaling import REFERENCES

Table = list[tuple[str, ...]]
"""The header, and the rows."""


def name_of(architecture: Architecture | None, peer: str | None = None, arch: Any = None) -> str:
    """What a network is called beside others: ``found``, unless it is hand-made or somebody else's.

    Args:
        architecture: the network; None for a peer.
        peer: the peer's name.
        arch: ``arch`` of the run that trained it, which may name a scaled baseline such as ``baseline2@20ms``.
    """
    if architecture is None:
        return peer or "network"
    if str(arch).partition("@")[0] in REFERENCES:
        return str(arch)
    made = {build.__name__: build(architecture.space) for build in (baseline1, baseline2)}
    return next((name for name, network in made.items() if network == architecture), "found")


def beside_baseline(
    architecture: Architecture | None,
    name: str,
    exact: Mapping[str, Any],
    miou: float | None,
    speed: Mapping[str, Any] | None,
    classes: int,
    head: Head | None = None,
) -> Table:
    """The table of a network, with a row for ``baseline1`` where it can be counted alike.

    Args:
        architecture: the network; None for a peer, which has no baseline.
        name: what it is called.
        exact: its ``params``, ``macs_total`` and the image's ``size``, as HEIGHTxWIDTH; absent in files of earlier
            versions.
        miou: its score, in [0, 1].
        speed: content of ``speed.json``.
        classes: of the segmentation; 0 where nobody knows.
        head: of the network; absent, that of a search.
    """
    measured = speed or {}
    found_ms, baseline_ms = (measured.get(f"{which}_ms") for which in ("found", "baseline"))
    rows: list[tuple[str, Any, Any, Any, Any]] = [(name, exact.get("params"), exact.get("macs_total"), found_ms, miou)]
    if architecture is not None and name.partition("@")[0] != "baseline1" and classes and "size" in exact:
        made = cost(baseline1(architecture.space), parse_size(exact["size"]), classes, head)
        rows.append(("baseline1", made.params, made.macs_total, baseline_ms, None))
    names, params, macs, times, scores = zip(*rows, strict=True)
    rates = [None if ms is None else 1000 / ms for ms in times]
    columns = {PARAMETERS: params, MACS: macs, LATENCY: times, FPS: rates, MIOU: scores}
    shown = {column: values for column, values in columns.items() if any(value is not None for value in values)}
    texts = [cells(column, values) for column, values in shown.items()]
    return [("network", *(column.name for column in shown)), *zip(map(visible, names), *texts, strict=True)]


def about_table(
    architecture: Architecture | None, name: str, exact: Mapping[str, Any], classes: int, head: Head | None = None
) -> str:
    """What a reader of the table asks: which head it counts, and why ``baseline1`` has no score; empty for a peer.

    Args:
        architecture: the network; None for a peer.
        name: what it is called.
        exact: with the image's ``size``; absent in files of earlier versions.
        classes: of the segmentation; 0 where nobody knows.
        head: of the network; absent, that of a search.
    """
    if architecture is None or not classes or "size" not in exact:
        return ""
    searched, trained = architecture.space.heads
    counted, other = (trained, searched) if head == trained else (searched, trained)
    there = cost(architecture, parse_size(exact["size"]), classes, other)
    (params,), (macs,) = cells(PARAMETERS, [there.params]), cells(MACS, [there.macs_total])
    when = f"In a search it has the {other} head" if other == searched else f"retrain gives it the {other} head"
    text = f"{visible(name)} is counted with the {counted} head. {when}: {params} M parameters, {macs} M MACs."
    return text if name.partition("@")[0] == "baseline1" else f"{text} baseline1 is not trained here: it has no mIoU."


def read_speed(run: Path) -> dict[str, Any] | None:
    """What a run has measured or predicted of its network's speed; None where it has left nothing that can be read."""
    try:
        speed = json.loads((run / SPEED).read_text(encoding="utf-8"))
        numbers = [float(speed[key]) for key in ("found_ms", "baseline_ms")]
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None
    return {**speed, "source": str(speed.get("source", ""))} if min(numbers) > 0 else None


def clock_of(speed: Mapping[str, Any] | None) -> str:
    """What says how fast the network is, and what makes it uncertain, in a sentence; empty where nothing does."""
    if speed is None:
        return ""
    warned = f" Warning: {visible(str(speed['warning']))}." if speed.get("warning") else ""
    return f"Latency {visible(speed['source'])}.{warned}"
