"""Settings of the whole process are changed while a file is decoded, and only then."""

import logging
import struct
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, UnidentifiedImageError
from PIL.TiffImagePlugin import SAMPLESPERPIXEL

from experiments.data.decoders import LARGEST, patient_pillow
from experiments.data.files import DataError, read_image
from experiments.data.label_file import open_label
from experiments.runtime.silence import Shared, silent_opencv

ROOT = Path(__file__).parents[3]
TAG = struct.pack("<HHI", SAMPLESPERPIXEL, 3, 1)
SILENT = cv2.utils.logging.LOG_LEVEL_SILENT


def test_an_import_sets_nothing() -> None:
    code = """
import os, warnings
import cv2, PIL.Image
def settings(): return cv2.utils.logging.getLogLevel(), PIL.Image.MAX_IMAGE_PIXELS, dict(os.environ)
before = settings()
import experiments.data.files, experiments.data.sets.masks, experiments.prediction.films, experiments.prediction.images
assert settings() == before, settings()
"""
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr


def test_what_was_set_before_is_restored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 7)
    level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
    try:
        with pytest.raises(ValueError), silent_opencv, patient_pillow:
            assert cv2.utils.logging.getLogLevel() == SILENT and Image.MAX_IMAGE_PIXELS == LARGEST // 2
            warnings.warn("not shown", stacklevel=1)
            raise ValueError
        assert cv2.utils.logging.getLogLevel() == cv2.utils.logging.LOG_LEVEL_ERROR
    finally:
        cv2.utils.logging.setLogLevel(level)
    assert Image.MAX_IMAGE_PIXELS == 7


def test_the_last_of_several_threads_restores() -> None:
    setting = ["before"]

    @Shared
    @contextmanager
    def changed() -> Iterator[None]:
        before, setting[0] = setting[0], "inside"
        yield
        setting[0] = before

    entered, leave = threading.Event(), threading.Event()

    def other() -> None:
        with changed:
            entered.set()
            assert leave.wait(60)

    with changed:
        thread = threading.Thread(target=other)
        thread.start()
        assert entered.wait(60)
    assert setting == ["inside"]  # the other thread is not done
    leave.set()
    thread.join(60)
    assert setting == ["before"]


def test_a_damaged_image_prints_nothing_though_opencv_would(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.tif"
    Image.linear_gradient("L").save(path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(DataError):
        read_image(path)
    assert capfd.readouterr().err == ""
    cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    assert capfd.readouterr().err != ""


def test_a_label_of_odd_tags_prints_nothing_though_pillow_would(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # as without pytest
    path = tmp_path / "a.tif"
    Image.new("RGB", (4, 4)).save(path)
    path.write_bytes(path.read_bytes().replace(TAG + b"\x03", TAG + b"\x63"))
    with pytest.raises(DataError):
        open_label(path)
    assert capfd.readouterr().err == ""
    with pytest.raises(UnidentifiedImageError):
        Image.open(path)
    assert "samples per pixel" in capfd.readouterr().err
