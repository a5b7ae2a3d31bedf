"""The command ``landscape``: what is there is not trained again, and what cannot go on is refused in one line."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from forked import ForkServer

from experiments.cli import main
from experiments.landscape import build
from experiments.landscape.plan import Planned
from experiments.landscape.table import TABLE, Trained, read_landscape
from experiments.runs.environment import processor_name
from experiments.runs.lock import locked

TINY = ["--data.size", "32x40", "--data.limit", "4", "--data.batch", "4", "--epochs", "1", "--device", "cpu"]
TINY += ["--space.dilations", "1,2", "--space.depths", "[[1, 2], [1, 2]]"]
OnEnd = Callable[[Planned, Trained | str], None]


def trained(one: Planned) -> Trained:
    dilated = sum(layer.dilation + layer.pooling for stage in one.architecture.stages for layer in stage)
    return Trained(**vars(one), miou=0.1 + 0.02 * dilated + 0.001 * one.seed, macs=5.0, params=6, minutes=0.7)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Nothing is trained: every network has a score at once. The list holds what was asked for."""
    asked: list[str] = []

    def train_all(trainings: Sequence[Planned], config: Path, processes: int, threads: int, on_end: OnEnd) -> None:
        for one in trainings:
            asked.append(f"{one.name}/{one.seed}")
            on_end(one, trained(one))

    monkeypatch.setattr(build, "train_all", train_all)
    return asked


def run(out: Path, *arguments: str) -> int:
    return main(["landscape", *TINY, *arguments, "--out", str(out)])


def test_nothing_is_trained_twice(tmp_path: Path, calls: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    assert run(out, "--networks", "3", "--seeds", "0") == 0
    assert calls == ["baseline1/0", "baseline2/0", "random-0/0", "random-1/0", "random-2/0"]
    facts = json.loads((out / "landscape.json").read_text())
    del facts["calls"]  # as of an earlier version
    (out / "landscape.json").write_text(json.dumps({**facts, "machine": "elsewhere"}))
    lines = (out / TABLE).read_text().splitlines()
    (out / TABLE).write_text("\n".join([*lines[:2], *lines[3:]]) + "\n")  # as if baseline2 was not done
    calls.clear()
    assert main(["landscape", "--resume", str(out), "--networks", "4", "--seeds", "0,1"]) == 0
    assert calls[:2] == ["baseline2/0", "random-3/0"] and len(calls) == 8
    assert (out / TABLE).read_text().splitlines()[:6] == lines
    calls.clear()
    capsys.readouterr()
    assert run(out, "--networks", "2", "--json") == 0 and calls == []  # nothing is lost either
    read = read_landscape(out)
    assert len(read.rows) == 12 and read.facts["recipe"]["epochs"] == 1 and read.facts["data"]["train_images"] == 4
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["trainings"] == 12 and result["seed_correlation"] == pytest.approx(1.0) and result["failed"] == []
    assert result["best"]["miou"] == pytest.approx(max(row.miou for row in read.rows) - 0.0005)
    assert read.facts["summary"]["baseline2"]["percentile"] == result["baseline2"]["percentile"]
    assert main(["landscape", "--resume", str(out), "--seeds", "0"]) == 0 and calls == []
    facts = read_landscape(out).facts  # of all calls, not of the last
    assert (facts["networks"], facts["seeds"]) == (4, [0, 1])
    told = [(call["done_before"], call["machine"]) for call in facts["calls"]]
    assert told == [(0, "elsewhere"), (4, processor_name())]


def test_a_failure_is_told_and_tried_again(
    tmp_path: Path, calls: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    works = build.train_all

    def fails(trainings: Sequence[Planned], *rest: Any) -> None:
        *others, on_end = rest
        works(
            trainings, *others, lambda one, row: on_end(one, "the loss became nan" if one.name == "random-0" else row)
        )

    monkeypatch.setattr(build, "train_all", fails)
    four = ["--space.search", "pooling", "--space.depths", "[[1], [1]]"]
    assert run(tmp_path, *four, "--networks", "9", "--seeds", "0") == 1
    told = capsys.readouterr()
    assert "networks 9: the space has only 3 networks beside the hand-made ones; all are trained" in told.err
    assert "landscape: random-0, seed 0 has failed: the loss became nan" in told.err
    assert "failed      1 trainings; the same command tries them again" in told.out
    monkeypatch.setattr(build, "train_all", works)
    calls.clear()
    assert main(["landscape", "--resume", str(tmp_path)]) == 0 and calls == ["random-0/0"]


def test_what_cannot_go_on_is_refused(tmp_path: Path, calls: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    out, other = tmp_path / "run", tmp_path / "other"
    assert run(out, "--networks", "1", "--seeds", "0") == 0
    config = (out / "config.yml").read_text()
    (out / "config.yml").write_text(config.replace("lr: 0.003", "lr: 0.004"))
    before = {path: path.read_bytes() for path in out.iterdir()}
    other.mkdir()
    (other / "notes.txt").write_text("mine")
    capsys.readouterr()
    cases = [
        (
            ["--out", str(out), "--train.lr", "0.1"],
            f"--out {out}: was begun with another 'train.lr' (0.004, now 0.1); ",
        ),
        (["--out", str(other)], f"--out {other}: holds files already, and no landscape; choose another --out"),
        (["--resume", str(out), "--epochs", "9"], "--resume takes every other option from"),
        (["--resume", str(other)], f"{other}: not a run"),
        (["--resume", str(out)], "landscape.csv were made with another recipe; choose another --out"),
    ]
    for arguments, problem in cases:
        tiny = [] if "--resume" in arguments else TINY
        assert main(["landscape", *tiny, *arguments]) == 2
        (line,) = capsys.readouterr().err.strip().splitlines()[-1:]
        assert problem in line
    with locked(out):
        assert main(["landscape", "--resume", str(out)]) == 2
    assert "is working in this run" in capsys.readouterr().err
    assert main(["search", "--resume", str(out)]) == 2
    assert "the run of a landscape; go on with it by ssr-nas landscape --resume" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in out.iterdir() if path.name != ".lock"} == {
        path: content for path, content in before.items() if path.name != ".lock"
    }
    assert {path.name for path in other.iterdir()} == {"notes.txt"}


@pytest.mark.slow
def test_killed_and_resumed_in_processes(tmp_path: Path, forked: ForkServer) -> None:
    """A landscape that is killed in the middle ends in the table of one that is not."""
    import os
    import signal
    import subprocess
    import time

    from experiments.runs.processes import module_command

    shared = ("--networks", "2", "--seeds", "0,1", "--threads", "1")  # other threads, other rounding
    arguments = [*TINY, *shared, "--processes", "2"]
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    with forked():
        assert run(whole, *shared, "--processes", "1") == 0
    command = module_command("experiments.cli", "landscape", *arguments, "--out", str(parts))
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with forked(spares=2):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    while process.poll() is None and (not (parts / TABLE).is_file() or (parts / TABLE).read_text().count("\n") < 2):
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert 1 <= len(read_landscape(parts).rows) < 8
    with forked():
        assert main(["landscape", "--resume", str(parts)]) == 0
    first, second = (
        [(row.name, row.architecture, row.seed, row.miou) for row in read_landscape(folder).rows]
        for folder in (whole, parts)
    )
    assert first == second and len(first) == 8
