"""``ssr-nas latency``: from options to a table's file and back."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from experiments.cli import main
from experiments.runs.environment import processor_name
from nas_space.latency import LatencyTable

TINY = (
    "--space.stem=4 --space.widths=8,12 --space.depths=[[1,2],[1,2]] --space.dilations=1,4 --space.span=2 "
    "--space.step=2 --size=32x64 --classes=3 --rounds=1"
).split()


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[str, dict[str, Any]]:
    """What is printed for people, and what ``--json`` prints on the last line."""
    assert main(["latency", *arguments, "--json"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    *text, last = captured.out.splitlines()
    return "\n".join(text), json.loads(last)


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["latency", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1
    return captured.err.removeprefix("ssr-nas latency: error: ").rstrip()


def test_a_table_is_measured_then_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "new" / "table.json")
    text, result = answer(capsys, *TINY, "--out", out)
    assert set(result) == {"file", "engine", "device", "threads", "fixed_ms", "operators", "seconds"}
    assert (result["file"], result["engine"], result["threads"], result["operators"]) == (out, "onnxruntime", 1, 8)
    table = LatencyTable.load(out)
    assert table.fixed_ms == result["fixed_ms"] and table.space.widths == (8, 12)
    for part in (
        "onnxruntime",
        table.versions["onnxruntime"],
        processor_name(),
        "float32",
        "1 thread",
        "32x64",
        table.date,
        "d4s2",
        out,
    ):
        assert part in text
    assert list((tmp_path / "new").iterdir()) == [Path(out)]

    text, result = answer(capsys, "--table", out, "--check", "4", "--rounds", "2")
    assert {"rank_correlation", "rank_correlation_macs", "median_relative_error"} <= set(result)
    assert len(result["networks"]) == 4
    assert all(set(network) == {"measured_ms", "predicted_ms", "macs"} for network in result["networks"])
    assert "rank correlation" in text and "MACs" in text and "median relative error" in text

    assert refusal(capsys, *TINY, "--out", out) == f"--out {out}: exists already; choose another --out"
    text = refusal(capsys, "--table", out, "--engine", "torch")
    assert (
        text == f"--engine torch: {out} was measured with onnxruntime; leave the option out, or measure another table"
    )
    text = refusal(capsys, "--table", out, "--preset", "paper")
    assert "space.stem is 4, but 16 is needed; measure one with: ssr-nas latency --preset paper --size 32x64" in text


def test_a_table_of_another_processor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "table.json"
    answer(capsys, *TINY, "--out", str(out), "--engine", "torch")
    data = json.loads(out.read_text())
    out.write_text(json.dumps({**data, "device": "an abacus"}))
    text, _ = answer(capsys, "--table", str(out), "--check", "2", "--rounds", "1", *TINY[:-3])
    assert f"measured on an abacus, checked on {processor_name()}" in text


@pytest.mark.parametrize(
    ("arguments", "culprit"),
    [
        (["--engine", "tensorrt"], "engine: unknown 'tensorrt'"),
        (["--threads", "0"], "threads"),
        (["--rounds", "0"], "rounds"),
        (["--classes", "0"], "classes"),
        (["--check", "-1"], "check"),
        (["--check", "1"], "at least 2"),
        (["--size", "96"], "size"),
        (["--table", "nowhere.json"], "nowhere.json: no such file"),
        (["--space.preset", "huge"], "huge"),
    ],
)
def test_bad_input_is_named_in_one_line(
    arguments: list[str],
    culprit: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert culprit in refusal(capsys, *arguments)
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert "its folder cannot be made" in refusal(capsys, "--out", str(tmp_path / "file" / "table.json"))


def test_an_engine_that_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    text = refusal(capsys, "--engine", "openvino", "--out", str(tmp_path / "table.json"))
    assert text == "engine: openvino is not installed; pip install 'ssr-nas[deploy]'"


def test_help_names_the_options(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["latency", "--help"]) == 0
    assert "measure this many random networks whole as well" in " ".join(capsys.readouterr().out.split())
