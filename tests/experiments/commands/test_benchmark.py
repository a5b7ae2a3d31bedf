"""``ssr-nas benchmark``: what it prints and returns, that it measures exported files in turns, and what it refuses."""

import json
import shlex
import shutil
import statistics
import subprocess
import sys
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
from onnx import TensorProto, helper, save

from experiments.benchmark.networks.workers import Worker
from experiments.cli import main
from experiments.commands.benchmark import Options
from experiments.export.formats import FORMATS
from experiments.export.settings import ExportSettings
from experiments.export.timed_file import FILE_ENGINES
from experiments.options.arguments import parse
from nas_space.architecture import baseline1
from nas_space.config import SpaceConfig
from nas_space.network import SegmentationNetwork

TINY = SpaceConfig(
    stem=4, widths=(8, 12), depths=((1, 2, 3), (1, 3)), dilations=(1, 2, 4), poolings=(1, 2), span=4, step=2
)
DEEP = replace(TINY, widths=(8, 12, 16, 20), depths=((1,),) * 4)
QUICK = ["--size", "32x64", "--rounds", "3", "--calls", "2", "--warmup", "1", "--threads", "1"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("benchmark")
    for name, space in (("net", TINY), ("deep", DEEP)):
        (folder / f"{name}.json").write_text(baseline1(space).to_json())
    FORMATS["onnx"].write(
        SegmentationNetwork(baseline1(TINY), 7).eval(), folder / "other.onnx", ExportSettings((32, 64))
    )
    for name, inputs, shape in (("two", 2, (1, 3, 32, 64)), ("batch", 1, (2, 3, 32, 64)), ("grey", 1, (1, 1, 32, 64))):
        values = [helper.make_tensor_value_info(f"image{i}", TensorProto.FLOAT, shape) for i in range(inputs)]
        output = helper.make_tensor_value_info("out", TensorProto.FLOAT, None)
        graph = helper.make_graph([helper.make_node("Relu", ["image0"], ["out"])], "g", values, [output])
        save(
            helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), folder / f"{name}.onnx"
        )
    (folder / "damaged.onnx").write_bytes((folder / "other.onnx").read_bytes()[:200])
    return folder


@pytest.fixture(scope="module")
def result(folder: Path) -> dict:
    """One run of four entries: two networks and an ONNX file, in 32 and in 8 bits where that can be chosen."""
    against = ["--against", "baseline2", "--against", str(folder / "other.onnx")]
    command = [
        "benchmark",
        "--arch",
        str(folder / "net.json"),
        *against,
        *QUICK,
        "--precision",
        "fp32,int8",
        "--classes",
        "5",
    ]
    line = [sys.executable, "-m", "experiments.cli", *command, "--out", str(folder / "result.json"), "--json"]
    done = subprocess.run(line, capture_output=True, text=True, cwd=Path(__file__).parents[3], timeout=300)
    assert done.returncode == 0, done.stderr
    assert "unexpected" not in done.stderr and "Traceback" not in done.stderr
    return {"text": done.stdout, **json.loads(done.stdout.splitlines()[-1])}


def test_it_says_with_what_it_was_measured(result):
    assert (
        result["engine"] == "onnxruntime"
        and result["version"][0].isdigit()
        and result["device"]
        and result["cores"] >= 1
    )
    assert (result["threads"], result["batch"], result["size"], result["rounds"], result["calls"]) == (
        1,
        1,
        "32x64",
        3,
        2,
    )
    assert result["driver"] is None and result["date"].startswith("20") and result["busy_cores_of_others"] >= 0
    first = result["networks"][0]
    assert first["batch_norms"] == "folded" and first["output"] == [1, 5, 4, 8] and first["file"] == "network.onnx"
    for word in (
        f"onnxruntime {result['version']}",
        result["device"],
        "1 thread",
        "32x64",
        "folded",
        "to repeat it: ssr-nas benchmark",
    ):
        assert word in result["text"]


def test_every_network_in_every_precision(result, folder):
    rows = [(Path(row["name"]).name, row["precision"], row["output"][1]) for row in result["networks"]]
    own = [("net.json", 5), ("baseline2", 5)]
    assert [row for row in rows if row[1] == "fp32"] == [(name, "fp32", classes) for name, classes in own]
    assert [row for row in rows if row[1] == "int8"] == [(name, "int8", classes) for name, classes in own]
    assert [row for row in rows if row[1] == "as in the file"] == [("other.onnx", "as in the file", 7)]
    for row in result["networks"]:
        assert 0 < row["quiet_ms"] <= row["median_ms"] <= row["p95_ms"] <= row["p99_ms"]
        assert row["fps"] == pytest.approx(1000 / row["median_ms"])
        assert 10 < row["idle_memory_mb"] <= row["peak_memory_mb"] < 250  # torch alone takes more


def test_ratios_are_those_of_the_rounds(result, folder):
    """Worked out again from every single time that the file keeps."""
    saved = json.loads((folder / "result.json").read_text())
    assert {key: value for key, value in saved.items() if key != "networks"} == {
        key: value for key, value in result.items() if key not in ("networks", "text")
    }
    by_name = {(row["name"], row["precision"]): row for row in saved["networks"]}
    for row in saved["networks"]:
        assert len(row["seconds"]) == 3 and all(len(turn) == 2 for turn in row["seconds"])
        precision = "fp32" if row["precision"] == "as in the file" else row["precision"]
        first = by_name[(str(folder / "net.json"), precision)]
        each = [
            statistics.median(a) / statistics.median(b) for a, b in zip(first["seconds"], row["seconds"], strict=True)
        ]
        assert row["ratio"] == pytest.approx(statistics.median(each))
        assert row["ratio_spread"][0] <= row["ratio"] <= row["ratio_spread"][1]
        assert (row["ratio_to_fp32"] is not None) == (row["precision"] == "int8")


def test_the_command_repeats_it(result):
    words = shlex.split(result["command"])
    assert words[:2] == ["ssr-nas", "benchmark"]
    options, _ = parse("", "", Options, words[2:])
    expected = Options(result["networks"][0]["name"], size="32x64", rounds=3, calls=2, warmup=1, threads=1, classes=5)
    expected.against, expected.precision = ["baseline2", options.against[1]], ["fp32", "int8"]
    assert options == expected and options.against[1].endswith("other.onnx")


def test_the_exported_file_is_what_runs(folder, monkeypatch, capsys):
    def other(module, path, settings):
        shutil.copy(folder / "other.onnx", path)

    monkeypatch.setitem(FILE_ENGINES, "onnxruntime", replace(FORMATS["onnx"], write=other))
    assert main(["benchmark", "--arch", str(folder / "net.json"), *QUICK, "--classes", "5", "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["networks"][0]["output"] == [1, 7, 4, 8]


def test_a_network_against_itself_shows_the_noise(folder, capsys, monkeypatch):
    """Both are timed, each in its turn: a, b, then b, a, then a, b. On this clock each turn is slower than the last."""
    turns, timed = count(1), Worker.time

    def slower(self, calls):
        return [float(next(turns))] * len(timed(self, calls))

    monkeypatch.setattr(Worker, "time", slower)
    assert (
        main(["benchmark", "--arch", str(folder / "net.json"), "--against", str(folder / "net.json"), *QUICK, "--json"])
        == 0
    )
    text, last = capsys.readouterr().out.rstrip().rsplit("\n", 1)
    first, second = json.loads(last)["networks"]
    assert (first["median_ms"], second["median_ms"]) == (4000.0, 3000.0) and next(turns) == 7
    assert second["ratio"] == pytest.approx(5 / 6)  # of 1/2, 4/3 and 5/6
    assert first["ratio_spread"] == [1.0, 1.0] != second["ratio_spread"] and second["ratio_to_fp32"] is None
    assert text.count("of its time") == 1 and "of its fp32 time" not in text


@pytest.mark.parametrize("engine", ["openvino", "torch"])
def test_other_engines(folder, engine, capsys):
    assert (
        main(["benchmark", "--arch", str(folder / "net.json"), *QUICK, "--engine", engine, "--classes", "5", "--json"])
        == 0
    )
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (
        found["engine"] == engine
        and found["networks"][0]["output"] == [1, 5, 4, 8]
        and found["networks"][0]["median_ms"] > 0
    )


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
def test_compiled(folder, capsys):
    assert (
        main(
            ["benchmark", "--arch", str(folder / "net.json"), *QUICK, "--engine", "compile", "--classes", "5", "--json"]
        )
        == 0
    )
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["networks"][0]["output"] == [1, 5, 4, 8]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--against", "{}/two.onnx"], "two.onnx: has 2 inputs (image0, image1)"),
        (["--against", "{}/batch.onnx"], "batch.onnx: takes 2x3x32x64, a batch of 2"),
        (["--against", "{}/grey.onnx"], "grey.onnx: takes 1x1x32x64; an image of 1x3x32x64"),
        (["--against", "{}/damaged.onnx"], "damaged.onnx: not an ONNX file, or damaged"),
        (["--against", "{}/missing.onnx"], "missing.onnx: no such network"),
        (["--against", "{}/other.onnx", "--size", "64x64"], "other.onnx: takes 1x3x32x64 only; give --size 32x64"),
        (["--against", "baselin1"], "baselin1: no such network; did you mean baseline1?"),
        (["--size", "31x64"], "both sides must be at least 32 pixels"),
        (["--against", "{}/deep.json"], "deep.json, size: 32x64: both sides must be at least 64 pixels for 4 stages"),
        (["--threads", "0"], "threads: 0 must be at least 1"),
        (["--rounds", "0"], "rounds: 0 must be at least 1"),
        (["--calls", "-1"], "calls: -1 must be at least 1"),
        (["--warmup", "0"], "warmup: 0 must be at least 1"),
        (["--classes", "0"], "classes: 0 must be at least 1"),
        (
            ["--engine", "caffe"],
            "engine: unknown 'caffe'; choose from torch, compile, onnxruntime, openvino, ncnn, litert",
        ),
        (
            ["--engine", "tensorrt"],
            "engine: unknown 'tensorrt'; choose from torch, compile, onnxruntime, openvino, ncnn, litert",
        ),
        (["--precision", "fp16"], "precision: unknown 'fp16'; choose from fp32, int8"),
        (["--precision", "int8", "--engine", "torch"], "precision: int8 is not made for torch"),
        (["--device", "cuda"], "device: onnxruntime is measured on the processor"),
        (["--device", "tpu"], "device: unknown 'tpu'; choose from cpu, cuda"),
        (["--space.preset", "huge", "--against", "baseline1"], "space.preset: unknown 'huge'"),
        (["--out", "{}/net.json"], "net.json: exists already; choose another --out"),
    ],
)
def test_mistakes_get_one_line(folder, arguments, message, capsys):
    before = (folder / "net.json").read_bytes()
    code = main(["benchmark", "--arch", str(folder / "net.json"), *QUICK, *(word.format(folder) for word in arguments)])
    output = capsys.readouterr()
    assert code == 2 and message in output.err and output.err.count("\n") == 1
    assert (folder / "net.json").read_bytes() == before


def test_an_engine_that_is_not_installed(folder, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    assert main(["benchmark", "--arch", str(folder / "net.json"), *QUICK, "--engine", "openvino"]) == 2
    assert (
        capsys.readouterr().err
        == "ssr-nas benchmark: error: engine: openvino is not installed; pip install 'ssr-nas[deploy]'\n"
    )


def test_a_file_that_only_the_engine_finds_damaged(folder, tmp_path, capsys):
    """Its graph can be read, but holds an operator that nobody has."""
    values = [helper.make_tensor_value_info("image", TensorProto.FLOAT, (1, 3, 32, 64))]
    output = helper.make_tensor_value_info("out", TensorProto.FLOAT, None)
    graph = helper.make_graph([helper.make_node("Nonsense", ["image"], ["out"])], "g", values, [output])
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "odd.onnx")
    assert main(["benchmark", "--arch", str(folder / "net.json"), "--against", str(tmp_path / "odd.onnx"), *QUICK]) == 2
    *steps, message = capsys.readouterr().err.strip().splitlines()
    assert len(steps) == 1 and steps[0].startswith("exporting ")  # what it does, where there is no terminal
    assert "odd.onnx: onnxruntime cannot run it: " in message and "Nonsense" in message


@pytest.mark.parametrize("word", ["serach", "nonsense"])
def test_a_word_that_is_no_command(word, capsys):
    assert main(["benchmark", word, "--arch", "baseline1"]) == 2
    message = capsys.readouterr().err
    assert message.startswith(f"ssr-nas benchmark: error: {word}: unknown; ") and message.count("\n") == 1
