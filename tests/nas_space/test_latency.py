"""The latency table: interpolation, sums, JSON, and every way in which a file can be wrong."""

import dataclasses
import json
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.interpolate import RegularGridInterpolator

from nas_space.architecture import Architecture
from nas_space.config import DIMENSIONS, SpaceConfig
from nas_space.errors import InputError
from nas_space.expected_cost import TabulatedCost
from nas_space.latency import LatencyTable, all_operators, build_command, grid_widths
from strategies.alive import Alive


def random_table(space: SpaceConfig, points: int = 3) -> LatencyTable:
    widths = tuple(grid_widths(space.stage_widths(stage), points) for stage in (0, 1))
    generator = np.random.default_rng(0)
    layers = tuple(
        tuple(tuple(map(tuple, generator.random((len(w), len(w))).tolist())) for _ in all_operators(space))
        for w in widths
    )
    return LatencyTable(
        space,
        (96, 128),
        9,
        "encoder",
        False,
        False,
        False,
        "openvino",
        "fp32",
        1,
        "a processor",
        "2020-01-02T03:04:05+00:00",
        {"torch": "2"},
        0.25,
        widths,
        layers,
    )


@pytest.fixture
def space(tiny: Callable[..., SpaceConfig]) -> SpaceConfig:
    return tiny(widths=(24, 32), span=16, step=2, stem=4)


def test_grid_widths_span_the_candidates() -> None:
    assert grid_widths((16, 20, 24, 28, 32), 3) == (16, 24, 32)
    assert grid_widths(tuple(range(32, 65, 4)), 5) == (32, 40, 48, 56, 64)
    assert grid_widths((4, 6, 8), 5) == (4, 6, 8)
    assert grid_widths((8,), 3) == (8,)


def test_widths_between_are_interpolated_bilinearly(space: SpaceConfig) -> None:
    table = random_table(space)
    for stage in (0, 1):
        for row, (dilation, pooling) in enumerate(all_operators(space)):
            measured = np.array(table.layers_ms[stage][row])
            expected = RegularGridInterpolator((table.widths[stage], table.widths[stage]), measured)
            for c1 in space.stage_widths(stage):
                for c2 in space.stage_widths(stage):
                    assert table.layer_ms(stage, dilation, pooling, c1, c2) == pytest.approx(
                        expected((c1, c2)).item(), abs=1e-12
                    )


@pytest.mark.parametrize("layer", [(3, 1, 8, 8), (1, 3, 8, 8), (1, 1, 6, 8), (1, 1, 8, 26)])
def test_a_layer_that_is_not_in_the_table(space: SpaceConfig, layer: tuple[int, int, int, int]) -> None:
    with pytest.raises(
        InputError, match=f"holds no d{layer[0]}s{layer[1]} of widths {layer[2]} and {layer[3]} in stage 1"
    ):
        random_table(space).layer_ms(0, *layer)


def test_prediction_is_the_sum_over_layers(space: SpaceConfig) -> None:
    table = random_table(space)
    for seed in range(10):
        network = Architecture.random(space, random.Random(seed))
        total = table.fixed_ms
        for stage, layers in enumerate(network.stages):
            for layer in layers:
                total += table.layer_ms(stage, layer.dilation, layer.pooling, layer.width_3x1, layer.width_1x3)
        assert table.predict(network) == pytest.approx(total, rel=1e-12)


@pytest.mark.parametrize("search", [("dilation", "pooling", "width", "depth"), ("dilation",), ("width",), ()])
def test_tabulated_values_are_those_of_the_layers(space: SpaceConfig, search: tuple[str, ...]) -> None:
    table = random_table(space)
    searched = dataclasses.replace(space, search=search, dilations=(1, 4))
    for stage, array in enumerate(table.tabulate(searched)):
        widths = searched.width_candidates(stage)
        assert array.dtype == np.float64 and array.shape == (len(searched.operators), len(widths), len(widths))
        for i, operator in enumerate(searched.operators):
            expected = [[table.layer_ms(stage, *operator, c1, c2) for c2 in widths] for c1 in widths]
            np.testing.assert_allclose(array[i], expected, rtol=1e-12)
    assert [array.shape for array in table.tabulate()] == [(6, 9, 9), (6, 9, 9)]


def test_one_width(tiny: Callable[..., SpaceConfig]) -> None:
    table = random_table(tiny(span=0))
    assert [array.shape for array in table.tabulate()] == [(6, 1, 1), (6, 1, 1)]


def test_json_and_back(space: SpaceConfig, tmp_path: Path) -> None:
    table = random_table(space)
    (tmp_path / "table.json").write_text(table.to_json())
    assert LatencyTable.load(tmp_path / "table.json") == table
    assert len(table.to_json().splitlines()) < 50


def test_a_table_fits_every_search_of_its_layers(space: SpaceConfig) -> None:
    table = random_table(space)
    for change in ({"search": ()}, {"depths": ((4,), (5, 6))}, {"dilations": (1, 4)}, {"poolings": (1,)}):
        table.check(dataclasses.replace(space, **change), (96, 128), engine="openvino", head=None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"stem": 5}, "space.stem is 4, but 5"),
        ({"widths": (24, 34)}, r"space.widths is \[24, 32\], but \[24, 34\]"),
        ({"dilations": (1, 2, 8)}, r"space.dilations is \[1, 2, 4\], but \[1, 2, 8\]"),
        ({"span": 8}, "space.span is 16, but 8"),
        ({"step": 4}, "space.step is 2, but 4"),
    ],
)
def test_another_space_is_refused_with_the_command(space: SpaceConfig, change: dict[str, Any], key: str) -> None:
    table, other = random_table(space), dataclasses.replace(space, **change)
    with pytest.raises(
        InputError, match=f"latency table: {key} is needed; measure one with: ssr-nas latency --preset compact --space"
    ):
        table.check(other, (96, 128), engine="openvino")
    with pytest.raises(InputError, match=key):
        table.tabulate(other)
    with pytest.raises(InputError, match=key):
        table.predict(Architecture.random(other, random.Random(0)))


def test_another_size_or_engine_is_refused(space: SpaceConfig) -> None:
    with pytest.raises(InputError, match="size is 96x128, but 64x64 is needed.*--size 64x64 --engine openvino"):
        random_table(space).check(space, (64, 64))
    for key, value, other in (("engine", "openvino", "onnxruntime"), ("head", "encoder", "aggregation")):
        with pytest.raises(InputError, match=f"{key} is {value}, but {other} is needed.*--{key} {other}"):
            random_table(space).check(space, (96, 128), **{key: other})
    for wanted in ({"precision": "int8"}, {"threads": 2}):
        with pytest.raises(InputError, match="is needed; measure one with: "):
            random_table(space).check(space, (96, 128), **wanted)


def test_the_command_is_as_short_as_can_be() -> None:
    assert (
        build_command(SpaceConfig.paper(), (512, 1024), engine="openvino")
        == "ssr-nas latency --preset paper --size 512x1024 --engine openvino"
    )
    changed = dataclasses.replace(SpaceConfig.compact(), dilations=(1, 2))
    assert "latency --preset compact --space.dilations 1,2 --size" in build_command(changed, (96, 128))


def edited(table: LatencyTable, path: str, value: Any) -> str:
    """The JSON with one value replaced, or removed if ``value`` is ``...``."""
    data = json.loads(table.to_json())
    place = data
    *parents, last = [int(part) if part.isdigit() else part for part in path.split("/")]
    for part in parents:
        place = place[part]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return json.dumps(data)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("schema", 1, "schema: expected 2"),
        ("schema", True, "schema: expected 2"),
        ("schema", ..., "schema: missing key"),
        ("engine", ..., "engine: missing key"),
        ("engine", 3, "engine: expected text"),
        ("device", None, "device: expected text"),
        ("date", [], "date: expected text"),
        ("precision", 32, "precision: expected text"),
        ("head", None, "head: expected text"),
        ("head", "fusion", "head: expected one of encoder, aggregation"),
        ("precision", "fp16", "precision: expected one of fp32, int8"),
        ("engine", " ", "engine: expected text"),
        ("argmax", 0, "argmax: expected true or false"),
        ("extra", 3, "extra: unknown key"),
        ("classes", 0, "classes: expected a whole number"),
        ("classes", True, "classes: expected a whole number"),
        ("threads", 1.5, "threads: expected a whole number"),
        ("size", [96], "size: expected height and width"),
        ("size", 96, "size: expected height and width"),
        ("size", [96, "128"], "size: expected height and width"),
        ("versions", {"torch": 2}, "versions: expected texts"),
        ("versions", [], "versions: expected texts"),
        ("fixed_ms", -1, "fixed_ms: expected a number"),
        ("fixed_ms", "1", "fixed_ms: expected a number"),
        ("fixed_ms", float("nan"), "fixed_ms: expected a number"),
        ("fixed_ms", 0.0, "fixed_ms: expected a number above 0"),
        ("fixed_ms", 10**400, "fixed_ms: expected a number"),
        ("space", [], "space: expected exactly the keys"),
        ("space/stem", 0, "space: stem"),
        ("stages", {}, "stages: expected a list"),
        ("stages/1", ..., "stages: expected a list of 2 stages"),
        ("stages/0", 7, r"stages\[0\]: expected keys and values"),
        ("stages/0/widths", 7, r"stages\[0\].widths: expected a list"),
        ("stages/0/widths", [8, 24, 16], r"stages\[0\].widths: expected ascending candidates from 8 to 24"),
        ("stages/0/widths", [10, 16, 24], r"stages\[0\].widths: expected ascending candidates"),
        ("stages/0/widths", [], r"stages\[0\].widths: expected ascending candidates"),
        ("stages/0/widths/1", [16], r"stages\[0\].widths: expected ascending candidates"),
        ("stages/1/layer_ms", [], r"stages\[1\].layer_ms: expected keys and values"),
        ("stages/1/layer_ms/d4s2", ..., r"stages\[1\].layer_ms.d4s2: missing key"),
        ("stages/1/layer_ms/d3s2", [], r"stages\[1\].layer_ms.d3s2: unknown key"),
        ("stages/1/layer_ms/d4s2", 1, r"stages\[1\].layer_ms.d4s2: expected a list of lists"),
        ("stages/1/layer_ms/d4s2/0", [1, 2], r"stages\[1\].layer_ms.d4s2: expected 3 lists of 3 numbers"),
        ("stages/1/layer_ms/d4s2/0/2", -0.1, r"stages\[1\].layer_ms.d4s2: expected 3 lists of 3 numbers"),
        ("stages/1/layer_ms/d4s2/0/2", float("inf"), r"stages\[1\].layer_ms.d4s2: expected 3 lists of 3 numbers"),
        ("stages/1/layer_ms/d4s2/0/2", None, r"stages\[1\].layer_ms.d4s2: expected 3 lists of 3 numbers"),
    ],
)
def test_a_damaged_file_is_named_with_its_key(
    space: SpaceConfig, tmp_path: Path, path: str, value: Any, message: str
) -> None:
    file = tmp_path / "table.json"
    file.write_text(edited(random_table(space), path, value))
    with pytest.raises(InputError, match=message) as caught:
        LatencyTable.load(file)
    assert str(caught.value).startswith(f"{file}: ") and "\n" not in str(caught.value)


def test_the_fastest_and_the_slowest_network(space: SpaceConfig) -> None:
    table = random_table(space)
    every = dataclasses.replace(space, search=DIMENSIONS)
    cost = TabulatedCost(every, table.fixed_ms, [torch.from_numpy(stage) for stage in table.tabulate(every)])
    full = Alive.full(every)
    assert table.span() == pytest.approx((cost.cheapest(*full), cost.dearest(*full)))


@pytest.mark.parametrize("key", ["fixed_ms", "d4s2", "widths"])
def test_a_key_that_stands_there_twice(space: SpaceConfig, key: str) -> None:
    text = random_table(space).to_json().replace(f'"{key}": ', f'"{key}": 9, "{key}": ', 1)
    with pytest.raises(InputError, match=f"latency table: {key}: expected one value; it stands there twice"):
        LatencyTable.from_json(text)


@pytest.mark.parametrize("content", [b"", b"[]", b"3", b"{", b"\xff\xfe", b"[" * 100_000])
def test_a_file_that_is_no_table(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "table.json").write_bytes(content)
    with pytest.raises(InputError, match="table.json: "):
        LatencyTable.load(tmp_path / "table.json")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing.json: no such file; measure a table with ssr-nas latency"):
        LatencyTable.load(tmp_path / "nothing.json")
    with pytest.raises(InputError, match="cannot be read"):
        LatencyTable.load(tmp_path)


def test_the_table_loads_no_torch() -> None:
    heavy = "{'torch', 'onnx', 'onnxruntime', 'openvino', 'pandas'}"
    check = f"import sys, nas_space.latency; assert not {heavy} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", check], cwd=Path(__file__).parents[2], check=True, timeout=60)
