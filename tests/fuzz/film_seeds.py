"""Small films and moving pictures of the usual containers and codecs, whole."""

import io
from functools import cache
from typing import Any

import numpy as np
from PIL import Image

FILMS = (
    ("mp4", "mpeg4", "yuv420p"),
    ("mp4", "libx264", "yuv420p"),
    ("matroska", "libvpx-vp9", "yuv420p"),
    ("matroska", "ffv1", "yuv420p"),
    ("avi", "mjpeg", "yuvj420p"),
    ("avi", "mpeg4", "yuv420p"),
    ("avi", "rawvideo", "bgr24"),
    ("webm", "libvpx", "yuv420p"),
    ("mpegts", "mpeg2video", "yuv420p"),
    ("flv", "flv", "yuv420p"),
    ("asf", "wmv2", "yuv420p"),
    ("mov", "png", "rgb24"),
)
"""Container, codec and pixels of each."""


def _pictures() -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return [random.integers(0, 256, (24, 32, 3), dtype=np.uint8) for _ in range(3)]


def _film(container: str, codec: str, pixels: str) -> bytes:
    import av
    from av.video.frame import VideoFrame

    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as film:
        stream: Any = film.add_stream(codec, 10)
        stream.width, stream.height, stream.pix_fmt = 32, 24, pixels
        for picture in _pictures():
            film.mux(stream.encode(VideoFrame.from_ndarray(picture, format="rgb24")))
        film.mux(stream.encode(None))
    return buffer.getvalue()


def _moving(kind: str) -> bytes:
    buffer = io.BytesIO()
    first, *rest = map(Image.fromarray, _pictures())
    first.save(buffer, kind, save_all=True, append_images=rest, duration=100)
    return buffer.getvalue()


@cache
def films() -> list[bytes]:
    return [_film(*film) for film in FILMS] + [_moving(kind) for kind in ("GIF", "PNG", "WEBP")]
