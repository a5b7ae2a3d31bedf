"""Exported files, opened with the engine that runs them: arrays in, arrays out. No torch."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.runtime.description import Description
from experiments.runtime.interface import INPUT
from nas_space.errors import InputError

RT_INFO = "ssr-nas"
"""Where an OpenVINO model keeps its description."""
ENGINES = ("onnxruntime", "openvino")
Runner = Callable[[NDArray[Any]], NDArray[Any]]


@dataclass(frozen=True)
class Session:
    """An exported network, ready to run.

    Args:
        engine: what runs it.
        description: what the file says of itself.
        run: input as the description's interface says -> output; may be called from several threads at once.
    """

    engine: str
    description: Description
    run: Runner


def open_session(file: str | Path, engine: str | None = None, threads: int | None = None) -> Session:
    """Open an exported file.

    Args:
        file: ``.onnx``, or the ``.xml`` of an OpenVINO model, whose ``.bin`` lies beside it.
        engine: ``onnxruntime`` or ``openvino``; absent, ONNX Runtime for ``.onnx``.
        threads: threads of one inference; absent, the engine's choice: all cores.

    Raises:
        InputError: the file is missing, damaged, or not of this toolkit; or its engine is unknown or not installed.
    """
    path = Path(file)
    suffix = path.suffix.lower()
    engine = engine or ("openvino" if suffix == ".xml" else "onnxruntime")
    if engine not in ENGINES:
        raise InputError(f"engine: unknown {engine!r}; choose from {', '.join(ENGINES)}")
    if threads is not None and threads < 1:
        raise InputError(f"threads: {threads} must be at least 1")
    if suffix not in (".onnx", ".xml") or (suffix == ".xml" and engine == "onnxruntime"):
        wanted = "an .onnx file" if engine == "onnxruntime" else "an .onnx or .xml file"
        raise InputError(f"{path}: {engine} takes {wanted}, written by ssr-nas export")
    if not path.is_file():
        raise InputError(f"{path}: no such file; write it with ssr-nas export")
    if suffix == ".xml" and not path.with_suffix(".bin").is_file():
        raise InputError(
            f"{path}: its weights {path.with_suffix('.bin').name} are missing; keep both files side by side"
        )
    library = _library(engine)
    try:
        metadata, run = (_open_onnxruntime if engine == "onnxruntime" else _open_openvino)(library, path, threads)
    except Exception as error:  # each engine has its own kinds of errors, not all of them named
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path}: {engine} cannot open it, it may be damaged ({reason}); export it again") from None
    return Session(engine, Description.from_metadata(path, metadata), run)


def _library(engine: str) -> ModuleType:
    try:
        return import_module(engine)
    except ImportError:
        raise InputError(f"engine: {engine} is not installed; pip install 'ssr-nas[deploy]'") from None


def _open_onnxruntime(library: ModuleType, path: Path, threads: int | None) -> tuple[dict[str, str], Runner]:
    options = library.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads or 0, 1
    # Threads that spin while they wait take the cores from a second session, and from everything else in the process.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    session = library.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return dict(session.get_modelmeta().custom_metadata_map), lambda image: session.run(None, {INPUT: image})[0]


def _open_openvino(library: ModuleType, path: Path, threads: int | None) -> tuple[dict[str, str], Runner]:
    settings: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    if threads is not None:
        settings["INFERENCE_NUM_THREADS"] = threads
    model = library.Core().read_model(path)
    compiled = library.Core().compile_model(model, "CPU", settings)
    requests = threading.local()

    def run(image: NDArray[Any]) -> NDArray[Any]:
        if not hasattr(requests, "own"):  # a request runs one image at a time
            requests.own = compiled.create_infer_request()
        requests.own.infer({0: image}, share_inputs=True)
        return np.array(requests.own.get_output_tensor(0).data)

    place = (
        RT_INFO if path.suffix.lower() == ".xml" else "framework"
    )  # its reader of ONNX files keeps their metadata there
    info = model.get_rt_info()
    entries = info[place] if place in info else {}
    entries = getattr(entries, "value", entries)
    return {str(key): str(getattr(value, "value", value)) for key, value in entries.items()}, run
