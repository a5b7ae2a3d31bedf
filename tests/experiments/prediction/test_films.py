"""Films go through a network and come out readable; a camera is a film that does not end by itself."""

import errno
import os
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from experiments.model_file import ModelInfo
from experiments.prediction.film_reader import Camera, Frame, open_film
from experiments.prediction.film_writer import Writer
from experiments.prediction.films import predict_film
from experiments.prediction.options import EvalOptions
from experiments.prediction.segmenter import TorchSegmenter, load_segmenter
from nas_space.errors import InputError

Checkpoint = Callable[..., Path]
MakeFilm = Callable[..., Path]


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
    row = predict_film(open_film(source), *trained, out)
    times = {"rate": pytest.approx(rate, abs=0.01), "seconds": pytest.approx(6 / rate, rel=0.01)}
    sizes = {"size": "48x64", "resized_from": None}
    assert row == {"frames": 6, "promised": 6, **sizes, **times, "damaged": False, "damage": None}
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
    row = predict_film(open_film(write_film(tmp_path / "a.mp4")), *trained, tmp_path / "out.mp4", limit=2)
    assert row["frames"] == 2 and not row["damaged"] and len(read(tmp_path / "out.mp4")[0]) == 2


def test_sides_that_are_odd(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "a.mp4", 10, (31, 301))
    for i, size in enumerate([(31, 301), (31, 301), (20, 400)]):  # a frame of another size
        writer.write(np.zeros((*size, 3), np.uint8), i / 10)
    writer.finish()
    frames, _ = read(tmp_path / "a.mp4")
    assert len(frames) == 3 and frames[0].shape == (32, 302, 3) and frames[0][:30, :300].max() < 30


@pytest.mark.parametrize("second", [(96, 128), (24, 32), (96, 64)], ids=["larger", "smaller", "upright"])
def test_frames_of_another_size_are_shown_whole_above_the_legend(
    second: tuple[int, int], make_film: MakeFilm, tmp_path: Path, trained: tuple[TorchSegmenter, ModelInfo]
) -> None:
    """As where two recordings are joined, or a broadcast changes."""
    film, other = (make_film(name, size=size) for name, size in (("a.ts", (48, 64)), ("b.ts", second)))
    film.write_bytes(film.read_bytes() + other.read_bytes())
    seen: list[tuple[int, ...]] = []

    def segment(pixels: np.ndarray) -> np.ndarray:
        seen.append(pixels.shape[:2])
        return np.arange(pixels.shape[1], dtype=np.uint8)[None].repeat(pixels.shape[0], 0) * 2 // pixels.shape[1]

    row = predict_film(open_film(film), segment, trained[1], tmp_path / "out.mp4")  # type: ignore[arg-type]
    assert row["frames"] == 12 and row["size"] == "48x64" and row["resized_from"] == 7
    assert seen == [(48, 64)] * 6 + [second] * 6
    frames, _ = read(tmp_path / "out.mp4")
    legends = [frame[50:].astype(int) for frame in frames]
    assert len({frame.shape for frame in frames}) == 1
    assert all(np.abs(legend - legends[0]).mean() < 4 for legend in legends)
    left, right = (tuple(frames[-1][20:28, place : place + 4].mean((0, 1)).astype(int)) for place in (22, 40))
    assert left != right  # the classes of the two halves, both within the frame


def test_a_film_without_a_frame(tmp_path: Path, trained: tuple[TorchSegmenter, ModelInfo]) -> None:
    source = write_film(tmp_path / "a.avi", frames=0, codec="MJPG")
    with pytest.raises(InputError, match=r"a\.avi: has no frame that can be read"):
        predict_film(open_film(source), *trained, tmp_path / "out.mp4")
    assert not (tmp_path / "out.mp4").exists()


def test_a_film_that_ends_too_early(
    make_film: MakeFilm, tmp_path: Path, trained: tuple[TorchSegmenter, ModelInfo]
) -> None:
    path = make_film("a.mkv", [i / 10 for i in range(20)])
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    row = predict_film(open_film(path), *trained, tmp_path / "out.mp4")
    assert row["damaged"] and "of 2.0 seconds" in row["damage"] and 5 < row["frames"] < 20
    assert len(read(tmp_path / "out.mp4")[0]) == row["frames"]


def test_a_film_of_variable_rate_keeps_its_length(
    make_film: MakeFilm, tmp_path: Path, trained: tuple[TorchSegmenter, ModelInfo]
) -> None:
    times = [0, 0.1, 0.2, 2.0, 2.1]
    row = predict_film(open_film(make_film("a.mkv", times)), *trained, tmp_path / "out.mp4")
    assert row["frames"] == 5 and row["seconds"] == pytest.approx(2.1 + 1 / row["rate"], abs=0.01)
    film = open_film(tmp_path / "out.mp4")
    assert [frame.seconds for frame in film] == pytest.approx(times, abs=0.002)
    film.close()


@pytest.mark.parametrize("turn", [False, True])
def test_pixels_that_are_not_square_stay_so(
    turn: bool, tmp_path: Path, trained: tuple[TorchSegmenter, ModelInfo]
) -> None:
    writer = Writer(tmp_path / "a.mp4", 10, (48, 64), Fraction(16, 11))
    writer.write(np.zeros((48, 64, 3), np.uint8), 0)
    writer.finish()
    if turn:
        data = bytearray((tmp_path / "a.mp4").read_bytes())
        place = data.index(bytes.fromhex("00010000" + 12 * "00" + "00010000"), data.index(b"tkhd"))
        one = 0x10000
        data[place : place + 20] = b"".join(part.to_bytes(4, "big", signed=True) for part in (0, one, 0, -one, 0))
        (tmp_path / "a.mp4").write_bytes(data)
    predict_film(open_film(tmp_path / "a.mp4"), *trained, tmp_path / "out.mp4")
    film = open_film(tmp_path / "out.mp4")
    frames = list(film)
    film.close()
    assert film.aspect == (Fraction(11, 16) if turn else Fraction(16, 11)) and len(frames) == 1


def test_a_failure_leaves_no_film(tmp_path: Path, trained: tuple[TorchSegmenter, ModelInfo]) -> None:
    segmenter, info = trained
    film = open_film(write_film(tmp_path / "a.mp4"))

    def fail(*arguments: object) -> object:
        if segmenter.seconds:
            raise KeyboardInterrupt
        return TorchSegmenter.__call__(segmenter, *arguments)  # type: ignore[arg-type]

    with pytest.raises(KeyboardInterrupt):
        predict_film(film, fail, info, tmp_path / "out" / "b.mp4")  # type: ignore[arg-type]
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize("frames", [1, 400])
def test_a_full_disk_is_told_as_one(frames: int, tmp_path: Path) -> None:
    """Soon, when the first bytes are written, or at the end, when the last are."""
    (tmp_path / ".a.tmp.mp4").symlink_to("/dev/full")
    writer = Writer(tmp_path / "a.mp4", 10, (64, 64))
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    with pytest.raises(OSError) as error:
        for i in range(frames):
            writer.write(noise, i / 10)
        writer.finish()
    writer.abandon()
    assert error.value.errno == errno.ENOSPC and not list(tmp_path.iterdir())
    assert error.value.filename == str(tmp_path / "a.mp4")


def test_paths_of_any_name(make_film: MakeFilm, tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    writer = Writer(folder / "12:30 %d.mp4", 10, (32, 32))
    writer.write(np.zeros((32, 32, 3), np.uint8), 0)
    writer.finish()
    assert [path.name for path in folder.iterdir()] == ["12:30 %d.mp4"]
    film = open_film(folder / "12:30 %d.mp4")
    assert len(list(film)) == 1
    film.close()


def test_frames_that_no_mp4_takes(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="frames of 9000x64 cannot be written as mp4"):
        Writer(tmp_path / "a.mp4", 10, (9000, 64))
    assert not list(tmp_path.iterdir())


def test_a_camera_is_recorded_until_ctrl_c_as_fast_as_life(
    tmp_path: Path, trained: tuple[TorchSegmenter, ModelInfo]
) -> None:
    class Recorded(Camera):
        def __init__(self) -> None:
            self.source, self.rate, self.closed = 0, 20.0, False

        def __iter__(self) -> Iterator[Frame]:
            for i in range(5):
                yield Frame(i / 10, np.zeros((48, 64, 3), np.uint8))  # twice as slow as the camera
            raise KeyboardInterrupt

        def close(self) -> None:
            self.closed = True

    camera = Recorded()
    segmenter, info = trained
    row = predict_film(camera, lambda image: np.zeros(image.shape[:2], np.uint8), info, tmp_path / "out.mp4")  # type: ignore[arg-type]
    assert row["frames"] == 5 and camera.closed and not row["damaged"]
    film = open_film(tmp_path / "out.mp4")
    assert [frame.seconds for frame in film] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4], abs=0.001)
    film.close()
