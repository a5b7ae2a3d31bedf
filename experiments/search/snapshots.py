"""Networks on the way: the most probable one after every shrink and at the end, a Pareto set for free."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Callback
from torch import nn

from experiments.data.streams import BatchStream
from experiments.report.pareto import write_pareto
from experiments.search.monitor import SearchMonitor
from nas_space.architecture import Architecture
from strategies.constraint import Bound

CALIBRATION = 8
"""Training batches for the statistics of a snapshot's batch norms: those of a mixture fit none of its networks."""


class WriteSnapshot(Protocol):
    """``BaseSearch.write_snapshot``: writes a network and returns its row of ``pareto.json``."""

    def __call__(
        self,
        name: str,
        epoch: int,
        architecture: Architecture,
        miou: float,
        bounded: Mapping[str, float],
        trained: nn.Module | None = None,
    ) -> dict[str, Any]: ...


@dataclass(eq=False, repr=False)
class Snapshots(Callback):
    """Writes ``snapshots/epoch-<n>.json`` (each an ``architecture.json``), ``pareto.json``.

    Where the super-network is discrete, its weights are trained ones: ``snapshots/epoch-<n>.safetensors`` holds them,
    with the statistics of batch norms that the snapshot is scored with.

    Args:
        monitor: of the same search; it validates.
        stream: training batches, for the statistics of batch norms.
        run: the run's folder.
        write: writes a network.
        bounds: of the search; each row holds the costs that they bound.
    """

    monitor: SearchMonitor
    stream: BatchStream
    run: Path
    write: WriteSnapshot
    bounds: Sequence[Bound] = ()
    rows: list[dict[str, Any]] = field(default_factory=list, init=False)
    _seen: int = field(default=0, init=False)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        # A snapshot shows what the last epoch's shrink has left.
        removals = len(getattr(pl_module, "removals", ()))
        if removals > self._seen:
            self._seen = removals
            state = self.monitor.state_of(pl_module)
            self._take(pl_module, trainer.current_epoch, state.architecture, state.derive(state.architecture))

    def finish(self, search: LightningModule, epochs: int, architecture: Architecture, derived: nn.Module) -> None:
        """Add the found network, then write ``pareto.json``.

        Args:
            search: the search's module.
            epochs: of the search.
            architecture: the found network.
            derived: the same with the super-network's weights.
        """
        self._take(search, epochs, architecture, derived)
        write_pareto(self.run, self.rows)

    def _take(self, search: LightningModule, epoch: int, architecture: Architecture, network: nn.Module) -> None:
        trained = network if self.monitor.state_of(search).alive.is_discrete() else None
        training = network.training
        calibrate(network, self.stream.whole())
        miou = self.monitor.validate(search, network).miou
        network.train(training)
        bounded = {bound.name: bound.of(architecture) for bound in self.bounds}
        self.rows = [row for row in self.rows if row["epoch"] != epoch]
        self.rows.append(self.write(f"epoch-{epoch:03d}", epoch, architecture, miou, bounded, trained))

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows, "seen": self._seen}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows, self._seen = list(state_dict["rows"]), state_dict["seen"]


@torch.no_grad()
def calibrate(network: nn.Module, stream: BatchStream) -> None:
    """Give every batch norm the mean statistics of the stream's first batches, in place.

    Args:
        network: images ``(B, 3, H, W)`` -> logits; left in training mode.
        stream: what to run through it.
    """
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over the batches
    network.train()
    for _, (images, _) in zip(range(CALIBRATION), stream, strict=False):
        network(images)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
