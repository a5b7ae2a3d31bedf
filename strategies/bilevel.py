"""The bi-level step of a search: the architecture first, then the weights (SSR paper, equation 6 and Algorithm 1).

    min_A  L_A(w*(A), A) + regularizer + constraint    subject to    w*(A) = argmin_w L_w(w, A)

Both levels take turns, each on its own stream of training images. The architecture step descends the task's loss plus
the regularizer (equation 10) and the penalty of the constraint. The weight step descends the task's loss alone.

While the mixture does not depend on the logits (``relaxation.UniformAtFirst``), an architecture step changes nothing
for the weights. Where both streams are of the same images, one pass of one batch then tells both their gradients.

The first order takes ``w*(A) = w``. The second order looks one gradient step of the weights ahead, as DARTS does.

On several devices each process sees its part of every batch, and the task's gradients are averaged before every step.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from nni.nas.evaluator.pytorch import LightningModule
from torch import Tensor, nn
from torch.optim import Optimizer

from nas_space.expected_cost import Probabilities
from strategies.composition import Composition
from strategies.distributed import average_gradients
from strategies.levels import LevelParameters
from strategies.recording import Batch, Recorder, can_record

EPSILON_SCALE = 0.01  # length of the step of the finite difference, in weight space (DARTS, section 2.3)

Loss = Callable[[], Tensor]
Parameters = Sequence[nn.Parameter]


class BilevelStep:
    """The steps of a search on one super-network.

    Args:
        training_module: computes the task's loss of a batch; its model is the super-network, set before the first step.
        composition: the strategy's parts.
        backward: computes the gradients of a loss; in a search, Lightning's ``manual_backward``.
    """

    def __init__(
        self, training_module: LightningModule, composition: Composition, backward: Callable[[Tensor], None]
    ) -> None:
        self.training_module = training_module
        self.composition = composition
        self._backward = backward
        self._weights: list[nn.Parameter] = []
        self._recorder: Recorder | None = None

    @property
    def parameters(self) -> LevelParameters:
        parameters = self.training_module.model.architecture_parameters
        assert isinstance(parameters, LevelParameters)
        return parameters

    def step(
        self, batches: dict[str, Batch], batch_idx: int, optimizers: Any, progress: float, share: float, decided: bool
    ) -> dict[str, Tensor]:
        """The architecture step, unless the search is warming up or decided, then the weight step.

        Where one pass serves both, the weights' batch gives both gradients, and the weights step first.

        Args:
            batches: ``train`` for the weights and ``val`` for the architecture, both of training images.
            batch_idx: number of the batches in their epoch.
            optimizers: Adam of the weights, and Adam of the logits.
            progress: finished part of the search, in [0, 1).
            share: part of the search that this step makes up.
            decided: whether every choice has one survivor.

        Returns:
            ``loss`` of the weights' batch and ``loss_a`` of the architecture's; the same where there is one step only.
        """
        weight_optimizer, architecture_optimizer = optimizers
        if self.composition.relaxation.advance(progress):
            self.forget_recorded()
        one_pass = self._one_pass()
        searching = not decided and self.composition.phases.trains_architecture(progress)
        loss_a: Tensor | None = None
        if searching and not one_pass:  # the architecture step
            architecture_optimizer.zero_grad()
            loss_a = self._architecture_gradient(batches, batch_idx, xi=weight_optimizer.param_groups[0]["lr"])
            average_gradients(self.parameters.logits())
            self._descend_architecture(architecture_optimizer, progress, share)
        weight_optimizer.zero_grad()  # the weight step
        architecture_optimizer.zero_grad()
        loss = self._task_gradient(batches["train"], batch_idx, weights=True, logits=searching and one_pass)
        average_gradients(self.training_module.parameters())  # the logits' too, where they share this step
        weight_optimizer.step()
        if searching and one_pass:
            self._descend_architecture(architecture_optimizer, progress, share)
        return {"loss": loss, "loss_a": loss if loss_a is None else loss_a}

    def _one_pass(self) -> bool:
        """Whether the weights' batch tells the architecture its gradient too."""
        composition = self.composition
        gathers = composition.relaxation.is_uniform and composition.same_images and composition.method.order == 1
        return composition.single_level or gathers

    def regularization(self, progress: float) -> Tensor:
        """``sum over levels of rho * regularizer`` at this point of the search, a scalar (SSR paper, equation 10)."""
        parameters, rho = self.parameters, self.composition.rho
        shrinking, alive = self.composition.shrinking, parameters.alive
        pressed = alive if shrinking is None else shrinking.pressed(alive)
        levels = zip(parameters.log_probabilities(), parameters.logits(), pressed, strict=True)
        terms = [
            weight * self.composition.regularizer(log_p, logits, mask).sum()
            for weight, (log_p, logits, mask) in zip((rho.depth, rho.operator, rho.width), levels, strict=True)
        ]
        return self.composition.phases.rho_scale(progress) * torch.stack(terms).sum()

    def modules_changed(self) -> None:
        """Forget the list of weights and what was recorded: the super-network has shrunk."""
        self._weights = []
        self.forget_recorded()

    def forget_recorded(self) -> None:
        """Run the next step operation by operation, also on a GPU that would replay a recording."""
        if self._recorder is not None:
            self._recorder.forget()

    def _architecture_gradient(self, batches: Mapping[str, Batch], batch_idx: int, xi: float) -> Tensor:
        """Put the gradient of the task's loss into the logits; returns that loss."""
        if self.composition.method.order == 1:
            return self._task_gradient(batches["val"], batch_idx, weights=False, logits=True)
        self._set_trainable(weights=True, logits=True)
        logits = self.parameters.logits()
        train_loss, val_loss = (partial(self._loss, batches[name], batch_idx) for name in ("train", "val"))
        gradients, loss = unrolled_gradient(train_loss, val_loss, self._weights, logits, xi)
        for parameter, gradient in zip(logits, gradients, strict=True):
            parameter.grad = gradient
        return loss

    def _descend_architecture(self, optimizer: Optimizer, progress: float, share: float) -> None:
        """Add the gradients of regularizer, constraint and weight decay to the task's, and step."""
        logits, constraint = self.parameters.logits(), self.composition.constraint
        for parameter in logits:
            parameter.requires_grad_(True)
        if constraint is not None:
            p = self.parameters.probabilities()
            self._backward(constraint.penalty(p))
            constraint.ascend(Probabilities(*(level.detach() for level in p)), share)
        self.parameters.share_gradients()  # of the task and the cost; the regularizer's are equal, and act once
        self._backward(self.regularization(progress))
        with torch.no_grad():
            for parameter, alive in zip(logits, self.parameters.alive, strict=True):
                assert parameter.grad is not None
                parameter.grad.add_(parameter * alive, alpha=self.composition.method.weight_decay)
        optimizer.step()

    def _task_gradient(self, batch: Batch, batch_idx: int, weights: bool, logits: bool) -> Tensor:
        """Put the gradient of the task's loss into the weights, the logits or both; a GPU replays a recorded step."""

        def step(batch: Batch) -> Tensor:
            self._set_trainable(weights, logits)
            loss = self._loss(batch, batch_idx)
            if loss.requires_grad:  # not where there is nothing to choose
                self._backward(loss)
            # The regularizer's gradient would else flow through what the recording's stream has made.
            self.parameters.forget()
            return loss.detach()

        device = self.parameters.alive_depth.device
        if not (can_record(device) and self.parameters.recordable) or self.composition.relaxation.scheduled:
            return step(batch)
        if self._recorder is None:
            self._recorder = Recorder(device)
        return self._recorder.gradient((weights, logits), step, batch, self.training_module.parameters())

    def _loss(self, batch: Batch, batch_idx: int) -> Tensor:
        """The task's loss of a batch, from a training step that returns it alone or under ``loss``, as Lightning's."""
        result = self.training_module.training_step(batch, batch_idx)
        loss: Tensor = result["loss"] if isinstance(result, Mapping) else result
        return loss

    def _set_trainable(self, weights: bool, logits: bool) -> None:
        architecture = set(self.parameters.logits())
        if not self._weights:
            self._weights = [p for p in self.training_module.parameters() if p not in architecture]
        for parameter in self._weights:
            parameter.requires_grad_(weights)
        for parameter in architecture:
            parameter.requires_grad_(logits)


def unrolled_gradient(
    train_loss: Loss, val_loss: Loss, weights: Parameters, logits: Parameters, xi: float
) -> tuple[list[Tensor], Tensor]:
    """Gradient of ``L_val(w - xi grad_w L_train(w, A), A)`` with respect to the logits A, by one finite difference.

    DARTS' equations 6 to 8 (https://arxiv.org/abs/1806.09055). The inner step is a plain gradient step, whatever the
    optimiser of the weights. With ``w' = w - xi grad_w L_train(w, A)`` and ``w+- = w +- eps grad_w' L_val(w', A)``::

        grad_A L_val(w', A) - xi (grad_A L_train(w+, A) - grad_A L_train(w-, A)) / (2 eps)

    Args:
        train_loss: computes the weights' loss, a scalar, with the current values of weights and logits.
        val_loss: computes the architecture's.
        weights: all that require a gradient; as they were when this returns, bit for bit.
        logits: the architecture parameters.
        xi: learning rate of the inner step.

    Returns:
        One gradient for each of ``logits``, and the value of ``val_loss`` at w'.
    """
    original = [weight.detach().clone() for weight in weights]
    inner_step = _gradients(train_loss(), weights)
    _move(weights, original, inner_step, -xi)
    value = val_loss()
    gradients = _gradients(value, [*logits, *weights])
    of_logits, direction = gradients[: len(logits)], gradients[len(logits) :]
    length = torch.stack([part.double().square().sum() for part in direction]).sum().sqrt()
    eps = (EPSILON_SCALE / length.clamp(min=1e-12)).float()
    sides = []
    for sign in (1.0, -1.0):
        _move(weights, original, direction, sign * eps)
        sides.append(_gradients(train_loss(), logits))
    with torch.no_grad():
        for weight, start in zip(weights, original, strict=True):
            weight.copy_(start)
    unrolled = [g - xi * (plus - minus) / (2 * eps) for g, plus, minus in zip(of_logits, *sides, strict=True)]
    return unrolled, value.detach()


def _gradients(loss: Tensor, parameters: Parameters) -> Sequence[Tensor]:
    return torch.autograd.grad(loss, list(parameters), allow_unused=True, materialize_grads=True)


@torch.no_grad()
def _move(weights: Parameters, original: Sequence[Tensor], direction: Sequence[Tensor], factor: float | Tensor) -> None:
    """Set the weights to ``original + factor * direction``."""
    for weight, start, along in zip(weights, original, direction, strict=True):
        weight.copy_(start + factor * along)
