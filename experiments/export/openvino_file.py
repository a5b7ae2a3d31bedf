"""A network as an OpenVINO IR: two files, ``NAME.xml`` (the graph) and ``NAME.bin`` (its weights)."""

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from experiments.export.onnx_file import onnx_bytes
from experiments.runtime.interface import Interface
from experiments.runtime.session import RT_INFO
from nas_space.lowering import Lowering


def export_openvino(
    network: nn.Module,
    path: str | Path,
    size: tuple[int, int],
    *,
    dynamic: bool = False,
    interface: Interface = Interface(),  # noqa: B008  # frozen
    lowering: Lowering = "zeros",
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write ``network`` as ``path`` (``.xml``) and the ``.bin`` beside it; arguments as of ``export_onnx``.

    Weights are kept in float32. The graph appears last: where it is, its weights are.
    """
    import openvino

    content = onnx_bytes(network, size, dynamic=dynamic, interface=interface, lowering=lowering)
    save_openvino(openvino.Core().read_model(content), Path(path), metadata or {})


def save_openvino(model: Any, path: Path, metadata: Mapping[str, str]) -> None:
    """Write an ``openvino.Model`` as two files, with ``metadata`` as its ``rt_info``."""
    import openvino

    for key, value in metadata.items():
        model.set_rt_info(value, [RT_INFO, key])
    folder = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        openvino.save_model(model, folder / path.name, compress_to_fp16=False)
        weights = path.with_suffix(".bin")
        os.replace(folder / weights.name, weights)
        os.replace(folder / path.name, path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
