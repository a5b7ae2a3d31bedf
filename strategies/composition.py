"""What a differentiable strategy is made of."""

from dataclasses import dataclass

from strategies.constraint import Constraint
from strategies.method import MethodOptions, Rho
from strategies.regularizers import Regularizer
from strategies.relaxation import Relaxation
from strategies.schedules import Phases
from strategies.shrinking import Shrinking


@dataclass
class Composition:
    """One strategy as the sum of its parts.

    Args:
        relaxation: logits -> probabilities.
        regularizer: what pulls the probabilities towards a vertex.
        shrinking: the rule of removal; None removes nothing.
        method: learning rates and options.
        rho: weight of the regularizer for each level.
        phases: when the architecture is trained, and when the regularizer acts.
        single_level: weights and architecture descend one loss on one batch, instead of one stream each.
        constraint: bounds on the found network's cost; None for none.
    """

    relaxation: Relaxation
    regularizer: Regularizer
    shrinking: Shrinking | None
    method: MethodOptions
    rho: Rho
    phases: Phases
    single_level: bool = False
    constraint: Constraint | None = None
