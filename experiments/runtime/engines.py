"""Exported files opened in an engine: a path or the bytes of a file in, a callable out. Loads neither torch nor onnx."""

from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas_space.errors import InputError

Array = NDArray[Any]
Runner = Callable[[Array], Array]


def check_installed(packages: Iterable[str], install: str = "ssr-nas[deploy]") -> None:
    """Refuse an engine whose packages are not all there.

    Args:
        packages: what it needs.
        install: what brings them.

    Raises:
        InputError: a package cannot be imported.
    """
    for package in packages:
        try:
            import_module(package)
        except ImportError:
            raise InputError(f"engine: {package} is not installed; pip install '{install}'") from None


def open_onnxruntime(model: Path | bytes, threads: int) -> Runner:
    """An ONNX Runtime session on the processor.

    Its threads sleep between two calls instead of spinning: that costs nothing measurable on two cores, and sessions
    that spin slow each other nearly twofold.

    Args:
        model: an ONNX file, or its content.
        threads: threads of the session.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    content = model if isinstance(model, bytes) else str(model)
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda image: session.run(None, {name: image})[0]


def open_openvino(model: Path | bytes, threads: int, shape: tuple[int, ...] | None = None) -> Runner:
    """An OpenVINO model compiled for the processor, in full float32 precision where it is not quantised.

    Args:
        model: an ONNX file or an ``.xml`` of OpenVINO, or the content of an ONNX file.
        threads: threads of the model.
        shape: the only shape of its input from now on; absent, that of the file.
    """
    import openvino

    core = openvino.Core()
    settings: dict[str, Any] = {
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "INFERENCE_PRECISION_HINT": "f32",
        "ENABLE_CPU_PINNING": False,
    }
    network = core.read_model(model if isinstance(model, bytes) else str(model))
    if shape is not None:
        network.reshape(list(shape))
    request = core.compile_model(network, "CPU", settings).create_infer_request()

    def run(image: Array) -> Array:
        request.infer({0: image}, share_inputs=True)
        return np.asarray(request.get_output_tensor().data)

    return run
