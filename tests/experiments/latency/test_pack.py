"""A bundle measures its table without torch and without this toolkit."""

import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from experiments.latency.board import main
from experiments.latency.cache import Wanted
from experiments.latency.pack import write_bundle
from nas_space.config import SpaceConfig
from nas_space.latency import LatencyTable

ISOLATED = """
import runpy, sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name in ("torch", "onnx", "openvino", "pandas", "cv2", "PIL", "nni"):
            raise ImportError(name)
sys.meta_path.insert(0, Refuse())
bundle = sys.argv.pop(1)
sys.argv[0] = bundle
runpy.run_path(bundle, run_name="__main__")
"""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    space = SpaceConfig(4, (8, 12, 16), ((1, 2), (1,), (1,)), (1,), (1, 2), (4, 0, 0), 4)
    out = tmp_path_factory.mktemp("bundle") / "bundle.zip"
    told: list[int] = []
    count = write_bundle(Wanted(space, (32, 64), 3, head="fusion"), out, lambda done, of: told.append(of))
    assert count == 1 + (2 + 1 + 1) * 2 and told == [count] * count
    return out


def test_on_a_board(bundle: Path, tmp_path: Path) -> None:
    """Another process, in another folder, in which neither torch nor the toolkit can be imported."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    command = [sys.executable, "-c", ISOLATED, str(bundle), "--out", "table.json", "--rounds", "1", "--threads", "2"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    table = LatencyTable.load(tmp_path / "table.json")
    assert (table.engine, table.threads, table.precision, table.size) == ("onnxruntime", 2, "fp32", (32, 64))
    assert set(table.versions) == {"ssr-nas", "python", "onnxruntime"} and table.fixed_ms > 0
    assert "24 of 24" in done.stderr and table.device in done.stdout
    assert [file.name for file in tmp_path.iterdir()] == ["table.json"]


def test_a_board_without_numpy(bundle: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-I", "-S", str(bundle)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (2, "error: numpy is not installed; pip install numpy\n")
    assert not list(tmp_path.iterdir())


def test_what_it_holds(bundle: Path) -> None:
    """Copies of the toolkit's files as they are; weights that repeat pack well."""
    root = Path(__file__).parents[3]
    with zipfile.ZipFile(bundle) as archive:
        for name in (name for name in archive.namelist() if name.endswith(".py") and name != "__main__.py"):
            assert archive.read(name) == (root / name).read_bytes()
        networks = [item for item in archive.infolist() if item.filename.startswith("networks/")]
    assert len(networks) == 9
    assert sum(item.compress_size for item in networks) < 0.5 * sum(item.file_size for item in networks)


def test_an_unpacked_one(bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with zipfile.ZipFile(bundle) as archive:
        archive.extractall(tmp_path / "here")
    assert main(str(tmp_path / "here"), ["--out", str(tmp_path / "t.json"), "--rounds", "1"]) == 0
    assert LatencyTable.load(tmp_path / "t.json").space.widths == (8, 12, 16)
    assert f"--constraint.table {tmp_path / 't.json'}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "there"], "--out there: exists already"),
        (["--out", "no/table.json"], "--out no/table.json: no file can be made there"),
        (["--threads", "0"], "--threads and --rounds must be at least 1"),
        ([], "onnxruntime is not installed; pip install onnxruntime"),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str],
    message: str,
    bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    Path("there").write_text("")
    assert main(str(bundle), arguments) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith(f"error: {message}") and captured.err.count("\n") == 1
    assert captured.out == "" and [file.name for file in tmp_path.iterdir()] == ["there"]


def test_an_interrupted_one_leaves_nothing(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object) -> Callable[[], None]:
        raise KeyboardInterrupt

    monkeypatch.setattr("experiments.latency.board.timed_call", interrupted)
    assert main(str(bundle), ["--out", str(tmp_path / "table.json")]) == 130
    assert list(tmp_path.iterdir()) == [] and "interrupted" in capsys.readouterr().err
