"""Names in figures: no formulas, no letters that the fonts lack, nothing longer than its place."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache

from matplotlib import font_manager, rc_context
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.text import Text

from experiments.runs.names import labels, visible

Colours = Sequence[tuple[int, int, int]]
FONT = "DejaVu Sans"
"""It comes with matplotlib, and has the letters of most alphabets."""
STAND_IN = "\N{WHITE SQUARE}"
LONGEST = 28
"""Letters of a name in a figure."""
WIDTH = 5.6
"""Inches of a figure on a page. On a telephone it is shown 368 pixels wide."""
TEXT = 10.0
"""Least size of its letters, in points: 9 pixels there."""
LETTER, SWATCH, LINE = 0.085, 0.45, 0.2
"""Inches of a letter of that size, of a legend's coloured field with what is around it, and of a line."""


@contextmanager
def plain_text() -> Iterator[None]:
    """Text is drawn letter by letter: a pair of dollars makes no formula, whatever the user's matplotlibrc says."""
    with rc_context({"text.parse_math": False, "text.usetex": False, "font.family": [FONT]}):
        yield


@lru_cache(maxsize=1)
def _letters() -> frozenset[int]:
    return frozenset(font_manager.get_font(font_manager.findfont(FONT)).get_charmap())


def drawable(names: Sequence[str], fits: Callable[[str], bool] = lambda text: len(text) <= LONGEST) -> list[str]:
    """A text for each name that the font can draw; different names have different texts.

    Args:
        names: as they stand in the file: of any letters, any length, also in no encoding.
        fits: whether a text is short enough.

    Returns:
        Letters that the font lacks, such as emoji, are squares, and the name's place among ``names`` stands before it.
    """
    known = _letters()

    def replaced(name: str) -> str:
        return "".join(letter if ord(letter) in known else STAND_IN for letter in visible(name))

    texts = [replaced(name) for name in names]
    return labels([f"{place}: {text}" if STAND_IN in text else text for place, text in enumerate(texts)], fits)


def legend_columns(texts: Sequence[str], width: float) -> int:
    """In how many columns a legend of ``texts`` fits below a figure of ``width`` inches."""
    return max(1, min(6, int(width / (LETTER * max(map(len, texts)) + SWATCH))))


def legend_height(classes: Sequence[str], width: float) -> float:
    """Inches that ``class_legend`` needs."""
    texts = drawable(classes)
    return LINE * (-(-len(texts) // legend_columns(texts, width)) + 1)


def class_legend(figure: Figure, classes: Sequence[str], colours: Colours) -> None:
    """A legend of the classes below a figure, in as many columns as their names allow."""
    texts = drawable(classes)
    patches = [
        Patch(facecolor=(red / 255, green / 255, blue / 255), edgecolor="#888")
        for red, green, blue in colours[: len(texts)]
    ]
    columns = legend_columns(texts, figure.get_size_inches()[0])
    # Matplotlib leaves out what begins with _, so the names are set afterwards.
    places = [str(place) for place in range(len(texts))]
    legend = figure.legend(patches, places, loc="outside lower center", ncols=columns, frameon=False, fontsize=TEXT)
    for drawn, text in zip(legend.get_texts(), texts, strict=True):
        letter(drawn, text)


def letter(drawn: Text, text: str) -> None:
    """Let a text of a figure be what ``drawable`` gave, letter by letter and in the font that has them."""
    drawn.set(text=text, parse_math=False, usetex=False, fontfamily=FONT)
