"""The space in NNI's mutables: labels, candidates, and frozen networks that are ours."""

import random
from collections.abc import Callable
from itertools import chain, combinations

import pytest
import torch

from nas_space.architecture import Architecture
from nas_space.config import DIMENSIONS, SpaceConfig, operator_name
from nas_space.network import SegmentationNetwork
from nas_space.space import JointSpace

SUBSETS = list(chain.from_iterable(combinations(DIMENSIONS, n) for n in range(5)))


@pytest.mark.parametrize("search", SUBSETS, ids=str)
def test_labels_and_candidates(search: tuple[str, ...], tiny: Callable[..., SpaceConfig]) -> None:
    space = tiny(search)
    expected: dict[str, list[object]] = {}
    for stage, layers in enumerate(space.layers):
        expected[f"stage{stage + 1}/depth"] = list(space.depth_candidates[stage])
        for layer in range(layers):
            prefix = f"stage{stage + 1}/layer{layer + 1}"
            expected[f"{prefix}/op"] = [operator_name(*operator) for operator in space.operators]
            for operator in space.operators:
                for key in ("width_3x1", "width_1x3"):
                    expected[f"{prefix}/{operator_name(*operator)}/{key}"] = list(space.width_candidates(stage))
    expected = {label: values for label, values in expected.items() if len(values) > 1}
    mutables = JointSpace(space, 3).simplify()
    assert {label: list(mutable.values) for label, mutable in mutables.items()} == expected
    assert len(mutables) == space.sizes()["choices"]
    assert sum(len(mutable.values) for mutable in mutables.values()) == space.sizes()["architecture_parameters"]


@pytest.mark.parametrize("search", [(), ("depth",), ("width",), ("dilation", "pooling"), DIMENSIONS], ids=str)
@pytest.mark.parametrize("seed", range(2))
def test_a_frozen_space_is_our_network(search: tuple[str, ...], seed: int, tiny: Callable[..., SpaceConfig]) -> None:
    space = tiny(search)
    architecture = Architecture.random(space, random.Random(seed))
    frozen = JointSpace(space, 3).freeze(architecture.to_sample()).eval()
    network = SegmentationNetwork(architecture, 3).eval()
    for name in ("down1", "down2", "down3", "head"):
        getattr(network, name).load_state_dict(getattr(frozen, name).state_dict())
    for stage, target in zip(frozen.stages(), (network.stage1, network.stage2), strict=True):
        for layer, residual in zip(stage, target, strict=True):
            residual.conv.load_state_dict(layer.op.state_dict())
    image = torch.randn(2, 3, 37, 50)
    torch.testing.assert_close(frozen(image), network(image), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("size", [(32, 32), (33, 47)], ids=str)
def test_the_unmutated_space_runs(size: tuple[int, int], tiny: Callable[..., SpaceConfig]) -> None:
    assert JointSpace(tiny(), 4)(torch.randn(1, 3, *size)).shape == (1, 4, -(-size[0] // 8), -(-size[1] // 8))
