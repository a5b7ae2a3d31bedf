"""What many trainings share, and how a process that does some of them learns it."""

import json
from dataclasses import asdict, dataclass, replace

from experiments.data import SegmentationData, load, split_halves
from experiments.data.transforms import downsample_labels
from experiments.options.arguments import from_plain
from experiments.options.groups import IGNORE
from experiments.runs.files import plain
from experiments.runs.tables import counted
from experiments.training.recipe import RetrainOptions
from nas_space.errors import InputError


@dataclass(frozen=True)
class TrainingSetup:
    """What is the same in many trainings.

    Args:
        options: of each; ``seed`` is that of the images held out, and each training has its own.
        hold_out: share of the training images that score the networks; None scores them on the validation set.
    """

    options: RetrainOptions
    hold_out: float | None = None

    def to_json(self) -> str:
        """For another process; ``from_json`` is its inverse."""
        return json.dumps({"options": plain(asdict(self.options)), "hold_out": self.hold_out})

    @classmethod
    def from_json(cls, text: str) -> "TrainingSetup":
        """Inverse of ``to_json``."""
        content = json.loads(text)
        return cls(from_plain(RetrainOptions, content["options"]), content["hold_out"])

    def load(self) -> SegmentationData:
        """The data as the trainings see them.

        Raises:
            InputError: a mistake in the files or options.
        """
        data = load(self.options.data)
        return data if self.hold_out is None else held_out(data, self.hold_out, self.options)


def held_out(data: SegmentationData, share: float, options: RetrainOptions) -> SegmentationData:
    """The data set with a part of its training images in place of its validation set, which nobody sees.

    Args:
        data: the data set.
        share: of the training images that are held out.
        options: with ``seed``, which decides which ones, and the batch.

    Raises:
        InputError: no image is held out, fewer than a batch are left, or one of both parts has no labelled pixel.
    """
    count = len(data.train)
    if count < 2 or round(share * count) < 1:
        fix = "train on more images, or hold out more"
        raise InputError(f"hold_out: {share:g} of {counted(count, 'training image')} leaves none to score on; {fix}")
    train, scored = split_halves(data.train, 1.0 - share, options.seed)
    if len(train) < options.data.batch:
        left = f"{counted(len(train), 'training image')} left beside the {len(scored)} held out, fewer than a batch"
        raise InputError(f"hold_out: {left} of {options.data.batch}; hold out fewer, or lower data.batch")
    if bool((downsample_labels(train.labels) == IGNORE).all()) or bool((scored.labels == IGNORE).all()):
        fix = "hold out another share, or choose another seed"
        raise InputError(f"hold_out: the images held out, or the others, have no labelled pixel; {fix}")
    return replace(data, train=train, val=scored, train_counts=None, val_counts=None)
