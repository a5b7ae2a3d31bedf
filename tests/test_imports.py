"""Imports go one way, and what must start quickly loads neither torch nor NNI."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("nas_space", "strategies", "experiments")
FILES = sorted(path.relative_to(ROOT) for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
LOOSE = {"__init__.py", "cli.py", "model_file.py"}
MOST_FOLDERS = 26


def broken_imports(root: Path) -> list[str]:
    """The imports that break a contract of pyproject.toml, lazy ones too; or what import-linter says instead."""
    code = "from importlinter.cli import lint_imports; raise SystemExit(lint_imports(no_cache=True))"
    result = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, timeout=120)
    broken, package = [], ""
    for line in result.stdout.splitlines():
        package = line.split()[-1].rstrip(".") if line.startswith("No cycles are allowed in ") else package
        if " -> " in line:
            first, second = line.strip(" -").split(" -> ")
            broken.append(
                f"{package if first[0] == '.' else ''}{first} -> {package if second[0] == '.' else ''}{second}"
            )
    assert result.returncode == 0 or broken, result.stdout + result.stderr
    return broken


def test_every_import_goes_down() -> None:
    broken = broken_imports(ROOT)
    assert not broken, f"goes up, or in a circle: {'; '.join(broken)}"


@pytest.mark.parametrize(
    ("file", "line", "culprit"),
    [
        ("strategies/ssr.py", "import experiments.options.quantity", "strategies.ssr -> experiments.options.quantity"),
        (
            "experiments/training/losses.py",
            "def later():\n    from experiments.search.options import SearchOptions",
            "experiments.training.losses -> experiments.search.options",
        ),
        (
            "experiments/options/quantity.py",
            "def later():\n    import experiments.options.arguments",
            "experiments.options.quantity -> experiments.options.arguments",
        ),
    ],
    ids=["top folder", "inner folder", "circle"],
)
def test_an_import_that_goes_up_is_named(file: str, line: str, culprit: str, tmp_path: Path) -> None:
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("*.py"):
            copy = tmp_path / path.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
    (tmp_path / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    with (tmp_path / file).open("a") as source:
        source.write(f"\n{line}\n")
    assert any(culprit in found for found in broken_imports(tmp_path))


def test_experiments_has_few_folders() -> None:
    folders = [path for path in (ROOT / "experiments").rglob("*") if (path / "__init__.py").is_file()]
    assert {path.name for path in (ROOT / "experiments").glob("*.py")} == LOOSE
    assert len(folders) + 1 <= MOST_FOLDERS  # with experiments itself


@pytest.mark.parametrize("file", FILES, ids=str)
def test_every_folder_of_code_is_a_package(file: Path) -> None:
    # Otherwise it would work from a checkout and be missing from an installation.
    if (ROOT / file).with_name("pyproject.toml").is_file():
        return  # it builds a distribution of its own, and belongs to no other
    assert all((ROOT / folder / "__init__.py").is_file() for folder in list(file.parents)[:-1])


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_folder_is_typed(folder: str) -> None:
    assert (ROOT / folder / "py.typed").is_file()


@pytest.mark.parametrize(
    "statement",
    [
        "import nas_space, nas_space.config, nas_space.architecture, nas_space.cost",
        "import strategies, strategies.method, strategies.registry",
        "import experiments, experiments.options.groups, experiments.options.device, experiments.runs.measure",
        "import experiments.runs.folder",
        "import experiments.cli; experiments.cli.main([])",
        "import experiments.cli; experiments.cli.main(['space', '--help'])",
        "import experiments.cli; assert experiments.cli.main(['space']) == 0",
        "import experiments.cli; assert experiments.cli.main(['--print_completion', 'bash']) == 0",
    ],
)
def test_light_imports_stay_light(statement: str) -> None:
    heavy = "{'torch', 'nni', 'pytorch_lightning', 'cv2', 'matplotlib', 'pandas'}"
    code = f"import sys; {statement}; heavy = {heavy} & set(sys.modules); assert not heavy, heavy"
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60
    )
    assert result.returncode == 0, result.stderr
