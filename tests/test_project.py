"""What pyproject.toml promises, and the files that repeat it: versions, the Dockerfile, the citation."""

import importlib
import json
import re
import shlex
from pathlib import Path
from typing import Any

import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from experiments import __version__
from experiments.cli import main

ROOT = Path(__file__).parents[1]
TOOLS = {"ruff"}
"""They look at the code and never run it, so their oldest versions are not installed."""


def read_toml() -> dict[str, Any]:
    try:
        toml = importlib.import_module("tomllib")
    except ModuleNotFoundError:  # Python 3.10; pytest brings tomli there
        toml = importlib.import_module("tomli")
    content: dict[str, Any] = toml.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return content


def read_project() -> dict[str, Any]:
    project: dict[str, Any] = read_toml()["project"]
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


def instructions() -> list[tuple[str, str]]:
    """The lines of the Dockerfile, as keyword and rest."""
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    return [(line.partition(" ")[0], line.partition(" ")[2]) for line in lines if line and not line.startswith("#")]


def test_the_image_gets_what_the_package_is_made_of() -> None:
    copied = [shlex.split(rest)[:-1] for keyword, rest in instructions() if keyword == "COPY"]
    names = {name for group in copied for name in group}
    assert all((ROOT / name).exists() for name in names)
    project = read_project()
    assert names == {
        "pyproject.toml",
        project["readme"],
        *project["license-files"],
        "nas_space",
        "strategies",
        "experiments",
    }
    passed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert passed == names


def test_the_image_is_set_up_as_the_documentation_says() -> None:
    steps = dict(instructions())
    python = re.fullmatch(r"python:(3\.\d+)-slim", steps["FROM"])
    assert python is not None and SpecifierSet(read_project()["requires-python"]).contains(f"{python[1]}.1")
    first, second = (shlex.split(rest) for keyword, rest in instructions() if keyword == "RUN")
    documented = (ROOT / "docs/index.md").read_text(encoding="utf-8")
    assert shlex.join(first) in documented
    extras = re.fullmatch(r"\.\[(.*)\]", second[2])
    assert second[:2] == ["pip", "install"] and extras is not None
    assert set(extras[1].split(",")) <= set(read_project()["optional-dependencies"])
    assert second[3] == "&&" and second[4] in read_project()["scripts"]
    assert main(second[5:]) == 0
    assert json.loads(steps["ENTRYPOINT"]) == ["ssr-nas"] and main(json.loads(steps["CMD"])) == 0


def test_the_citation_is_of_this_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert citation["version"] == __version__ and citation["license"] == read_project()["license"]
    (paper,) = citation["references"]
    assert paper["url"] in (ROOT / "README.md").read_text(encoding="utf-8")
    assert re.fullmatch(r"10\.\d{4,}/\S+", paper["doi"]) and len(paper["authors"]) == 9


def test_contributing_names_every_folder_in_the_order_of_imports() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (layers,) = (one["layers"] for one in read_toml()["tool"]["importlinter"]["contracts"] if "containers" in one)
    rows = text.partition("| in `experiments/` |")[2].partition("\n\n")[0].splitlines()[2:]
    named = [re.findall(r"`(\w+)`", row.split("|")[1]) for row in rows]
    assert named == [layer.split(" | ") for layer in layers]
    packages = {path.parent.relative_to(ROOT / "experiments") for path in ROOT.glob("experiments/*/*/__init__.py")}
    without_code = {path for path in ("configs", "landscapes", "results", "runtime_package") if f"`{path}/`" in text}
    tops = {path.name for path in (ROOT / "experiments").iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert tops == {name for row in named for name in row} - {"cli", "model_file"} | without_code
    assert [path for path in packages if f"{path.name}/`" not in text] == []
