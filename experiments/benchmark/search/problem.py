"""What both sides of a benchmark search on."""

from dataclasses import asdict, dataclass
from typing import Any

from nas_space.config import SpaceConfig

OUT_OF_MEMORY = "out of memory"
"""Error of a child whose side needs more memory than the machine has."""


@dataclass(frozen=True)
class Problem:
    """What is searched on.

    Args:
        space: the space.
        size: image height and width, in pixels.
        batch: images a batch; a bi-level iteration takes two.
        classes: of the segmentation.
        precision: ``32`` or ``bf16``.
        device: ``cpu`` or ``cuda``.
        seed: of weights, batches and survivors.
    """

    space: SpaceConfig
    size: tuple[int, int]
    batch: int
    classes: int
    precision: str
    device: str
    seed: int

    def to_json(self) -> dict[str, Any]:
        """Plain values, for ``from_json``."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Problem":
        """Inverse of ``to_json``, also for the lists that JSON makes of tuples."""
        return cls(**{**values, "space": SpaceConfig.from_dict(values["space"]), "size": tuple(values["size"])})
