"""CamVid: street scenes filmed from a car in Cambridge, 11 classes (Brostow et al., 2009), as published with SegNet."""

from experiments.data.labels import IndexReader, make_table
from experiments.data.listing import Folder, find_splits, root_folder
from experiments.data.sets.palettes import palette_problems
from experiments.data.source import DataSource
from experiments.options.groups import IGNORE, DataOptions

CLASSES = ("sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian", "cyclist")
COLOURS = (
    (128, 128, 128), (128, 0, 0), (192, 192, 128), (128, 64, 128), (60, 40, 222), (128, 128, 0),
    (192, 128, 128), (64, 64, 128), (64, 0, 128), (64, 64, 0), (0, 128, 192),
)  # fmt: skip
VOID = len(CLASSES)
"""Void in the published labels; 255 is read as void too."""
VALUES = {**{index: index for index in range(VOID)}, VOID: IGNORE, IGNORE: IGNORE}
LAYOUT = "data.root (or CAMVID_ROOT) must hold train/ and trainannot/, val/ and valannot/"


def find_camvid(options: DataOptions) -> DataSource:
    """The splits in ``data.root``, or in ``$CAMVID_ROOT``.

    Images are PNG or JPEG. ``test`` and ``testannot`` of the published copy are a split if both are there.

    Raises:
        InputError: no folder is given.
    """
    root = root_folder(options, "train/", "CAMVID_ROOT")
    has_test = (root / "test").is_dir() and (root / "testannot").is_dir()
    folders = {
        split: (Folder(root / split, (".jpg", ".jpeg", ".png")), Folder(root / f"{split}annot", (".png",)))
        for split in ("train", "val", *(("test",) if has_test else ()))
    }
    known = f"labels are 0 to {VOID - 1}, void is {VOID} or {IGNORE}"
    reader = IndexReader(make_table(VALUES, 256), known, options.first_page, COLOURS)
    splits, problems = find_splits(folders, reader, options.limit, LAYOUT)
    problems += palette_problems(VALUES, splits, options.first_page)
    return DataSource(options.name, CLASSES, COLOURS, splits, tuple(problems))
