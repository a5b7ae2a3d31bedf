"""What is said of a table, and of a network's speed."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from experiments.latency import closing
from experiments.latency.closing import Speed, describe_speed, measured, predicted
from experiments.latency.networks import make_plan
from experiments.latency.wording import describe_clock, describe_table, narrow_shares, useless_widths
from experiments.runs.processes import free_cores
from experiments.runs.tables import counted
from experiments.runtime.interface import PLAIN, Interface
from nas_space.architecture import Architecture, baseline1
from nas_space.config import SpaceConfig
from nas_space.latency import LatencyTable

Tiny = Callable[..., SpaceConfig]


def table_of(space: SpaceConfig, milliseconds: Callable[[Any], float], interface: Interface = PLAIN) -> LatencyTable:
    """A table of layers that take ``milliseconds``."""
    plan = make_plan(space, (64, 96), 5, "encoder", interface, "onnxruntime", "fp32")
    times = [10.0, *(10.0 + 4 * milliseconds(layer) for _, layer in plan.layers)]
    return plan.table(times, 1, "a board", "2026-01-02", {"onnxruntime": "1.2.3"})


def test_widths_that_save_nothing_are_told(tiny: Tiny) -> None:
    table = table_of(tiny(), lambda layer: layer.width_3x1 / 8)
    assert narrow_shares(table) == (pytest.approx(0.583, abs=0.01), 1.0)
    assert useless_widths(table) == ["a narrower 1x3 saves nothing with onnxruntime, fp32"]
    assert describe_table(table).splitlines()[-1] == useless_widths(table)[0]
    assert useless_widths(table_of(tiny(), lambda layer: 0.5)) == [
        "a narrower 3x1 saves nothing with onnxruntime, fp32",
        "a narrower 1x3 saves nothing with onnxruntime, fp32",
    ]
    assert useless_widths(table_of(tiny(span=0), lambda layer: 0.5)) == []


def test_what_a_table_says_of_itself(tiny: Tiny) -> None:
    table = table_of(tiny(), lambda layer: 1.0, Interface(resize=True))
    how = "onnxruntime 1.2.3, fp32, 1 thread, 64x96, encoder head, resize, on a board"
    assert describe_clock(table) == how
    assert predicted(baseline1(tiny()), table).source == f"predicted by the latency table: {how}"


def test_a_speed_in_words() -> None:
    assert describe_speed(Speed(10.0, 12.5, "says who")) == [
        "10 ms, 100 FPS as exported, 0.80 of baseline1 (12.5 ms, 80 FPS)",
        "says who",
    ]
    assert describe_speed(Speed(10.0, 12.5, "says who", "it was loaded"))[2:] == ["warning: it was loaded"]
    fast = describe_speed(Speed(0.125914, 0.138586, "says who"))[0]
    assert fast == "0.126 ms, 7,942 FPS as exported, 0.91 of baseline1 (0.139 ms, 7,216 FPS)"
    (line,) = describe_speed(None)
    assert (
        line == "not measured: neither onnxruntime nor openvino is installed and works; pip install 'ssr-nas[deploy]'"
    )


def test_a_speed_is_measured_in_what_is_installed(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    network: Architecture = baseline1(tiny())
    monkeypatch.setattr(closing, "measure", lambda networks, *rest: [float(len(networks)), 3.0])
    speed = measured(network, (64, 96), 5, "aggregation")
    assert speed is not None and speed[:2] == (3.0, 2.0)
    assert speed.source.startswith("measured now: onnxruntime 1.") and "64x96, aggregation head, on " in speed.source
    for given, words in ((1, "1 thread,"), (3, "3 threads,"), (None, f"{counted(free_cores(), 'thread')},")):
        speed = measured(network, (64, 96), 5, threads=given)
        assert speed is not None and words in speed.source
    monkeypatch.setattr(closing, "find_spec", lambda name: None if name == "onnxruntime" else name)
    speed = measured(network, (64, 96), 5)
    assert speed is not None and speed.source.startswith("measured now: openvino 20")
    monkeypatch.setattr(closing, "find_spec", lambda name: name)
    works = closing.engine_versions

    def broken(packages: Sequence[str]) -> dict[str, str]:
        if "onnxruntime" in packages:
            raise ImportError("libonnxruntime.so")
        return works(packages)

    monkeypatch.setattr(closing, "engine_versions", broken)
    speed = measured(network, (64, 96), 5)
    assert speed is not None and speed.source.startswith("measured now: openvino 20")
    monkeypatch.setattr(closing, "find_spec", lambda name: None)
    assert measured(network, (64, 96), 5) is None


def test_a_real_measurement(tiny: Tiny) -> None:
    speed = measured(baseline1(tiny()), (32, 40), 3)
    assert speed is not None and speed.found_ms > 0 and speed.baseline_ms > 0
