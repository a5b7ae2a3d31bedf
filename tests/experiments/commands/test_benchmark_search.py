"""``ssr-nas benchmark search``: both sides in child processes, on a tiny space; its mistakes in one line."""

import json
from pathlib import Path
from typing import Any

import pytest

from experiments.cli import main

TINY = (
    "--space.stem=4 --space.widths=8,12,16 --space.depths=[[1,2],[1],[1,2]] --space.dilations=1,4 "
    "--space.span=2,0,2 --space.step=1 --size=64x64 --classes=3 --rounds=1 --steps=1 --device=cpu"
).split()


@pytest.fixture(autouse=True)
def one_thread_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def test_a_comparison(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new" / "speed.png"
    assert main(["benchmark", "search", *TINY, "--json", "--out", str(out)]) == 0
    *text, last = capsys.readouterr().out.splitlines()
    result: dict[str, Any] = json.loads(last)
    assert {"ratio", "ratio_spread", "ours_s", "nni_s", "peak_memory_ratio", "device"} <= set(result)
    low, high = result["ratio_spread"]
    assert 0 < low <= result["ratio"] <= high and result["ratio"] == pytest.approx(result["nni_s"] / result["ours_s"])
    assert result["images_per_s"]["ours"] == pytest.approx(4 / result["ours_s"])
    most = result["convolution_peak_macs_per_s"]
    for side in ("ours", "nni"):
        assert result["mac_utilisation"][side] == pytest.approx(result["macs"][side] / result[f"{side}_s"] / most)
    assert most > 0 and result["macs"]["ours"] < result["macs"]["nni"]
    assert [row["share"] for row in result["shrinking"]] == [1.0, 0.5, 0.25, 0.1]
    work = [row["macs"] for row in result["shrinking"]]
    assert work == sorted(work, reverse=True) and work[-1] < work[0] / 2 and work[0] == result["macs"]["ours"]
    assert [row["size"] for row in result["pixels"]] == ["32x32", "32x64", "64x64"]
    assert "one bi-level iteration" in "\n".join(text) and out.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "culprit"),
    [
        (["--batch", "1"], "batch: 1 must be at least 2"),
        (["--rounds", "0"], "rounds: 0 must be at least 1"),
        (["--steps", "0"], "steps: 0 must be at least 1"),
        (["--size", "64"], "size '64'"),
        (["--precision", "16"], "precision: unknown '16'"),
        (["--space.search", "[]"], "space.search: nothing is searched"),
        (["--out", __file__], "exists already"),
        (["--device", "tpu"], "device: unknown 'tpu'"),
    ],
)
def test_mistakes(arguments: list[str], culprit: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["benchmark", "search", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1 and culprit in captured.err
