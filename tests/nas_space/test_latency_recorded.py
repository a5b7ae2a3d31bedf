"""A table predicts what networks took that were exported and timed whole, on a real machine.

``latency_recorded.json`` holds tables and the milliseconds of 20 random networks of the compact space each, as
``ssr-nas latency --size 360x480 --check 20 --json`` has measured them.
"""

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nas_space.architecture import Architecture
from nas_space.cost import cost
from nas_space.latency import LatencyTable

RECORDED = json.loads(Path(__file__).with_name("latency_recorded.json").read_text())


def rank_correlation(first: Any, second: Any) -> float:
    """Spearman's, of values without ties."""
    ranks = [np.argsort(np.argsort(values)) for values in (first, second)]
    return float(np.corrcoef(*ranks)[0, 1])


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda one: "-".join((one["table"]["engine"], one["date"])))
def test_predictions_rank_what_was_measured(recorded: dict[str, Any]) -> None:
    table = LatencyTable.from_json(json.dumps(recorded["table"]))
    generator = random.Random(0)
    networks = [Architecture.random(table.space, generator) for _ in recorded["measured_ms"]]
    measured = np.array(recorded["measured_ms"])
    predicted = np.array([table.predict(network) for network in networks])
    macs = [cost(network, table.size, table.classes).macs_total for network in networks]
    assert rank_correlation(predicted, measured) >= 0.97
    assert rank_correlation(macs, measured) < rank_correlation(predicted, measured)
    assert np.median(np.abs(predicted / measured - 1)) <= 0.05
