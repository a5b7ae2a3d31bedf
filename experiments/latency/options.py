"""What a latency table is measured for, as options of the commands. No torch."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, get_args

from experiments.options.groups import SpaceOptions, parse_size
from experiments.runtime.interface import Interface
from nas_space.config import Head
from nas_space.errors import InputError

if TYPE_CHECKING:
    from experiments.latency.cache import Wanted

HEADS: tuple[Head, ...] = get_args(Head)


@dataclass(kw_only=True)
class TableOptions:
    """What a table is measured for.

    Args:
        space: the space; all its operators and widths are measured, searched or not.
        size: image size HEIGHTxWIDTH in pixels.
        classes: classes of the segmentation.
        head: of the networks: encoder, or aggregation for the aggregation block.
        pixels: the exported files take images as they are read, and normalise them inside.
        resize: they give logits, or classes, at the image's size.
        argmax: they give class indices instead of logits.
    """

    space: SpaceOptions = field(default_factory=SpaceOptions)
    size: str = "96x128"
    classes: int = 9
    head: str = "encoder"
    pixels: bool = False
    resize: bool = False
    argmax: bool = False

    def wanted(self, engine: str, precision: str, threads: int) -> "Wanted":
        """The table that is wanted.

        Raises:
            InputError: a value that makes none, or an engine that is not installed.
        """
        from experiments.latency.build import check_clock
        from experiments.latency.cache import Wanted

        head = next((head for head in HEADS if head == self.head), None)
        if head is None:
            raise InputError(f"head: unknown {self.head!r}; choose from {', '.join(HEADS)}")
        for key, value in (("classes", self.classes), ("threads", threads)):
            if value < 1:
                raise InputError(f"{key}: {value} must be at least 1")
        check_clock(engine, precision)
        interface = Interface(self.pixels, self.resize, self.argmax)
        of_space = (self.space.resolve(), parse_size(self.size), self.classes)
        return Wanted(*of_space, engine, precision, threads, head, interface)
