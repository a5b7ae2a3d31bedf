"""The search as a Lightning module, as NNI runs it: optimisers, shrinking at the end of every epoch, checkpoints.

What a step does is in ``strategies/bilevel.py``. Gradients are averaged over all devices, so every process removes the
same candidates by itself.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import torch
from nni.nas.evaluator.pytorch import LightningModule
from nni.nas.oneshot.pytorch.base_lightning import BaseOneShotLightningModule
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from nas_space.errors import InputError
from strategies.alive import LEVELS, Alive, Ratios
from strategies.bilevel import BilevelStep
from strategies.choices import ChoiceParameters
from strategies.composition import Composition
from strategies.curves import Listener, search_metrics, trial_metrics
from strategies.distributed import broadcast, broadcast_random_state
from strategies.levels import LevelParameters
from strategies.optimizers import advance_schedules, weights_alone
from strategies.parameters import ArchitectureParameters
from strategies.shrinking import Removal, Shrinking, removals_of
from strategies.supernet import shrink_supernet


class SearchModule(BaseOneShotLightningModule):
    """One differentiable search: a training module whose model is a mutated space.

    Args:
        training_module: the evaluator's module.
        composition: the strategy's parts.
    """

    def __init__(self, training_module: LightningModule, composition: Composition) -> None:
        super().__init__(training_module)
        self.composition = composition
        self.method = composition.method
        self.constraint = composition.constraint
        self.removals: list[Removal] = []
        self.discrete_epoch: int | None = None
        self.listener: Listener | None = None  # of what a search of any space tells
        self.bilevel = BilevelStep(training_module, composition, self.manual_backward)

    @property
    def architecture_parameters(self) -> LevelParameters:
        return self.bilevel.parameters

    def arch_parameters(self) -> list[nn.Parameter]:
        """``[alpha, beta, gamma]``, always in this order, so that optimiser state can be resumed."""
        return list(self.architecture_parameters.logits())

    def export(self) -> dict[str, Any]:
        """The most probable network as an NNI sample, with a value for every label."""
        return self.architecture_parameters.sample()

    def export_probs(self) -> dict[str, Any]:
        return self.architecture_parameters.labelled_probabilities()

    def configure_architecture_optimizers(self) -> Optimizer:
        """Adam; its weight decay is applied in the step, to surviving logits alone."""
        return Adam(self.arch_parameters(), lr=self.method.lr, betas=(0.5, 0.999))

    def postprocess_weight_optimizers(self, optimizers: Any) -> Any:
        """Take the architecture parameters out of the weights' optimiser.

        Raises:
            InputError: the evaluator has several optimisers, or a schedule that wants a metric.
        """
        return weights_alone(optimizers, set(self.arch_parameters()))

    def on_train_epoch_start(self) -> None:
        self._synchronise()  # the first process alone has validated, and drawn random numbers for it
        super().on_train_epoch_start()

    def _synchronise(self) -> None:
        """Bring all processes to the state of the first."""
        broadcast([*self.parameters(), *self.buffers()])
        broadcast_random_state(self.device)

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> dict[str, Tensor]:
        """One bi-level step, on the batches of both streams, ``train`` and ``val``, or on the first alone."""
        batches, epochs = self.trainer.num_training_batches, self.trainer.max_epochs or 1
        progress = (self.trainer.current_epoch + batch_idx / batches) / epochs
        decided = self.discrete_epoch is not None
        losses = self.bilevel.step(batch, batch_idx, self.optimizers(), progress, 1.0 / (batches * epochs), decided)
        advance_schedules(self.trainer, "step", batch_idx + 1)
        return losses

    def forget_recorded(self) -> None:
        """Run the next step operation by operation: someone wants to watch it."""
        self.bilevel.forget_recorded()

    def on_train_epoch_end(self) -> None:
        """Advance the learning rate, remove candidates, narrow the modules."""
        # Batch norms have seen their own part of a batch, and a rule of removal may draw random numbers.
        self._synchronise()
        advance_schedules(self.trainer, "epoch", self.trainer.current_epoch + 1)
        shrinking = self.composition.shrinking
        if shrinking is not None and self.discrete_epoch is None:
            self._shrink(shrinking)
        if self.constraint is not None:
            parameters = self.architecture_parameters
            assert isinstance(parameters, ArchitectureParameters)  # no other space has bounds on its cost
            self.constraint.observe(parameters.architecture())
        if isinstance(self.architecture_parameters, ChoiceParameters):
            self._tell(self.architecture_parameters)
        super().on_train_epoch_end()

    def _tell(self, parameters: ChoiceParameters) -> None:
        metrics = search_metrics(parameters)
        self.log_dict(metrics)
        self.log_probs(self.export_probs())
        if self.listener is not None:
            self.listener(self.trainer.current_epoch + 1, trial_metrics(metrics, self.trainer.callback_metrics))

    @torch.no_grad()
    def _shrink(self, shrinking: Shrinking) -> None:
        parameters = self.architecture_parameters
        before, ratios = parameters.alive.clone(), parameters.ratios()
        epoch = self.trainer.current_epoch + 1
        progress = epoch / (self.trainer.max_epochs or 1)
        selected = shrinking.keep(ratios, before, progress)
        if self.constraint is not None:
            selected = self._within_bounds(before, selected, ratios, last=progress >= 1.0)
        after = parameters.cascade(selected)
        removals = removals_of(parameters.labels(), before, selected, after, ratios, epoch, shrinking.rule)
        if removals:
            self.removals += removals
            self.apply_alive(after)
            self._forget_moments(after)
            renewed = shrinking.renewed(before, after)
            if renewed is not None:
                parameters.restart(renewed)
                # Their scale stays: without it the first steps would be many times the learning rate.
                kept = Alive(*(~new for new in renewed))
                self._forget_moments(kept, ("exp_avg",))
        if self.method.rescale:
            parameters.rescale()
        if after.is_discrete():
            self.discrete_epoch = epoch

    def _within_bounds(self, before: Alive, selected: Alive, ratios: Ratios, last: bool) -> Alive:
        """The selected survivors within the bounds; a choice that must take a candidate back takes it for good.

        Beside the others the candidate would lose again: the mixture of both just meets the bound, and the choice is
        never decided.
        """
        assert self.constraint is not None
        parameters = self.architecture_parameters
        assert isinstance(parameters, ArchitectureParameters)
        if last and selected.cascade(parameters.space).is_discrete():
            best = parameters.architecture(Alive(*(ratio * m for ratio, m in zip(ratios, selected, strict=True))))
            return Alive.only(self.constraint.within(best, before, ratios)).to(before.depth.device)
        guarded = self.constraint.guard(before, selected, ratios)
        levels = [(mask & ~asked, mask) for mask, asked in zip(guarded, selected, strict=True)]
        decided = Alive(*(torch.where(back.any(-1, keepdim=True), back, mask) for back, mask in levels))
        return decided if self.constraint.met(decided.cascade(parameters.space)) else guarded

    def apply_alive(self, alive: Alive) -> None:
        """Adopt the masks, and bring the modules and the weights' optimiser to their sizes."""
        optimizers = self.trainer.optimizers if self._trainer is not None else []
        weights = next((o for o in optimizers if not getattr(o, "is_arch_optimizer", False)), None)
        self.architecture_parameters.set_alive(alive)
        shrink_supernet(list(self.supernet_modules()), alive, weights, self.model)
        self.bilevel.modules_changed()

    def _forget_moments(self, alive: Alive, moments: Sequence[str] = ("exp_avg", "exp_avg_sq")) -> None:
        """Zero some of Adam's moments of the logits that are not alive."""
        optimizer = next(o for o in self.trainer.optimizers if getattr(o, "is_arch_optimizer", False))
        for logits, mask in zip(self.arch_parameters(), alive, strict=True):
            for key in moments:
                if key in optimizer.state.get(logits, {}):
                    optimizer.state[logits][key].mul_(mask)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add what the state dict does not hold: removals, the shrinking's memory, random states; plain values."""
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
        saved = [checkpoint["state_dict"].get(prefix + level) for level in LEVELS]
        for mask, own in zip(saved, self.architecture_parameters.alive, strict=True):
            if mask is None or mask.shape != own.shape:
                raise InputError("checkpoint: of a search in another space; give that of this one")
        self.apply_alive(Alive(*saved))
        state = checkpoint["search"]
        self.removals = [Removal(**removal) for removal in state["removals"]]
        self.discrete_epoch = state["discrete_epoch"]
        if self.composition.shrinking is not None:
            self.composition.shrinking.load_state_dict(state["shrinking"])
        torch.set_rng_state(state["random_state"].cpu())
        if "random_state_cuda" in state and torch.cuda.is_available():
            torch.cuda.set_rng_state(state["random_state_cuda"].cpu())
