"""``ssr-nas latency``: from options to a table's file and back."""

import json
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from experiments.benchmark import table_check
from experiments.benchmark.table_check import MeasuredNetwork, TableAccuracy
from experiments.cli import main
from experiments.runs.environment import processor_name
from nas_space.latency import LatencyTable

TINY = (
    "--space.stem=4 --space.widths=8,12 --space.depths=[[1,2],[1,2]] --space.dilations=1,4 --space.span=2 "
    "--space.step=2 --size=32x64 --classes=3"
).split()
ONE = [*TINY, "--space.poolings=1", "--space.dilations=1", "--rounds=1"]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "ssr-nas" / "latency"


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


def test_a_table_is_measured_then_found_in_the_cache(
    cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "new" / "table.json")
    text, result = answer(capsys, *ONE, "--out", out)
    (row,) = result["tables"]
    keys = {"file", "engine", "precision", "threads", "device", "head", "date", "fixed_ms", "operators"}
    assert set(row) == keys and set(result) == {"tables", "seconds"}
    assert (row["file"], row["engine"], row["threads"], row["operators"]) == (out, "onnxruntime", 1, 2)
    table = LatencyTable.load(out)
    assert table.fixed_ms == row["fixed_ms"] and table.space.widths == (8, 12)
    for part in ("latency table: measuring", table.versions["onnxruntime"], processor_name(), "fp32", "1 thread"):
        assert part in text
    assert "a narrower 1x3 saves nothing with onnxruntime, fp32" in text and f"table  {out}" in text
    assert list((tmp_path / "new").iterdir()) == [Path(out)] and len(list(cache.iterdir())) == 1

    text, result = answer(capsys, *ONE)
    assert text.startswith(f"latency table: cached of {table.date}, {cache}")
    assert result["tables"][0]["fixed_ms"] == table.fixed_ms

    assert refusal(capsys, *ONE, "--out", out) == f"--out {out}: exists already; choose another --out"
    text = refusal(capsys, "--table", out, "--engine", "openvino")
    fix = "leave the option out, or measure another table"
    assert text == f"--engine openvino: {out} was measured with onnxruntime; {fix}"
    assert "--head aggregation: " in refusal(capsys, "--table", out, "--head", "aggregation")
    text = refusal(capsys, "--table", out, "--preset", "paper")
    assert "space.stem is 4, but 16 is needed; measure one with: ssr-nas latency --preset paper --size 32x64" in text


def test_several_tables_are_checked_in_one_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    checked: list[tuple[str, str, int]] = []

    def check(table: LatencyTable, count: int, progress: object) -> TableAccuracy:
        checked.append((table.engine, table.precision, table.threads))
        networks = tuple(MeasuredNetwork(10.0 * i, 11.0 * i, i) for i in range(1, count + 1))
        return TableAccuracy(networks, networks[0], 0.25)

    monkeypatch.setattr(table_check, "check_table", check)
    text, result = answer(capsys, *ONE, "--threads", "1,2", "--check", "4")
    assert checked == [("onnxruntime", "fp32", 1), ("onnxruntime", "fp32", 2)]
    assert "| onnxruntime | fp32 | 2 | 1.000 | 1.000 | 10.0 % | 1.100 | 0.25 |" in text
    assert "4 random networks, exported, took 10.000 to 40.000 ms" in text
    assert [len(row["networks"]) for row in result["tables"]] == [4, 4]


def test_a_real_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text, result = answer(capsys, *ONE, "--check", "2", "--argmax", "true", "--pixels", "true")
    (row,) = result["tables"]
    assert len(row["networks"]) == 2 and all(net["measured_ms"] > 0 for net in row["networks"])
    assert "pixels, argmax" in text and "rank correlation" in text


def test_a_table_of_another_processor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    out = tmp_path / "table.json"
    answer(capsys, *ONE, "--out", str(out))
    data = json.loads(out.read_text())
    out.write_text(json.dumps({**data, "device": "an abacus"}))
    accuracy = TableAccuracy((MeasuredNetwork(1.0, 1.0, 1.0),) * 2, MeasuredNetwork(1.0, 1.0, 1.0), 0.0)
    monkeypatch.setattr(table_check, "check_table", lambda *_, **__: accuracy)
    text, _ = answer(
        capsys, "--table", str(out), "--check", "2", *TINY[:-2], "--space.dilations=1", "--space.poolings=1"
    )
    assert f"measured on an abacus, checked on {processor_name()}" in text


@pytest.mark.parametrize(
    ("arguments", "culprit"),
    [
        (["--engine", "tensorrt"], "engine: unknown 'tensorrt'"),
        (["--engine", "onnxruntime,torch"], "engine: unknown 'torch'"),
        (["--precision", "fp16"], "precision: unknown 'fp16'"),
        (["--head", "tail"], "head: this space has no 'tail'"),
        (["--threads", "1,0"], "threads"),
        (["--rounds", "0"], "rounds"),
        (["--classes", "0"], "classes"),
        (["--check", "-1"], "check"),
        (["--check", "1"], "at least 2"),
        (["--size", "96"], "size"),
        (["--table", "nowhere.json"], "nowhere.json: no such file"),
        (["--space.preset", "huge"], "huge"),
        (["--threads", "1,2", "--out", "table.json"], "--out table.json: holds one table, not 2"),
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
    assert main(["latency", "--help_all"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "export and time this many random networks" in text and "class indices instead of logits" in text


def test_a_bundle(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "bundle.zip"
    four = ["--space.widths=8,12,16,20", "--space.depths=[[1],[1],[1],[1]]", "--space.span=2,0,0,0", "--size=64x64"]
    assert main(["latency", "pack", *ONE[:-1], *four, "--out", str(out), "--json"]) == 0
    *text, last = capsys.readouterr().out.splitlines()
    assert json.loads(last) == {"file": str(out), "networks": 6, "bytes": out.stat().st_size}
    assert "python bundle.zip --out table.json" in text[-1]
    with zipfile.ZipFile(out) as archive:
        assert {"__main__.py", "plan.json"} <= set(archive.namelist())
    assert main(["latency", "pack", "--out", str(out)]) == 2
    assert "exists already" in capsys.readouterr().err and [file.name for file in tmp_path.iterdir()] == ["bundle.zip"]


def test_the_head_of_a_search_is_encoder_in_every_space(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "table.json")
    three = ["--space.widths=8,12,16", "--space.depths=[[1],[1],[1]]", "--head=encoder"]
    answer(capsys, *ONE, *three, "--out", out)
    assert LatencyTable.load(out).head == "fusion"
    assert "fusion" in answer(capsys, "--table", out, "--head", "encoder")[0]
    assert "--head aggregation: " in refusal(capsys, "--table", out, "--head", "aggregation")
