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
from strategies.composition import Composition
from strategies.constraint import Constraint
from strategies.method import MethodOptions, Rho
from strategies.parameters import ArchitectureParameters
from strategies.regularizers import Regularizer
from strategies.relaxation import Relaxation
from strategies.schedules import Phases
from strategies.search_module import SearchModule
from strategies.shrinking import Shrinking
from strategies.supernet import MixedStage


class DifferentiableStrategy(OneShotStrategy):
    """A differentiable search of a ``JointSpace``, composed of the parts that strategies differ in.

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
        method.check()
        phases, rho = phases or Phases(method.warmup, method.explore, ramp=method.ramp), rho or method.rho
        self.composition = Composition(relaxation, regularizer, shrinking, method, rho, phases, single_level)
        self.seed = seed

    @property
    def constraint(self) -> Constraint | None:
        return self.composition.constraint

    @constraint.setter
    def constraint(self, constraint: Constraint | None) -> None:
        self.composition.constraint = constraint

    def configure_oneshot_module(self, training_module: LightningModule) -> SearchModule:
        return SearchModule(training_module, self.composition)

    def mutate_model(self, model: ModelSpace) -> ModelSpace:
        """Attach the architecture parameters and replace the stages by mixed ones, in place.

        Raises:
            TypeError: the space is no ``JointSpace``.
        """
        if not isinstance(model, JointSpace):
            raise TypeError(f"expected a JointSpace, got {type(model).__name__}")
        generator = torch.Generator().manual_seed(self.seed)
        relaxation, method = self.composition.relaxation, self.composition.method
        parameters = ArchitectureParameters(model.config, relaxation, generator, method.share_widths)
        if self.composition.shrinking is not None:
            self.composition.shrinking.start(parameters.alive)
        stages = list(model.stages())

        def mix_stage(module: nn.Module, name: str, memo: dict[str, Any], kwargs: dict[str, Any]) -> MixedStage | None:
            is_stage = isinstance(module, Repeat) and module in stages
            return MixedStage(module, stages.index(module), parameters) if is_stage else None

        self.extra_mutation_hooks = [mix_stage]
        super().mutate_model(model)
        model.architecture_parameters = parameters
        model.register_forward_pre_hook(_refresh)
        return model

    def default_mutation_hooks(self) -> list[Callable[..., Any]]:
        """Only NNI's last hook, which raises an error if a mutable was not replaced."""
        return [no_default_hook]

    def train_dataloader(
        self, train_dataloader_fn: Callable[[], Any], val_dataloader_fn: Callable[[], Any]
    ) -> dict[str, Any]:
        """Both streams of training images: ``train`` for the weights, ``val`` (NNI's name) for the architecture."""
        return {"train": train_dataloader_fn(), "val": val_dataloader_fn()}

    def val_dataloader(self, train_dataloader_fn: Callable[[], Any], val_dataloader_fn: Callable[[], Any]) -> None:
        """None: Lightning validates nothing; only a callback sees the validation set."""
        return None

    def list_models(self, sort: bool = True, limit: int | None = 1) -> Iterator[RawFormatModelSpace]:
        """The found network, frozen from a fresh space (this one has become the super-network)."""
        supernet = self.supernet
        assert isinstance(supernet, JointSpace)
        fresh = RawFormatModelSpace(JointSpace(supernet.config, supernet.num_classes), self.model_space.evaluator)
        yield fresh.freeze(self.oneshot_module.export())


def _refresh(space: nn.Module, inputs: tuple[Any, ...]) -> None:
    parameters = space.architecture_parameters
    assert isinstance(parameters, ArchitectureParameters)
    parameters.refresh()
