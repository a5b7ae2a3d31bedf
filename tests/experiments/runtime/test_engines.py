"""Every engine is opened in one place, with the settings that its use asks for."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import pytest

from experiments.runtime.engines import (
    check_engine,
    check_installed,
    open_onnxruntime,
    open_openvino,
    open_timed,
)
from experiments.runtime.telemetry import switch_off_telemetry
from nas_space.errors import InputError

ROOT = Path(__file__).parents[3]
Models = Callable[..., Any]


def image(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((1, 3, *shape), dtype=np.float32)


def test_a_file_and_its_content_give_the_same(model: Models) -> None:
    path, _, description = model()
    given = image(*description.size)
    expected = open_onnxruntime(path).run(given)
    for source in (path, path.read_bytes()):
        for run in (open_onnxruntime(source, 1).run, open_openvino(source, 1).run):
            np.testing.assert_allclose(run(given), expected, atol=1e-4)
        for engine in ("onnxruntime", "openvino"):
            np.testing.assert_allclose(open_timed(engine, source, 1)(given), expected, atol=1e-4)


def test_a_file_says_what_it_is(model: Models) -> None:
    path, _, description = model()
    for opened in (open_onnxruntime(path), open_openvino(path), open_openvino(model(".xml")[0])):
        assert {key: opened.metadata[key] for key in description.metadata()} == description.metadata()
    assert open_openvino(path.read_bytes()).metadata == {}  # OpenVINO does not tell what the bytes were


def test_a_shape_is_fixed(model: Models) -> None:
    run = open_openvino(model(".xml", dynamic=True)[0], 1, shape=(2, 3, 64, 40)).run
    assert run(np.concatenate([image(64, 40)] * 2)).shape == (2, 3, 8, 5)
    with pytest.raises(RuntimeError):
        run(image(48, 64))


@pytest.mark.parametrize("timed", [False, True])
def test_settings_of_openvino(timed: bool, model: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is timed has one stream and shares the cores with others; an application leaves both to OpenVINO."""
    given: list[dict[str, Any]] = []

    class Core:
        def __init__(self) -> None:
            self.core = original()

        def read_model(self, *arguments: Any) -> Any:
            return self.core.read_model(*arguments)

        def compile_model(self, network: Any, device: str, settings: dict[str, Any]) -> Any:
            given.append(settings)
            return self.core.compile_model(network, device, settings)

    original = openvino.Core
    monkeypatch.setattr(openvino, "Core", Core)
    open_openvino(model(".xml")[0], 2, timed=timed)
    open_openvino(model(".xml")[0], timed=timed)
    hint = {"NUM_STREAMS": 1, "ENABLE_CPU_PINNING": False} if timed else {"PERFORMANCE_HINT": "LATENCY"}
    common = {"INFERENCE_PRECISION_HINT": "f32", **hint}
    assert given == [{**common, "INFERENCE_NUM_THREADS": 2}, common]


def test_what_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("torch", "compile", "onnxruntime", "openvino"):
        check_engine(name)
    with pytest.raises(
        InputError, match="engine: unknown 'caffe'; choose from torch, compile, onnxruntime, openvino, ncnn, litert"
    ):
        check_engine("caffe")
    with pytest.raises(InputError, match="engine: unknown 'torch'; choose from mine"):
        check_engine("torch", {"mine": ("torch",)})
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(InputError, match=r"engine: onnx is not installed; pip install 'ssr-nas\[deploy\]'"):
        check_engine("onnxruntime")
    check_installed(("onnxruntime",))  # an application does without onnx


def test_nothing_heavy_is_loaded_before_a_file_is_opened_and_nobody_is_told(tmp_path: Path) -> None:
    code = """
import sys, experiments.runtime.engines, experiments.runtime.session
heavy = {"torch", "onnx", "onnxruntime", "openvino"} & set(sys.modules)
assert not heavy, heavy
import openvino, openvino.tools.ovc
assert "stub" in openvino.tools.ovc.telemetry.__class__.__module__, openvino.tools.ovc.telemetry
"""
    home = {**os.environ, "HOME": str(tmp_path)}
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=home, capture_output=True, text=True, timeout=60
    )
    assert result.returncode == 0, result.stderr
    assert list(tmp_path.iterdir()) == []  # where OpenVINO notes how often it was used, and by whom


@pytest.mark.parametrize(("content", "agreed"), [(None, False), ("0", False), ("1", True), ("", False)])
def test_who_has_agreed_to_telemetry_is_left_alone(
    content: str | None, agreed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if content is not None:
        (tmp_path / "intel").mkdir()
        (tmp_path / "intel" / "openvino_telemetry").write_text(content)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delitem(sys.modules, "openvino_telemetry", raising=False)
    switch_off_telemetry()
    assert ("openvino_telemetry" in sys.modules) != agreed
