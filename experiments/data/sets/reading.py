"""How all masks of a set are read: by index or by colour. Decided once, by all masks, never mask by mask.

A palette mask, and a mask of grey shades, can be read both ways. One mask often fits both: a labelling tool's palette
begins with black, which may be another class's colour. The whole set seldom does. A mask is evidence where one reading
knows all its values and the other does not. Where no mask is, or masks speak against each other, the user decides.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from experiments.data.files import TWO_READINGS, Array, DataError
from experiments.data.label_file import LabelPixels, open_label, read_palette
from experiments.data.labels import ROWS
from experiments.data.parallel import in_threads
from experiments.data.sets.class_file import ClassList
from experiments.data.sets.palettes import palette_problem
from experiments.options.groups import IGNORE
from nas_space.errors import InputError

Reading = Literal["index", "palette", "colour"]
READINGS: tuple[Reading, ...] = ("index", "palette", "colour")
Verdict = Literal["index", "colour", "both", "either", "same", "neither"]
WORDS = {"index": "as ids", "palette": "as palette indices", "colour": "as colours"}
FIRST, CHUNK = 32, 256
"""Masks that are looked at before a set is decided, and further ones where they did not decide it."""
SEVERAL = 2
"""Values that mean two classes, by index and by colour. One may be an accident: black, of a tool's palette."""


@dataclass(frozen=True)
class Decision:
    """How the masks of a set are read.

    Args:
        reading: by ids, palette indices or colours.
        reason: why, in words.
        is_given: the user said so, or the file of classes allows nothing else: no mask can speak against it.
        problem: why nothing could be decided.
    """

    reading: Reading
    reason: str
    is_given: bool
    problem: DataError | None = None

    @property
    def words(self) -> str:
        return f"masks are read {WORDS[self.reading]} ({self.reason})"


def decide(classes: ClassList, masks: Sequence[Path], given: str | None, first_page: bool) -> Decision:
    """Decide on the reading of all ``masks``.

    Args:
        classes: the file of classes.
        masks: of all splits.
        given: ``index``, ``palette``, ``colour``, or None.
        first_page: read the first of several pages.

    Raises:
        InputError: ``given`` is unknown, or the file of classes lacks what it needs.
    """
    if given is not None:
        return Decision(_checked(classes, given), "as data.labels says", True)
    if not classes.by_colour:
        kind = _first_kind(masks, first_page)
        reason, problem = f"{classes.path.name} gives no colours", palette_problem(classes.by_id, masks, first_page)
        return Decision("palette" if kind == "palette" else "index", reason, True, problem)
    if not classes.by_id:
        return Decision("colour", f"{classes.path.name} gives no ids", True)
    return _decide_by_masks(classes, masks, first_page)


def judge(classes: ClassList, mask: LabelPixels) -> Verdict:
    """Which reading fits a mask: ``same`` where both give the same classes, ``either`` where one value differs.

    ``both`` means that several values are two different classes by the two readings, and ids fit.
    """
    ids, codes = used(mask)
    if codes is None:
        return "index"
    if ids is None:
        return "colour"
    by_id = np.array([classes.by_id.get(int(value), -1) for value in ids])
    by_code = {_code(*colour): index for colour, index in classes.by_colour.items()}
    by_colour = np.array([by_code.get(int(code), -1) for code in codes])
    index, colour = bool((by_id >= 0).all()), bool((by_colour >= 0).all())
    differ = int(((by_id >= 0) & (by_colour >= 0) & (by_id != by_colour)).sum())
    if not (index or colour):
        return "neither"
    if index and differ >= SEVERAL:
        return "both"
    if index and colour:
        return "either" if differ else "same"
    return "index" if index else "colour"


def contradicts(decision: Decision, classes: ClassList, mask: LabelPixels) -> bool:
    """Whether a mask speaks against what other masks decided."""
    if decision.is_given or decision.problem is not None or _is_own_palette(classes, mask.palette):
        return False
    return judge(classes, mask) in (("index",) if decision.reading == "colour" else ("colour", "both"))


def used(mask: LabelPixels) -> tuple[npt.NDArray[np.int64] | None, npt.NDArray[np.int64] | None]:
    """The ids in use and the code of the colour of each; None where a mask has no ids, or no colours."""
    values = mask.values
    if values.ndim == 3:
        codes = _distinct(values)
        red = codes >> 16
        return (red if (codes == red * 0x010101).all() else None), codes
    ids = _distinct(values)
    if mask.palette is not None:
        return ids, colour_codes(mask.palette)[ids].astype(np.int64)
    return ids, None if mask.bits > 8 else ids * (255 // (2**mask.bits - 1)) * 0x010101


def colour_codes(pixels: np.ndarray) -> npt.NDArray[np.int32]:
    """One number for each colour: ``(..., 3)`` -> ``(...)`` int32."""
    codes: npt.NDArray[np.int32] = pixels[..., 0].astype(np.int32)
    for channel in (1, 2):
        codes <<= 8
        codes |= pixels[..., channel]
    return codes


def _code(red: int, green: int, blue: int) -> int:
    return red << 16 | green << 8 | blue


def _distinct(values: np.ndarray) -> npt.NDArray[np.int64]:
    """Samples, or codes of colours ``(H, W, 3)``, each once, in order; by rows, for a mask may be large."""
    blocks = [values[start : start + ROWS] for start in range(0, len(values), ROWS)]
    return np.unique(np.concatenate([_distinct_of_block(block) for block in blocks]))


def _distinct_of_block(values: np.ndarray) -> npt.NDArray[np.int64]:
    if values.dtype == np.uint8 and values.ndim == 2:
        counts = cv2.calcHist([np.ascontiguousarray(values)], [0], None, [256], [0, 256])
        return np.flatnonzero(counts.ravel())
    flat = (values if values.ndim == 2 else colour_codes(values)).ravel()
    # Labels are areas of one value: sorting only where the value changes is many times faster.
    starts = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    return np.unique(np.concatenate([flat[:1], flat[starts]])).astype(np.int64)


def _checked(classes: ClassList, given: str) -> Reading:
    reading = next((one for one in READINGS if one == given), None)
    if reading is None:
        raise InputError(f"data.labels: unknown {given!r}; choose from {', '.join(READINGS)}")
    if not (classes.by_colour if reading == "colour" else classes.by_id):
        lacks = "colours" if reading == "colour" else "ids"
        raise InputError(f"data.labels: {given} needs {lacks}, but {classes.path} gives none; add them there")
    return reading


def _decide_by_masks(classes: ClassList, masks: Sequence[Path], first_page: bool) -> Decision:
    found: dict[Verdict, list[Path]] = {}
    kinds: dict[Path, str] = {}
    # The first look is spread over the set. A mask that speaks against it is refused when it is read.
    spread = masks[:: max(len(masks) // FIRST, 1)][:FIRST]
    seen = set(spread)
    others = [mask for mask in masks if mask not in seen]
    for chunk in (spread, *(others[i : i + CHUNK] for i in range(0, len(others), CHUNK))):
        looks = in_threads(lambda mask: _look(classes, mask, first_page), chunk, "masks: by index or by colour")
        for mask, look in zip(chunk, looks, strict=True):
            if look is not None:
                kinds[mask] = look[0]
                found.setdefault(look[1], []).append(mask)
        if found.keys() & {"index", "colour"}:
            break
    problem = _problem(classes, found)
    by_index, by_colour = found.get("index", []), found.get("colour", [])
    if by_colour and len(by_colour) >= len(by_index):
        return Decision("colour", f"{by_colour[0].name} fits no other reading", False, problem)
    if problem is None:  # colours that are no classes may tell that indices mean other ones
        foreign = [mask for mask in masks if not _is_own_palette(classes, read_palette(mask))]
        problem = palette_problem(classes.by_id, foreign, first_page)
    deciding = next(iter(by_index or kinds), None)
    reading: Reading = "palette" if deciding and kinds[deciding] == "palette" else "index"
    reason = "no mask fits ids or colours" if found.keys() == {"neither"} else "no mask says otherwise"
    if by_index:
        reason = f"{by_index[0].name} fits no other reading"
    return Decision(reading, reason, False, problem)


def _problem(classes: ClassList, found: Mapping[Verdict, Sequence[Path]]) -> DataError | None:
    # Several colours that are all classes are no accident: they speak against ids, not against colours.
    unsure = found.get("both") or (None if "index" in found else found.get("either"))
    if "colour" in found or not unsure:
        return None
    text = f"{unsure[0]}: ids and colours of {classes.path.name} give its pixels different classes, and both fit"
    hint = "say how all masks are read: --data.labels index, palette or colour"
    return DataError(TWO_READINGS, unsure[0], f"{text}; {hint}")


def _look(classes: ClassList, mask: Path, first_page: bool) -> tuple[str, Verdict] | None:
    try:
        state = mask.stat()
    except OSError:
        return None
    return _look_once(classes, mask, (state.st_mtime_ns, state.st_size), first_page)


@lru_cache(maxsize=2**16)
def _look_once(classes: ClassList, mask: Path, _: tuple[int, int], first_page: bool) -> tuple[str, Verdict] | None:
    """Kind and verdict of a mask; None if it cannot be read, which is told when its turn comes."""
    if _is_own_palette(classes, read_palette(mask)):
        return "palette", "same"
    try:
        pixels = open_label(mask, first_page)
    except DataError:
        return None
    return ("grey" if pixels.palette is None else "palette"), judge(classes, pixels)


def _is_own_palette(classes: ClassList, palette: Array | None) -> bool:
    """Whether every id's colour in the palette is that of its class: no pixel can be read in two ways."""
    if palette is None:
        return False
    ids = [value for value in classes.by_id if value != IGNORE and value < len(palette)]
    own = [classes.by_colour.get(tuple(palette[value].tolist())) == classes.by_id[value] for value in ids]
    return bool(own) and all(own)


def _first_kind(masks: Sequence[Path], first_page: bool) -> str:
    try:
        return "palette" if masks and open_label(masks[0], first_page).palette is not None else "grey"
    except DataError:
        return "grey"
