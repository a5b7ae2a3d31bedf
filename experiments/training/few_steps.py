"""Whether a training or a search has too few steps to end well: told before the first one, and never refused."""

import math
import sys
from collections.abc import Sequence

from experiments.runs.tables import counted
from experiments.training.recipe import RetrainOptions, Stage

FEWEST = 100
"""Steps below which a score says little: after 44 of them a batch norm's averages still hold 1 % of their start."""


def warn(message: str | None) -> None:
    """Print a warning, in one line on standard error."""
    if message is not None:
        print(f"warning: {message}", file=sys.stderr, flush=True)


def epochs_for(steps: float, batches: int) -> int:
    """How many epochs of ``batches`` steps give at least so many steps."""
    return max(math.ceil(round(steps / batches, 9)), 1)


def few_training_steps(options: RetrainOptions, stages: Sequence[Stage], batches: int) -> str | None:
    """What to tell about a training from scratch, or None.

    Args:
        options: of the training.
        stages: of the training; all have the same number of epochs.
        batches: steps of an epoch.
    """
    epochs = stages[0].epochs
    if epochs * batches >= FEWEST:
        return None
    verb = "is" if epochs * batches == 1 else "are"
    each = " in each stage" if len(stages) > 1 else ""
    steps = f"{counted(epochs * batches, 'step')}{each} (epochs of {batches}) {verb} too few to train a network"
    times = epochs // options.epochs  # a peer has the epochs of all stages
    return f"{steps}; {counted(-(-epochs_for(FEWEST, batches) // times), 'epoch')} would do"
