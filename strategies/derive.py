"""From super-network to plain network, weights included."""

from collections.abc import Callable

import torch
from torch import nn

from nas_space.architecture import Architecture, Layer
from nas_space.blocks import FactorizedConv, ResidualLayer
from nas_space.config import operator_name
from nas_space.network import SegmentationNetwork
from nas_space.space import JointSpace
from strategies.narrowing import ParameterChanges, narrow
from strategies.supernet import MixedLayer, MixedOperator, MixedStage


def copy_narrowed(stage: nn.Module, index: int, layer: Layer, target: FactorizedConv) -> None:
    """Copy the weights of one layer of our super-network: the channels that ``narrow`` leaves.

    Args:
        stage: of the super-network.
        index: of the layer in the stage.
        layer: what the layer becomes.
        target: takes the weights.
    """
    assert isinstance(stage, MixedStage)
    mixed = stage.layers[index]
    assert isinstance(mixed, MixedLayer)
    operator = mixed.operators[operator_name(layer.dilation, layer.pooling)]
    assert isinstance(operator, MixedOperator)
    source = operator.conv
    first, second = source.conv3x1.out_channels, source.conv1x3.out_channels
    copy = FactorizedConv(source.conv3x1.in_channels, first, second, source.conv3x1.dilation[0])
    copy.load_state_dict(source.state_dict())
    narrow(copy, target.conv3x1.out_channels, target.conv1x3.out_channels, ParameterChanges())
    target.load_state_dict(copy.state_dict())


@torch.no_grad()
def derive_network(
    supernet: JointSpace,
    architecture: Architecture,
    copy_layer: Callable[[nn.Module, int, Layer, FactorizedConv], None] = copy_narrowed,
) -> SegmentationNetwork:
    """The network of ``architecture`` with copies of the super-network's weights, in its mode and on its device.

    Where every choice has one survivor, the result computes what the super-network computes. Before, it is the
    discretised network whose loss the gap compares (SSR paper, equations 23 and 24).

    Args:
        supernet: a mutated space; every candidate that ``architecture`` uses must still be alive.
        architecture: what to take out of it.
        copy_layer: copies the weights of one searched layer; arguments as of ``copy_narrowed``.
    """
    network = SegmentationNetwork(architecture, supernet.num_classes).to(next(supernet.parameters()).device)
    for name in (*(f"down{i}" for i in range(1, len(architecture.stages) + 2)), "head"):
        getattr(network, name).load_state_dict(getattr(supernet, name).state_dict())
    for number, (stage, layers) in enumerate(zip(supernet.stages(), architecture.stages, strict=True), start=1):
        for index, (layer, block) in enumerate(zip(layers, getattr(network, f"stage{number}"), strict=True)):
            assert isinstance(block, ResidualLayer)
            copy_layer(stage, index, layer, block.conv)
    return network.train(supernet.training)
