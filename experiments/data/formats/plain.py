"""The plain layout: images, masks of the same names, and a file of classes, which names values or colours."""

from experiments.data.files import DataError
from experiments.data.formats import roboflow
from experiments.data.formats.label_format import LabelFormat
from experiments.data.formats.tree import Tree
from experiments.data.formats.values import Found, count_masks
from experiments.data.listing import match
from experiments.data.sets import class_file
from experiments.data.sets.folder import LAYOUT, find_masks
from experiments.data.sets.layouts import find_layout
from experiments.data.source import DataSource
from experiments.options.groups import DataOptions

TITLE = "masks with a file of classes"


def class_files(tree: Tree) -> list[str]:
    """The files of classes; one of Roboflow's is none where it belongs to masks that lie as Roboflow exports them."""
    names = [path.name for path in class_file.class_files(tree.root)]
    return [] if names == [class_file.OF_ROBOFLOW] and roboflow.seen(tree) else names


def seen(tree: Tree) -> list[str]:
    """The file of classes, where there are masks too."""
    try:
        holds_masks = find_layout(tree.root).holds_masks()
    except DataError:  # two endings fit, which is told where no other format is found
        return []
    return class_files(tree) if holds_masks else []


def find(tree: Tree, options: DataOptions) -> DataSource:
    """The data set; errors as of ``find_masks``."""
    return find_masks(options)


def count(tree: Tree) -> Found:
    """Values of the masks."""
    pairs = [pair for two in find_layout(tree.root).pairs for pair in match(*two, LAYOUT)[0]]
    return count_masks([mask for _, _, mask in pairs])


FORMAT = LabelFormat("masks", TITLE, seen, find, count)
