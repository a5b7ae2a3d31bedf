"""``ssr-nas benchmark video``: a generated video, segmented both ways."""

import json
import shlex
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from experiments.cli import main
from experiments.commands.benchmark_video import Options
from experiments.options.arguments import parse
from nas_space.architecture import baseline1
from nas_space.config import SpaceConfig

DEEP = SpaceConfig(4, (8, 12, 16, 20), ((1,),) * 4, (1, 2), (1, 2), 4, 4)
TINY = SpaceConfig(
    stem=4, widths=(8, 12), depths=((1, 2, 3), (1, 3)), dilations=(1, 2, 4), poolings=(1, 2), span=4, step=2
)


@pytest.fixture
def given(tmp_path: Path) -> list[str]:
    (tmp_path / "net.json").write_text(baseline1(TINY).to_json())
    (tmp_path / "deep.json").write_text(baseline1(DEEP).to_json())
    writer = cv2.VideoWriter(str(tmp_path / "video.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 48))
    for number in range(10):
        writer.write(np.full((48, 64, 3), 25 * number, np.uint8))
    writer.release()
    options = ["--size", "32x64", "--rounds", "2", "--classes", "5", "--threads", "1"]
    return [str(tmp_path / "video.avi"), "--arch", str(tmp_path / "net.json"), *options]


@pytest.mark.parametrize(("engine", "batch", "frames"), [("onnxruntime", 1, 10), ("openvino", 3, 9)])
def test_a_video_is_segmented_both_ways(given, engine, batch, frames, capsys, tmp_path):
    more = ["--engine", engine, "--batch", str(batch), "--out", str(tmp_path / "result.json"), "--json"]
    assert main(["benchmark", "video", *given, *more]) == 0
    text, last = capsys.readouterr().out.rstrip().rsplit("\n", 1)
    result = json.loads(last)
    assert (result["frames"], result["frame_size"], result["batch"], result["engine"]) == (
        frames,
        [48, 64],
        batch,
        engine,
    )
    assert list(result["stage_ms"]) == ["decode", "prepare", "infer", "finish"]
    low, high = result["speedup_spread"]
    assert 0 < low <= result["speedup"] <= high and result["sequential_fps"] > 0 and result["pipelined_fps"] > 0
    assert json.loads((tmp_path / "result.json").read_text()) == result
    for word in ("sequential", "pipelined", f"batch {batch}", f"to repeat it: {result['command']}"):
        assert word in text
    words = shlex.split(result["command"])
    again, _ = parse("", "", Options, words[3:])
    assert words[:3] == ["ssr-nas", "benchmark", "video"] and (again.video, again.batch, again.threads) == (
        given[0],
        batch,
        1,
    )


def test_frames_are_limited_and_folders_are_read(given, capsys, tmp_path):
    (tmp_path / "images").mkdir()
    for number in range(6):
        cv2.imwrite(str(tmp_path / "images" / f"{number}.png"), np.full((40, 50, 3), 40 * number, np.uint8))
    assert main(["benchmark", "video", str(tmp_path / "images"), *given[1:], "--frames", "4", "--json"]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (result["frames"], result["frame_size"]) == (4, [40, 50])


def test_a_damaged_image_ends_it_in_one_line(given, capsys, tmp_path):
    (tmp_path / "images").mkdir()
    for number in range(6):
        cv2.imwrite(str(tmp_path / "images" / f"{number}.png"), np.full((40, 50, 3), 40 * number, np.uint8))
    broken = tmp_path / "images" / "4.png"
    broken.write_bytes(broken.read_bytes()[:40])
    assert main(["benchmark", "video", str(tmp_path / "images"), *given[1:]]) == 2
    message = capsys.readouterr().err
    assert "4.png: " in message and message.count("\n") == 1


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("nodes", ["unknown operator", "first call"])
def test_an_onnx_file_that_the_engine_cannot_run(given, engine, nodes, capsys, tmp_path):
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, (1, 3, "height", "width"))
    scores = helper.make_tensor_value_info("scores", TensorProto.FLOAT, None)
    shape = numpy_helper.from_array(np.array([1, 3, 7, 7]), "shape")
    node = helper.make_node(
        *(("Nonsense", ["image"]) if nodes == "unknown operator" else ("Reshape", ["image", "shape"])), ["scores"]
    )
    graph = helper.make_graph([node], "odd", [image], [scores], [shape])
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "odd.onnx"
    )
    assert main(["benchmark", "video", *given, "--arch", str(tmp_path / "odd.onnx"), "--engine", engine]) == 2
    message = capsys.readouterr().err
    assert f"odd.onnx: {engine} cannot run it: " in message and message.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--engine", "torch"], "engine: 'torch' segments no videos; choose from onnxruntime, openvino, ncnn, litert"),
        (["--batch", "0"], "batch: 0 must be at least 1"),
        (["--batch", "11"], "batch: 11 is more than there are frames"),
        (["--frames", "0"], "frames: 0 must be at least 1"),
        (["--rounds", "0"], "rounds: 0 must be at least 1"),
        (["--size", "16x64"], "both sides must be at least 32 pixels"),
        (["--arch", "nothing"], "nothing: no such network"),
        (["--arch", "{}/deep.json"], "deep.json, size: 32x64: both sides must be at least 64 pixels for 4 stages"),
    ],
)
def test_mistakes_get_one_line(given, arguments, message, capsys, tmp_path):
    assert main(["benchmark", "video", *given, *(word.format(tmp_path) for word in arguments)]) == 2
    output = capsys.readouterr()
    assert message in output.err and output.err.count("\n") == 1


def test_a_missing_video_is_named(given, capsys):
    assert main(["benchmark", "video", "none.avi", *given[1:]]) == 2
    assert "none.avi: no such file; give a video, or a folder of images" in capsys.readouterr().err
