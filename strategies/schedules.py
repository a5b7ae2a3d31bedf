"""Schedules as pure functions of a search's progress in [0, 1): independent of the number of epochs."""


def rho_scale(progress: float, warmup: float, explore: float) -> float:
    """Factor on the regularizer's weights: 0 during warm-up and exploration, then 1.

    Args:
        progress: finished part of the search, in [0, 1).
        warmup: part of the search in which only the weights are trained.
        explore: part of the search, after the warm-up, in which the architecture follows the task loss alone.
    """
    return 0.0 if progress < warmup + explore else 1.0


def poly(progress: float, power: float = 0.9) -> float:
    """Factor on a learning rate, ``(1 - progress)^power`` (specification, section 5.1)."""
    return (1.0 - progress) ** power
