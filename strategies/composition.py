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
    """One strategy as the sum of its parts; ``DifferentiableStrategy`` says what each part is.

    ``constraint`` and ``same_images`` are what a search sets before it begins.
    """

    relaxation: Relaxation
    regularizer: Regularizer
    shrinking: Shrinking | None
    method: MethodOptions
    rho: Rho
    phases: Phases
    single_level: bool = False
    constraint: Constraint | None = None
    same_images: bool = False
