"""From any NNI model space to a super-network of NNI's mixed modules, and from that to the found network.

What a space has and we cannot search is refused, by its label.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import torch
from nni.mutable import Categorical, CategoricalMultiple
from nni.nas.nn.pytorch import ModelSpace, MutableModule, ParametrizedModule
from nni.nas.nn.pytorch.base import recursive_freeze
from nni.nas.oneshot.pytorch.supermodule.operation import MixedOperation
from nni.nas.space import ModelStatus, RawFormatModelSpace
from torch import nn

from nas_space.errors import InputError
from strategies.choices import Choice, ChoiceParameters, Choices, Condition
from strategies.composition import Composition
from strategies.mixed_cell import MixedCell
from strategies.mixed_modules import CHOICES, MixedChoice, MixedInput, MixedModule, MixedRepeat
from strategies.mixed_operations import OPERATIONS, ChoicePolicy

Hook = Callable[[nn.Module, str, dict[str, Any], dict[str, Any]], Any]


def check_space(space: ModelSpace, composition: Composition) -> None:
    """Refuse, before anything is changed, a space without choices and options that need a ``JointSpace``.

    Raises:
        InputError: the option, or the label.
    """
    name, leaves = type(space).__name__, space.simplify()
    if not leaves:
        raise InputError(f"space: {name} has no choice to search")
    for label, leaf in leaves.items():
        if not isinstance(leaf, Categorical | CategoricalMultiple):
            kind = type(leaf).__name__
            raise InputError(f"space: {label!r} of {name} is a {kind}; only choices among candidates are searched")
    if space.mutables:
        labels = ", ".join(label for mutable in space.mutables for label in mutable.simplify())
        raise InputError(f"space: {labels!r} is a choice of {name} itself; give it to a module inside")
    if composition.constraint is not None:
        raise InputError(f"constraint: {name} has no table of costs; only a JointSpace is searched within bounds")
    for option, default in (("share_widths", False), ("arch_split", None)):
        if getattr(composition.method, option) != default:
            raise InputError(f"method.{option}: has no meaning on {name}, only on a JointSpace")


def hooks() -> list[Hook]:
    """What NNI calls on every module: the first that returns something replaces it; the last refuses what is left."""
    return [kind.mutate for kind in (MixedCell, MixedChoice, MixedInput, MixedRepeat, *OPERATIONS)]


def hook_arguments(choices: Choices) -> dict[str, Any]:
    """What NNI hands to every hook."""
    return {CHOICES: choices, "mixed_op_sampling": ChoicePolicy}


def refuse_rest(module: nn.Module, name: str, memo: Any, mutate_kwargs: dict[str, Any]) -> bool:
    """The last hook: refuse a module with a choice of its own, and let the others keep their weights.

    Raises:
        InputError: the label of a choice that nobody replaced.
    """
    if isinstance(module, MutableModule) and not isinstance(module, MixedModule | MixedOperation) and module.mutables:
        labels = ", ".join(label for mutable in module.mutables for label in mutable.simplify())
        raise InputError(f"space: {labels!r} of {name} ({type(module).__name__}) cannot be searched")
    if isinstance(module, ParametrizedModule):  # NNI would freeze it to a new one, with new weights
        object.__setattr__(module, "freeze", partial(_freeze_inside, module))
    return True


def _freeze_inside(module: nn.Module, sample: dict[str, Any]) -> nn.Module:
    return recursive_freeze(module, sample, include_root=False)[0]


def attach_parameters(space: ModelSpace, choices: Choices, labels: set[str], parameters: ChoiceParameters) -> None:
    """Give the super-network its architecture parameters, and these the places where each choice is read.

    Args:
        space: the super-network.
        choices: of its mixed modules.
        labels: of the space before.
        parameters: of the choices.

    Raises:
        InputError: a label that no mixed module has taken.
    """
    missing = sorted(labels - choices.labels)
    if missing:
        raise InputError(f"space: {missing[0]!r} of {type(space).__name__} cannot be searched")
    parameters.places = list(_places(space, (), frozenset()))
    space.architecture_parameters = parameters


def _places(
    module: nn.Module, conditions: Sequence[Condition], seen: frozenset[int]
) -> Iterator[tuple[Choice, Sequence[Condition]]]:
    inner: Sequence[tuple[nn.Module, Sequence[Condition]]] = ()
    if isinstance(module, MixedModule):
        yield from ((choice, [*conditions, *own]) for choice, own in module.own_choices())
        inner = module.inner()
    elif isinstance(module, MixedOperation):
        assert isinstance(module.sampling_policy, ChoicePolicy)
        yield from ((choice, conditions) for choice in module.sampling_policy.choices())
    for part, own in inner:
        yield from _places(part, [*conditions, *own], frozenset())
    seen |= {id(part) for part, _ in inner}
    for child in module.children():
        if id(child) not in seen:
            yield from _places(child, conditions, seen)


class FoundNetwork(RawFormatModelSpace):
    """What a search exports: the sample, and the frozen network with the super-network's weights where it has them.

    A space that builds its frozen networks anew (NNI's NDS family) gives new weights.

    Args:
        supernet: the searched space.
        sample: a value for every label.
        evaluator: of the search.
    """

    def __init__(self, supernet: ModelSpace, sample: dict[str, Any], evaluator: Any) -> None:
        super().__init__(supernet, evaluator)
        supernet.validate(sample)
        self.sample = sample
        self.status = ModelStatus.Frozen

    def executable_model(self) -> nn.Module:
        return freeze_network(self.model_space, self.sample)


@torch.no_grad()
def freeze_network(supernet: ModelSpace, sample: dict[str, Any]) -> nn.Module:
    """The network of a sample, with copies of the super-network's weights."""
    parameters = supernet.architecture_parameters
    assert isinstance(parameters, ChoiceParameters)
    hooks = list(supernet._forward_pre_hooks.items())
    # A network has neither logits nor what reads them before a pass, and NNI copies whatever a module holds.
    del supernet.architecture_parameters
    supernet._forward_pre_hooks.clear()
    for choice in parameters.choices.all():
        del choice.parameters
    try:
        return copy.deepcopy(supernet.freeze(sample)).train(supernet.training)
    finally:
        for choice in parameters.choices.all():
            choice.parameters = parameters
        supernet._forward_pre_hooks.update(hooks)
        supernet.architecture_parameters = parameters
