"""One differentiable search through NNI: a ``NasExperiment`` with one of our strategies or of NNI's, and the files that it leaves."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from nni.nas.evaluator.pytorch import Lightning
from pytorch_lightning.callbacks import Callback

from experiments.data import SegmentationData, split_halves
from experiments.data.frequency import class_weights
from experiments.data.streams import ARCHITECTURE, WEIGHTS, BatchStream, val_stream
from experiments.metrics.evaluation import largest_difference
from experiments.options.device import resolve_precision
from experiments.report.figures import png
from experiments.report.gallery import validation_figure
from experiments.runs.folder import plain, write_atomic, write_json, write_metrics
from experiments.runs.processes import rank
from experiments.search.monitor import SearchMonitor
from experiments.search.nni_experiment import run_experiment
from experiments.search.nni_oneshot import create_nni_strategy, state_of_nni
from experiments.search.options import SearchOptions
from experiments.search.snapshots import Snapshots
from experiments.search.state import SearchState, state_of_search
from experiments.search.summary import Outcome, search_summary
from experiments.training.checkpoints import AtomicCheckpointIO, monitor_state
from experiments.training.module import SegmentationModule
from experiments.training.progress import RunProgress
from experiments.training.trainer import make_trainer
from nas_space.errors import InputError
from nas_space.expected_cost import counted_cost
from nas_space.space import JointSpace
from strategies.alive import LEVELS, Alive
from strategies.constraint import Constraint
from strategies.registry import NNI_STRATEGIES, create_strategy
from strategies.shrinking import Removal, list_removals, retaining_ratio


class Search:
    """A search that is ready to run.

    Args:
        options: checked options.
        data: the data set that they name.
        run: the run's folder.
        constraint: bounds on the found network's cost.
        report: told every epoch's row of ``metrics.csv``, before the file holds it.
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
        self.run = run
        self.data = data
        pl.seed_everything(options.seed, verbose=False)
        self.device = options.resolved_device
        self.space = JointSpace(options.space.resolve(), len(data.classes))
        self.space.to(memory_format=torch.channels_last)
        train, val = data.train.to(self.device), data.val.to(self.device)
        halves = (train, train)
        if options.method.arch_split is not None:
            halves = split_halves(train, 1.0 - options.method.arch_split, options.seed)
        self.streams = tuple(
            BatchStream(half, options.data.batch, options.seed, stream, rank=rank(), world=options.devices)
            for half, stream in zip(halves, (WEIGHTS, ARCHITECTURE), strict=True)
        )
        self.validation = val_stream(val, options.data.batch)
        weights = class_weights(train.labels, len(data.classes), stride=self.streams[0].label_stride)
        self.module = SegmentationModule(options.train, options.epochs, weights.cpu())
        costs = {
            column: counted_cost(self.space.config, kind, options.cost_size, len(data.classes), self.device)
            for column, kind in (("expected_params", "params"), ("expected_macs", "macs_total"))
        }
        self.strategy: Any
        self.state_of: Callable[[Any], SearchState]
        if options.strategy in NNI_STRATEGIES:
            self.strategy = create_nni_strategy(options.strategy, options.method, options.epochs)
            self.state_of = partial(state_of_nni, config=self.space.config)
        else:
            self.strategy = create_strategy(options.strategy, options.method, options.seed)
            self.strategy.constraint = constraint
            self.state_of = state_of_search
        self.monitor = SearchMonitor(self.state_of, self.streams, self.validation, costs, plain(asdict(options)))

    def execute(self, checkpoint: Path | None = None) -> dict[str, Any]:
        """Search to the last epoch and write the run's files.

        Args:
            checkpoint: continue from it.

        Returns:
            The summary, as in ``search.json``; nothing in a follower, which writes no file.
        """
        if checkpoint is not None:
            check_checkpoint(checkpoint, plain(asdict(self.options)))
        options = self.options
        constraint = getattr(self.strategy, "constraint", None)
        snapshots = Snapshots(self.monitor, self.streams[0], self.data, options, self.run, constraint)
        # Whoever is told of every epoch needs no bar; in a trial its pieces would fill NNI's log.
        progress = [RunProgress(self._figures, f"search ({options.strategy})")] if self.report is None else []
        files = [snapshots, _EpochFiles(self.monitor, self.run, self.report), *progress]
        callbacks = [self.monitor, *(files if rank() == 0 else [])]
        precision = resolve_precision(options.precision)
        trainer = make_trainer(self.run, options.epochs, self.device, precision, callbacks, options.devices, checkpoint)
        fit = {} if checkpoint is None else {"ckpt_path": str(checkpoint), "weights_only": True}
        evaluator = Lightning(
            self.module, trainer, train_dataloaders=self.streams[0], val_dataloaders=self.streams[1], fit_kwargs=fit
        )
        run_experiment(self.space, evaluator, self.strategy)
        return self._finish(snapshots) if rank() == 0 else {}

    def _figures(self) -> dict[str, str]:
        if not self.monitor.rows:
            return {}
        row = self.monitor.rows[-1]
        alive = "/".join(str(row[f"alive_{level}"]) for level in LEVELS)
        return {"mIoU": f"{100 * row['miou']:.1f}", "entropy": f"{row['entropy']:.1f}", "alive": alive}

    @torch.no_grad()
    def _finish(self, snapshots: Snapshots) -> dict[str, Any]:
        search = self.strategy.oneshot_module
        self.space.to(self.device)
        search.training_module.to(self.device)
        state, rows = self.state_of(search), self.monitor.rows
        constraint = getattr(self.strategy, "constraint", None)
        discrete = state.alive.is_discrete()
        architecture = state.architecture
        removals: list[Removal] = list(getattr(search, "removals", []))
        if not discrete:
            ratios = Alive(
                *(retaining_ratio(p.log(), mask) for p, mask in zip(state.probabilities, state.alive, strict=True))
            ).to("cpu")
            alive = state.alive.to("cpu")
            if constraint is not None:
                architecture = constraint.within(architecture, state.alive, ratios.to(state.alive.depth.device))
            only = Alive.only(architecture)
            removals += list_removals(self.space.config, alive, only, only, ratios, self.options.epochs, "argmax")
        derived = state.derive(architecture)
        of_supernet, of_derived = (self.monitor.validate(search, network) for network in (self.space, derived))
        images = torch.cat([images for images, _ in self.validation][:4])
        outcome = Outcome(
            architecture,
            discrete,
            getattr(search, "discrete_epoch", None),
            removals,
            state.entropies(),
            {"supernet": of_supernet.miou, "derived": of_derived.miou},
            {
                "loss_supernet": of_supernet.loss,
                "loss_derived": of_derived.loss,
                "max_logit_difference": largest_difference(self.space, derived, images),
            },
            self.monitor.gap_before,
            [{"epoch": row["epoch"], **{level: row[f"alive_{level}"] for level in LEVELS}} for row in rows]
            + [{"epoch": self.options.epochs + 1, **state.alive.counts()}],
        )
        summary = search_summary(self.options, self.data, outcome, rows)
        if constraint is not None:
            summary["constraint"] = constraint.summary(architecture)
        write_metrics(self.run, rows)
        (self.run / "figures").mkdir(exist_ok=True)
        write_atomic(
            self.run / "figures" / "validation.png", png(validation_figure(derived, self.validation.split, self.data))
        )
        snapshots.finish(search, architecture, derived)
        write_atomic(self.run / "architecture.json", architecture.to_json())
        write_json(self.run / "search.json", summary)
        return summary


class _EpochFiles(Callback):
    """Keeps ``metrics.csv`` up to date while the search runs, and reports each of its rows."""

    def __init__(self, monitor: SearchMonitor, run: Path, report: Callable[[Mapping[str, Any]], None] | None) -> None:
        self.monitor = monitor
        self.run = run
        self.report = report

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self.report is not None:
            self.report(self.monitor.rows[-1])
        write_metrics(self.run, self.monitor.rows)


def check_checkpoint(path: Path, options: dict[str, Any]) -> None:
    """Make sure that a checkpoint is one of the search that ``options`` describe.

    Raises:
        InputError: the file is damaged or of another search, or an option has changed since.
    """
    checkpoint = AtomicCheckpointIO().load_checkpoint(path)
    state = monitor_state(checkpoint, "SearchMonitor")
    if state is None or not isinstance(checkpoint.get("search"), dict):
        raise InputError(f"{path}: not a checkpoint of this search; remove it to start again")
    changed = [
        key
        for key in options
        if key not in ("device", "devices", "precision") and state["options"].get(key) != options[key]
    ]
    if changed:
        raise InputError(
            f"config.yml: {changed[0]} is not what {path} was made with; put it back, or remove the checkpoint to start again"
        )
