"""Data sets that ``--data.*`` describes: as files that are read one by one, or whole in memory."""

from dataclasses import replace

import torch

from experiments.data.dataset import SegmentationData, Split, split_halves
from experiments.data.memory import read_source
from experiments.data.remarks import notes, shared_images
from experiments.data.source import DataSource, Sample, open_source
from experiments.options.groups import IGNORE, DataOptions, parse_size
from experiments.runs.telling import tell
from nas_space.errors import InputError

__all__ = ["DataSource", "Sample", "SegmentationData", "Split", "load", "open_source", "split_halves"]


def load(options: DataOptions, remarks: bool = True) -> SegmentationData:
    """Read or generate the data set that ``options`` describe.

    Where several ways are possible, it is told on standard error how labels and 16-bit images are read; so are remarks
    on the files, such as images that are not used. Searches with different seeds see the same images.
    ``shuffle_labels`` mixes the training images' labels.

    Args:
        options: where the data are, and how they are read.
        remarks: false tells nothing, for who has loaded these data before.

    Raises:
        InputError: an unknown name, a limit below 1, or a mistake in the files.
    """
    size = parse_size(options.size)
    source = open_source(options)
    if remarks:
        tell(f"{source.name}: {words}" for words in (source.reading, source.image_reading) if words)
        tell(notes(source.problems))
    data = read_source(source, size)
    for name, split in (("training", data.train), ("validation", data.val)):
        if bool((split.labels == IGNORE).all()):
            raise InputError(f"data: no {name} image of {data.name} has a labelled pixel; check the labels")
    if remarks:
        tell(notes(shared_images(data.train, data.val)))
    if not options.shuffle_labels:
        return data
    order = torch.randperm(len(data.train), generator=torch.Generator().manual_seed(0))
    return replace(data, train=Split(data.train.images, data.train.labels[order], data.train.names))
