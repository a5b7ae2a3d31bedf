"""Data sets that ``--data.*`` describes: as files that are read one by one, or whole in memory."""

import sys
from dataclasses import replace

import torch

from experiments.data.dataset import SegmentationData, Split, split_halves
from experiments.data.memory import read_source
from experiments.data.orientation import TURNED
from experiments.data.source import DataSource, Sample, open_source
from experiments.options.groups import IGNORE, DataOptions, parse_size
from experiments.runs.processes import rank
from nas_space.errors import InputError

__all__ = ["DataSource", "Sample", "SegmentationData", "Split", "load", "open_source", "split_halves"]


def load(options: DataOptions) -> SegmentationData:
    """Read or generate the data set that ``options`` describe.

    How labels and 16-bit images are read, and what EXIF turns, is told on standard error, where several ways are
    possible. Searches with different seeds see the same images. ``shuffle_labels`` mixes the training images' labels.

    Raises:
        InputError: an unknown name, a limit below 1, or a mistake in the files.
    """
    size = parse_size(options.size)
    source = open_source(options)
    for words in (source.reading, source.image_reading):
        if words and rank() == 0:
            print(f"{source.name}: {words}", file=sys.stderr, flush=True)
    for problem in source.problems:
        if problem.kind == TURNED and rank() == 0:
            print(f"note: {problem}", file=sys.stderr, flush=True)
    data = read_source(source, size)
    for name, split in (("training", data.train), ("validation", data.val)):
        if bool((split.labels == IGNORE).all()):
            raise InputError(f"data: no {name} image of {data.name} has a labelled pixel; check the labels")
    if not options.shuffle_labels:
        return data
    order = torch.randperm(len(data.train), generator=torch.Generator().manual_seed(0))
    return replace(data, train=Split(data.train.images, data.train.labels[order], data.train.names))
