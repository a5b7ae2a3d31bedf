"""Files that cannot be opened are refused in one line."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest

from experiments.runtime.session import open_session
from nas_space.errors import InputError

Models = Callable[..., Any]


def refused(*arguments: Any) -> str:
    with pytest.raises(InputError) as error:
        open_session(*arguments)
    assert len(str(error.value).splitlines()) == 1
    return str(error.value)


def test_what_is_not_there(model: Models, tmp_path: Path) -> None:
    assert "none.onnx: no such file; write it with ssr-nas export" in refused(tmp_path / "none.onnx")
    path = model(".xml")[0]
    path.with_suffix(".bin").unlink()
    assert "its weights model.bin are missing" in refused(path)


@pytest.mark.parametrize("name", ["model.pt", "model", "model.safetensors"])
def test_a_wrong_suffix(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("")
    assert "onnxruntime takes an .onnx file" in refused(tmp_path / name)


def test_an_engine_that_does_not_fit(model: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "onnxruntime takes an .onnx file" in refused(model(".xml")[0], "onnxruntime")
    path = model()[0]
    assert (
        refused(path, "tensorflow") == "engine: unknown 'tensorflow'; choose from onnxruntime, openvino, ncnn, litert"
    )
    assert refused(path, None, 0) == "threads: 0 must be at least 1"
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert refused(path) == "engine: onnxruntime is not installed; pip install 'ssr-nas[deploy]'"


@pytest.mark.parametrize(("suffix", "engine"), [(".onnx", "onnxruntime"), (".onnx", "openvino"), (".xml", "openvino")])
def test_a_damaged_file(suffix: str, engine: str, model: Models) -> None:
    path = model(suffix)[0]
    content = path.read_bytes()
    for damaged in (b"", b"no model", content[: len(content) // 2]):
        path.write_bytes(damaged)
        assert f"{path}: {engine} cannot open it, it may be damaged" in refused(path, engine)


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_a_file_of_others(engine: str, model: Models) -> None:
    path = model()[0]
    content = onnx.load(path)
    del content.metadata_props[:]
    onnx.save(content, path)
    assert "does not say that ssr-nas export wrote it" in refused(path, engine)
