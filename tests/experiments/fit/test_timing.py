"""A latency that would cost a network its place is measured again."""

from types import SimpleNamespace
from typing import Any

import pytest

from experiments.fit import shared
from experiments.fit.timing import AGAIN, time_again


@pytest.mark.parametrize(
    ("measured", "expected", "count"),
    [
        ([[1.0, 2.0]], [1.0, 2.0], 1),
        ([[1.4, 1.3], [0.9, 1.2]], [0.9, 1.2], 2),
        ([[1.4, 1.3], [1.5, 1.2], [1.3, 1.6], [0.5, 0.5]], [1.3, 1.2], 1 + AGAIN),
    ],
)
def test_it_is_measured_until_one_is_within(measured: list[list[float]], expected: list[float], count: int) -> None:
    left = iter(enumerate(measured))
    calls: list[int] = []

    def measure() -> tuple[list[float], str | None]:
        place, times = next(left)
        calls.append(place)
        return times, f"warning {place}"

    times, warned = time_again(measure, lambda times: min(times) <= 1.0)
    assert times == expected and len(calls) == count and warned == f"warning {count - 1}"


def test_one_network_that_seems_too_slow_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its place would be lost, although another one holds the bound."""
    measured = iter([([0.9, 1.1], None), ([1.0, 0.8], None)])
    monkeypatch.setattr(shared, "writer", lambda *given: None)
    monkeypatch.setattr(shared, "time_files", lambda *given: next(measured))
    fit: Any = SimpleNamespace(
        options=SimpleNamespace(engine="onnxruntime", engine_threads=1),
        plan=SimpleNamespace(size=(32, 64)),
        facts=SimpleNamespace(classes=4),
        head="encoder",
    )
    networks: Any = [None, None]
    assert shared.Shared.milliseconds(fit, networks, 1.0) == [0.9, 0.8]
