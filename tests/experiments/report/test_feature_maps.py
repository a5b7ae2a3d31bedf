"""Feature maps are those of the searched stages."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from experiments.model_file import load_model
from experiments.report.feature_maps import feature_maps
from nas_space.errors import InputError

pytestmark = pytest.mark.usefixtures("real_figures")


def test_mean_absolute_activations_of_both_stages(checkpoint: Callable[..., Path]) -> None:
    network, _ = load_model(checkpoint())
    image = torch.randn(1, 3, 40, 56)
    quarter, eighth = feature_maps(network, image)
    with torch.no_grad():
        first = network.stage1(network.down2(network.down1(image)))
        second = network.stage2(network.down3(first))
    torch.testing.assert_close(quarter, first.abs().mean(1)[0])
    torch.testing.assert_close(eighth, second.abs().mean(1)[0])
    assert quarter.shape == (10, 14) and eighth.shape == (5, 7)
    assert not any(module._forward_hooks for module in network.modules())


def test_a_network_without_stages() -> None:
    with pytest.raises(InputError, match="which Conv2d does not have"):
        feature_maps(torch.nn.Conv2d(3, 2, 1), torch.randn(1, 3, 32, 32))
