"""The file that an engine runs: a network exported as a user would export it, or the user's own ONNX file."""

from pathlib import Path

import torch

from experiments.benchmark.networks.networks import Network
from experiments.benchmark.networks.onnx_input import check_onnx, read_onnx
from experiments.export.formats import FORMATS
from experiments.export.timed_file import FILE_ENGINES, check_precision, write_timed
from experiments.runtime.engines import ONNX_ENGINES
from experiments.runtime.interface import PLAIN, Interface
from nas_space.config import check_size
from nas_space.errors import InputError
from nas_space.lowering import lower


def check_file(network: Network, engine: str, precision: str, size: tuple[int, int]) -> None:
    """Refuse, before anything is exported, a network that ``engine`` cannot run.

    Raises:
        InputError: the network does not take an image of ``size``, or the engine runs no ONNX files, or not in this
            precision.
    """
    check_precision(precision)
    eight_bits = [name for name, kind in FILE_ENGINES.items() if kind.quantise is not None]
    if precision == "int8" and engine not in eight_bits:
        raise InputError(f"precision: int8 is not made for {engine}; choose {' or '.join(eight_bits)}, or fp32")
    if network.onnx is not None and engine not in ONNX_ENGINES:
        choice = " or ".join(ONNX_ENGINES)
        raise InputError(f"{network.name}: engine {engine} runs no ONNX files; choose {choice}")
    check_image(network, size)


def check_image(network: Network, size: tuple[int, int]) -> None:
    """Refuse an image that a network does not take.

    Raises:
        InputError: it is too small for the network's stages, or the network's ONNX file is damaged or takes another.
    """
    if network.architecture is not None:
        check_size(f"{network.name}, size", size, len(network.architecture.stages))
    if network.onnx is not None:
        check_onnx(network.onnx, size)


def write_file(
    network: Network,
    engine: str,
    precision: str,
    size: tuple[int, int],
    folder: Path,
    batch: int = 1,
    interface: Interface = PLAIN,
) -> Path:
    """Export ``network`` for ``engine``; a user's ONNX file is run as it is.

    Args:
        network: the network.
        engine: one of ``experiments.runtime.engines.PACKAGES``.
        precision: ``fp32``, or ``int8``: quantised after training.
        size: height and width of the images.
        folder: an existing, empty folder.
        batch: images at once.
        interface: what else lies inside the graph, for engines of exported files.

    Returns:
        The file.

    Raises:
        InputError: a user's ONNX file takes one image only, or all files of the engine do.
    """
    if batch > 1 and engine in FILE_ENGINES and "dynamic" in FILE_ENGINES[engine].lacks:
        raise InputError(f"batch: {engine} files take one image; leave --batch out, or choose another engine")
    if network.build is None:
        assert network.onnx is not None
        if batch > 1:
            raise InputError(f"{network.name}: an ONNX file is run with a batch of 1; leave --batch out")
        return network.onnx.absolute()
    module = network.build()
    if engine not in FILE_ENGINES:
        with torch.no_grad():
            program = torch.export.export(lower(module, FORMATS["torchscript"].fastest), (torch.zeros(1, 3, *size),))
        torch.export.save(program, folder / "network.pt2")
        return folder / "network.pt2"
    return write_timed(module, engine, precision, size, folder, interface, batch)


def size_mb(file: Path) -> float:
    """Size of a file, with that of the weights beside it, in MiB."""
    file_format = next((kind for kind in FORMATS.values() if file.suffix in kind.suffixes), None)
    parts = [file] if file_format is None else file_format.files(file)
    return sum(part.stat().st_size for part in parts if part.is_file()) / 2**20


def count_batch_norms(file: Path) -> int | None:
    """Batch norms that the file leaves to the engine; None where the format does not tell."""
    if file.suffix == ".onnx":
        return sum(node.op_type == "BatchNormalization" for node in read_onnx(file).graph.node)
    if file.suffix == ".xml":
        return file.read_text(encoding="utf-8").count('type="BatchNormInference"')
    if file.suffix == ".param":
        return sum(line.startswith("BatchNorm ") for line in file.read_text(encoding="utf-8").splitlines())
    return None
