"""A few steps of searches and trainings, and a few networks timed: what the plan of a fit counts with."""

import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Callback, ModelCheckpoint

from experiments.benchmark.search.child import Problem
from experiments.benchmark.search.side import FixedBatches, search
from experiments.data import SegmentationData, load
from experiments.fit.facts import Facts, Line, Speeds, line
from experiments.fit.look import sized
from experiments.fit.options import FitOptions, resolve_space
from experiments.latency.closing import time_files, writer
from experiments.options.device import resolve_device, resolve_precision
from experiments.runs.measure import now
from experiments.runs.threads import computing
from experiments.training.lightning import silence_lightning
from experiments.training.recipe import HEADS, RetrainOptions
from experiments.training.retrain import Retraining
from experiments.training.trainer import make_trainer
from nas_space.architecture import Architecture, Layer, baseline2
from nas_space.config import SpaceConfig

WARMUP, TIMED = 1, 4
"""Steps: the first ones take memory and choose algorithms."""
TIMED_S = 2.0  # seconds that the timed steps take together, at least
ROUNDS = 2
SLOW = 1.0  # seconds of a step at the smaller size above which the larger one is counted by its pixels, not measured
ENDLESS = 10_000


@dataclass(eq=False, repr=False)
class StepTimes(Callback):
    """Seconds from the end of a step to the end of the next one; it stops the training when it has enough of them.

    Args:
        device: ``cpu`` or ``cuda``.
        least_s: seconds that the timed steps take together, at least; there are ``TIMED`` of them in any case.
    """

    device: str
    least_s: float = 0.0
    seconds: list[float] = field(default_factory=list, init=False)
    _last: float | None = field(default=None, init=False)
    _steps: int = field(default=0, init=False)

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *rest: Any) -> None:
        self._steps += 1
        time, last, self._last = now(self.device), self._last, now(self.device)
        if last is not None and self._steps > WARMUP + 1:
            self.seconds.append(time - last)
        if len(self.seconds) >= TIMED and sum(self.seconds) >= self.least_s:
            trainer.should_stop = True

    @property
    def mean(self) -> float:
        """Many steps take so many times this, those that another process has held up among them."""
        return statistics.mean(self.seconds)


def calibration_sizes(sizes: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The smallest size, and one that is twice as high where there is one: a line goes through both."""
    return list(dict.fromkeys((sizes[0], sizes[min(3, len(sizes) - 1)])))


def time_networks(options: FitOptions, facts: Facts, size: tuple[int, int], heads: Sequence[str]) -> Speeds:
    """Fastest and slowest networks of the spaces, timed at one size; nothing is known of the steps yet.

    Args:
        options: checked options.
        facts: of the data.
        size: height and width.
        heads: of the finished networks, as stages are called.
    """
    presets = options.space.presets()
    spaces = {preset: resolve_space(options, preset) for preset in presets}
    places = [(preset, head, end) for preset in presets for head in heads for end in ("fastest", "slowest")]
    networks = [
        writer(extreme(spaces[preset], end), options.engine, size, facts.classes, own_head(spaces[preset], head))
        for preset, head, end in places
    ]
    times, _ = time_files(networks, options.engine, size, options.engine_threads, ROUNDS)
    ends: dict[str, dict[str, dict[str, Line]]] = {"fastest": {}, "slowest": {}}
    for (preset, head, end), milliseconds in zip(places, times, strict=True):
        ends[end].setdefault(preset, {})[head] = line({size: milliseconds})
    return Speeds({}, {}, ends["fastest"], ends["slowest"])


def own_head(space: SpaceConfig, stage: str) -> Any:
    """The head of a space's network after this stage of training."""
    return space.heads[1] if stage == "aggregation" else space.heads[0]


def extreme(space: SpaceConfig, end: str) -> Architecture:
    """About the fastest, or the slowest network: fewest and narrowest layers, or most, full and most dilated ones."""
    pick, dilation = (min, 1) if end == "fastest" else (max, space.dilations[-1])
    whole = SpaceConfig(**{**vars(space), "search": ("dilation", "pooling", "width", "depth")})
    widths = [pick(whole.width_candidates(stage)) for stage in whole.stages]
    stages = ((Layer(dilation, 1, w, w),) * pick(d) for w, d in zip(widths, whole.depths, strict=True))
    return Architecture(whole, tuple(stages))


def time_steps(
    options: FitOptions, facts: Facts, speeds: Speeds, presets: Sequence[str], batch: int, sizes: Any
) -> Speeds:
    """The speeds with seconds of steps of these spaces.

    Args:
        options: checked options.
        facts: of the data.
        speeds: of ``time_networks``.
        presets: the spaces.
        batch: images of a step.
        sizes: one or two sizes of images.

    Raises:
        InputError: what is wrong with the data at such a size.
    """
    data = {size: load(replace(sized(options, _by(size), batch), limit=2 * batch), remarks=False) for size in sizes}
    searches: dict[str, Line] = {}
    trainings: dict[str, dict[str, Line]] = {}
    with computing(options.threads, measured=resolve_device(options.device) == "cpu", quiet=True) as threads:
        for preset in presets:
            threads.refresh()  # as searches and trainings do
            space = resolve_space(options, preset)
            steps: dict[tuple[int, int], float] = {}
            for size in sizes:
                if all(step < SLOW for step in steps.values()):
                    steps[size] = search_step(options, space, size, batch, facts.classes)
            searches[preset] = line(steps)
            trainings[preset] = {}
            for head in (one for one in HEADS if options.stages is None or one in ("encoder", *options.stages)):
                measured = {}
                for size, part in data.items():
                    own = train_options(options, _by(size), batch, [head], 1)
                    measured[size] = training_step(own, part, baseline2(space), TIMED_S)
                trainings[preset][head] = line(measured)
    return Speeds(searches, trainings, speeds.fastest, speeds.slowest)


def train_options(options: FitOptions, size: str, batch: int, stages: Sequence[str], epochs: int) -> RetrainOptions:
    """The options of a final training."""
    return RetrainOptions(
        epochs=epochs,
        stages=list(stages),
        seed=options.seed,
        device=options.device,
        precision=options.precision,
        threads=options.threads,
        data=sized(options, size, batch),
    )


def search_step(options: FitOptions, space: SpaceConfig, size: tuple[int, int], batch: int, classes: int) -> float:
    """Seconds of a bi-level step of a search that has just begun."""
    silence_lightning()
    device = resolve_device(options.device)
    problem = Problem(space, size, batch, classes, options.precision, device, options.seed)
    layout, times = "channels_last", StepTimes(device, TIMED_S)
    search("ours", problem, layout, (FixedBatches(problem, 0, layout), FixedBatches(problem, 1, layout)), times)
    return times.mean


def training_step(
    options: RetrainOptions, data: SegmentationData, network: Architecture, least_s: float = 0.0
) -> float:
    """Seconds of a step of the last stage of a training, its batch included; nothing is kept.

    Args:
        options: of the training.
        data: what it reads.
        network: what is trained.
        least_s: seconds of steps that are timed, at least.
    """
    with tempfile.TemporaryDirectory(prefix="ssr-nas-") as folder:
        training = Retraining(options, data, Path(folder), network)
        prepared, times = training.prepare(training.stages[-1]), StepTimes(training.device, least_s)
        precision = resolve_precision(options.precision)
        trainer = make_trainer(Path(folder), ENDLESS, training.device, precision, [*prepared.callbacks, times])
        trainer.callbacks = [one for one in trainer.callbacks if not isinstance(one, ModelCheckpoint)]
        trainer.logger = None
        trainer.fit(prepared.module, prepared.stream)
    return times.mean


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
