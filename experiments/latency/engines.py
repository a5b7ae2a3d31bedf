"""How a module becomes a function that an engine runs, for timing."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from experiments.runs.environment import engine_versions
from experiments.runtime.engines import PACKAGES, Array, Runner, check_engine, open_timed

Shape = tuple[int, int, int, int]
Build = Callable[[nn.Module, Shape, int], Runner]


def build_torch(module: nn.Module, shape: Shape, threads: int) -> Runner:
    """``module`` as it is, run eagerly."""

    def run(image: Array) -> Array:
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
        with torch.inference_mode():
            return module(torch.from_numpy(image)).numpy()

    return run


def build_by_graph(engine: str) -> Build:
    """What builds a module as an ONNX graph in ``onnxruntime`` or ``openvino``, on the processor, in float32."""

    def build(module: nn.Module, shape: Shape, threads: int) -> Runner:
        from experiments.latency.graph import to_onnx

        return open_timed(engine, to_onnx(module, shape).SerializeToString(), threads)

    return build


@dataclass(frozen=True)
class Engine:
    """An engine by name: ``build(module, shape, threads)`` makes the function."""

    name: str
    build: Build
    packages: tuple[str, ...]

    def versions(self) -> dict[str, str]:
        """Versions of what decides its speed."""
        return engine_versions(self.packages)


_BUILDERS = {"onnxruntime": build_by_graph("onnxruntime"), "openvino": build_by_graph("openvino"), "torch": build_torch}
ENGINES = {name: Engine(name, build, PACKAGES[name]) for name, build in _BUILDERS.items()}


def find_engine(name: str) -> Engine:
    """The engine called ``name``.

    Raises:
        InputError: there is none, or a package that it needs is not installed.
    """
    check_engine(name, {key: engine.packages for key, engine in ENGINES.items()})
    return ENGINES[name]
