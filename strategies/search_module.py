"""The search as a Lightning module: architecture and weights in turn, then shrinking at the end of an epoch.

First-order alternation as in DARTS (https://arxiv.org/abs/1806.09055, section 2.3): the architecture step descends the
loss on its own stream of training images plus regularizer and constraint, the weight step descends the loss on the
other stream.

On several devices each process sees its part of every batch, and the task's gradients are averaged before every step.
All else follows from averaged gradients, so that every process removes the same candidates by itself.
"""

from dataclasses import asdict
from typing import Any

import torch
from nni.nas.evaluator.pytorch import LightningModule
from nni.nas.oneshot.pytorch.base_lightning import BaseOneShotLightningModule
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from nas_space.expected_cost import Probabilities
from strategies.alive import LEVELS, Alive
from strategies.composition import Composition
from strategies.distributed import average_gradients, broadcast, broadcast_random_state
from strategies.parameters import ArchitectureParameters
from strategies.recording import Batch, Recorder, can_record
from strategies.shrinking import Removal, Shrinking, list_removals
from strategies.supernet import shrink_supernet
from strategies.unrolled import unrolled_gradient


class SearchModule(BaseOneShotLightningModule):
    """One differentiable search: a training module whose model is a mutated ``JointSpace``.

    Args:
        training_module: the segmentation module of the evaluator.
        composition: the strategy's parts.
    """

    def __init__(self, training_module: LightningModule, composition: Composition) -> None:
        super().__init__(training_module)
        self.composition = composition
        self.method = composition.method
        self.constraint = composition.constraint
        self.removals: list[Removal] = []
        self.discrete_epoch: int | None = None
        self._weights: list[nn.Parameter] = []
        self._recorder: Recorder | None = None

    @property
    def architecture_parameters(self) -> ArchitectureParameters:
        """The architecture parameters attached to the space."""
        parameters = self.model.architecture_parameters
        assert isinstance(parameters, ArchitectureParameters)
        return parameters

    def arch_parameters(self) -> list[nn.Parameter]:
        """``[alpha, beta, gamma]``, always in this order, so that optimiser state can be resumed."""
        return list(self.architecture_parameters.logits())

    def export(self) -> dict[str, Any]:
        """The most probable network as an NNI sample, with a value for every label."""
        return self.architecture_parameters.architecture().to_sample()

    def export_probs(self) -> dict[str, Any]:
        """``{label: {candidate: probability}}``."""
        return self.architecture_parameters.labelled_probabilities()

    # optimisers

    def configure_architecture_optimizers(self) -> Optimizer:
        """Adam; its weight decay is applied in the step, to surviving logits alone."""
        return Adam(self.arch_parameters(), lr=self.method.lr, betas=(0.5, 0.999))

    def postprocess_weight_optimizers(self, optimizers: Any) -> Any:
        """Take the architecture parameters out of the weights' optimiser."""
        architecture = set(self.arch_parameters())
        for optimizer in optimizers[0] if isinstance(optimizers, tuple) else [optimizers]:
            for group in optimizer.param_groups:
                group["params"] = [p for p in group["params"] if p not in architecture]
        return optimizers

    def _set_trainable(self, weights: bool, logits: bool) -> None:
        if not self._weights:
            architecture = set(self.arch_parameters())
            self._weights = [p for p in self.training_module.parameters() if p not in architecture]
        for parameter in self._weights:
            parameter.requires_grad_(weights)
        for parameter in self.arch_parameters():
            parameter.requires_grad_(logits)

    # steps

    def on_train_epoch_start(self) -> None:
        """Bring all processes to the state of the first, which alone has validated and drawn random numbers for it."""
        self._synchronise()
        super().on_train_epoch_start()

    def _synchronise(self) -> None:
        broadcast([*self.parameters(), *self.buffers()])
        broadcast_random_state(self.device)

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> dict[str, Tensor]:
        """One step of the search: of the weights, and of the architecture unless it is warming up or decided.

        Args:
            batch: ``train`` and ``val``, a batch of the weights' and one of the architecture's stream (both training
                images).
            batch_idx: number of the batch in its epoch.

        Returns:
            ``loss`` of the weights' batch and ``loss_a`` of the architecture's (the same where it has no step of its
            own).
        """
        batches = self.trainer.num_training_batches
        progress = (self.trainer.current_epoch + batch_idx / batches) / (self.trainer.max_epochs or 1)
        self.composition.relaxation.advance(progress)
        searching = self.discrete_epoch is None and self.composition.phases.trains_architecture(progress)
        weight_optimizer, architecture_optimizer = self.optimizers()
        loss_a: Tensor | None = None
        if searching and not self.composition.single_level:
            architecture_optimizer.zero_grad()
            loss_a = self._architecture_gradient(batch, batch_idx, weight_optimizer.param_groups[0]["lr"])
            average_gradients(self.arch_parameters())
            self._step_architecture(architecture_optimizer, progress)
        joint = searching and self.composition.single_level
        weight_optimizer.zero_grad()
        architecture_optimizer.zero_grad()
        loss = self._gradient(batch["train"], batch_idx, weights=True, logits=joint)
        average_gradients(self.parameters())  # the logits' too, where they share this step
        weight_optimizer.step()
        if joint:
            self._step_architecture(architecture_optimizer, progress)
        return {"loss": loss, "loss_a": loss if loss_a is None else loss_a}

    def _gradient(self, batch: Batch, batch_idx: int, weights: bool, logits: bool) -> Tensor:
        """Loss of a batch, whose gradient goes into the weights, the logits or both; a GPU replays what it did before."""

        def step(batch: Batch) -> Tensor:
            self._set_trainable(weights, logits)
            loss: Tensor = self.training_module.training_step(batch, batch_idx)
            if loss.requires_grad:  # not where there is nothing to choose
                self.manual_backward(loss)
            self.architecture_parameters.forget()  # the regularizer's gradient would flow through what the recording's stream has made
            return loss.detach()

        if not can_record(self.device) or self.composition.relaxation.scheduled:
            return step(batch)
        if self._recorder is None:
            self._recorder = Recorder(self.device)
        return self._recorder.gradient((weights, logits), step, batch, self.parameters())

    def forget_recorded(self) -> None:
        """The next step runs as it is: modules have changed, or someone wants to watch it."""
        if self._recorder is not None:
            self._recorder.forget()

    def _architecture_gradient(self, batch: dict[str, Any], batch_idx: int, xi: float) -> Tensor:
        """Put the task's gradient into the logits; returns the loss of the architecture's batch."""
        if self.method.order == 1:
            return self._gradient(batch["val"], batch_idx, weights=False, logits=True)
        self._set_trainable(weights=True, logits=True)
        logits = self.arch_parameters()
        gradients, loss = unrolled_gradient(
            lambda: self.training_module.training_step(batch["train"], batch_idx),
            lambda: self.training_module.training_step(batch["val"], batch_idx),
            self._weights,
            logits,
            xi,
        )
        for parameter, gradient in zip(logits, gradients, strict=True):
            parameter.grad = gradient
        return loss.detach()

    def _step_architecture(self, optimizer: Any, progress: float) -> None:
        """Add the gradients of regularizer, constraint and weight decay to the task's, and step."""
        for parameter in self.arch_parameters():
            parameter.requires_grad_(True)
        parameters = self.architecture_parameters
        extra = self.regularization(progress)
        if self.constraint is not None:
            p = parameters.probabilities()
            extra = extra + self.constraint.penalty(p)
            steps = self.trainer.num_training_batches * (self.trainer.max_epochs or 1)
            self.constraint.ascend(Probabilities(*(level.detach() for level in p)), 1.0 / steps)
        self.manual_backward(extra)
        self._decay_logits()
        optimizer.step()

    def regularization(self, progress: float) -> Tensor:
        """``sum over levels of rho * regularizer`` at this point of the search (equation 10)."""
        parameters, rho = self.architecture_parameters, self.composition.rho
        scale = self.composition.phases.rho_scale(progress)
        terms = [
            weight * self.composition.regularizer(log_p, logits, alive).sum()
            for weight, log_p, logits, alive in zip(
                (rho.depth, rho.operator, rho.width),
                parameters.log_probabilities(),
                parameters.logits(),
                parameters.alive,
                strict=True,
            )
        ]
        return scale * torch.stack(terms).sum()

    @torch.no_grad()
    def _decay_logits(self) -> None:
        for logits, alive in zip(self.arch_parameters(), self.architecture_parameters.alive, strict=True):
            assert logits.grad is not None
            logits.grad.add_(logits * alive, alpha=self.method.weight_decay)

    # shrinking

    def on_train_epoch_end(self) -> None:
        """Advance the learning rate, remove candidates, narrow the modules."""
        self._synchronise()  # batch norms see their own part of a batch; and whatever a shrinking draws, it draws everywhere
        schedulers = self.lr_schedulers()
        for scheduler in schedulers if isinstance(schedulers, list) else [schedulers] if schedulers else []:
            scheduler.step()
        shrinking = self.composition.shrinking
        if shrinking is not None and self.discrete_epoch is None:
            self._shrink(shrinking)
        if self.constraint is not None:
            self.constraint.observe(self.architecture_parameters.architecture())
        super().on_train_epoch_end()

    @torch.no_grad()
    def _shrink(self, shrinking: Shrinking) -> None:
        parameters = self.architecture_parameters
        before = Alive(*(mask.clone() for mask in parameters.alive))
        ratios = parameters.ratios()
        epoch = self.trainer.current_epoch + 1
        progress = epoch / (self.trainer.max_epochs or 1)
        kept = shrinking.keep(ratios, before, progress)
        if self.constraint is not None:
            kept = self._guarded(before, kept, ratios, last=progress >= 1.0)
        after = kept.cascade(parameters.space)
        removals = list_removals(parameters.space, before, kept, after, ratios, epoch, shrinking.rule)
        if removals:
            self.removals += removals
            self.apply_alive(after)
            self._forget_moments(after)
            if shrinking.restarts:
                parameters.restart()
                self._forget_moments(Alive(*(torch.zeros_like(mask) for mask in after)))
        if self.method.rescale:
            parameters.rescale()
        if after.is_discrete():
            self.discrete_epoch = epoch

    def _guarded(self, before: Alive, kept: Alive, ratios: Alive, last: bool) -> Alive:
        """``kept`` within the bounds, where a choice that must take something back takes it for good.

        Left beside the others, it would lose again: the mixture of both meets the bound just so, and the choice is
        never decided.
        """
        assert self.constraint is not None
        parameters = self.architecture_parameters
        if last and kept.cascade(parameters.space).is_discrete():
            best = parameters.architecture_of(Alive(*(ratio * mask for ratio, mask in zip(ratios, kept, strict=True))))
            return Alive.only(self.constraint.within(best, before, ratios)).to(before.depth.device)
        guarded = self.constraint.guard(before, kept, ratios)
        came_back = Alive(*(mine & ~asked for mine, asked in zip(guarded, kept, strict=True)))
        decided = Alive(
            *(
                torch.where(back.any(-1, keepdim=True), back, mine)
                for back, mine in zip(came_back, guarded, strict=True)
            )
        )
        return decided if self.constraint.met(decided.cascade(parameters.space)) else guarded

    def apply_alive(self, alive: Alive) -> None:
        """Adopt the masks and bring modules and the weights' optimiser to their sizes."""
        self.architecture_parameters.set_alive(alive)
        optimizers = self.trainer.optimizers if self._trainer is not None else []
        weights = next((o for o in optimizers if not getattr(o, "is_arch_optimizer", False)), None)
        shrink_supernet(self.model.stages(), alive, weights)
        self._weights = []
        self.forget_recorded()

    def _forget_moments(self, alive: Alive) -> None:
        optimizer = next(o for o in self.trainer.optimizers if getattr(o, "is_arch_optimizer", False))
        for logits, mask in zip(self.arch_parameters(), alive, strict=True):
            for key in ("exp_avg", "exp_avg_sq"):
                if key in optimizer.state.get(logits, {}):
                    optimizer.state[logits][key].mul_(mask)

    # checkpoints

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add what the state dict does not hold: removals, the shrinking's memory and the random state, as plain values."""
        checkpoint["search"] = {
            "removals": [asdict(removal) for removal in self.removals],
            "discrete_epoch": self.discrete_epoch,
            "shrinking": self.composition.shrinking.state_dict() if self.composition.shrinking else {},
            "random_state": torch.get_rng_state(),
        }
        if self.device.type == "cuda":
            checkpoint["search"]["random_state_cuda"] = torch.cuda.get_rng_state(self.device)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Narrow the modules to the saved shapes, before the state dict is loaded into them."""
        prefix = "training_module._model.architecture_parameters.alive_"
        alive = Alive(*(checkpoint["state_dict"][prefix + level] for level in LEVELS))
        self.architecture_parameters.set_alive(alive)
        shrink_supernet(self.model.stages(), alive)
        self._weights = []
        state = checkpoint["search"]
        self.removals = [Removal(**removal) for removal in state["removals"]]
        self.discrete_epoch = state["discrete_epoch"]
        if self.composition.shrinking is not None:
            self.composition.shrinking.load_state_dict(state["shrinking"])
        torch.set_rng_state(state["random_state"].cpu())
        if "random_state_cuda" in state and torch.cuda.is_available():
            torch.cuda.set_rng_state(state["random_state_cuda"].cpu())
