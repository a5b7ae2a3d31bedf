"""The notebooks run from top to bottom, in a tiny form, and show the files that they promise.

Their cells run in this process, without a kernel: a line ``!ssr-nas ...`` becomes a call of the command.
"""

import json
import re
import shlex
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from experiments.cli import main
from experiments.search import comparison_runs

NOTEBOOKS = Path(__file__).parents[2] / "docs/notebooks"
TINY = {
    "SIZE": "32x40",
    "BATCH": 4,
    "SEARCH_EPOCHS": 1,
    "TRAIN_EPOCHS": 1,
    "SPACE": "--space.dilations 1,2 --space.span 8",
}


def read(name: str) -> list[dict[str, Any]]:
    cells: list[dict[str, Any]] = json.loads((NOTEBOOKS / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
    return cells


def command(line: str) -> None:
    """What ``!`` does with the commands that the notebooks call."""
    program, *arguments = shlex.split(line)
    assert program == "ssr-nas"
    assert main(arguments) == 0, line


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The pictures that cells have shown."""
    files: list[str] = []

    def image(file: str) -> None:
        assert Path(file).stat().st_size > 0
        files.append(file)

    display = ModuleType("IPython.display")
    vars(display)["Image"] = image
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    return files


def run(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch, **parameters: Any) -> dict[str, Any]:
    """Run the cells of a notebook in an empty folder; returns what its variables hold in the end."""
    monkeypatch.chdir(folder)
    values: dict[str, Any] = {"command": command}
    for cell in read(name):
        if cell["cell_type"] == "code":
            source = re.sub(r"^!(.*)$", r'command(f"""\1""")', "".join(cell["source"]), flags=re.MULTILINE)
            exec(compile(source, f"{name}.ipynb", "exec"), values)
            if "parameters" in cell["metadata"].get("tags", ()):
                assert set(parameters) <= set(values)
                values |= parameters
    return values


def test_a_first_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shown: list[str]) -> None:
    run("first_search", tmp_path, monkeypatch, **TINY, IMAGES=8)
    assert [Path(file).stem for file in shown] == ["entropy", "alive", "architecture", "segmentations"]
    assert (tmp_path / "runs/first/search/report.html").is_file()
    assert (tmp_path / "runs/first/baseline1/model.safetensors").is_file()


def test_own_photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shown: list[str]) -> None:
    values = run("own_photos", tmp_path, monkeypatch, **TINY, DRAWN=8)
    assert [Path(file).stem for file in shown] == ["training", "overlay"]
    assert (tmp_path / "runs/own/model.onnx").is_file()
    assert sorted(values["result"].shares()) == ["background", "path", "pond"]


def test_strategies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shown: list[str]) -> None:
    def in_this_process(runs: Any, *_: Any) -> list[Any]:
        return [run for run in runs if main(run.arguments) != 0]

    monkeypatch.setattr(comparison_runs, "run_children", in_this_process)
    values = run("strategies", tmp_path, monkeypatch, **TINY, IMAGES=8, SEEDS="0", RANDOM=0)
    assert [Path(file).stem for file in shown] == ["entropy"]
    assert sorted(values["rows"]) == ["darts-0", "ssr-0"]
    assert "retrained" in (tmp_path / "runs/strategies/compare.csv").read_text()


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_they_are_committed_without_outputs(path: Path) -> None:
    cells = read(path.stem)
    assert cells[0]["source"][0].startswith("# ") and cells[1]["metadata"] == {"tags": ["parameters"]}
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells)
    assert len({cell["id"] for cell in cells}) == len(cells)


def test_a_cell_that_fails_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shown: list[str]) -> None:
    cells = [{"cell_type": "code", "metadata": {}, "source": ["!ssr-nas serch {1 + 1}\n"]}]
    monkeypatch.setitem(globals(), "read", lambda _: cells)
    with pytest.raises(AssertionError, match="ssr-nas serch 2"):
        run("none", tmp_path, monkeypatch)
    cells[0]["source"] = ["from IPython.display import Image\nImage('none.png')"]
    with pytest.raises(FileNotFoundError):
        run("none", tmp_path, monkeypatch)
