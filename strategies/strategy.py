"""The one-shot strategy: relaxation x regularizer x shrinking on our own super-network, as NNI runs it."""

from collections.abc import Callable, Iterator
from typing import Any

import nni.nas.strategy  # noqa: F401  # first: NNI's circular import leaves its own strategies as stubs otherwise
import torch
from nni.nas.evaluator.pytorch import LightningModule
from nni.nas.nn.pytorch import ModelSpace, Repeat
from nni.nas.oneshot.pytorch.strategy import OneShotStrategy, no_default_hook
from nni.nas.space import RawFormatModelSpace
from torch import nn

from nas_space.space import JointSpace
from strategies.any_space import FoundNetwork, attach_parameters, check_space, hook_arguments, hooks, refuse_rest
from strategies.choices import ChoiceParameters, Choices
from strategies.composition import Composition
from strategies.constraint import Constraint
from strategies.curves import trial_listener
from strategies.levels import LevelParameters
from strategies.method import MethodOptions, Rho
from strategies.parameters import ArchitectureParameters
from strategies.regularizers import Regularizer
from strategies.relaxation import Relaxation
from strategies.schedules import Phases
from strategies.search_module import SearchModule
from strategies.shrinking import Removal, Shrinking
from strategies.supernet import MixedStage


def compose(
    relaxation: Relaxation,
    regularizer: Regularizer,
    shrinking: Shrinking | None,
    method: MethodOptions,
    rho: Rho | None = None,
    phases: Phases | None = None,
    single_level: bool = False,
) -> Composition:
    """The parts of a strategy, checked; arguments as of ``DifferentiableStrategy``.

    Raises:
        InputError: an option of ``method`` is out of range.
    """
    method.check()
    phases = phases or Phases(method.warmup, method.explore, ramp=method.ramp)
    return Composition(relaxation, regularizer, shrinking, method, rho or method.rho, phases, single_level)


class DifferentiableStrategy(OneShotStrategy):
    """A differentiable search, composed of the parts that strategies differ in.

    A ``JointSpace`` has a fast super-network of its own (``strategies/supernet.py``). Any other space becomes one of
    NNI's mixed modules (``strategies/any_space.py``).

    Args:
        relaxation: logits -> probabilities.
        regularizer: what pulls the probabilities towards a vertex.
        shrinking: the rule of removal; None removes nothing.
        method: learning rates and options.
        seed: of the initial logits.
        rho: weight of the regularizer for each level; absent, ``method.rho``.
        phases: when the architecture is trained, and when the regularizer acts; absent, from ``method``.
        single_level: weights and architecture descend one loss on one batch.

    Attributes:
        constraint: bounds on the found network's cost, or None; to be set before the search.
        same_images: whether weights and architecture learn from the same images, so that one batch can serve both where
            nothing is lost by it (``strategies/bilevel.py``); False, to be set before the search.
    """

    def __init__(
        self,
        relaxation: Relaxation,
        regularizer: Regularizer,
        shrinking: Shrinking | None,
        method: MethodOptions,
        seed: int = 0,
        *,
        rho: Rho | None = None,
        phases: Phases | None = None,
        single_level: bool = False,
    ) -> None:
        super().__init__()
        self.composition = compose(relaxation, regularizer, shrinking, method, rho, phases, single_level)
        self.seed = seed
        self._hooks: list[Callable[..., Any]] = []
        self._hook_arguments: dict[str, Any] = {}

    @property
    def removals(self) -> list[Removal]:
        """The candidates that left during the search, in order; to be read when it has run."""
        module = self.oneshot_module
        assert isinstance(module, SearchModule)
        return module.removals

    @property
    def constraint(self) -> Constraint | None:
        return self.composition.constraint

    @constraint.setter
    def constraint(self, constraint: Constraint | None) -> None:
        self.composition.constraint = constraint

    @property
    def same_images(self) -> bool:
        return self.composition.same_images

    @same_images.setter
    def same_images(self, same: bool) -> None:
        self.composition.same_images = same

    def configure_oneshot_module(self, training_module: LightningModule) -> SearchModule:
        return SearchModule(training_module, self.composition)

    def mutate_model(self, model: ModelSpace) -> ModelSpace:
        """Attach the architecture parameters and replace what is searched by mixed modules, in place.

        Raises:
            InputError: what the space has and cannot be searched, by its label.
        """
        mixed = self._mix_joint_space(model) if isinstance(model, JointSpace) else self._mix_any_space(model)
        if self.composition.shrinking is not None:
            self.composition.shrinking.start(mixed.architecture_parameters.alive)
        mixed.register_forward_pre_hook(_refresh)
        return mixed

    def _mix_joint_space(self, model: JointSpace) -> ModelSpace:
        relaxation, method = self.composition.relaxation, self.composition.method
        parameters = ArchitectureParameters(model.config, relaxation, self._generator(), method.share_widths)
        stages = list(model.stages())

        def mix_stage(module: nn.Module, name: str, memo: dict[str, Any], kwargs: dict[str, Any]) -> MixedStage | None:
            is_stage = isinstance(module, Repeat) and module in stages
            return MixedStage(module, stages.index(module), parameters) if is_stage else None

        self._hooks, self._hook_arguments = [mix_stage, no_default_hook], {}
        super().mutate_model(model)
        model.architecture_parameters = parameters
        return model

    def _mix_any_space(self, model: ModelSpace) -> ModelSpace:
        check_space(model, self.composition)
        labels, choices = set(model.simplify()), Choices()
        self._hooks, self._hook_arguments = [*hooks(), refuse_rest], hook_arguments(choices)
        super().mutate_model(model)
        parameters = ChoiceParameters(choices, self.composition.relaxation, self._generator())
        attach_parameters(model, choices, labels, parameters)
        return model

    def _generator(self) -> torch.Generator:
        return torch.Generator().manual_seed(self.seed)

    def default_mutation_hooks(self) -> list[Callable[..., Any]]:
        """What replaces the modules of the space; the last one raises an error if a mutable was not replaced."""
        return self._hooks

    def run_hook(self, hook: Callable[..., Any], name: str, module: nn.Module, memo: dict[str, Any]) -> Any:
        """Call a hook, one of ours or one that the space brings along."""
        return hook(module, name, memo, self._hook_arguments)

    def train_dataloader(
        self, train_dataloader_fn: Callable[[], Any], val_dataloader_fn: Callable[[], Any]
    ) -> dict[str, Any]:
        """Both streams of training images: ``train`` for the weights, ``val`` (NNI's name) for the architecture."""
        return {"train": train_dataloader_fn(), "val": val_dataloader_fn()}

    def val_dataloader(self, train_dataloader_fn: Callable[[], Any], val_dataloader_fn: Callable[[], Any]) -> None:
        """None: Lightning validates nothing; only a callback sees the validation set."""
        return None

    def _run(self) -> None:
        module = self.oneshot_module
        assert isinstance(module, SearchModule)
        if isinstance(self.supernet, JointSpace):  # whose search is told about by experiments/
            return super()._run()
        with trial_listener() as module.listener:
            super()._run()

    def list_models(self, sort: bool = True, limit: int | None = 1) -> Iterator[RawFormatModelSpace]:
        """The found network.

        That of a ``JointSpace`` is frozen from a fresh one: this one has become the super-network. That of another
        space is frozen from the super-network, and has its weights.
        """
        supernet = self.supernet
        if not isinstance(supernet, JointSpace):
            yield FoundNetwork(supernet, self.oneshot_module.export(), self.model_space.evaluator)
            return
        fresh = RawFormatModelSpace(JointSpace(supernet.config, supernet.num_classes), self.model_space.evaluator)
        yield fresh.freeze(self.oneshot_module.export())


def _refresh(space: nn.Module, inputs: tuple[Any, ...]) -> None:
    parameters = space.architecture_parameters
    assert isinstance(parameters, LevelParameters)
    parameters.refresh()
