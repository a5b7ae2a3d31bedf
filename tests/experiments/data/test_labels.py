from pathlib import Path

import numpy as np
import pytest

from experiments.data.files import DataError
from experiments.data.labels import LISTED, look_up, make_table

TABLE = make_table({0: 1, 7: 0, 255: 255}, 256)
HERE = Path("mask.png")


def word(value: int) -> str:
    return f"value {value}"


def test_look_up() -> None:
    values = np.array([[0, 7], [255, 7]], np.uint8)
    found = look_up(values, TABLE, HERE, word, "")
    assert found.dtype == np.uint8 and found.tolist() == [[1, 0], [255, 0]]


def test_unknown_values_are_counted_and_the_most_frequent_is_named() -> None:
    values = np.array([[0, 3, 9, 9], [7, 7, 9, 8]], np.uint8)
    with pytest.raises(DataError, match=r"^mask\.png: value 9 is no class \(and 2 more\); ask$") as caught:
        look_up(values, TABLE, HERE, word, "ask")
    assert list(caught.value.values.items()) == [("value 9", 3), ("value 3", 1), ("value 8", 1)]
    assert caught.value.stops and caught.value.kind == "unknown value" and caught.value.file == HERE


def test_the_list_of_values_ends() -> None:
    table = make_table({0: 0}, 1000)
    values = np.repeat(np.arange(1000), np.arange(1000) % 3 + 1).reshape(1, -1)
    with pytest.raises(DataError, match="and 998 more") as caught:
        look_up(values, table, HERE, word, "")
    assert len(caught.value.values) == LISTED and set(caught.value.values.values()) == {3}
