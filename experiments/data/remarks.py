"""Remarks on a data set in few lines: what stops nothing, and is told once before a training."""

from collections.abc import Sequence

import torch

from experiments.data.dataset import Split
from experiments.data.files import DataError

SHOWN = 2
"""Remarks of a kind that are told whole."""
SIDE = 16
"""Rows and columns, about, by which images that may be the same are found."""


def notes(problems: Sequence[DataError]) -> list[str]:
    """Lines for each kind of remark: one or two of them, or the first one and how many more there are.

    What stops a training is left out.

    Args:
        problems: of a data set.
    """
    by_kind: dict[str, list[DataError]] = {}
    for problem in problems:
        if not problem.stops:
            by_kind.setdefault(problem.kind, []).append(problem)
    lines = []
    for same in by_kind.values():
        few = len(same) <= SHOWN
        more = "" if few else f" (and {len(same) - 1} more of this kind: ssr-nas data check lists them all)"
        lines += [" ".join(f"note: {one}{more}".split()) for one in (same if few else same[:1])]
    return lines


def shared_images(train: Split, val: Split) -> list[DataError]:
    """A remark if images of the validation split are the same as training images, at the size that both are read at."""
    if not len(train) or train.images.shape[1:] != val.images.shape[1:]:
        return []
    steps = [max(side // SIDE, 1) for side in train.images.shape[2:]]
    places: dict[bytes, list[int]] = {}
    for place, image in enumerate(train.images):
        places.setdefault(_key(image, steps), []).append(place)
    found: list[tuple[str, str]] = []
    for image, name in zip(val.images, val.names, strict=True):
        near = places.get(_key(image, steps), ())
        found += [(train.names[place], name) for place in near if torch.equal(train.images[place], image)][:1]
    if not found:
        return []
    what = "1 image of val is" if len(found) == 1 else f"{len(found)} images of val are"
    text = f"{what} in train too (first {found[0][1]}, the same as {found[0][0]}); val is not independent of train"
    return [DataError("in two splits", None, text, stops=False)]


def _key(image: torch.Tensor, steps: Sequence[int]) -> bytes:
    return image[:, :: steps[0], :: steps[1]].numpy().tobytes()
