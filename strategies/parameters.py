"""The architecture parameters: one tensor of logits for each of the three levels, with its alive mask."""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from nas_space.architecture import Architecture, Layer
from nas_space.config import SpaceConfig
from strategies.alive import Alive, Ratios, candidate_labels
from strategies.levels import Labels, LevelParameters
from strategies.relaxation import Relaxation


class LayerWeights(NamedTuple):
    """What one mixed layer reads in a forward pass: three tensors ``(channels,)`` for each operator.

    ``mask_3x1`` and ``mask_1x3`` are the mixed masks of both convolutions (SSR paper, equation 5). ``weighted`` is
    ``mask_1x3`` times the operator's weight.
    """

    mask_3x1: tuple[Tensor, ...]
    mask_1x3: tuple[Tensor, ...]
    weighted: tuple[Tensor, ...]


class ArchitectureParameters(LevelParameters):
    """alpha (depth), beta (operator) and gamma (width) of a ``JointSpace``.

    Args:
        space: the searched space.
        relaxation: logits -> probabilities.
        generator: source of the initial logits, ``1e-3 * N(0, 1)``.
        shares_widths: all operators of a layer have the same width logits, and learn from each other's gradients.

    Shape:
        alpha ``(stages, depths)``, beta ``(layers, operators)``, gamma ``(layers, operators, 2, widths)``.
    """

    recordable = True

    def __init__(
        self,
        space: SpaceConfig,
        relaxation: Relaxation,
        generator: torch.Generator | None = None,
        shares_widths: bool = False,
    ) -> None:
        super().__init__(Alive.full(space), relaxation, generator)
        self.space = space
        self.shares_widths = shares_widths
        self.share_widths()
        for stage in range(len(space.layers)):
            widths = torch.zeros(space.most_widths)  # what fills up a stage with fewer widths has no channels
            widths[: len(space.width_candidates(stage))] = torch.tensor(space.width_candidates(stage))
            # (widths, channels): the masks M_k of the SSR paper's equation 5
            masks = (widths[:, None] > torch.arange(space.widths[stage])[None, :]).float()
            self.register_buffer(f"masks{stage}", masks, persistent=False)
        self._layer_weights: tuple[LayerWeights, ...] = ()
        self._depth: tuple[tuple[Tensor, ...], ...] = ()

    def share_gradients(self) -> None:
        """Sum the width logits' gradients over the operators of a layer, where these share their widths."""
        gradient = self.logits()[2].grad
        if self.shares_widths and gradient is not None:
            gradient.copy_(gradient.sum(1, keepdim=True).expand_as(gradient).clone())

    def refresh(self) -> None:
        # In full precision also under autocast: it costs next to nothing, and the masks would lose digits.
        with torch.autocast(self.alive_depth.device.type, enabled=False):
            depth, operator, width = map(self.mixing_weights, self.logits(), self.alive)
            single = self.alive_width & (self.alive_width.sum(-1, keepdim=True) == 1)
            width = torch.where(single, 1.0, width)  # nothing is mixed there, also where weights need not sum to 1
            layer_weights: list[LayerWeights] = []
            start = 0
            for stage, count in enumerate(self.space.layers):
                masks = width[start : start + count] @ getattr(self, f"masks{stage}")
                first, second = masks.unbind(2)  # (layers, operators, channels)
                weighted = operator[start : start + count, :, None] * second
                by_layer = zip(first.unbind(), second.unbind(), weighted.unbind(), strict=True)
                layer_weights += [LayerWeights(*(tensor.unbind() for tensor in layer)) for layer in by_layer]
                start += count
        self._layer_weights = tuple(layer_weights)
        self._depth = tuple(weights.unbind() for weights in depth.unbind())

    def forget(self) -> None:
        self._layer_weights, self._depth = (), ()

    def layer_weights(self, layer: int) -> LayerWeights:
        """Weights and masks of a layer, counted over all stages, as of the last ``refresh``."""
        return self._layer_weights[layer]

    def depth_weights(self, stage: int) -> tuple[Tensor, ...]:
        """Weights of a stage's depth candidates, as of the last ``refresh``."""
        return self._depth[stage]

    def labels(self) -> Labels:
        return candidate_labels(self.space)

    def cascade(self, alive: Alive) -> Alive:
        return alive.cascade(self.space)

    def rescale(self) -> None:
        super().rescale()
        self.share_widths()

    def restart(self, renewed: Alive) -> None:
        super().restart(renewed)
        self.share_widths()

    @torch.no_grad()
    def share_widths(self) -> None:
        """Give all operators of a layer the width logits of the first living one, where they share them."""
        if self.shares_widths:
            *_, gamma = self.logits()
            first = self.alive_operator.int().argmax(1)
            gamma.copy_(gamma[torch.arange(len(gamma)), first][:, None].expand_as(gamma).clone())

    def architecture(self, ratios: Ratios | None = None) -> Architecture:
        """The candidate with the highest ratio in every choice; absent, of ``ratios()``: the most probable survivor."""
        space, ratios = self.space, self.ratios() if ratios is None else ratios
        best_depth, best_operator, best_width = (ratio.argmax(-1).tolist() for ratio in ratios)
        stages, row = [], 0
        for stage, depths in enumerate(space.depth_candidates):
            widths, layers = space.width_candidates(stage), []
            for layer in range(row, row + depths[best_depth[stage]]):
                operator = best_operator[layer]
                layers.append(Layer(*space.operators[operator], *(widths[k] for k in best_width[layer][operator])))
            stages.append(tuple(layers))
            row += space.layers[stage]
        return Architecture(space, tuple(stages))

    def sample(self) -> dict[str, Any]:
        return self.architecture().to_sample()
