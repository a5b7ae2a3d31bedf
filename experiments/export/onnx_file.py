"""A network as an ONNX file."""

import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn

from experiments.export.deployed import Deployed, example
from experiments.runs.files import write_atomic
from experiments.runtime.interface import INPUT, Interface
from nas_space.lowering import Lowering, lower

OPSET = 18  # ONNX Runtime 1.14, OpenVINO 2023.1, TensorRT 8.6 and newer


def export_onnx(
    network: nn.Module,
    path: str | Path,
    size: tuple[int, int],
    *,
    dynamic: bool = False,
    interface: Interface = Interface(),  # noqa: B008  # frozen
    lowering: Lowering = "zeros",
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write ``network`` as an ONNX file, atomically; nothing of it is checked here (``verify`` does).

    Args:
        network: normalised images ``(N, 3, H, W)`` -> logits ``(N, classes, h, w)``; it is left as it is.
        path: the file.
        size: height and width of the images; with ``dynamic``, those of the example that the network is traced with.
        dynamic: take any number of images of any size; otherwise one image of ``size``.
        interface: what else lies inside the graph.
        lowering: the form of partial residuals.
        metadata: what the file says of itself.
    """
    write_atomic(
        path, onnx_bytes(network, size, dynamic=dynamic, interface=interface, lowering=lowering, metadata=metadata)
    )


def onnx_bytes(
    network: nn.Module,
    size: tuple[int, int],
    *,
    dynamic: bool = False,
    interface: Interface = Interface(),  # noqa: B008
    lowering: Lowering = "zeros",
    metadata: Mapping[str, str] | None = None,
) -> bytes:
    """The content of ``export_onnx``'s file; arguments as there."""
    import onnx

    axes = {INPUT: _axes(interface.pixels)} if dynamic else None
    with warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder:
        # The tracing exporter is called old, and remarks on every shape. It is the leaner one here: its graphs for any
        # size have half the nodes, it takes a tenth of the time, and it needs no further package. What it writes is run
        # and compared.
        warnings.simplefilter("ignore")
        file = Path(folder) / "network.onnx"
        torch.onnx.export(
            Deployed(lower(network, lowering), interface).eval(),
            (example(interface, size),),
            file,
            dynamo=False,
            input_names=[INPUT],
            output_names=[interface.output],
            opset_version=OPSET,
            dynamic_axes=axes,
        )
        model = onnx.load(file)
    for key, value in (metadata or {}).items():
        model.metadata_props.add(key=key, value=value)
    return model.SerializeToString()


def _axes(pixels: bool) -> dict[int, str]:
    return {0: "batch", 1: "height", 2: "width"} if pixels else {0: "batch", 2: "height", 3: "width"}
