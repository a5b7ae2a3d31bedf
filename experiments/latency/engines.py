"""The engines whose speed is measured, behind one function each: a module and an input's shape in, a callable out."""

import platform
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import torch
from torch import nn

from experiments.runs.environment import package_version
from experiments.runtime.engines import Array, Runner, check_installed, open_onnxruntime, open_openvino
from nas_space.errors import InputError

Shape = tuple[int, int, int, int]


def build_torch(module: nn.Module, shape: Shape, threads: int) -> Runner:
    """``module`` as it is, run eagerly."""

    def run(image: Array) -> Array:
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
        with torch.inference_mode():
            return module(torch.from_numpy(image)).numpy()

    return run


def build_onnxruntime(module: nn.Module, shape: Shape, threads: int) -> Runner:
    """An ONNX Runtime session on the processor."""
    from experiments.latency.graph import to_onnx

    return open_onnxruntime(to_onnx(module, shape).SerializeToString(), threads)


def build_openvino(module: nn.Module, shape: Shape, threads: int) -> Runner:
    """An OpenVINO model compiled for the processor, in full float32 precision."""
    from experiments.latency.graph import to_onnx

    return open_openvino(to_onnx(module, shape).SerializeToString(), threads)


@dataclass(frozen=True)
class Engine:
    """An engine by name: ``build(module, shape, threads)`` makes its callable."""

    name: str
    build: Callable[[nn.Module, Shape, int], Runner]
    packages: tuple[str, ...]

    def versions(self) -> dict[str, str]:
        """Versions of what decides its speed."""
        packages = {name: str(import_module(name).__version__).partition("-")[0] for name in self.packages}
        return {"ssr-nas": package_version(), "python": platform.python_version(), **packages}


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
    check_installed(ENGINES[name].packages)
    return ENGINES[name]


def processor_name() -> str:
    """The processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
