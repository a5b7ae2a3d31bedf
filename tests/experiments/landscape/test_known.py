"""Benchmarks' tables as landscapes: keys, files, places and correlations; what cannot be used is refused."""

import json
import random
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from experiments.cli import main
from experiments.landscape.known_probabilities import write_known_probabilities
from experiments.landscape.known_ruler import KnownRuler
from experiments.landscape.known_space import NAS_BENCH_201, NAS_BENCH_MACRO, KnownSpace
from experiments.landscape.known_table import read_known_table
from experiments.landscape.table_file import read_ruler
from experiments.runs.files import write_json
from nas_space.errors import InputError

HEADER = "CIFAR10TestAccuracy200Epochs,CIFAR100TestAccuracy200Epochs,ArchitectureString"
CELL = "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_1x1~0|none~1|nor_conv_3x3~2|"


def macro(folder: Path) -> Path:
    """A table of the 81 networks that begin with four identities; what is not identity helps."""
    rows = {"0000" + "".join(key): sum(map(int, key)) for key in product("012", repeat=4)}
    table = {key: {"test_acc": [80 + helps, 82 + helps], "mean_acc": 0.0} for key, helps in rows.items()}
    (folder / "macro.json").write_text(json.dumps(table))
    return folder / "macro.json"


def write_run(run: Path, key: str, lean: float = 0.8) -> Path:
    """A search that has found a network, and in its second epoch leans to it with ``lean`` in every choice."""
    space = NAS_BENCH_MACRO
    sample = space.to_sample(space.read(key))
    history = {
        epoch: {
            label: {name: most if name == sample[label] else (1 - most) / 2 for name in names}
            for label, names in space.choices.items()
        }
        for epoch, most in ((1, 1 / 3), (2, lean))
    }
    run.mkdir(parents=True)
    write_known_probabilities(run, history)
    write_json(run / "search.json", {"world": space.name, "strategy": "ssr", "seed": 3, "sample": sample})
    return run


@pytest.mark.parametrize("space", [NAS_BENCH_201, NAS_BENCH_MACRO], ids=lambda space: space.name)
def test_a_networks_key_leads_back_to_it(space: KnownSpace) -> None:
    generator, keys = random.Random(0), set()
    for _ in range(500):
        network = tuple(generator.choice(names) for names in space.choices.values())
        assert space.read(space.write(network)) == network
        assert space.key(space.to_sample(network)) == space.write(network)
        keys.add((network, space.write(network)))
    assert len({network for network, _ in keys}) == len({key for _, key in keys}) > 450


def test_a_cell_is_read_edge_by_edge() -> None:
    sample = NAS_BENCH_201.to_sample(NAS_BENCH_201.read(CELL))
    assert sample == {
        "cell/0_1": "avg_pool_3x3",
        "cell/0_2": "conv_1x1",
        "cell/1_2": "skip_connect",
        "cell/0_3": "conv_1x1",
        "cell/1_3": "none",
        "cell/2_3": "conv_3x3",
    }
    assert NAS_BENCH_201.key(dict(reversed(sample.items()))) == CELL
    for wrong in (CELL.replace("~2", "~1"), CELL.replace("none", "zero"), CELL + "|", ""):
        with pytest.raises(ValueError, match="is no cell of NAS-Bench-201"):
            NAS_BENCH_201.read(wrong)
    with pytest.raises(InputError, match="'cell/0_1' is missing"):
        NAS_BENCH_201.key({label: name for label, name in sample.items() if label != "cell/0_1"})
    with pytest.raises(InputError, match="'cell/0_1' is 'zero'; choose from none, "):
        NAS_BENCH_201.key({**sample, "cell/0_1": "zero"})


def test_the_place_of_a_choice(tmp_path: Path) -> None:
    ruler = read_ruler(str(macro(tmp_path)))
    assert isinstance(ruler, KnownRuler) and ruler.measure == "accuracy"
    best = ruler.place(NAS_BENCH_MACRO.read("00002222"))
    assert (best.score, best.percentile, best.regret) == (pytest.approx(0.89), 100.0, 0.0)
    worst = ruler.place(NAS_BENCH_MACRO.read("00000000"))
    assert (worst.percentile, worst.regret) == (0.0, pytest.approx(0.08))
    assert ruler.place(NAS_BENCH_MACRO.read("20002222")).score is None  # not in this table


def test_the_command_judges_a_foreign_search(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The correlation against a plain computation: products of probabilities, ranks by pandas."""
    table, good = macro(tmp_path), write_run(tmp_path / "runs" / "search" / "mine-3", "00002222")
    poor = write_run(tmp_path / "runs" / "search" / "poor-3", "00000001")
    arguments = ["--landscape", str(table), "--runs", str(tmp_path / "runs"), "--out", str(tmp_path / "out"), "--json"]
    assert main(["compare", *arguments]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    rows = {row["network"]: row for row in result["rows"]}
    assert rows["mine-3"]["regret"] == 0.0 and rows["mine-3"]["group"] == "mine"
    assert rows["mine-3"]["accuracy"] == pytest.approx(89.0) and rows["mine-3"]["architecture"] == "00002222"
    assert rows["poor-3"]["regret"] == pytest.approx(7.0) and rows["best"]["accuracy"] == pytest.approx(89.0)
    import pandas as pd

    keys = ["".join(key) for key in product("012", repeat=4)]
    frame = pd.DataFrame({"truth": [sum(map(int, key)) for key in keys]})
    for run, found in ((good, "2222"), (poor, "0001")):
        frame["p"] = [np.prod([0.8 if a == b else 0.1 for a, b in zip(key, found, strict=True)]) for key in keys]
        expected = frame.round(12).rank().corr()["p"]["truth"]
        told = [row for row in result["correlations"] if row["network"] == run.name]
        assert [row["epoch"] for row in told] == [1, 2] and told[0]["correlation"] is None
        assert told[1]["correlation"] == pytest.approx(expected)


def told(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert main(["compare", *map(str, arguments)]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    return line


def test_what_does_not_belong_together_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table, run, out = macro(tmp_path), write_run(tmp_path / "run", "00000001"), ("--out", tmp_path / "out")
    assert "has our own; give the search's own table" in told(capsys, "--landscape", "streets", "--runs", run, *out)
    assert "give finished searches of that space by --runs" in told(capsys, "--landscape", table, *out)
    cells = tmp_path / "cells.csv"
    cells.write_text(f"{HEADER}\n90,70,{CELL}\n")
    assert "its space is nas_bench_macro" in told(capsys, "--landscape", cells, "--runs", run, *out)
    (run / "probabilities.json").write_text('{"epochs": [1], "probabilities": [{"layer0": {}}]}')
    assert "cannot be read as probabilities" in told(capsys, "--landscape", table, "--runs", run, *out)
    (run / "probabilities.json").write_text('{"epochs": [], "probabilities": []}')
    assert "holds what is no probability" in told(capsys, "--landscape", table, "--runs", run, *out)
    write_json(run / "search.json", {"world": "nas_bench_macro", "strategy": "ssr", "seed": 3, "sample": {"layer0": 1}})
    assert "'layer1' is missing" in told(capsys, "--landscape", table, "--runs", run, *out)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{HEADER}\n", "holds no network"),
        (f"{HEADER}\n90,70,{CELL}\n101,70,{CELL.replace('none', 'skip_connect')}\n", "line 3: accuracy 101 must be"),
        (f"{HEADER}\n90,70,{CELL}\n90,70,{CELL}\n", "line 3: .* stands there twice"),
        (f"{HEADER}\nnan,70,{CELL}\n", "line 2: accuracy nan"),
        (f"{HEADER}\n90\n", "line 2: '' is no cell"),
        ('{"00000000": {"test_acc": [90]}, "00000003": {"test_acc": [90]}}', "network 00000003: .* is no network"),
        ('{"00000000": {"test_acc": []}}', "network 00000000: it has no accuracy"),
        ('{"00000000": {"test_acc": ["high"]}}', "network 00000000: could not convert"),
    ],
)
def test_a_damaged_table_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / ("table.json" if text.startswith("{") else "table.csv")
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_known_table(path)


@pytest.mark.parametrize(
    "text", ["name,architecture,seed\n", "{}", "[1]", "{", '{"space": {}}', f"name\n{'x' * 140_000}\n"]
)
def test_another_file_is_no_benchmarks_table(tmp_path: Path, text: str) -> None:
    path = tmp_path / ("table.csv" if text.startswith("name") else "table.json")
    path.write_text(text)
    assert read_known_table(path) is None
