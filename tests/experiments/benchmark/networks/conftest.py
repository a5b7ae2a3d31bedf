"""Small networks as files, and small videos."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from nas_space.architecture import baseline1


@pytest.fixture
def architecture(tiny: Callable[..., Any], tmp_path: Path) -> Path:
    """The baseline of the tiny space, in a file."""
    path = tmp_path / "architecture.json"
    path.write_text(baseline1(tiny()).to_json())
    return path


@pytest.fixture
def onnx_file(tmp_path: Path) -> Callable[..., Path]:
    """``onnx_file(shape, ...)``: one 1x1 convolution to 5 classes, as somebody else might have written it."""

    def make(
        shape: tuple[Any, ...] = (1, 3, 32, 64),
        name: str = "other.onnx",
        inputs: int = 1,
        kind: int = TensorProto.FLOAT,
        more: tuple[Any, ...] = (),
    ) -> Path:
        channels = shape[1] if len(shape) > 1 and isinstance(shape[1], int) else 3
        weight = np.random.default_rng(0).standard_normal((5, channels, 1, 1)).astype(np.float32)
        values = [helper.make_tensor_value_info(f"picture{i or ''}", kind, shape) for i in range(inputs)]
        nodes = [helper.make_node("Conv", ["picture", "weight"], ["scores"]), *more]
        output = helper.make_tensor_value_info("scores", TensorProto.FLOAT, None)
        graph = helper.make_graph(nodes, "other", values, [output], [onnx.numpy_helper.from_array(weight, "weight")])
        path = tmp_path / name
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
        return path

    return make


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """Twelve frames of 48x64, each different."""
    path = tmp_path / "video.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 48))
    for number in range(12):
        frame = np.full((48, 64, 3), 20 * number, np.uint8)
        frame[8:24, 4 * number : 4 * number + 16] = (255, 128, 0)
        writer.write(frame)
    writer.release()
    return path
