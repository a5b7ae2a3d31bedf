"""Data sets, held in memory: what ``--data.*`` describes."""

from experiments.config import DataOptions, parse_size
from experiments.data.dataset import IGNORE, SegmentationData, Split, split_halves
from nas_space.errors import InputError

DATASETS = ("streets", "camvid")

__all__ = ["DATASETS", "IGNORE", "SegmentationData", "Split", "load", "split_halves"]


def load(options: DataOptions) -> SegmentationData:
    """Read or generate the data set that ``options`` describe.

    It depends on the options alone, never on a run's seed: searches with different seeds see the same images.

    Raises:
        InputError: an unknown name, a limit below 1, or whatever is wrong with the files.
    """
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
