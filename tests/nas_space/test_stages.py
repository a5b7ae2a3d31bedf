"""Spaces of three and four stages: what they hold, their networks, heads and costs."""

import json
import math
import random
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import pytest
import torch

from nas_space.architecture import Architecture, baseline1, baseline2
from nas_space.config import SpaceConfig, check_size
from nas_space.cost import cost
from nas_space.errors import InputError
from nas_space.expected_cost import Probabilities, counted_cost
from nas_space.lowering import LOWERINGS, lower
from nas_space.memory import supernet_weights
from nas_space.network import SegmentationNetwork
from nas_space.space import JointSpace
from strategies.alive import Alive
from strategies.method import MethodOptions
from strategies.ssr import SSR

Deep = Callable[..., SpaceConfig]
STAGES = (3, 4)


def test_sizes_by_brute_force(deep: Deep) -> None:
    space = deep(4)
    counts, networks = [2, 3, 2, 2], 1.0
    for layers, depths, widths in zip((2, 3, 2, 2), space.depths, (2, 5, 1, 3), strict=True):
        counts += ([6] + [widths] * 2 * 6) * layers
        networks *= sum((6 * widths**2) ** depth for depth in depths)
    counts = [number for number in counts if number > 1]
    sizes = space.sizes()
    assert sizes["choices"] == len(counts) and sizes["architecture_parameters"] == sum(counts)
    assert sizes["entropy_nats"] == pytest.approx(sum(map(math.log, counts)))
    assert sizes["log10_networks"] == pytest.approx(math.log10(networks))


def test_one_number_for_all_stages_or_one_for_each(tiny: Deep) -> None:
    assert tiny(span=[4, 4], step=[2, 2]) == tiny(span=4, step=2)
    assert json.dumps(asdict(tiny(span=[4, 4]))) == json.dumps(asdict(tiny()))
    each = tiny(span=[2, 8], step=[2, 4])
    assert [each.stage_widths(stage) for stage in (0, 1)] == [(6, 8), (4, 8, 12)]
    assert SpaceConfig.from_dict(json.loads(json.dumps(asdict(each)))) == each


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"widths": (8,), "depths": ((1,),)}, "two to four stages, got 1 and 1"),
        ({"widths": (8, 9, 10, 11, 12), "depths": ((1,),) * 5}, "two to four stages, got 5 and 5"),
        ({"widths": (8, 12, 16)}, "two to four stages, got 3 and 2"),
        ({"span": (4, 4, 4)}, r"space\.span: \[4, 4, 4\]: give one whole number, or one for each of the 2 stages"),
        ({"step": ()}, r"space\.step: \[\]: give one whole number"),
        ({"step": (2, "2")}, r"space\.step: \[2, '2'\]"),
        ({"span": (4, 3)}, r"space\.span: 3 is no multiple of space\.step 2"),
        ({"span": (8, 4)}, r"space\.widths: 8 must exceed space\.span 8"),
        ({"step": (2, 5)}, r"space\.span: 4 is no multiple of space\.step 5"),
        ({"widths": (8, 12, 12), "depths": ((1,),) * 3}, "channels must grow"),
    ],
    ids=str,
)
def test_bad_spaces_are_refused_in_one_line(changes: dict[str, Any], message: str, tiny: Deep) -> None:
    with pytest.raises(InputError, match=message) as error:
        tiny(**changes)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("stages", "least"), [(2, 32), (3, 32), (4, 64)])
def test_the_smallest_image_follows_from_the_strides(stages: int, least: int) -> None:
    check_size("data.size", (least, least), stages)
    with pytest.raises(InputError, match=f"^data.size: 99x{least - 1}: both sides must be at least {least} pixels"):
        check_size("data.size", (99, least - 1), stages)


@pytest.mark.parametrize("stages", STAGES)
def test_an_architecture_and_its_sample_make_round_trips(stages: int, deep: Deep) -> None:
    space = deep(stages)
    for seed in range(5):
        network = Architecture.random(space, random.Random(seed))
        assert json.loads(network.to_json())["schema"] == 2
        assert Architecture.from_json(network.to_json()) == network
        assert Architecture.from_sample(space, network.to_sample()) == network
    assert any(f"stage{stages}/layer2/d4s2/" in label for label in network.to_sample()) == (stages == 4)


def test_only_what_older_programs_cannot_read_has_the_new_schema(tiny: Deep) -> None:
    assert json.loads(baseline1(tiny()).to_json())["schema"] == 1
    assert json.loads(baseline1(tiny(span=(2, 4))).to_json())["schema"] == 2


def test_a_width_of_another_stage_is_refused(deep: Deep) -> None:
    network = baseline1(deep(4))
    layer = replace(network.stages[3][0], width_1x3=20)
    with pytest.raises(
        InputError, match=r"stages\[3\]\[0\]\.width_1x3 is 20; it must be a multiple of 3 from 15 to 21"
    ):
        replace(network, stages=(*network.stages[:3], (layer,)))


def test_the_second_baseline_dilates_at_an_eighth(deep: Deep) -> None:
    dilations = [{layer.dilation for layer in stage} for stage in baseline2(deep(4)).stages]
    assert dilations == [{1}, {2, 4}, {1}, {1}]


@pytest.mark.parametrize("stages", STAGES)
def test_heads_give_what_they_promise_and_learn(stages: int, deep: Deep) -> None:
    architecture = Architecture.random(deep(stages), random.Random(1))
    for head, stride in (("fusion", 8), ("aggregation", 4)):
        network = SegmentationNetwork(architecture, 3, head)  # type: ignore[arg-type]
        for size in ((64, 64), (71, 90)):
            logits = network(torch.randn(2, 3, *size))
            assert logits.shape == (2, 3, -(-size[0] // stride), -(-size[1] // stride))
        logits.square().mean().backward()
        silent = {name for name, p in network.named_parameters() if p.grad is None or p.grad.abs().max() == 0}
        assert all("conv1x3.bias" in name or "down" in name for name in silent)
    with pytest.raises(ValueError, match="3|4 stages has fusion or aggregation"):
        SegmentationNetwork(architecture, 3, "encoder")


@pytest.mark.parametrize("head", ["fusion", "aggregation"])
@pytest.mark.parametrize("stages", STAGES)
def test_what_is_lowered_computes_the_same(stages: int, head: Any, deep: Deep, randomised: Callable[..., Any]) -> None:
    architecture = Architecture.random(deep(stages), random.Random(2))
    network = randomised(SegmentationNetwork(architecture, 5, head))
    image = torch.randn(2, 3, 67, 101)
    for lowering in LOWERINGS:
        lowered = lower(network, lowering)
        assert not any(isinstance(part, torch.nn.BatchNorm2d) for part in lowered.modules())
        with torch.inference_mode():
            torch.testing.assert_close(lowered(image), network(image), rtol=1e-5, atol=5e-5)


def test_the_expected_cost_is_the_mean_over_networks(deep: Deep) -> None:
    """Of uniform choices, by the costs of random networks; and of one network, its cost."""
    space, generator = deep(4), random.Random(0)
    alive = Alive.full(space)
    p = Probabilities(*(mask / mask.sum(-1, keepdim=True).clamp(min=1) for mask in alive))
    for kind in ("params", "macs_total"):
        table = counted_cost(space, kind, (64, 96), 5)
        networks = [Architecture.random(space, generator) for _ in range(400)]
        costs = [getattr(cost(network, (64, 96), 5), kind) for network in networks]
        deviation = torch.tensor(costs, dtype=torch.float64).std() / len(costs) ** 0.5
        assert abs(float(table.expected(p)) - sum(costs) / len(costs)) < 4 * deviation
        for network, exact in zip(networks[:5], costs, strict=False):
            only = Alive.only(network)
            assert table.cheapest(*only) == pytest.approx(exact, rel=1e-12)
            assert table.cheapest_network(*only) == network
            assert float(table.expected(Probabilities(*(mask.float() for mask in only)))) == pytest.approx(exact)
        smallest = table.cheapest_network(*alive)
        least = getattr(cost(smallest, (64, 96), 5), kind)
        assert table.cheapest(*alive) == pytest.approx(least) and least <= min(costs)


@pytest.mark.parametrize("stages", STAGES)
def test_the_joint_space_is_searched_and_frozen_by_nni(stages: int, deep: Deep) -> None:
    space = deep(stages)
    joint = JointSpace(space, 3)
    assert len(joint.stages()) == stages
    architecture = Architecture.random(space, random.Random(3))
    assert set(joint.simplify()) == set(architecture.to_sample())
    frozen = joint.freeze(architecture.to_sample())
    network = SegmentationNetwork(architecture, 3)
    image = torch.randn(2, 3, 64, 72)
    assert frozen(image).shape == network(image).shape
    assert sum(p.numel() for p in frozen.parameters()) >= cost(architecture, (64, 72), 3).params
    supernet = SSR(MethodOptions()).mutate_model(joint)
    logits = sum(p.numel() for p in supernet.architecture_parameters.parameters())  # type: ignore[union-attr]
    assert supernet_weights(space, 3) == sum(p.numel() for p in supernet.parameters()) - logits
