"""What a plan of a fit is made from: the data, the speeds that were measured, and what the user has said. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Line:
    """Seconds, or milliseconds, as a straight line over the pixels of an image."""

    fixed: float
    per_pixel: float

    def at(self, size: tuple[int, int]) -> float:
        """The value for images of this height and width."""
        return self.fixed + self.per_pixel * size[0] * size[1]


def line(measured: Mapping[tuple[int, int], float]) -> Line:
    """The line through one measurement (and zero) or two; it never falls, and is nowhere negative."""
    points = sorted((height * width, value) for (height, width), value in measured.items())
    (few, low), (many, high) = points[0], points[-1]
    if many == few or high <= low:
        return Line(0.0, high / many) if many == few else Line(low, 0.0)
    slope = (high - low) / (many - few)
    return Line(low - slope * few, slope) if slope * few <= low else Line(0.0, high / many)


@dataclass(frozen=True)
class Facts:
    """What is known before the plan.

    Args:
        train: training images.
        val: validation images.
        side: median height and width of the photos.
        classes: of the data set.
        read_s: seconds to read one photo with its label.
        search_steps: least steps of a search.
    """

    train: int
    val: int
    side: tuple[int, int]
    classes: int
    read_s: float
    search_steps: int


@dataclass(frozen=True)
class Speeds:
    """What was measured on this machine with this data.

    Args:
        search: preset -> seconds of a first step of a search.
        train: preset -> head -> seconds of a step of a training.
        fastest: preset -> head of the finished network -> milliseconds of the fastest network.
        slowest: the same of the slowest.
    """

    search: Mapping[str, Line]
    train: Mapping[str, Mapping[str, Line]]
    fastest: Mapping[str, Mapping[str, Line]]
    slowest: Mapping[str, Mapping[str, Line]]

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "Speeds":
        """Inverse of ``asdict``."""
        inner = {
            key: {preset: {head: Line(**one) for head, one in lines.items()} for preset, lines in content[key].items()}
            for key in ("train", "fastest", "slowest")
        }
        return cls({preset: Line(**one) for preset, one in content["search"].items()}, **inner)


@dataclass(frozen=True)
class Wishes:
    """What the user has said; None leaves it to the plan.

    ``trials_at_once`` is how many searches or trainings run at a time where each is a trial of NNI; 0 where none is.
    """

    targets: Sequence[float]
    hand_made: int
    batch: int
    size: tuple[int, int] | None = None
    stages: Sequence[str] | None = None
    searches: int | None = None
    search_epochs: int | None = None
    race_epochs: int | None = None
    train_epochs: int | None = None
    init: str = "search"
    trials_at_once: int = 0
