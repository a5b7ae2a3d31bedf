"""Training one network from scratch with one fixed recipe: found networks, references and peers alike."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from torch import nn

from experiments.data import SegmentationData
from experiments.data.crops import CropStream
from experiments.data.frequency import class_weights
from experiments.data.presence import check_classes
from experiments.data.streams import WEIGHTS, BatchStream, val_stream
from experiments.metrics.counter import count_module
from experiments.model_file import ModelInfo, save_model
from experiments.options.device import resolve_device, resolve_precision
from experiments.options.groups import parse_size
from experiments.runs.environment import device_name, versions
from experiments.runs.files import plain, write_json
from experiments.runs.folder import write_metrics
from experiments.runs.measure import peak_memory_mib
from experiments.runs.threads import Threads, computing
from experiments.training.average import WeightAverage
from experiments.training.batch_norm import check_batch_of_one
from experiments.training.checkpoints import resumed_state
from experiments.training.epochs import Rows
from experiments.training.few_steps import few_training_steps, warn
from experiments.training.initial import InitialWeights
from experiments.training.losses import OhemCrossEntropy
from experiments.training.module import SegmentationModule
from experiments.training.monitor import Draw, RetrainMonitor
from experiments.training.progress import RunProgress
from experiments.training.recipe import WEIGHT_K, RetrainOptions, Stage
from experiments.training.trainer import make_trainer
from nas_space.architecture import Architecture
from nas_space.config import check_size
from nas_space.cost import cost

BEST = "best"
"""Folder, inside the run's, of the network of the epoch with the best validation score."""


def check_data(
    options: RetrainOptions,
    data: SegmentationData,
    architecture: Architecture | None,
    peer: str | None = None,
    goes_on: bool = False,
    init: InitialWeights | None = None,
) -> None:
    """Check what can be wrong with options, network and data together, before anything is trained.

    Args:
        options: checked options.
        data: the data set that they name.
        architecture: what is trained; None for a peer.
        peer: name of somebody else's network.
        goes_on: the training has begun: classes that it cannot learn are told and stop nothing.
        init: weights to begin with.

    Raises:
        InputError: a head that the network does not have, images that are too small for it, a class without a training
            pixel, one image, which is too few for a batch norm, or initial weights of which none fits.
    """
    stages = plan(options, architecture)
    infos = describe_stages(options, data, architecture, peer)
    if init is not None:
        init.count(infos)
    size = options.crop if options.train.augmentation == "crop" else parse_size(options.data.size)
    if architecture is not None:
        sizes = {"data.size": parse_size(options.data.size), "train.crop": size}
        for name, image in sizes.items():
            check_size(name, image, len(architecture.stages))
    for stage, info in zip(stages, infos, strict=True) if len(data.train) < 2 else ():
        fix = "train on more images" + (", or give --stages encoder" if stage.head == "aggregation" else "")
        with torch.device("meta"):
            check_batch_of_one(info.build(), size, f"stage {stage.name}", fix)
    check_classes(data, options.data, {1, *(stage.label_stride for stage in stages)}, goes_on)


def plan(options: RetrainOptions, architecture: Architecture | None) -> list[Stage]:
    """The stages of a training in order; without an architecture, a peer's.

    Raises:
        InputError: a head that the network does not have.
    """
    return options.plan(peer=True) if architecture is None else options.plan(heads=architecture.space.heads)


def describe_stages(
    options: RetrainOptions, data: SegmentationData, architecture: Architecture | None, peer: str | None
) -> list[ModelInfo]:
    """The network of each stage of a training; arguments and errors as of ``check_data``."""
    size, bits = parse_size(options.data.size), data.image_bits
    return [
        ModelInfo(architecture, stage.head, data.classes, data.colours, size, data.name, peer, bits)
        for stage in plan(options, architecture)
    ]


@dataclass(frozen=True)
class Prepared:
    """A stage that is ready to be trained.

    Args:
        module: the network with its loss and optimiser.
        model: what is validated and saved: the network, or the moving average of its weights where there is one.
        callbacks: what must hear of every step.
        stream: training batches.
    """

    module: SegmentationModule
    model: nn.Module
    callbacks: list[Callback]
    stream: BatchStream


@dataclass(eq=False, repr=False)
class Retraining:
    """A training from scratch that is ready to run.

    Args:
        options: checked options.
        data: the data set that they name.
        run: the run's folder, existing.
        architecture: what is trained; None for a peer.
        peer: name of somebody else's network.
        init: weights to begin with; absent, random ones.
        draw: makes a picture for the logger, at each validation; None for none.
        on_row: called with every row of ``metrics.csv``, before the file holds it.

    Raises:
        InputError: no initial weight fits.
    """

    options: RetrainOptions
    data: SegmentationData
    run: Path
    architecture: Architecture | None
    peer: str | None = None
    init: InitialWeights | None = None
    draw: Draw | None = None
    on_row: Callable[[Mapping[str, Any]], None] | None = None

    def __post_init__(self) -> None:
        options, data = self.options, self.data
        self.device = resolve_device(options.device)
        self.train, self.val = data.train.to(self.device), data.val.to(self.device)
        self.stages = plan(options, self.architecture)
        infos = describe_stages(options, data, self.architecture, self.peer)
        self.info = infos[-1]
        self.taken_over = None if self.init is None else self.init.count(infos)
        self.rows: Rows = []
        self.best: dict[str, Any] | None = None
        self.threads: Threads | None = None

    @property
    def recorded_options(self) -> dict[str, Any]:
        """What decides the result, plain values: options and network."""
        return plain({**asdict(self.options), **self.info.metadata()})

    def execute(self, checkpoint: Path | None = None) -> dict[str, Any]:
        """Train all stages and write the run's files.

        Args:
            checkpoint: continue from it.

        Returns:
            The content of ``retrain.json``: ``miou`` after the last epoch (not the best one), in [0, 1].
        """
        with computing(self.options.threads, measured=self.device == "cpu") as self.threads:
            return self._execute(checkpoint)

    def _execute(self, checkpoint: Path | None) -> dict[str, Any]:
        begin = 0
        if checkpoint is not None:
            state = resumed_state(checkpoint, "RetrainMonitor", self.recorded_options, "training")
            begin = next(i for i, stage in enumerate(self.stages) if stage.name == state["stage"])
        warn(few_training_steps(self.options, self.stages, max(len(self.train) // self.options.data.batch, 1)))
        network: nn.Module | None = None
        for stage in self.stages[begin:]:
            if network is not None:
                print(f"retrain ({stage.name}): this stage adds a new head, so the score falls at first", flush=True)
            prepared, monitor = self._fit(stage, network, checkpoint)
            network = prepared.model.to(self.device)
            self.rows, self.best, checkpoint = monitor.rows, monitor.best, None
        assert network is not None
        scores = monitor.scores(prepared.module.to(self.device))  # Lightning has left it on the CPU
        save_model(self.run, network, self.info)
        self._write_rows(self.rows)
        options, info = self.options, self.info
        stages = [self._stage_summary(stage.name) for stage in self.stages]
        summary = {"seed": options.seed, "dataset": info.dataset, "peer": info.peer, "head": info.head}
        summary |= {"epochs": len(self.rows), "stages": stages, "recipe": asdict(options.train)}
        summary |= {"batch": options.data.batch, "crop": "{}x{}".format(*options.crop), "miou": scores.miou}
        summary |= {} if self.init is None else {"init": {"from": self.init.source, **(self.taken_over or {})}}
        summary |= {
            "per_class": dict(zip(info.classes, scores.per_class, strict=True)),
            "pixel_accuracy": scores.pixel_accuracy,
            "loss": scores.loss,
            "best": {**(self.best or {}), "file": f"{BEST}/model.safetensors"},
            "resolution": options.data.size,
            "cost": {**model_cost(info), "size": options.data.size},
            "minutes": _minutes(self.rows),
            "precision": options.precision,
            "peak_memory_mb": peak_memory_mib(self.device),
            "versions": versions(),
            "device": device_name(self.device),
        }
        write_json(self.run / "retrain.json", summary)
        return summary

    def prepare(self, stage: Stage, previous_network: nn.Module | None = None) -> Prepared:
        """Network, loss and batches of a stage, from the seed alone: a resumed stage begins as it would have.

        Args:
            stage: one of ``stages``.
            previous_network: the network of the stage before it, whose backbone is taken over.
        """
        options, classes, info = self.options, len(self.info.classes), replace(self.info, head=stage.head)
        pl.seed_everything(options.seed, verbose=False)
        network = info.build().to(memory_format=torch.channels_last)
        if self.init is not None:
            self.init.give(network, info)
        if previous_network is not None:
            take_backbone(network, previous_network)
        weights = class_weights(self.train.labels, classes, WEIGHT_K[stage.label_stride], stage.label_stride).cpu()
        loss = OhemCrossEntropy(weights) if options.train.loss == "ohem" else None
        module = SegmentationModule(options.train, stage.epochs, weights, loss)
        module.set_model(network)
        stride, ema = stage.label_stride, options.train.ema
        if options.train.augmentation == "crop":
            stream: BatchStream = CropStream(self.train, options.data.batch, options.seed, options.crop, stride)
        else:
            stream = BatchStream(self.train, options.data.batch, options.seed, WEIGHTS, label_stride=stride)
        average = WeightAverage(network, ema) if ema else None
        return Prepared(module, average.model, [average], stream) if average else Prepared(module, network, [], stream)

    def _fit(
        self, stage: Stage, previous_network: nn.Module | None, checkpoint: Path | None
    ) -> tuple[Prepared, RetrainMonitor]:
        options, prepared = self.options, self.prepare(stage, previous_network)

        def save_best() -> None:
            if stage is self.stages[-1]:
                (self.run / BEST).mkdir(exist_ok=True)
                save_model(self.run / BEST, prepared.model, self.info)

        monitor = RetrainMonitor(
            streams=[prepared.stream],
            first=stage.first,
            rows=list(self.rows),
            on_rows=self._report_and_write,
            stage=stage,
            validation=val_stream(self.val, options.data.batch, label_stride=1),
            model=prepared.model,
            num_classes=len(self.info.classes),
            seed=options.seed,
            patience=options.train.patience,
            options=self.recorded_options,
            save_best=save_best,
            draw=self.draw,
        )
        callbacks = [*prepared.callbacks, monitor, RunProgress(monitor.status, f"retrain ({stage.name})")]
        precision = resolve_precision(options.precision)
        trainer = make_trainer(
            self.run, stage.epochs, self.device, precision, callbacks, threads=self.threads, logger=options.logger
        )
        trainer.fit(prepared.module, prepared.stream, ckpt_path=checkpoint, weights_only=True)
        return prepared, monitor

    def _report_and_write(self, rows: Rows) -> None:
        if self.on_row is not None:
            self.on_row(rows[-1])
        self._write_rows(rows)

    def _write_rows(self, rows: Rows) -> None:
        """Write ``metrics.csv``, with the resolution of the labels that its scores belong to."""
        write_metrics(self.run, [{**row, "miou_resolution": self.options.data.size} for row in rows])

    def _stage_summary(self, name: str) -> dict[str, Any]:
        rows = [row for row in self.rows if row["stage"] == name]
        return {"name": name, "epochs": len(rows), "miou": rows[-1]["miou"], "minutes": _minutes(rows)}


def _minutes(rows: Rows) -> float:
    return sum(row["seconds"] + row["seconds_validation"] for row in rows) / 60


def take_backbone(network: nn.Module, previous_network: nn.Module) -> None:
    """Give ``network`` all weights of ``previous_network`` but those of the head, in place."""
    state = network.state_dict()
    shared = {name: value for name, value in previous_network.state_dict().items() if not name.startswith("head.")}
    assert set(shared) == {name for name in state if not name.startswith("head.")}
    network.load_state_dict({**state, **shared})


def model_cost(info: ModelInfo) -> dict[str, float | None]:
    """Parameters and multiply-accumulates of one image of the network's size; of a peer, convolutions alone count."""
    if info.architecture is not None:
        return asdict(cost(info.architecture, info.size, len(info.classes), info.head))
    with torch.device("meta"):
        count = count_module(info.build(), info.size)
    return {"params": count.params, "macs_conv": float(count.macs_conv), "macs_total": None}
