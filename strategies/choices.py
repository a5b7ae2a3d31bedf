"""The choices of any NNI model space, as rows of the three levels, in the order in which they appear in the space.

A ``Repeat``'s depth belongs to the level depth, a value of an operation's argument to the level width, everything else
to the level operator. Choices with the same label are one choice.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from itertools import product
from typing import Any

import torch
from nni.mutable import Categorical, MutableExpression
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from nas_space.errors import InputError
from strategies.alive import LEVELS, Alive
from strategies.levels import Labels, LevelParameters
from strategies.relaxation import Relaxation

MOST_COMBINATIONS = 10_000
"""Of the candidates that an expression depends on: every pass of a search adds them all up."""

Best = Callable[["Choice"], int]
"""From a choice to the place of its most probable candidate."""


@dataclass(eq=False)
class Choice:
    """One choice: a row of a level.

    Args:
        level: ``depth``, ``operator`` or ``width``.
        label: of NNI.
        values: its candidates.
        row: in the level.
        narrows: whether every operation of this width can be narrowed.
    """

    level: str
    label: str
    values: tuple[Any, ...]
    row: int
    narrows: bool = True
    survivors: list[int] = field(init=False)
    parameters: "ChoiceParameters" = field(init=False)

    def __post_init__(self) -> None:
        self.survivors = list(range(len(self.values)))

    def weights(self) -> tuple[Tensor, ...]:
        """Mixing weights of all candidates, scalars; 0 for dead ones, 1 for the only survivor."""
        return self.parameters.weights(self)

    def alive_weights(self) -> list[Tensor]:
        """Mixing weights of the survivors, scalars."""
        weights = self.weights()
        return [weights[k] for k in self.survivors]


class Choices:
    """Collects the choices while a space becomes a super-network."""

    def __init__(self) -> None:
        self.rows: dict[str, list[Choice]] = {level: [] for level in LEVELS}
        self._by_label: dict[str, Choice] = {}
        self._exports: dict[str, Callable[[Best], Any]] = {}

    def add(self, level: str, label: str, values: Sequence[Any], *, is_label: bool = True) -> Choice:
        """The choice called ``label``, a new one or the one that another module has added.

        Args:
            level: of a new one.
            label: of NNI.
            values: its candidates.
            is_label: a sample has this label, and one of ``values`` under it.

        Raises:
            InputError: another module gives the label other candidates.
        """
        label = str(label)  # NNI's is a class of its own, which a checkpoint of plain values does not take
        if label not in self._by_label:
            rows = self.rows[level]
            choice = self._by_label[label] = Choice(level, label, tuple(values), len(rows))
            rows.append(choice)
            if is_label:
                self.export(label, lambda best: choice.values[best(choice)])
        found = self._by_label[label]
        if found.values != tuple(values):
            raise InputError(f"space: {label!r} names two choices, {list(found.values)} and {list(values)}; rename one")
        return found

    def export(self, label: str, value: Callable[[Best], Any]) -> None:
        """What a sample has under ``label``, computed from the most probable candidates."""
        self._exports.setdefault(str(label), value)

    def all(self) -> Iterable[Choice]:
        """Every choice, level by level."""
        return (choice for rows in self.rows.values() for choice in rows)

    @property
    def labels(self) -> set[str]:
        """The labels of a sample."""
        return set(self._exports)

    def sample(self, best: Best) -> dict[str, Any]:
        """A sample with a value for every label."""
        return {label: value(best) for label, value in self._exports.items()}


def leaves_of(expression: MutableExpression) -> dict[str, Categorical]:
    """The choices that an expression depends on, by their labels.

    Raises:
        InputError: one is no choice among finitely many values, or there are too many combinations.
    """
    leaves = expression.simplify()
    for label, leaf in leaves.items():
        if not isinstance(leaf, Categorical):
            raise InputError(f"space: {label!r} is a {type(leaf).__name__}; only choices among values are searched")
    count = math.prod(len(leaf.values) for leaf in leaves.values())
    if count > MOST_COMBINATIONS:
        what = f"{count:,} combinations of {len(leaves)} choices, {next(iter(leaves))!r} first"
        raise InputError(f"space: an argument has {what}; at most {MOST_COMBINATIONS:,} are searched")
    return dict(leaves)


class Values:
    """The values that an expression of choices may have, each with its weight.

    Args:
        expression: of NNI's choices, or a choice itself.
        choices: takes the choices in.
        level: of a new one.

    Raises:
        InputError: a part of it is no choice among finitely many values.
    """

    def __init__(self, expression: MutableExpression, choices: Choices, level: str) -> None:
        leaves = leaves_of(expression)
        self.choices = [choices.add(level, label, leaf.values) for label, leaf in leaves.items()]
        self._combinations: list[tuple[Any, tuple[int, ...]]] = []
        for places in product(*(range(len(choice.values)) for choice in self.choices)):
            sample = {c.label: c.values[k] for c, k in zip(self.choices, places, strict=True)}
            self._combinations.append((expression.freeze(sample), places))

    def alive(self) -> list[Any]:
        """The values that are left, each once, ascending."""
        return self.given({choice: choice.survivors for choice in self.choices})

    def all(self) -> list[Any]:
        """The values of the whole space, each once, ascending."""
        return sorted({value for value, _ in self._combinations})

    def given(self, survivors: Mapping[Choice, Sequence[int]]) -> list[Any]:
        """The values that these candidates of the choices leave."""
        left = [survivors[choice] for choice in self.choices]
        return sorted({value for value, places in self._combinations if _within(places, left)})

    def weights(self) -> dict[Any, Tensor]:
        """The weight of every value that is left: of its combinations of candidates, the sum of products."""
        rows, left = [choice.weights() for choice in self.choices], [choice.survivors for choice in self.choices]
        found: dict[Any, Tensor] = {}
        for value, places in self._combinations:
            if _within(places, left):
                weight = reduce(torch.mul, [row[place] for row, place in zip(rows, places, strict=True)])
                found[value] = found[value] + weight if value in found else weight
        return dict(sorted(found.items()))


def _within(places: Sequence[int], left: Sequence[Sequence[int]]) -> bool:
    return all(place in survivors for place, survivors in zip(places, left, strict=True))


Condition = Callable[[Mapping[Choice, Sequence[int]]], bool]
"""Whether a place of the super-network can be reached, from the places of each choice's survivors."""


class ChoiceParameters(LevelParameters):
    """alpha (depth), beta (operator) and gamma (width) of any space: a row for each choice.

    Args:
        choices: of the space, complete.
        relaxation: logits -> probabilities.
        generator: source of the initial logits.

    Shape:
        Each level ``(choices, candidates)``; what fills up a row with fewer candidates is never alive.
    """

    def __init__(self, choices: Choices, relaxation: Relaxation, generator: torch.Generator | None = None) -> None:
        super().__init__(Alive(*map(_full, choices.rows.values())), relaxation, generator)
        self.choices = choices
        self.places: list[tuple[Choice, Sequence[Condition]]] = []
        for choice in self.choices.all():
            choice.parameters = self
        self._weights: dict[str, tuple[Tensor, ...]] = {}

    def refresh(self) -> None:
        with torch.autocast(self.alive_depth.device.type, enabled=False):
            for level, logits, alive in zip(LEVELS, self.logits(), self.alive, strict=True):
                weights = self.mixing_weights(logits, alive)
                single = alive & (alive.sum(-1, keepdim=True) == 1)  # nothing is mixed there
                self._weights[level] = torch.where(single, 1.0, weights).unbind()

    def forget(self) -> None:
        self._weights = {}

    def weights(self, choice: Choice) -> tuple[Tensor, ...]:
        """Mixing weights of a choice's candidates, as of the last ``refresh``."""
        if not self._weights:  # a part of the network is called by itself
            self.refresh()
        return self._weights[choice.level][choice.row].unbind()

    def set_alive(self, alive: Alive) -> None:
        super().set_alive(alive)
        for choice, survivors in self._survivors(alive).items():
            choice.survivors = survivors

    def _survivors(self, alive: Alive) -> dict[Choice, list[int]]:
        masks = {level: mask.tolist() for level, mask in zip(LEVELS, alive, strict=True)}
        return {c: [k for k, left in enumerate(masks[c.level][c.row]) if left] for c in self.choices.all()}

    def cascade(self, alive: Alive) -> Alive:
        """Remove the choices inside of candidates, layers and inputs that are gone."""
        left, after = self._survivors(alive), alive.clone()
        reached = {choice for choice, conditions in self.places if all(condition(left) for condition in conditions)}
        for choice in self.choices.all():
            if choice not in reached:
                after[LEVELS.index(choice.level)][choice.row] = False
        return after

    def labels(self) -> Labels:
        return {
            level: [(c.label, str(value), (c.row, k)) for c in rows for k, value in enumerate(c.values)]
            for level, rows in self.choices.rows.items()
        }

    def sample(self) -> dict[str, Any]:
        best = {level: ratio.argmax(-1).tolist() for level, ratio in zip(LEVELS, self.ratios(), strict=True)}
        return self.choices.sample(lambda choice: best[choice.level][choice.row])


def _full(rows: Sequence[Choice]) -> Tensor:
    if not rows:
        return torch.zeros(0, 1, dtype=torch.bool)
    return pad_sequence([torch.ones(len(choice.values)) for choice in rows], batch_first=True).bool()
