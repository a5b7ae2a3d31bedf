"""The super-network: NNI super-net modules that read the architecture parameters and shrink with them.

Three things make it fast, and all are exact. Operators with the same pooling share one pooling and one upsampling,
which are linear. Dead operators, channels and layers do not exist. ``strategies/mixture.py`` sums over operators.
"""

from collections.abc import Iterable
from functools import reduce
from itertools import compress
from typing import Any, cast

import torch
from nni.mutable import LabeledMutable
from nni.nas.nn.pytorch import LayerChoice, Repeat
from nni.nas.oneshot.pytorch.supermodule.base import BaseSuperNetModule
from torch import Tensor, nn
from torch.nn import functional

from nas_space.blocks import FactorizedConv, pad_channels, pool, upsample
from nas_space.config import SpaceConfig, operator_name
from nas_space.space import MutableLayer, MutableOperator
from strategies.alive import Alive
from strategies.mixture import Branch, mix_operators
from strategies.narrowing import ParameterChanges, follow_changes, narrow
from strategies.parameters import ArchitectureParameters, LayerWeights


class MixedOperator(nn.Module):
    """One candidate operator inside a mixture, as wide as its widest surviving width.

    Args:
        operator: the space's operator, for its channels and dilation.
        widths: candidate widths, ascending.
    """

    def __init__(self, operator: MutableOperator, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.widths = widths
        conv = FactorizedConv(operator.channels, widths[-1], widths[-1], operator.conv3x1.dilation[0])
        self.conv = conv.to(memory_format=torch.channels_last)  # as its gradients come
        self.masked = [len(widths) > 1, len(widths) > 1]

    def branch(self, mask: Tensor, scale: Tensor | None) -> Branch:
        """The operator as a branch of a mixture.

        Args:
            mask: mixed mask of the 3x1 convolution's channels ``(C,)``.
            scale: what the output's channels are multiplied by ``(C,)``; None for 1.
        """
        first, second, norm = self.conv.conv3x1, self.conv.conv1x3, self.conv.bn
        assert first.bias is not None and second.bias is not None
        first_mask = mask[: first.out_channels] if self.masked[0] else None
        scale = None if scale is None else scale[: second.out_channels]
        tensors = (first.weight, first.bias, first_mask, second.weight, second.bias, norm.weight, norm.bias, scale)
        return Branch(*tensors, int(first.dilation[0]), norm)

    def shrink(self, alive: Tensor, changes: ParameterChanges) -> None:
        """Narrow both convolutions to their widest surviving width; ``alive`` is ``(2, widths)``."""
        first, second = (list(compress(self.widths, mask)) for mask in alive.tolist())
        narrow(self.conv, max(first), max(second), changes)
        self.masked = [len(first) > 1, len(second) > 1]


class MixedLayer(nn.Module):
    """``ReLU(x + sum_o p_o f_o(x))`` over the surviving operators, ``(N, C, H, W)``; SSR paper, equations 3 to 5.

    Args:
        layer: the space's layer.
        space: the searched space.
        index: the layer's row in the architecture parameters, counted over all stages.
        widths: candidate widths of the stage.
    """

    def __init__(self, layer: MutableLayer, space: SpaceConfig, index: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.index = index
        self.order = space.operators
        self.operators = nn.ModuleDict()
        for operator in space.operators:
            name = operator_name(*operator)
            candidate = layer.op[name] if isinstance(layer.op, LayerChoice) else layer.op
            self.operators[name] = MixedOperator(cast(MutableOperator, candidate), widths)

    def forward(self, x: Tensor, weights: LayerWeights) -> Tensor:
        branches: dict[int, list[Branch]] = {pooling: [] for _, pooling in self.order}
        for o, (dilation, pooling) in enumerate(self.order):
            name = operator_name(dilation, pooling)
            if name in self.operators:
                operator = cast(MixedOperator, self.operators[name])
                scale = weights.mask_1x3[o] if operator.masked[1] else None
                if len(self.operators) > 1:
                    scale = weights.weighted[o]
                branches[pooling].append(operator.branch(weights.mask_3x1[o], scale))
        total = mix_operators(x, branches[1], residual=True)
        if branches.get(2):
            mixture = upsample(mix_operators(pool(x, 2), branches[2], residual=False), (x.shape[-2], x.shape[-1]))
            total = total + pad_channels(mixture, x.shape[1])
        return functional.relu(total, inplace=total is not x)

    def shrink(self, operators: Tensor, widths: Tensor, changes: ParameterChanges) -> None:
        """Delete dead operators, narrow the others; masks ``(operators,)`` and ``(operators, 2, widths)``."""
        for o, operator in enumerate(self.order):
            name = operator_name(*operator)
            if name not in self.operators:
                continue
            mixed = cast(MixedOperator, self.operators[name])
            if bool(operators[o]):
                mixed.shrink(widths[o], changes)
            else:
                changes.delete(mixed)
                del self.operators[name]


class MixedStage(BaseSuperNetModule):
    """A chain of mixed layers; its output is the weighted sum over the surviving depths (SSR paper, equation 2).

    Args:
        stage: the space's stage, not yet mutated.
        number: of the stage, from 0 at 1/4 resolution.
        parameters: the architecture parameters of the whole space.
    """

    def __init__(self, stage: Repeat, number: int, parameters: ArchitectureParameters) -> None:
        super().__init__()
        space = parameters.space
        self.number = number
        self.depths = space.depth_candidates[number]
        self._mutables_of_stage = list(stage.simplify().values())
        # Held outside of nn.Module's registry: the parameters belong to the space, not to each of its stages.
        object.__setattr__(self, "parameters_of_space", parameters)
        start = sum(space.layers[:number])
        widths = space.width_candidates(number)
        self.layers = nn.ModuleList(
            MixedLayer(cast(MutableLayer, layer), space, start + i, widths) for i, layer in enumerate(stage.blocks)
        )
        self.alive_depths = list(self.depths)

    def forward(self, x: Tensor) -> Tensor:
        parameters: ArchitectureParameters = self.parameters_of_space
        weights = dict(zip(self.depths, parameters.depth_weights(self.number), strict=False))
        outputs = []
        for position, layer in enumerate(self.layers, start=1):
            x = layer(x, parameters.layer_weights(layer.index))  # type: ignore[arg-type]
            if len(self.alive_depths) > 1 and position in self.alive_depths:
                outputs.append(weights[position] * x)
        return reduce(torch.add, outputs) if outputs else x

    def shrink(self, alive: Alive, changes: ParameterChanges) -> None:
        """Drop the layers past the deepest surviving depth, dead operators and channels."""
        self.alive_depths = list(compress(self.depths, alive.depth[self.number].tolist()))
        for layer in list(self.layers)[self.alive_depths[-1] :]:
            changes.delete(layer)
        del self.layers[self.alive_depths[-1] :]
        for layer in self.layers:
            layer.shrink(alive.operator[layer.index], alive.width[layer.index], changes)  # type: ignore[operator, index]

    # NNI's interface of a super-net module

    def resample(self, memo: dict[str, Any]) -> dict[str, Any]:
        """Nothing is sampled in a differentiable search."""
        return {}

    def export(self, memo: dict[str, Any]) -> dict[str, Any]:
        """The labels of this stage in the most probable network."""
        sample = self.parameters_of_space.architecture().to_sample()
        return {label: value for label, value in sample.items() if label.startswith(f"stage{self.number + 1}/")}

    def export_probs(self, memo: dict[str, Any]) -> dict[str, Any]:
        """``{label: {candidate: probability}}`` of this stage."""
        table = self.parameters_of_space.labelled_probabilities()
        return {label: p for label, p in table.items() if label.startswith(f"stage{self.number + 1}/")}

    def leaf_mutables(self, is_leaf: Any) -> Iterable[LabeledMutable]:
        """The mutables that the stage had before it was mutated, so that ``simplify`` still describes the space."""
        return iter(self._mutables_of_stage)


def shrink_supernet(
    modules: Iterable[nn.Module],
    alive: Alive,
    optimizer: torch.optim.Optimizer | None = None,
    model: nn.Module | None = None,
) -> None:
    """Bring the modules (and their optimiser's state) to the sizes that ``alive`` describes.

    Args:
        modules: the mixed modules of the super-network; those without a method ``shrink`` keep their size.
        alive: the survivors, after the cascade.
        optimizer: Adam of the weights; it follows the changes of its parameters.
        model: the super-network, where its modules may share parameters: what is left in it stays.
    """
    changes = ParameterChanges()
    for module in modules:
        shrink = getattr(module, "shrink", None)
        if shrink is not None:
            shrink(alive, changes)
    if model is not None:
        changes.deleted.difference_update(model.parameters())
    if optimizer is not None:
        follow_changes(optimizer, changes)
