"""Engines of exported files: what each needs, and one opener for each. Loads neither torch nor onnx."""

import threading
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from experiments.runtime.interface import Interface
from experiments.runtime.telemetry import switch_off_telemetry
from nas_space.errors import InputError

switch_off_telemetry()
Array = NDArray[Any]
Runner = Callable[[Array], Array]
Shape = tuple[int, ...]
Call = Callable[[], Shape]
"""Runs a model once, to its end; returns the shape of the result."""

PACKAGES: dict[str, tuple[str, ...]] = {
    "torch": ("torch",),
    "compile": ("torch",),
    "onnxruntime": ("onnx", "onnxruntime"),
    "openvino": ("onnx", "openvino"),
}
"""Engine -> the packages that writing a file for it and running it need; the last one is the engine."""
RT_INFO = "ssr-nas"  # where an OpenVINO model keeps its description
INSTALL = "pip install 'ssr-nas[deploy]'"


class OpenedModel(NamedTuple):
    """A file that an engine has opened.

    Args:
        run: input -> output; several threads may call it at once. The thread's next call may overwrite the output.
        metadata: what the file says of itself.
    """

    run: Runner
    metadata: dict[str, str]


def check_engine(name: str, packages: Mapping[str, Iterable[str]] = PACKAGES) -> None:
    """Refuse an engine that is unknown or not installed.

    Args:
        name: the engine.
        packages: the engines to choose from, and what each needs.

    Raises:
        InputError: there is no such engine, or a package cannot be imported.
    """
    if name not in packages:
        raise InputError(f"engine: unknown {name!r}; choose from {', '.join(packages)}")
    check_installed(packages[name])


def check_installed(packages: Iterable[str]) -> None:
    """Refuse an engine whose packages are not all there.

    Raises:
        InputError: a package cannot be imported.
    """
    for package in packages:
        try:
            import_module(package)
        except ImportError:
            raise InputError(f"engine: {package} is not installed; {INSTALL}") from None


def open_onnxruntime(model: Path | bytes, threads: int | None = None, output: int = 0) -> OpenedModel:
    """Open an ONNX file in ONNX Runtime, on the processor.

    Its threads sleep between two calls. Threads that spin take the cores from every other session: two sessions that
    spin slow each other nearly twofold, and sleeping costs nothing measurable on two cores.

    Args:
        model: the file, or its content.
        threads: threads of one inference; absent, all cores.
        output: number of the output that ``run`` returns.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads or 0, 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    content = model if isinstance(model, bytes) else str(model)
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    metadata = dict(session.get_modelmeta().custom_metadata_map)
    return OpenedModel(lambda image: session.run(None, {name: image})[output], metadata)


def open_openvino(
    model: Any, threads: int | None = None, *, output: int = 0, shape: Shape | None = None, timed: bool = False
) -> OpenedModel:
    """Open a model in OpenVINO, on the processor, in float32 where it is not quantised.

    Args:
        model: an ``.xml`` or ``.onnx`` file, the content of an ONNX file, or an ``openvino.Model``.
        threads: threads of one inference; absent, all cores.
        output: number of the output that ``run`` returns.
        shape: the only shape of its input from now on; absent, that of the file.
        timed: for processes that are timed in turns: one stream, and threads that are not pinned to the same cores.
    """
    import openvino

    settings: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "f32"}
    settings |= {"NUM_STREAMS": 1, "ENABLE_CPU_PINNING": False} if timed else {"PERFORMANCE_HINT": "LATENCY"}
    if threads is not None:
        settings["INFERENCE_NUM_THREADS"] = threads
    core = openvino.Core()
    network = model if isinstance(model, openvino.Model) else core.read_model(model)
    if shape is not None:
        network.reshape(list(shape))
    compiled = core.compile_model(network, "CPU", settings)
    local = threading.local()
    local.request = compiled.create_infer_request()

    def run(image: Array) -> Array:
        if not hasattr(local, "request"):  # a request runs one image at a time
            local.request = compiled.create_infer_request()
        local.request.infer({0: image}, share_inputs=True)
        return np.asarray(local.request.get_output_tensor(output).data)

    # OpenVINO's reader of ONNX files keeps their metadata under a name of its own.
    place = "framework" if isinstance(model, Path) and model.suffix.lower() == ".onnx" else RT_INFO
    info = network.get_rt_info()
    entries = info[place] if place in info else {}
    entries = getattr(entries, "value", entries)
    return OpenedModel(run, {str(key): str(getattr(value, "value", value)) for key, value in entries.items()})


def open_timed(engine: str, model: Path | bytes, threads: int, shape: Shape | None = None) -> Runner:
    """Open a model to be timed, in ``onnxruntime`` or ``openvino``; arguments as of their openers."""
    if engine == "onnxruntime":
        return open_onnxruntime(model, threads).run
    return open_openvino(model, threads, shape=shape, timed=True).run


def timed_call(engine: str, file: Path, threads: int, shape: Shape, pixels: bool = False) -> Call:
    """One call of the model in ``file`` on the same random image each time, to be timed.

    Args:
        engine: ``onnxruntime`` or ``openvino``.
        file: what ``open_timed`` takes.
        threads: threads of the engine.
        shape: of the input.
        pixels: whether the input is uint8 pixels.
    """
    image = Interface(pixels).noise(shape, np.random.default_rng(0))
    run = open_timed(engine, file, threads, shape)
    return lambda: run(image).shape
