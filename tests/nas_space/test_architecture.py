"""One point of the space: JSON, NNI samples, and the reference networks."""

import json
import random
from collections.abc import Callable
from itertools import chain, combinations
from pathlib import Path
from typing import Any

import pytest

from nas_space.architecture import Architecture, Layer, baseline1, baseline2, resolve_architecture
from nas_space.config import DIMENSIONS, SpaceConfig
from nas_space.errors import InputError
from nas_space.space import JointSpace

SUBSETS = list(chain.from_iterable(combinations(DIMENSIONS, n) for n in range(5)))


def change(architecture: Architecture, **values: Any) -> str:
    """JSON of ``architecture`` with some values of its first layer replaced."""
    data = json.loads(architecture.to_json())
    data["stages"][0][0].update(values)
    return json.dumps(data)


@pytest.mark.parametrize("search", SUBSETS, ids=str)
def test_round_trips_over_random_networks(search: tuple[str, ...], tiny: Callable[..., SpaceConfig]) -> None:
    space = tiny(search)
    labels = set(JointSpace(space, 3).simplify())
    generator = random.Random(7)
    seen = set()
    for _ in range(20):
        architecture = Architecture.random(space, generator)
        seen.add(architecture)
        sample = architecture.to_sample()
        assert set(sample) == labels
        assert Architecture.from_sample(space, sample) == architecture
        assert Architecture.from_json(architecture.to_json()) == architecture
    assert len(seen) > 1 or not search


def test_a_sample_of_the_papers_space_has_its_359_labels() -> None:
    space = SpaceConfig.paper()
    architecture = Architecture.random(space, random.Random(0))
    sample = architecture.to_sample()
    mutables = JointSpace(space, 19).simplify()
    assert len(sample) == 359 and set(sample) == set(mutables)
    assert all(sample[label] in mutable.values for label, mutable in mutables.items())
    assert Architecture.from_sample(space, sample) == architecture


def test_unused_labels_get_full_width_and_the_first_operator(tiny: Callable[..., SpaceConfig]) -> None:
    space = tiny()
    sample = Architecture(space, ((Layer(4, 2, 4, 6),), (Layer(1, 1, 8, 10),))).to_sample()
    assert sample["stage1/depth"] == 1 and sample["stage1/layer1/op"] == "d4s2"
    assert (sample["stage1/layer1/d4s2/width_3x1"], sample["stage1/layer1/d4s2/width_1x3"]) == (4, 6)
    assert (sample["stage1/layer1/d1s1/width_3x1"], sample["stage1/layer1/d1s1/width_1x3"]) == (8, 8)
    assert sample["stage1/layer3/op"] == "d1s1"
    assert (sample["stage2/layer3/d2s1/width_3x1"], sample["stage2/layer1/d1s1/width_1x3"]) == (12, 10)


@pytest.mark.parametrize("search", SUBSETS, ids=str)
def test_baseline1_is_the_same_network_in_every_subset(search: tuple[str, ...]) -> None:
    space = SpaceConfig.paper(search)
    assert baseline1(space).stages == ((Layer(1, 1, 64, 64),) * 5, (Layer(1, 1, 128, 128),) * 8)
    assert Architecture.from_sample(space, baseline1(space).to_sample()) == baseline1(space)


def test_baseline2_has_erfnets_dilations() -> None:
    first, last = baseline2(SpaceConfig.paper()).stages
    assert [layer.dilation for layer in first] == [1] * 5
    assert [layer.dilation for layer in last] == [2, 4, 8, 16, 2, 4, 8, 16]
    assert {(layer.pooling, layer.width_3x1, layer.width_1x3) for layer in last} == {(1, 128, 128)}


def test_baseline2_without_other_dilations_is_baseline1(tiny: Callable[..., SpaceConfig]) -> None:
    space = tiny(dilations=(1,))
    assert baseline2(space) == baseline1(space)


@pytest.mark.parametrize(
    ("search", "network"),
    [
        (("pooling",), ((Layer(2, 1, 8, 8),) * 2, (Layer(1, 1, 12, 12),))),
        (("dilation",), ((Layer(1, 2, 8, 8),) * 2, (Layer(1, 1, 12, 12),))),
        (("dilation",), ((Layer(1, 1, 6, 8),) * 2, (Layer(1, 1, 12, 12),))),
        (("dilation",), ((Layer(1, 1, 8, 8),) * 3, (Layer(1, 1, 12, 12),))),
    ],
    ids=("dilation", "pooling", "width", "depth"),
)
def test_no_sample_of_what_is_not_searched(
    search: tuple[str, ...], network: Any, tiny: Callable[..., SpaceConfig]
) -> None:
    with pytest.raises(InputError, match="not searched"):
        Architecture(tiny(search), network).to_sample()


def test_a_runs_folder_stands_for_its_network(tmp_path: Path) -> None:
    network = baseline1(SpaceConfig.compact())
    with pytest.raises(InputError, match=r"architecture.json: no such file"):
        Architecture.load(tmp_path)
    (tmp_path / "architecture.json").write_text(network.to_json())
    assert Architecture.load(tmp_path) == network


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"dilation": 3}, r"stages\[0\]\[0\]\.dilation is 3; it must be one of \[1, 2, 4, 8\]"),
        ({"pooling": 4}, r"stages\[0\]\[0\]\.pooling is 4; it must be one of \[1, 2\]"),
        ({"width_3x1": 30}, r"stages\[0\]\[0\]\.width_3x1 is 30; it must be a multiple of 4 from 16 to 32"),
        ({"width_1x3": 12}, r"stages\[0\]\[0\]\.width_1x3 is 12"),
        ({"width_1x3": "32"}, r"stages\[0\]\[0\]\.width_1x3 is '32'"),
        ({"pooling": True}, r"stages\[0\]\[0\]\.pooling is True"),
        ({"width_3x1": None}, r"stages\[0\]\[0\]\.width_3x1 is None"),
        ({"width_3x1": [32]}, r"stages\[0\]\[0\]\.width_3x1"),
        ({"width_3x1": 32.0}, r"stages\[0\]\[0\]\.width_3x1 is 32\.0"),
        ({"colour": 1}, "stages.*colour"),
    ],
    ids=str,
)
def test_a_bad_layer_names_file_and_place(values: dict[str, Any], message: str, tmp_path: Path) -> None:
    file = tmp_path / "found.json"
    file.write_text(change(baseline1(SpaceConfig.compact()), **values))
    with pytest.raises(InputError, match=message) as error:
        Architecture.load(file)
    assert str(error.value).startswith(str(file)) and "\n" not in str(error.value)


def edit(data: dict[str, Any], path: tuple[Any, ...], value: Any) -> Any:
    """``data`` with the value at ``path`` replaced."""
    if not path:
        return value
    if isinstance(data, list):
        return [edit(item, path[1:], value) if i == path[0] else item for i, item in enumerate(data)]
    return {**data, path[0]: edit(data[path[0]], path[1:], value) if path[0] in data else value}


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ((), [], "expected the keys"),
        (("schema",), 3, "schema"),
        (("schema",), None, "schema"),
        (("more",), 1, "expected the keys"),
        (("space", "step"), 3, r"space\.span: 16 is no multiple of space\.step 3"),
        (("space", "widths"), [32, 62], r"space\.widths: 62 is no multiple of space\.step 4"),
        (("space",), {"stem": 16}, "space: expected exactly the keys"),
        (("stages",), [[]], "1 stages"),
        (("stages",), None, "stages"),
        (("stages", 0), [], r"stages\[0\] has 0 layers"),
        (("stages", 0), 5, "stages"),
        (("stages", 0, 0), 5, "stages"),
        (("stages", 0, 0), {"dilation": 1}, "stages.*pooling"),
    ],
    ids=str,
)
def test_a_bad_file_is_refused_in_one_line(path: tuple[Any, ...], value: Any, message: str, tmp_path: Path) -> None:
    file = tmp_path / "found.json"
    file.write_text(json.dumps(edit(json.loads(baseline1(SpaceConfig.compact()).to_json()), path, value)))
    with pytest.raises(InputError, match=message) as error:
        Architecture.load(file)
    assert str(error.value).startswith(str(file)) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff\xfe", b"[1, 2", b"NaN"], ids=("empty", "cut", "binary", "list", "nan")
)
def test_what_is_no_json_is_refused(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "found.json"
    file.write_bytes(content)
    with pytest.raises(InputError, match="found.json: ") as error:
        Architecture.load(file)
    assert "\n" not in str(error.value)


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(InputError, match=str(path)):
            Architecture.load(path)


@pytest.mark.parametrize(
    ("label", "value", "message"),
    [
        ("stage1/depth", None, "stage1/depth' is missing"),
        ("stage1/layer1/op", None, "stage1/layer1/op' is missing"),
        ("stage1/layer1/d1s1/width_3x1", None, "stage1/layer1/d1s1/width_3x1' is missing"),
        ("stage1/layer1/op", "d3s1", "stage1/layer1/op is 'd3s1'; choose from d1s1"),
        ("stage1/layer1/d1s1/width_3x1", 7, "width_3x1 is 7"),
        ("stage1/depth", 0, "depth|0 layers"),
        ("stage1/depth", 9, "depth|9 layers"),
        ("stage1/depth", "2", "depth"),
    ],
)
def test_a_bad_sample_is_refused(label: str, value: Any, message: str, tiny: Callable[..., SpaceConfig]) -> None:
    sample = baseline1(tiny()).to_sample()
    if value is None:
        del sample[label]
    else:
        sample[label] = value
    with pytest.raises(InputError, match=message):
        Architecture.from_sample(tiny(), sample)


def test_a_depth_outside_the_space_is_named(tiny: Callable[..., SpaceConfig]) -> None:
    with pytest.raises(InputError, match=r"stages\[1\] has 2 layers, the space allows \[1, 3\]"):
        Architecture(tiny(), ((Layer(1, 1, 8, 8),), (Layer(1, 1, 12, 12),) * 2))


def test_labels_that_the_network_does_not_use_are_ignored(tiny: Callable[..., SpaceConfig]) -> None:
    architecture = Architecture(tiny(), ((Layer(4, 2, 4, 6),), (Layer(1, 1, 8, 10),)))
    sample = architecture.to_sample()
    sample |= {"stage1/layer3/op": "d2s2", "stage1/layer1/d1s1/width_3x1": 4}
    assert Architecture.from_sample(tiny(), sample) == architecture


def test_random_draws_every_candidate(tiny: Callable[..., SpaceConfig]) -> None:
    space, generator = tiny(), random.Random(0)
    drawn = [Architecture.random(space, generator) for _ in range(200)]
    assert {len(a.stages[0]) for a in drawn} == {1, 2, 3} and {len(a.stages[1]) for a in drawn} == {1, 3}
    layers = [layer for a in drawn for layer in a.stages[0]]
    assert {(layer.dilation, layer.pooling) for layer in layers} == set(space.operators)
    assert {layer.width_3x1 for layer in layers} == {layer.width_1x3 for layer in layers} == {4, 6, 8}


def test_resolve_architecture(tiny: Callable[..., SpaceConfig], tmp_path: Path) -> None:
    space = tiny()
    architecture = Architecture.random(space, random.Random(3))
    file = tmp_path / "baseline3"
    file.write_text(architecture.to_json())
    assert resolve_architecture("baseline1", space) == baseline1(space)
    assert resolve_architecture("baseline2", space) == baseline2(space)
    assert resolve_architecture(str(file), space) == architecture


def test_table_has_a_row_for_each_layer(tiny: Callable[..., SpaceConfig]) -> None:
    rows = Architecture(tiny(), ((Layer(4, 2, 4, 6),), (Layer(1, 1, 8, 10),))).table().splitlines()
    assert [row.split() for row in rows[1:]] == [
        ["1", "1", "4", "2", "4/8", "6/8"],
        ["2", "1", "1", "1", "8/12", "10/12"],
    ]
