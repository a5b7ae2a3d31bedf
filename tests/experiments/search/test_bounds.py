"""From options to a constraint."""

import json
from pathlib import Path
from random import Random

import pytest

from experiments.cli import main
from experiments.latency.cache import Wanted
from experiments.options.groups import ConstraintOptions, DataOptions, SpaceOptions
from experiments.options.quantity import Quantity
from experiments.search.bounds import TABLE, latency_cost, latency_table, make_constraint
from experiments.search.options import SearchOptions
from nas_space.architecture import Architecture, baseline1
from nas_space.config import Head, SpaceConfig
from nas_space.cost import cost
from nas_space.errors import InputError
from nas_space.latency import LatencyTable, all_operators, grid_widths
from strategies.alive import Alive
from strategies.target import Target

ARGUMENTS = ["--data.size", "32x40", "--data.limit", "8", "--data.batch", "4", "--epochs", "2", "--device", "cpu"]


def table(space: SpaceConfig, classes: int = 9) -> LatencyTable:
    """Time grows with the product of a layer's widths; pooled layers take a quarter, undilated ones a little less."""
    widths = tuple(grid_widths(space.stage_widths(stage), 5) for stage in range(2))
    layers = tuple(
        tuple(
            tuple(tuple(c1 * c2 * (1 + 0.01 * dilation) / pooling**2 / 1e4 for c2 in stage) for c1 in stage)
            for dilation, pooling in all_operators(space)
        )
        for stage in widths
    )
    return LatencyTable(
        space=space,
        size=(32, 40),
        classes=classes,
        head="encoder",
        pixels=False,
        resize=False,
        argmax=False,
        engine="onnxruntime",
        precision="fp32",
        threads=1,
        device="paper",
        date="2026-01-01",
        versions={},
        fixed_ms=0.5,
        widths=widths,
        layers_ms=layers,
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "table.json").write_text(table(SpaceConfig.compact()).to_json())
    return tmp_path / "table.json"


def options(**given: object) -> SearchOptions:
    return SearchOptions(data=DataOptions(size="32x40"), constraint=ConstraintOptions(**given))  # type: ignore[arg-type]


def test_no_bound_no_constraint() -> None:
    assert make_constraint(options(), 9) is None


def test_counted_bounds_are_those_of_the_cost() -> None:
    constraint = make_constraint(options(macs=Quantity("5M"), params=Quantity("90K")), 9)
    assert constraint is not None
    network = baseline1(SpaceConfig.compact())
    exact = cost(network, (32, 40), 9)
    assert [(bound.name, bound.limit, bound.of(network)) for bound in constraint.bounds] == [
        ("macs", 5e6, exact.macs_total),
        ("params", 9e4, exact.params),
    ]


@pytest.mark.parametrize(
    ("preset", "heads"), [("compact", ("encoder", "aggregation")), ("pyramid", ("fusion", "aggregation"))]
)
def test_a_bound_counts_the_head_that_is_asked_for(preset: str, heads: tuple[Head, ...]) -> None:
    network = baseline1(SpaceConfig.preset(preset))
    for head in heads:
        exact = cost(network, (64, 96), 9, head)
        given = options(params=Quantity("90M"), head=head)
        given.space.preset, given.data.size = preset, "64x96"
        given.target.macs = [Quantity(f"{exact.macs_total:.0f}")]
        made = make_constraint(given, 9)
        assert isinstance(made, Target)
        found = {bound.name: bound.of(network) for bound in made.bounds}
        assert found == {"macs": exact.macs_total, "params": exact.params}


def test_macs_are_counted_at_cost_size() -> None:
    given = options(macs=Quantity("5G"))
    given.cost.size = "256x512"
    constraint = make_constraint(given, 9)
    assert constraint is not None
    network = baseline1(SpaceConfig.compact())
    assert constraint.bounds[0].of(network) == cost(network, (256, 512), 9).macs_total


@pytest.mark.parametrize("search", [("dilation", "pooling", "width", "depth"), ("width",), ("dilation",)], ids=str)
def test_latency_of_the_table(search: tuple[str, ...]) -> None:
    space = SpaceConfig.compact(search)
    measured = table(SpaceConfig.compact())
    predicted = latency_cost(measured, space)
    for seed in range(5):
        network = Architecture.random(space, Random(seed))
        assert predicted.cheapest(*Alive.only(network)) == pytest.approx(measured.predict(network))


def test_a_bound_on_latency_is_met(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    bound = ["--constraint.latency_ms", "1.2", "--constraint.table", str(file)]
    assert main(["search", *ARGUMENTS, *bound, "--out", str(out)]) == 0
    summary = json.loads((out / "search.json").read_text())
    found = LatencyTable.load(out / TABLE).predict(Architecture.load(out / "architecture.json"))
    networks = json.loads((out / "pareto.json").read_text())["networks"]
    assert networks[-1]["latency_ms"] == pytest.approx(found)
    said = capsys.readouterr().out  # for which device the search was, and what the table says of the found network
    assert f"latency       {found:.3g} ms, " in said and " of baseline1 (" in said
    assert said.count("onnxruntime, fp32, 1 thread, 32x40, encoder head, on paper") == 2
    assert found <= 1.2 and summary["constraint"]["latency_ms"] == {
        "limit": 1.2,
        "found": pytest.approx(found),
        "met": True,
    }


def test_without_a_table_it_is_measured_and_that_of_the_run_is_used_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    built: list[tuple[object, ...]] = []

    def find(wanted: Wanted, **_: object) -> LatencyTable:
        built.append((wanted.size, wanted.classes, wanted.engine, wanted.precision, wanted.threads, wanted.head))
        return table(wanted.space, wanted.classes)

    monkeypatch.setattr("experiments.search.bounds.find_table", find)
    given = options(latency_ms=1.2)
    assert make_constraint(given, 9) is None  # without a table there is nothing to bound
    measured = latency_table(given, 9)
    assert measured is not None and built == [((32, 40), 9, "onnxruntime", "fp32", 1, "encoder")]
    assert capsys.readouterr().out.startswith(
        "latency table   onnxruntime, fp32, 1 thread, 32x40, encoder head, on paper"
    )
    (tmp_path / TABLE).write_text(measured.to_json())
    assert latency_table(given, 9, tmp_path) == measured and len(built) == 1
    constraint = make_constraint(given, 9, measured)
    assert constraint is not None and constraint.bounds[0].name == "latency_ms"
    latency_table(options(latency_ms=1.2, engine="openvino", precision="int8", threads=2, head="aggregation"), 9)
    assert built[1] == ((32, 40), 9, "openvino", "int8", 2, "aggregation")


def test_a_bound_on_latency_that_cannot_be_met_leaves_no_folder(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bound = ["--constraint.latency_ms", "0.4", "--constraint.table", str(file)]
    assert main(["search", *ARGUMENTS, *bound, "--out", str(tmp_path / "run")]) == 2
    assert "constraint.latency_ms: 0.4 ms is below" in capsys.readouterr().err and not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"latency_ms": 0.4}, "constraint.latency_ms: 0.4 ms is below the smallest network"),
        ({"engine": "openvino"}, "engine is onnxruntime, but openvino is needed"),
        ({"precision": "int8"}, "precision is fp32, but int8 is needed"),
        ({"threads": 2}, "threads is 1, but 2 is needed"),
        ({"head": "aggregation"}, "head is encoder, but aggregation is needed"),
        ({"table": "nowhere.json"}, "nowhere.json: no such file"),
    ],
)
def test_what_does_not_fit_is_refused(file: Path, change: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        given = options(**{"latency_ms": 1.2, "table": str(file), **change})
        make_constraint(given, 9, latency_table(given, 9))


def test_a_table_of_another_space_size_or_number_of_classes_is_refused(file: Path) -> None:
    given = options(latency_ms=1.2, table=str(file))
    with pytest.raises(InputError, match=r"classes is 9, but 11 is needed; measure one with: .* --classes 11"):
        latency_table(given, 11)
    given.data.size = "64x64"
    with pytest.raises(InputError, match="size"):
        latency_table(given, 9)
    given.data.size, given.space = "32x40", SpaceOptions(preset="paper")
    with pytest.raises(InputError, match="space"):
        latency_table(given, 9)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--constraint.latency_ms", "0"], "constraint.latency_ms: 0 must be above 0"),
        (["--constraint.latency_ms", "nan"], "constraint.latency_ms"),
        (["--constraint.table", "x.json"], "constraint.table: has no effect"),
        (["--constraint.macs", "-3"], "constraint.macs"),
        (["--constraint.macs", "20M", "--strategy", "nni-darts"], "NNI's own and takes none"),
        (["--constraint.latency_ms", "1", "--constraint.engine", "abacus"], "engine"),
        (["--constraint.latency_ms", "1", "--constraint.precision", "fp16"], "precision: unknown 'fp16'"),
        (["--constraint.latency_ms", "1", "--constraint.head", "tail"], "constraint.head: this space has no 'tail'"),
        (["--constraint.macs", "20M", "--constraint.head", "fusion"], "constraint.head: this space has no 'fusion'"),
        (["--constraint.latency_ms", "1", "--constraint.threads", "0"], "threads: 0 must be at least 1"),
        (["--cost.size", "10x10"], "size"),
        (["--strategy", "random", "--method.samples", "5"], "method.samples: 5 networks do not fit into 2 epochs"),
    ],
)
def test_bad_options_are_one_line(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["search", *ARGUMENTS, *arguments, "--out", str(tmp_path / "run")]) == 2
    error = capsys.readouterr().err.strip().splitlines()
    assert len(error) == 1 and message in error[0]
    assert not (tmp_path / "run").exists()
