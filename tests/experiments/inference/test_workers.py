import os
import signal
import time

import numpy as np
import pytest

from experiments.inference.worker import peak_memory_mb
from experiments.inference.workers import Task, Worker, take_turns
from nas_space.errors import InputError


class Fake:
    def __init__(self, name, log, seconds):
        self.name, self.log, self.seconds = name, log, seconds

    def time(self, calls):
        self.log.append(self.name)
        return [self.seconds + len(self.log)] * calls


def task(file, engine="onnxruntime", **changes):
    return Task(
        **{
            "name": "net",
            "engine": engine,
            "file": str(file),
            "shape": (1, 3, 32, 64),
            "threads": 1,
            "device": "cpu",
            "warmup": 1,
            **changes,
        }
    )


def test_all_networks_take_their_turn_in_every_round():
    log, rounds = [], []
    found = take_turns([Fake(name, log, 0.0) for name in "abc"], 3, 2, lambda: rounds.append(len(log)))
    assert "".join(log) == "abc" + "cba" + "abc" and rounds == [3, 6, 9]
    assert [times[:, 0].tolist() for times in found] == [[1, 6, 7], [2, 5, 8], [3, 4, 9]]
    assert all(times.shape == (3, 2) for times in found)


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_a_network_is_timed_in_a_process_of_its_own(onnx_file, engine):
    with Worker(task(onnx_file(), engine)) as worker:
        assert worker.process.pid != os.getpid() and worker.opened["output"] == [1, 5, 32, 64]
        assert len(worker.time(3)) == 3 and all(0 < seconds < 5 for seconds in worker.time(2))
        assert worker.last["peak_memory_mb"] >= worker.opened["idle_memory_mb"] > 5
    assert worker.process.returncode is not None


def test_torch_is_not_in_the_memory_of_other_engines(onnx_file):
    """Nor is the memory of this process, which getrusage would report for a child as its own."""
    ballast = np.ones(60_000_000)  # 460 MiB
    with Worker(task(onnx_file())) as worker:
        worker.time(1)
        assert worker.last["peak_memory_mb"] < 200 < peak_memory_mb("cpu") and ballast.all()


def test_one_process_waits_while_another_is_timed(onnx_file):
    with Worker(task(onnx_file(), threads=2)) as first, Worker(task(onnx_file())) as second:
        used = first.time(1), first.last["cpu_s"]
        for _ in range(5):
            second.time(200)
            time.sleep(0.05)
        first.time(1)
        assert first.last["cpu_s"] - used[1] < 0.1


def test_what_the_engine_says_is_told_in_one_line(tmp_path):
    file = tmp_path / "broken.onnx"
    file.write_bytes(b"nonsense")
    with pytest.raises(InputError, match=r"^net: onnxruntime cannot run it: .*broken\.onnx") as caught:
        Worker(task(file))
    assert "\n" not in str(caught.value)


def test_a_process_that_dies_is_told(onnx_file):
    with Worker(task(onnx_file())) as worker:
        os.kill(worker.process.pid, signal.SIGKILL)
        with pytest.raises(InputError, match="net: onnxruntime cannot run it: its process ended with code -9"):
            worker.time(1)
