import os
import subprocess
import sys
import time

from experiments.inference import load
from experiments.inference.load import LoadMeter, free_cores, warning


def test_work_of_others_is_seen_and_own_work_is_not(monkeypatch):
    busy, own, clock = iter([100.0, 118.0]), iter([1.0, 11.0]), iter([50.0, 60.0])
    monkeypatch.setattr(load, "_busy", lambda: next(busy))
    monkeypatch.setattr(load.time, "perf_counter", lambda: next(clock))
    meter = LoadMeter(lambda: next(own))
    assert meter.others() == 0.8  # 18 s of work in 10 s, 10 s of them ours


def test_a_busy_process_is_measured():
    meter = LoadMeter(lambda: 0.0)
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as other:
        time.sleep(1.0)
        found = meter.others()
        other.kill()
    assert found > 0.3  # it may have to share its core


def test_warning_where_too_few_cores_are_free(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    assert warning(1.9, 2) is None and warning(0.05, 4) is None
    assert "others kept 2.5 of 4 cores busy, so fewer than 2 were free" in (warning(2.5, 2) or "")


def test_cores_are_those_of_the_process():
    cores = sorted(os.sched_getaffinity(0))
    try:
        os.sched_setaffinity(0, cores[:1])
        assert free_cores() == 1
    finally:
        os.sched_setaffinity(0, cores)
