"""Options of a search, and everything about them that can be wrong. Read without torch or NNI; the checks need them."""

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from experiments.options import groups
from experiments.options.device import resolve_device
from experiments.options.loggers import check_logger
from experiments.runs.threads import check_threads
from experiments.training.recipe import check_training
from nas_space.errors import InputError
from strategies.method import MethodOptions

if TYPE_CHECKING:
    from experiments.data import SegmentationData
    from experiments.latency.cache import Wanted
    from nas_space.config import Head

COUNTED = {"macs": "macs_total", "params": "params"}
"""From the key of a bound to the field of ``nas_space.cost.Cost``."""


@dataclass
class SearchOptions:
    """Everything that decides a search's result.

    Args:
        strategy: the search method: a name of docs/strategies.md, or module:Class for one of your own.
        epochs: passes over the training set.
        seed: of weights, logits and batches.
        device: auto, cpu or cuda.
        devices: GPUs (on the CPU, processes) that share every batch; the first also validates.
        precision: 32 or bf16.
        threads: of torch on the CPU, and of the engine that measures the found network; if absent, as many as are
            fastest, measured now and then, and all. The same number of threads gives the same result, bit for bit.
        logger: where the curves go: tensorboard, wandb (offline, unless WANDB_MODE says otherwise) or mlflow (a file of
            the run, unless MLFLOW_TRACKING_URI names another place).
        data: what to train on.
        space: what can be built.
        method: how the architecture is searched.
        train: how the weights are trained.
        constraint: bounds on the found network's cost.
        target: the found network's cost.
        cost: at which image size cost is counted and bounded.
    """

    strategy: str = "ssr"
    epochs: int = 24
    seed: int = 0
    device: str = "auto"
    devices: int = 1
    precision: str = "32"
    threads: int | None = None
    logger: str = "tensorboard"
    data: groups.DataOptions = field(default_factory=groups.DataOptions)
    space: groups.SpaceOptions = field(default_factory=groups.SpaceOptions)
    method: MethodOptions = field(default_factory=MethodOptions)
    train: groups.TrainOptions = field(default_factory=groups.TrainOptions)
    constraint: groups.ConstraintOptions = field(default_factory=groups.ConstraintOptions)
    target: groups.TargetOptions = field(default_factory=groups.TargetOptions)
    cost: groups.CostOptions = field(default_factory=groups.CostOptions)

    @property
    def cost_size(self) -> tuple[int, int]:
        """Height and width at which cost is counted: ``cost.size``, or the images'."""
        return groups.parse_size(self.cost.size or self.data.size)

    @property
    def counted_head(self) -> "Head":
        """The head whose cost counts: ``constraint.head``, or that of a search.

        Raises:
            InputError: the space has no such head.
        """
        return self.space.resolve().head_named(self.constraint.head, "constraint.head")

    @property
    def needs_table(self) -> bool:
        """Whether latency is bounded or has a target."""
        return self.constraint.latency_ms is not None or self.target.latency_ms is not None

    @property
    def resolved_device(self) -> str:
        return resolve_device(self.device)


@dataclass
class SearchRunOptions(SearchOptions):
    """Options of ``ssr-nas search``.

    Args:
        out: the run's folder; ``runs/<strategy>-<date>-<time>`` if absent.
        resume: continue the run in this folder; all other options come from its config.yml.
    """

    out: str | None = None
    resume: str | None = None


def check_options(options: SearchOptions) -> None:
    """Check everything about the options that can be wrong without reading data.

    Raises:
        InputError: the key, and what it should be.
    """
    from nas_space.config import check_size
    from nas_space.memory import check_supernet
    from strategies.registry import (
        MULTI_TRIAL,
        NNI_STRATEGIES,
        OF_SSR,
        STRATEGIES,
        check_name,
        create_strategy,
        follows,
    )

    space, strategy, method = options.space.resolve(), options.strategy, options.method
    check_name(strategy)  # before anything that loads torch
    check_supernet(space, num_classes=1)
    method.check()
    options.train.check()
    options.constraint.check(options.target.latency_ms is not None)
    options.target.check(options.constraint)
    check_training(options.data, options.epochs, options.seed, options.device, options.precision)
    check_threads(options.threads)
    check_logger(options.logger)
    check_size("data.size", groups.parse_size(options.data.size), len(space.widths))
    check_size("cost.size", options.cost_size, len(space.widths))
    if strategy in STRATEGIES or ":" in strategy:
        create_strategy(strategy, method)
    for option, what in OF_SSR.items():
        if getattr(method, option) and not follows(strategy, method, option):
            fix = "leave it out, or search by ssr, ssr-ie, ssr-l1 or ssr-l2"
            raise InputError(f"method.{option}: {strategy} does not {what}; {fix}")
    if strategy == "nni-proxyless" and "width" in space.search:
        fix = "leave it out with --space.search dilation,pooling,depth"
        raise InputError(f"strategy: NNI's Proxyless has no mixed width; {fix}")
    if strategy in MULTI_TRIAL and method.samples > 2 * options.epochs:
        most = f"at most {2 * options.epochs}, two for each epoch"
        raise InputError(f"method.samples: {method.samples} networks do not fit into {options.epochs} epochs; {most}")
    _ = options.counted_head  # refuses one that the space does not have
    if options.needs_table and options.constraint.table is None:
        wanted_table(options, num_classes=1)
    if strategy in NNI_STRATEGIES and options.constraint.given:
        key = options.constraint.given[0]
        raise InputError(f"constraint.{key}: {strategy} is NNI's own and takes none; leave it out")
    if len(options.target.values) > 1:
        raise InputError(f"target.{options.target.key}: only ssr-nas search takes several; give one")
    if options.target.key is not None and strategy in (*NNI_STRATEGIES, "nni-random", "nni-evolution"):
        raise InputError(f"target.{options.target.key}: {strategy} is NNI's own and takes none; leave it out")
    _check_devices(options)


def wanted_table(options: SearchOptions, num_classes: int) -> "Wanted":
    """The latency table that a search measures, or finds in the cache, where none is given.

    Raises:
        InputError: an unknown engine, precision or head, or an engine that is not installed.
    """
    from experiments.latency.options import TableOptions

    given = options.constraint
    of_table = TableOptions(
        space=options.space, size=options.cost.size or options.data.size, classes=num_classes, head=given.head
    )
    threads = 1 if given.threads is None else given.threads
    return of_table.wanted(given.engine or "onnxruntime", given.precision or "fp32", threads)


def _check_devices(options: SearchOptions) -> None:
    import torch

    from strategies.registry import MULTI_TRIAL, NNI_STRATEGIES

    devices, batch = options.devices, options.data.batch
    if devices < 1:
        raise InputError(f"devices: {devices} must be at least 1")
    if devices == 1:
        return
    if options.strategy in (*NNI_STRATEGIES, *MULTI_TRIAL):
        raise InputError(f"devices: {options.strategy} runs on one device; leave it out")
    if batch % devices or batch < 2 * devices:
        fix = f"make it a multiple of {devices}, {2 * devices} or more"
        raise InputError(f"data.batch: {batch} images are no two or more for each of {devices} devices; {fix}")
    if options.resolved_device == "cuda" and devices > torch.cuda.device_count():
        raise InputError(f"devices: {devices} GPUs are not there; at most {torch.cuda.device_count()}")


def check_data(options: SearchOptions, data: "SegmentationData") -> None:
    """Check what can be wrong with options and data together.

    Raises:
        InputError: no labelled pixel at the search's resolution, or too few images to divide or for a shared batch.
    """
    from experiments.data import split_halves
    from experiments.data.transforms import downsample_labels
    from strategies.registry import MULTI_TRIAL

    for name, split in (("training", data.train), ("validation", data.val)):
        if bool((downsample_labels(split.labels) == groups.IGNORE).all()):
            where = f"where a search looks at labels, an eighth of {options.data.size}"
            fix = "give a larger size, or label more"
            raise InputError(f"data.size: no {name} image of {data.name} has a labelled pixel {where}; {fix}")
    share = options.method.arch_split
    if (share is not None or options.strategy in MULTI_TRIAL) and len(data.train) < 2:
        what = "method.arch_split" if share is not None else f"strategy: {options.strategy}"
        fix = "give more, or choose another strategy"
        raise InputError(f"{what}: cannot divide {len(data.train)} training image; {fix}")
    parts = (
        (data.train,) if len(data.train) < 2 or share is None else split_halves(data.train, 1.0 - share, options.seed)
    )
    if min(map(len, parts)) < 2 or (options.strategy in MULTI_TRIAL and len(data.train) < 3):
        _check_batch_of_one(options, len(data.classes))
    if options.devices > 1:
        halves = (data.train,) if share is None else split_halves(data.train, 1.0 - share, options.seed)
        images, batch = min(map(len, halves)), options.data.batch
        if images < batch:
            what = f"is more than the {images} images that {options.devices} devices share"
            raise InputError(f"data.batch: {batch} {what}; lower it")


def _check_batch_of_one(options: SearchOptions, classes: int) -> None:
    import torch

    from experiments.training.batch_norm import check_batch_of_one
    from nas_space.architecture import baseline1
    from nas_space.network import SegmentationNetwork

    space = options.space.resolve()
    network = baseline1(space)
    # Pooling alone decides how small the maps become.
    dilation, pooling = max(space.operators, key=lambda operator: operator[1])
    stages = (tuple(replace(one, dilation=dilation, pooling=pooling) for one in stage) for stage in network.stages)
    fix = "train on more images, or give a larger data.size"
    with torch.device("meta"):
        smallest = SegmentationNetwork(replace(network, stages=tuple(stages)), classes)
        check_batch_of_one(smallest, groups.parse_size(options.data.size), "the space", fix)
