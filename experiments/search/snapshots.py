"""Networks on the way: the most probable one after every shrink and at the end, a Pareto set that one search gives for free."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Callback
from torch import nn

from experiments.data.streams import BatchStream
from experiments.report.pareto import write_pareto
from experiments.runs.folder import write_atomic
from experiments.search.monitor import SearchMonitor
from experiments.search.options import SearchOptions
from nas_space.architecture import Architecture
from nas_space.cost import cost
from strategies.constraint import Bound, Constraint

CALIBRATION = 8
"""Training batches from which a snapshot's batch norms take their statistics: those of a mixture fit none of its networks."""


class Snapshots(Callback):
    """Writes ``snapshots/epoch-<n>.json`` (an ``architecture.json`` each), ``pareto.json`` and ``figures/pareto.png``.

    Args:
        monitor: of the same search; it validates.
        stream: training batches, for the statistics of batch norms.
        num_classes: classes of the data set.
        options: of the search.
        run: the run's folder.
        constraint: bounds of the search; ``pareto.json`` holds the bounded cost of every network.
    """

    def __init__(
        self,
        monitor: SearchMonitor,
        stream: BatchStream,
        num_classes: int,
        options: SearchOptions,
        run: Path,
        constraint: Constraint | None = None,
    ) -> None:
        self.bounds = constraint.bounds if constraint is not None else ()
        self.monitor = monitor
        self.stream = stream
        self.num_classes = num_classes
        self.options = options
        self.run = run
        self.rows: list[dict[str, Any]] = []
        self._seen = 0

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        # A snapshot shows what the last epoch's shrink has left.
        removals = len(getattr(pl_module, "removals", ()))
        if removals > self._seen:
            self._seen = removals
            state = self.monitor.state_of(pl_module)
            self._take(pl_module, trainer.current_epoch, state.architecture, state.derive(state.architecture))

    def finish(self, search: LightningModule, architecture: Architecture, derived: nn.Module) -> None:
        """Add the found network, then write table and figure.

        Args:
            search: the search's module.
            architecture: the found network.
            derived: the same with the super-network's weights.
        """
        self._take(search, self.options.epochs, architecture, derived)
        write_pareto(self.run, self.rows)

    def _take(self, search: LightningModule, epoch: int, architecture: Architecture, network: nn.Module) -> None:
        training = network.training
        calibrate(network, self.stream.whole())
        scores = self.monitor.validate(search, network)
        network.train(training)
        self.rows = [row for row in self.rows if row["epoch"] != epoch]
        size, classes = self.options.cost_size, self.num_classes
        name = f"epoch-{epoch:03d}"
        self.rows.append(write_snapshot(self.run, name, epoch, architecture, scores.miou, size, classes, self.bounds))

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows, "seen": self._seen}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows, self._seen = list(state_dict["rows"]), state_dict["seen"]


def write_snapshot(
    run: Path,
    name: str,
    epoch: int,
    architecture: Architecture,
    miou: float,
    size: tuple[int, int],
    num_classes: int,
    bounds: Sequence[Bound] = (),
) -> dict[str, Any]:
    """Write ``snapshots/<name>.json``.

    Args:
        run: the run's folder.
        name: of the file.
        epoch: after which epoch, or which of the sampled networks.
        architecture: the network.
        miou: on the validation set.
        size: height and width at which cost is counted, in pixels.
        num_classes: channels of the logits.
        bounds: whose costs are told too.

    Returns:
        The network's row of ``pareto.json``.
    """
    file = f"snapshots/{name}.json"
    (run / "snapshots").mkdir(exist_ok=True)
    write_atomic(run / file, architecture.to_json())
    bounded = {bound.name: bound.of(architecture) for bound in bounds}
    exact = asdict(cost(architecture, size, num_classes))
    return {"epoch": epoch, "file": file, "miou": miou, **bounded, **exact}


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
