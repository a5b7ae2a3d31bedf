"""Masks of a user's ``folder``: index, palette and colour masks, all of a set read in one way.

- As ids: the samples of one channel (1 to 16 bits), palette indices, or three equal channels.
- As colours: RGB, compared exactly; a palette's colours; shades of grey.
- By a threshold: grey masks of two classes, whose edges may be soft.
"""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from experiments.data.files import TWO_READINGS, Array, DataError
from experiments.data.label_file import LabelPixels, format_error, open_label
from experiments.data.labels import Table, look_up, make_table
from experiments.data.sets.class_file import ClassList, flag_words
from experiments.data.sets.reading import Decision, colour_codes, contradicts, decide
from experiments.data.sets.two_values import (
    apply_threshold,
    has_soft_edges,
    ignored_shades,
    one_sided_problem,
    soft_edges_error,
    two_classes,
)
from nas_space.errors import InputError

MASKS = (".png", ".bmp", ".tif", ".tiff")
"""Endings of masks: formats that keep every value; JPEG does not."""


class MaskReader:
    """Reads masks by a file of classes.

    Args:
        classes: the file.
        labels: how masks are read, ``index``, ``palette`` or ``colour``; None where the masks decide.
        threshold: from this shade of grey on, a pixel belongs to the second of two classes; None without a threshold.
            A shade that the file lists as ignored stays ignored.
        first_page: read the first of several pages.

    Raises:
        InputError: the threshold is out of range, or there are not two classes, or ``labels`` is given too.
    """

    def __init__(
        self, classes: ClassList, labels: str | None = None, threshold: int | None = None, first_page: bool = False
    ) -> None:
        if threshold is not None and labels is not None:
            raise InputError("data.threshold: takes the place of data.labels; give one of them")
        if threshold is not None and not 1 <= threshold <= 255:
            raise InputError(f"data.threshold: {threshold} must lie from 1 to 255")
        self.classes = classes
        self.threshold = threshold
        self.first_page = first_page
        self._labels = labels
        self._pair = None if threshold is None else two_classes(classes)
        self._ignored = {} if threshold is None else ignored_shades(classes)
        self._decision: Decision | None = None

    def settle(self, masks: Sequence[Path]) -> list[DataError]:
        """Decide how ``masks``, those of all splits, are read; the problem if they do not say.

        Raises:
            InputError: ``labels`` is unknown, or the file of classes lacks what it needs.
        """
        if self.threshold is not None:
            problem = one_sided_problem(masks, self.threshold, self._ignored, self.first_page)
            return [] if problem is None else [problem]
        self._decision = decide(self.classes, masks, self._labels, self.first_page)
        return [self._decision.problem] if self._decision.problem else []

    @property
    def words(self) -> str:
        """How masks are read, for a line that tells it; empty where it is undecided.

        Raises:
            ValueError: nothing is settled.
        """
        if self._pair is not None:
            dark, bright = (self.classes.names[index] for index in self._pair)
            ignored = "".join(f", {shade} ({name}) ignored" for shade, name in self._ignored.items())
            return f"masks are read as shades: {bright} from {self.threshold} on, {dark} below{ignored}"
        if self._decision is None:
            raise ValueError("settle first")
        return "" if self._decision.problem else self._decision.words

    @cached_property
    def _by_id(self) -> Table | None:
        return make_table(self.classes.by_id, 2**16) if self.classes.by_id else None

    @cached_property
    def _by_colour(self) -> Table | None:
        codes = {red << 16 | green << 8 | blue: index for (red, green, blue), index in self.classes.by_colour.items()}
        return make_table(codes, 2**24) if codes else None

    def __call__(self, path: Path) -> Array:
        """A mask as class indices ``(H, W)``, 255 where ignored, turned as its EXIF orientation says.

        Raises:
            DataError: the file is unreadable or of another kind, holds a value or colour that is no class, or speaks
                against the reading of the set.
            ValueError: nothing is settled.
        """
        mask = open_label(path, self.first_page, lossy=self._pair is not None)
        if self._pair is not None:
            assert self.threshold is not None
            return apply_threshold(path, mask, self.threshold, self._pair, self._ignored)
        if self._decision is None:
            raise ValueError("settle first")
        if contradicts(self._decision, self.classes, mask):
            hint = "save it as the others are, or say how all are read: --data.labels index, palette or colour"
            text = f"{path}: does not fit, while {self._decision.words}; {hint}"
            raise DataError(TWO_READINGS, path, text)
        reading = self._decision.reading
        if reading == "palette" and self._decision.is_given and self._labels and mask.palette is None:
            raise format_error(path, "has no palette; leave out --data.labels palette, or save it with a palette")
        if has_soft_edges(mask, self.classes):
            raise soft_edges_error(path)
        return self._from_colours(path, mask) if reading == "colour" else self._from_ids(path, mask)

    def _from_ids(self, path: Path, mask: LabelPixels) -> Array:
        assert self._by_id is not None
        values = mask.values
        if values.ndim == 3:
            if not (values == values[..., :1]).all():
                hint = "add a colour to every class, or save index masks"
                if self.classes.by_colour:
                    hint = "give --data.labels colour if all masks are, or save index masks"
                    raise format_error(path, f"is a colour mask, but masks of this set are read as ids; {hint}")
                raise format_error(path, f"is a colour mask, but {self.classes.path} gives no colours; {hint}")
            values = values[..., 0]
        hint = f"add it there ({flag_words(self.classes.path, True)} for what shall not count), or correct the mask"
        return look_up(values, self._by_id, path, "value {}".format, f"ids are in {self.classes.path}: {hint}")

    def _from_colours(self, path: Path, mask: LabelPixels) -> Array:
        assert self._by_colour is not None
        pixels = mask.colours()
        if pixels is None:
            if self.classes.by_id:
                raise format_error(path, "holds 16-bit numbers, which are no colours; give --data.labels index")
            raise format_error(path, f"holds 16-bit numbers, but {self.classes.path} gives no ids; add them there")
        hint = "and must match exactly: add it there, or save the mask without smoothed borders"
        known = f"colours are in {self.classes.path} {hint}"
        return look_up(colour_codes(pixels), self._by_colour, path, _describe_colour, known)


def _describe_colour(code: int) -> str:
    return f"colour ({code >> 16}, {code >> 8 & 255}, {code & 255})"
