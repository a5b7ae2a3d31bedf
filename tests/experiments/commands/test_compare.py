"""A comparison end to end in child processes, and its reuse of what is there."""

import json
from pathlib import Path

import pytest

from experiments.cli import main

SMALL = ["--space.dilations", "1,2", "--space.depths", "[[1, 2], [2, 3]]", "--space.span", "8"]
TINY = [*SMALL, "--data.size", "32x40", "--data.limit", "8", "--data.batch", "4", "--device", "cpu"]
TINY += ["--epochs", "1", "--retrain_epochs", "1"]
COUNTS = ["--strategies", "ssr", "--seeds", "0", "--random", "1", "--control", "true"]


@pytest.mark.slow
def test_one_table_and_nothing_twice(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "compare"
    assert main(["compare", *TINY, *COUNTS, "--out", str(out)]) == 0
    rows = {row["network"]: row for row in json.loads((out / "compare.json").read_text())["rows"]}
    assert set(rows) == {"ssr-0", "shuffled-0", "baseline1", "random-0"}
    assert all(row["retrained"] is not None for row in rows.values())
    assert rows["ssr-0"]["search_miou"] is not None and rows["random-0"]["search_miou"] is None
    assert (out / "entropy.png").is_file() and (out / "compare.md").is_file() and (out / "compare.csv").is_file()

    proofs = {path: path.stat().st_mtime_ns for path in out.rglob("*.json") if path.name in ("search.json", "retrain.json")}
    (out / "retrain" / "baseline1-seed0" / "retrain.json").unlink()
    assert main(["compare", *TINY, *COUNTS, "--out", str(out)]) == 0
    changed = {path.parent.name for path, time in proofs.items() if path.stat().st_mtime_ns != time}
    assert changed == {"baseline1-seed0"}
    again = {row["network"]: row for row in json.loads((out / "compare.json").read_text())["rows"]}
    assert again["baseline1"] == rows["baseline1"]

    capsys.readouterr()
    assert main(["compare", *TINY, *COUNTS, "--train.lr", "0.01", "--out", str(out)]) == 2
    assert "'train'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "culprit"),
    [
        (["--strategies", "ssr,nothing"], "nothing"),
        (["--references", "baseline9"], "baseline9"),
        (["--workers", "0"], "workers"),
        (["--seeds", "[]"], "seed"),
        (["--method.h", "1.5"], "method.h"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], culprit: str
) -> None:
    assert main(["compare", *arguments, "--out", str(tmp_path / "compare")]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and culprit in lines[0]
    assert not (tmp_path / "compare").exists()
