"""Segment images, folders of images, films or what a camera sees.

An image gives index/NAME.png (class indices), colour/NAME.png and overlay/NAME.png (with a legend of the classes in
it), a film or a camera overlay/NAME.mp4 at its own frame rate. Images may have any size: they are resized for the
network and its logits back.
"""

import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from experiments.model_file import ModelInfo
from experiments.options.arguments import WHOLE
from experiments.prediction.films import Film, predict_film
from experiments.prediction.images import predict_image
from experiments.prediction.inputs import Source, find_sources
from experiments.prediction.options import EvalOptions
from experiments.prediction.segmenter import TorchSegmenter, load_segmenter
from experiments.runs.environment import device_name, versions
from experiments.runs.files import write_json
from experiments.runs.folder import new_run
from nas_space.errors import InputError

SUMMARY = "predictions.json"
MOST_CAMERAS = 9999


@dataclass(kw_only=True)
class Options:
    """Options of ``ssr-nas predict``.

    Args:
        inputs: images, films, and folders, which stand for all images and films in them and in their subfolders.
        checkpoint: the trained network: a run folder of ``ssr-nas retrain``, or its model.safetensors.
        camera: the number of a camera instead (0 is the first); Ctrl-C ends the recording.
        frames: stop each film, or the camera, after so many frames.
        eval: how the network is applied.
        device: auto, cpu or cuda.
        out: a new or empty folder for the results; ``runs/predict-<date>-<time>`` if absent.
    """

    POSITIONAL = "inputs"

    inputs: list[str] = field(default_factory=list, metadata=WHOLE)
    checkpoint: str
    camera: int | None = None
    frames: int | None = None
    eval: EvalOptions = field(default_factory=EvalOptions)
    device: str = "auto"
    out: str | None = None


@dataclass
class Done:
    """What has been predicted, and what has not.

    Args:
        images: a row an image.
        films: a row a film.
        failed: a line for each input that could not be used.
    """

    images: list[dict[str, Any]] = field(default_factory=list)
    films: list[dict[str, Any]] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def fail(self, reason: str) -> None:
        """Tell at once, in one line, and go on."""
        self.failed.append(" ".join(reason.split()))
        tqdm.write(f"ssr-nas predict: {self.failed[-1]}", file=sys.stderr)


def run(options: Options) -> dict[str, Any]:
    """Predict everything that can be, then fail if something could not.

    Returns:
        The content of ``predictions.json``.

    Raises:
        InputError: no input, or inputs that could not be used; the results of the others have been written.
    """
    if (options.camera is None) == (not options.inputs):
        raise InputError(
            "give images, films or folders"
            + (", or --camera 0" if options.camera is None else " or --camera, not both")
        )
    if options.frames is not None and options.frames < 1:
        raise InputError(f"frames: {options.frames} must be at least 1")
    if options.camera is not None and options.camera < 0:
        raise InputError(f"camera: {options.camera} must be at least 0")
    if options.camera is not None and options.camera > MOST_CAMERAS:
        raise InputError(f"camera: {options.camera} must be at most {MOST_CAMERAS}")
    segmenter, info = load_segmenter(options.checkpoint, options.eval, options.device)
    sources, nothing = find_sources(options.inputs)
    camera = None if options.camera is None else Film(options.camera)
    if camera is None and not sources:
        raise InputError("; ".join(nothing))
    with new_run(options.out, "predict", "predict") as folder:
        done, start = Done(), time.perf_counter()
        for line in nothing:
            done.fail(line)
        if camera is not None:
            done.films.append(_film(camera, f"camera-{options.camera}", segmenter, info, folder, options.frames))
        _predict(sources, segmenter, info, folder, options.frames, done)
        seconds = time.perf_counter() - start
        count = len(done.images) + sum(film["frames"] for film in done.films)
        result = {
            "checkpoint": options.checkpoint,
            "eval": {**asdict(segmenter.views), "size": "{}x{}".format(*segmenter.views.size)},
            "device": device_name(segmenter.device),
            "versions": versions(),
            "fps": {"pipeline": count / seconds, "network": segmenter.network_fps},
            **asdict(done),
            "out": str(folder),
        }
        write_json(folder / SUMMARY, result)
    print(_told(done, str(folder), str(segmenter.views), result))
    if done.failed:
        rest = f"; the others are in {folder}" if done.images or done.films else ""
        raise InputError(f"{len(done.failed)} of {len(sources) + len(nothing)} inputs failed, as told above{rest}")
    return result


def _predict(
    sources: Sequence[Source], segmenter: TorchSegmenter, info: ModelInfo, folder: Path, frames: int | None, done: Done
) -> None:
    try:
        for source in tqdm(sources, desc="predict", unit="file", disable=None if len(sources) > 1 else True):
            try:
                if source.is_video:
                    film = _film(Film(source.path), source.name, segmenter, info, folder, frames)
                    done.films.append(film)
                    if film["damaged"]:
                        done.fail(f"{source.path}: ends after {film['frames']} of {film['promised']} frames; damaged?")
                else:
                    done.images.append(predict_image(source, segmenter, info, folder))
            except InputError as error:
                done.fail(str(error))
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"what is done is in {folder}") from None


def _film(
    film: Film, name: str, segmenter: TorchSegmenter, info: ModelInfo, folder: Path, frames: int | None
) -> dict[str, Any]:
    row = predict_film(film, segmenter, info, folder / "overlay" / f"{name}.mp4", frames)
    return {"source": str(film.source), "name": name, **row}


def _told(done: Done, folder: str, views: str, result: dict[str, Any]) -> str:
    frames, rates = sum(film["frames"] for film in done.films), result["fps"]
    kinds = {"image": done.images, "film": done.films}
    counts = [f"{len(rows)} {word}{'s'[: len(rows) != 1]}" for word, rows in kinds.items() if rows]
    lines = [f"{' and '.join(counts) or 'nothing'} predicted" + (f" ({frames} frames)" if done.films else "")]
    if counts:
        lines.append(
            f"{rates['pipeline']:.1f} a second with reading, drawing and writing; the network alone {rates['network']:.1f} "
            f"(at {views}, {result['device']})"
        )
    return "\n".join((*lines, f"results  {folder}"))
