import os
from types import SimpleNamespace
from typing import NamedTuple

import pytest

from experiments.runs import load
from experiments.runs.load import LoadMeter, warning


def test_work_of_others_is_seen_and_own_work_is_not(monkeypatch):
    busy, own, clock = iter([100.0, 118.0]), iter([1.0, 11.0]), iter([50.0, 60.0])
    monkeypatch.setattr(load, "_busy", lambda: next(busy))
    monkeypatch.setattr(load, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    meter = LoadMeter(lambda: next(own))
    assert meter.others() == 0.8  # 18 s of work in 10 s, 10 s of them ours


class Times(NamedTuple):
    """What psutil tells of a machine, in seconds; ``guest`` is in ``user`` already, ``guest_nice`` in ``nice``."""

    user: float
    nice: float
    system: float
    idle: float
    iowait: float
    irq: float
    softirq: float
    steal: float
    guest: float
    guest_nice: float


def test_a_busy_process_is_measured(monkeypatch):
    """Recorded over 4 s on two cores, both busy, one with a loop: once of others, once the measurement's own."""
    before = Times(443.53, 0.0, 44.04, 515.52, 6.19, 0.0, 1.53, 1.79, 0.0, 0.0)
    after = Times(451.36, 0.0, 44.2, 515.52, 6.19, 0.0, 1.53, 1.8, 0.0, 0.0)
    for own, others in ((0.0, 2.0), (4.0, 1.0)):
        monkeypatch.setattr(load.psutil, "cpu_times", iter((before, after)).__next__)
        monkeypatch.setattr(load, "time", SimpleNamespace(perf_counter=iter((0.0, 4.0)).__next__))
        meter = LoadMeter(iter((0.0, own)).__next__)
        assert meter.others() == pytest.approx(others)


def test_what_is_work(monkeypatch):
    """Waiting is none, and what guests do is counted once."""
    monkeypatch.setattr(load.psutil, "cpu_times", lambda: Times(1, 2, 4, 8, 16, 32, 64, 128, 0.5, 0.25))
    assert load._busy() == 1 + 2 + 4 + 32 + 64 + 128


def test_this_machine_has_worked():
    assert load._busy() > 0


def test_warning_where_too_few_cores_are_free(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    assert warning(1.9, 2) is None and warning(0.05, 4) is None
    assert "others kept 2.5 of 4 cores busy, so fewer than 2 were free" in (warning(2.5, 2) or "")
    assert "others kept 3.5 of 4 cores busy, so less than 1 core was free" in (warning(3.5, 1) or "")
