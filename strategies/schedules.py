"""Schedules as pure functions of a search's progress in [0, 1): independent of the number of epochs."""


def rho_scale(progress: float, warmup: float, ramp: float) -> float:
    """Factor on the regularizer's weights: 0 during the warm-up, then rising linearly to 1 over ``ramp`` of the search.

    Args:
        progress: finished part of the search, in [0, 1).
        warmup: part of the search in which only the weights are trained.
        ramp: part of the search over which the factor rises; 0 for at once.
    """
    if progress < warmup:
        return 0.0
    return 1.0 if ramp <= 0 else min(1.0, (progress - warmup) / ramp)


def poly(progress: float, power: float = 0.9) -> float:
    """Factor on a learning rate, ``(1 - progress)^power`` (specification, section 5.1)."""
    return (1.0 - progress) ** power
