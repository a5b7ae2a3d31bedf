"""Our own super-network is the same as NNI's mixed modules make of the joint space."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from nni.nas.nn.pytorch import (
    ModelSpace,
)
from torch import Tensor, nn
from torch.nn import functional

from nas_space.config import SpaceConfig
from nas_space.space import JointSpace
from strategies.ssr import SSR
from tests.strategies.any_spaces import parameters_of

SAME = [("dilation", "pooling", "depth"), ("depth",), ("dilation", "pooling", "width", "depth")]


@pytest.mark.parametrize("search", SAME, ids=lambda search: "+".join(search))
def test_a_joint_space_is_the_same_made_of_mixed_modules(
    search: tuple[str, ...], tiny: Callable[..., SpaceConfig]
) -> None:
    """Loss and gradients of our own super-network and of NNI's mixed modules.

    With widths they agree up to the batch norms' eps: a mixed convolution is masked before its batch norm as well,
    which divides the mask out again. So eps is next to 0 here, and the mode is training.
    """
    config, strategies = tiny(search), (SSR(), SSR())
    fast = strategies[0].mutate_model(JointSpace(config, 3)).double()
    mixed_space = JointSpace(config, 3)
    strategies[1].mutate_model = strategies[1]._mix_any_space  # type: ignore[method-assign, assignment]
    general = strategies[1].mutate_model(mixed_space).double()
    torch.manual_seed(0)
    for logits in fast.architecture_parameters.logits():  # type: ignore[union-attr, operator]
        logits.data.normal_()
    copy_weights(fast, general)
    image = torch.randn(2, 3, 33, 40, dtype=torch.float64)
    labels = torch.randint(0, 3, (2, 5, 5))
    found = []
    for model in (fast, general):
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eps = 1e-14
                if hasattr(module, "init_arguments"):
                    module.init_arguments["eps"] = 1e-14
        model.architecture_parameters.refresh()  # type: ignore[union-attr, operator]
        loss = functional.cross_entropy(model(image), labels)
        loss.backward()
        found.append(loss.detach())
    torch.testing.assert_close(*found, rtol=1e-9, atol=1e-9)
    own, other = fast.architecture_parameters, general.architecture_parameters
    table = gradients_by_label(other)
    for label, gradient in gradients_by_label(own).items():
        if label in table:
            torch.testing.assert_close(
                gradient, table[label], rtol=1e-6, atol=1e-9, msg=lambda t, label=label: label + t
            )
    assert {label for label, _ in table} == set(JointSpace(config, 3).simplify())


def gradients_by_label(parameters: Any) -> dict[tuple[str, str], Tensor]:
    return {
        (label, candidate): torch.zeros(()).double() if logits.grad is None else logits.grad[index]
        for logits, entries in zip(parameters.logits(), parameters.labels().values(), strict=True)
        for label, candidate, index in entries
    }


def copy_weights(fast: ModelSpace, general: ModelSpace) -> None:
    """Weights and logits of our super-network, in the modules of the other."""
    source = dict(fast.named_parameters())
    places = {
        (label, candidate): logits[index]
        for logits, entries in zip(
            fast.architecture_parameters.logits(),  # type: ignore[union-attr, operator]
            fast.architecture_parameters.labels().values(),  # type: ignore[union-attr, operator]
            strict=True,
        )
        for label, candidate, index in entries
    }
    with torch.no_grad():
        for name, target in general.named_parameters():
            if not name.startswith("architecture_parameters"):
                own = name.replace(".blocks.", ".layers.").replace(".op.", ".operators.")
                if own not in source and own.startswith("stage"):
                    stage, layers, layer, *rest = own.split(".")
                    single = rest[1] == "bn" or rest[1].startswith("conv")
                    operator, rest = ("d1s1", rest[1:]) if single else (rest[1], rest[2:])
                    own = ".".join([stage, layers, layer, "operators", operator, "conv", *rest])
                target.copy_(source[own])
        parameters = parameters_of(general)
        for logits, entries in zip(parameters.logits(), parameters.labels().values(), strict=True):
            for label, candidate, index in entries:
                logits[index] = places[label, candidate]
