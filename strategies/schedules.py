"""Schedules as pure functions of a search's progress in [0, 1): independent of the number of epochs."""

from dataclasses import dataclass

RAMP_START = 1e-4  # factor on rho where a ramp begins: so small that the task decides on every level


@dataclass(frozen=True)
class Phases:
    """When the architecture is trained, and when the regularizer acts.

    A search of several stages goes through the same phases in each of them.

    Args:
        warmup: part of a stage in which only the weights are trained.
        explore: part of a stage, after the warm-up, in which the architecture follows the task's loss alone.
        stages: equal parts of the search.
        ramp: part of a stage, after the exploration, over which the regularizer rises to its full weight.
    """

    warmup: float
    explore: float = 0.0
    stages: int = 1
    ramp: float = 0.0

    def within(self, progress: float) -> float:
        """The finished part of the current stage, in [0, 1)."""
        # Rounded, because 1/3 of a search is the end of a stage, not just before it, and 1.4 % 1.0 is less than 0.4.
        return round(round(progress * self.stages, 9) % 1.0, 9)

    def trains_architecture(self, progress: float) -> bool:
        """Whether the warm-up is over."""
        return self.within(progress) >= round(self.warmup, 9)

    def rho_scale(self, progress: float) -> float:
        """Factor on the regularizer's weights: 0 at first, then 1, or a geometric rise from ``RAMP_START`` to 1.

        It is 0 in warm-up and exploration. The rise is geometric because the task's gradients differ by orders of
        magnitude between the levels: on each level both forces are equal at some time.
        """
        within, start = self.within(progress), round(self.warmup + self.explore, 9)
        if within < start:
            return 0.0
        if within >= round(start + self.ramp, 9):
            return 1.0
        return float(RAMP_START ** (1.0 - (within - start) / self.ramp))


def decision_times(warmup: float, decisions: int) -> list[float]:
    """Progress at which each of ``decisions`` decisions falls, evenly between warm-up and end, excluding both.

    Thirteen of them after a warm-up of 0.2 fall every 11 of 200 epochs, at the ends of epochs 52 to 189 (SGAS in the
    SSR paper).
    """
    return [round(warmup + (1.0 - warmup) * k / (decisions + 1), 9) for k in range(1, decisions + 1)]


def poly(progress: float, power: float = 0.9) -> float:
    """Factor on a learning rate: ``(1 - progress)^power``."""
    return (1.0 - progress) ** power
