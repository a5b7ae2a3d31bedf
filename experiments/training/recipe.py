"""Options of a training from scratch: the recipe, its stages, and everything about them that can be wrong."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from experiments.options.device import resolve_device, resolve_precision
from experiments.options.groups import DataOptions, TrainOptions, check_seed, parse_size
from experiments.options.loggers import check_logger
from experiments.runs.threads import check_threads
from nas_space.config import Head
from nas_space.errors import InputError

HEADS: tuple[Head, ...] = ("encoder", "aggregation")
LABEL_STRIDE = {"encoder": 8, "fusion": 8, "aggregation": 1}
LOSSES = ("ohem", "cross-entropy")
WEIGHT_K = {8: 1.2, 1: 1.1}
"""ENet's constant of the class weights by label stride: those of ERFNet's published weights for 1/8 and full labels."""


@dataclass
class RecipeOptions(TrainOptions):
    """How a network is trained from scratch.

    Args:
        lr: Adam's learning rate for the weights, with poly decay over the epochs of each stage.
        weight_decay: Adam's L2 coefficient for the weights.
        augmentation: crop (random scale 0.75 to 1.75, crop, flip, colour jitter) or shift (flip, shift).
        crop: HEIGHTxWIDTH of training images with augmentation crop, data.size if absent; validation sees whole ones.
        loss: ohem (cross-entropy of the hard pixels) or cross-entropy (of all); classes are weighted in both.
        ema: decay of an exponential moving average of the weights, which is then validated and saved; 0 for none.
        patience: epochs without a better validation mIoU after which a stage ends early; 0 for never.
    """

    lr: float = 0.003
    weight_decay: float = 0.0001
    augmentation: str = "crop"
    crop: str | None = None
    loss: str = "ohem"
    ema: float = 0.0
    patience: int = 0

    def check(self) -> None:
        super().check()
        if self.loss not in LOSSES:
            raise InputError(f"train.loss: unknown {self.loss!r}; choose from {', '.join(LOSSES)}")
        if self.crop is not None:
            if self.augmentation != "crop":
                raise InputError(f"train.crop: has no effect with train.augmentation {self.augmentation}; leave it out")
            parse_size(self.crop)
        if not 0.0 <= self.ema < 1.0:
            raise InputError(f"train.ema: {self.ema:g} must be at least 0 and below 1")
        if self.patience < 0:
            raise InputError(f"train.patience: {self.patience} must be at least 0")


@dataclass(frozen=True)
class Stage:
    """One part of a training.

    Args:
        name: what it is called.
        head: of the network; None for a peer, which has its own.
        first: epochs of the stages before it.
        epochs: passes over the training set.
        label_stride: label resolution, in pixels a cell.
    """

    name: str
    head: Head | None
    first: int
    epochs: int
    label_stride: int


def check_training(data: DataOptions, epochs: int, seed: int, device: str, precision: str) -> None:
    """Check the options that a search and a training from scratch share.

    Raises:
        InputError: the key, and what it should be.
    """
    parse_size(data.size)
    if data.batch < 2:
        raise InputError(f"data.batch: {data.batch} must be at least 2 (batch normalisation)")
    if epochs < 1:
        raise InputError(f"epochs: {epochs} must be at least 1")
    check_seed(seed)
    resolve_device(device)
    resolve_precision(precision)


@dataclass
class RetrainOptions:
    """Everything that decides a retraining's result, besides the network.

    Args:
        epochs: passes over the training set, in each stage.
        stages: heads trained one after the other, each beginning with the backbone of the one before: encoder (a
            search's; with more than two stages it is fusion; labels at 1/8) and aggregation (labels at full
            resolution). A peer trains on full labels for as many epochs in all.
        seed: of weights and batches.
        device: auto, cpu or cuda.
        precision: 32 or bf16.
        threads: of torch on the CPU, and of the engine that measures the network; if absent, as many as are fastest,
            measured now and then, and all. The same number of threads gives the same result, bit for bit.
        logger: where the curves go: tensorboard, wandb (offline, unless WANDB_MODE says otherwise) or mlflow (a file of
            the run, unless MLFLOW_TRACKING_URI names another place).
        data: what to train on.
        train: how the weights are trained.
    """

    epochs: int = 30
    stages: list[str] = field(default_factory=lambda: list(HEADS))
    seed: int = 0
    device: str = "auto"
    precision: str = "32"
    threads: int | None = None
    logger: str = "tensorboard"
    data: DataOptions = field(default_factory=DataOptions)
    train: RecipeOptions = field(default_factory=RecipeOptions)

    def check(self) -> None:
        """Check everything that can be wrong without reading data.

        Raises:
            InputError: the key, and what it should be.
        """
        self.train.check()
        check_training(self.data, self.epochs, self.seed, self.device, self.precision)
        check_threads(self.threads)
        check_logger(self.logger)
        if ["encoder" if name == "fusion" else name for name in self.stages] not in (
            *([head] for head in HEADS),
            list(HEADS),
        ):
            known = "encoder (or fusion), aggregation, or encoder,aggregation"
            raise InputError(f"stages: {','.join(self.stages)!r} must be {known}")

    @property
    def crop(self) -> tuple[int, int]:
        """Height and width of the training images."""
        return parse_size(self.train.crop or self.data.size)

    def plan(self, peer: bool = False, heads: Sequence[Head] = HEADS) -> list[Stage]:
        """The stages in order.

        Args:
            peer: whether the network is somebody else's.
            heads: of the network's space: that of a search, and that of a finished network.

        Raises:
            InputError: fusion is asked for, and the network has two stages only.
        """
        if peer:
            return [Stage("peer", None, 0, self.epochs * len(self.stages), 1)]
        if "fusion" in self.stages and "fusion" not in heads:
            raise InputError("stages: fusion joins more than two stages, and this network has two; give encoder")
        heads = [heads[1] if name == "aggregation" else heads[0] for name in self.stages]
        return [Stage(head, head, i * self.epochs, self.epochs, LABEL_STRIDE[head]) for i, head in enumerate(heads)]


def plain_recipe(train: TrainOptions) -> RecipeOptions:
    """The cheap recipe of comparisons: a search's learning rates, flip and shift, cross-entropy of all pixels."""
    return RecipeOptions(train.lr, train.weight_decay, augmentation="shift", loss="cross-entropy")
