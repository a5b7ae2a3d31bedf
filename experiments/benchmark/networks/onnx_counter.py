"""Parameters and multiply-accumulates of an ONNX file, by its graph."""

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from math import prod
from pathlib import Path
from typing import Any

from experiments.benchmark.networks.onnx_input import read_onnx
from experiments.metrics.counter import Count
from nas_space.errors import InputError

CONVOLUTIONS = {"Conv": 1, "FusedConv": 1, "ConvInteger": 1, "QLinearConv": 3}
"""Operator -> place of its weights among its inputs."""
PRODUCTS = {"MatMul", "Gemm", "MatMulInteger"}
UNCOUNTED = set(
    """
    Add Sub Mul Div Sum Neg Sqrt Pow Exp Floor Min Max Equal Greater Less Mod And Not Where Relu LeakyRelu PRelu
    Clip Sigmoid HardSigmoid HardSwish Tanh Softmax Erf Gelu BatchNormalization LayerNormalization
    InstanceNormalization MaxPool AveragePool GlobalAveragePool GlobalMaxPool ReduceMean ReduceMax ReduceSum ArgMax
    Resize Upsample Pad Concat Slice Split Gather Shape Reshape Transpose Squeeze Unsqueeze Flatten Expand Tile
    Range Cast Constant ConstantOfShape Identity Dropout QuantizeLinear DequantizeLinear DynamicQuantizeLinear
    QLinearAdd QLinearConcat DepthToSpace SpaceToDepth Size
    """.split()
)
"""What holds neither a convolution nor a product of matrices."""


def count_onnx(path: Path, size: tuple[int, int]) -> Count:
    """Count the convolutions and matrix products of a file for one image of ``size``.

    Args:
        path: a file that ``check_onnx`` has accepted.
        size: height and width of the image.

    Returns:
        The count, without ``macs_total``; operators that are neither counted nor known to be free, and those whose
        shapes the file leaves open, are in ``unknown``.
    """
    from onnx import shape_inference

    model = read_onnx(path, weights=True)
    weights = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
    image = next(value for value in model.graph.input if value.name not in weights)
    for dim, side in zip(image.type.tensor_type.shape.dim, (1, 3, *size), strict=True):
        dim.dim_value = side
    del model.graph.value_info[:]
    for value in model.graph.output:
        value.type.tensor_type.ClearField("shape")
    try:
        inferred = shape_inference.infer_shapes(model, data_prop=True).graph
    except Exception as error:  # onnx has its own kinds of errors, and takes Python's too
        raise InputError(f"{path}: its shapes cannot be told ({type(error).__name__})") from None
    shapes = dict(weights)
    for value in (*inferred.input, *inferred.value_info, *inferred.output):
        sides = tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)
        if value.type.tensor_type.HasField("shape") and all(sides):
            shapes[value.name] = sides
    macs, unknown = 0, Counter[str]()
    for node in inferred.node:
        node_macs = _macs(node, shapes)
        if node_macs is not None:
            macs += node_macs
        elif node.op_type not in UNCOUNTED:
            known = node.op_type in CONVOLUTIONS or node.op_type in PRODUCTS or node.op_type == "ConvTranspose"
            unknown[f"{node.op_type} of unknown shape" if known else node.op_type] += 1
    return Count(_parameters(model.graph), macs, None, dict(unknown))


def _macs(node: Any, shapes: Mapping[str, Sequence[int]]) -> int | None:
    """Multiply-accumulates of a node; None where it is no product, or its shapes are not known."""

    def shape_of(number: int) -> Sequence[int]:
        return shapes[node.input[number]]

    with suppress(KeyError):
        output = shapes[node.output[0]]
        if node.op_type in CONVOLUTIONS:
            return prod(output) * prod(shape_of(CONVOLUTIONS[node.op_type])[1:])
        if node.op_type == "ConvTranspose":
            return prod(shape_of(0)) * prod(shape_of(1)[1:])
        if node.op_type in PRODUCTS:
            transposed = any(attribute.name == "transA" and attribute.i for attribute in node.attribute)
            return prod(output) * shape_of(0)[-2 if transposed else -1]
    return None


def _parameters(graph: Any) -> int:
    """Numbers in the weights; scales and zero points of a quantised file, shapes and indices do not count."""
    quantisers = {
        name
        for node in graph.node
        if node.op_type.endswith("QuantizeLinear") or node.op_type == "DequantizeLinear"
        for name in node.input[1:]
    }
    types = (1, 2, 3, 10, 16)  # FLOAT, UINT8, INT8, FLOAT16, BFLOAT16
    weights = (tensor for tensor in graph.initializer if tensor.data_type in types and tensor.dims)
    return sum(prod(tensor.dims) for tensor in weights if tensor.name not in quantisers)
