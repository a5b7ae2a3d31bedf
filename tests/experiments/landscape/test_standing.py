"""Where the choices of searches stand, on landscapes whose function is known; the command without any training."""

import json
import shlex
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from experiments.cli import main
from experiments.landscape import summary
from experiments.landscape.comparison import compare_runs
from experiments.landscape.predictor import Predictor
from experiments.landscape.standing import DRAWN, Standing, log_probabilities, whole_space
from experiments.landscape.summary import closing_text, summarise
from experiments.landscape.table import TABLE, digest, read_landscape, write_facts, write_rows
from experiments.options.arguments import parse
from experiments.runs.environment import versions
from experiments.runs.lock import LOCK, locked
from experiments.runs.probabilities import write_probabilities
from experiments.search.options import SearchRunOptions
from nas_space.architecture import Architecture, baseline1, baseline2
from nas_space.config import DIMENSIONS, SpaceConfig
from nas_space.expected_cost import Probabilities
from strategies.alive import Alive

PART = ("dilation", "pooling")
Write = Callable[..., Path]
Space = Callable[..., SpaceConfig]


@pytest.fixture
def standing(tmp_path: Path, tiny: Space, write_landscape: Write) -> Standing:
    return Standing(read_landscape(write_landscape(tmp_path / TABLE, tiny(PART), count=30)))


def leaning(network: Architecture, most: float = 0.7) -> Probabilities:
    """Probabilities that favour one network in every choice."""
    space = network.space
    levels = []
    for full, only in zip(Alive.full(space), Alive.only(network), strict=True):
        others = (full & ~only).float()
        p = others * (1 - most) / others.sum(-1, keepdim=True).clamp(min=1) + only * most
        levels.append(p / p.sum(-1, keepdim=True).clamp(min=1e-9))
    return Probabilities(*levels)


def test_the_whole_space_is_all_its_networks(tiny: Space) -> None:
    networks = whole_space(tiny(PART))
    assert len(networks) == len(set(networks)) == 6**3
    deeper = tiny(("pooling", "depth"))
    assert len(set(whole_space(deeper))) == (2 + 4 + 8) * (2 + 8)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("experiments.landscape.standing.DRAWN", 7)
        assert len(whole_space(tiny(DIMENSIONS))) == 7 < DRAWN


def test_a_networks_probability_is_the_product_of_its_choices(tiny: Space) -> None:
    space = tiny(DIMENSIONS)
    networks = [Architecture.from_sample(space, baseline1(space).to_sample()), baseline2(space)]
    logs = log_probabilities(Probabilities(*(level[None] for level in leaning(networks[0]))), networks)
    choices = 2 + 3 * 3  # depths; operator and two widths of each layer of baseline1
    assert logs[0, 0] == pytest.approx(choices * np.log(0.7), abs=1e-5)
    assert logs[0, 1] < logs[0, 0]


def test_a_measured_network_has_its_own_score(standing: Standing) -> None:
    best = standing.place(standing.best)
    assert (best.measured, best.regret, best.score) == (True, 0.0, max(standing.scores.values()))
    assert standing.best in standing.sampled and best.percentile == 100.0  # of the others
    worst = standing.place(min(standing.scores, key=lambda n: standing.scores[n]))
    assert worst.percentile == 0.0 and worst.regret == pytest.approx(np.ptp(list(standing.scores.values())))
    assert worst.predicted_percentile is not None and best.predicted_percentile is not None
    assert worst.predicted_percentile < 20 < 80 < best.predicted_percentile


def test_another_network_is_predicted(standing: Standing) -> None:
    """The function is additive: the prediction comes near, and the best of the whole space has no regret."""
    others = [network for network in whole_space(standing.landscape.space) if network not in standing.scores]
    truths = [0.5 + 0.01 * _helps(network) for network in others]
    places = [standing.place(network) for network in others[::10]]
    assert not any(place.measured for place in places)
    assert [place.score for place in places] == pytest.approx(truths[::10], abs=0.02)
    best = standing.place(others[int(np.argmax(truths))])
    assert best.percentile is not None and best.percentile > 90
    assert best.regret == best.predicted_regret and best.regret is not None and best.regret < 0.01


def _helps(network: Architecture) -> int:
    first, second = network.stages
    return sum(layer.dilation for layer in second) - sum(layer.pooling for layer in (*first, *second))


def test_a_table_is_fitted_and_validated_once(
    tmp_path: Path, tiny: Space, write_landscape: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the file says of its own table is believed; of another table, or by another version, it is found out."""
    table = write_landscape(tmp_path / TABLE, tiny(PART), count=13)
    asked: list[int] = []
    monkeypatch.setattr(summary, "cross_validated", lambda space, networks, *rest: asked.append(len(networks)))
    fitted = Predictor.of
    monkeypatch.setattr(Predictor, "of", lambda *rest: asked.append(0) or fitted(*rest))
    first, second = (Standing(read_landscape(table)) for _ in range(2))
    assert first.quality == second.quality and second.predictions is first.predictions
    assert asked == [15, 0]
    facts, told = json.loads(table.with_suffix(".json").read_text()), dict.fromkeys(summary.QUALITY, 0.25)
    for known, expected in ((True, 0.25), (False, None)):
        rows = read_landscape(table).rows[: -2 if known else -3]
        write_rows(table, rows)
        said = {**told, "table": digest(rows if known else rows[1:])}
        write_facts(table, {**facts, "versions": versions(), "summary": said})
        assert Standing(read_landscape(table)).quality["predictor_correlation"] == expected
    write_facts(table, {**facts, "versions": {"ssr-nas": "0"}, "summary": {**told, "table": digest(rows)}})
    assert Standing(read_landscape(table)).quality["predictor_correlation"] is None
    assert asked == [15, 0, 15]


def test_a_drawn_part_of_a_space_has_no_best_of_the_whole(
    tmp_path: Path, tiny: Space, write_landscape: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("experiments.landscape.standing.MOST_NETWORKS", 10)
    monkeypatch.setattr("experiments.landscape.standing.DRAWN", 50)
    drawn = Standing(read_landscape(write_landscape(tmp_path / "drawn.csv", tiny(PART), count=29)))
    assert "best predicted of 50" in drawn.named() and "best predicted" not in drawn.named()


def test_percentiles_are_of_random_networks_alone(standing: Standing) -> None:
    """In ``compare`` and in ``landscape``: the hand-made ones do not count."""
    summary = summarise(standing.landscape.space, standing.landscape.rows)
    network = next(network for network, name in standing.names.items() if name == "baseline2")
    below = sum(standing.scores[one] < standing.scores[network] for one in standing.sampled)
    assert summary["baseline2"]["percentile"] == standing.place(network).percentile == pytest.approx(100 * below / 30)
    assert summary["best"]["percentile"] == 100.0 and "above 100 % of the random ones" in closing_text(summary)


def test_few_networks_predict_nothing(tmp_path: Path, tiny: Space, write_landscape: Write) -> None:
    standing = Standing(read_landscape(write_landscape(tmp_path / TABLE, tiny(PART), count=2)))
    other = next(network for network in whole_space(tiny(PART)) if network not in standing.scores)
    assert vars(standing.place(other)) == {**dict.fromkeys(vars(standing.place(other))), "measured": False}


def test_probabilities_that_know_the_truth_correlate_with_it(standing: Standing) -> None:
    space = standing.landscape.space
    networks = whole_space(space)
    best, worst = max(networks, key=_helps), min(networks, key=_helps)
    uniform = Probabilities(*(mask / mask.sum(-1, keepdim=True).clamp(min=1) for mask in Alive.full(space)))
    epochs = [uniform, leaning(best), Probabilities(*(mask.float() for mask in Alive.only(best))), leaning(worst)]
    nothing, good, decided, bad = standing.correlations(Probabilities(*map(torch.stack, zip(*epochs, strict=True))))
    assert nothing is None  # all networks are alike
    assert good is not None and decided is not None and bad is not None
    assert good > 0.3 and decided == pytest.approx(good) and bad < -0.3


def write_run(folder: Path, network: Architecture, strategy: str = "ssr", epochs: int = 2, **data: Any) -> Path:
    """The files of a finished search that are looked at."""
    folder.mkdir(parents=True)
    seed = int(folder.name.rpartition("-")[2]) if "-" in folder.name else 5
    summary = {"strategy": strategy, "seed": seed, "space": asdict(network.space)}
    (folder / "search.json").write_text(json.dumps(summary))
    (folder / "architecture.json").write_text(network.to_json())
    options = {"name": "streets", "size": "32x40", "limit": 8, **data}
    (folder / "config.yml").write_text(yaml.safe_dump({"strategy": strategy, "data": options}))
    if epochs:
        history = [leaning(network, 0.4 + 0.1 * epoch) for epoch in range(epochs)]
        write_probabilities(folder, list(range(1, epochs + 1)), history)
    return folder


def compare(*arguments: object) -> int:
    return main(["compare", *map(str, arguments)])


def test_the_command_needs_no_training(
    tmp_path: Path, standing: Standing, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("experiments.search.comparison_runs.run_children", lambda *_: pytest.fail("something was run"))
    networks = whole_space(standing.landscape.space)
    best = max((network for network in networks if network not in standing.scores), key=_helps)
    worst = min(standing.scores, key=_helps)
    for seed, network in enumerate((best, worst)):
        write_run(tmp_path / "runs" / "search" / f"ssr-{seed}", network)
    (tmp_path / "runs" / "search" / "darts-1").mkdir()  # was killed
    (tmp_path / "runs" / "config.yml").write_text("strategies: [ssr, 'my:Own']\nseeds: [0, 1]\n")
    write_run(tmp_path / "mine" / "ssr-0", standing.best, "random", epochs=0, size="64x64", limit=None)
    write_run(tmp_path / "old", standing.best, "darts", epochs=0)
    runs = f"{tmp_path / 'runs'},{tmp_path / 'mine' / 'ssr-0'},{tmp_path / 'old'}"
    out = tmp_path / "out"
    for _ in range(2):
        assert compare("--landscape", tmp_path / TABLE, "--runs", runs, "--out", out, "--json") == 0
    told = capsys.readouterr()
    result = json.loads(told.out.splitlines()[-1])
    rows = {row["network"]: row for row in result["rows"]}
    names = ["search/ssr-0", "search/ssr-1", "mine/ssr-0", f"{tmp_path.name}/old"]
    assert [name for name in rows if rows[name]["strategy"]] == names
    assert rows["search/ssr-0"]["correlation"] > 0.3 > -0.3 > rows["search/ssr-1"]["correlation"]
    assert rows["mine/ssr-0"]["regret"] == 0.0 and rows["mine/ssr-0"]["correlation"] is None
    assert {"baseline1", "baseline2", "random (mean of 30)"} <= set(rows)
    assert any(name.startswith("best (") and row["regret"] == 0.0 for name, row in rows.items())
    (group,) = result["groups"]
    assert (group["group"], group["searches"]) == ("search/ssr", 2)
    assert (group["measured"], group["predicted"]) == (1, 1)
    assert [rows[f"search/ssr-{seed}"]["score"] for seed in (0, 1)] == ["predicted", "measured"]
    assert "note: search/ssr: the mean mixes measured and predicted choices" in told.err
    left = ", ".join(str(tmp_path / "runs" / "search" / name) for name in ("my.Own-0", "my.Own-1", "darts-1"))
    assert f"note: left out, for they are not finished: {left}\n" in told.err
    assert group["regret"] == pytest.approx((rows["search/ssr-0"]["regret"] + rows["search/ssr-1"]["regret"]) / 2)
    assert "mine/ssr-0: searched with data.size 64x64 (landscape: 32x40), data.limit all (landscape: 8)" in told.err
    assert "regret points" in told.out and "largest rank correlation" in told.out
    assert told.err.count("has no probabilities.npz") == 2  # of old, in both calls; not of random
    assert {path.name for path in out.iterdir()} == {
        *("standing.csv", "standing.md", "standing.json", "correlation.csv", "correlation.png", LOCK)
    }
    curves = pd.read_csv(out / "correlation.csv")
    assert curves["epoch"].tolist() == [1, 2, 1, 2] and curves["network"].nunique() == 2
    assert json.loads((out / "standing.json").read_text())["rows"] == result["rows"]


def test_the_best_of_the_space_stands_beside_the_best_that_was_trained(standing: Standing) -> None:
    rows = {row["network"]: row for row in standing.fixed_rows()}
    whole = whole_space(standing.landscape.space)
    assert rows["best predicted"]["architecture"] == standing.text(whole[int(standing.predictions.argmax())])
    assert rows["best predicted"]["predicted_regret"] == 0.0
    assert f"a predicted one's among {len(whole)} predictions" in standing.worth()
    sampled = [row["predicted_regret"] for row in map(lambda n: standing.row("", n), standing.sampled)]
    assert rows["random (mean of 30)"]["predicted_regret"] == pytest.approx(np.mean(sampled))


def test_few_networks_predict_nothing_and_say_so(tmp_path: Path, tiny: Space, write_landscape: Write) -> None:
    few = Standing(read_landscape(write_landscape(tmp_path / "few.csv", tiny(PART), count=3)))
    assert few.worth().endswith("other networks cannot be predicted: that takes 10 trained ones")
    assert "it takes 10 networks" in closing_text(summarise(few.landscape.space, few.landscape.rows))
    assert "best predicted" not in few.named()


def write_config(run: Path, **changes: Any) -> None:
    config = yaml.safe_load((run / "config.yml").read_text())
    (run / "config.yml").write_text(yaml.safe_dump({**config, **changes}))


def groups_of(told: str) -> dict[str, str]:
    return {row["network"]: row["group"] for row in json.loads(told.splitlines()[-1])["rows"] if row["strategy"]}


def test_searches_of_other_options_are_no_seeds_of_one(
    tmp_path: Path, standing: Standing, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ("old", "same", "ramp", "ramp2", "batch", "bare", "ssr-0", "ssr-1")
    runs = [write_run(tmp_path / name, standing.best) for name in names]
    (tmp_path / "bare" / "config.yml").unlink()  # nothing is known of its options
    write_config(tmp_path / "same", epochs=24, method={"ramp": 0.0, "uniform": True, "arch_split": None})
    write_config(tmp_path / "ramp", method={"ramp": 0.3, "stagger": True, "gone": 1})  # of an earlier version
    write_config(tmp_path / "ramp2", method={"ramp": 0.3, "stagger": True})
    write_config(tmp_path / "batch", data={"name": "streets", "size": "32x40", "limit": 8, "batch": 2})
    write_config(tmp_path / "ssr-1", method={"ramp": 0.3})
    write_config(tmp_path / "ssr-0", out="elsewhere", data={"root": "other", "size": "32x40", "limit": 8})
    arguments = ["--landscape", tmp_path / TABLE, "--runs", ",".join(map(str, runs)), "--out", tmp_path / "out"]
    assert compare(*arguments, "--json") == 0
    told = capsys.readouterr()
    ramp = "ssr, method.ramp 0.3, method.stagger true"
    before = f"{ramp}, method.gone 1"
    # What all runs have, and what a run has by default, is not named.
    assert groups_of(told.out) == {
        **{"old": "ssr", "same": "ssr", "bare": "ssr", "ramp": before, "ramp2": ramp},
        **{"batch": "ssr, data.batch 2", "ssr-0": "ssr", "ssr-1": "ssr"},
    }
    assert "note: ssr: its searches differ in method.ramp, and the mean is over all of them" in told.err


def test_a_table_of_other_runs_is_kept(tmp_path: Path, standing: Standing, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = (write_run(tmp_path / "a" / f"ssr-{seed}", standing.best) for seed in (0, 1))
    twin = write_run(tmp_path / "b" / "ssr-0", standing.best)
    out, landscape = tmp_path / "out", ("--landscape", tmp_path / TABLE)
    assert compare(*landscape, "--runs", f"{first},{second}", "--out", out) == 0
    before = (out / "standing.csv").read_text()
    for runs, lost in ((f"{first}", "ssr-1"), (f"{twin},{second}", "ssr-0")):
        assert compare(*landscape, "--runs", runs, "--out", out) == 2
        message = f"its table has {lost} too; name these runs as well, remove standing.json, or choose another --out"
        assert message in capsys.readouterr().err
    assert compare("--landscape", "streets", "--runs", f"{first},{second}", "--out", out) == 2  # of another space
    assert (out / "standing.csv").read_text() == before
    compare_runs(standing, [str(first)], str(out), own=True)  # a comparison writes its own tables anew
    assert compare(*landscape, "--runs", f"{first},{second}", "--out", out) == 0
    third = write_run(tmp_path / "a" / "ssr-2", standing.best)
    assert compare(*landscape, "--runs", f"{first},{second},{third}", "--out", out) == 0
    content = json.loads((out / "standing.json").read_text())
    (out / "standing.json").write_text(json.dumps({**content, "landscape": "mine"}))
    assert compare(*landscape, "--runs", f"{first},{second},{third}", "--out", out) == 2
    assert "holds a table of the landscape mine; remove standing.json" in capsys.readouterr().err
    for damaged in ("[]", "{", "[" * 200_000):
        (out / "standing.json").write_text(damaged)
        assert compare(*landscape, "--runs", first, "--out", out) == 2
        assert "standing.json: damaged; remove it, or choose another --out" in capsys.readouterr().err


def test_what_cannot_be_compared_is_refused_in_one_line(
    tmp_path: Path, standing: Standing, tiny: Space, capsys: pytest.CaptureFixture[str]
) -> None:
    run = write_run(tmp_path / "run", standing.best)
    narrow = write_run(tmp_path / "narrow", baseline1(tiny(("dilation",))))
    other = write_run(tmp_path / "other", baseline1(tiny(PART, dilations=(1, 2))))
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun" / "config.yml").write_text("strategy: ssr\n")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.txt").write_text("")
    (tmp_path / "race").mkdir()  # has ended, and is no search
    (tmp_path / "race" / "config.yml").write_text("entrants: [baseline1]\n")
    table = ["--landscape", tmp_path / TABLE]
    cases = [
        (["--runs", run], "runs: has no effect without landscape"),
        ([*table, "--runs", narrow], "its space has search dilation, and the landscape"),
        ([*table, "--runs", other], "its space has dilations 1,2, and the landscape"),
        ([*table, "--runs", tmp_path / "begun"], "an unfinished run"),
        ([*table, "--runs", tmp_path / "notes"], "no run of a search"),
        ([*table, "--runs", tmp_path / "race"], "no run of a search"),
        ([*table, "--runs", f"{run},{run}"], "is named twice"),
        ([*table, "--runs", run, "--out", tmp_path / "notes"], "holds files already, and no comparison"),
        (["--landscape", tmp_path / "no.csv", "--runs", run], "no.csv: no such file"),
        ([*table], "the searches: their space has stem 16, and the landscape"),
    ]
    for arguments, problem in cases:
        end = [] if "--out" in arguments else ["--out", tmp_path / "out"]
        assert compare(*arguments, *end) == 2
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert problem in line
    assert [path.name for path in (tmp_path / "notes").iterdir()] == ["mine.txt"]


def test_the_space_that_a_message_names_is_the_landscapes(
    tmp_path: Path, standing: Standing, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare("--landscape", tmp_path / TABLE, "--out", tmp_path / "out") == 2
    named = capsys.readouterr().err.split("search with ")[1].split(", or give")[0]
    options, _ = parse("ssr-nas search", "", SearchRunOptions, shlex.split(named))
    assert options.space.resolve() == standing.landscape.space


def test_one_process_writes_a_folder_at_a_time(
    tmp_path: Path, standing: Standing, capsys: pytest.CaptureFixture[str]
) -> None:
    run, out = write_run(tmp_path / "run", standing.best), tmp_path / "out"
    out.mkdir()
    with locked(out):
        assert compare("--landscape", tmp_path / TABLE, "--runs", run, "--out", out) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "is working in this run" in line and [path.name for path in out.iterdir()] == [LOCK]


def test_searches_of_the_command_itself_are_looked_up(
    tmp_path: Path, standing: Standing, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def searched(options: Any) -> dict[str, Any]:
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "config.yml").write_text("strategies: [ssr]\nout: out\n")
        for seed in options.seeds:
            write_run(tmp_path / "out" / "search" / f"ssr-{seed}", standing.best)
        return {"rows": []}

    monkeypatch.setattr("experiments.commands.compare._compare", searched)
    space = [
        "--space.stem",
        "4",
        "--space.widths",
        "8,12",
        "--space.depths",
        "[[1, 2, 3], [1, 3]]",
        "--space.span",
        "4",
    ]
    space += ["--space.step", "2", "--space.dilations", "1,2,4", "--space.search", "dilation,pooling"]
    arguments = ["--strategies", "ssr", "--seeds", "0,1", "--out", tmp_path / "out", "--json"]
    assert compare("--landscape", tmp_path / TABLE, *space, *arguments) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    rows = [row for row in result["landscape"]["rows"] if row["strategy"] == "ssr"]
    assert [row["network"] for row in rows] == ["ssr-0", "ssr-1"] and rows[0]["regret"] == 0.0
    assert (tmp_path / "out" / "standing.md").is_file()
