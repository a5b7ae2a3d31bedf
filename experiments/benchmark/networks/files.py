"""The file that an engine runs: a network exported as a user would export it, or the user's own ONNX file."""

from pathlib import Path

import numpy as np
import torch
from torch import nn

from experiments.benchmark.networks.networks import Network
from experiments.benchmark.networks.onnx_input import check_onnx, read_onnx
from experiments.export.onnx_file import export_onnx
from experiments.export.openvino_file import export_openvino, save_openvino
from experiments.export.quantise import quantise_onnx, quantise_openvino
from nas_space.errors import InputError
from nas_space.lowering import FASTEST, lower

PRECISIONS = ("fp32", "int8")
FORMATS = {
    "torch": "torchscript",
    "compile": "torchscript",
    "onnxruntime": "onnx",
    "openvino": "openvino",
    "tensorrt": "tensorrt",
}
"""Engine -> the format whose fastest form of partial residuals it gets."""
CALIBRATION_IMAGES = 4  # of noise: they decide what an 8-bit network answers, not how long it takes


def check_file(network: Network, engine: str, precision: str, size: tuple[int, int]) -> None:
    """Refuse, before anything is exported, a network that ``engine`` cannot run.

    Raises:
        InputError: the network's ONNX file is damaged or takes something else than an image of ``size``, or the engine
            runs no ONNX files, or not in this precision.
    """
    if precision not in PRECISIONS:
        raise InputError(f"precision: unknown {precision!r}; choose from {', '.join(PRECISIONS)}")
    if precision == "int8" and engine not in ("onnxruntime", "openvino"):
        raise InputError(f"precision: int8 is not made for {engine}; choose onnxruntime or openvino, or fp32")
    if network.onnx is not None:
        if engine in ("torch", "compile"):
            raise InputError(f"{network.name}: engine {engine} runs no ONNX files; choose onnxruntime or openvino")
        check_onnx(network.onnx, size)


def write_file(network: Network, engine: str, precision: str, size: tuple[int, int], folder: Path) -> Path:
    """Export ``network`` for ``engine`` into ``folder``, unless it is a file that the engine takes already, which is run as it is.

    Args:
        network: the network.
        engine: torch, compile, onnxruntime, openvino or tensorrt.
        precision: ``fp32``, or ``int8``: quantised after training.
        size: height and width of the images.
        folder: an existing, empty folder.

    Returns:
        The file.
    """
    if network.build is None:
        assert network.onnx is not None
        return network.onnx.absolute()
    module = network.build()
    if precision == "int8":
        return _write_int8(module, engine, size, folder)
    if engine in ("onnxruntime", "tensorrt"):
        export_onnx(module, folder / "network.onnx", size, lowering=FASTEST[FORMATS[engine]])
        return folder / "network.onnx"
    if engine == "openvino":
        export_openvino(module, folder / "network.xml", size, lowering=FASTEST[FORMATS[engine]])
        return folder / "network.xml"
    return _export_torch(module, folder / "network.pt2", size)


def write_batched(network: Network, engine: str, size: tuple[int, int], batch: int, folder: Path) -> Path:
    """As ``write_file`` in fp32, but for ``batch`` images at once.

    Raises:
        InputError: an ONNX file is taken for one image only.
    """
    if batch == 1:
        return write_file(network, engine, "fp32", size, folder)
    if network.build is None:
        raise InputError(f"{network.name}: an ONNX file is run with a batch of 1; leave --batch out")
    export_onnx(network.build(), folder / "network.onnx", size, dynamic=True, lowering=FASTEST[FORMATS[engine]])
    return folder / "network.onnx"


def _export_torch(module: nn.Module, path: Path, size: tuple[int, int]) -> Path:
    with torch.no_grad():
        program = torch.export.export(lower(module, FASTEST["torchscript"]), (torch.zeros(1, 3, *size),))
    torch.export.save(program, path)
    return path


def _write_int8(module: nn.Module, engine: str, size: tuple[int, int], folder: Path) -> Path:
    generator = np.random.default_rng(0)
    images = [generator.standard_normal((1, 3, *size), dtype=np.float32) for _ in range(CALIBRATION_IMAGES)]
    source = folder / "float.onnx"
    export_onnx(module, source, size, lowering=FASTEST[FORMATS[engine]])
    if engine == "onnxruntime":
        quantise_onnx(source, folder / "network.onnx", images)
        return folder / "network.onnx"
    import openvino

    model = quantise_openvino(openvino.Core().read_model(source), images)
    save_openvino(model, folder / "network.xml", {})
    return folder / "network.xml"


def size_mb(file: Path) -> float:
    """Size of a file, with that of the weights beside it, in MiB."""
    weights = [file.with_suffix(".bin")] if file.suffix == ".xml" else []
    return sum(part.stat().st_size for part in (file, *weights) if part.is_file()) / 2**20


def unfolded(file: Path) -> int | None:
    """Batch norms that the file leaves to the engine; None where the format does not tell."""
    if file.suffix == ".onnx":
        return sum(node.op_type == "BatchNormalization" for node in read_onnx(file).graph.node)
    if file.suffix == ".xml":
        return file.read_text(encoding="utf-8").count('type="BatchNormInference"')
    return None
