"""Numbers in tables keep what tells them apart."""

import math

import numpy as np
import pandas as pd
import pytest

from experiments.report.markdown import escape, markdown, with_deviations
from experiments.runs.tables import counted, duration, number, numbers, readable


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [
        (0.004, 1, "0.004"),
        (-0.004, 1, "-0.004"),
        (0.0, 1, "0.0"),
        (0.06, 1, "0.06"),
        (0.5, 1, "0.5"),
        (48.712, 1, "48.7"),
        (99.96, 1, "100.0"),
        (1e-7, 1, "1e-07"),
        (5, 1, "5"),
        (0.004, None, "0.004"),
        (999.6, None, "1,000"),
        (7832111.0, None, "7,832,111"),
        (0.000012345, None, "1.23e-05"),
        (math.inf, 1, "inf"),
        (math.nan, 1, "-"),
        (None, None, "-"),
        (np.float32(0.1), 2, "0.10"),
    ],
)
def test_a_number(value: float | None, decimals: int | None, text: str) -> None:
    assert number(value, decimals) == text


def test_numbers_that_differ_look_different() -> None:
    assert numbers([45.11, 45.13, 46.2], 1) == ["45.11", "45.13", "46.2"]
    assert numbers([1234.4, 1234.1, None]) == ["1,234.4", "1,234.1", "-"]
    assert numbers([1e-5, 1.0004e-5]) == ["1e-05", "1.0004e-05"]
    assert numbers([0.1 + 0.2, 0.3, 0.3], 1) == ["0.3", "0.3", "0.3"]  # rounding errors are no difference
    assert numbers([12345678, 12345679]) == ["12,345,678", "12,345,679"]


def test_a_table_of_numbers_names_and_gaps() -> None:
    table = pd.DataFrame(
        {"lr": [0.004, 0.02], "name": ["a\nb", None], "ok": [True, math.nan], "seed": [3, 12], "list": [[1, 2], []]}
    )
    assert readable(table, 1, missing="").to_dict("list") == {
        "lr": ["0.004", "0.02"],
        "name": ["a b", ""],
        "ok": ["yes", ""],
        "seed": ["3", "12"],
        "list": ["1, 2", ""],
    }


def test_markdown_shows_names_letter_by_letter() -> None:
    assert escape("a|b <i> $x$ *c* _d_ e_f `g` [h]") == r"a\|b \<i\> \$x\$ \*c\* \_d\_ e_f \`g\` \[h\]"
    lines = markdown(pd.DataFrame({"a|b": ["x|y\n|z", "\x1b[2J"], "lr": [0.004, 0.0041]})).splitlines()
    assert lines == [r"| a\|b | lr |", "|---|---|", r"| x\|y \|z | 0.004 |", r"| \\x1b\[2J | 0.0041 |"]


def test_means_keep_their_deviations() -> None:
    merged = with_deviations(pd.DataFrame({"miou": [48.7, 0.004], "miou_sd": [1.2, None]}))
    assert merged.to_dict("list") == {"miou": ["48.7 ± 1.2", "0.004"]}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 seconds"), (4.2, "4.2 seconds"), (119, "119 seconds"), (150, "2.5 minutes"), (7000, "117 minutes")],
)
def test_a_short_time_is_not_0_minutes(seconds: float, text: str) -> None:
    assert duration(seconds) == text
    assert duration(20000) == "5.6 hours"


def test_one_thing_and_several() -> None:
    assert [counted(1, "epoch"), counted(0, "epoch"), counted(1200, "epoch")] == ["1 epoch", "0 epochs", "1,200 epochs"]
    assert [counted(1, "class", "classes"), counted(2, "class", "classes")] == ["1 class", "2 classes"]
