"""Films go through a network and come out readable; a camera is a film that does not end by itself."""

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from experiments.data.decoders import FFMPEG_LEVEL
from experiments.model_file import ModelInfo
from experiments.prediction import films
from experiments.prediction.films import Film, Writer, predict_film
from experiments.prediction.options import EvalOptions
from experiments.prediction.segmenter import TorchSegmenter, load_segmenter
from nas_space.errors import InputError

Checkpoint = Callable[..., Path]
ROOT = Path(__file__).parents[3]


def write_film(
    path: Path, frames: int = 6, size: tuple[int, int] = (48, 64), rate: float = 12.5, codec: str = "mp4v"
) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), rate, size[::-1])
    assert writer.isOpened()
    for i in range(frames):
        writer.write(np.full((*size, 3), 40 * i, np.uint8))
    writer.release()
    return path


@pytest.fixture
def trained(checkpoint: Checkpoint) -> tuple[TorchSegmenter, ModelInfo]:
    return load_segmenter(checkpoint(), EvalOptions(), "cpu")


def read(path: Path) -> tuple[list[np.ndarray], float]:
    capture = cv2.VideoCapture(str(path))
    frames = []
    while (found := capture.read())[0]:
        frames.append(found[1])
    return frames, capture.get(cv2.CAP_PROP_FPS)


@pytest.mark.parametrize(
    ("name", "codec", "rate"), [("a.mp4", "mp4v", 12.5), ("b.avi", "MJPG", 30000 / 1001), ("ü 日.mp4", "mp4v", 5)]
)
def test_a_film_of_overlays(
    name: str, codec: str, rate: float, tmp_path: Path, trained: tuple[TorchSegmenter, ModelInfo]
) -> None:
    source = write_film(tmp_path / name, rate=rate, codec=codec)
    out = tmp_path / "new" / name.replace(".avi", ".mp4")
    row = predict_film(Film(source), *trained, out)
    assert row == {"frames": 6, "promised": 6, "size": "48x64", "rate": pytest.approx(rate, abs=0.01), "damaged": False}
    frames, found = read(out)
    assert (
        len(frames) == 6
        and found == pytest.approx(rate, abs=0.01)
        and frames[0].shape[0] > 48
        and frames[0].shape[1] == 256
    )
    assert list(out.parent.iterdir()) == [out]
    legend = frames[0][60:]
    assert len({tuple(pixel) for pixel in (legend[::2, ::2] // 32).reshape(-1, 3)}) > 6  # its classes' colours


def test_it_stops_after_so_many_frames(tmp_path: Path, trained: tuple[TorchSegmenter, ModelInfo]) -> None:
    row = predict_film(Film(write_film(tmp_path / "a.mp4")), *trained, tmp_path / "out.mp4", limit=2)
    assert row["frames"] == 2 and not row["damaged"] and len(read(tmp_path / "out.mp4")[0]) == 2


def test_sides_that_are_odd(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "a.mp4", 10, (31, 301))
    writer.write(np.zeros((31, 301, 3), np.uint8), times=2)
    writer.write(np.zeros((20, 400, 3), np.uint8))  # a frame of another size
    writer.finish()
    frames, _ = read(tmp_path / "a.mp4")
    assert len(frames) == 3 and frames[0].shape == (32, 302, 3) and frames[0][:30, :300].max() < 30


def test_files_that_are_no_films(tmp_path: Path) -> None:
    """In a new process, as in a command: FFmpeg keeps the level that it reads when the first film is opened."""
    for number, content in enumerate((b"", b"no film", b"\x00\x00\x00\x20ftypisom" + b"\x00" * 60)):
        (tmp_path / f"{number}.mp4").write_bytes(content)
    code = """
import sys
from pathlib import Path
from experiments.prediction.films import Film
from nas_space.errors import InputError
for number in range(3):
    try:
        Film(Path(sys.argv[1], f"{number}.mp4"))
    except InputError as error:
        assert f"{number}.mp4: not a film, or damaged" in str(error), error
    else:
        raise SystemExit(f"{number}.mp4 was opened")
"""
    environment = {name: value for name, value in os.environ.items() if name != FFMPEG_LEVEL}
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, str(tmp_path)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (result.returncode, result.stderr) == (0, "")


def test_no_such_film(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.mp4: cannot be read \(No such file"):
        Film(tmp_path / "a.mp4")


def test_a_film_without_a_frame(tmp_path: Path, trained: tuple[TorchSegmenter, ModelInfo]) -> None:
    source = write_film(tmp_path / "a.avi", frames=0, codec="MJPG")
    with pytest.raises(InputError, match=r"a\.avi: has no frame that can be read"):
        predict_film(Film(source), *trained, tmp_path / "out.mp4")
    assert not (tmp_path / "out.mp4").exists()


def test_a_film_that_ends_too_early(tmp_path: Path, trained: tuple[TorchSegmenter, ModelInfo]) -> None:
    film = Film(write_film(tmp_path / "a.mp4"))
    film.promised = 100
    row = predict_film(film, *trained, tmp_path / "out.mp4")
    assert row["damaged"] and row["frames"] == 6 and len(read(tmp_path / "out.mp4")[0]) == 6


def test_a_failure_leaves_no_film(tmp_path: Path, trained: tuple[TorchSegmenter, ModelInfo]) -> None:
    segmenter, info = trained
    film = Film(write_film(tmp_path / "a.mp4"))

    def fail(*arguments: object) -> object:
        if segmenter.seconds:
            raise KeyboardInterrupt
        return TorchSegmenter.__call__(segmenter, *arguments)  # type: ignore[arg-type]

    with pytest.raises(KeyboardInterrupt):
        predict_film(film, fail, info, tmp_path / "out" / "b.mp4")  # type: ignore[arg-type]
    assert not list((tmp_path / "out").iterdir())


def test_what_cannot_be_read_back_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = Writer(tmp_path / "a.mp4", 10, (32, 32))
    writer.write(np.zeros((32, 32, 3), np.uint8))
    writer.frames = 5
    with pytest.raises(InputError, match=r"a\.mp4: 1 of 5 frames can be read back; try again"):
        writer.finish()
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_told_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = Writer(tmp_path / "a.mp4", 10, (32, 32))
    writer.write(np.zeros((32, 32, 3), np.uint8))
    writer.frames = 5
    monkeypatch.setattr(films.shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(2**30, 2**30, 4096))  # type: ignore[attr-defined]
    with pytest.raises(OSError) as error:
        writer.finish()
    assert (error.value.errno, error.value.filename) == (errno.ENOSPC, str(tmp_path / "a.mp4")) and not list(
        tmp_path.iterdir()
    )


def test_paths_that_are_not_utf8(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    with pytest.raises(InputError, match=r"a\.mp4: is not UTF-8, as the path of a film has to be; rename it"):
        Film(write_film(tmp_path / "a.mp4").rename(folder / "a.mp4"))
    with pytest.raises(InputError, match=r"b\.mp4: is not UTF-8"):
        Writer(folder / "b.mp4", 10, (32, 32))
    assert [path.name for path in folder.iterdir()] == ["a.mp4"]


def test_frames_that_no_mp4_takes(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="frames of 9000x64 at 10 a second cannot be written"):
        Writer(tmp_path / "a.mp4", 10, (9000, 64))
    assert not list(tmp_path.iterdir())


def test_no_camera() -> None:
    with pytest.raises(InputError, match="camera 97: there is none"):
        Film(97)


class Camera:
    """Stands for OpenCV's: five frames, then a person presses Ctrl-C."""

    def __init__(self) -> None:
        self.given = 0

    def isOpened(self) -> bool:
        return True

    def get(self, key: int) -> float:
        return {cv2.CAP_PROP_FPS: 20.0}.get(key, -1.0)

    def read(self) -> tuple[bool, np.ndarray]:
        if self.given == 5:
            raise KeyboardInterrupt
        self.given += 1
        return True, np.zeros((48, 64, 3), np.uint8)

    def release(self) -> None:
        self.given = -1


def test_a_camera_is_recorded_until_ctrl_c_as_fast_as_life(
    tmp_path: Path, trained: tuple[TorchSegmenter, ModelInfo], monkeypatch: pytest.MonkeyPatch
) -> None:
    camera = Camera()
    real = cv2.VideoCapture
    monkeypatch.setattr(cv2, "VideoCapture", lambda source, *rest: camera if source == 0 else real(source, *rest))
    film = Film(0)
    assert film.rate == 20 and film.promised is None
    clock = iter([0.0, 0.0, *(0.1 * i for i in range(5))])  # twice as slow as the camera
    monkeypatch.setattr(films.time, "perf_counter", lambda: next(clock))
    segmenter, info = trained
    row = predict_film(film, lambda image: np.zeros(image.shape[:2], np.uint8), info, tmp_path / "out.mp4")  # type: ignore[arg-type]
    assert row["frames"] == 5 and camera.given == -1
    frames, rate = read(tmp_path / "out.mp4")
    assert rate == 20 and len(frames) == 9  # 0.4 seconds and the first
