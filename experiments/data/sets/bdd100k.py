"""BDD100K semantic segmentation (Yu et al., 2020, arXiv:1805.04687): 10,000 images, the 19 classes of Cityscapes."""

from experiments.data.files import TWO_READINGS, DataError
from experiments.data.labels import IndexReader, make_table
from experiments.data.listing import Folder, find_splits, root_folder
from experiments.data.sets.cityscapes import CLASSES, COLOURS
from experiments.data.sets.cityscapes import VALUES as LABEL_IDS
from experiments.data.sets.label_kinds import count_values, doubt, fit_both
from experiments.data.sets.palettes import palette_problems
from experiments.data.source import DataSource
from experiments.options.groups import IGNORE, DataOptions

VALUES = {**{index: index for index in range(len(CLASSES))}, IGNORE: IGNORE}
LAYOUT = (
    "data.root must hold images/10k/ and labels/sem_seg/masks/, or seg/images/ and seg/labels/, with train/ and val/"
)


def find_bdd100k(options: DataOptions) -> DataSource:
    """The splits in ``data.root``: in the official folders, or in those of the older release, ``seg/``.

    Raises:
        InputError: no folder is given.
    """
    root = root_folder(options, "images/10k/ and labels/sem_seg/, or seg/")
    if (root / "seg").is_dir() and not (root / "images" / "10k").is_dir():
        images, labels, tail = root / "seg" / "images", root / "seg" / "labels", "_train_id"
    else:
        images, labels, tail = root / "images" / "10k", root / "labels" / "sem_seg" / "masks", ""
    parts = ("train", "val")
    folders = {part: (Folder(images / part, (".jpg",)), Folder(labels / part, (".png",), tail)) for part in parts}
    known = f"labels are the train ids 0 to {len(CLASSES) - 1}, {IGNORE} is ignored; change label ids into them first"
    reader = IndexReader(make_table(VALUES, 256), known, options.first_page, COLOURS)
    splits, problems = find_splits(folders, reader, options.limit, LAYOUT)
    problems += palette_problems(VALUES, splits, options.first_page)
    samples = [sample for part in splits.values() for sample in part]
    counts, words = count_values(samples, options.first_page), ""
    if reason := doubt(counts, LABEL_IDS, are_train_ids=True):
        hint = "change them into train ids; or, if they are, give --data.name folder with a file of classes"
        problems.append(DataError(TWO_READINGS, labels, f"{labels}: {reason}; {hint}"))
    elif fit_both(counts):
        words = f"labels are read as train ids; they would fit label ids too, for none holds {IGNORE} or more than 18"
    return DataSource(options.name, CLASSES, COLOURS, splits, tuple(problems), words)
