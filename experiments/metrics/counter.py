"""Parameters and multiply-accumulates of any module, counted while it runs on shapes alone.

The convention is that of ``nas_space.cost``. ``macs_conv`` counts convolutions and matrix products: one for each
multiplication with the addition that follows. ``macs_total`` adds 1 for each element that a bias, a ReLU or its kin, or
an upsampling writes, 2 for each that a batch norm writes, and 1 for each that a pooling reads. Sums, products of two
activations, concatenations and reshapes count nothing. What is none of these is listed.
"""

import copy
from collections import Counter
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

aten = torch.ops.aten


def _operators(names: str) -> set[Any]:
    return {getattr(aten, name) for name in names.split()}


ONE_A_RESULT = _operators(
    "relu relu_ hardswish hardswish_ hardsigmoid hardsigmoid_ sigmoid hardtanh hardtanh_"
    " upsample_bilinear2d upsample_nearest2d"
)
NORMS = _operators("native_batch_norm _native_batch_norm_legit_no_training cudnn_batch_norm")
POOLINGS = _operators("max_pool2d_with_indices avg_pool2d mean _adaptive_avg_pool2d")
FREE = _operators("add add_ mul cat slice view constant_pad_nd replication_pad2d empty detach t alias")


@dataclass(frozen=True)
class Count:
    """What a network costs, for one image.

    Args:
        params: trained numbers.
        macs_conv: convolutions and matrix products.
        macs_total: with all else that is counted; None for a file, from which batch norms have gone already.
        unknown: operators that are not counted because nobody has said what they cost, and how often each occurs.
    """

    params: int
    macs_conv: int
    macs_total: int | None
    unknown: dict[str, int]


def count_module(module: nn.Module, size: tuple[int, int]) -> Count:
    """Count while ``module`` runs on an image of ``size``, on the ``meta`` device: shapes only, nothing is computed."""
    network = copy.deepcopy(module).to("meta").eval()
    counter = _Counter()
    with torch.no_grad(), counter:
        network(torch.empty(1, 3, *size, device="meta"))
    params = sum(parameter.numel() for parameter in module.parameters())
    return Count(params, counter.conv, counter.conv + counter.rest, dict(counter.unknown))


class _Counter(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.rest, self.unknown = 0, 0, Counter[str]()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        packet = func.overloadpacket
        if packet in flop_registry:
            self.conv += flop_registry[packet](*args, **(kwargs or {}), out_val=result) // 2
            self.rest += result.numel() if packet is aten.convolution and args[2] is not None else 0  # the bias
        elif packet in ONE_A_RESULT:
            self.rest += result.numel()
        elif packet in NORMS:
            self.rest += 2 * result[0].numel()
        elif packet in POOLINGS:
            self.rest += args[0].numel()
        elif packet not in FREE:
            self.unknown[str(packet).rpartition(".")[2]] += 1
        return result
