"""A network as an OpenVINO model: two files, ``NAME.xml`` (the graph) and ``NAME.bin`` (its weights)."""

import contextlib
import io
import logging
import os
import tempfile
import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.export.onnx_file import onnx_bytes
from experiments.export.settings import Answer, CalibrationImages, ExportSettings, FileRunner
from experiments.runtime.engines import INSTALL, RT_INFO, open_openvino
from nas_space.errors import InputError

if TYPE_CHECKING:
    from torch import nn

CHOICE = r"/(ReduceMax|Equal|Where|ReduceMin)(_\d+)?"
"""Nodes that choose the classes. They see logits that are not rounded to 8 bits: many of those would be equal."""


def write(network: "nn.Module", file: Path, settings: ExportSettings) -> None:
    """Write ``network`` in float32, as an ``.xml`` and the ``.bin`` beside it; arguments as of ``onnx_file.write``."""
    import openvino

    # By reductions: measured faster there than max-pool and argmax (experiments/results/lowering.md).
    content = onnx_bytes(network, replace(settings, metadata={}), reductions=True)
    _save(openvino.Core().read_model(content), file, settings)


def open_file(file: Path, settings: ExportSettings) -> FileRunner:
    """Open the ``.xml`` of a model in OpenVINO."""
    import openvino
    import torch

    threads = torch.get_num_threads()
    run = open_openvino(file, threads).run
    if not settings.interface.argmax:
        return lambda image: Answer(*2 * (run(image).copy(),))
    # The same graph, but what the classes are taken from comes out too.
    model = openvino.Core().read_model(file)
    last = next(node for node in reversed(model.get_ordered_ops()) if node.get_type_name() == "ReduceMax")
    model.add_outputs(last.input_value(0))
    run_logits = open_openvino(model, threads, output=1).run
    return lambda image: Answer(run(image).copy(), run_logits(image).copy())


def quantise(file: Path, images: CalibrationImages, settings: ExportSettings) -> None:
    """Quantise a model in place, by NNCF; arguments as of ``onnx_file.quantise``.

    Raises:
        InputError: nncf is not installed.
    """
    import openvino

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import nncf
    except ImportError:
        raise InputError(f"precision int8: nncf is not installed; {INSTALL}, or export to onnx") from None
    nncf.set_log_level(logging.ERROR)
    preset, images = nncf.QuantizationPreset.MIXED, list(images)
    choice = nncf.IgnoredScope(patterns=[CHOICE], validate=False)
    with contextlib.redirect_stdout(io.StringIO()):  # progress bars
        model = openvino.Core().read_model(file)
        quantised = nncf.quantize(
            model, nncf.Dataset(images), subset_size=len(images), preset=preset, ignored_scope=choice
        )
    _save(quantised, file, settings)


def _save(model: Any, file: Path, settings: ExportSettings) -> None:
    """Write an ``openvino.Model``. The graph appears last: where it is, its weights are."""
    import openvino

    for key, value in settings.metadata.items():
        model.set_rt_info(value, [RT_INFO, key])
    with tempfile.TemporaryDirectory(prefix=f".{file.name}.", dir=file.parent) as folder:
        openvino.save_model(model, Path(folder) / file.name, compress_to_fp16=False)
        for path in (file.with_suffix(".bin"), file):
            os.replace(Path(folder) / path.name, path)
