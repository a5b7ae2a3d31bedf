"""From super-network to plain network, weights included."""

import torch

from nas_space.architecture import Architecture
from nas_space.blocks import FactorizedConv, ResidualLayer
from nas_space.config import operator_name
from nas_space.network import SegmentationNetwork
from nas_space.space import JointSpace
from strategies.narrowing import ParameterChanges, narrow
from strategies.supernet import MixedLayer, MixedOperator, MixedStage


@torch.no_grad()
def derive_network(supernet: JointSpace, architecture: Architecture) -> SegmentationNetwork:
    """The network of ``architecture`` with copies of the super-network's weights, in its mode and on its device.

    Once every choice has one survivor, it computes what the super-network computes. Before, it is the discretised
    network whose loss the gap compares (SSR paper, equations 23 and 24).

    Args:
        supernet: a mutated space; every candidate that ``architecture`` uses must still be alive.
        architecture: what to take out of it.
    """
    network = SegmentationNetwork(architecture, supernet.num_classes).to(next(supernet.parameters()).device)
    for name in ("down1", "down2", "down3", "head"):
        getattr(network, name).load_state_dict(getattr(supernet, name).state_dict())
    for stage, layers, target in zip(
        supernet.stages(), architecture.stages, (network.stage1, network.stage2), strict=True
    ):
        assert isinstance(stage, MixedStage)
        for mixed, layer, residual in zip(stage.layers, layers, target, strict=False):
            assert isinstance(mixed, MixedLayer) and isinstance(residual, ResidualLayer)
            source = mixed.operators[operator_name(layer.dilation, layer.pooling)]
            assert isinstance(source, MixedOperator)
            _copy_narrowed(source.conv, residual.conv)
    return network.train(supernet.training)


def _copy_narrowed(source: FactorizedConv, target: FactorizedConv) -> None:
    dilation = source.conv3x1.dilation[0]
    first, second = source.conv3x1.out_channels, source.conv1x3.out_channels
    copy = FactorizedConv(source.conv3x1.in_channels, first, second, dilation)
    copy.load_state_dict(source.state_dict())
    narrow(copy, target.conv3x1.out_channels, target.conv1x3.out_channels, ParameterChanges())
    target.load_state_dict(copy.state_dict())
