"""Films and cameras: frame by frame through a network, and written as a film of overlays with a legend."""

from pathlib import Path
from typing import Any

from tqdm import tqdm

from experiments.model_file import ModelInfo
from experiments.prediction.film_reader import Camera, Frames
from experiments.prediction.film_writer import Writer
from experiments.prediction.pictures import overlay
from experiments.prediction.segmenter import TorchSegmenter
from nas_space.errors import InputError


def predict_film(
    film: Frames, segmenter: TorchSegmenter, info: ModelInfo, path: Path, limit: int | None = None
) -> dict[str, Any]:
    """Write a film of overlays, each frame at the source's time; its legend holds all classes, since they come and go.

    An mp4 has one size. A frame of another size than the first is segmented at its own, then fitted to the first's.

    With a slow network, a camera gives fewer frames: each has its true time. Ctrl-C ends and keeps a recording.

    Args:
        film: the source; closed afterwards.
        segmenter: the network.
        info: its classes and colours.
        path: the mp4 file.
        limit: stop after so many frames.

    Returns:
        Frames read and promised, size of the first, number of the first frame that has another (``resized_from``, else
        None), average rate, length in seconds, whether the source is not whole (``damaged``), and what shows it
        (``damage``, else None).

    Raises:
        InputError: there is not one frame, or they cannot be written.
        OSError: the disk is full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    writer: Writer | None = None
    read, seconds, complete = 0, 0.0, False
    size: tuple[int, int] | None = None
    resized_from: int | None = None
    total = min(film.promised or limit or 0, limit or film.promised or 0) or None
    is_camera = isinstance(film, Camera)
    try:
        for frame in tqdm(film, desc=path.stem, unit="frame", total=total, leave=False, disable=None):
            classes = segmenter(frame.pixels)
            own = (frame.pixels.shape[0], frame.pixels.shape[1])
            size = size or own
            resized_from = read + 1 if resized_from is None and own != size else resized_from
            picture = overlay(frame.pixels, classes, info.classes, info.colours, range(len(info.classes)), size)
            if writer is None:
                writer = Writer(path, film.rate, (picture.shape[0], picture.shape[1]), film.aspect)
            writer.write(picture, frame.seconds)
            read, seconds = read + 1, frame.seconds
            if read == limit:
                break
        complete = True
    except KeyboardInterrupt:
        if not is_camera:
            raise
        complete = True
    finally:
        film.close()
        if writer is not None and not complete:
            writer.abandon()
    if writer is None or size is None:
        camera, file = f"camera {film.source}: gives no frame", f"{film.source}: has no frame that can be read"
        raise InputError(camera if is_camera else file)
    writer.finish()
    length = {"rate": film.rate, "seconds": seconds + 1 / film.rate}
    damage = {"damaged": film.damage is not None, "damage": film.damage}
    sizes = {"size": "{}x{}".format(*size), "resized_from": resized_from}
    return {"frames": read, "promised": film.promised, **sizes, **length, **damage}
