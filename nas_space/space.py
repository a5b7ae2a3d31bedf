"""The joint space, written with NNI's mutables: any NNI strategy can search it.

Labels are nested by scope: ``stage1/depth``, ``stage1/layer3/op`` (values ``d4s2``), ``stage1/layer3/d4s2/width_3x1``.
"""

import nni
from nni.mutable import label_scope
from nni.nas.nn.pytorch import LayerChoice, ModelSpace, MutableBatchNorm2d, MutableConv2d, Repeat
from torch import Tensor, nn
from torch.nn import functional

from nas_space.blocks import BATCH_NORM_EPS, DownsamplerBlock, pad_channels, pool, upsample
from nas_space.config import WIDTH_KEYS, SpaceConfig, operator_name
from nas_space.memory import check_supernet
from nas_space.network import apply_head, make_head, stage_outputs


class MutableOperator(nn.Module):
    """One candidate operator: pool, factorised convolution of searchable widths, upsample, zero-pad to all channels."""

    def __init__(self, channels: int, widths: tuple[int, ...], dilation: int, pooling: int) -> None:
        super().__init__()
        self.channels = channels
        self.pooling = pooling
        first, second = (nni.choice(key, list(widths)) if len(widths) > 1 else channels for key in WIDTH_KEYS)
        self.conv3x1 = MutableConv2d(channels, first, (3, 1), padding=(dilation, 0), dilation=(dilation, 1))
        self.conv1x3 = MutableConv2d(first, second, (1, 3), padding=(0, dilation), dilation=(1, dilation))
        self.bn = MutableBatchNorm2d(second, eps=BATCH_NORM_EPS)

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn(self.conv1x3(functional.relu(self.conv3x1(pool(x, self.pooling)))))
        if self.pooling > 1:
            y = upsample(y, (x.shape[-2], x.shape[-1]))
        return pad_channels(y, self.channels)


class MutableLayer(nn.Module):
    """``ReLU(x + chosen operator(x))``, ``(N, channels, H, W)`` -> the same."""

    def __init__(self, config: SpaceConfig, stage: int, label: str) -> None:
        super().__init__()
        channels, widths = config.widths[stage], config.width_candidates(stage)
        with label_scope(label):
            candidates = {}
            for operator in config.operators:
                with label_scope(operator_name(*operator)):
                    candidates[operator_name(*operator)] = MutableOperator(channels, widths, *operator)
            self.op: nn.Module = LayerChoice(candidates, label="op") if len(candidates) > 1 else candidates.popitem()[1]

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(x + self.op(x))


class JointSpace(ModelSpace):
    """All networks of a ``SpaceConfig`` with the head of a search: logits at 1/8 of the input resolution.

    Args:
        config: the space.
        num_classes: channels of the logits.

    Raises:
        InputError: its weights do not fit into the free memory.

    Shape:
        ``(N, 3, H, W)`` -> ``(N, num_classes, ceil(H/8), ceil(W/8))``.
    """

    def __init__(self, config: SpaceConfig, num_classes: int) -> None:
        super().__init__()
        check_supernet(config, num_classes, copies=1)
        self.config = config
        self.num_classes = num_classes
        self.down1 = DownsamplerBlock(3, config.stem)
        channels = (config.stem, *config.widths)
        for stage in config.stages:
            self.add_module(f"down{stage + 2}", DownsamplerBlock(channels[stage], channels[stage + 1]))
            self.add_module(f"stage{stage + 1}", self._stage(stage))
        self.head = make_head(config, num_classes, config.heads[0])

    def _stage(self, stage: int) -> nn.Module:
        depths = self.config.depth_candidates[stage]

        def layer(index: int) -> MutableLayer:
            return MutableLayer(self.config, stage, f"layer{index + 1}")

        with label_scope(f"stage{stage + 1}"):
            return Repeat(layer, nni.choice("depth", list(depths)) if len(depths) > 1 else depths[0])

    def forward(self, image: Tensor) -> Tensor:
        half = self.down1(image)
        return apply_head(self.head, self.config.heads[0], half, stage_outputs(self, half, len(self.config.stages)))

    def stages(self) -> tuple[nn.Module, ...]:
        """The searched stages, in order."""
        return tuple(getattr(self, f"stage{stage + 1}") for stage in self.config.stages)
