"""Networks that take, on a clock of their own, a time for each layer."""

from collections.abc import Callable
from pathlib import Path

import pytest

from experiments.latency import build, measuring
from experiments.latency.plan import Plan
from nas_space.architecture import Layer


class Clock:
    """Stands still, but for what the networks take.

    Attributes:
        now: seconds.
        pace: at a time, how many seconds the host takes for one.
        call_ms: of everything but the layers.
    """

    call_ms = 50.0

    def __init__(self) -> None:
        self.now = 0.0
        self.pace: Callable[[float], float] = lambda now: 1.0

    def __call__(self) -> float:
        return self.now

    def spend(self, seconds: float) -> None:
        self.now += seconds * self.pace(self.now)

    @staticmethod
    def layer_ms(layer: Layer) -> float:
        """Of a layer; the 1x3 convolution's width does not count, as in files that fill it up with zeros."""
        return (1 + layer.dilation) * layer.width_3x1 / layer.pooling


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> Clock:
    """Tables are made of ``layer_ms`` and ``call_ms``; no file is exported."""

    def writers(plan: Plan) -> list[measuring.Writer]:
        def writer(milliseconds: float) -> measuring.Writer:
            def write(folder: Path) -> Path:
                (folder / "network").write_text(str(milliseconds))
                return folder / "network"

            return write

        times = (sum(clock.layer_ms(layer) for stage in net.stages for layer in stage) for net in plan.networks())
        return [writer(clock.call_ms + milliseconds) for milliseconds in times]

    def timed_call(engine: str, file: Path, *rest: object) -> Callable[[], None]:
        milliseconds = float(file.read_text())
        return lambda: clock.spend(milliseconds / 1000)

    monkeypatch.setattr(build, "writers", writers)
    monkeypatch.setattr(build, "timed_call", timed_call)
    monkeypatch.setattr(build, "clock_of", lambda threads: clock)
    return clock
