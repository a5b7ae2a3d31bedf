"""A network, or a chain of its blocks, as an ONNX graph of fixed size: float32, evaluation mode, batch norm folded.

The graph is written here instead of by ``torch.onnx.export``: a table builds hundreds of small graphs anew in every
round, which would then take most of its time. Only the blocks of this project are known.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from torch import Tensor, nn

from nas_space.blocks import DownsamplerBlock, ResidualLayer
from nas_space.network import SegmentationNetwork

OPSET, IR_VERSION = 17, 8  # old enough for every runtime of the last years
Shape = tuple[int, int, int, int]


class Value(NamedTuple):
    """A tensor of the graph: its name and its shape ``(N, C, H, W)``."""

    name: str
    shape: Shape


def to_onnx(module: nn.Module, shape: Shape) -> onnx.ModelProto:
    """The graph of ``module`` for inputs of ``shape`` (N, C, H, W), with one input and one output.

    Args:
        module: a ``SegmentationNetwork`` with the encoder head, one of its blocks, or an ``nn.Sequential`` of them.
        shape: the only shape that the graph takes.

    Raises:
        TypeError: a module that is none of these.
    """
    writer = _Writer()
    x = Value("input", shape)
    values = (x, writer.module(module, x))
    inputs, outputs = ([helper.make_tensor_value_info(v.name, onnx.TensorProto.FLOAT, v.shape)] for v in values)
    graph = helper.make_graph(writer.nodes, "network", inputs, outputs, writer.constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)


class _Writer:
    """Collects nodes and constants; each method appends the nodes of one operation and returns its result."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def module(self, module: nn.Module, x: Value) -> Value:
        if isinstance(module, nn.Sequential):
            return self.chain(module, x)
        if isinstance(module, ResidualLayer):
            return self.residual_layer(module, x)
        if isinstance(module, DownsamplerBlock):
            return self.downsampler(module, x)
        if isinstance(module, nn.Conv2d):
            return self.conv(module, x)
        if isinstance(module, nn.ReLU):
            return self.node("Relu", (x,), x.shape)
        if isinstance(module, SegmentationNetwork):
            return self.chain((module.down1, module.down2, module.stage1, module.down3, module.stage2, module.head), x)
        raise TypeError(f"{type(module).__name__} cannot be written as an ONNX graph")

    def chain(self, modules: Iterable[nn.Module], x: Value) -> Value:
        for module in modules:
            x = self.module(module, x)
        return x

    def residual_layer(self, layer: ResidualLayer, x: Value) -> Value:
        conv = layer.conv
        y = self.average_pool(x) if layer.pooling > 1 else x
        y = self.conv(conv.conv3x1, y)
        y = self.conv(conv.conv1x3, self.node("Relu", (y,), y.shape), conv.bn)
        if layer.pooling > 1:
            size = self.constant(np.array((*y.shape[:2], *x.shape[2:]), np.int64))
            y = self.node("Resize", (y, "", "", size), (*y.shape[:2], *x.shape[2:]), mode="linear")
        missing = x.shape[1] - y.shape[1]
        if missing:
            y = self.pad(y, (0, missing, 0, 0), "constant")
        return self.node("Relu", (self.node("Add", (x, y), x.shape),), x.shape)

    def downsampler(self, block: DownsamplerBlock, x: Value) -> Value:
        learned = self.conv(block.conv, x)
        half = (*x.shape[:2], *learned.shape[2:])
        pooled = self.node("MaxPool", (x,), half, kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1)
        shape = (x.shape[0], learned.shape[1] + pooled.shape[1], *learned.shape[2:])
        joined = self.node("Concat", (learned, pooled), shape, axis=1)
        # This batch norm also scales the pooled channels, so it does not vanish in the convolution.
        bn = block.bn
        assert bn.running_mean is not None and bn.running_var is not None
        parameters = (self.constant(_array(x)) for x in (bn.weight, bn.bias, bn.running_mean, bn.running_var))
        normed = self.node("BatchNormalization", (joined, *parameters), shape, epsilon=bn.eps)
        return self.node("Relu", (normed,), shape)

    def conv(self, conv: nn.Conv2d, x: Value, bn: nn.BatchNorm2d | None = None) -> Value:
        weight = _array(conv.weight)
        bias = np.zeros(len(weight), np.float32) if conv.bias is None else _array(conv.bias)
        if bn is not None:
            assert bn.running_mean is not None and bn.running_var is not None
            scale = _array(bn.weight) / np.sqrt(_array(bn.running_var) + np.float32(bn.eps))
            weight = weight * scale[:, None, None, None]
            bias = (bias - _array(bn.running_mean)) * scale + _array(bn.bias)
        assert not isinstance(conv.padding, str)
        axes = zip(x.shape[2:], conv.padding, conv.dilation, conv.kernel_size, conv.stride, strict=True)
        h, w = ((n + 2 * pad - dilation * (size - 1) - 1) // stride + 1 for n, pad, dilation, size, stride in axes)
        attrs = dict(kernel_shape=conv.kernel_size, pads=conv.padding * 2, dilations=conv.dilation, strides=conv.stride)
        inputs = (x, self.constant(weight), self.constant(bias))
        return self.node("Conv", inputs, (x.shape[0], len(weight), h, w), **attrs)

    def average_pool(self, x: Value) -> Value:
        """As ``nas_space.blocks.pool`` with factor 2: an odd side gets its last row or column once more."""
        odd = x.shape[2] % 2, x.shape[3] % 2
        if any(odd):
            x = self.pad(x, (0, 0, *odd), "edge")
        shape = (x.shape[0], x.shape[1], x.shape[2] // 2, x.shape[3] // 2)
        return self.node("AveragePool", (x,), shape, kernel_shape=[2, 2], strides=[2, 2])

    def pad(self, x: Value, after: Shape, mode: str) -> Value:
        """Append ``after`` elements to each axis."""
        amounts = self.constant(np.array((0, 0, 0, 0, *after), np.int64))
        n, c, h, w = (side + more for side, more in zip(x.shape, after, strict=True))
        return self.node("Pad", (x, amounts), (n, c, h, w), mode=mode)

    def node(self, operation: str, inputs: Iterable[Value | str], shape: Shape, **attributes: Any) -> Value:
        names = [value if isinstance(value, str) else value.name for value in inputs]
        name = f"{operation}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operation, names, [name], name=name, **attributes))
        return Value(name, shape)

    def constant(self, array: NDArray[Any]) -> str:
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(array, name))
        return name


def _array(tensor: Tensor) -> NDArray[np.float32]:
    return tensor.detach().cpu().float().numpy()
