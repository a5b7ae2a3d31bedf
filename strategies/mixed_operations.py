"""NNI's mixed convolutions, linear layers and norms, narrowed to the widest value that is left of an argument.

A width is mixed by a mask, ``sum_k p_k [channel < width_k]`` (SSR paper, equation 5), on what an operation puts out.
NNI masks the input once more, and the output of a norm not at all: there a mask is squared or has no effect. Here each
operation masks its own output, so that a mask acts once, as in a ``JointSpace``.

What keeps its full size until the choice is decided: every operation of a width that an operation of the user's own
(a ``MixedOperation`` of the space) takes as well. All sizes of one width must change together.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from nni.mutable import MutableExpression
from nni.nas.nn.pytorch import ParametrizedModule
from nni.nas.oneshot.pytorch.supermodule._expression_utils import evaluate_constant
from nni.nas.oneshot.pytorch.supermodule.operation import (
    MixedBatchNorm2d,
    MixedConv2d,
    MixedLayerNorm,
    MixedLinear,
    MixedOperation,
    MixedOperationSamplingPolicy,
)
from torch import Tensor, nn

from nas_space.errors import InputError
from strategies.alive import Alive
from strategies.choices import Choice, Choices, Values, leaves_of
from strategies.mixed_modules import CHOICES
from strategies.narrowing import ParameterChanges

INPUTS = ("in_channels", "in_features")
"""Arguments that say what an operation takes in: what comes is masked already."""


class ChoicePolicy(MixedOperationSamplingPolicy):
    """What NNI asks for an operation's arguments: a value, or the weight of each value that is left."""

    def __init__(self, operation: MixedOperation, memo: Any, mutate_kwargs: dict[str, Any]) -> None:
        choices: Choices = mutate_kwargs[CHOICES]
        self.values = {name: Values(e, choices, "width") for name, e in operation.mutable_arguments.items()}
        for choice in self.choices():
            choice.narrows &= isinstance(operation, SearchedOperation)

    def resample(self, operation: MixedOperation, memo: dict[str, Any]) -> dict[str, Any]:
        """Nothing is sampled in a differentiable search."""
        return {}

    def export(self, operation: MixedOperation, memo: dict[str, Any]) -> dict[str, Any]:
        """Nothing: the search module exports all choices at once."""
        return {}

    def export_probs(self, operation: MixedOperation, memo: dict[str, Any]) -> dict[str, Any]:
        """Nothing: the search module exports all choices at once."""
        return {}

    def forward_argument(self, operation: MixedOperation, name: str) -> Any:
        """The value of an argument, or ``{value: weight}``."""
        if name not in self.values:
            return operation.init_arguments[name]
        left = self.values[name].alive()
        if len(left) == 1:
            return left[0]
        return self.extent(name) if name in INPUTS else self.values[name].weights()

    def extent(self, name: str) -> Any:
        """The size that an operation has for an argument."""
        values = self.values[name]
        left = values.alive()
        narrow = len(left) == 1 or all(choice.narrows for choice in values.choices)
        return left[-1] if narrow else values.all()[-1]

    def choices(self) -> Iterable[Choice]:
        """The choices that the arguments depend on."""
        return (choice for values in self.values.values() for choice in values.choices)


class SearchedOperation(MixedOperation):
    """A mixed operation of NNI's that narrows, and that freezes with its weights.

    Attributes:
        fixed: arguments of which NNI has no mixture.
    """

    sampling_policy: ChoicePolicy
    fixed: tuple[str, ...] = ()

    @classmethod
    def mutate(cls, module: nn.Module, name: str, memo: Any, mutate_kwargs: dict[str, Any]) -> Any:
        """Replace a module with a choice in its arguments.

        Raises:
            InputError: a choice in an argument that cannot be mixed.
        """
        if not (isinstance(module, cls.bound_type) and isinstance(module, ParametrizedModule) and module.mutables):
            return None
        arguments = module.trace_kwargs
        for key, value in arguments.items():
            if not isinstance(value, MutableExpression):
                continue
            leaves = leaves_of(value)  # before NNI goes through all combinations
            if key in cls.fixed or key not in cls.argument_list:
                label = ", ".join(leaves)
                where = f"{key} of {name} ({cls.bound_type.__name__})"
                raise InputError(f"space: {label!r} is {where}, which cannot be mixed; use a LayerChoice")
        operation = super().mutate(module, name, memo, mutate_kwargs)
        operation.adopt(module, name)
        return operation

    def adopt(self, module: nn.Module, name: str) -> None:
        """Take over what the module's arguments do not say, and refuse what would go wrong later."""

    def freeze(self, sample: dict[str, Any]) -> Any:
        arguments = dict(self.init_arguments)
        arguments |= {name: mutable.freeze(sample) for name, mutable in self.mutable_arguments.items()}
        operation = self.bound_type.create_fixed_module(sample, **arguments)
        weights = self.freeze_weight(**arguments)
        operation.load_state_dict({name: tensor for name, tensor in weights.items() if tensor is not None})
        reference = next(self.parameters(), None)
        if reference is not None:
            operation = operation.to(reference.device, reference.dtype)
        return operation.train(self.training)

    def size(self, name: str, now: int) -> int:
        """The size for an argument, ``now`` where it is not searched."""
        policy = self.sampling_policy
        return int(policy.extent(name)) if name in policy.values and policy.values[name].alive() else now

    def mask(self, name: str, channels: int, like: Tensor) -> Tensor | None:
        """The mixed mask of an argument's values ``(channels,)``; None where it is decided."""
        weights = self.forward_argument(name)
        if not isinstance(weights, dict):
            return None
        ends = torch.tensor(list(weights), device=like.device)[:, None]
        masks = torch.arange(channels, device=like.device)[None, :] < ends  # (values, channels)
        return (torch.stack(list(weights.values()))[:, None] * masks).sum(0).to(like.dtype)

    def shrink(self, alive: Alive, changes: ParameterChanges) -> None:
        """Narrow to the widest value that is left of each argument; the choices have adopted ``alive`` before."""
        raise NotImplementedError


class SearchedLinear(SearchedOperation, MixedLinear):
    """A linear layer of searched width."""

    in_features: int
    out_features: int

    def shrink(self, alive: Alive, changes: ParameterChanges) -> None:
        self.in_features = self.size("in_features", self.in_features)
        self.out_features = self.size("out_features", self.out_features)
        changes.slice(self, "weight", slice(self.out_features), slice(self.in_features))
        if self.bias is not None:
            changes.slice(self, "bias", slice(self.out_features))


class SearchedConv2d(SearchedOperation, MixedConv2d):
    """A convolution of searched width, kernel size and, with the width, number of groups."""

    in_channels: int
    out_channels: int
    kernel_size: Any
    padding: Any
    fixed = ("stride", "dilation")

    def adopt(self, module: nn.Module, name: str) -> None:
        for key in ("kernel_size", "padding"):
            values = self.sampling_policy.values.get(key)
            if values is not None and not all(isinstance(value, int) for value in values.all()):
                label = values.choices[0].label
                raise InputError(f"space: {label!r} is {key} of {name}, which must be a whole number to be mixed")
        if "groups" in self.mutable_arguments:
            arguments, label = self.mutable_arguments, self.sampling_policy.values["groups"].choices[0].label
            try:
                evaluate_constant(arguments["in_channels"] / arguments["groups"])
                evaluate_constant(arguments["out_channels"] / arguments["groups"])
            except (KeyError, ValueError):
                fix = "must be a fixed part of its input and output channels"
                raise InputError(f"space: {label!r} sets the groups of {name}, which {fix}") from None

    def shrink(self, alive: Alive, changes: ParameterChanges) -> None:
        self.in_channels = self.size("in_channels", self.in_channels)
        self.out_channels = self.size("out_channels", self.out_channels)
        kernel = tuple(self.size("kernel_size", old) for old in self.kernel_size)
        inner = [slice((old - new) // 2, (old + new) // 2) for old, new in zip(self.kernel_size, kernel, strict=True)]
        grouped = "groups" in self.mutable_arguments  # with the channels: each group keeps its inputs
        inputs = self.weight.shape[1] if grouped else self.in_channels // self.groups
        changes.slice(self, "weight", slice(self.out_channels), slice(inputs), *inner)
        if self.bias is not None:
            changes.slice(self, "bias", slice(self.out_channels))
        self.kernel_size = kernel
        if "padding" in self.mutable_arguments:
            self.padding = tuple(self.size("padding", old) for old in self.padding)
            self._reversed_padding_repeated_twice = [side for side in reversed(self.padding) for _ in range(2)]


class SearchedBatchNorm2d(SearchedOperation, MixedBatchNorm2d):
    """A batch norm of searched width, whose output has the mask of its input."""

    num_features: int

    fixed = ("eps", "momentum")

    def adopt(self, module: nn.Module, name: str) -> None:
        for key in ("eps", "momentum"):  # which many spaces set after the module was made
            self.init_arguments[key] = getattr(module, key)
            setattr(self, key, getattr(module, key))

    def freeze_weight(self, num_features: Any, **kwargs: Any) -> Any:
        width = self.num_features if isinstance(num_features, dict) else num_features
        names = ("weight", "bias", "running_mean", "running_var")
        tensors = {name: getattr(self, name) for name in names}
        return {name: None if tensor is None else tensor[:width] for name, tensor in tensors.items()}

    def forward(self, inputs: Tensor) -> Tensor:
        result, mask = super().forward(inputs), self.mask("num_features", inputs.shape[1], inputs)
        return result if mask is None else result * mask[:, None, None]

    def shrink(self, alive: Alive, changes: ParameterChanges) -> None:
        self.num_features = width = self.size("num_features", self.num_features)
        if self.affine:
            changes.slice(self, "weight", slice(width))
            changes.slice(self, "bias", slice(width))
        if self.track_running_stats:
            for statistic in ("running_mean", "running_var"):
                setattr(self, statistic, getattr(self, statistic)[:width].clone())


class SearchedLayerNorm(SearchedOperation, MixedLayerNorm):
    """A layer norm of searched width, whose output has the mask of its input."""

    normalized_shape: tuple[int, ...]

    fixed = ("eps",)

    def adopt(self, module: nn.Module, name: str) -> None:
        values = self.sampling_policy.values.get("normalized_shape")
        if values is not None and not all(isinstance(value, int) for value in values.all()):
            raise InputError(f"space: {values.choices[0].label!r} is a shape of {name}; only a width is searched")

    def _freeze_weight_impl(self, normalized_shape: Any, **kwargs: Any) -> dict[str, Any]:
        # NNI's own indexes a tensor by a list of slices, which newer versions of torch read otherwise.
        shape = self.normalized_shape if isinstance(normalized_shape, dict) else normalized_shape
        (width,) = shape if isinstance(shape, tuple) else (shape,)
        tensors = {name: getattr(self, name) for name in ("weight", "bias")}
        kept = {name: None if tensor is None else tensor[:width] for name, tensor in tensors.items()}
        return {**kept, "normalized_shape": (width,)}

    def forward(self, inputs: Tensor) -> Tensor:
        result, mask = super().forward(inputs), self.mask("normalized_shape", inputs.shape[-1], inputs)
        return result if mask is None else result * mask

    def shrink(self, alive: Alive, changes: ParameterChanges) -> None:
        (now,) = self.normalized_shape
        width = self.size("normalized_shape", now)
        self.normalized_shape = (width,)
        if self.elementwise_affine:
            changes.slice(self, "weight", slice(width))
            if self.bias is not None:
                changes.slice(self, "bias", slice(width))


OPERATIONS: Sequence[Any] = (SearchedLinear, SearchedConv2d, SearchedBatchNorm2d, SearchedLayerNorm)
