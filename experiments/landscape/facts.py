"""What ``landscape.json`` says of a landscape's trainings, of whichever call they are."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

from experiments.data import SegmentationData
from experiments.landscape.options import LandscapeOptions
from experiments.landscape.plan import Planned
from experiments.landscape.table import HAND_MADE, Trained, read_facts
from experiments.options.device import resolve_device
from experiments.runs.environment import device_name, processor_name, versions
from nas_space.errors import InputError

ALIKE = ("space", "data", "recipe", "resolution")
"""What all trainings of a table share."""
OF_CALL = ("machine", "processes", "threads", "versions", "date")


def facts_of(
    options: LandscapeOptions,
    data: SegmentationData,
    table: Path,
    rows: Sequence[Trained],
    trainings: Sequence[Planned],
) -> dict[str, Any]:
    """What the file says from now on.

    Args:
        options: of this call.
        data: that it trains on.
        table: beside which the file stands, or not yet.
        rows: of the table.
        trainings: that the table will hold.

    Returns:
        ``ALIKE``, ``networks`` (random ones) and ``seeds`` of rows and trainings together, ``OF_CALL`` of this call,
        and ``calls``: those of each call that has trained something, with the number of trainings done before it.

    Raises:
        InputError: the trainings that are done were made with something else.
    """
    of_data = {key: value for key, value in asdict(options.data).items() if key not in ("root", "classes")}
    recipe = {key: getattr(options, key) for key in ("epochs", "stages", "precision")}
    device = resolve_device(options.device)
    alike = {
        "space": asdict(options.space.resolve()),
        "data": {**of_data, "train_images": len(data.train), "val_images": len(data.val), "classes": data.classes},
        "recipe": {**recipe, "train": asdict(options.train)},
        "resolution": options.data.size,
    }
    of_call = {
        "machine": processor_name() if device == "cpu" else device_name(device),
        "processes": options.workers,
        "threads": options.threads_each,
        "versions": versions(),
        "date": date.today().isoformat(),
    }
    file = table.with_suffix(".json")
    before = read_facts(file, table) if rows and file.is_file() else {}
    for key in ALIKE:
        if key in before and _differs(before[key], json.loads(json.dumps(alike[key]))):
            what = f"the trainings in {table.name} were made with another {key}"
            raise InputError(f"{file}: {what}; choose another --out, or give what it says")
    everything: list[Trained | Planned] = [*rows, *trainings]
    calls, done = _calls(before, len(rows)), {(row.architecture, row.seed) for row in rows}
    if any((one.architecture, one.seed) not in done for one in trainings):
        calls.append({**of_call, "done_before": len(rows)})
    return {
        **alike,
        "networks": len({one.architecture for one in everything if one.name not in HAND_MADE}),
        "seeds": list(dict.fromkeys(one.seed for one in everything)),
        **of_call,
        "calls": calls,
    }


def _differs(before: Any, now: Any) -> bool:
    """Whether two plain values differ in what both say: a key that only one has is younger than the other."""
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        return any(_differs(before[key], now[key]) for key in before if key in now)
    return bool(before != now)


def _calls(before: Mapping[str, Any], done: int) -> list[dict[str, Any]]:
    """The calls that have trained something, by a file of this version or of an earlier one."""
    first = {key: before[key] for key in OF_CALL if key in before}
    calls = before.get("calls", [{**first, "done_before": 0}] if first else [])
    if not isinstance(calls, list):
        return []
    known = [call for call in calls if isinstance(call, dict) and isinstance(call.get("done_before"), int)]
    ends = [*(call["done_before"] for call in known[1:]), done]
    return [call for call, end in zip(known, ends, strict=False) if call["done_before"] < end]
