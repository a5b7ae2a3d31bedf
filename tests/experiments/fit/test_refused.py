"""The command ``fit`` refuses in one line what cannot be, and writes nothing."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from experiments.cli import main
from experiments.fit import fit as fit_module

BOUND = ["--latency_ms", "50", "--minutes", "100"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["--minutes", "5"], "--latency_ms is required, such as --latency_ms 20"),
        (["--latency_ms", "5"], "--minutes is required, such as --minutes 30"),
        ([*BOUND[:3], "0"], "minutes: 0 must be above 0"),
        (["--latency_ms", "-3", *BOUND[2:]], "latency_ms: -3 must be above 0"),
        ([*BOUND, "--points", "0"], "points: 0 must be from 1 to 5"),
        ([*BOUND, "--data.size", "64x64"], "data.size: a fit chooses it; give --size instead"),
        ([*BOUND, "--size", "large"], "size 'large': write HEIGHTxWIDTH in pixels, such as 96x128"),
        ([*BOUND, "--stages", "aggregation,encoder"], "stages: 'aggregation,encoder' must be encoder, aggregation, or"),
        ([*BOUND, "--hand_made", "baseline3"], "hand_made: give one or both of baseline1, baseline2"),
        ([*BOUND, "--space.preset", "huge"], "space.preset: unknown 'huge'; choose from auto, compact, paper, pyramid"),
        ([*BOUND, "--engine", "tensorflow"], "engine: unknown 'tensorflow'"),
        ([*BOUND, "--search_epochs", "0"], "search_epochs: 0 must be at least 1"),
        ([*BOUND, "--port", "8123"], "port: is that of the web UI; give --web true as well, or leave out --port"),
        ([*BOUND, "--data.name", "nowhere"], "data.name: unknown 'nowhere'"),
    ],
)
def test_wrong_options_get_one_line(
    changes: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    write_folder: Callable[..., Path],
) -> None:
    data = write_folder(tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    assert main(["fit", str(data), *changes]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"ssr-nas fit: error: {message}")
    assert not (tmp_path / "runs").exists()


def test_no_photos_get_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["fit", *BOUND]) == 2
    assert capsys.readouterr().err == "ssr-nas fit: error: SOURCE is missing: give the folder of labelled photos\n"
    assert main(["fit", "nowhere", *BOUND]) == 2
    assert "nowhere" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_bad_labels_stop_a_fit_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any, write_folder: Callable[..., Path]
) -> None:
    monkeypatch.chdir(tmp_path)
    data = write_folder(tmp_path / "data", train=6, colours=False)
    mask = next((data / "train" / "masks").iterdir())
    Image.fromarray(np.full((40, 56), 77, np.uint8)).save(mask)
    assert main(["fit", str(data), *BOUND, "--data.labels", "index"]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert "not usable: unknown value (1)" in error and "ssr-nas data check" in error
    assert main(["fit", str(write_folder(tmp_path / "few")), *BOUND]) == 2
    assert "3 training images are too few; give at least 5" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_a_folder_that_holds_something_is_refused_before_anything_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(fit_module, "prepare", lambda options: pytest.fail("measured"))
    (tmp_path / "notes.txt").touch()
    for out, reason in ((tmp_path, "holds files already"), (tmp_path / "notes.txt", "cannot be made a run folder")):
        assert main(["fit", "photos", *BOUND, "--out", str(out)]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"ssr-nas fit: error: --out {out}: {reason}")
    assert [file.name for file in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (None, "not a run"),
        ("strategy: ssr\n", "the run of a search; go on with it by ssr-nas search --resume"),
        ("- 3\n", "expected keys and values"),
    ],
)
def test_only_a_fit_is_continued(
    config: str | None, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if config is not None:
        (tmp_path / "config.yml").write_text(config)
    assert main(["fit", "--resume", str(tmp_path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line and len(list(tmp_path.iterdir())) == (config is not None)
