"""The space as data: sizes against the paper, and every rule of validation."""

import json
import math
from collections.abc import Callable
from dataclasses import asdict
from itertools import chain, combinations, product
from typing import Any

import pytest

from nas_space.config import DIMENSIONS, PRESETS, SpaceConfig, operator_name
from nas_space.errors import InputError

SUBSETS = list(chain.from_iterable(combinations(DIMENSIONS, n) for n in range(5)))

# Computed by hand. Fixed depth (5 + 8) unless depth is searched.
ENTROPIES = {
    ("dilation",): 20.92,
    ("dilation", "pooling"): 29.93,
    ("dilation", "width"): 306.56,
    ("dilation", "pooling", "width"): 601.21,
    DIMENSIONS: 789.42,
}


def test_the_papers_space_has_the_papers_sizes() -> None:
    sizes = SpaceConfig.paper().sizes()
    assert sizes["choices"] == 359
    assert sizes["architecture_parameters"] == 3240
    assert sizes["log10_supernet_configurations"] == pytest.approx(324.442, abs=5e-4)
    assert sizes["log10_networks"] == pytest.approx(49.445, abs=5e-4)
    assert sizes["entropy_nats"] == pytest.approx(789.42, abs=5e-3)


def test_the_pyramids_sizes() -> None:
    """Counted by hand: 4 depths, an operator for each of 25 layers, two widths for each of its 8 operators."""
    space = SpaceConfig.pyramid()
    assert space.sizes()["choices"] == 4 + 25 + 25 * 8 * 2
    layers = ((200, 4), (200, 6), (128, 9), (200, 6))  # 8 operators x pairs of widths, and the most layers
    networks = math.prod(sum(kinds**depth for depth in range(1, most + 1)) for kinds, most in layers)
    assert space.sizes()["log10_networks"] == pytest.approx(math.log10(networks))
    assert space.heads == ("fusion", "aggregation") and space.baseline_depths == (2, 3, 5, 3)
    assert [space.head_named(name) for name in (None, "encoder", "fusion")] == ["fusion"] * 3
    assert SpaceConfig.paper().head_named("encoder") == "encoder" and space.head_named("aggregation") == "aggregation"
    with pytest.raises(InputError, match="^cost.head: this space has no 'tail'; choose from fusion, aggregation$"):
        space.head_named("tail", "cost.head")
    with pytest.raises(InputError, match="^head: this space has no 'fusion'; choose from encoder, aggregation$"):
        SpaceConfig.paper().head_named("fusion")


def test_a_preset_knows_its_name() -> None:
    for name in PRESETS:
        assert SpaceConfig.preset(name).preset_name == SpaceConfig.preset(name, ("width",)).preset_name == name
    assert SpaceConfig.preset("compact", dilations=(1, 2)).preset_name is None


@pytest.mark.parametrize(("search", "nats"), ENTROPIES.items(), ids=str)
def test_entropy_at_the_start(search: tuple[str, ...], nats: float) -> None:
    assert SpaceConfig.paper(search).sizes()["entropy_nats"] == pytest.approx(nats, abs=5e-3)


@pytest.mark.parametrize(
    ("search", "networks"),
    [
        ((), 1),
        (("depth",), 25),
        (("dilation",), 5**13),
        (("dilation", "pooling"), 10**13),
        (("width",), 81**13),
        (("dilation", "pooling", "width"), 810**13),
        (DIMENSIONS, sum(810**d for d in range(3, 8)) * sum(810**d for d in range(6, 11))),
    ],
    ids=str,
)
def test_distinct_networks(search: tuple[str, ...], networks: int) -> None:
    assert SpaceConfig.paper(search).sizes()["log10_networks"] == pytest.approx(math.log10(networks), rel=1e-12)


@pytest.mark.parametrize("search", SUBSETS, ids=str)
def test_sizes_of_every_subset_by_brute_force(search: tuple[str, ...], tiny: Callable[..., SpaceConfig]) -> None:
    space = tiny(search, depths=((1, 2), (1, 3)), dilations=(1, 2), span=2)
    depths = [[1, 2], [1, 3]] if "depth" in search else [[1], [1]]
    operators = len([1, 2] if "dilation" in search else [1]) * len([1, 2] if "pooling" in search else [1])
    widths = 2 if "width" in search else 1
    networks = sum((operators * widths**2) ** (first + second) for first, second in product(*depths))
    counts = [len(d) for d in depths]
    for _ in range(depths[0][-1] + depths[1][-1]):
        counts += [operators] + [widths] * 2 * operators
    counts = [count for count in counts if count > 1]
    sizes = space.sizes()
    assert sizes["choices"] == len(counts)
    assert sizes["architecture_parameters"] == sum(counts)
    assert sizes["entropy_nats"] == pytest.approx(sum(math.log(count) for count in counts), rel=1e-12)
    assert sizes["log10_networks"] == pytest.approx(math.log10(networks), rel=1e-12)


def test_what_is_not_searched_stays_at_the_baseline() -> None:
    space = SpaceConfig.paper(())
    assert space.depth_candidates == ((5,), (8,))
    assert space.layers == (5, 8)
    assert space.operators == ((1, 1),)
    assert [space.width_candidates(stage) for stage in (0, 1)] == [(64,), (128,)]


def test_what_is_searched_has_all_candidates() -> None:
    space = SpaceConfig.paper()
    assert space.layers == (7, 10)
    assert set(space.operators) == set(product((1, 2, 4, 8, 16), (1, 2))) and len(space.operators) == 10
    assert space.width_candidates(0) == (32, 36, 40, 44, 48, 52, 56, 60, 64)
    assert space.width_candidates(1) == (96, 100, 104, 108, 112, 116, 120, 124, 128)


def test_baseline_depths_of_the_presets() -> None:
    assert SpaceConfig.paper().baseline_depths == (5, 8)
    assert SpaceConfig.compact().baseline_depths == (2, 3)


def test_search_is_ordered_and_without_repetition() -> None:
    assert SpaceConfig.compact(("depth", "dilation", "depth")) == SpaceConfig.compact(("dilation", "depth"))


@pytest.mark.parametrize("space", [SpaceConfig.paper(), SpaceConfig.compact(("width",))], ids=("paper", "compact"))
def test_round_trip_through_json(space: SpaceConfig) -> None:
    assert SpaceConfig.from_dict(json.loads(json.dumps(asdict(space)))) == space


# change, what the message must name
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"search": ("dilation", "colour")}, r"space\.search: .*'colour'"),
    ({"stem": 0}, "space.*stem"),
    ({"stem": 4.0}, "space.*stem"),
    ({"stem": True}, "space.*stem"),
    ({"stem": 3}, "space.*stem"),
    ({"stem": 8}, "space.*stem"),
    ({"step": 0}, "space.*step"),
    ({"step": 2.5}, "space.*step"),
    ({"widths": (8,)}, r"space\.widths"),
    ({"widths": (8, 12, 16)}, r"space\.widths"),
    ({"widths": (12, 12)}, "space.*widths"),
    ({"widths": (12, 8)}, "space.*widths"),
    ({"widths": (8, "12")}, "space.*widths"),
    ({"widths": (8, 13)}, r"space\.widths: 13 is no multiple of space\.step 2"),
    ({"widths": (7, 12)}, r"space\.widths: 7 is no multiple of space\.step 2"),
    ({"span": 8}, r"space\.widths: 8 must exceed space\.span 8"),
    ({"span": 3}, r"space\.span: 3 is no multiple of space\.step 2"),
    ({"span": -2}, r"space\.span"),
    ({"span": 2.0}, r"space\.span"),
    ({"depths": ((1, 2),)}, r"space\.depths|space\.widths and space\.depths"),
    ({"depths": ((1, 2), ())}, r"space\.depths"),
    ({"depths": ((2, 1), (1, 2))}, r"space\.depths: \[2, 1\]"),
    ({"depths": ((1, 1), (1, 2))}, r"space\.depths"),
    ({"depths": ((0, 1), (1, 2))}, "space.*depths"),
    ({"dilations": ()}, r"space\.dilations"),
    ({"dilations": (1, 4, 2)}, r"space\.dilations: \[1, 4, 2\]"),
    ({"dilations": (1, 2, 2)}, r"space\.dilations"),
    ({"dilations": (2, 4)}, r"space\.dilations"),
    ({"dilations": (0, 1)}, "space.*dilations"),
    ({"poolings": ()}, r"space\.poolings"),
    ({"poolings": (2,)}, r"space.*poolings"),
    ({"poolings": (1, 3)}, r"space.*poolings"),
    ({"poolings": (2, 1)}, r"space\.poolings"),
]


@pytest.mark.parametrize(("change", "message"), WRONG, ids=lambda value: str(value))
def test_bad_values_name_their_key(change: dict[str, Any], message: str, tiny: Callable[..., SpaceConfig]) -> None:
    with pytest.raises(InputError, match=message) as error:
        tiny(**change)
    assert "\n" not in str(error.value)


def test_an_unknown_preset_names_the_known_ones() -> None:
    with pytest.raises(InputError, match="space.preset: unknown 'papers'; choose from compact, paper, pyramid"):
        SpaceConfig.preset("papers")


def test_a_preset_with_changes() -> None:
    space = SpaceConfig.preset("paper", search=("width",), span=16)
    assert space == SpaceConfig.preset("paper", ("width",), span=16)
    assert space.width_candidates(0) == (48, 52, 56, 60, 64) and space.search == ("width",)


@pytest.mark.parametrize("key", list(asdict(SpaceConfig.compact())))
def test_a_missing_key_is_named(key: str) -> None:
    data = asdict(SpaceConfig.compact())
    del data[key]
    with pytest.raises(InputError, match=f"space: .*{key}"):
        SpaceConfig.from_dict(data)


@pytest.mark.parametrize(
    "data", [[], "paper", None, {**asdict(SpaceConfig.compact()), "colour": 1}], ids=("list", "text", "null", "unknown")
)
def test_what_is_no_space_is_refused(data: Any) -> None:
    with pytest.raises(InputError, match="space: expected exactly the keys"):
        SpaceConfig.from_dict(data)


@pytest.mark.parametrize("key", ["widths", "depths", "dilations", "poolings", "search"])
def test_a_number_in_place_of_a_list_names_its_key(key: str) -> None:
    with pytest.raises(InputError, match=rf"space\.{key}\b"):
        SpaceConfig.from_dict({**asdict(SpaceConfig.compact()), key: 5})


def test_operator_name() -> None:
    assert operator_name(4, 2) == "d4s2"


def test_a_space_that_no_memory_holds_is_refused() -> None:
    with pytest.raises(
        InputError, match="space: 8,388,608 forms of a layer are too many, at most 4,194,304; give fewer"
    ):
        SpaceConfig(4, (2048, 4096), ((1,), (1,)), (1, 2), (1,), 2047, 1)
    with pytest.raises(InputError, match="space: 100,663,296 candidates are too many"):
        SpaceConfig(4, (8, 12), ((4096,), (4096,)), tuple(range(1, 4097)), (1,), 0, 1)
