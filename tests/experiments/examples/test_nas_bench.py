"""The known worlds: their spaces against the published tables, and the experiment on images of noise."""

import io
import json
import os
import random
import re
import shlex
import zipfile
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from experiments import cli
from experiments.examples.nas_bench import experiment
from experiments.examples.nas_bench.entrants import ENTRANTS, Entrant
from experiments.examples.nas_bench.images import Batches, Images, augment, read_images
from experiments.examples.nas_bench.macro import MacroSpace
from experiments.examples.nas_bench.options import NasBenchOptions, check_options
from experiments.examples.nas_bench.random_search import random_search
from experiments.examples.nas_bench.worlds import WORLDS, Sizes
from experiments.landscape.known_space import EDGES, NAS_BENCH_201, NAS_BENCH_MACRO, OPERATIONS
from experiments.landscape.known_table import read_known_table
from experiments.options.arguments import parse

ROOT = Path(__file__).parents[3]
SHARED = [
    ROOT.parent / "shared",
    *(Path(root).parent for root in [os.environ.get("CAMVID_ROOT")] if root),
]
FOLDERS = [folder / "data" / "nas_bench" for folder in SHARED]
TABLES = next((folder for folder in FOLDERS if folder.is_dir()), FOLDERS[0])
needs_tables = pytest.mark.skipif(not TABLES.is_dir(), reason="no tables of NAS-Bench beside the project")
TINY = ["--images", "32", "--batch", "4", "--steps", "1", "--epochs", "12", "--random_epochs", "1", "--side", "8"]
TINY += ["--cell_channels", "2", "--chain_channels", "2", "--chain_last", "4"]


@pytest.mark.parametrize("name", WORLDS)
def test_a_world_has_the_choices_of_its_table(name: str) -> None:
    world, generator = WORLDS[name], random.Random(1)
    leaves = world.make(Sizes(2, 1, 2, 4)).simplify()
    assert {label: tuple(leaf.values) for label, leaf in leaves.items()} == dict(world.space.choices)
    space = world.make(Sizes(2, 1, 2, 4))
    for _ in range(10):
        sample = {label: generator.choice(names) for label, names in world.space.choices.items()}
        network = space.freeze(sample).eval()
        assert network(torch.zeros(1, 3, 16, 16)).shape == (1, 10)
        assert world.space.to_sample(world.space.read(world.space.key(sample))) == sample


def test_the_full_size_is_that_of_the_benchmarks() -> None:
    file = ROOT / "experiments" / "configs" / "nas_bench" / "full.yml"
    options, _ = parse("", "", NasBenchOptions, ["--config", str(file)])
    check_options(options)
    assert (options.side, options.cell_channels, options.cells) == (32, 16, 5)
    assert (options.chain_channels, options.chain_last) == (32, 1280)


@needs_tables
def test_parameters_of_the_chains_equal_those_of_the_table() -> None:
    """An independent check of the space: the table's own count."""
    rows, space = json.loads((TABLES / WORLDS["nas_bench_macro"].table).read_text()), MacroSpace()
    for key in random.Random(0).sample(sorted(rows), 25):
        network = space.freeze(NAS_BENCH_MACRO.to_sample(NAS_BENCH_MACRO.read(key)))
        assert sum(weight.numel() for weight in network.parameters()) == rows[key]["params"], key


@needs_tables
def test_the_published_tables() -> None:
    """Every network once; the figures that the benchmarks' papers tell."""
    chains = read_known_table(TABLES / WORLDS["nas_bench_macro"].table)
    cells = read_known_table(TABLES / WORLDS["nas_bench_201"].table)
    assert chains is not None and cells is not None
    assert len(chains.trainings) == 3**8 and {len(row) for row in chains.trainings.values()} == {3}
    assert len(cells.trainings) == 5**6
    skips = cells.trainings[("skip_connect",) * 6]
    assert skips == pytest.approx((0.5430,), abs=5e-5)
    assert max(cells.trainings.values()) == pytest.approx((0.9437,), abs=5e-5)


def test_batches_go_on_where_the_last_epoch_ended() -> None:
    images = Images(torch.arange(10.0).reshape(10, 1, 1, 1).expand(10, 3, 8, 8).clone(), torch.arange(10))
    batches = Batches(images, 4, 3, seed=0)
    first, second = ([labels.tolist() for _, labels in batches] for _ in range(2))
    assert len(first) == len(second) == 3
    drawn = [label for labels in (*first, *second) for label in labels]
    for begin in (0, 8, 16):  # a pass has two whole batches
        assert len(set(drawn[begin : begin + 8])) == 8
    again = Batches(images, 4, 3, seed=0)
    assert [labels.tolist() for _, labels in again] == first


def test_an_augmented_image_is_moved_and_mirrored() -> None:
    images = torch.rand(64, 3, 8, 8) + 1
    moved = augment(images, torch.Generator().manual_seed(0))
    padded = torch.nn.functional.pad(images, (1, 1, 1, 1))
    seen = set()
    for image, result in zip(padded, moved, strict=True):
        views = {
            (row, column, mirror): image[:, row : row + 8, column : column + 8].flip(2)
            if mirror
            else image[:, row : row + 8, column : column + 8]
            for row, column, mirror in product(range(3), range(3), (False, True))
        }
        (place,) = [place for place, view in views.items() if torch.equal(view, result)]
        seen.add(place)
    assert len(seen) > 10


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of noise, and tables in which what is not a skip helps."""
    folder, noise = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    with zipfile.ZipFile(folder / "cifar10_jpeg.zip", "w") as archive:
        for number in range(40):
            content = io.BytesIO()
            Image.fromarray(noise.integers(0, 256, (32, 32, 3), np.uint8)).save(content, "JPEG")
            archive.writestr(f"train/class{number % 10}/{number:04}.jpg", content.getvalue())
    chains = {"".join(key): {"test_acc": [90 - key.count("0")]} for key in product("012", repeat=8)}
    (folder / WORLDS["nas_bench_macro"].table).write_text(json.dumps(chains))
    networks = product(OPERATIONS.values(), repeat=len(EDGES))
    cells = [f"{90 - cell.count('skip_connect')},{NAS_BENCH_201.write(cell)}" for cell in networks]
    text = "\n".join(["CIFAR10TestAccuracy200Epochs,ArchitectureString", *cells])
    (folder / WORLDS["nas_bench_201"].table).write_text(text)
    return folder


def page_commands(data: Path, folder: Path) -> list[list[str]]:
    """The commands of docs/nas_bench.md, with the data and the runs at other places."""
    page = (ROOT / "docs" / "nas_bench.md").read_text()
    lines = [line for block in re.findall(r"```bash\n(.*?)```", page, re.DOTALL) for line in block.splitlines()]
    moved = [line.replace("FOLDER", str(data)).replace(" runs/", f" {folder}/runs/") for line in lines]
    return [shlex.split(line.replace(" experiments/", f" {ROOT}/experiments/")) for line in moved]


@pytest.mark.filterwarnings("ignore:.*does not have many workers:UserWarning")
def test_the_experiment(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The page's commands, in small: a search of ssr ends discrete and is found in the table, and in a landscape's.

    What is finished stays, what was cut off is redone.
    """
    # In 12 steps every choice can be decided at this learning rate.
    monkeypatch.setitem(ENTRANTS, "ssr", Entrant("ssr", {"lr": 2.0, "warmup": 0.1, "explore": 0.2}))  # type: ignore[misc]
    out = tmp_path / "runs" / "nas_bench"
    experiment_line, full_size, compare_line = page_commands(data, tmp_path)
    common = experiment_line[3:]
    assert common == [*full_size[5:-1], str(out)] and Path(full_size[4]).is_file()
    arguments = [*common, *TINY, "--seeds", "0", "--strategies", "random,ssr,darts"]
    assert experiment.main(arguments) == 0
    assert "results.md" in capsys.readouterr().out
    table = pd.read_csv(out / "results.csv")
    assert len(table) == 6 and "| nas_bench_201 | ssr | 1 | 1 |" in (out / "results.md").read_text()
    for row in table.itertuples():
        space = WORLDS[row.world].space
        network = space.read(str(row.network).zfill(8))
        skips = network.count(space.skip)
        assert (row.skips, row.accuracy, row.regret) == (skips, pytest.approx(90 - skips), pytest.approx(skips))
        summary = json.loads((out / row.world / "search" / f"{row.strategy}-0" / "search.json").read_text())
        assert space.from_sample(summary["sample"]) == network and summary["key"] == space.write(network)
        if row.strategy == "ssr":
            assert summary["discrete"] is True and summary["removals"]
        if row.strategy == "random":
            assert row.trained >= 1 and np.isnan(row.correlation)
    kept, redone = (out / "nas_bench_macro" / "search" / name / "search.json" for name in ("darts-0", "ssr-0"))
    assert cli.main([*compare_line[1:], "--json"]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    standing = {row["network"]: row for row in result["rows"]}
    of_csv = table[table.world == "nas_bench_201"].set_index("strategy")
    for column in ("accuracy", "percentile", "regret", "correlation"):
        assert standing["ssr-0"][column] == pytest.approx(of_csv[column]["ssr"])
    before, told = kept.stat().st_mtime_ns, json.loads(redone.read_text())
    redone.unlink()
    assert experiment.main([*arguments, "--worlds", "nas_bench_macro"]) == 0
    assert len(pd.read_csv(out / "results.csv")) == 6  # the other world keeps its rows
    again = json.loads(redone.read_text())
    assert kept.stat().st_mtime_ns == before
    assert {**again, "seconds": 0} == {**told, "seconds": 0}
    capsys.readouterr()
    for change, message in (
        (["--epochs", "3"], "was begun with another 'epochs'"),
        (["--worlds", "nas_bench_101"], "worlds: unknown 'nas_bench_101'"),
        (["--images", "12001"], "images: 12001 must be from"),
        (["--data", str(tmp_path)], "nas_bench_201.csv: is no table of nas_bench_201; give the folder"),
        (["--strategies", "random", "--seeds", "7"], "random takes the time of a search with seed 7"),
    ):
        assert experiment.main([*common, *TINY, *change]) == 2
        assert message in capsys.readouterr().err


def test_random_search_keeps_to_its_time_and_to_held_out_images(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from experiments.examples.nas_bench import random_search as module

    options = NasBenchOptions(images=32, side=8, batch=4)
    images, now, trained, scored = read_images(str(data), 32, 8), [0.0], [], []

    def train(network: Any, batches: Batches, *rest: Any) -> None:
        now[0] += 10.0
        trained.append(batches.images.labels)

    def accuracy(network: Any, held_out: Images, device: str) -> float:
        scored.append(held_out.labels)
        return [0.2, 0.7, 0.4, 0.7][len(scored) - 1]

    monkeypatch.setattr(module, "train", train)
    monkeypatch.setattr(module, "accuracy", accuracy)
    found = random_search(WORLDS["nas_bench_macro"], 0, images, options, 45.0, clock=lambda: now[0])
    assert (found["trained"], found["accuracy"]) == (4, 0.7)
    assert all(torch.equal(labels, images.labels[:16]) for labels in trained)
    assert all(torch.equal(labels, images.labels[16:]) for labels in scored)
    generator = random.Random(0)
    networks = [tuple(generator.choice(n) for n in NAS_BENCH_MACRO.choices.values()) for _ in range(2)]
    assert found["sample"] == NAS_BENCH_MACRO.to_sample(networks[1])
