"""The script beside a delivered network: its picture has room for every class, and its words name all letters."""

import runpy
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

import experiments
from experiments.fit.deliver import SCRIPT

NAMES = ("a very long name of a class " * 4, "Straße", "absent")


def test_names_of_any_length_and_letters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    result = SimpleNamespace(
        colours=((255, 0, 0), (0, 255, 0), (0, 0, 255)),
        overlay=lambda: np.zeros((20, 30, 3), np.uint8),
        shares=lambda: dict(zip(NAMES, (0.75, 0.25, 0.0), strict=True)),
    )
    segmenter: Any = lambda file: lambda photo: result  # noqa: E731
    monkeypatch.setattr(experiments, "Segmenter", segmenter, raising=False)
    monkeypatch.setitem(sys.modules, "ssr_nas_runtime", None)
    monkeypatch.chdir(tmp_path)
    Path("predict.py").write_text(SCRIPT.format(file="model.onnx"), encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["predict.py", "photo.jpg"])
    runpy.run_path("predict.py")
    assert capsys.readouterr().out == f"photo_overlay.png: {NAMES[0]} 75.0%, Straße (class 1) 25.0%\n"
    with Image.open("photo_overlay.png") as picture:
        pixels = np.asarray(picture)
    assert pixels.shape[0] == 20 + 2 * 16 and pixels.shape[1] > 300
    assert (pixels[:, -8:][20:] == 255).all()  # no letter reaches the edge
