"""Masks of two classes as shades of grey: soft edges recognised, and a threshold that cuts them."""

from collections.abc import Collection, Sequence
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from experiments.data.files import Array, DataError
from experiments.data.label_file import LabelPixels, format_error, open_label
from experiments.data.parallel import in_threads
from experiments.data.sets.class_file import ClassList
from experiments.options.groups import IGNORE
from nas_space.errors import InputError

NEAR = 32
"""A shade this near to the darkest, or to the brightest one, belongs to it."""
APART = 96
"""The two lie at least this far apart."""
SHARE = 0.6
"""Share of the pixels that are near one of the two."""
FEWEST = 3
"""Shades of a mask with soft edges, at least."""
NOISE = 12
"""Shades this near to black or white, or to one another, may be noise of one value."""
FEW = 3
"""Most shades of a mask that are values and no noise."""


def two_classes(classes: ClassList) -> tuple[int, int]:
    """Indices of the class of dark and of bright pixels: by colour if there are colours, else by id.

    Raises:
        InputError: there are not two classes.
    """
    if len(classes.classes) != 2:
        count = len(classes.classes)
        raise InputError(f"data.threshold: divides pixels into two classes, but {classes.path} gives {count}")
    first, second = (sum(entry.colour or ()) for entry in classes.classes)
    return (1, 0) if first > second else (0, 1)


def has_soft_edges(mask: LabelPixels, classes: ClassList) -> bool:
    """Whether a mask of two classes holds dark and bright areas, and shades between them that are no class."""
    if len(classes.classes) != 2 or (shades := grey_shades(mask)) is None:
        return False
    counts = _histogram(shades)
    present = np.flatnonzero(counts)
    if len(present) < FEWEST or present[-1] - present[0] < APART:
        return False
    known = [*classes.by_id, *(colour[0] for colour in classes.by_colour if len(set(colour)) == 1)]
    if np.isin(present, known).all():
        return False
    near = counts[present[0] : present[0] + NEAR + 1].sum() + counts[present[-1] - NEAR : present[-1] + 1].sum()
    return bool(near >= SHARE * counts.sum())


def soft_edges_error(path: Path) -> DataError:
    """The error for a mask with soft edges."""
    text = f"{path}: a mask of two values with soft edges: shades of grey lie between them"
    return DataError("soft edges", path, f"{text}; give --data.threshold 128, or save it without smoothing")


def ignored_shades(classes: ClassList) -> dict[int, str]:
    """Shades of grey that the file of classes lists as ignored, with their names: by colour if it has one, else by id.

    The value 255 is ignored only where it is listed: it is the second class of most such masks.
    """
    shades: dict[int, str] = {}
    for entry in classes.entries:
        grey = entry.colour[0] if entry.colour and len(set(entry.colour)) == 1 else None
        shade = entry.id if entry.colour is None else grey
        if entry.ignored and shade is not None and shade < 256:
            shades[shade] = entry.name
    return shades


def apply_threshold(
    path: Path, mask: LabelPixels, threshold: int, pair: tuple[int, int], ignored: Collection[int] = ()
) -> Array:
    """Class indices ``(H, W)``: the second of ``pair`` from ``threshold`` on, the first below it.

    Shades that are exactly one of ``ignored`` give 255.

    Raises:
        DataError: the mask is not grey.
    """
    shades = grey_shades(mask)
    if shades is None:
        text = "holds colours, or 16-bit numbers; --data.threshold divides shades of grey of 8 bits: save it as such"
        raise format_error(path, text)
    table = np.where(np.arange(256) >= threshold, np.uint8(pair[1]), np.uint8(pair[0]))
    table[list(ignored)] = IGNORE
    return np.asarray(table[shades])


def on_one_side(mask: LabelPixels, threshold: int, ignored: Collection[int] = ()) -> tuple[int, int] | None:
    """Two values of a mask that mean something, and lie on the same side of the threshold; None where it is all right.

    Noise near black or white is all right, and so are shades of which none stands out, as a faint gradient has them.
    """
    shades = grey_shades(mask)
    if shades is None:
        return None
    counts = _histogram(shades)
    counts[list(ignored)] = 0
    present = np.flatnonzero(counts)
    if not len(present) or present[0] < threshold <= present[-1]:
        return None
    is_dark = bool(present[-1] < threshold)
    if is_dark and mask.bits > 1 and present[-1] == 1:
        return 0, 1
    # A threshold at the very end says that whatever lies on this side is one class.
    is_meant = threshold > 255 - NOISE if is_dark else threshold <= NOISE or present[0] >= 255 - NOISE
    if is_meant or len(present) == 1:
        return None
    first, second = np.argsort(-counts, kind="stable")[:2]
    stands_out = 2 * counts[second] >= counts.sum() - counts[first] and abs(int(first) - int(second)) > NOISE
    if len(present) > FEW and not stands_out:
        return None
    return int(min(first, second)), int(max(first, second))


def one_sided_problem(
    masks: Sequence[Path], threshold: int, ignored: Collection[int], first_page: bool
) -> DataError | None:
    """What is wrong if the two values of some masks lie on one side of the threshold, with their number."""

    def look(path: Path) -> tuple[int, int] | None:
        try:
            state = path.stat()
        except OSError:
            return None
        return _look_once(path, (state.st_mtime_ns, state.st_size), threshold, tuple(ignored), first_page)

    looks = zip(masks, in_threads(look, masks, "masks: threshold"), strict=True)
    found = [(path, values) for path, values in looks if values is not None]
    if not found:
        return None
    path, (low, high) = found[0]
    more = f" (and {len(found) - 1} more such mask{'s' * (len(found) > 2)})" if len(found) > 1 else ""
    side = "below" if low < threshold else "not below"
    text = f"{path}: holds {low} and {high}, both {side} --data.threshold {threshold}{more}"
    between = f"of {high}" if high == low + 1 else f"from {low + 1} to {high}"
    hint = f"give a threshold {between} if all masks are such, or save them with 0 and 255"
    return DataError("one side", path, f"{text}; {hint}")


@lru_cache(maxsize=2**16)
def _look_once(
    path: Path, _: tuple[int, int], threshold: int, ignored: tuple[int, ...], first_page: bool
) -> tuple[int, int] | None:
    try:
        return on_one_side(open_label(path, first_page, lossy=True), threshold, ignored)
    except DataError:  # told when its turn comes
        return None


def grey_shades(mask: LabelPixels) -> Array | None:
    """The mask as shades ``(H, W)`` of grey; None where it has colours, or more than 8 bits."""
    if mask.bits > 8:
        return None
    if mask.palette is not None:
        used = mask.palette[np.flatnonzero(_histogram(mask.values))]
        return mask.palette[:, 0][mask.values] if (used == used[:, :1]).all() else None
    if mask.values.ndim == 3:
        return mask.values[..., 0] if (mask.values == mask.values[..., :1]).all() else None
    return mask.shades()


def _histogram(values: np.ndarray) -> npt.NDArray[np.int64]:
    counts = cv2.calcHist([np.ascontiguousarray(values)], [0], None, [256], [0, 256])
    return counts.ravel().astype(np.int64)  # OpenCV 4 gives a column
