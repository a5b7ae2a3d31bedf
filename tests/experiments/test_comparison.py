"""The table of a comparison and its two spreads."""

import math

import pytest

from experiments.comparison import comparison_table, markdown, spread

NAMES = ("ssr-0", "ssr-1", "baseline1", "random-0", "random-1")
COSTS = {name: {"params": 1000.0 * i, "macs_total": 1e6 * i} for i, name in enumerate(NAMES, 1)}
SUMMARY = {
    "gap_before": {"loss_supernet": 1.0, "loss_derived": 1.5},
    "miou": {"supernet": 0.5, "derived": 0.4},
    "gap": {"loss_supernet": 1.0, "loss_derived": 1.25},
    "entropy": {"final": 0.0},
    "discrete_epoch": 7,
    "time": {"total_s": 60.0},
}
SCORES = {"ssr-0": [0.50, 0.52], "ssr-1": [0.54, 0.56], "baseline1": [0.4, 0.4], "random-0": [0.45, 0.47], "random-1": [0.41, 0.43]}


def test_rows_and_group_means() -> None:
    table = comparison_table(COSTS, {"ssr-0": SUMMARY, "ssr-1": SUMMARY}, SCORES, ["ssr"]).set_index("network")
    assert list(table.index) == [*COSTS, "ssr (mean of 2)", "random (mean of 2)"]
    assert table.loc["ssr-0", "retrained"] == pytest.approx(51.0)
    assert table.loc["ssr (mean of 2)", "retrained"] == pytest.approx(53.0)
    assert table.loc["random (mean of 2)", "retrained_sd"] == pytest.approx(4.0 / math.sqrt(2))
    assert table.loc["ssr-1", "loss_jump"] == pytest.approx(0.25)
    assert table.loc["ssr-1", "loss_jump_before"] == pytest.approx(0.5)


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
