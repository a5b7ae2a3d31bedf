"""Imports go one way, and what must start quickly loads neither torch nor NNI."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# Each room may import itself and the rooms before it.
ROOMS = ("nas_space", "strategies", "experiments")
FILES = sorted(path.relative_to(ROOT) for room in ROOMS for path in (ROOT / room).rglob("*.py"))


def imported(file: Path) -> set[str]:
    """Top-level packages that a file imports anywhere, inside functions and under TYPE_CHECKING too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add((node.module or "").partition(".")[0] if node.level == 0 else file.parts[0])
    return names


def test_every_room_is_looked_at() -> None:
    assert {file.parts[0] for file in FILES} == set(ROOMS)


@pytest.mark.parametrize("file", FILES, ids=str)
def test_imports_go_one_way(file: Path) -> None:
    allowed = ROOMS[: ROOMS.index(file.parts[0]) + 1]
    assert imported(file) & {*ROOMS, "tests"} <= set(allowed)


@pytest.mark.parametrize("file", FILES, ids=str)
def test_every_folder_of_code_is_a_package(file: Path) -> None:
    # Otherwise it would work from a checkout and be missing from an installation.
    assert all((ROOT / folder / "__init__.py").is_file() for folder in list(file.parents)[:-1])


@pytest.mark.parametrize("room", ROOMS)
def test_every_room_is_typed(room: str) -> None:
    assert (ROOT / room / "py.typed").is_file()


@pytest.mark.parametrize(
    "statement",
    [
        "import nas_space, nas_space.config, nas_space.architecture, nas_space.cost",
        "import strategies",
        "import experiments, experiments.options.groups, experiments.runs.folder",
        "import experiments.cli; experiments.cli.main([])",
        "import experiments.cli; experiments.cli.main(['space', '--help'])",
        "import experiments.cli; assert experiments.cli.main(['space']) == 0",
    ],
)
def test_light_imports_stay_light(statement: str) -> None:
    check = f"import sys; {statement}; heavy = {{'torch', 'nni', 'pytorch_lightning', 'cv2', 'matplotlib', 'pandas'}} & set(sys.modules)"
    command = [sys.executable, "-c", f"{check}; assert not heavy, heavy"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)
    assert result.returncode == 0, result.stderr
