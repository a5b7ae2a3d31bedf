"""Searches that train sampled networks one by one, each from scratch, and keep the best."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from tqdm import tqdm

from experiments.data import Split
from experiments.data.streams import WEIGHTS, val_stream
from experiments.data.transforms import downsample_labels
from experiments.metrics.evaluation import evaluate
from experiments.model_file import WEIGHTS as MODEL
from experiments.model_file import load_model
from experiments.options.device import resolve_precision
from experiments.options.groups import IGNORE
from experiments.report.pareto import draw_pareto, write_pareto
from experiments.runs.tables import counted
from experiments.search.base import BaseSearch, Outcome, search_stream
from experiments.search.few_steps import few_trial_steps
from experiments.search.samplers import create_multi_trial, fits, run_multi_trial, sample_networks
from experiments.search.trained_networks import TrainedNetwork, metric_rows, read_networks, write_networks
from experiments.search.unused_options import unused_options
from experiments.training.epochs import EpochMonitor
from experiments.training.few_steps import warn
from experiments.training.module import SegmentationModule
from experiments.training.trainer import make_trainer
from nas_space.architecture import Architecture
from nas_space.errors import InputError
from nas_space.network import SegmentationNetwork
from nas_space.space import JointSpace
from strategies.alive import Alive

HELD_OUT = 0.2
"""Share of the training images that choose among the networks, where ``method.arch_split`` is absent."""


class MultiTrialSearch(BaseSearch):
    """Random search, or one of NNI's multi-trial strategies, with the budget of a differentiable search.

    The budget is counted in passes over the training images. A search of E epochs makes 2E of them: in each epoch one
    for the weights and one for the architecture. ``method.samples`` networks share them: each is trained for
    ``max(1, round(2 E / samples))`` epochs, with poly decay of the learning rate over these, and with the batch,
    augmentation and class weights of a search. A network that is asked for again, or exceeds a bound, is not trained.

    Every network learns from one part of the training images and is scored on the other (``method.arch_split`` of them,
    else ``HELD_OUT``). The validation set is reported and decides nothing.

    Raises:
        InputError: the training images held out have no labelled pixel.
    """

    @property
    def held_out_share(self) -> float:
        share = self.options.method.arch_split
        return HELD_OUT if share is None else share

    def build(self, weights: Split, architecture: Split) -> None:
        options = self.options
        if bool((downsample_labels(architecture.labels) == IGNORE).all()):
            fix = "hold out more, or choose another seed"
            raise InputError(f"method.arch_split: no training image held out has a labelled pixel; {fix}")
        self.space = options.space.resolve()
        self.epochs = max(1, round(2 * options.epochs / options.method.samples))
        self.trained: dict[Architecture, TrainedNetwork] = {}
        self.stream = search_stream(options, weights, WEIGHTS)
        self.held_out = val_stream(architecture, options.data.batch)

    def execute(self, checkpoint: Path | None = None) -> dict[str, Any]:
        """As of ``BaseSearch``; a run goes on after the last network in its ``trials.json``, without a checkpoint.

        Raises:
            InputError: a loss is not finite, ``trials.json`` cannot be continued, or NNI drew no network that fits.
        """
        self.trained = read_networks(self.run, self.options)
        warn(unused_options(self.options.strategy, self.options.method, self.options.space.resolve().search))
        warn(few_trial_steps(self.options, len(self.stream), self.epochs))
        name, count, seed = self.options.strategy, self.options.method.samples, self.options.seed
        disable = None if self.on_row is None else True
        with tqdm(total=count, desc=f"search ({name})", unit="network", disable=disable) as bar:

            def score(architecture: Architecture) -> float:
                result = self.score(architecture)
                bar.set_postfix(self._status(), refresh=False)
                bar.update()
                return result

            if name == "random":
                networks = sample_networks(self.space, count, seed, self.constraint)
                if len(networks) < count:
                    within = "" if self.constraint is None else " within the bounds"
                    found = f"{counted(len(networks), 'network')} of the space{within}"
                    warn(f"method.samples {count}: only {found} can be found; all are trained")
                for architecture in networks:
                    score(architecture)
            else:
                space = JointSpace(self.space, self.num_classes)
                run_multi_trial(space, create_multi_trial(name, count, seed), count, score)
        if not self.trained:  # NNI's own strategies do not look for networks within the bounds
            fix = "raise method.samples, or use random"
            raise InputError(f"constraint: no network that {name} drew is within the bounds; {fix}")
        return self._finish()

    def score(self, architecture: Architecture) -> float:
        """What a network is chosen by, in [0, 1]; it is trained unless it was before, or exceeds a bound (then 0)."""
        if architecture in self.trained:
            return self.trained[architecture].miou_heldout
        if not fits(architecture, self.constraint):
            return 0.0
        trained, network = self.train(architecture)
        self.trained[architecture] = trained
        is_best = self.best() is trained
        if is_best:
            self.trained[architecture] = replace(trained, miou_full=self.full_scores(network).miou)
            # Before trials.json: whoever is killed between the two trains this network again, and writes it again.
            self.write_weights(MODEL, architecture, network)
        self.write_rows(self._rows())
        write_networks(self.run, self.options, self.trained.values())
        if is_best:
            self.draw_validation(network)
        return trained.miou_heldout

    def best(self) -> TrainedNetwork:
        """The network with the highest score so far; of equal ones the first."""
        return max(self.trained.values(), key=lambda trained: trained.miou_heldout)

    def train(self, architecture: Architecture) -> tuple[TrainedNetwork, SegmentationNetwork]:
        """Train a network from scratch and score it; the result depends on it and the options alone.

        Returns:
            The scores, and the trained network on the search's device.

        Raises:
            InputError: the loss is not finite.
        """
        start = time.perf_counter()
        pl.seed_everything(self.options.seed, verbose=False)
        network = SegmentationNetwork(architecture, self.num_classes).to(memory_format=torch.channels_last)
        module = SegmentationModule(self.options.train, self.epochs, self.class_weights)
        module.set_model(network)
        monitor = _LastEpoch(streams=[self.stream], hint=" of a network: lower train.lr")
        precision = resolve_precision(self.options.precision)
        trainer = make_trainer(self.run, self.epochs, self.device, precision, [monitor], threads=self.threads)
        # A network takes seconds and is not continued: no checkpoints, no events.
        trainer.callbacks = [callback for callback in trainer.callbacks if not isinstance(callback, ModelCheckpoint)]
        trainer.logger = None
        trainer.fit(module, self.stream)
        module.to(self.device)  # Lightning leaves it on the CPU
        held_out = evaluate(network, self.held_out, module.loss, self.num_classes)
        end = time.perf_counter()
        validated = evaluate(network, self.validation, module.loss, self.num_classes)
        trained = TrainedNetwork(
            architecture=architecture,
            miou_heldout=held_out.miou,
            loss_heldout=held_out.loss,
            miou=validated.miou,
            loss=validated.loss,
            loss_train=monitor.loss,
            lr=monitor.lr,
            seconds=end - start,
            seconds_validation=time.perf_counter() - end,
        )
        return trained, network

    def _status(self) -> dict[str, str]:
        if not self.trained:
            return {}
        return {f"mIoU at {self.validation.resolution}": f"{100 * self.best().miou:.1f}"}

    def _rows(self) -> list[dict[str, Any]]:
        return metric_rows(self.trained.values(), self.options.cost_size, self.num_classes, self.options.counted_head)

    def _finish(self) -> dict[str, Any]:
        best, rows = self.best(), self._rows()
        # Gone, or of another network: the trials.json of an earlier version, which kept no weights.
        if not (self.run / MODEL).is_file() or load_model(self.run)[1].architecture != best.architecture:
            self.write_weights(MODEL, best.architecture, self.train(best.architecture)[1])
        network, _ = load_model(self.run)
        outcome = Outcome(
            architecture=best.architecture,
            miou={"supernet": best.miou, "derived": best.miou, "derived_full": best.miou_full},
            gap={"loss_supernet": best.loss, "loss_derived": best.loss, "max_logit_difference": 0.0},
            alive=Alive.only(best.architecture).counts(),
            per_class=self.full_scores(network.to(self.device)).per_class,
        )
        summary = self.summarise(outcome, rows)
        networks = [
            self.write_snapshot(f"trial-{number:03d}", number, trained.architecture, trained.miou, {})
            for number, trained in enumerate(self.trained.values(), 1)
        ]
        write_pareto(self.run, networks)
        summary = self.complete(summary, rows, best.architecture)
        draw_pareto(self.run)
        return summary


class _LastEpoch(EpochMonitor):
    loss = float("nan")

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        (self.loss,) = self.mean_losses(trainer)
