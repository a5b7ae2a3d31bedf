"""Films of every container, made by the library that reads them, and sound beside the picture."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame

MakeFilm = Callable[..., Path]


@pytest.fixture
def make_film(tmp_path: Path) -> MakeFilm:
    """``make_film(name, times)``: frames of 48x64, each brighter by 20 or moving noise, at these times in seconds."""

    def make(
        name: str,
        times: Sequence[float] = tuple(i / 10 for i in range(6)),
        codec: str = "mpeg4",
        format: str | None = None,
        size: tuple[int, int] = (48, 64),
        sound: float = 0.0,
        start: float = 0.0,
        rate: float = 10,
        noise: bool = False,
    ) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with av.open(str(path), "w", format=format) as container:
            stream: Any = container.add_stream(codec, Fraction(rate).limit_denominator(2000))
            stream.height, stream.width, stream.pix_fmt = *size, "yuvj420p" if codec == "mjpeg" else "yuv420p"
            stream.options = {"x265-params": "log-level=none"} if codec == "libx265" else {}
            stream.codec_context.time_base = Fraction(1, 1000) if rate == 10 else 1 / Fraction(rate)
            voice: Any = container.add_stream("aac" if codec != "libvpx" else "libopus", 48000) if sound else None
            if voice is not None:
                voice.layout = "mono"
                for i in range(int(sound * 48000 / 960)):
                    tone = AudioFrame.from_ndarray(np.zeros((1, 960), np.float32), "fltp", "mono")
                    tone.sample_rate, tone.pts, tone.time_base = 48000, i * 960, Fraction(1, 48000)
                    container.mux(voice.encode(tone))
                container.mux(voice.encode(None))
            for i, seconds in enumerate(times):
                picture = np.full((*size, 3), 20 * i % 256, np.uint8)
                if noise:
                    picture = np.roll(np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8), 3 * i, axis=1)
                frame = VideoFrame.from_ndarray(picture, "rgb24")
                base = stream.codec_context.time_base
                frame.pts, frame.time_base = round((start + seconds) / base), base
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        return path

    return make
