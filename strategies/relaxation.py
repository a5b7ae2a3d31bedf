"""From logits to probabilities over the candidates of a choice: the continuous relaxations that strategies differ in.

Every function works on a whole level at once: logits and alive mask ``(..., candidates)``. A dead candidate has
probability 0 and receives no gradient. A choice without survivors (its layer or operator is gone) has only zeros.
"""

from abc import ABC, abstractmethod

import torch
from torch import Tensor
from torch.distributions import Gamma
from torch.nn import functional

DEAD = -1e30  # a finite stand-in for minus infinity: differences stay finite, exp gives exactly 0


def masked_log_softmax(scores: Tensor, alive: Tensor) -> Tensor:
    """``log_softmax`` over the survivors of the last axis; ``DEAD`` or less for dead candidates."""
    masked = scores.masked_fill(~alive, DEAD)
    return masked - torch.logsumexp(masked, -1, keepdim=True)


class Relaxation(ABC):
    """How logits become probabilities and mixing weights.

    Attributes:
        scheduled: whether ``advance`` changes what ``weights`` computes in every step.
        is_uniform: whether the logits do not change the mixture at this point of the search.
    """

    scheduled = False
    is_uniform = False

    @abstractmethod
    def log_probabilities(self, logits: Tensor, alive: Tensor) -> Tensor:
        """Deterministic log-probabilities ``(..., candidates)``: for regularizers, entropy, cost and shrinking."""

    def weights(self, logits: Tensor, alive: Tensor) -> Tensor:
        """What mixes the candidates in the forward pass ``(..., candidates)``, 0 for dead ones: the probabilities."""
        return self.log_probabilities(logits, alive).exp() * alive

    def expected_weights(self, logits: Tensor, alive: Tensor) -> Tensor:
        """What mixes the candidates where the network is only looked at, as in a validation; here ``weights``."""
        return self.weights(logits, alive)

    def rescale(self, logits: Tensor, alive: Tensor) -> Tensor:
        """Logits with the same probabilities, moved to where their gradient does not vanish; here they stay."""
        return logits

    def advance(self, progress: float) -> bool:
        """Called before every step with the finished part of the search, in [0, 1); a schedule sets itself here.

        Returns:
            Whether ``weights`` is another function from now on.
        """
        return False


class SigmoidNormalised(Relaxation):
    """``p_k = sg(a_k) / sum_m sg(a_m)`` over the survivors (docs/method.md, equation N)."""

    LARGEST = 0.5

    def log_probabilities(self, logits: Tensor, alive: Tensor) -> Tensor:
        return masked_log_softmax(functional.logsigmoid(logits), alive)

    def rescale(self, logits: Tensor, alive: Tensor) -> Tensor:
        """Scale the sigmoids of each choice's survivors by one factor so that the largest is 1/2.

        Probabilities and retaining ratios depend on ratios of sigmoids only, so they stay. The gradient of a logit
        carries ``1 - sg(a)``, which two survivors that rise together drive to 0. Afterwards it is at least 1/2.
        """
        log_sigmoid = functional.logsigmoid(logits).masked_fill(~alive, DEAD)
        largest = torch.tensor(self.LARGEST, device=logits.device).log()
        scaled = log_sigmoid - log_sigmoid.amax(-1, keepdim=True) + largest
        return torch.where(alive, scaled - torch.log1p(-scaled.exp()), logits)


class Softmax(Relaxation):
    """``p = softmax(a)`` over the survivors (DARTS, https://arxiv.org/abs/1806.09055)."""

    def log_probabilities(self, logits: Tensor, alive: Tensor) -> Tensor:
        return masked_log_softmax(logits, alive)


class GumbelSoftmax(Softmax):
    """``softmax((log p + G) / tau)`` with standard Gumbel noise G (SNAS, https://arxiv.org/abs/1812.09926).

    Args:
        start: tau at the start of the search.
        end: tau at its end; between the two it falls linearly.
    """

    scheduled = True

    def __init__(self, start: float = 1.0, end: float = 0.03) -> None:
        self.start = start
        self.end = end
        self.temperature = start

    def weights(self, logits: Tensor, alive: Tensor) -> Tensor:
        """One soft sample, drawn from torch's global generator."""
        gumbel = -torch.empty_like(logits).exponential_().log()
        scores = (self.log_probabilities(logits, alive) + gumbel) / self.temperature
        return masked_log_softmax(scores, alive).exp() * alive

    def advance(self, progress: float) -> bool:
        self.temperature = self.start + (self.end - self.start) * progress
        return True


class IndependentSigmoids(SigmoidNormalised):
    """``sg(a)`` mixes the candidates and need not sum to 1 (FairDARTS, https://arxiv.org/abs/1911.12126).

    ``log_probabilities`` are those of the normalised sigmoids, for entropy and expected cost.
    """

    def weights(self, logits: Tensor, alive: Tensor) -> Tensor:
        return logits.sigmoid() * alive

    def rescale(self, logits: Tensor, alive: Tensor) -> Tensor:
        return logits  # scaling would change the mixture


class UniformAtFirst(Relaxation):
    """Another relaxation whose candidates are mixed alike until a time of the search.

    A candidate that leads has a larger part in the mixture, so its weights learn faster, and it leads the more: the
    first evidence decides. Mixed alike all learn alike, and the logits gather evidence that they do not change.
    They move by the gradient that the probabilities would have.

    Equal parts tell little once the weights have settled. A candidate with a scale of its own, as the gain of a batch
    norm, has set it so that its gradient is 0 there: it looks like a candidate that does nothing. So the parts can be
    drawn in every pass, from a symmetric Dirichlet distribution. All candidates have the same mean. At rest
    ``E[d_k g_k] = 0`` for a part ``d_k`` and the loss's gradient ``g_k`` by it, so that the evidence is
    ``E[g_k] = -cov(d_k, g_k) / E[d_k]``: how much less the loss falls the more of the candidate is there already. That
    is 0 for a candidate that does nothing, and below 0 for one that the others do not replace.

    Args:
        relaxation: makes the probabilities, and the mixture afterwards.
        until: part of the search, in [0, 1).
        spread: of the parts, ``1 / concentration`` of the Dirichlet distribution; 0: equal parts.
    """

    def __init__(self, relaxation: Relaxation, until: float, spread: float = 0.0) -> None:
        self.relaxation = relaxation
        self.until = round(until, 9)
        self.spread = spread
        self.is_uniform = False
        self.scheduled = relaxation.scheduled

    def log_probabilities(self, logits: Tensor, alive: Tensor) -> Tensor:
        return self.relaxation.log_probabilities(logits, alive)

    def weights(self, logits: Tensor, alive: Tensor) -> Tensor:
        """Parts that do not depend on the logits, with the gradient of the probabilities; later the probabilities.

        With a spread, the parts are drawn from torch's global generator.
        """
        weights = self.relaxation.weights(logits, alive)
        if not self.is_uniform:
            return weights
        parts = drawn_parts(alive, self.spread) if self.spread else equal_parts(alive)
        return parts + (weights - weights.detach())

    def expected_weights(self, logits: Tensor, alive: Tensor) -> Tensor:
        """Equal parts, later what the other relaxation has."""
        return equal_parts(alive) if self.is_uniform else self.relaxation.expected_weights(logits, alive)

    def rescale(self, logits: Tensor, alive: Tensor) -> Tensor:
        return self.relaxation.rescale(logits, alive)

    def advance(self, progress: float) -> bool:
        before, self.is_uniform = self.is_uniform, progress < self.until
        draws = self.is_uniform and self.spread > 0.0
        changed = self.relaxation.advance(progress) or before != self.is_uniform
        self.scheduled = self.relaxation.scheduled or draws
        return changed or draws


def equal_parts(alive: Tensor) -> Tensor:
    """One part for each survivor of the last axis, all the same; their sum is 1, or 0 without survivors."""
    return alive / alive.sum(-1, keepdim=True).clamp(min=1)


def drawn_parts(alive: Tensor, spread: float) -> Tensor:
    """``equal_parts`` in the mean: drawn from a symmetric Dirichlet distribution over the survivors."""
    shape = torch.full(alive.shape, 1.0 / spread, device=alive.device)
    draws = Gamma(shape, torch.ones_like(shape), validate_args=False).sample() * alive
    return draws / draws.sum(-1, keepdim=True).clamp(min=torch.finfo(draws.dtype).tiny)
