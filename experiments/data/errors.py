"""A mistake in one file of a data set, with what is needed to report many of them together."""

from collections.abc import Mapping
from pathlib import Path

from nas_space.errors import InputError


class DataError(InputError):
    """What is wrong with one file or folder; the message names it and the fix.

    Args:
        kind: what sort of mistake, in two or three words.
        file: the culprit; None where it is the data set as a whole.
        message: one line.
        stops: whether training cannot go on; otherwise it is a remark.
        values: for label values that are no class: each in words, with the number of its pixels.
    """

    def __init__(
        self, kind: str, file: Path | None, message: str, stops: bool = True, values: Mapping[str, int] | None = None
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.file = file
        self.stops = stops
        self.values = dict(values or {})
