"""One search through NNI: a ``NasExperiment`` with one of our strategies, and the files that it leaves."""

import logging
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from nni.nas.evaluator.pytorch import Lightning
from nni.nas.experiment import NasExperiment
from pytorch_lightning.callbacks import Callback

from experiments.config import DataOptions, SpaceOptions, TrainOptions, check_seed, parse_size
from experiments.data import SegmentationData, split_halves
from experiments.data.frequency import class_weights
from experiments.data.streams import ARCHITECTURE, WEIGHTS, BatchStream, val_stream
from experiments.data.transforms import downsample_labels
from experiments.environment import device_name, peak_memory_mb, versions
from experiments.figures import png
from experiments.gallery import validation_figure
from experiments.runs import plain, write_atomic, write_json, write_metrics
from experiments.training.checkpoints import AtomicCheckpointIO
from experiments.training.evaluation import largest_difference
from experiments.training.module import SegmentationModule
from experiments.training.monitor import SearchMonitor
from experiments.training.progress import RunProgress
from experiments.training.trainer import make_trainer, resolve_device, resolve_precision
from nas_space.architecture import Architecture
from nas_space.cost import cost
from nas_space.errors import InputError
from nas_space.expected_cost import CostModel
from nas_space.space import JointSpace
from strategies.alive import LEVELS, Alive
from strategies.derive import derive_network
from strategies.method import MethodOptions
from strategies.registry import create_strategy
from strategies.search_module import SearchModule
from strategies.shrinking import list_removals
from strategies.strategy import DifferentiableStrategy


@dataclass
class SearchOptions:
    """Everything that decides a search's result.

    Args:
        strategy: the search method, ``ssr`` or ``darts``.
        epochs: passes over the training set.
        seed: of weights, logits and batches.
        device: auto, cpu or cuda.
        precision: 32 or bf16.
        data: what to train on.
        space: what can be built.
        method: how the architecture is searched.
        train: how the weights are trained.
    """

    strategy: str = "ssr"
    epochs: int = 24
    seed: int = 0
    device: str = "auto"
    precision: str = "32"
    data: DataOptions = field(default_factory=DataOptions)
    space: SpaceOptions = field(default_factory=SpaceOptions)
    method: MethodOptions = field(default_factory=MethodOptions)
    train: TrainOptions = field(default_factory=TrainOptions)


def check_options(options: SearchOptions) -> None:
    """Everything about the options that can be wrong without reading data.

    Raises:
        InputError: the key, and what it should be.
    """
    options.space.resolve()
    options.method.check()
    options.train.check()
    parse_size(options.data.size)
    if options.data.batch < 2:
        raise InputError(f"data.batch: {options.data.batch} must be at least 2 (batch normalisation)")
    if options.epochs < 1:
        raise InputError(f"epochs: {options.epochs} must be at least 1")
    check_seed(options.seed)
    create_strategy(options.strategy, options.method)
    resolve_device(options.device)
    resolve_precision(options.precision)


def check_data(options: SearchOptions, data: SegmentationData) -> None:
    """What can be wrong with options and data together.

    Raises:
        InputError: too few images to divide.
    """
    if options.method.arch_split is not None and len(data.train) < 2:
        raise InputError(f"method.arch_split: cannot divide {len(data.train)} training image; leave it out")


class Search:
    """A search that is ready to run.

    Args:
        options: checked options.
        data: the data set that they name.
        run: the run's folder.
    """

    def __init__(self, options: SearchOptions, data: SegmentationData, run: Path) -> None:
        self.options = options
        self.run = run
        self.data = data
        pl.seed_everything(options.seed, verbose=False)
        self.device = resolve_device(options.device)
        self.size = parse_size(options.data.size)
        self.space = JointSpace(options.space.resolve(), len(data.classes))
        self.space.to(memory_format=torch.channels_last)
        train, val = data.train.to(self.device), data.val.to(self.device)
        halves = (train, train)
        if options.method.arch_split is not None:
            halves = split_halves(train, 1.0 - options.method.arch_split, options.seed)
        self.streams = tuple(
            BatchStream(half, options.data.batch, options.seed, stream)
            for half, stream in zip(halves, (WEIGHTS, ARCHITECTURE), strict=True)
        )
        self.validation = val_stream(val, options.data.batch)
        weights = class_weights(downsample_labels(train.labels), len(data.classes))
        self.module = SegmentationModule(options.train, options.epochs, weights.cpu())
        self.cost_model = CostModel(self.space.config, self.size, len(data.classes), self.device)
        self.monitor = SearchMonitor(self.streams, self.validation, self.cost_model, plain(asdict(options)))
        self.strategy = create_strategy(options.strategy, options.method, options.seed)

    def execute(self, checkpoint: Path | None = None) -> dict[str, Any]:
        """Search to the last epoch and write the run's files.

        Args:
            checkpoint: continue from it.

        Returns:
            The summary, as in ``search.json``.
        """
        if checkpoint is not None:
            check_checkpoint(checkpoint, plain(asdict(self.options)))
        progress = RunProgress(self._figures, f"search ({self.options.strategy})")
        files = _EpochFiles(self.monitor, self.run)
        precision = resolve_precision(self.options.precision)
        trainer = make_trainer(self.run, self.options.epochs, self.device, precision, [self.monitor, files, progress])
        fit = {} if checkpoint is None else {"ckpt_path": str(checkpoint), "weights_only": True}
        evaluator = Lightning(self.module, trainer, train_dataloaders=self.streams[0], val_dataloaders=self.streams[1], fit_kwargs=fit)
        sample = run_experiment(self.space, evaluator, self.strategy)
        architecture = Architecture.from_sample(self.space.config, sample)
        return self._finish(architecture)

    def _figures(self) -> dict[str, str]:
        if not self.monitor.rows:
            return {}
        row = self.monitor.rows[-1]
        alive = "/".join(str(row[f"alive_{level}"]) for level in LEVELS)
        return {"mIoU": f"{100 * row['miou']:.1f}", "entropy": f"{row['entropy']:.1f}", "alive": alive}

    @torch.no_grad()
    def _finish(self, architecture: Architecture) -> dict[str, Any]:
        search = self.strategy.oneshot_module
        assert isinstance(search, SearchModule)
        supernet, parameters = self.space.to(self.device), search.architecture_parameters
        derived = derive_network(supernet, architecture)
        search.training_module.to(self.device)
        of_supernet, of_derived = (self.monitor.validate(search, network) for network in (supernet, derived))
        images = torch.cat([images for images, _ in self.validation][:4])
        removals = list(search.removals)
        discrete = parameters.alive.is_discrete()
        if not discrete:
            before = Alive(*(mask.cpu() for mask in parameters.alive))
            only = Alive.only(architecture)
            ratios = Alive(*(ratio.cpu() for ratio in parameters.ratios()))
            removals += list_removals(parameters.space, before, only, only, ratios, self.options.epochs, "argmax")
        rows = self.monitor.rows
        first = {level: rows[0][f"entropy_{level}"] for level in LEVELS}
        last = {level: float(value) for level, value in parameters.entropies().items()}
        cells = tuple(-(-side // 8) for side in self.size)
        exact = cost(architecture, self.size, len(self.data.classes))
        summary = {
            "strategy": self.options.strategy,
            "seed": self.options.seed,
            "space": asdict(self.space.config),
            "dataset": self.data.name,
            "epochs": self.options.epochs,
            "discrete": discrete,
            "discrete_epoch": search.discrete_epoch,
            "removals": [asdict(removal) for removal in removals],
            "entropy": {
                "initial": self.space.config.sizes()["entropy_nats"],
                "final": sum(last.values()),
                "per_level": {level: {"first_epoch": first[level], "final": last[level]} for level in LEVELS},
            },
            "miou": {"supernet": of_supernet.miou, "derived": of_derived.miou, "resolution": f"{cells[0]}x{cells[1]}"},
            "gap": {
                "loss_supernet": of_supernet.loss,
                "loss_derived": of_derived.loss,
                "max_logit_difference": largest_difference(supernet, derived, images),
            },
            "gap_before": self.monitor.gap_before,
            "cost": {**asdict(exact), "size": self.options.data.size},
            "time": {
                "total_s": sum(row["seconds"] + row["seconds_validation"] for row in rows),
                "epoch_s": [row["seconds"] for row in rows],
            },
            "peak_memory_mb": peak_memory_mb(self.device),
            "alive": [{"epoch": row["epoch"], **{level: row[f"alive_{level}"] for level in LEVELS}} for row in rows]
            + [{"epoch": self.options.epochs + 1, **parameters.alive.counts()}],
            "versions": versions(),
            "device": device_name(self.device),
        }
        write_metrics(self.run, rows)
        (self.run / "figures").mkdir(exist_ok=True)
        write_atomic(self.run / "figures" / "validation.png", png(validation_figure(derived, self.validation.split, self.data)))
        write_atomic(self.run / "architecture.json", architecture.to_json())
        write_json(self.run / "search.json", summary)
        return summary


class _EpochFiles(Callback):
    """Keeps ``metrics.csv`` up to date while the search runs."""

    def __init__(self, monitor: SearchMonitor, run: Path) -> None:
        self.monitor = monitor
        self.run = run

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        write_metrics(self.run, self.monitor.rows)


def check_checkpoint(path: Path, options: dict[str, Any]) -> None:
    """Make sure that a checkpoint is one of the search that ``options`` describe.

    Raises:
        InputError: the file is damaged or of another search, or an option has changed since.
    """
    checkpoint = AtomicCheckpointIO().load_checkpoint(path)
    saved = checkpoint.get("callbacks", {}).get("SearchMonitor", {}).get("options")
    if saved is None or not {"loops", "optimizer_states", "lr_schedulers", "search", "pytorch-lightning_version"} <= set(checkpoint):
        raise InputError(f"{path}: not a checkpoint of this search; remove it to start again")
    changed = [key for key in options if key not in ("device", "precision") and saved.get(key) != options[key]]
    if changed:
        raise InputError(f"config.yml: {changed[0]} is not what {path} was made with; put it back, or remove the checkpoint to start again")


class LocalExperiment(NasExperiment):
    """An experiment that keeps no record in the user's home: NNI's manifest there would be read by unpickling."""

    def _start_without_nni_manager(self) -> None:
        """Nothing to register."""

    def _stop_without_nni_manager(self) -> None:
        """Nothing was registered."""


def run_experiment(space: JointSpace, evaluator: Lightning, strategy: DifferentiableStrategy | Any) -> dict[str, Any]:
    """Run a one-shot strategy (ours or NNI's) as an NNI experiment in this process.

    Returns:
        The sample of the found network.
    """
    logging.getLogger("nni").setLevel(logging.CRITICAL)  # an exception says it all, in our own line
    with tempfile.TemporaryDirectory(prefix="ssr-nas-") as folder:
        experiment = LocalExperiment(space, evaluator, strategy)
        experiment.config.experiment_working_directory = folder  # NNI's own state; ours is the run's folder
        try:
            experiment.run()
            return dict(experiment.export_top_models(formatter="dict")[0])
        finally:
            experiment.stop()
