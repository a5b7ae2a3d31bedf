"""One differentiable search through NNI: a ``NasExperiment`` with one of our strategies or of NNI's."""

from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from nni.nas.evaluator.pytorch import Lightning

from experiments.data import Split
from experiments.data.streams import ARCHITECTURE, WEIGHTS
from experiments.metrics.evaluation import largest_difference
from experiments.model_file import WEIGHTS as MODEL
from experiments.options.device import resolve_precision
from experiments.report.pareto import draw_pareto
from experiments.runs.files import plain, write_atomic
from experiments.runs.probabilities import write_probabilities
from experiments.runs.processes import rank
from experiments.search.base import BaseSearch, Outcome, search_stream
from experiments.search.few_steps import Need, few_search_steps, need_of
from experiments.search.monitor import SearchMonitor
from experiments.search.nni_experiment import run_experiment
from experiments.search.nni_oneshot import create_nni_strategy, state_of_nni
from experiments.search.snapshots import Snapshots
from experiments.search.state import SearchState, state_of_search
from experiments.search.unused_options import unused_options
from experiments.training.checkpoints import resumed_state
from experiments.training.few_steps import warn
from experiments.training.module import SegmentationModule
from experiments.training.progress import RunProgress
from experiments.training.trainer import make_trainer
from nas_space.architecture import Architecture
from nas_space.expected_cost import counted_cost
from nas_space.space import JointSpace
from strategies.alive import Alive
from strategies.composition import Composition
from strategies.registry import NNI_STRATEGIES, create_strategy
from strategies.regularizers import none
from strategies.relaxation import Softmax
from strategies.schedules import Phases
from strategies.shrinking import Removal, list_removals, retaining_ratio


class Search(BaseSearch):
    """A differentiable search."""

    def build(self, weights: Split, architecture: Split) -> None:
        options = self.options
        pl.seed_everything(options.seed, verbose=False)
        self.space = JointSpace(options.space.resolve(), self.num_classes)
        self.space.to(memory_format=torch.channels_last)
        self.streams = tuple(
            search_stream(options, part, stream) for part, stream in ((weights, WEIGHTS), (architecture, ARCHITECTURE))
        )
        self.module = SegmentationModule(options.train, options.epochs, self.class_weights)
        size, head = options.cost_size, options.counted_head
        costs = {
            column: counted_cost(self.space.config, kind, size, self.num_classes, self.device, head)
            for column, kind in (("expected_params", "params"), ("expected_macs", "macs_total"))
        }
        self.strategy: Any
        self.state_of: Callable[[Any], SearchState] = state_of_search
        if options.strategy in NNI_STRATEGIES:
            self.strategy = create_nni_strategy(options.strategy, options.method, options.epochs)
            self.state_of = partial(state_of_nni, config=self.space.config)
        else:
            self.strategy = create_strategy(options.strategy, options.method, options.seed)
            self.strategy.constraint = self.constraint
            self.strategy.same_images = self.held_out_share is None
        self.monitor = SearchMonitor(
            streams=self.streams,
            on_rows=self.write_rows,
            state_of=self.state_of,
            validation=self.validation,
            costs=costs,
            options=plain(asdict(options)),
            on_probabilities=partial(write_probabilities, self.run),
        )

    def execute(self, checkpoint: Path | None = None) -> dict[str, Any]:
        options = self.options
        if checkpoint is not None:
            resumed_state(checkpoint, "SearchMonitor", self.monitor.options, "search")
        if rank() == 0:
            warn(unused_options(options.strategy, options.method, self.space.config.search))
            warn(few_search_steps(options, len(self.streams[0]), self._need()))
        bounds = self.constraint.bounds if self.constraint is not None else ()
        snapshots = Snapshots(self.monitor, self.streams[0], self.run, self.write_snapshot, bounds)
        callbacks = [self.monitor, *([snapshots] if rank() == 0 else [])]
        if rank() == 0 and self.on_row is None:  # in a trial the bar's pieces would fill NNI's log
            callbacks.append(RunProgress(self.monitor.status, f"search ({options.strategy})"))
        precision = resolve_precision(options.precision)
        trainer = make_trainer(
            self.run,
            options.epochs,
            self.device,
            precision,
            callbacks,
            devices=options.devices,
            checkpoint=checkpoint,
            threads=self.threads,
            logger=options.logger,
        )
        fit = {} if checkpoint is None else {"ckpt_path": str(checkpoint), "weights_only": True}
        evaluator = Lightning(self.module, trainer, *self.streams, fit_kwargs=fit)
        run_experiment(self.space, evaluator, self.strategy)
        return self._finish(snapshots) if rank() == 0 else {}

    def _need(self) -> Need:
        method, space = self.options.method, self.space.config
        composition = getattr(self.strategy, "composition", None)  # NNI's own have none
        if composition is None:
            phases = Phases(int(method.warmup * self.options.epochs) / self.options.epochs)
            composition = Composition(Softmax(), none, None, method, method.rho, phases)
        return need_of(composition, sum(space.layers), len(space.operators))

    @torch.no_grad()
    def _finish(self, snapshots: Snapshots) -> dict[str, Any]:
        search = self.strategy.oneshot_module
        self.space.to(self.device)
        search.training_module.to(self.device)
        state, rows = self.state_of(search), self.monitor.rows
        architecture, cut = self._decide(state)
        derived = state.derive(architecture)
        of_supernet, of_derived = (self.monitor.validate(search, network) for network in (self.space, derived))
        full = self.full_scores(derived)
        images = torch.cat([images for images, _ in self.validation][:4])
        gap = {"loss_supernet": of_supernet.loss, "loss_derived": of_derived.loss}
        gap["max_logit_difference"] = largest_difference(self.space, derived, images)
        outcome = Outcome(
            architecture=architecture,
            discrete=state.alive.is_discrete(),
            discrete_epoch=getattr(search, "discrete_epoch", None),
            removals=[*getattr(search, "removals", []), *cut],
            entropy=state.entropies(),
            miou={
                "supernet": of_supernet.miou,
                "derived": of_derived.miou,
                "derived_full": full.miou,
            },
            gap=gap,
            gap_before=self.monitor.gap_before,
            alive=state.alive.counts(),
            per_class=full.per_class,
        )
        summary = self.summarise(outcome, rows)
        write_atomic(self.run / "architecture.json", architecture.to_json())  # before all that may still fail
        if outcome.discrete:  # the super-network is the network: its weights are trained ones
            self.write_weights(MODEL, architecture, derived)
        # A copy, for a snapshot changes the statistics of its batch norms.
        snapshots.finish(search, self.options.epochs, architecture, state.derive(architecture))
        summary = self.complete(summary, rows, architecture)
        self.draw_validation(derived)
        draw_pareto(self.run)
        return summary

    def _decide(self, state: SearchState) -> tuple[Architecture, list[Removal]]:
        """The network within the bounds, and the candidates that are cut where the search has left several."""
        if state.alive.is_discrete():
            return state.architecture, []
        pairs = zip(state.probabilities, state.alive, strict=True)
        ratios = Alive(*(retaining_ratio(p.log(), mask) for p, mask in pairs)).to("cpu")
        architecture = state.architecture
        if self.constraint is not None:
            architecture = self.constraint.within(architecture, state.alive, ratios.to(state.alive.depth.device))
        only, alive = Alive.only(architecture), state.alive.to("cpu")
        epochs = self.options.epochs
        return architecture, list_removals(self.space.config, alive, only, only, ratios, epochs, "argmax")
