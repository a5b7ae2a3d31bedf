import os
import signal
import time
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from experiments.benchmark.networks.workers import Task, Worker, take_turns
from experiments.runs.measure import peak_memory_mib
from experiments.runtime.engines import open_onnxruntime
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
    found = take_turns([Fake(name, log, 0.0) for name in "abc"], 3, 2, lambda turn: rounds.append((turn, len(log))))
    assert "".join(log) == "abc" + "cba" + "abc" and rounds == [(1, 3), (2, 6), (3, 9)]
    assert [times[:, 0].tolist() for times in found] == [[1, 6, 7], [2, 5, 8], [3, 4, 9]]
    assert all(times.shape == (3, 2) for times in found)


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_a_network_is_timed_in_a_process_of_its_own(onnx_file, engine):
    with Worker(task(onnx_file(), engine)) as worker:
        assert worker.process.pid != os.getpid() and worker.opened["output"] == [1, 5, 32, 64]
        assert len(worker.time(3)) == 3 and all(seconds > 0 for seconds in worker.time(2))
        assert worker.last["peak_memory_mb"] >= worker.opened["idle_memory_mb"] > 5
    assert worker.process.returncode is not None


def test_torch_is_not_in_the_memory_of_other_engines(onnx_file):
    """Nor is the memory of this process, which getrusage would report for a child as its own."""
    ballast = np.ones(60_000_000)  # 460 MiB
    with Worker(task(onnx_file())) as worker:
        worker.time(1)
        assert worker.last["peak_memory_mb"] < 200 < peak_memory_mib("cpu") and ballast.all()


def asleep(worker):
    """Whether all threads of its process wait for something."""
    stats = [(task / "stat").read_text() for task in Path(f"/proc/{worker.process.pid}/task").iterdir()]
    return all(stat.rpartition(")")[2].split()[0] == "S" for stat in stats)


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_one_process_waits_while_another_is_timed(onnx_file, engine):
    """Once it has answered, all its threads fall asleep, and they sleep until it is asked again."""
    with Worker(task(onnx_file(), engine, threads=2)) as first, Worker(task(onnx_file(), engine)) as second:
        first.time(1)
        deadline = time.monotonic() + 60
        while not asleep(first):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        for _ in range(5):
            second.time(20)
            assert asleep(first)
        assert len(first.time(1)) == 1


def test_threads_sleep_between_two_calls_instead_of_spinning(onnx_file, monkeypatch):
    opened, session = [], onnxruntime.InferenceSession

    def kept(*given, **named):
        opened.append(session(*given, **named))
        return opened[-1]

    monkeypatch.setattr(onnxruntime, "InferenceSession", kept)
    open_onnxruntime(onnx_file(), 2)
    (options,) = [one.get_session_options() for one in opened]
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (2, 1)


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
