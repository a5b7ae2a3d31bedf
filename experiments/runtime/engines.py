"""Engines of exported files: what each needs, and one opener for each. Loads neither torch nor onnx."""

import json
import os
import re
import sys
import threading
import zipfile
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType
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
    "ncnn": ("pnnx", "ncnn"),
    "litert": ("ai_edge_litert",),
}
"""Engine -> the packages that writing a file for it and running it need; the last one is the engine."""
SUFFIXES: dict[str, tuple[str, ...]] = {
    "onnxruntime": (".onnx",),
    "openvino": (".onnx", ".xml"),
    "ncnn": (".param",),
    "litert": (".tflite",),
}
"""Engine of exported files -> the endings of the files that it runs."""
ONNX_ENGINES = [engine for engine, suffixes in SUFFIXES.items() if ".onnx" in suffixes]
RT_INFO = "ssr-nas"  # where an OpenVINO model keeps its description
NCNN_NOTE = "# ssr-nas "  # what the last line of a .param file begins with; its description follows, in JSON
NCNN_SHAPE = re.compile(r"^Input +\S+ +0 1 \S+ 0=(\d+) 1=(\d+) 2=(\d+)$", re.MULTILINE)  # width, height, channels
NCNN_HALF = ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic", "use_bf16_packed", "use_bf16_storage")
LITERT_NOTE = "ssr-nas.json"  # the member of the archive behind a LiteRT model that is its description
LONGEST_NOTE = 2**24  # bytes
SPIN = "GOMP_SPINCOUNT"  # variable of the environment: turns of a loop in which a thread of OpenMP waits
EXTRAS = {
    "ncnn": "ncnn",
    "pnnx": "ncnn",
    "ai_edge_litert": "litert",
}  # package -> the extra that brings it, where that is not deploy
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
            import_engine(package)
        except ImportError:
            raise InputError(f"engine: {package} is not installed; {install_hint(package)}") from None


def import_engine(package: str) -> ModuleType:
    """Import a package of an engine. NCNN brings an OpenMP of its own, whose threads sleep while they wait.

    They would keep their core by default. On a busy machine two of them then need three times as long for an image.
    """
    if package != "ncnn" or package in sys.modules:
        return import_module(package)
    before = os.environ.get(SPIN)
    os.environ[SPIN] = "0"  # read once, where the library is loaded
    try:
        return import_module(package)
    finally:
        del os.environ[SPIN]
        if before is not None:
            os.environ[SPIN] = before


def install_hint(package: str) -> str:
    """The command that installs a package of an engine."""
    return INSTALL.replace("deploy", EXTRAS.get(package, "deploy"))


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


def open_ncnn(model: Path, threads: int | None = None) -> OpenedModel:
    """Open a model in NCNN, on the processor, in float32. It takes one image of the size that it was written for.

    Args:
        model: the ``.param`` file, whose ``.bin`` lies beside it.
        threads: threads of one inference; absent, all cores.

    Raises:
        ValueError: NCNN cannot read the files, or they do not name the image's size.
    """
    ncnn = import_engine("ncnn")
    text = model.read_text(encoding="utf-8")
    network, weights = ncnn.Net(), model.with_suffix(".bin")
    for option in NCNN_HALF:
        setattr(network.opt, option, False)
    if threads is not None:
        network.opt.num_threads = threads
    if network.load_param(str(model)) != 0 or network.load_model(str(weights)) != 0:
        raise ValueError(f"{model.name} and {weights.name} are no model")
    (source,), (result,) = network.input_names(), network.output_names()
    sides = NCNN_SHAPE.search(text)
    if sides is None:
        raise ValueError(f"{model.name} does not say how large its image is; export it with ssr-nas")
    expected = (1, *map(int, reversed(sides.groups())))

    def run(image: Array) -> Array:
        if image.shape != expected:  # NCNN itself would read past the end of a smaller one
            raise ValueError(f"an image of shape {image.shape}; it takes {expected}")
        extractor = network.create_extractor()
        extractor.input(source, ncnn.Mat(np.ascontiguousarray(image[0], np.float32)).clone())
        failed, output = extractor.extract(result)
        if failed:
            raise RuntimeError(f"NCNN has no {result}, code {failed}")
        return np.array(output)[None]

    last = text.rstrip().rpartition("\n")[2]
    entries = json.loads(last.removeprefix(NCNN_NOTE)) if last.startswith(NCNN_NOTE) else {}
    return OpenedModel(run, {str(key): str(value) for key, value in entries.items()})


def open_litert(model: Path, threads: int | None = None) -> OpenedModel:
    """Open a model in LiteRT, on the processor. It takes one image of the size that it was written for.

    Args:
        model: the ``.tflite`` file.
        threads: threads of one inference; absent, all cores.

    Raises:
        ValueError: LiteRT cannot read the file, or the archive behind the model is damaged.
    """
    from ai_edge_litert.interpreter import Interpreter

    from experiments.runs.processes import free_cores

    local = threading.local()

    def interpreter() -> Any:  # it runs one image at a time
        if not hasattr(local, "made"):
            local.made = Interpreter(model_path=str(model), num_threads=threads or free_cores())
            local.made.allocate_tensors()
        return local.made

    def run(image: Array) -> Array:
        made = interpreter()
        made.set_tensor(made.get_input_details()[0]["index"], image)
        made.invoke()
        return np.asarray(made.get_tensor(made.get_output_details()[0]["index"]))

    interpreter()
    entries = {}
    if zipfile.is_zipfile(model):
        with zipfile.ZipFile(model) as archive:
            sizes = {part.filename: part.file_size for part in archive.infolist()}
            if sizes.get(LITERT_NOTE, 0) > LONGEST_NOTE:
                raise ValueError(f"{LITERT_NOTE} in it is too long")
            if LITERT_NOTE in sizes:
                entries = json.loads(archive.read(LITERT_NOTE))
    return OpenedModel(run, {str(key): str(value) for key, value in entries.items()})


def open_timed(engine: str, model: Path | bytes, threads: int, shape: Shape | None = None) -> Runner:
    """Open a model to be timed, in one of ``SUFFIXES``; arguments as of the engines' openers."""
    if engine == "onnxruntime":
        return open_onnxruntime(model, threads).run
    if engine in ("ncnn", "litert"):
        assert isinstance(model, Path)
        return (open_ncnn if engine == "ncnn" else open_litert)(model, threads).run
    return open_openvino(model, threads, shape=shape, timed=True).run


def timed_call(engine: str, file: Path, threads: int, shape: Shape, pixels: bool = False) -> Call:
    """One call of the model in ``file`` on the same random image each time, to be timed.

    Args:
        engine: one of ``SUFFIXES``.
        file: what ``open_timed`` takes.
        threads: threads of the engine.
        shape: of the input.
        pixels: whether the input is uint8 pixels.
    """
    image = Interface(pixels).noise(shape, np.random.default_rng(0))
    run = open_timed(engine, file, threads, shape)
    return lambda: run(image).shape
