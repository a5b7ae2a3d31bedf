"""docs/method.md names code that exists, and the defaults that it prints are the code's."""

import ast
import re
from pathlib import Path

import pytest

from strategies.method import MethodOptions

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "method.md").read_text(encoding="utf-8")
NAMED = re.findall(r"`((?:nas_space|strategies)/\w+\.py)`: ((?:`[\w.]+`(?:, | and )?)+)", PAGE)
"""A file, and the names that follow it."""


def names_in(path: Path) -> set[str]:
    """Functions and classes of a module, and ``Class.method``."""
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{part.name}" for part in node.body if isinstance(part, ast.FunctionDef)}
    return found


def test_every_file_exists() -> None:
    files = set(re.findall(r"`([\w/]+/[\w.]+\.(?:py|yml))`", PAGE))
    assert len(files) > 10
    for file in files:
        assert (ROOT / file).is_file(), file


@pytest.mark.parametrize(("file", "names"), NAMED)
def test_every_name_exists(file: str, names: str) -> None:
    for name in re.findall(r"`([\w.]+)`", names):
        assert name in names_in(ROOT / file), f"{file}: {name}"


def test_every_equation_of_the_method_is_there() -> None:
    assert {file for file, _ in NAMED} >= {
        f"strategies/{module}.py"
        for module in (
            "relaxation",
            "supernet",
            "bilevel",
            "regularizers",
            "shrinking",
            "alive",
            "constraint",
            "derive",
        )
    }
    for equation in (
        "(N)",
        "(2)",
        "(3), (4)",
        "(5)",
        "(6)",
        "(9)",
        "(10)",
        "(11)",
        "(C1)",
        "(C2)",
        "(C3)",
        "(23), (24)",
    ):
        assert f"**{equation}" in PAGE


def test_the_defaults_are_those_of_the_options() -> None:
    method = MethodOptions()
    for key in ("warmup", "explore", "ramp"):
        assert f"| `method.{key}` | {getattr(method, key):g} |" in PAGE
    assert f"| {method.lr:g}, {method.weight_decay:g} |" in PAGE and f"$h={method.h:g}$" in PAGE
    assert f"({method.rho.depth:.2f},\\ {method.rho.operator:.2f},\\ {method.rho.width:.2f})" in PAGE
