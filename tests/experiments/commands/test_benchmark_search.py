"""``ssr-nas benchmark search``: both sides in child processes, on a tiny space; its mistakes in one line."""

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from experiments.benchmark.search import peak
from experiments.benchmark.search.child import Child, Problem
from experiments.benchmark.search.rounds import summarise
from experiments.benchmark.search.side import once_an_input, share_pooling
from experiments.cli import main
from nas_space import space as space_module
from nas_space.blocks import pool
from nas_space.config import SpaceConfig

TINY = (
    "--space.stem=4 --space.widths=8,12 --space.depths=[[1,2],[1,2]] --space.dilations=1,4 --space.span=2 "
    "--space.step=1 --size=64x64 --classes=3 --rounds=1 --steps=1 --device=cpu"
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


def test_a_child_that_fails_says_so() -> None:
    space = SpaceConfig.compact()
    with (
        pytest.raises(RuntimeError, match="nni"),
        Child("nni", Problem(space, (0, 0), 2, 3, "32", "cpu", 0), "contiguous") as child,
    ):
        child.seconds(1)


def test_the_ratio_is_that_of_the_rounds() -> None:
    """Rounds in which the machine was slow for both sides do not move it."""
    summary = summarise((1.0, 10.0, 1.0), (3.0, 30.0, 4.0))
    assert summary == {"ours_s": 1.0, "nni_s": 4.0, "ratio": 3.0, "ratio_spread": [3.0, 4.0]}


@pytest.mark.parametrize("precision", ["32", "bf16"])
def test_the_peak_is_that_of_the_fastest_convolution(precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The third call, of the first shape, takes 2 s, others 4 s: those of the last shape are still twice as fast."""
    ticks, now = itertools.count(1), [0.0]

    def looked(device: str) -> float:
        number = next(ticks)
        if number % 2 == 0:
            now[0] += 2.0 if number == 6 else 4.0
        return now[0]

    monkeypatch.setattr(peak, "now", looked)
    assert peak.convolution_peak("cpu", precision) == 2 * 256 * 256 * 3 * 3 * 32 * 64 / 4
    assert next(ticks) == 1 + 2 * 3 * 2 * peak.CALLS  # three shapes, two layouts


def test_candidates_share_one_pooling(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def counted(x: torch.Tensor, pooling: int) -> torch.Tensor:
        calls.append(pooling)
        return pool(x, pooling)

    monkeypatch.setattr(space_module, "pool", counted)  # and what the benchmark replaces is undone
    candidates = [space_module.MutableOperator(4, (4,), dilation, 2) for dilation in (1, 2, 4)]
    share_pooling()
    x = torch.randn(1, 4, 8, 8)
    for candidate in candidates:
        candidate(x)
    assert calls == [2]


def test_a_pooling_of_another_name_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(space_module, "pool")
    with pytest.raises(RuntimeError, match=r"nas_space\.space has no name pool"):
        share_pooling()


def test_nni_pools_once_an_input() -> None:
    calls = []

    def counted(x: torch.Tensor, pooling: int) -> torch.Tensor:
        calls.append(pooling)
        return pool(x, pooling)

    shared, x = once_an_input(counted), torch.randn(1, 2, 4, 4, requires_grad=True)
    first = shared(x, 2)
    assert shared(x, 2) is first and shared(x, 1) is x and calls == [2, 1]
    with torch.no_grad():
        assert shared(x, 2) is not first
    assert torch.equal(shared(x + 1, 2), pool(x + 1, 2)) and calls == [2, 1, 2, 2]
