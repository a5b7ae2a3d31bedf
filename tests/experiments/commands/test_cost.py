"""``ssr-nas cost``: counted by the closed form, measured at every size, written in three formats."""

import csv
import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import onnx
import pytest

from experiments.cli import main
from experiments.export.formats import FORMATS
from experiments.export.settings import ExportSettings
from nas_space.architecture import baseline1
from nas_space.config import SpaceConfig
from nas_space.cost import cost
from nas_space.network import SegmentationNetwork

TINY = SpaceConfig(
    stem=4, widths=(8, 12), depths=((1, 2, 3), (1, 3)), dilations=(1, 2, 4), poolings=(1, 2), span=4, step=2
)


@pytest.fixture
def net(tmp_path: Path) -> str:
    file = tmp_path / "net.json"
    file.write_text(baseline1(TINY).to_json())
    return str(file)


def answer(capsys, *arguments):
    assert main(["cost", *arguments, "--json"]) == 0
    captured = capsys.readouterr()
    first = captured.err.split(":")[0]
    assert first == "" if "--fps" in arguments else re.fullmatch(r"\d+x\d+", first)  # what it does, without a terminal
    text, last = captured.out.rstrip().rsplit("\n", 1)
    return text, json.loads(last)


def test_the_papers_baselines_are_counted_at_the_papers_sizes(capsys):
    text, result = answer(capsys, "--fps", "false")
    assert [(row["network"], row["size"]) for row in result["networks"]][:5] == [
        ("baseline1", size) for size in ("512x1024", "768x1536", "1024x2048", "360x480", "360x640")
    ]
    rounded = [round(row["macs_total"] / 1e9, 1) for row in result["networks"][:4]]
    assert rounded == [11.2, 25.2, 44.8, 3.7] and result["networks"][0]["params"] == 961_807
    assert (
        "| baseline1 | encoder | 512x1024 | 0.962 | 11.1 | 11.2 |" in text
        and "\nMACs G: of everything" in text
        and "| parameters M | conv MACs G | MACs G |" in text
        and result["measured"] == []
    )


def test_any_networks_at_any_sizes_are_measured(net, tmp_path, capsys):
    FORMATS["onnx"].write(
        SegmentationNetwork(baseline1(TINY), 5).eval(), tmp_path / "fixed.onnx", ExportSettings((32, 64))
    )
    options = ("--sizes", "32x64,64x64", "--rounds", "2", "--calls", "1", "--classes", "5", "--threads", "1")
    text, result = answer(
        capsys, net, "erfnet", str(tmp_path / "fixed.onnx"), *options, "--out", str(tmp_path / "new" / "table.csv")
    )
    rows = {(Path(row["network"]).name, row["size"]): row for row in result["networks"]}
    assert list(rows) == [
        ("net.json", "32x64"),
        ("net.json", "64x64"),
        ("erfnet", "32x64"),
        ("erfnet", "64x64"),
        ("fixed.onnx", "32x64"),
    ]
    exact = cost(baseline1(TINY), (64, 64), 5)
    row = rows["net.json", "64x64"]
    assert (row["params"], row["macs_conv"], row["macs_total"]) == (exact.params, exact.macs_conv, exact.macs_total)
    # The exported file scales the pooled channels of each downsampler by a convolution of their own.
    scaled = sum(c * (32 >> i) * (64 >> i) for i, c in enumerate((3, TINY.stem, TINY.widths[0]), start=1))
    assert rows["fixed.onnx", "32x64"]["macs_conv"] == rows["net.json", "32x64"]["macs_conv"] + scaled
    assert all(
        row["fps"] == pytest.approx(1000 / row["median_ms"]) and row["peak_memory_mb"] > 10 for row in rows.values()
    )
    assert [one["size"] for one in result["measured"]] == ["32x64", "64x64"]
    assert (
        len(result["notes"]) == 1
        and result["notes"][0].endswith("fixed.onnx: cannot be run at 64x64")
        and result["notes"][0] in text
    )
    with open(tmp_path / "new" / "table.csv") as file:
        assert [line["fps"] for line in csv.DictReader(file)] == [str(row["fps"]) for row in result["networks"]]


def test_counting_needs_no_engine(net, tmp_path, capsys, monkeypatch):
    FORMATS["onnx"].write(
        SegmentationNetwork(baseline1(TINY), 5).eval(), tmp_path / "fixed.onnx", ExportSettings((32, 64))
    )
    for package in ("onnx", "onnxruntime", "openvino"):
        monkeypatch.setitem(sys.modules, package, None)
    _, result = answer(capsys, net, "--fps", "false", "--sizes", "32x64", "--engine", "openvino", "--precision", "int8")
    assert result["networks"][0]["params"] == cost(baseline1(TINY), (32, 64), 19).params
    assert (
        main(["cost", net]) == 2
        and main(["cost", str(tmp_path / "fixed.onnx"), "--fps", "false", "--sizes", "32x64"]) == 2
    )
    assert capsys.readouterr().err.count("onnx is not installed; pip install 'ssr-nas[deploy]'\n") == 2


def test_a_size_that_is_too_small_for_the_stages_is_left_out(net, tmp_path, capsys):
    deep = tmp_path / "deep.json"
    deep.write_text(baseline1(replace(TINY, widths=(8, 12, 16, 20), depths=((1,),) * 4)).to_json())
    _, result = answer(capsys, str(deep), net, "--fps", "false", "--sizes", "32x64,64x64")
    assert [row["size"] for row in result["networks"]] == ["64x64", "32x64", "64x64"]
    assert result["notes"] == [f"{deep}: cannot be run at 32x64"]
    for fps in ("true", "false"):
        assert main(["cost", str(deep), "--fps", fps, "--sizes", "32x64"]) == 2
        message = f"{deep}, size: 32x64: both sides must be at least 64 pixels for 4 stages\n"
        assert capsys.readouterr().err.endswith(message)


def test_an_onnx_file_without_its_weights(tmp_path, capsys):
    file = tmp_path / "fixed.onnx"
    FORMATS["onnx"].write(SegmentationNetwork(baseline1(TINY), 5).eval(), file, ExportSettings((32, 64)))
    onnx.save(onnx.load(file), file, save_as_external_data=True, location="weights.bin", size_threshold=0)
    (tmp_path / "weights.bin").unlink()
    assert main(["cost", str(file), "--sizes", "32x64"]) == 2
    message = capsys.readouterr().err
    assert "fixed.onnx: its weights lie in another file" in message and message.count("\n") == 1


@pytest.mark.parametrize("suffix", [".md", ".json"])
def test_files(net, suffix, tmp_path, capsys):
    out = tmp_path / f"table{suffix}"
    text, result = answer(capsys, net, "--fps", "false", "--sizes", "32x64", "--out", str(out))
    content = out.read_text()
    assert (
        json.loads(content) == result
        if suffix == ".json"
        else content in text and content.startswith("| network | head | input |")
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "table.txt"], "--out table.txt: a table is written as .md, .csv or .json"),
        (["--sizes", "64x64,16x64"], "both sides must be at least 32 pixels"),
        (["baseline9"], "baseline9: no such network"),
        (["--threads", "0"], "threads: 0 must be at least 1"),
        (["--precision", "int4"], "precision: unknown 'int4'"),
        (["--sizes", "[]"], "networks, sizes: give at least one of each"),
    ],
)
def test_mistakes_get_one_line(arguments, message, capsys):
    assert main(["cost", *arguments]) == 2
    output = capsys.readouterr()
    assert message in output.err and output.err.count("\n") == 1
