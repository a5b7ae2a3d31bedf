"""The architecture parameters: one tensor of logits for each of the three levels, with its alive mask."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from nas_space.architecture import Architecture, Layer
from nas_space.config import SpaceConfig
from nas_space.expected_cost import Probabilities
from strategies.alive import LEVELS, Alive, Ratios, candidate_labels
from strategies.relaxation import Relaxation
from strategies.shrinking import retaining_ratio

INITIAL = 1e-3  # standard deviation of the logits at the start


class LayerWeights(NamedTuple):
    """What one mixed layer reads in a forward pass: three tensors ``(channels,)`` for each operator.

    ``mask_3x1`` and ``mask_1x3`` are the mixed masks of both convolutions (SSR paper, equation 5). ``weighted`` is
    ``mask_1x3`` times the operator's weight.
    """

    mask_3x1: tuple[Tensor, ...]
    mask_1x3: tuple[Tensor, ...]
    weighted: tuple[Tensor, ...]


class ArchitectureParameters(nn.Module):
    """alpha (depth), beta (operator) and gamma (width): logits, alive masks, and what is computed from them.

    Args:
        space: the searched space.
        relaxation: logits -> probabilities.
        generator: source of the initial logits, ``1e-3 * N(0, 1)``.
        shares_widths: all operators of a layer have the same width logits, and learn from each other's gradients.

    Shape:
        alpha ``(stages, depths)``, beta ``(layers, operators)``, gamma ``(layers, operators, 2, widths)``.
    """

    alive_depth: Tensor
    alive_operator: Tensor
    alive_width: Tensor

    def __init__(
        self,
        space: SpaceConfig,
        relaxation: Relaxation,
        generator: torch.Generator | None = None,
        shares_widths: bool = False,
    ) -> None:
        super().__init__()
        self.space = space
        self.relaxation = relaxation
        self.shares_widths = shares_widths
        alive = Alive.full(space)
        for name, level, mask in zip(("alpha", "beta", "gamma"), LEVELS, alive, strict=True):
            self.register_parameter(name, nn.Parameter(INITIAL * torch.randn(mask.shape, generator=generator)))
            self.register_buffer(f"alive_{level}", mask)
        self.share_widths()
        for stage in range(len(space.layers)):
            widths = torch.zeros(space.most_widths)  # what fills up a stage with fewer widths has no channels
            widths[: len(space.width_candidates(stage))] = torch.tensor(space.width_candidates(stage))
            # (widths, channels): the masks M_k of the SSR paper's equation 5
            masks = (widths[:, None] > torch.arange(space.widths[stage])[None, :]).float()
            self.register_buffer(f"masks{stage}", masks, persistent=False)
        self._layer_weights: tuple[LayerWeights, ...] = ()
        self._depth: tuple[tuple[Tensor, ...], ...] = ()

    def logits(self) -> tuple[nn.Parameter, nn.Parameter, nn.Parameter]:
        """``[alpha, beta, gamma]``."""
        return self.alpha, self.beta, self.gamma  # type: ignore[return-value]

    @property
    def alive(self) -> Alive:
        """The surviving candidates."""
        return Alive(self.alive_depth, self.alive_operator, self.alive_width)

    def log_probabilities(self) -> tuple[Tensor, Tensor, Tensor]:
        """Log-probabilities of each level; very negative and without meaning for dead candidates."""
        alpha, beta, gamma = map(self.relaxation.log_probabilities, self.logits(), self.alive)
        return alpha, beta, gamma

    def probabilities(self) -> Probabilities:
        """Normalised probabilities of each level, 0 for dead candidates; differentiable."""
        levels = zip(self.log_probabilities(), self.alive, strict=True)
        return Probabilities(*(log_p.exp() * alive for log_p, alive in levels))

    def entropies(self) -> dict[str, Tensor]:
        """Sum of the choices' entropies, in nats, for each level."""
        return {
            level: -(log_p.exp() * log_p).masked_fill(~mask, 0.0).sum()
            for level, log_p, mask in zip(LEVELS, self.log_probabilities(), self.alive, strict=True)
        }

    @torch.no_grad()
    def ratios(self) -> Ratios:
        """Retaining ratio of every candidate (SSR paper, equation 11)."""
        return Ratios(*map(retaining_ratio, self.log_probabilities(), self.alive))

    def share_gradients(self) -> None:
        """Sum the width logits' gradients over the operators of a layer, where these share their widths."""
        gradient = self.logits()[2].grad
        if self.shares_widths and gradient is not None:
            gradient.copy_(gradient.sum(1, keepdim=True).expand_as(gradient).clone())

    def refresh(self) -> None:
        """Compute what the next forward pass reads; with a gradient where the logits require one."""
        # In full precision also under autocast: it costs next to nothing, and the masks would lose digits.
        with torch.autocast(self.alive_depth.device.type, enabled=False):
            depth, operator, width = map(self.relaxation.weights, self.logits(), self.alive)
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
        """Drop what ``refresh`` computed, and with it autograd's graph from the logits."""
        self._layer_weights, self._depth = (), ()

    def layer_weights(self, layer: int) -> LayerWeights:
        """Weights and masks of a layer, counted over all stages, as of the last ``refresh``."""
        return self._layer_weights[layer]

    def depth_weights(self, stage: int) -> tuple[Tensor, ...]:
        """Weights of a stage's depth candidates, as of the last ``refresh``."""
        return self._depth[stage]

    @torch.no_grad()
    def set_alive(self, alive: Alive) -> None:
        """Adopt new masks."""
        for level, mask in zip(LEVELS, alive, strict=True):
            getattr(self, f"alive_{level}").copy_(mask)

    @torch.no_grad()
    def rescale(self) -> None:
        """Let the relaxation move the logits to where their gradient does not vanish; probabilities stay."""
        for logits, mask in zip(self.logits(), self.alive, strict=True):
            logits.copy_(self.relaxation.rescale(logits, mask))
        self.share_widths()

    @torch.no_grad()
    def restart(self, renewed: Alive) -> None:
        """Draw some logits anew, as at the start, from torch's global generator."""
        for logits, mask in zip(self.logits(), renewed, strict=True):
            drawn = INITIAL * torch.randn(logits.shape)
            logits.copy_(torch.where(mask, drawn.to(logits.device), logits))
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

    def labelled_probabilities(self) -> dict[str, dict[str, float]]:
        """``{label: {candidate: probability}}`` of every choice with more than one candidate in the space."""
        table: dict[str, dict[str, float]] = {}
        for (_, entries), p in zip(candidate_labels(self.space).items(), self.probabilities(), strict=True):
            values = p.detach().cpu()
            for label, candidate, index in entries:
                table.setdefault(label, {})[candidate] = float(values[index])
        return {label: candidates for label, candidates in table.items() if len(candidates) > 1}
