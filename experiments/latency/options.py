"""What a latency table is measured for, as options of the commands. No torch."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from experiments.options.groups import SpaceOptions, parse_size
from experiments.runtime.interface import Interface
from nas_space.config import check_size
from nas_space.errors import InputError

if TYPE_CHECKING:
    from experiments.latency.cache import Wanted


@dataclass(kw_only=True)
class TableOptions:
    """What a table is measured for.

    Args:
        space: the space; all its operators and widths are measured, searched or not.
        size: image size HEIGHTxWIDTH in pixels.
        classes: classes of the segmentation.
        head: of the networks: aggregation, or that of a search (encoder, fusion), which is the default.
        pixels: the exported files take images as they are read, and normalise them inside.
        resize: they give logits, or classes, at the image's size.
        argmax: they give class indices instead of logits.
    """

    space: SpaceOptions = field(default_factory=SpaceOptions)
    size: str = "96x128"
    classes: int = 9
    head: str | None = None
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

        space, size = self.space.resolve(), parse_size(self.size)
        check_size("size", size, len(space.widths))
        head = space.head_named(self.head)
        for key, value in (("classes", self.classes), ("threads", threads)):
            if value < 1:
                raise InputError(f"{key}: {value} must be at least 1")
        check_clock(engine, precision)
        interface = Interface(self.pixels, self.resize, self.argmax)
        return Wanted(space, size, self.classes, engine, precision, threads, head, interface)
