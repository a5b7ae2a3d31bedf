"""A figure, a report, a picture or a log that fails costs no architecture, no weights and no scores."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from matplotlib.figure import Figure
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from experiments.cli import main
from nas_space.architecture import Architecture

TINY = (
    "--data.size 32x40 --data.limit 8 --data.batch 4 --device cpu --epochs 1 --space.stem 4 --space.widths 8,12 "
    "--space.depths [[1,2],[1,2]] --space.dilations 1,2 --space.span 4 --space.step 2"
).split()


def refuse(*_: Any, **__: Any) -> None:
    raise OSError(28, "No space left on device")


def no_figures(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Figure, "savefig", refuse)


def no_folder(patch: pytest.MonkeyPatch) -> None:
    """No folder of figures can be made."""
    make = Path.mkdir

    def mkdir(self: Path, *args: Any, **kwargs: Any) -> None:
        if self.name in ("figures", "overlay", "colour"):
            raise PermissionError(13, "Permission denied", str(self))
        make(self, *args, **kwargs)

    patch.setattr(Path, "mkdir", mkdir)


def no_curves(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(EventFileWriter, "add_event", refuse)
    patch.setattr(EventFileWriter, "flush", refuse)


def no_page(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("experiments.report.page._page", refuse)


def no_speed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("experiments.latency.closing.measured", refuse)


def warnings(capsys: pytest.CaptureFixture[str]) -> str:
    """All lines of warning; nothing may fail."""
    lines = capsys.readouterr().err.splitlines()
    assert not [line for line in lines if "error:" in line or "Traceback" in line]
    return "\n".join(line for line in lines if line.startswith("warning: "))


@pytest.mark.parametrize(
    ("strategy", "attacks"),
    [("ssr", (no_figures, no_curves, no_page, no_speed)), ("random", (no_figures, no_page)), ("ssr", (no_folder,))],
    ids=["draw-ssr", "draw-random", "folder-ssr"],
)
def test_a_search(
    strategy: str,
    attacks: tuple[Callable[[pytest.MonkeyPatch], None], ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for attack in attacks:
        attack(monkeypatch)
    run = tmp_path / "run"
    assert main(["search", *TINY, "--strategy", strategy, "--method.samples", "2", "--out", str(run)]) == 0
    told = warnings(capsys)
    summary = json.loads((run / "search.json").read_text())
    assert Architecture.load(run / "architecture.json") and 0 <= summary["miou"]["derived"] <= 1
    assert json.loads((run / "pareto.json").read_text())["networks"] and (run / "metrics.csv").is_file()
    assert "validation.png" in told and "pareto.png" in told
    assert ("the latency of the found network" in told) == (no_speed in attacks)
    if no_page in attacks:
        assert "report.html" in told and not (run / "report.html").exists()
        assert ("tensorboard" in told) == (strategy == "ssr")
    else:
        assert (run / "report.html").is_file()  # a page without the pictures that are missing
    assert not list(run.rglob("*.tmp"))
    if no_curves not in attacks:
        return
    monkeypatch.undo()
    assert main(["report", str(run)]) == 0  # afterwards the report can be had
    assert (run / "report.html").is_file() and (run / "figures" / "entropy.png").is_file()


def test_a_retraining_and_what_uses_its_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run, image = tmp_path / "run", tmp_path / "image.png"
    with monkeypatch.context() as patch:
        no_figures(patch)
        no_curves(patch)
        no_speed(patch)
        assert main(["retrain", "--arch", "baseline1", *TINY, "--stages", "encoder", "--out", str(run)]) == 0
    told = warnings(capsys)
    assert "training.png" in told and "tensorboard" in told and "the latency of the network" in told
    assert (run / "model.safetensors").is_file() and 0 <= json.loads((run / "retrain.json").read_text())["miou"] <= 1

    cv2.imwrite(str(image), np.zeros((40, 40, 3), np.uint8))
    monkeypatch.setattr("experiments.prediction.images.overlay", refuse)
    predict = ["predict", str(image), "--checkpoint", str(run), "--device", "cpu", "--out", str(tmp_path / "predicted")]
    assert main(predict) == 0
    assert "overlay" in warnings(capsys)
    assert (tmp_path / "predicted" / "index" / "image.png").is_file()
    assert json.loads((tmp_path / "predicted" / "predictions.json").read_text())["images"][0]["name"] == "image"


def test_scores_are_written_before_they_are_printed(
    tmp_path: Path, checkpoint: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "scores.json"
    monkeypatch.setattr("experiments.commands.evaluate._format_table", refuse)
    small = ["--data.size", "32x40", "--data.limit", "2", "--device", "cpu"]
    assert main(["evaluate", "--checkpoint", str(checkpoint()), *small, "--out", str(out)]) == 2
    assert 0 <= json.loads(out.read_text())["miou"] <= 1


def test_a_disk_that_is_full_for_the_result_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("experiments.runs.files.os.fsync", refuse)
    assert main(["space", "--json"]) == 0
    assert main(["search", *TINY, "--out", str(tmp_path / "run")]) == 2
    assert "the disk is full" in capsys.readouterr().err


def test_a_benchmark_whose_figure_fails_tells_its_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from experiments.commands import benchmark_search

    monkeypatch.setattr(benchmark_search, "measure_sides", lambda *_: {})
    monkeypatch.setattr(benchmark_search, "_format_tables", lambda result: "the table")
    out = tmp_path / "speed.png"
    assert main(["benchmark", "search", "--device", "cpu", "--json", "--out", str(out)]) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith("the table") and json.loads(captured.out.splitlines()[-1])["rounds"] == 5
    assert "speed.png could not be written" in captured.err and not list(tmp_path.iterdir())
