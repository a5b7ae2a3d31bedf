"""Running it on something real: data, training, the commands, and what a run leaves on disk.

Nothing is imported before it is asked for: an application that runs an exported network loads neither torch nor NNI.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from experiments.runtime.segmenter import Segmenter

__all__ = ["Segmenter"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name == "Segmenter":
        from experiments.runtime.segmenter import Segmenter

        return Segmenter
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
