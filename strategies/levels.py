"""Logits and alive masks of the three levels of choices, and what is computed from them, whatever the space."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from nas_space.expected_cost import Probabilities
from strategies.alive import LEVELS, Alive, Ratios
from strategies.relaxation import Relaxation
from strategies.shrinking import retaining_ratio

INITIAL = 1e-3  # standard deviation of the logits at the start

Labels = Mapping[str, Sequence[tuple[str, str, tuple[int, ...]]]]
"""For each level, ``(label, candidate, index into the level's mask)`` of every candidate."""


class LevelParameters(nn.Module):
    """alpha (depth), beta (operator) and gamma (width): one tensor of logits and one alive mask for each level.

    Args:
        alive: masks of all candidates of the space.
        relaxation: logits -> probabilities.
        generator: source of the initial logits, ``1e-3 * N(0, 1)``.

    Attributes:
        recordable: whether a step on a GPU may be recorded and replayed (``strategies/recording.py``).

    Shape:
        Each level has the shape of its mask, ``(..., candidates)``.
    """

    alive_depth: Tensor
    alive_operator: Tensor
    alive_width: Tensor
    recordable = False

    def __init__(self, alive: Alive, relaxation: Relaxation, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.relaxation = relaxation
        for name, level, mask in zip(("alpha", "beta", "gamma"), LEVELS, alive, strict=True):
            self.register_parameter(name, nn.Parameter(INITIAL * torch.randn(mask.shape, generator=generator)))
            self.register_buffer(f"alive_{level}", mask)

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

    def mixing_weights(self, logits: Tensor, alive: Tensor) -> Tensor:
        """What mixes a level's candidates in the next pass, of a training or of a validation."""
        weigh = self.relaxation.weights if self.training else self.relaxation.expected_weights
        return weigh(logits, alive)

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

    @torch.no_grad()
    def restart(self, renewed: Alive) -> None:
        """Draw some logits anew, as at the start, from torch's global generator."""
        for logits, mask in zip(self.logits(), renewed, strict=True):
            drawn = INITIAL * torch.randn(logits.shape)
            logits.copy_(torch.where(mask, drawn.to(logits.device), logits))

    def labelled_probabilities(self) -> dict[str, dict[str, float]]:
        """``{label: {candidate: probability}}`` of every choice with more than one candidate in the space."""
        table: dict[str, dict[str, float]] = {}
        for (_, entries), p in zip(self.labels().items(), self.probabilities(), strict=True):
            values = p.detach().cpu()
            for label, candidate, index in entries:
                table.setdefault(label, {})[candidate] = float(values[index])
        return {label: candidates for label, candidates in table.items() if len(candidates) > 1}

    def share_gradients(self) -> None:  # noqa: B027  # most share nothing
        """Called between the backward passes of task and regularizer, where choices may share gradients."""

    def refresh(self) -> None:
        """Compute what the next forward pass reads; with a gradient where the logits require one."""
        raise NotImplementedError

    def forget(self) -> None:
        """Drop what ``refresh`` computed, and with it autograd's graph from the logits."""
        raise NotImplementedError

    def labels(self) -> Labels:
        """Label, candidate and place of every candidate of each level."""
        raise NotImplementedError

    def cascade(self, alive: Alive) -> Alive:
        """``alive`` without the candidates of choices that no network of the survivors has."""
        raise NotImplementedError

    def sample(self) -> dict[str, Any]:
        """The most probable network as an NNI sample, with a value for every label."""
        raise NotImplementedError
