"""What a format's writer is told, and what its reader returns. No torch."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from experiments.runtime.description import Description
from experiments.runtime.engines import Array
from experiments.runtime.interface import Interface

if TYPE_CHECKING:
    from nas_space.lowering import Lowering


@dataclass(frozen=True)
class ExportSettings:
    """How a network is written.

    Args:
        size: height and width of the images; with ``dynamic``, those of the example that the network is traced with.
        dynamic: take any number of images of any size; otherwise one image of ``size``.
        interface: what else lies inside the graph.
        lowering: the form of partial residuals.
        metadata: what the file says of itself.
        smallest_side: least height and width of an image that the network is made for, in pixels.
    """

    size: tuple[int, int]
    dynamic: bool = False
    interface: Interface = Interface()
    lowering: "Lowering" = "zeros"
    metadata: Mapping[str, str] = field(default_factory=dict)
    smallest_side: int = 32

    @classmethod
    def of(cls, description: Description) -> "ExportSettings":
        """The settings that write what ``description`` says."""
        lowering: Any = description.lowering  # text in a file
        metadata, least = description.metadata(), description.smallest_side
        return cls(description.size, description.dynamic, description.interface, lowering, metadata, least)


class ExportError(RuntimeError):
    """The exported file is not the network; nothing of it is kept."""


class Answer(NamedTuple):
    """What a file gives for an image.

    Args:
        output: its output.
        logits: what its classes are taken from; the output itself where it gives logits.
    """

    output: Array
    logits: Array


FileRunner = Callable[[Array], Answer]  # a file that is open: an image as its interface says -> what the file gives
CalibrationImages = Sequence[Array]  # one image each, as the file takes them
