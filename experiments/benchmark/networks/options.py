"""Options of the commands that measure networks side by side. No torch."""

from dataclasses import dataclass


@dataclass
class Baselines:
    """Where the reference networks come from.

    Args:
        preset: space of baseline1 and baseline2: compact, paper or pyramid; absent, that of the first network
            that has one, or paper.
    """

    preset: str | None = None
