"""Searches that train sampled networks one by one, each from scratch, and keep the best."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, ModelCheckpoint
from torch import Tensor
from tqdm import tqdm

from experiments.data import SegmentationData, split_halves
from experiments.data.frequency import class_weights
from experiments.data.streams import WEIGHTS, BatchStream, val_stream
from experiments.data.transforms import downsample_labels
from experiments.metrics.evaluation import evaluate
from experiments.options.device import resolve_precision
from experiments.options.groups import IGNORE
from experiments.report.figures import png
from experiments.report.gallery import validation_figure
from experiments.report.pareto import write_pareto
from experiments.runs.files import write_atomic, write_json
from experiments.runs.folder import write_metrics
from experiments.search.options import SearchOptions
from experiments.search.samplers import create_multi_trial, fits, run_multi_trial, sample_networks
from experiments.search.summary import Outcome, search_summary
from experiments.search.trials import Trial, metric_rows, read_trials, write_trials
from experiments.training.module import SegmentationModule
from experiments.training.trainer import make_trainer
from nas_space.architecture import Architecture
from nas_space.cost import cost
from nas_space.errors import InputError
from nas_space.network import SegmentationNetwork
from nas_space.space import JointSpace
from strategies.alive import LEVELS
from strategies.constraint import Constraint

HELD_OUT = 0.2
"""Share of the training images that choose among the networks, where ``method.arch_split`` does not say."""


class MultiTrialSearch:
    """Random search, or one of NNI's multi-trial strategies, with the budget of a differentiable search.

    The budget is counted in passes over the training images: a search of E epochs makes 2E, one for the weights and one
    for the architecture in each epoch. ``method.samples`` networks share them, ``max(1, round(2 E / samples))`` epochs
    each, with the learning rate's poly decay over these epochs and the search's batch, augmentation and class weights.
    A pass through one network costs less time and memory than one through a super-network; and networks that a strategy
    asks for again, or that exceed a bound, are not trained.

    Every network learns from one part of the training images and is scored on the other (``method.arch_split`` of them,
    else ``HELD_OUT``). The validation set is reported and decides nothing.

    Args:
        options: checked options, with a strategy of ``registry.MULTI_TRIAL``.
        data: the data set that they name, with two training images or more.
        run: the run's folder, existing.
        constraint: bounds on the found network's cost.
        report: told every network's row of ``metrics.csv``, before the file holds it.

    Raises:
        InputError: the training images held out have no labelled pixel.
    """

    def __init__(
        self,
        options: SearchOptions,
        data: SegmentationData,
        run: Path,
        constraint: Constraint | None = None,
        report: Callable[[Mapping[str, Any]], None] | None = None,
    ) -> None:
        self.options = options
        self.report = report
        self.data = data
        self.run = run
        self.constraint = constraint
        self.device = options.resolved_device
        self.space = options.space.resolve()
        self.epochs = max(1, round(2 * options.epochs / options.method.samples))
        self.trials: dict[Architecture, Trial] = {}
        train, val = data.train.to(self.device), data.val.to(self.device)
        share = HELD_OUT if options.method.arch_split is None else options.method.arch_split
        first, held_out = split_halves(train, 1.0 - share, options.seed)
        if bool((downsample_labels(held_out.labels) == IGNORE).all()):
            raise InputError(
                "method.arch_split: no training image held out has a labelled pixel; hold out more, or choose another seed"
            )
        self.stream = BatchStream(first, options.data.batch, options.seed, WEIGHTS)
        self.held_out, self.validation = val_stream(held_out, options.data.batch), val_stream(val, options.data.batch)
        self.weights = class_weights(train.labels, len(data.classes), stride=self.stream.label_stride).cpu()

    def execute(self, checkpoint: Path | None = None) -> dict[str, Any]:
        """Train all networks and write the run's files.

        A run that was interrupted continues after the last network in its ``trials.json``.

        Args:
            checkpoint: not needed, since no network is continued half-way; here for the sake of ``Search``'s signature.

        Returns:
            The summary, as in ``search.json``.

        Raises:
            InputError: a loss is not finite, ``trials.json`` cannot be continued, or NNI drew no network within the
                bounds.
        """
        self.trials = read_trials(self.run, self.options)
        name, count, seed = self.options.strategy, self.options.method.samples, self.options.seed
        with tqdm(
            total=count, desc=f"search ({name})", unit="network", disable=None if self.report is None else True
        ) as bar:

            def score(architecture: Architecture) -> float:
                result = self.score(architecture)
                bar.set_postfix({"mIoU": f"{100 * self.best().miou:.1f}"} if self.trials else {}, refresh=False)
                bar.update()
                return result

            if name == "random":
                for architecture in sample_networks(self.space, count, seed, self.constraint):
                    score(architecture)
            else:
                space = JointSpace(self.space, len(self.data.classes))
                run_multi_trial(space, create_multi_trial(name, count, seed), count, score)
        if not self.trials:  # NNI's own strategies do not look for networks within the bounds
            raise InputError(
                f"constraint: no network that {name} drew is within the bounds; raise method.samples, or use random"
            )
        return self._finish()

    def score(self, architecture: Architecture) -> float:
        """What a network is chosen by, in [0, 1]; it is trained unless it has been before, or exceeds a bound (then 0)."""
        if architecture in self.trials:
            return self.trials[architecture].miou_heldout
        if not fits(architecture, self.constraint):
            return 0.0
        trial, network = self.train(architecture)
        self.trials[architecture] = trial
        if self.best() is trial:
            (self.run / "figures").mkdir(exist_ok=True)
            picture = validation_figure(network, self.validation.split, self.data)
            write_atomic(self.run / "figures" / "validation.png", png(picture))
        rows = self._rows()
        if self.report is not None:
            self.report(rows[-1])
        write_metrics(self.run, rows)
        write_trials(self.run, self.options, self.trials.values())
        return trial.miou_heldout

    def best(self) -> Trial:
        """The network with the highest score so far; of equal ones the first."""
        return max(self.trials.values(), key=lambda trial: trial.miou_heldout)

    def train(self, architecture: Architecture) -> tuple[Trial, SegmentationNetwork]:
        """Train a network from scratch and score it; what comes out depends on it and the options alone.

        Returns:
            The scores, and the trained network on the search's device.

        Raises:
            InputError: the loss is not finite.
        """
        start = time.perf_counter()
        classes = len(self.data.classes)
        pl.seed_everything(self.options.seed, verbose=False)
        network = SegmentationNetwork(architecture, classes).to(memory_format=torch.channels_last)
        module = SegmentationModule(self.options.train, self.epochs, self.weights)
        module.set_model(network)
        last = _LastEpoch(self.stream)
        trainer = make_trainer(self.run, self.epochs, self.device, resolve_precision(self.options.precision), [last])
        # A network takes seconds and is not continued: no checkpoints, no events.
        trainer.callbacks = [callback for callback in trainer.callbacks if not isinstance(callback, ModelCheckpoint)]
        trainer.logger = None
        trainer.fit(module, self.stream)
        module.to(self.device)  # Lightning leaves it on the CPU
        held_out = evaluate(network, self.held_out, module.loss, classes)
        end = time.perf_counter()
        scores = evaluate(network, self.validation, module.loss, classes)
        seconds = end - start, time.perf_counter() - end
        return Trial(
            architecture, held_out.miou, held_out.loss, scores.miou, scores.loss, last.loss, last.lr, *seconds
        ), network

    def _rows(self) -> list[dict[str, Any]]:
        return metric_rows(self.trials.values(), self.options.cost_size, len(self.data.classes))

    def _write_networks(self) -> None:
        """All networks with their cost and validation mIoU, as the networks on the way of a differentiable search."""
        networks: list[dict[str, Any]] = []
        (self.run / "snapshots").mkdir(exist_ok=True)
        for number, trial in enumerate(self.trials.values(), 1):
            file = f"snapshots/trial-{number:03d}.json"
            write_atomic(self.run / file, trial.architecture.to_json())
            exact = cost(trial.architecture, self.options.cost_size, len(self.data.classes))
            networks.append({"epoch": number, "file": file, "miou": trial.miou, **asdict(exact)})
        write_pareto(self.run, networks)

    def _finish(self) -> dict[str, Any]:
        best, rows = self.best(), self._rows()
        alive = [{"epoch": row["epoch"], **{level: row[f"alive_{level}"] for level in LEVELS}} for row in rows]
        outcome = Outcome(
            architecture=best.architecture,
            discrete=True,
            discrete_epoch=None,
            removals=[],
            entropy=dict.fromkeys(LEVELS, 0.0),
            miou={"supernet": best.miou, "derived": best.miou},
            gap={"loss_supernet": best.loss, "loss_derived": best.loss, "max_logit_difference": 0.0},
            gap_before=None,
            alive=[*alive, {**alive[-1], "epoch": len(rows) + 1}],
        )
        summary = search_summary(self.options, self.data, outcome, rows)
        if self.constraint is not None:
            summary["constraint"] = self.constraint.summary(best.architecture)
        write_metrics(self.run, rows)
        self._write_networks()
        write_atomic(self.run / "architecture.json", best.architecture.to_json())
        write_json(self.run / "search.json", summary)
        return summary


class _LastEpoch(Callback):
    """Sets the stream to each epoch, and notes the last one's mean training loss and learning rate."""

    def __init__(self, stream: BatchStream) -> None:
        self.stream = stream
        self.loss = self.lr = math.nan
        self._losses: list[Tensor] = []

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.stream.set_epoch(trainer.current_epoch)
        self._losses = []
        self.lr = trainer.optimizers[0].param_groups[0]["lr"]  # at an epoch's end it is already the next one's

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self._losses.append(outputs["loss"].detach())  # on its device

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.loss = float(torch.stack(self._losses).double().mean())
        if not math.isfinite(self.loss):
            raise InputError(
                f"the loss became {self.loss} in epoch {trainer.current_epoch + 1} of a network: lower train.lr"
            )
