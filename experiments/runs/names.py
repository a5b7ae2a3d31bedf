"""Names from files, such as those of classes, as text for people: visible, short, and different ones apart."""

import unicodedata
from collections.abc import Callable, Sequence

ELLIPSIS = "…"
DIRECTIONS = "\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""Marks that turn the direction of what stands after them, also in the rest of a table."""


def visible(name: str) -> str:
    r"""The name in one line, with all that is no letter written out: ``\x1b`` in place of a terminal's command.

    A name may come from a file system and be in no encoding, or hold marks that turn the direction of writing.

    >>> visible("a\x1b[2J")
    'a\\x1b[2J'
    """
    return "".join(_visible(letter) for letter in " ".join(name.split()))


def _visible(letter: str) -> str:
    hidden = letter in DIRECTIONS or unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp")
    return letter.encode("unicode_escape", "backslashreplace").decode() if hidden else letter


def labels(names: Sequence[str], fits: Callable[[str], bool] = lambda text: len(text) <= 28) -> list[str]:
    """A visible and short text for each name: the middle of a long one is left out, and different names stay different.

    Args:
        names: as they stand in the file.
        fits: whether a text is short enough.

    Returns:
        The texts. Those of several names end in the name's place, counted from 0.
    """
    shown = [visible(name) for name in names]
    texts = [_shorten(name, fits) for name in shown]
    meanings: dict[str, set[str]] = {}
    for text, name in zip(texts, names, strict=True):
        meanings.setdefault(text, set()).add(name)
    return [
        text if len(meanings[text]) == 1 else _shorten(name, fits, f" #{place}")
        for place, (text, name) in enumerate(zip(texts, shown, strict=True))
    ]


def _shorten(name: str, fits: Callable[[str], bool], end: str = "") -> str:
    """The longest text that fits, of the name's beginning and end; at least one letter of each."""
    if fits(name + end) or len(name) < 4:
        return name + end
    least, most = 2, len(name) - 1  # letters that stay
    while least < most:
        keep = (least + most + 1) // 2
        least, most = (keep, most) if fits(_cut(name, keep) + end) else (least, keep - 1)
    return _cut(name, least) + end


def _cut(name: str, keep: int) -> str:
    return name[: (keep + 1) // 2] + ELLIPSIS + name[len(name) - keep // 2 :]
