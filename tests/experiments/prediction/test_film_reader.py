"""Every film is read whole, at its own times; what is cut or no film at all is told."""

import re
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from PIL import Image

from experiments.data.files import read_image
from experiments.prediction.film_reader import Camera, Frame, Frames, open_film
from experiments.prediction.film_writer import Writer
from experiments.prediction.inputs import Source
from nas_space.errors import InputError

MakeFilm = Callable[..., Path]
CONTAINERS = {
    "ts": ("mpeg4", "mpegts"),
    "MTS": ("mpeg2video", "mpegts"),
    "m2ts": ("mpeg4", "mpegts"),
    "3gp": ("mpeg4", "3gp"),
    "flv": ("flv1", "flv"),
    "asf": ("mpeg4", "asf"),
    "wmv": ("wmv2", "asf"),
    "m4v": ("mpeg4", "mp4"),
    "mov": ("mpeg4", "mov"),
    "mkv": ("mpeg4", "matroska"),
    "webm": ("libvpx", "webm"),
    "avi": ("mjpeg", "avi"),
    "mpg": ("mpeg1video", "mpeg"),
    "vob": ("mpeg2video", "vob"),
    "y4m": ("wrapped_avframe", "yuv4mpegpipe"),
    "mxf": ("mpeg2video", "mxf"),
    "nut": ("mpeg4", "nut"),
    "ogv": ("libvpx", "ogv"),
    "ivf": ("libvpx", "ivf"),
    "dv": ("dvvideo", "dv"),
    "h264": ("libx264", "h264"),
    "264": ("libx264", "h264"),
    "h265": ("libx265", "hevc"),
    "hevc": ("libx265", "hevc"),
}


def read(path: Path) -> tuple[list[Frame], Frames]:
    with closing(open_film(path)) as film:
        return list(film), film


@pytest.mark.parametrize("suffix", CONTAINERS)
def test_every_container_is_a_film_by_content_and_is_read_whole(suffix: str, make_film: MakeFilm) -> None:
    codec, container = CONTAINERS[suffix]
    variable = codec in ("mpeg4", "libvpx", "mjpeg", "flv1", "wmv2") and container not in ("avi", "ivf", "ogv")
    rate = 10 if variable else 25
    size = (576, 720) if suffix == "dv" else (48, 64)
    path = make_film(f"a.{suffix}", [i / rate for i in range(6)], codec, container, size, rate=rate)
    assert Source(path, "a").is_video and Source(path.rename(path.with_name("b.unknown")), "b").is_video
    frames, film = read(path.with_name("b.unknown"))
    assert len(frames) == 6 and film.damage is None and film.rate == pytest.approx(rate, rel=0.01)
    assert [frame.seconds for frame in frames] == pytest.approx([i / rate for i in range(6)], abs=0.002)
    assert [round(float(frame.pixels.mean()) / 20) for frame in frames] == list(range(6))


def test_a_row_of_jpegs_is_a_film_by_its_name(make_film: MakeFilm) -> None:
    path = make_film("a.mjpeg", codec="mjpeg", format="mjpeg", rate=25)
    frames, film = read(path)
    assert Source(path, "a").is_video and len(frames) == 6 and film.damage is None


@pytest.mark.parametrize(("name", "codec"), [("a.webm", "libvpx"), ("a.mkv", "mpeg4"), ("a.mp4", "mpeg4")])
def test_sound_that_is_longer_than_the_picture(name: str, codec: str, make_film: MakeFilm) -> None:
    frames, film = read(make_film(name, codec=codec, sound=3))
    assert len(frames) == 6 and film.damage is None


@pytest.mark.parametrize("name", ["a.mkv", "a.ts", "a.mp4"])
def test_a_clock_that_starts_late(name: str, make_film: MakeFilm) -> None:
    frames, film = read(make_film(name, start=100.0))
    assert frames[0].seconds == 0 and frames[-1].seconds == pytest.approx(0.5, abs=0.002) and film.damage is None


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4"])
def test_a_variable_rate_keeps_its_times(name: str, make_film: MakeFilm) -> None:
    times = [0, 0.1, 0.2, 1.5, 1.6, 4.0]
    frames, _ = read(make_film(name, times))
    assert [frame.seconds for frame in frames] == pytest.approx(times, abs=0.002)


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4"])
def test_the_regular_long_gaps_of_a_timelapse_are_kept(name: str, make_film: MakeFilm) -> None:
    times = [900.0 * i for i in range(5)]
    frames, film = read(make_film(name, times, rate=25))
    assert [frame.seconds for frame in frames] == pytest.approx(times, abs=0.002)
    assert film.damage is None and film.remark is None


def test_one_long_gap_among_short_ones_is_a_clock_set_anew(make_film: MakeFilm) -> None:
    frames, _ = read(make_film("a.mkv", [0, 0.1, 0.2, 900, 900.1]))
    assert [frame.seconds for frame in frames][-1] < 1


def test_a_clock_that_is_set_anew(make_film: MakeFilm) -> None:
    first, second = (make_film(name, start=start, format="mpegts") for name, start in (("a.ts", 500), ("b.ts", 0)))
    first.write_bytes(first.read_bytes() + second.read_bytes())
    frames, _ = read(first)
    assert len(frames) == 12 and all(0 < b.seconds - a.seconds < 3 for a, b in zip(frames, frames[1:], strict=False))


@pytest.mark.parametrize("cut", ["start", "packets"])
def test_a_film_that_was_cut_without_coding_it_anew_is_whole(cut: str, make_film: MakeFilm, tmp_path: Path) -> None:
    source, path = make_film("a.mkv", [i / 10 for i in range(40)]), tmp_path / "cut.mp4"
    with av.open(str(source)) as read_from, av.open(str(path), "w") as write_to:
        stream = write_to.add_stream_from_template(read_from.streams.video[0])
        for packet in read_from.demux(video=0):
            pts, dts = packet.pts, packet.dts
            if pts is None or dts is None or (cut == "packets" and pts < 500):
                continue
            packet.stream = stream
            packet.pts, packet.dts = pts - 800, dts - 800  # those before 0 are hidden by an edit list
            write_to.mux(packet)
    frames, film = read(path)
    assert 0 < len(frames) < 40 and film.damage is None


def copied(source: Path, path: Path) -> Path:
    """The same packets in another container, as ``ffmpeg -c copy`` writes them."""
    with av.open(str(source)) as read_from, av.open(str(path), "w") as write_to:
        stream = write_to.add_stream_from_template(read_from.streams.video[0])
        for packet in read_from.demux(video=0):
            if packet.dts is not None and packet.pts is not None:
                packet.stream = stream
                write_to.mux(packet)
    return path


@pytest.mark.parametrize("cut", [False, True])
def test_an_avi_with_dropped_frames_is_whole(cut: bool, make_film: MakeFilm) -> None:
    times = [i / 20 for i in range(58) if i % 3 == 0]  # the container counts those between them as empty frames
    path = make_film("a.avi", times, "mjpeg", size=(240, 320), rate=20)
    if cut:
        data = path.read_bytes()
        path.write_bytes(data[: len(data) * 6 // 10])
    frames, film = read(path)
    if cut:
        assert 5 < len(frames) < 15 and film.damage is not None and "of 58 frames" in film.damage
    else:
        assert len(frames) == 20 and film.damage is None
        assert frames[-1].seconds == pytest.approx(2.85, abs=0.1)


@pytest.mark.parametrize("suffix", ["avi", "asf", "mkv"])
def test_frames_in_the_order_of_decoding_keep_the_length(suffix: str, make_film: MakeFilm, tmp_path: Path) -> None:
    source = make_film("a.ts", [i / 10 for i in range(60)], "libx264", "mpegts")
    frames, film = read(copied(source, tmp_path / f"b.{suffix}"))
    assert len(frames) == 60 and film.damage is None
    assert frames[-1].seconds == pytest.approx(5.9, abs=0.5)
    assert all(b.seconds > a.seconds for a, b in zip(frames, frames[1:], strict=False))


@pytest.mark.parametrize("start", [-3.6, 95440.0])  # a clock of 33 bits at 90 kHz is set to 0 after 95443.7 s
def test_a_transport_stream_s_clock_may_be_negative_or_turn_over(
    start: float, make_film: MakeFilm, tmp_path: Path
) -> None:
    source = make_film("a.ts", [i / 10 for i in range(60)], format="mpegts")
    path = tmp_path / "b.ts"
    with av.open(str(source)) as read_from, av.open(str(path), "w", options={"avoid_negative_ts": "disabled"}) as to:
        stream = to.add_stream_from_template(read_from.streams.video[0])
        first: int | None = None
        for packet in read_from.demux(video=0):
            if packet.dts is not None and packet.pts is not None:
                first = packet.pts if first is None else first
                packet.stream = stream
                packet.pts, packet.dts = (time - first + round(start * 90000) for time in (packet.pts, packet.dts))
                to.mux(packet)
    frames, film = read(path)
    assert len(frames) == 60 and film.damage is None and frames[-1].seconds == pytest.approx(5.9, abs=0.01)


@pytest.mark.parametrize("cut", [False, True])
def test_a_film_that_starts_late_and_is_cut_is_told(cut: bool, make_film: MakeFilm) -> None:
    path = make_film("a.mkv", [i / 10 for i in range(60)], start=100)
    if cut:
        path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    frames, film = read(path)
    assert (film.damage is not None) == cut and (len(frames) < 60) == cut


def test_of_several_pictures_the_default_one_is_read(make_film: MakeFilm, tmp_path: Path) -> None:
    sources = [make_film("a.mkv", size=(48, 64)), make_film("b.mkv", size=(96, 128))]
    with av.open(str(tmp_path / "c.mkv"), "w") as target:
        opened = [av.open(str(source)) for source in sources]
        streams = [target.add_stream_from_template(one.streams.video[0]) for one in opened]
        streams[0].disposition, streams[1].disposition = av.stream.Disposition(0), av.stream.Disposition.default
        for one, stream in zip(opened, streams, strict=True):
            for packet in one.demux(video=0):
                if packet.dts is not None:
                    packet.stream = stream
                    target.mux(packet)
            one.close()
    frames, film = read(tmp_path / "c.mkv")
    assert len(frames) == 6 and frames[0].pixels.shape == (96, 128, 3) and film.damage is None
    assert film.remark == "holds 2 picture streams; only number 2 (96x128) is read"


@pytest.mark.parametrize("name", ["a.mkv", "a.avi", "a.flv", "a.mp4"])
def test_half_a_film_is_told(name: str, make_film: MakeFilm) -> None:
    codec = {"a.flv": "flv1", "a.avi": "mjpeg"}.get(name, "mpeg4")
    path = make_film(name, [i / 25 for i in range(60)], codec, rate=25)
    if name == "a.mp4":  # the index first, as for the web
        with (
            av.open(str(path)) as source,
            av.open(str(path.with_name("b.mp4")), "w", options={"movflags": "faststart"}) as target,
        ):
            stream = target.add_stream_from_template(source.streams.video[0])
            for packet in source.demux(video=0):
                if packet.dts is not None:
                    packet.stream = stream
                    target.mux(packet)
        path = path.with_name("b.mp4")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 6 // 10])
    frames, film = read(path)
    assert 10 < len(frames) < 50 and film.damage is not None and film.damage.startswith("ends after")


@pytest.mark.parametrize(
    ("name", "codec"), [("a.mkv", "mpeg4"), ("a.mp4", "mpeg4"), ("a.mp4", "libx264"), ("a.ts", "mpeg2video")]
)
@pytest.mark.parametrize("content", [b"\0", b"\xa5\x3c"], ids=["zeros", "garbage"])
def test_a_damaged_middle_is_told(content: bytes, name: str, codec: str, make_film: MakeFilm) -> None:
    path = make_film(name, [i / 25 for i in range(40)], codec, rate=25, noise=True)
    assert read(path)[1].damage is None
    data = bytearray(path.read_bytes())
    place, size = len(data) * 3 // 10, len(data) // 5
    data[place : place + size] = (content * size)[:size]
    path.write_bytes(data)
    frames, film = read(path)
    assert len(frames) > 5 and film.damage is not None
    assert re.match(r"[1-9]\d* of its \d\d frames are damaged|ends after \d", film.damage)


def test_what_a_reader_leaves_out_in_the_middle_is_told(make_film: MakeFilm) -> None:
    """Of Matroska up to the next cluster, which begins with a whole frame: no decoder can know."""
    path = make_film("a.webm", [i / 10 for i in range(120)], "libvpx", noise=True, size=(16, 16))
    frames, film = read(path)
    assert len(frames) == 120 and film.damage is None
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2] + data[len(data) // 2 + 100 :])
    frames, film = read(path)
    assert 60 < len(frames) < 119 and film.damage is not None
    assert re.search(r"[\d,]+ bytes in its middle cannot be read, some frames are missing", film.damage)


def test_joined_recordings_are_whole(make_film: MakeFilm) -> None:
    first = make_film("a.ts", [i / 25 for i in range(30)], rate=25)
    first.write_bytes(2 * first.read_bytes())
    frames, film = read(first)
    assert len(frames) == 60 and film.damage is None


MATRICES = {  # a, b, c, d of the metadata, and what they do
    "left": ((0, -1, 1, 0), lambda picture: np.rot90(picture, 1)),
    "right": ((0, 1, -1, 0), lambda picture: np.rot90(picture, -1)),
    "upside down": ((-1, 0, 0, -1), lambda picture: np.rot90(picture, 2)),
    "mirrored": ((-1, 0, 0, 1), lambda picture: picture[:, ::-1]),
    "flipped": ((1, 0, 0, -1), lambda picture: picture[::-1]),
    "transposed": ((0, 1, 1, 0), lambda picture: picture.swapaxes(0, 1)),
    "the other diagonal": ((0, -1, -1, 0), lambda picture: np.rot90(picture, 2).swapaxes(0, 1)),
    "stretched": ((2, 0, 0, 1), lambda picture: picture),
    "nothing": ((0, 0, 0, 0), lambda picture: picture),
}


def film_with_matrix(path: Path, matrix: tuple[float, ...]) -> np.ndarray:
    """A film of one frame whose metadata say how it is turned, and the frame as it is stored."""
    picture = np.zeros((64, 96, 3), np.uint8)
    picture[:32, :48] = 200
    picture[32:, :16] = 100
    writer = Writer(path, 10, (64, 96))
    writer.write(picture, 0)
    writer.finish()
    data = bytearray(path.read_bytes())
    one, zero = (0x10000).to_bytes(4, "big"), bytes(4)
    place = data.index(one + zero * 3 + one, data.index(b"tkhd"))
    a, b, c, d = (round(part * 0x10000).to_bytes(4, "big", signed=True) for part in matrix)
    data[place : place + 20] = a + b + zero + c + d
    path.write_bytes(data)
    return picture


@pytest.mark.parametrize("name", MATRICES)
def test_it_is_shown_upright(name: str, tmp_path: Path) -> None:
    matrix, turn = MATRICES[name]
    picture = film_with_matrix(tmp_path / "a.mp4", matrix)
    (frame,), _ = read(tmp_path / "a.mp4")
    assert np.abs(frame.pixels.astype(int) - turn(picture)).mean() < 10
    if name in ("left", "right", "upside down"):  # of mirror images OpenCV knows none
        _, expected = cv2.VideoCapture(str(tmp_path / "a.mp4")).read()
        assert np.abs(frame.pixels.astype(int) - expected[..., ::-1]).mean() < 3


@pytest.mark.parametrize("matrix", [(0.7071, 0.7071, -0.7071, 0.7071), (1, 0.5, 0, 1), (1, 0, 0, 0)])
def test_an_angle_that_is_no_right_one_is_refused(matrix: tuple[float, ...], tmp_path: Path) -> None:
    film_with_matrix(tmp_path / "a.mp4", matrix)
    with pytest.raises(InputError, match=r"a\.mp4: its frames are shown turned by \d+ degrees, or sheared; only right"):
        read(tmp_path / "a.mp4")


@pytest.mark.parametrize("kind", ["gif", "png", "webp"])
def test_moving_pictures_are_films(kind: str, tmp_path: Path) -> None:
    pictures = [Image.new("RGB", (30, 20), (60 * i, 0, 0)) for i in range(4)]
    path = tmp_path / f"a.{kind}"
    lossless: dict[str, Any] = {"lossless": True} if kind == "webp" else {}
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=[100, 200, 300, 400], loop=0, **lossless)
    assert Source(path, "a").is_video
    frames, film = read(path)
    assert [frame.seconds for frame in frames] == pytest.approx([0, 0.1, 0.3, 0.6]) and film.damage is None
    assert [frame.pixels[5, 5].tolist() for frame in frames] == [[60 * i, 0, 0] for i in range(4)]
    pictures[1].save(path)
    assert not Source(path, "a").is_video  # one picture does not move


@pytest.mark.parametrize("orientation", range(1, 10))
@pytest.mark.parametrize("kind", ["png", "webp"])
def test_moving_pictures_are_turned_as_still_ones_are(kind: str, orientation: int, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    noise = np.random.default_rng(0).integers(0, 256, (2, 20, 30, 3), np.uint8)
    first, second = (Image.fromarray(picture) for picture in noise)
    lossless: dict[str, Any] = {"lossless": True} if kind == "webp" else {}
    first.save(tmp_path / f"a.{kind}", save_all=True, append_images=[second], duration=100, exif=exif, **lossless)
    frames, _ = read(tmp_path / f"a.{kind}")
    assert len(frames) == 2
    for frame, still in zip(frames, (first, second), strict=True):
        still.save(tmp_path / f"still.{kind}", exif=exif, **lossless)
        assert np.array_equal(frame.pixels, read_image(tmp_path / f"still.{kind}"))


def test_files_that_are_no_films(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "secret.txt").write_text("file")
    playlist = f"#EXTM3U\n#EXTINF:1,\n{tmp_path}/secret.txt\n".encode()
    contents = (
        b"",
        b"no film",
        b"\x00\x00\x00\x20ftypisom" + b"\x00" * 60,
        playlist,
        b"ffconcat version 1.0\nfile 'x'",
    )
    for number, content in enumerate(contents):
        path = tmp_path / f"{number}.mp4"
        path.write_bytes(content)
        with pytest.raises(InputError, match=f"{number}.mp4: not a film, or damaged"):
            open_film(path)
    assert capfd.readouterr() == ("", "")


def test_sound_alone_is_no_film(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        voice = container.add_stream("aac", 48000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate = 48000
        container.mux(voice.encode(frame))
        container.mux(voice.encode(None))
    with pytest.raises(InputError, match=r"a\.mp4: holds no film, only sound"):
        open_film(tmp_path / "a.mp4")


def test_no_such_film(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.mp4: cannot be read \(No such file"):
        open_film(tmp_path / "a.mp4")


def test_no_camera() -> None:
    with pytest.raises(InputError, match="camera 97: there is none"):
        Camera(97)


class Capture:
    """Stands for OpenCV's camera: five frames, then none."""

    def __init__(self) -> None:
        self.given = 0

    def isOpened(self) -> bool:
        return True

    def get(self, key: int) -> float:
        return {cv2.CAP_PROP_FPS: 20.0}.get(key, -1.0)

    def read(self) -> tuple[bool, np.ndarray]:
        self.given += 1
        return self.given < 6, np.full((48, 64, 3), (0, 0, 9), np.uint8)

    def release(self) -> None:
        self.given = -1


def test_a_camera_s_frames_have_the_times_at_which_they_came(monkeypatch: pytest.MonkeyPatch) -> None:
    capture = Capture()
    monkeypatch.setattr(cv2, "VideoCapture", lambda number: capture)
    clock = iter([7.0, 7.1, 7.2, 7.2, 7.4])
    monkeypatch.setattr("experiments.prediction.film_reader.time.perf_counter", lambda: next(clock))
    camera = Camera(0)
    frames = list(camera)
    camera.close()
    assert [frame.seconds for frame in frames] == pytest.approx([0, 0.1, 0.2, 0.25, 0.4])
    assert frames[0].pixels[0, 0].tolist() == [9, 0, 0] and camera.rate == 20 and capture.given == -1
