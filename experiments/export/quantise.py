"""Post-training quantisation to 8 bits: ranges of activations are taken from calibration images, no training."""

import contextlib
import io
import logging
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from experiments.runtime.interface import INPUT
from nas_space.errors import InputError

Images = Sequence[NDArray[Any]]
"""Calibration images as the file takes them, one image each."""


def quantise_onnx(source: Path, target: Path, images: Images) -> None:
    """Quantise an ONNX file for ONNX Runtime (static, in the form of quantise-dequantise pairs).

    Weights are 7 bits, one scale a channel: without the instructions of newer processors (VNNI), sums of full 8-bit
    products saturate.

    Raises:
        InputError: onnxruntime's quantiser is not installed.
    """
    try:
        from onnxruntime.quantization import (
            CalibrationDataReader,
            CalibrationMethod,
            QuantFormat,
            QuantType,
            quantize_static,
        )
        from onnxruntime.quantization.shape_inference import quant_pre_process
    except ImportError:
        raise InputError(
            "precision int8: onnxruntime.quantization is not installed; pip install 'ssr-nas[deploy]'"
        ) from None

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self.rest: Iterator[NDArray[Any]] = iter(images)

        def get_next(self) -> dict[str, NDArray[Any]] | None:
            image = next(self.rest, None)
            return None if image is None else {INPUT: image}

    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        prepared = Path(folder) / "prepared.onnx"
        quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
        quantize_static(
            str(prepared),
            str(target),
            Reader(),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            reduce_range=True,
            calibrate_method=CalibrationMethod.MinMax,
        )


def quantise_openvino(model: Any, images: Images) -> Any:
    """Quantise an ``openvino.Model`` by NNCF; returns the quantised model.

    Raises:
        InputError: nncf is not installed.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import nncf
    except ImportError:
        raise InputError(
            "precision int8: nncf is not installed; pip install 'ssr-nas[deploy]', or export to onnx"
        ) from None
    nncf.set_log_level(logging.ERROR)
    with contextlib.redirect_stdout(io.StringIO()):  # progress bars
        return nncf.quantize(model, nncf.Dataset(images), subset_size=len(images), preset=nncf.QuantizationPreset.MIXED)
