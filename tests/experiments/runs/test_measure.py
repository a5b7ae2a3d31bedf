"""Time and memory of this process."""

import resource
import subprocess
import sys

import numpy as np
import pytest

from experiments.runs import measure
from experiments.runs.measure import now, peak_memory_mib


def test_the_clock_waits_for_the_gpu_and_only_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    calls: list[str] = []
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: calls.append("synchronize"))
    monkeypatch.setattr(measure.time, "perf_counter", lambda: calls.append("look") or 7.0)
    assert now("cpu") == 7.0 and calls == ["look"]
    assert now("cuda") == 7.0 and calls == ["look", "synchronize", "look"]


def test_peak_memory_stays_when_memory_is_given_back() -> None:
    before = peak_memory_mib("cpu")
    ballast = np.ones(25_000_000)  # 191 MiB
    full = peak_memory_mib("cpu")
    assert 10 < before <= full and ballast.all() and full > 191
    del ballast
    assert peak_memory_mib("cpu") >= full - 1  # the system adds up what its threads have counted a little late


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")
def test_what_the_parent_held_does_not_count() -> None:
    ballast = np.ones(60_000_000)  # 460 MiB
    code = "from experiments.runs.measure import peak_memory_mib; print(peak_memory_mib('cpu'))"
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert 1 < float(child.stdout) < 200 < peak_memory_mib("cpu") and ballast.all()


def test_a_system_without_proc(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object, **__: object) -> None:
        raise FileNotFoundError

    monkeypatch.setattr("builtins.open", missing)
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    assert peak_memory_mib("cpu") == pytest.approx(most, rel=0.1)


def test_memory_of_the_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda: 3 * 2**20)
    assert peak_memory_mib("cuda") == 3.0
