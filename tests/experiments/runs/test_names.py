"""Names from files as text for people."""

import pytest

from experiments.runs.names import labels, visible


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("road", "road"),
        (" two\nlines\t", "two lines"),
        ("a\x1b[2J\0", "a\\x1b[2J\\x00"),
        ("a\u202eb", "a\\u202eb"),
        ("caf\udce9", "caf\\udce9"),
        ("\u05e9\u05dc\u05d5\u05dd \U0001f6a6 \u4e2d", "\u05e9\u05dc\u05d5\u05dd \U0001f6a6 \u4e2d"),
    ],
)
def test_what_is_no_letter_is_written_out(name: str, shown: str) -> None:
    assert visible(name) == shown


def test_long_names_keep_what_tells_them_apart() -> None:
    long = "x" * 119
    names = ["road", long + "a", long + "b", "x" * 60 + "m" + "x" * 59, "x" * 60 + "n" + "x" * 59, "a b", "a  b"]
    texts = labels(names)
    assert len(set(texts)) == len(names) and max(map(len, texts)) <= 28
    assert texts[0] == "road" and texts[1].endswith("xa") and texts[2].endswith("xb")
    assert texts[3].endswith(" #3") and texts[4].endswith(" #4")


def test_one_name_twice_has_one_text() -> None:
    assert labels(["y" * 50, "y" * 50])[0] == labels(["y" * 50])[0]
