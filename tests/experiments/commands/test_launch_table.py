"""What ``ssr-nas launch`` prints at its end, and two that want one folder."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from experiments.cli import main
from experiments.commands import launch
from experiments.nni_manager.records import Record, Trial
from experiments.runs.folder import new_run


def test_numbers_of_the_last_table_keep_what_tells_them_apart(capsys: pytest.CaptureFixture[str]) -> None:
    rates = (0.004, 0.0044, 0.02)
    results = ({"default": 0.00004, "macs": 20e6}, {"default": 0.48712, "macs": 20.04e6}, {})
    trials = [
        Trial(f"t{i}", i, "SUCCEEDED", {"method.lr": rate, "method.note": f"a\x1b[2J{i}"}, result)
        for i, (rate, result) in enumerate(zip(rates, results, strict=True))
    ]
    with pytest.raises(RuntimeError, match="no trial has left a network"):
        launch._report(Record("mine", tuple(trials)), "aBc12", None, None)
    rows = [line.split() for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert rows[1] == ["t0", "SUCCEEDED", "0.004", "a\\x1b[2J0", "0.004", "20.0"]
    assert rows[2] == ["t1", "SUCCEEDED", "0.0044", "a\\x1b[2J1", "48.7", "20.04"]
    assert rows[3] == ["t2", "SUCCEEDED", "0.02", "a\\x1b[2J2"]


def test_a_folder_that_another_launch_holds_is_refused_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = SimpleNamespace(training_service=SimpleNamespace(platform="local"))
    monkeypatch.setattr(launch, "_prepare", lambda options: (SimpleNamespace(config=config), 1))
    monkeypatch.setattr(launch, "machines", lambda config: [])
    monkeypatch.setattr(launch, "check_ports", lambda *_: None)
    monkeypatch.setattr(launch, "start_manager", lambda *_: pytest.fail("was started"))
    with new_run(str(tmp_path), "launch", ""):
        assert main(["launch", "mine.yml", "--out", str(tmp_path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "another process" in line and "choose another --out" in line
