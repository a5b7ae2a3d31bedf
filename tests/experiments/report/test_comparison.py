"""The table of a comparison and its two spreads."""

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from experiments.cli import main
from experiments.report.comparison import comparison_table, half_removed, summary_table, write_comparison
from experiments.report.markdown import markdown, with_deviations
from experiments.report.verdicts import percentiles, spread, verdicts
from nas_space.config import SpaceConfig
from nas_space.errors import InputError

pytestmark = pytest.mark.usefixtures("real_figures")

NAMES = ("ssr-0", "ssr-1", "baseline1", "random-0", "random-1")
COSTS = {name: {"params": 1000.0 * i, "macs_total": 1e6 * i} for i, name in enumerate(NAMES, 1)}
SUMMARY: dict[str, Any] = {
    "space": asdict(SpaceConfig.compact(("dilation",))),
    "removals": [{"epoch": 2 + i // 3, "level": "operator", "rule": "threshold"} for i in range(15)]
    + [{"epoch": 2, "level": "width", "rule": "cascade"} for _ in range(30)],
    "discrete": True,
    "gap_before": {"loss_supernet": 1.0, "loss_derived": 1.5},
    "miou": {"supernet": 0.5, "derived": 0.4},
    "gap": {"loss_supernet": 1.0, "loss_derived": 1.25},
    "entropy": {"final": 0.0},
    "discrete_epoch": 7,
    "time": {"total_s": 60.0},
}
SCORES = {
    "ssr-0": [0.50, 0.52],
    "ssr-1": [0.54, 0.56],
    "baseline1": [0.4, 0.4],
    "random-0": [0.45, 0.47],
    "random-1": [0.41, 0.43],
}


def test_rows_and_group_means() -> None:
    table = comparison_table(COSTS, {"ssr-0": SUMMARY, "ssr-1": SUMMARY}, SCORES, ["ssr"]).set_index("network")
    assert list(table.index) == [*COSTS, "ssr (mean of 2)", "random (mean of 2)"]
    assert table.loc["ssr-0", "retrained"] == pytest.approx(51.0)
    assert table.loc["ssr (mean of 2)", "retrained"] == pytest.approx(53.0)
    assert table.loc["random (mean of 2)", "retrained_sd"] == pytest.approx(4.0 / math.sqrt(2))
    assert table.loc["ssr-1", "loss_jump"] == pytest.approx(0.25)
    assert table.loc["ssr-1", "loss_jump_before"] == pytest.approx(0.5)


def test_every_score_names_the_resolution_of_its_labels() -> None:
    miou = {"supernet": 0.5, "derived": 0.4, "derived_full": 0.35, "resolution": "12x16", "resolution_full": "96x128"}
    costs = {name: {**cost, "size": "96x128"} for name, cost in COSTS.items()}
    searches = {"ssr-0": {**SUMMARY, "miou": miou}, "ssr-1": {**SUMMARY, "miou": miou}}
    table = comparison_table(costs, searches, SCORES, ["ssr"])
    columns = ["retrained_resolution", "search_resolution"]
    by_name = table.set_index("network")
    assert by_name.loc["ssr-0", columns].tolist() == ["96x128", "12x16"]
    assert by_name.loc["ssr (mean of 2)", columns].tolist() == ["96x128", "12x16"]
    assert by_name.loc["ssr-0", "derived_full_miou"] == pytest.approx(35)
    summary = summary_table(table, ["ssr"]).iloc[0]
    assert summary[columns].tolist() == ["96x128", "12x16"] and summary["derived_full_miou"] == pytest.approx(35)
    assert "96x128" in markdown(with_deviations(summary_table(table, ["ssr"])))


def test_a_loss_that_was_not_finite_is_a_gap_in_the_table() -> None:
    """``search.json`` holds None for it."""
    unknown = {"loss_supernet": 1.0, "loss_derived": None}
    summary = {**SUMMARY, "gap": unknown, "gap_before": unknown, "miou": {"supernet": None, "derived": None}}
    table = comparison_table(COSTS, {"ssr-0": summary, "ssr-1": summary}, SCORES, ["ssr"])
    columns = ["search_miou", "derived_miou", "loss_jump", "loss_jump_before"]
    assert table.set_index("network").loc["ssr-0", columns].isna().all()
    row = summary_table(table, ["ssr"]).iloc[0]
    assert row[columns].isna().all() and row["entropy"] == 0 and "| - |" in markdown(table)
    mixed = summary_table(comparison_table(COSTS, {"ssr-0": summary, "ssr-1": SUMMARY}, SCORES, ["ssr"]), ["ssr"]).iloc[
        0
    ]
    assert mixed["loss_jump"] == pytest.approx(0.25) and mixed["search_miou"] == pytest.approx(50)


def test_spread_separates_networks_from_seeds() -> None:
    result = spread(SCORES)
    assert result["between_networks"] == pytest.approx(0.04 / math.sqrt(2))
    assert result["between_seeds"] == pytest.approx(math.sqrt((4 * 0.0002) / 5))
    assert spread({"ssr-0": [0.5]}) == {"between_networks": None, "between_seeds": None}


def test_markdown_has_a_dash_where_there_is_nothing() -> None:
    table = comparison_table(COSTS, {"ssr-0": SUMMARY, "ssr-1": SUMMARY}, {}, ["ssr"])
    lines = markdown(table).splitlines()
    assert len(lines) == 2 + len(table)
    assert "| - |" in lines[4]


def test_a_strategys_row_has_mean_and_deviation_over_its_seeds() -> None:
    other = {**SUMMARY, "miou": {"supernet": 0.7, "derived": 0.6}, "discrete": False, "discrete_epoch": None}
    table = comparison_table(COSTS, {"ssr-0": SUMMARY, "ssr-1": other}, SCORES, ["ssr"])
    rows = summary_table(table, ["ssr", "darts"])
    assert rows["strategy"].tolist() == ["ssr"]
    row = rows.iloc[0]
    assert (row["seeds"], row["discrete"]) == (2, 1)
    assert row["search_miou"] == pytest.approx(60) and row["search_miou_sd"] == pytest.approx(20 / math.sqrt(2))
    assert row["retrained"] == pytest.approx(53) and row["retrained_sd"] == pytest.approx(4 / math.sqrt(2))
    assert row["discrete_epoch"] == 7


def test_percentiles_count_the_random_networks_below() -> None:
    assert percentiles(SCORES) == {"ssr-0": 100.0, "ssr-1": 100.0, "baseline1": 0.0}
    assert percentiles({**SCORES, "ssr-0": [0.45]})["ssr-0"] == 50.0
    assert percentiles({"ssr-0": [0.5]}) == {}
    assert percentiles({"random-search-0": [0.5], "random-0": [0.4]}) == {"random-search-0": 100.0}


def test_verdicts_name_the_affordable_and_the_matched() -> None:
    costs = {**COSTS, "random-0": {"params": 1.0, "macs_total": 0.5e6}, "matched-ssr-0": COSTS["ssr-0"]}
    lines = verdicts({**SCORES, "matched-ssr-0": [0.48]}, costs, ["ssr-0", "ssr-1"])
    assert lines[2] == "median of 2 random networks  44.00 %"
    beside = "the best of 1 with no more MACs is random-0 with 46.00 %"
    assert lines[3].startswith(f"ssr-0: 51.00 %, above 100 % of the random networks; {beside}")
    assert lines[3].endswith("a random one of as many MACs has 48.00 %")
    assert verdicts({"ssr-0": [0.5]}, costs, ["ssr-0"]) == []


def test_half_removed_counts_what_was_searched_and_not_cut() -> None:
    """Five layers of four dilations: 15 have to go, the eighth left at epoch 4; widths went with their operators."""
    assert half_removed(SUMMARY) == 4
    assert half_removed({**SUMMARY, "removals": SUMMARY["removals"][:7]}) is None
    assert half_removed({**SUMMARY, "removals": [{"epoch": 1, "level": "operator", "rule": "argmax"}] * 15}) is None


def test_deviations_stand_beside_their_means() -> None:
    table = comparison_table(
        COSTS, {"ssr-0": SUMMARY, "ssr-1": SUMMARY}, SCORES, ["ssr"], {"ssr-0": 50.0, "ssr-1": 52.0}
    )
    merged = with_deviations(summary_table(table, ["ssr"])).iloc[0]
    assert merged["retrained"] == "53 ± 2.83" and merged["entropy_area"] == "51 ± 1.41"
    assert merged["discrete_epoch"] == "7" and "retrained_sd" not in merged


def test_a_strategy_whose_name_begins_like_another_is_apart() -> None:
    found = {name: SUMMARY for name in ("ssr-0", "ssr-1", "ssr-ie-0", "ssr-ie-1")}
    costs = dict.fromkeys(found, COSTS["ssr-0"])
    rows = summary_table(comparison_table(costs, found, {}, ["ssr", "ssr-ie"]), ["ssr", "ssr-ie"])
    assert rows["seeds"].tolist() == [2, 2]


def test_random_search_is_apart_from_the_random_networks() -> None:
    """The networks that the strategy ``random`` found are called ``random-search-<seed>``."""
    costs = {**COSTS, "random-search-0": COSTS["ssr-0"], "random-search-1": COSTS["ssr-0"]}
    scores = {**SCORES, "random-search-0": [0.9], "random-search-1": [0.8]}
    assert spread(scores)["between_networks"] == spread(SCORES)["between_networks"]
    found = {"random-search-0": SUMMARY, "random-search-1": SUMMARY}
    table = comparison_table(costs, found, scores, ["random-search"]).set_index("network")
    assert table.loc["random (mean of 2)", "retrained"] == pytest.approx(44.0)
    assert table.loc["random-search (mean of 2)", "retrained"] == pytest.approx(85.0)


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    """The folder of a comparison with two searches, one of which has no entropy, and one network retrained twice."""
    for name in ("ssr-0", "random-search-0"):
        run = tmp_path / "search" / name
        run.mkdir(parents=True)
        (run / "search.json").write_text(json.dumps({**SUMMARY, "cost": COSTS["ssr-0"]}))
        (run / "metrics.csv").write_text("epoch,entropy\n1,3.0\n2,1.5\n" if name == "ssr-0" else "epoch\n1\n")
    for seed, miou in enumerate((0.5, 0.52)):
        run = tmp_path / "retrain" / f"ssr-0-seed{seed}"
        run.mkdir(parents=True)
        (run / "retrain.json").write_text(json.dumps({"miou": miou, "cost": COSTS["ssr-1"]}))
    return tmp_path


def write(folder: Path) -> dict[str, Any]:
    names = ["ssr-0", "random-search-0"]
    return write_comparison(folder, names, ["ssr-0"], 2, ["ssr", "random-search"], without_entropy=names[1:])


def test_a_comparison_is_read_from_its_runs_and_written(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = write(finished)
    first, second = result["rows"]
    assert (first["network"], first["entropy_area"], first["params"]) == ("ssr-0", 4.5, 2000)
    assert first["retrained"] == pytest.approx(51) and second["retrained"] is second["entropy_area"] is None
    assert json.loads((finished / "compare.json").read_text()) == result
    assert (finished / "entropy.png").read_bytes().startswith(b"\x89PNG")
    assert f"{finished}: report.html, compare.md, compare.csv, compare.json, entropy.png" in capsys.readouterr().out


def test_a_figure_that_fails_costs_no_table(
    finished: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(curves: Any) -> None:
        raise RuntimeError("no canvas")

    monkeypatch.setattr("experiments.report.figures.comparison_figure", fail)
    write(finished)
    told = capsys.readouterr()
    assert "entropy.png could not be written (RuntimeError: no canvas)" in told.err and told.err.count("\n") == 1
    assert "ssr-0" in told.out and "standard deviation" in told.out
    assert {file.name for file in finished.glob("compare.*")} == {"compare.csv", "compare.md", "compare.json"}


WRONG = {
    "search/ssr-0/search.json": [
        ({"miou": {"supernet": "x", "derived": 0.5}}, "miou.supernet must be a number, and is 'x'"),
        ({"cost": {"params": [1], "macs_total": 1}}, "cost.params must be a number"),
        ({"entropy": 3}, "entropy.final is missing"),
        ({"removals": [{"epoch": None}]}, r"removals\[0\].epoch must be a number"),
        ({"gap_before": {"loss_supernet": 1}}, "gap_before.loss_derived is missing"),
        ({"discrete": "yes"}, "discrete must be true or false"),
        ({"space": {}}, "space: expected exactly the keys"),
    ],
    "retrain/ssr-0-seed1/retrain.json": [({"miou": None}, "miou must be a number, and is 'None'")],
}


@pytest.mark.parametrize(("file", "change", "words"), [(file, *case) for file in WRONG for case in WRONG[file]])
def test_a_value_of_another_kind_is_named_with_its_file_and_key(
    file: str, change: dict[str, Any], words: str, finished: Path
) -> None:
    path = finished / file
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(InputError, match=f"{file}: {words}.*; remove the file"):
        write(finished)
    assert not (finished / "compare.csv").exists()


def test_people_read_names_with_units(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Tables for people name their columns alike; the file for programs keeps its keys, and says yes or no."""
    result = write(finished)
    told = capsys.readouterr()
    printed = told.out
    assert told.err == ""
    assert printed.splitlines()[-1].endswith(f"predict --checkpoint {finished / 'retrain' / 'ssr-0-seed0'} IMAGE")
    (finished / "config.yml").write_text("seeds: <b>")
    page = (finished / "report.html").read_text()
    for text in (printed, page, (finished / "compare.md").read_text()):
        assert all(name in text for name in ("retrained mIoU %", "super-network mIoU %", "parameters M", "MACs M"))
        assert "retrained_sd" not in text and "search_miou" not in text
    first = (finished / "compare.csv").read_text().splitlines()[1].split(",")
    assert first[0] == "ssr-0" and "yes" in first and "True" not in first
    assert result["rows"][0]["discrete"] is True and all(line in page for line in result["verdicts"])
    assert f"predict --checkpoint {finished / 'retrain' / 'ssr-0-seed0'} IMAGE" in page and "<td>1 of 1</td>" in page
    assert page.count("<figcaption>") == 1 and "<td>0.002</td>" in page
    assert main(["report", str(finished)]) == 0
    again = (finished / "report.html").read_text()
    assert "&lt;b&gt;" in again and again.replace("seeds: &lt;b&gt;", "not kept") == page


@pytest.mark.parametrize(
    "content", ["{}", '{"rows": 3, "strategies": 4}', '{"rows": [{"params": "x"}], "strategies": []}']
)
def test_a_damaged_comparison_is_named(content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "compare.json").write_text(content)
    assert main(["report", str(tmp_path)]) == 2
    assert "compare.json: " in capsys.readouterr().err
