"""Super-networks for the tests of this folder."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from nas_space.config import SpaceConfig
from nas_space.space import JointSpace
from strategies.alive import Alive
from strategies.method import MethodOptions
from strategies.parameters import ArchitectureParameters
from strategies.ssr import SSR


@pytest.fixture
def supernet() -> Callable[..., JointSpace]:
    """A mutated space in the middle of a search: ``supernet(space, seed)``, in float64 unless told otherwise."""

    def make(space: SpaceConfig, seed: int = 0, dtype: torch.dtype = torch.float64, classes: int = 3) -> JointSpace:
        torch.manual_seed(seed)
        model = SSR(MethodOptions(), seed).mutate_model(JointSpace(space, classes)).to(dtype)
        parameters = model.architecture_parameters
        assert isinstance(parameters, ArchitectureParameters)
        with torch.no_grad():
            for logits in parameters.logits():
                logits.mul_(1000)
            for name, parameter in model.named_parameters():
                if ".bn." in name:  # batch norms that have learned something, so that mistakes in their places show
                    parameter.add_(0.5 * torch.randn_like(parameter))
            for name, statistic in model.named_buffers():
                if name.endswith("running_mean"):
                    statistic.normal_(std=0.3)
                elif name.endswith("running_var"):
                    statistic.uniform_(0.5, 2.0)
        return model

    return make


@pytest.fixture
def survivors() -> Callable[..., Alive]:
    """Random masks, after the cascade, with a survivor in every choice: ``survivors(space, seed, share)``."""

    def make(space: SpaceConfig, seed: int = 0, share: float = 0.5, like: Any = None) -> Alive:
        generator = torch.Generator().manual_seed(seed)
        masks = Alive(
            *(mask & (torch.rand(mask.shape, generator=generator) < share) for mask in (like or Alive.full(space)))
        )
        full = like or Alive.full(space)
        for mask, old in zip(masks, full, strict=True):
            first = torch.nn.functional.one_hot(old.int().argmax(-1), old.shape[-1]).bool() & old
            mask |= first & (mask.sum(-1, keepdim=True) == 0)
        return masks.cascade(space)

    return make
