"""Whether a search has too few steps or epochs for what its strategy does in them, and how many would do."""

from dataclasses import dataclass

from experiments.runs.tables import counted
from experiments.search.options import SearchOptions
from experiments.training.few_steps import FEWEST, epochs_for
from strategies.composition import Composition
from strategies.forced import Decisions, Stages
from strategies.method import LAST
from strategies.relaxation import UniformAtFirst
from strategies.shrinking import LevelThreshold
from strategies.staggered import Staggered

DECIDED = 7.5
"""Learning rates times steps with the regularizer's full weight, before a threshold has decided every choice.

Adam moves a logit by its learning rate in a step at most. Measured: on street scenes and CamVid, in the compact and in
the paper's space, searches with learning rates from 0.02 to 0.1 took this much or more.
"""
DECIDED_AFTER_EQUAL_PARTS = 6.0
"""The same where candidates were mixed in equal parts before (``method.uniform``): their logits lie apart by then.

Measured: 1.7 to 5.3 in eight searches on street scenes, at 0.02.
"""
TOLD_APART = 1.0
"""The same, before one candidate can be e times as probable as another."""


@dataclass(frozen=True)
class Need:
    """What a search needs.

    Args:
        steps: of the whole search.
        epochs: of the whole search, however many steps each has.
        why: ends a sentence that begins with what is too few.
    """

    steps: float
    epochs: int
    why: str


def need_of(composition: Composition, layers: int, operators: int) -> Need:
    """What a differentiable strategy of ours needs.

    Args:
        composition: the strategy's parts.
        layers: of the super-network.
        operators: candidates of each layer; with one, no layer has a turn.
    """
    phases, shrinking, lr = composition.phases, composition.shrinking, composition.method.lr
    trains = 1.0 - phases.warmup
    relaxation = composition.relaxation
    apart = isinstance(relaxation, UniformAtFirst) and relaxation.until > 0.0
    learned = DECIDED_AFTER_EQUAL_PARTS if apart else DECIDED
    steps = TOLD_APART / (lr * trains) if lr else 0.0
    if isinstance(shrinking, Staggered) and operators > 1:
        turns = 1.0 - LAST - phases.warmup - phases.explore
        decided = learned / (lr * LAST) if lr else 0.0
        epochs = epochs_for(layers / max(turns, 1e-3), 1)
        return Need(decided, epochs, f"to decide {layers} layers, one an epoch, and then depth and width")
    if isinstance(shrinking, LevelThreshold):
        acts = max(trains - phases.explore - phases.ramp / 2, 1e-3)
        decided = learned / (lr * acts) if lr else 0.0
        return Need(decided, 1, "to decide every choice; what is left in the end is cut")
    if isinstance(shrinking, Stages):
        stages = len(shrinking.shares)
        return Need(stages * steps, stages, f"for {stages} stages, each with a warm-up, that end with an epoch")
    if isinstance(shrinking, Decisions):
        epochs = epochs_for((layers + 1) / (1.0 - shrinking.warmup), 1)
        return Need(steps, epochs, f"for {layers} decisions, one an epoch after the warm-up")
    return Need(steps, 1, f"to tell candidates apart: each moves a logit by method.lr {lr:g} at most")


def few_search_steps(options: SearchOptions, batches: int, need: Need) -> str | None:
    """What to tell about a differentiable search, or None.

    Args:
        options: of the search.
        batches: steps of an epoch.
        need: of its strategy.
    """
    enough = max(epochs_for(max(need.steps, FEWEST), batches), need.epochs)
    if options.epochs >= enough:
        return None
    given = f"{counted(options.epochs * batches, 'step')} ({counted(options.epochs, 'epoch')} of {batches})"
    why = need.why if need.steps >= FEWEST or options.epochs < need.epochs else "to train its weights"
    return f"{given} are too few for {options.strategy} {why}; {counted(enough, 'epoch')} would do"


def few_trial_steps(options: SearchOptions, batches: int, epochs: int) -> str | None:
    """What to tell about a search that trains sampled networks one by one, or None.

    Args:
        options: of the search.
        batches: steps of an epoch of one network.
        epochs: of each network.
    """
    if epochs * batches >= FEWEST:
        return None
    enough = -(-epochs_for(FEWEST, batches) * options.method.samples // 2)  # a search of E epochs makes 2 E passes
    given = f"{counted(epochs * batches, 'step')} for each of {options.method.samples} networks"
    return f"{given} are too few to tell them apart; {counted(enough, 'epoch')} would do, or a smaller --method.samples"
