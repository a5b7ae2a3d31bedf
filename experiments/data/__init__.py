"""Data sets, held in memory: what ``--data.*`` describes."""

from dataclasses import replace

import torch

from experiments.config import DataOptions, parse_size
from experiments.data.dataset import IGNORE, SegmentationData, Split, split_halves
from nas_space.errors import InputError

DATASETS = ("streets", "camvid")

__all__ = ["DATASETS", "IGNORE", "SegmentationData", "Split", "load", "split_halves"]


def load(options: DataOptions) -> SegmentationData:
    """Read or generate the data set that ``options`` describe; with ``shuffle_labels``, its training labels change places.

    It depends on the options alone, never on a run's seed: searches with different seeds see the same images.

    Raises:
        InputError: an unknown name, a limit below 1, or whatever is wrong with the files.
    """
    data = _load(options)
    for name, split in (("training", data.train), ("validation", data.val)):
        if bool((split.labels == IGNORE).all()):
            raise InputError(f"data: no {name} image of {data.name} has a labelled pixel; check the labels")
    if not options.shuffle_labels:
        return data
    order = torch.randperm(len(data.train), generator=torch.Generator().manual_seed(0))
    return replace(data, train=Split(data.train.images, data.train.labels[order], data.train.names))


def _load(options: DataOptions) -> SegmentationData:
    size = parse_size(options.size)
    if options.limit is not None and options.limit < 1:
        raise InputError(f"data.limit: {options.limit} must be at least 1")
    if options.name == "streets":
        from experiments.data.streets import load_streets

        return load_streets(size, options.limit)
    if options.name == "camvid":
        from experiments.data.camvid import load_camvid

        return load_camvid(options.root, size, options.limit)
    raise InputError(f"data.name: unknown {options.name!r}; choose from {', '.join(DATASETS)}")
