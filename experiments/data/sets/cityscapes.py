"""Cityscapes (Cordts et al., 2016, arXiv:1604.01685): fine annotations in the official folders, 19 classes.

Names, ids, train ids and colours come from torchvision's data set class. Its listing is not used: it fails on a file
beside the cities' folders, and it unpacks archives into the user's folder.
"""

from torchvision.datasets import Cityscapes

from experiments.data.labels import index_reader
from experiments.data.listing import Folder, find_splits, root_folder
from experiments.data.source import DataSource
from experiments.options.groups import IGNORE, DataOptions

_TRAINED = sorted((kind for kind in Cityscapes.classes if 0 <= kind.train_id < IGNORE), key=lambda kind: kind.train_id)
CLASSES: tuple[str, ...] = tuple(label.name for label in _TRAINED)
COLOURS: tuple[tuple[int, int, int], ...] = tuple(label.color for label in _TRAINED)

_IGNORED = {label.id: IGNORE for label in Cityscapes.classes if label.id >= 0}
VALUES = _IGNORED | {label.id: label.train_id for label in _TRAINED} | {IGNORE: IGNORE}
"""Value in ``*_labelIds.png`` -> train id; what is not evaluated is ignored."""
LAYOUT = "data.root (or CITYSCAPES_DATASET) must hold unpacked leftImg8bit/ and gtFine/, with train/CITY/ and val/CITY/"


def find_cityscapes(options: DataOptions) -> DataSource:
    """The splits in ``data.root``, or in ``$CITYSCAPES_DATASET``: the folder that holds ``leftImg8bit`` and ``gtFine``.

    The labels of the official test split are withheld, so it is no split here.

    Raises:
        InputError: no folder is given.
    """
    root = root_folder(options, "leftImg8bit/ and gtFine/", "CITYSCAPES_DATASET")
    folders = {}
    for split in ("train", "val"):
        images = Folder(root / "leftImg8bit" / split, (".png",), "_leftImg8bit", nested=True)
        labels = Folder(root / "gtFine" / split, (".png",), "_gtFine_labelIds", nested=True)
        folders[split] = images, labels
    known = "labels are the official ids (*_gtFine_labelIds.png), 0 to 33"
    splits, problems = find_splits(folders, index_reader(VALUES, known), options.limit, LAYOUT)
    return DataSource(options.name, CLASSES, COLOURS, splits, tuple(problems))
