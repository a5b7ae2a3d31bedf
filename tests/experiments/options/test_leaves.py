"""Values in the types of options, from text and from YAML."""

from dataclasses import MISSING, dataclass, field
from typing import Any

import pytest

from experiments.options.leaves import Leaf, leaves
from experiments.options.quantity import Quantity
from nas_space.errors import InputError


def read(hint: Any, value: Any) -> Any:
    return Leaf("key", hint, None, "", False).read(value, "key")


@pytest.mark.parametrize(
    ("hint", "value", "expected"),
    [
        (int, "3", 3),
        (int, "1_000", 1000),
        (int, 7, 7),
        (float, "1e-5", 1e-5),
        (float, 3, 3.0),
        (float, 0.1 + 0.2, 0.1 + 0.2),
        (bool, "true", True),
        (bool, "False", False),
        (bool, "no", False),
        (bool, True, True),
        (int | None, "null", None),
        (int | None, None, None),
        (float | None, "2", 2.0),
        (Quantity | None, "2K", 2000.0),
        (Quantity | None, 2e9, 2e9),
        (str, 12, "12"),
        (str | None, None, None),
        (str | None, "null", "null"),
        (list[str], ["a,b", "7"], ["a,b", "7"]),
        (list[int], "1, 2,", [1, 2]),
        (list[int], "[]", []),
        (list[int], 3, [3]),
        (list[float], ["1e3", 2], [1000.0, 2.0]),
        (list[int] | None, "null", None),
        (list[list[int]] | None, [[1], [2, 3]], [[1], [2, 3]]),
        (list[list[int]] | None, "[[1], [2, 3]]", [[1], [2, 3]]),
    ],
)
def test_reading(hint: Any, value: Any, expected: Any) -> None:
    result = read(hint, value)
    assert result == expected and type(result) is (Quantity if Quantity | None == hint else type(expected))


@pytest.mark.parametrize(
    ("hint", "value", "message"),
    [
        (int, "2.0", "expected a whole number, got 2.0"),
        (int, True, "expected a whole number, got true"),
        (int, None, "expected a whole number, got null"),
        (str, None, "expected text, got null"),
        (float, True, "expected a number, got true"),
        (float, "nan", "expected a number, got nan"),
        (float, "inf", "expected a number, got inf"),
        (float, float("inf"), "expected a number, got Infinity"),
        (bool, "1", "expected true or false, got 1"),
        (bool, 0, "expected true or false, got 0"),
        (int | None, "", "expected a whole number or null, got "),
        (str, ["a"], 'expected text, got ["a"]'),
        (list[str], None, "expected a list such as a,b, got null"),
        (list[str], 7, "expected a list such as a,b, got 7"),
        (list[int], [None], "expected a list such as 1,2,4, got [null]"),
        (list[int], "[1], [2]", "expected a list such as 1,2,4, got [1], [2]"),
        (list[int], "[" * 5000 + "]", "expected a list such as 1,2,4, got [["),
        (list[list[int]] | None, "1,2", "expected a list such as [[1, 2], [2, 3]] or null, got 1,2"),
    ],
)
def test_mistakes(hint: Any, value: Any, message: str) -> None:
    with pytest.raises(InputError) as caught:
        read(hint, value)
    assert str(caught.value).startswith(f"key: {message}")


@dataclass
class Base:
    """Base.

    Args:
        first: a ``word``,
            explained.
    """

    first: str


@dataclass
class Group:
    size: int = 3


@dataclass
class Options(Base):
    """Options.

    Args:
        group: has no help of its own.
    """

    group: Group = field(default_factory=lambda: Group(4))


def test_leaves_of_a_dataclass() -> None:
    first, size = leaves(Options)
    assert (first.key, first.default, first.help, first.type_name) == ("first", MISSING, "a word, explained.", "str")
    assert (size.key, size.default, size.type_name) == ("group.size", 4, "int")
    assert [leaf.default for leaf in leaves(Options, defaults=Options("x", Group(5)))] == ["x", 5]
