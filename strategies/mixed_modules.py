"""NNI's mixed layers, inputs and repeats, whose weights come from our choices and whose dead candidates are gone.

What is mixed and how is NNI's (``nni.nas.oneshot.pytorch.supermodule.differentiable``). Here a dead candidate is not
called and its module is deleted, and a decided choice mixes nothing: the super-network then computes what the frozen
network computes. A depth of 0 counts as any other (NNI drops it).
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from nni.mutable import Mutable
from nni.nas.nn.pytorch import InputChoice, LayerChoice, Repeat
from nni.nas.oneshot.pytorch.supermodule.base import BaseSuperNetModule
from nni.nas.oneshot.pytorch.supermodule.differentiable import (
    DifferentiableMixedInput,
    DifferentiableMixedLayer,
    DifferentiableMixedRepeat,
)
from torch import Tensor, nn

from nas_space.errors import InputError
from strategies.alive import Alive
from strategies.choices import Choice, Choices, Condition, Values
from strategies.narrowing import ParameterChanges

CHOICES = "choices"
"""Under this key NNI hands our ``Choices`` to what replaces a module."""


class MixedModule(BaseSuperNetModule):
    """What NNI asks of a super-net module, for modules whose probabilities are kept in one place for all."""

    def resample(self, memo: dict[str, Any]) -> dict[str, Any]:
        """Nothing is sampled in a differentiable search."""
        return {}

    def export(self, memo: dict[str, Any]) -> dict[str, Any]:
        """Nothing: the search module exports all choices at once."""
        return {}

    def export_probs(self, memo: dict[str, Any]) -> dict[str, Any]:
        """Nothing: the search module exports all choices at once."""
        return {}

    def own_choices(self) -> Sequence[tuple[Choice, Sequence[Condition]]]:
        """The choices that the module reads, and what must be alive in it that it does."""
        raise NotImplementedError

    def inner(self) -> Sequence[tuple[nn.Module, Sequence[Condition]]]:
        """The modules in it that the found network may lack, and what must be alive that it has them."""
        return ()

    def shrink(self, alive: Alive, changes: ParameterChanges) -> None:
        """Delete what is dead; the choices have adopted ``alive`` before."""


class MixedChoice(MixedModule, DifferentiableMixedLayer):
    """A ``LayerChoice``: the weighted sum of the candidates that are left."""

    names: list[Any]

    def __init__(self, layer: LayerChoice, choices: Choices) -> None:
        LayerChoice.__init__(self, layer.candidates, label=layer.label)
        self.candidate_names = tuple(self.names)
        self.options = choices.add("operator", layer.label, self.candidate_names)

    @classmethod
    def mutate(cls, module: nn.Module, name: str, memo: Any, mutate_kwargs: dict[str, Any]) -> "MixedChoice | None":
        return cls(module, mutate_kwargs[CHOICES]) if type(module) is LayerChoice else None

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        survivors = self.options.survivors
        results = [self[self.candidate_names[k]](*args, **kwargs) for k in survivors]
        return results[0] if len(survivors) == 1 else self._reduction(results, self.options.alive_weights())

    def own_choices(self) -> Sequence[tuple[Choice, Sequence[Condition]]]:
        return [(self.options, ())]

    def inner(self) -> Sequence[tuple[nn.Module, Sequence[Condition]]]:
        return [(self[name], [partial(has, self.options, k)]) for k, name in enumerate(self.candidate_names)]

    def shrink(self, alive: Alive, changes: ParameterChanges) -> None:
        for k, name in enumerate(self.candidate_names):
            if k not in self.options.survivors and name in self.names:
                changes.delete(self[name])
                delattr(self, str(name))
                self.names = [left for left in self.names if left != name]


class MixedInput(MixedModule, DifferentiableMixedInput):
    """An ``InputChoice`` of one input: the weighted sum of the inputs that are left."""

    def __init__(self, choice: InputChoice, choices: Choices) -> None:
        InputChoice.__init__(self, choice.n_candidates, choice.n_chosen, choice.reduction, label=choice.label)
        if choice.n_chosen != 1 or choice.reduction == "none":
            what = "a list" if choice.reduction == "none" else f"{choice.n_chosen or 'any number'} of its inputs"
            raise InputError(f"space: InputChoice {choice.label!r} takes {what}; only n_chosen=1 is searched")
        self.options = options = choices.add("operator", self.label, range(choice.n_candidates), is_label=False)
        choices.export(self.label, lambda best: [best(options)])

    @classmethod
    def mutate(cls, module: nn.Module, name: str, memo: Any, mutate_kwargs: dict[str, Any]) -> "MixedInput | None":
        return cls(module, mutate_kwargs[CHOICES]) if type(module) is InputChoice else None

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        survivors = self.options.survivors
        results = [inputs[k] for k in survivors]
        return results[0] if len(survivors) == 1 else self._reduction(results, self.options.alive_weights())

    def own_choices(self) -> Sequence[tuple[Choice, Sequence[Condition]]]:
        return [(self.options, ())]


class MixedRepeat(MixedModule, DifferentiableMixedRepeat):
    """A ``Repeat`` of searched depth: the weighted sum of the outputs at the depths that are left.

    NNI's ``NDSStage`` brings a module that aligns the first of two outputs at depth 1.
    """

    def __init__(self, repeat: Repeat, choices: Choices) -> None:
        Repeat.__init__(self, list(repeat.blocks), repeat.depth_choice)
        self.depths = Values(repeat.depth_choice, choices, "depth")
        align = getattr(repeat, "first_cell_transformation_factory", None)
        self.align: nn.Module | None = None if align is None or 1 not in self.depths.all() else align()

    @classmethod
    def mutate(cls, module: nn.Module, name: str, memo: Any, mutate_kwargs: dict[str, Any]) -> "MixedRepeat | None":
        known = type(module) is Repeat or hasattr(module, "first_cell_transformation_factory")
        if known and isinstance(module, Repeat) and isinstance(module.depth_choice, Mutable):
            return cls(module, mutate_kwargs[CHOICES])
        return None

    def forward(self, x: Any) -> Any:
        depths, results = self.depths.alive(), []
        for depth in range(depths[-1] + 1):
            if depth > 0:
                x = self.blocks[depth - 1](x)
            if depth in depths:
                results.append([self.align(x[0]), *x[1:]] if depth == 1 and self.align is not None else x)
        if len(depths) == 1:
            return results[0]
        return self._reduction(results, list(self.depths.weights().values()), depths)

    def own_choices(self) -> Sequence[tuple[Choice, Sequence[Condition]]]:
        return [(choice, ()) for choice in self.depths.choices]

    def inner(self) -> Sequence[tuple[nn.Module, Sequence[Condition]]]:
        return [(block, [partial(_reaches, self.depths, i)]) for i, block in enumerate(self.blocks, start=1)]

    def shrink(self, alive: Alive, changes: ParameterChanges) -> None:
        left = self.depths.alive()
        for block in list(self.blocks)[left[-1] if left else 0 :]:
            changes.delete(block)
        del self.blocks[left[-1] if left else 0 :]


def has(choice: Choice, candidate: int, survivors: Mapping[Choice, Sequence[int]]) -> bool:
    """Whether a candidate of a choice is left: a condition, once the first two arguments are bound."""
    return candidate in survivors[choice]


def _reaches(depths: Values, block: int, survivors: Any) -> bool:
    return any(depth >= block for depth in depths.given(survivors))
