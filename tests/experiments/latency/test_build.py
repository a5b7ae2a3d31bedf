"""A table from its plan: which networks are measured, and what the table makes of their times."""

import json
import random
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch

from experiments.export.formats import TABLE_ENGINES
from experiments.export.onnx_file import onnx_bytes
from experiments.export.settings import ExportSettings
from experiments.export.timed_file import FILE_ENGINES
from experiments.latency import networks
from experiments.latency.build import build_table
from experiments.latency.networks import exported_shapes, make_plan, patterned, writers
from experiments.latency.plan import COPIES, Plan
from experiments.runs.environment import processor_name
from experiments.runtime.engines import timed_call
from experiments.runtime.interface import PLAIN, Interface
from nas_space.architecture import Architecture, Layer
from nas_space.config import Head, SpaceConfig
from nas_space.errors import InputError
from nas_space.latency import LatencyTable, all_operators
from nas_space.lowering import LOWERINGS, Lowering
from nas_space.network import SegmentationNetwork

Tiny = Callable[..., SpaceConfig]


def plan_of(space: SpaceConfig, engine: str = "onnxruntime", precision: str = "fp32") -> Plan:
    return make_plan(space, (64, 96), 5, space.heads[0], PLAIN, engine, precision)


def test_layers_of_the_same_file_are_measured_once(tiny: Tiny) -> None:
    """The 1x3 convolution is filled up with zeros: its width changes no file."""
    plan = plan_of(tiny())
    grids = [grid for operators in plan.places for grid in operators]
    for grid in grids:
        assert all(len(set(row)) == 1 for row in grid)  # whatever the 1x3's width
    numbers = [row[0] for grid in grids for row in grid]
    assert numbers == list(range(1, len(plan.layers) + 1))


@pytest.mark.parametrize("lowering", LOWERINGS)
def test_what_a_file_depends_on(lowering: Lowering) -> None:
    state = torch.get_rng_state()
    forms = {exported_shapes(8, Layer(1, 1, c1, c2), lowering) for c1, c2 in product((4, 8), repeat=2)}
    assert len(forms) == (2 if lowering == "zeros" else 4)
    assert torch.equal(torch.get_rng_state(), state)


def test_fewer_widths_where_all_would_be_too_many(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    space = tiny(widths=(24, 32), span=16, step=2, dilations=(1,), poolings=(1,))
    assert list(map(len, plan_of(space).widths)) == [9, 9]
    monkeypatch.setattr(networks, "MANY", 17)
    assert list(map(len, plan_of(space).widths)) == [5, 5]


@pytest.mark.parametrize("stages", [2, 3, 4])
def test_each_network_is_the_reference_with_a_chain(stages: int, tiny: Tiny, deep: Tiny) -> None:
    plan = plan_of(tiny() if stages == 2 else deep(stages))
    reference, *chains = plan.networks()
    assert [len(stage) for stage in reference.stages] == [1] * stages
    assert {stage for stage, _ in plan.layers} == set(range(stages))
    for (stage, layer), network in zip(plan.layers, chains, strict=True):
        assert network.stages[stage] == (*reference.stages[stage], *[layer] * COPIES)
        assert all(network.stages[other] == reference.stages[other] for other in range(stages) if other != stage)


def test_a_plan_goes_through_json(tiny: Tiny) -> None:
    plan = replace(plan_of(tiny()), interface=Interface(True, True, True))
    assert Plan.from_dict(json.loads(json.dumps(plan.to_dict()))) == plan


@pytest.mark.parametrize(("stages", "head"), [(2, "encoder"), (3, "fusion"), (4, "aggregation")])
def test_a_table_adds_up(stages: int, head: Head, fake: Any, tiny: Tiny, deep: Tiny) -> None:
    full = tiny() if stages == 2 else deep(stages)
    space, state = replace(full, search=("depth",)), torch.get_rng_state()
    told: list[tuple[int, int]] = []
    table = build_table(space, (64, 96), 5, "onnxruntime", 1, 2, head=head, progress=lambda *at: told.append(at))
    assert torch.equal(torch.get_rng_state(), state) and told[-1][0] == told[-1][1] == len(told)
    assert (table.engine, table.threads, table.precision, table.head) == ("onnxruntime", 1, "fp32", head)
    assert table.device == processor_name() and "onnxruntime" in table.versions
    assert table.fixed_ms == pytest.approx(fake.call_ms, abs=1e-4)
    for stage, operator in product(space.stages, all_operators(space)):
        for c1, c2 in product(table.widths[stage], repeat=2):
            layer = Layer(*operator, c1, c2)
            assert table.layer_ms(stage, *operator, c1, c2) == pytest.approx(fake.layer_ms(layer))
    network = Architecture.random(full, random.Random(0))
    expected = fake.call_ms + sum(fake.layer_ms(layer) for layers in network.stages for layer in layers)
    assert table.predict(network) == pytest.approx(expected)
    assert LatencyTable.from_json(table.to_json()) == table


def test_a_chain_as_fast_as_the_reference_takes_no_time(tiny: Tiny) -> None:
    plan = plan_of(tiny())
    table = plan.table([1.0, *[0.9] * len(plan.layers)], 1, "a processor", "2026-01-01", {})
    assert table.layer_ms(0, 1, 1, 8, 8) == 0.0 and table.fixed_ms == 1.0


@pytest.mark.parametrize("engine", TABLE_ENGINES)
def test_a_real_table(engine: str, tiny: Tiny) -> None:
    space = tiny(dilations=(1,), poolings=(1,), span=0)
    table = build_table(space, (32, 64), 3, engine, 2, 1, head="aggregation", interface=Interface(True, True, True))
    assert (table.head, table.threads, table.pixels, table.argmax) == ("aggregation", 2, True, True)
    assert table.fixed_ms > 0 and engine in table.versions and len(table.tabulate()) == 2


def test_the_files_are_those_of_an_export(tiny: Tiny, tmp_path: Path) -> None:
    plan = plan_of(tiny())
    file = writers(plan)[3](tmp_path)
    module = patterned(SegmentationNetwork, plan.networks()[3], 5, "encoder")
    settings = ExportSettings((64, 96), lowering=FILE_ENGINES["onnxruntime"].fastest)
    assert file.read_bytes() == onnx_bytes(module, settings)
    assert timed_call("onnxruntime", file, 1, (1, 3, 64, 96))() == (1, 5, 8, 12)


@pytest.mark.parametrize(("engine", "form"), [("onnxruntime", b"QuantizeLinear"), ("openvino", b"FakeQuantize")])
def test_eight_bits(engine: str, form: bytes, tiny: Tiny, tmp_path: Path) -> None:
    plan = plan_of(tiny(span=0, dilations=(1,), poolings=(1,)), engine, "int8")
    assert form in writers(plan)[1](tmp_path).read_bytes()


@pytest.mark.parametrize(
    ("engine", "precision", "message"),
    [
        ("torch", "fp32", "engine: unknown 'torch'; choose from onnxruntime, openvino"),
        ("onnxruntime", "int4", "precision: unknown 'int4'; choose from fp32, int8"),
    ],
)
def test_what_cannot_be_measured(engine: str, precision: str, message: str, tiny: Tiny) -> None:
    with pytest.raises(InputError, match=message):
        build_table(tiny(), (64, 96), 5, engine, precision=precision)
