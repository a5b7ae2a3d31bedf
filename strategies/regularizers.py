"""Losses that pull a distribution over candidates towards a vertex of the simplex: pure functions.

All take log-probabilities ``(..., candidates)``, logits and the alive mask of the same shape. They return ``(...,)``,
for each choice the sum over its survivors (SSR paper, equation 9), to be minimised. The search sums over the choices of
a level and weighs the levels (equation 10). Natural logarithms.
"""

from collections.abc import Callable

from torch import Tensor

Regularizer = Callable[[Tensor, Tensor, Tensor], Tensor]


def none(log_p: Tensor, logits: Tensor, alive: Tensor) -> Tensor:
    """Nothing: 0, still attached to the graph."""
    return logits.sum(-1) * 0.0


def ssr(log_p: Tensor, logits: Tensor, alive: Tensor) -> Tensor:
    """Solution space regularization, ``sum log p`` (SSR paper, equation 9).

    It falls without bound towards every face of the simplex, so it selects a vertex only together with deletion. A
    deleted candidate leaves the sum, and a decided choice contributes ``log 1 = 0``.
    """
    return log_p.masked_fill(~alive, 0.0).sum(-1)


def information_entropy(log_p: Tensor, logits: Tensor, alive: Tensor) -> Tensor:
    """Entropy ``-sum p log p`` in nats (SSR paper, section 6: IE)."""
    return -(log_p.exp() * log_p).masked_fill(~alive, 0.0).sum(-1)


def zero_one_l1(log_p: Tensor, logits: Tensor, alive: Tensor) -> Tensor:
    """``-sum |sg(a) - 1/2|`` (FairDARTS' zero-one loss, L1 form; there it is a mean over all logits)."""
    return -(logits.sigmoid() - 0.5).abs().masked_fill(~alive, 0.0).sum(-1)


def zero_one_l2(log_p: Tensor, logits: Tensor, alive: Tensor) -> Tensor:
    """``-sum (sg(a) - 1/2)^2`` (FairDARTS' zero-one loss, L2 form; there it is a mean over all logits)."""
    return -(logits.sigmoid() - 0.5).square().masked_fill(~alive, 0.0).sum(-1)
