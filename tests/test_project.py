"""What pyproject.toml promises of versions, and the files that repeat it."""

import importlib
import re
from pathlib import Path
from typing import Any

import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parents[1]
TOOLS = {"ruff"}
"""They look at the code and never run it, so their oldest versions are not installed."""


def read_project() -> dict[str, Any]:
    try:
        toml = importlib.import_module("tomllib")
    except ModuleNotFoundError:  # Python 3.10; pytest brings tomli there
        toml = importlib.import_module("tomli")
    project: dict[str, Any] = toml.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return project


def requirements(*extras: str) -> list[Requirement]:
    project = read_project()
    lines = project["dependencies"] if not extras else []
    lines = [*lines, *(line for extra in extras for line in project["optional-dependencies"][extra])]
    return [Requirement(line) for line in lines if not line.startswith("ssr-nas")]


def lowest(specifier: SpecifierSet) -> str | None:
    return next((part.version for part in specifier if part.operator == ">="), None)


def test_what_is_imported_has_a_lower_bound() -> None:
    without = [
        item.name for item in (*requirements(), *requirements("deploy", "docs", "serve")) if not lowest(item.specifier)
    ]
    assert without == []


def test_the_oldest_versions_are_the_lower_bounds() -> None:
    pins = dict(re.findall(r"^([\w-]+)==(\S+)$", (ROOT / "tests/constraints/oldest.txt").read_text(), re.MULTILINE))
    for item in (*requirements(), *requirements("deploy", "docs", "serve", "test")):
        bound = lowest(item.specifier)
        if bound is not None and item.name not in TOOLS:
            assert f"{pins[item.name]}.".startswith(f"{bound}."), item
            assert item.specifier.contains(pins[item.name]), item


def test_pre_commit_formats_as_the_gate_does() -> None:
    (ruff,) = (str(item) for item in requirements("test") if item.name == "ruff")
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    assert [hook["id"] for hook in hooks] == ["ruff", "ruff-format"]
    for hook in hooks:
        (range_,) = hook["additional_dependencies"]
        assert Requirement(range_).specifier == Requirement(ruff).specifier
