"""A network as an ONNX file, for ONNX Runtime and everything that reads ONNX."""

import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.export.settings import Answer, CalibrationImages, ExportSettings, FileRunner
from experiments.runs.files import write_atomic
from experiments.runtime.engines import INSTALL, Array, open_onnxruntime
from experiments.runtime.interface import INPUT
from nas_space.errors import InputError

if TYPE_CHECKING:
    from torch import nn

OPSET = 18  # ONNX Runtime 1.14, OpenVINO 2023.1, TensorRT 8.6 and newer


def write(network: "nn.Module", file: Path, settings: ExportSettings) -> None:
    """Write ``network`` as an ONNX file, atomically. ``experiments.export.export`` runs what is written here.

    Args:
        network: normalised images ``(N, 3, H, W)`` -> logits ``(N, classes, h, w)``; it is left as it is.
        file: the file.
        settings: how it is written.
    """
    write_atomic(file, onnx_bytes(network, settings))


def onnx_bytes(network: "nn.Module", settings: ExportSettings, reductions: bool = False) -> bytes:
    """The content of the file that ``write`` writes.

    Args:
        network: as there.
        settings: as there.
        reductions: pool the image and choose the classes by reductions (``PairPool``, ``Deployed``).
    """
    import onnx
    import torch

    from experiments.export.deployed import Deployed, example
    from nas_space.lowering import lower

    interface = settings.interface
    axes = {0: "batch", 1: "height", 2: "width"} if interface.pixels else {0: "batch", 2: "height", 3: "width"}
    names: dict[str, Any] = {"input_names": [INPUT], "output_names": [interface.output]}
    names["dynamic_axes"] = {INPUT: axes} if settings.dynamic else None
    with warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder:
        # The tracing exporter is called old, and remarks on every shape. It is the leaner one here: its graphs for any
        # size have half the nodes, it takes a tenth of the time, and it needs no further package.
        warnings.simplefilter("ignore")
        file = Path(folder) / "network.onnx"
        lowered = lower(network, settings.lowering, pairs=reductions and not settings.dynamic)
        deployed = Deployed(lowered, interface, reductions).eval()
        inputs = (example(interface, settings.size),)
        torch.onnx.export(deployed, inputs, file, dynamo=False, opset_version=OPSET, **names)
        model = onnx.load(file)
    onnx.helper.set_model_props(model, dict(settings.metadata))
    return model.SerializeToString()


def open_file(file: Path, settings: ExportSettings) -> FileRunner:
    """Open an ONNX file in ONNX Runtime."""
    import onnx
    import torch

    threads = torch.get_num_threads()
    run = open_onnxruntime(file, threads).run
    model = onnx.load(file)
    logits = next((node.input[0] for node in reversed(model.graph.node) if node.op_type == "ArgMax"), None)
    if logits is None:
        return lambda image: Answer(*2 * (run(image),))
    # The same graph, but what the classes are taken from comes out too.
    model.graph.output.append(onnx.helper.make_tensor_value_info(logits, onnx.TensorProto.FLOAT, None))
    run_logits = open_onnxruntime(model.SerializeToString(), threads, output=1).run
    return lambda image: Answer(run(image), run_logits(image))


def quantise(file: Path, images: CalibrationImages, settings: ExportSettings) -> None:
    """Quantise an ONNX file in place (static, in the form of quantise-dequantise pairs).

    Weights are 7 bits, one scale per channel: without the instructions of newer processors (VNNI), sums of full 8-bit
    products saturate.

    Args:
        file: a float32 file.
        images: the ranges of activations are those of these images.
        settings: what the file was written with.

    Raises:
        InputError: the quantiser of onnxruntime is not installed.
    """
    import onnx

    try:
        from onnxruntime import quantization as ort
        from onnxruntime.quantization.shape_inference import quant_pre_process
    except ImportError:
        raise InputError(f"precision int8: onnxruntime.quantization is not installed; {INSTALL}") from None

    class Reader(ort.CalibrationDataReader):
        def __init__(self) -> None:
            self.rest: Iterator[Array] = iter(images)

        def get_next(self) -> dict[str, Array] | None:
            image = next(self.rest, None)
            return None if image is None else {INPUT: image}

    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        prepared, quantised = (str(Path(folder) / name) for name in ("prepared.onnx", "quantised.onnx"))
        quant_pre_process(str(file), prepared, skip_symbolic_shape=True)
        types = {"activation_type": ort.QuantType.QUInt8, "weight_type": ort.QuantType.QInt8}
        form: dict[str, Any] = {"quant_format": ort.QuantFormat.QDQ, "calibrate_method": ort.CalibrationMethod.MinMax}
        form["nodes_to_exclude"] = _image_pools(onnx.load(prepared).graph)
        ort.quantize_static(prepared, quantised, Reader(), per_channel=True, reduce_range=True, **types, **form)
        model = onnx.load(quantised)
    onnx.helper.set_model_props(model, dict(settings.metadata))
    write_atomic(file, model.SerializeToString())


def _image_pools(graph: Any) -> list[str]:
    """Names of the max-pools that no convolution comes before.

    ONNX Runtime takes ten times as long for them in 8 bits as in float32: it has a quick one for features alone.
    """
    seen, pools = set(), []  # seen: values behind a convolution
    for node in graph.node:  # in the order in which they run
        if node.op_type == "Conv" or any(name in seen for name in node.input):
            seen.update(node.output)
        elif node.op_type == "MaxPool":
            pools.append(node.name)
    return pools
