"""Typed options of the commands: the same dotted keys in YAML, on the command line and in NNI search spaces."""

import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, TypeVar

from experiments.options.quantity import Quantity, compact
from nas_space.config import DIMENSIONS, SpaceConfig
from nas_space.errors import InputError

OptionsT = TypeVar("OptionsT")


def part_of(kind: type[OptionsT], options: OptionsT) -> OptionsT:
    """The fields of ``options`` that its base class ``kind`` has."""
    return kind(**{item.name: getattr(options, item.name) for item in fields(kind)})  # type: ignore[arg-type]


def parse_size(text: str) -> tuple[int, int]:
    """``"96x128"`` -> ``(96, 128)``, height first.

    Raises:
        InputError: the text is not HxW, or a side is below 32 pixels, the least of any network here.
    """
    try:
        height, width = (int(side) for side in text.lower().split("x"))
    except ValueError:
        raise InputError(f"size {text!r}: write HEIGHTxWIDTH in pixels, such as 96x128") from None
    if max(height, width) > 65536:
        raise InputError(f"size {text[:40]!r}: both sides must be at most 65536 pixels")
    if min(height, width) < 32:
        raise InputError(f"size {text!r}: both sides must be at least 32 pixels")
    return height, width


IGNORE = 255  # label of pixels that count neither in the loss nor in the score
SETS = ("streets", "camvid", "cityscapes", "bdd100k", "folder")
"""What ``data.name`` may be."""
MOST_CLASSES = 255  # class indices have 8 bits, and 255 marks what is ignored


def parse_classes(names: Any, colours: Any) -> tuple[tuple[str, ...], tuple[tuple[int, int, int], ...]]:
    """Class names and the RGB colour of each class, as the file of a trained network holds them.

    Raises:
        ValueError, TypeError, OverflowError: they are not such lists.
    """
    classes = tuple(str(name) for name in names)
    shades = tuple((int(r), int(g), int(b)) for r, g, b in colours)
    if not 0 < len(classes) <= MOST_CLASSES or len(shades) != len(classes):
        raise ValueError("classes or colours")
    if not all(0 <= value <= 255 for shade in shades for value in shade):
        raise ValueError("colours must be numbers from 0 to 255")
    return classes, shades


def parse_bits(value: Any) -> int | None:
    """Bits of an image's sample, as the file of a trained network holds them, or None.

    Raises:
        ValueError: it is no such number.
    """
    if value is not None and (not isinstance(value, int) or not 8 <= value <= 16):
        raise ValueError("image_bits")
    return value


def check_seed(seed: int) -> None:
    """Refuse a seed that NumPy does not take.

    Raises:
        InputError: the seed is negative or has more than 32 bits.
    """
    if not 0 <= seed < 2**32:
        raise InputError(f"seed: {seed} must be from 0 to {2**32 - 1}")


@dataclass
class DataOptions:
    """What to train on.

    Args:
        name: ``streets`` (generated scenes), ``camvid``, ``cityscapes``, ``bdd100k`` or ``folder`` (your own images).
        root: the data set's folder; absent, ``$CAMVID_ROOT`` or ``$CITYSCAPES_DATASET``. Not used by ``streets``.
        size: image size HEIGHTxWIDTH in pixels; images and labels are resized to it when they are read.
        limit: use at most this many training images (and as many validation images at most).
        batch: images per training step.
        classes: YAML or CSV file with the classes of ``folder``; absent, classes.yml, .yaml, .csv or
            _classes.csv in its root.
        format: of the labels in ``folder``: ``masks``, ``coco``, ``yolo``, ``labelme``, ``voc`` or ``roboflow``;
            absent, the files say it.
        labels: how all masks of ``folder`` are read: ``index``, ``palette`` or ``colour``; absent, the masks say it.
        threshold: masks of two classes in ``folder`` hold shades of grey; from this one on (such as 128), the second. A
            value that the file of classes lists as ignored stays ignored.
        first_page: of files with several pages (TIFF, moving PNG), read the first one; absent, they are refused.
        val_fraction: share of an undivided ``folder`` that validates, chosen by the names' hash; 0.2 if absent.
        allow_absent: train although a class has no training pixel.
        shuffle_labels: give every training image the label of another: a control, in which there is nothing to find.
        image_bits: bits used in 16-bit images, such as 12 or 14; absent, what they say, or the fewest that hold all.
    """

    name: str = "streets"
    root: str | None = None
    size: str = "96x128"
    limit: int | None = None
    batch: int = 8
    classes: str | None = None
    format: str | None = None
    labels: str | None = None
    threshold: int | None = None
    first_page: bool = False
    val_fraction: float | None = None
    allow_absent: bool = False
    shuffle_labels: bool = False
    image_bits: int | None = None


def of_folder(options: DataOptions, folder: str) -> DataOptions:
    """The options for a folder that a command takes without a key; ``data.name`` may say what it holds.

    Raises:
        InputError: ``data.root`` names a folder too.
    """
    if options.root is not None:
        raise InputError(f"data.root: the folder is {folder} already; leave it out")
    return replace(options, root=folder, name="folder" if options.name == "streets" else options.name)


def comparable(options: Mapping[str, Any]) -> dict[str, Any]:
    """Plain options of a run, to be compared with those of a later call.

    An option of ``data`` that the run does not know is younger than the run, and had its default. One that only lets a
    training begin does not count. Nor does a target that is not given.
    """
    target = options.get("target")
    if isinstance(target, Mapping) and not any(value is not None for value in target.values()):
        options = {key: value for key, value in options.items() if key != "target"}
    data = options.get("data")
    if not isinstance(data, Mapping):
        return dict(options)
    known = {**asdict(DataOptions()), **data}
    return {**options, "data": {key: value for key, value in known.items() if key != "allow_absent"}}


def data_flags(options: DataOptions) -> str:
    """The options that differ from the defaults, as flags of a command line, with a space before each."""
    given, defaults = asdict(options), asdict(DataOptions())
    changed = {key: value for key, value in given.items() if value != defaults[key] and key != "shuffle_labels"}
    return "".join(f" --data.{key} {shlex.quote(str(value))}" for key, value in changed.items())


@dataclass
class SpaceOptions:
    """What can be built; a key that is not given keeps the preset's value.

    Args:
        preset: ``compact`` (minutes on two CPU cores), ``paper`` (Tables 1 and 2 of the SSR paper) or ``pyramid``
            (down to stride 32, for the latency of small networks from the shelf).
        search: the searched dimensions, any of dilation, pooling, width, depth; the rest stay at the baseline.
        stem: channels at 1/2 resolution.
        widths: full channel width of each stage, two to four, at 1/4, 1/8, 1/16 and 1/32 resolution. With more than two
            a search's head joins all of them (fusion).
        depths: candidate depths of each stage.
        dilations: candidate dilation rates.
        poolings: candidate pooling factors.
        span: widest minus narrowest candidate width, in channels; one number, or one for each stage.
        step: difference between neighbouring candidate widths, in channels; one number, or one for each stage.
    """

    preset: str = "compact"
    search: list[str] = field(default_factory=lambda: list(DIMENSIONS))
    stem: int | None = None
    widths: list[int] | None = None
    depths: list[list[int]] | None = None
    dilations: list[int] | None = None
    poolings: list[int] | None = None
    span: int | list[int] | None = None
    step: int | list[int] | None = None

    def resolve(self) -> SpaceConfig:
        """The space that these options describe.

        Raises:
            InputError: an unknown preset or dimension, or values that do not make a space.
        """
        given = {key: value for key, value in vars(self).items() if value is not None and key != "preset"}
        return SpaceConfig.preset(self.preset, **(given | {"search": tuple(self.search)}))


@dataclass
class CostOptions:
    """How cost is counted.

    Args:
        size: image size HEIGHTxWIDTH in pixels at which operations are counted and bounded; absent, data.size.
    """

    size: str | None = None


@dataclass
class ConstraintOptions:
    """Bounds on the found network's cost, at cost.size; absent, no bound.

    Args:
        macs: most multiply-accumulates (macs_total), such as 7.8G.
        params: most parameters, such as 0.9M.
        latency_ms: longest predicted latency of one image, in milliseconds.
        engine: what runs the network: onnxruntime or openvino; absent, the table's, or onnxruntime.
        precision: of the exported network: fp32 or int8; absent, the table's, or fp32.
        threads: of the engine; absent, the table's, or 1.
        head: whose cost counts: aggregation, which retrain adds, or that of a search (encoder, fusion), the default.
        table: a table of ``ssr-nas latency``, or of another device (``ssr-nas latency pack``); absent, that of the
            cache, which is measured before the search where it is missing.
    """

    macs: Quantity | None = None
    params: Quantity | None = None
    latency_ms: float | None = None
    engine: str | None = None
    precision: str | None = None
    threads: int | None = None
    head: str | None = None
    table: str | None = None

    @property
    def given(self) -> list[str]:
        return [key for key in ("macs", "params", "latency_ms") if getattr(self, key) is not None]

    def check(self, target_latency: bool = False) -> None:
        """Refuse values without meaning.

        Args:
            target_latency: whether latency has a target, which needs engine and table too.

        Raises:
            InputError: the key that is out of range.
        """
        if self.latency_ms is not None and not 0.0 < self.latency_ms < float("inf"):
            raise InputError(f"constraint.latency_ms: {self.latency_ms:g} must be above 0")
        if self.table is not None and self.latency_ms is None and not target_latency:
            raise InputError(
                "constraint.table: has no effect without constraint.latency_ms or target.latency_ms; give one of them"
            )


@dataclass
class TargetOptions:
    """A cost that the found network has: 0.93 to 1 times the target, at cost.size. At most one of them.

    Several values, such as 10M,20M,40M, make one search each, and show the front.

    Args:
        macs: multiply-accumulates (macs_total), such as 20M.
        params: parameters, such as 0.1M.
        latency_ms: predicted latency of one image, in milliseconds; engine and table as of a constraint.
    """

    macs: list[Quantity] | None = None
    params: list[Quantity] | None = None
    latency_ms: list[float] | None = None

    @property
    def key(self) -> str | None:
        """Which cost has a target."""
        return next((key for key, values in vars(self).items() if values is not None), None)

    @property
    def values(self) -> list[float]:
        """All targets, in the order in which they were given."""
        return [] if self.key is None else [float(value) for value in getattr(self, self.key)]

    def check(self, constraint: ConstraintOptions) -> None:
        """Refuse values without meaning.

        Raises:
            InputError: the key that is out of range, given twice, or in conflict with another.
        """
        given = [key for key, values in vars(self).items() if values is not None]
        if len(given) > 1:
            fix = f"give one, and bound the other with --constraint.{given[1]}"
            raise InputError(f"target.{given[0]}, target.{given[1]}: two costs cannot both be targets; {fix}")
        for key in given:
            if key in constraint.given:
                raise InputError(f"target.{key}: constraint.{key} bounds the same cost; give one of the two")
            if not self.values:
                raise InputError(f"target.{key}: give a number")
            for value in self.values:
                if not 0.0 < value < float("inf"):
                    raise InputError(f"target.{key}: {value:g} must be above 0")
            names = [compact(value) for value in self.values]
            for name in names:
                if names.count(name) > 1:  # each has a run folder of that name
                    raise InputError(f"target.{key}: {name} is given twice, to four digits; leave one out")


AUGMENTATIONS = ("crop", "shift")


@dataclass
class TrainOptions:
    """How weights are trained, in a search and from scratch.

    Args:
        lr: Adam's learning rate for the weights, with poly decay over the epochs.
        weight_decay: Adam's L2 coefficient for the weights.
        augmentation: shift (flip, and shift by up to two pixels) or crop (random scale 0.75 to 1.75, crop, flip, colour
            jitter).
    """

    lr: float = 0.001
    weight_decay: float = 0.0001
    augmentation: str = "crop"

    def check(self) -> None:
        """Refuse values without meaning.

        Raises:
            InputError: the key that is out of range.
        """
        if not 0.0 < self.lr < float("inf"):
            raise InputError(f"train.lr: {self.lr:g} must be above 0")
        if not 0.0 <= self.weight_decay < float("inf"):
            raise InputError(f"train.weight_decay: {self.weight_decay:g} must be at least 0")
        if self.augmentation not in AUGMENTATIONS:
            known = ", ".join(AUGMENTATIONS)
            raise InputError(f"train.augmentation: unknown {self.augmentation!r}; choose from {known}")
