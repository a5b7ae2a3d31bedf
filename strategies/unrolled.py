"""The architecture gradient of DARTS' second order: through one step of the weights.

From the paper's equations 6 to 8 (https://arxiv.org/abs/1806.09055), with a plain gradient step inside, whatever the
weights' optimiser: ``w' = w - xi grad_w L_train(w, A)``, and the gradient of ``L_val(w', A)`` is

    grad_A L_val(w', A) - xi (grad_A L_train(w+, A) - grad_A L_train(w-, A)) / (2 eps),   w+- = w +- eps grad_w'
    L_val(w', A)
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

SCALE = 0.01


def unrolled_gradient(
    train_loss: Callable[[], Tensor],
    val_loss: Callable[[], Tensor],
    weights: Sequence[nn.Parameter],
    logits: Sequence[nn.Parameter],
    xi: float,
) -> tuple[list[Tensor], Tensor]:
    """Gradient of ``L_val(w - xi grad L_train(w, A), A)`` with respect to the logits, by one finite difference.

    Args:
        train_loss: computes the weights' loss, a scalar, with the current values of weights and logits.
        val_loss: computes the architecture's.
        weights: all that require a gradient; as they were when this returns, bit for bit.
        logits: the architecture parameters.
        xi: learning rate of the inner step.

    Returns:
        One gradient for each of ``logits``, and the value of ``val_loss`` at the stepped weights.
    """
    original = [weight.detach().clone() for weight in weights]
    step = _gradients(train_loss(), weights)
    _assign(weights, original, step, -xi)
    value = val_loss()
    gradients = _gradients(value, [*logits, *weights])
    of_logits, direction = gradients[: len(logits)], gradients[len(logits) :]
    length = torch.stack([part.double().square().sum() for part in direction]).sum().sqrt()
    eps = (SCALE / length.clamp(min=1e-12)).float()
    sides = []
    for sign in (1.0, -1.0):
        _assign(weights, original, direction, sign * eps)
        sides.append(_gradients(train_loss(), logits))
    with torch.no_grad():
        for weight, start in zip(weights, original, strict=True):
            weight.copy_(start)
    return [
        g - xi * (plus - minus) / (2 * eps) for g, plus, minus in zip(of_logits, *sides, strict=True)
    ], value.detach()


def _gradients(loss: Tensor, parameters: Sequence[nn.Parameter]) -> list[Tensor]:
    gradients = torch.autograd.grad(loss, list(parameters), allow_unused=True)
    return [torch.zeros_like(p) if g is None else g for g, p in zip(gradients, parameters, strict=True)]


@torch.no_grad()
def _assign(
    weights: Sequence[nn.Parameter], original: Sequence[Tensor], direction: Sequence[Tensor], factor: float | Tensor
) -> None:
    for weight, start, along in zip(weights, original, direction, strict=True):
        weight.copy_(start + factor * along)
