"""NVIDIA GPUs: their driver, and ONNX files in TensorRT (10 or newer, by its Python package)."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def driver() -> str | None:
    """Version of NVIDIA's driver; None where there is none."""
    try:
        result = subprocess.run(
            ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            timeout=30,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return result.stdout.split()[0] if result.returncode == 0 and result.stdout.split() else None


def open_tensorrt(file: Path, image: NDArray[np.float32]) -> Callable[[], tuple[int, ...]]:
    """Build a float32 engine from an ONNX file of fixed size; one call ends when the GPU is done.

    Args:
        file: the ONNX file.
        image: ``(N, C, H, W)``; copied to the GPU once, before the calls.
    """
    import tensorrt as trt
    import torch

    logger = trt.Logger(trt.Logger.ERROR)
    builder = trt.Builder(logger)
    definition = builder.create_network(0)
    parser = trt.OnnxParser(definition, logger)
    if not parser.parse_from_file(str(file)):
        raise ValueError(f"TensorRT cannot read {file.name}: {parser.get_error(0).desc()}")
    plan = builder.build_serialized_network(definition, builder.create_builder_config())
    if plan is None:
        raise ValueError(f"TensorRT cannot build an engine of {file.name}")
    engine = trt.Runtime(logger).deserialize_cuda_engine(plan)
    context: Any = engine.create_execution_context()
    tensors = {}
    for index in range(engine.num_io_tensors):
        name = engine.get_tensor_name(index)
        is_input = engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT
        dtype = torch.from_numpy(np.empty(0, trt.nptype(engine.get_tensor_dtype(name)))).dtype
        tensors[name] = (
            torch.from_numpy(image).cuda()
            if is_input
            else torch.empty(*engine.get_tensor_shape(name), dtype=dtype).cuda()
        )
        context.set_tensor_address(name, tensors[name].data_ptr())
        output = tensors[name]
    stream = torch.cuda.Stream()

    def call() -> tuple[int, ...]:
        context.execute_async_v3(stream.cuda_stream)
        stream.synchronize()
        return tuple(output.shape)

    return call
