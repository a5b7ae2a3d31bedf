"""The number of threads: what is chosen from measurements, when it is measured, and what stays as it was."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch

from experiments.cli import main
from experiments.prediction.options import Views
from experiments.prediction.segmenter import TorchSegmenter
from experiments.runs.threads import (
    BLAS_SPIN,
    MARGIN,
    PERIOD,
    SPIN,
    Threads,
    candidates,
    check_threads,
    choose,
    computing,
    sleep_while_waiting,
    stay_within_limit,
    time_work,
)
from nas_space.errors import InputError


@pytest.mark.parametrize(
    ("cores", "numbers"),
    [(1, [1]), (2, [2, 1]), (3, [3, 2, 1]), (4, [4, 3, 2, 1]), (16, [16, 15, 8, 1])],
)
def test_numbers_to_choose_from(cores: int, numbers: list[int]) -> None:
    assert candidates(cores) == numbers


def test_the_fastest_is_chosen_where_it_is_clearly_faster() -> None:
    assert choose({2: 1.0, 1: 0.5}, 2) == 1
    assert choose({2: 0.5, 1: 1.0}, 1) == 2
    assert choose({2: 1.0, 1: MARGIN + 0.01}, 2) == 2 and choose({2: MARGIN + 0.01, 1: 1.0}, 1) == 1
    assert choose({8: 3.0, 7: 0.2, 4: 0.3, 1: 1.0}, 8) == 7


class Machine:
    """Two cores. While one is busy, two threads need three times as long as one."""

    busy = False
    time = 0.0
    measured = 0

    def measure(self, threads: int) -> float:
        self.measured += 1
        return 3.0 if self.busy and threads == 2 else 1.0 / threads


@pytest.fixture
def machine() -> Machine:
    return Machine()


def threads_of(machine: Machine, told: list[int], choices: tuple[int, ...] = (2, 1)) -> Threads:
    return Threads(choices, machine.measure, lambda: machine.time, told.append)


def test_a_core_that_becomes_busy_and_free_again(machine: Machine) -> None:
    told: list[int] = []
    threads = threads_of(machine, told)
    used = []
    for step in range(60):
        machine.time += 1.0
        machine.busy = 15 <= step < 35
        threads.refresh()
        used.append(torch.get_num_threads())
    assert told == [1, 2]
    assert used[:15] == [2] * 15 and used[15 + int(PERIOD) : 35] == [1] * 10 and used[35 + int(PERIOD) :] == [2] * 15
    assert machine.measured == 2 * 6  # both numbers, every ten of sixty seconds


def test_a_machine_that_is_busy_at_the_start(machine: Machine) -> None:
    machine.busy = True
    threads = threads_of(machine, [])
    threads.refresh()
    assert threads.current == torch.get_num_threads() == 1


def test_one_number_is_never_measured(machine: Machine) -> None:
    threads_of(machine, [], (2,)).refresh()
    assert machine.measured == 0


def test_the_piece_of_work_leaves_the_random_state_and_gradients_alone() -> None:
    state = torch.get_rng_state()
    with torch.inference_mode():
        assert time_work(1) > 0.0
    assert torch.equal(torch.get_rng_state(), state) and torch.get_num_threads() == 1


def test_the_number_that_is_asked_for_is_used_and_told(capsys: pytest.CaptureFixture[str]) -> None:
    with computing(3) as threads:
        assert torch.get_num_threads() == threads.current == 3
    assert torch.get_num_threads() == 1 and capsys.readouterr().err == "threads     3 of 1\n"


def test_as_before_after_a_failure() -> None:
    with pytest.raises(ZeroDivisionError), computing(2):
        raise ZeroDivisionError
    assert torch.get_num_threads() == 1


@pytest.mark.parametrize("how", ["environment", "shared"])
def test_nothing_is_chosen(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the user has set the number, or others compute on the same cores."""
    torch.set_num_threads(4)
    if how == "environment":
        monkeypatch.setenv("OMP_NUM_THREADS", "4")
    with computing(None, measured=how == "environment", quiet=True) as threads:
        assert list(threads.choices) == [4]


def test_several_cores_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    torch.set_num_threads(4)
    with computing(None, quiet=True) as threads:
        assert list(threads.choices) == [4, 3, 2, 1] and threads.current == torch.get_num_threads()
    assert torch.get_num_threads() == 4


@pytest.mark.parametrize("number", [0, -1, 1025])
def test_a_number_without_sense(number: int) -> None:
    with pytest.raises(InputError, match=f"threads: {number} must be from 1 to 1024"):
        check_threads(number)
    check_threads(None)


@pytest.mark.parametrize(
    ("environment", "number"),
    [
        ({"OMP_THREAD_LIMIT": "1"}, "1"),
        ({"OMP_THREAD_LIMIT": "1", "OMP_NUM_THREADS": "4"}, "1"),
        ({"OMP_THREAD_LIMIT": "2", "OMP_NUM_THREADS": "4,2"}, "2"),
        ({"OMP_THREAD_LIMIT": "4", "OMP_NUM_THREADS": "3"}, "3"),
        ({"OMP_THREAD_LIMIT": "4096"}, None),
        ({"OMP_THREAD_LIMIT": "many"}, None),
        ({}, None),
    ],
)
def test_torch_takes_no_more_threads_than_the_limit(environment: dict[str, str], number: str | None) -> None:
    stay_within_limit(environment)
    assert environment.get("OMP_NUM_THREADS") == number


def test_more_threads_than_the_limit_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_THREAD_LIMIT", "2")
    check_threads(2)
    with pytest.raises(InputError, match="threads: 3 is more than OMP_THREAD_LIMIT=2 allows; choose at most 2, or"):
        check_threads(3)


@pytest.mark.parametrize(
    "command",
    [
        ["export lowering"],
        ["benchmark", "--arch", "baseline1", "--engine", "torch"],
        ["evaluate", "--checkpoint", "nothing"],
    ],
    ids=lambda command: command[0],
)
def test_commands_refuse_more_threads_than_the_limit(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OMP_THREAD_LIMIT", "2")
    assert main([*command[0].split(), *command[1:], "--threads", "3"]) == 2
    assert "threads: 3 is more than OMP_THREAD_LIMIT=2 allows" in capsys.readouterr().err


@pytest.mark.parametrize(
    "command",
    [
        ["search"],
        ["retrain", "--arch", "baseline1"],
        ["evaluate", "--checkpoint", "nothing"],
        ["predict", "nothing.png", "--checkpoint", "nothing"],
    ],
    ids=lambda command: command[0],
)
def test_every_command_that_computes_refuses_it(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command, "--threads", "0"]) == 2
    assert "threads: 0 must be from 1 to 1024" in capsys.readouterr().err


def test_waiting_threads_sleep_unless_the_user_has_said_otherwise() -> None:
    for given, added in (
        ({}, {SPIN[0], BLAS_SPIN}),
        ({"OMP_WAIT_POLICY": "active"}, {BLAS_SPIN}),
        ({"GOMP_SPINCOUNT": "5", BLAS_SPIN: "20"}, set()),
    ):
        environment = dict(given)
        sleep_while_waiting(environment)
        assert environment.items() >= given.items() and environment.keys() - given == added


def test_it_is_set_before_torch_is_loaded(tmp_path: Path) -> None:
    code = "import sys, os, experiments.cli as cli; cli.main(['--version']); "
    code += "print({'numpy', 'torch'} & sys.modules.keys(), os.environ)"
    environment = {name: value for name, value in os.environ.items() if name not in (*SPIN, BLAS_SPIN)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert "set()" in done.stdout and SPIN[0] in done.stdout and BLAS_SPIN in done.stdout


class Counter:
    """Counts how often it is asked."""

    refreshed = 0

    def refresh(self) -> None:
        self.refreshed += 1


TINY = ["--epochs", "1", "--data.limit", "6", "--data.size", "32x32", "--data.batch", "2", "--device", "cpu"]


@pytest.mark.parametrize(
    ("command", "module", "least"),
    [
        (["search", *TINY], "experiments.search.prepare", 3),
        (["search", *TINY, "--strategy", "random", "--method.samples", "2"], "experiments.search.prepare", 2),
        (["retrain", "--arch", "baseline1", *TINY], "experiments.training.retrain", 6),
    ],
    ids=["search", "sampled networks", "retrain"],
)
def test_every_training_looks_between_two_steps(
    command: list[str], module: str, least: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counter = Counter()

    @contextmanager
    def counting(*_: object, **__: object) -> Iterator[Counter]:
        yield counter

    monkeypatch.setattr(f"{module}.computing", counting)
    assert main([*command, "--out", str(tmp_path / "run")]) == 0
    assert counter.refreshed >= least


def test_a_segmenter_looks_between_two_images() -> None:
    counter = Counter()
    segmenter = TorchSegmenter(torch.nn.Conv2d(3, 2, 1), Views((32, 32), (1.0,), False), threads=counter)
    for _ in range(3):
        segmenter(np.zeros((32, 32, 3), np.uint8))
    assert counter.refreshed == 3
