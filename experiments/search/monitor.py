"""What a search reports after every epoch: scores of super-network and derived network, entropy, survivors, cost."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from pytorch_lightning import LightningModule, Trainer

from experiments.data.streams import BatchStream
from experiments.metrics.evaluation import Scores, evaluate
from experiments.runs.probabilities import probability_metrics, thinned
from experiments.search.state import SearchState
from experiments.training.epochs import EpochMonitor, learning_rate
from nas_space.expected_cost import Probabilities, TabulatedCost
from strategies.alive import LEVELS


@dataclass(eq=False, repr=False, kw_only=True)
class SearchMonitor(EpochMonitor):
    """Adds a row for each epoch, before its shrinking, in the first process; nothing else sees the validation set.

    Args:
        state_of: reads the state of the search from its Lightning module.
        validation: the validation stream.
        costs: tables of costs whose expected value is a column of the rows, by the column's name.
        options: of the search, plain values; kept in the checkpoint, so that a resume can compare.
        on_probabilities: called with the numbers of the epochs so far, and the probabilities of each; in a large
            space not of all (``thinned``).
    """

    hint: str = ": lower train.lr or method.lr"
    state_of: Callable[[LightningModule], SearchState]
    validation: BatchStream
    costs: Mapping[str, TabulatedCost]
    options: dict[str, Any]
    on_probabilities: Callable[[list[int], list[Probabilities]], None] = lambda epochs, history: None
    history: dict[int, Probabilities] = field(default_factory=dict, init=False)
    gap_before: dict[str, float] | None = field(default=None, init=False)

    def batch_losses(self, outputs: Any) -> torch.Tensor:
        return torch.stack((outputs["loss"].detach(), outputs.get("loss_a", outputs["loss"]).detach()))

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        loss_w, loss_a = self.mean_losses(trainer)
        seconds = self.seconds
        if not trainer.is_global_zero:
            return
        state = self.state_of(pl_module)
        scores = self.validate(pl_module, state.supernet)
        entropies, alive = state.entropies(), state.alive.counts()
        epoch, miou_derived = trainer.current_epoch + 1, scores.miou
        if not state.alive.is_discrete():
            derived = self.validate(pl_module, state.derive(state.architecture))
            self.gap_before = {"epoch": epoch, "loss_supernet": scores.loss, "loss_derived": derived.loss}
            self.gap_before |= {"miou_supernet": scores.miou, "miou_derived": derived.miou}
            miou_derived = derived.miou
        row: dict[str, Any] = {"epoch": epoch, "loss_w": loss_w, "loss_a": loss_a}
        row |= {"val_loss": scores.loss, "miou": scores.miou, "entropy": sum(entropies.values())}
        row |= {
            **{f"entropy_{level}": entropies[level] for level in LEVELS},
            **{f"alive_{level}": alive[level] for level in LEVELS},
            **{column: float(table.expected(state.probabilities)) for column, table in self.costs.items()},
            "lr": learning_rate(trainer),  # NNI's own strategies have set the next epoch's already
            "miou_derived": miou_derived,
            "seconds": seconds,
            "seconds_validation": self.seconds - seconds,
        }
        now = Probabilities(*(p.detach().float().cpu() for p in state.probabilities))
        self.history = thinned({**self.history, epoch: now})
        self.on_probabilities(list(self.history), list(self.history.values()))
        self.add_row(trainer, row)
        if trainer.logger is not None:
            space = state.architecture.space
            trainer.logger.log_metrics(probability_metrics(space, now), step=epoch)

    def validate(self, search: Any, network: torch.nn.Module) -> Scores:
        """Scores of a network on the validation set, at the labels' resolution of the search."""
        module = search.training_module
        return evaluate(network, self.validation, module.loss, module.model.num_classes)

    def status(self) -> dict[str, str]:
        """What the progress bar shows."""
        if not self.rows:
            return {}
        row = self.rows[-1]
        alive = "/".join(str(row[f"alive_{level}"]) for level in LEVELS)
        score = {f"mIoU at {self.validation.resolution}": f"{100 * row['miou']:.1f}"}
        return {**score, "entropy": f"{row['entropy']:.1f}", "alive": alive}

    def state_dict(self) -> dict[str, Any]:
        history = {epoch: list(probabilities) for epoch, probabilities in self.history.items()}
        state = {"rows": self.rows, "gap_before": self.gap_before, "options": self.options}
        return {**state, "probabilities": history}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows, self.gap_before = list(state_dict["rows"]), state_dict["gap_before"]
        history = state_dict.get("probabilities", {})  # absent in checkpoints of earlier versions
        self.history = {epoch: Probabilities(*levels) for epoch, levels in history.items()}
