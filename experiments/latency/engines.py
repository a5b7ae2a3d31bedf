"""The engines whose speed is measured, behind one function each: a module and an input's shape in, a callable out."""

import platform
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from experiments import __version__
from nas_space.errors import InputError

Shape = tuple[int, int, int, int]
Image = NDArray[np.float32]
Runner = Callable[[Image], Image]


def build_torch(module: nn.Module, shape: Shape, threads: int) -> Runner:
    """``module`` as it is, run eagerly."""

    def run(image: Image) -> Image:
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
        with torch.inference_mode():
            return module(torch.from_numpy(image)).numpy()

    return run


def build_onnxruntime(module: nn.Module, shape: Shape, threads: int) -> Runner:
    """An ONNX Runtime session on the processor."""
    import onnxruntime

    from experiments.latency.graph import to_onnx

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(to_onnx(module, shape).SerializeToString(), options, providers=["CPUExecutionProvider"])
    return lambda image: session.run(None, {"input": image})[0]


def build_openvino(module: nn.Module, shape: Shape, threads: int) -> Runner:
    """An OpenVINO model compiled for the processor, in full float32 precision."""
    import openvino

    from experiments.latency.graph import to_onnx

    core = openvino.Core()
    settings: dict[str, Any] = {
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "INFERENCE_PRECISION_HINT": "f32",
        "ENABLE_CPU_PINNING": False,
    }
    model = core.read_model(to_onnx(module, shape).SerializeToString())
    request = core.compile_model(model, "CPU", settings).create_infer_request()

    def run(image: Image) -> Image:
        request.infer({0: image}, share_inputs=True)
        return request.get_output_tensor().data

    return run


@dataclass(frozen=True)
class Engine:
    """An engine by name: ``build(module, shape, threads)`` makes its callable."""

    name: str
    build: Callable[[nn.Module, Shape, int], Runner]
    packages: tuple[str, ...]

    def versions(self) -> dict[str, str]:
        """Versions of what decides its speed."""
        packages = {name: str(import_module(name).__version__).partition("-")[0] for name in self.packages}
        return {"ssr-nas": __version__, "python": platform.python_version(), **packages}


ENGINES = {
    engine.name: engine
    for engine in (
        Engine("onnxruntime", build_onnxruntime, ("onnx", "onnxruntime")),
        Engine("openvino", build_openvino, ("onnx", "openvino")),
        Engine("torch", build_torch, ("torch",)),
    )
}


def find_engine(name: str) -> Engine:
    """The engine called ``name``.

    Raises:
        InputError: there is none, or a package that it needs is not installed.
    """
    if name not in ENGINES:
        raise InputError(f"engine: unknown {name!r}; choose from {', '.join(ENGINES)}")
    for package in ENGINES[name].packages:
        try:
            import_module(package)
        except ImportError:
            raise InputError(f"engine: {package} is not installed; pip install 'ssr-nas[deploy]'") from None
    return ENGINES[name]


def processor_name() -> str:
    """The processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
