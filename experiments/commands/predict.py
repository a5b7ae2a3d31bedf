"""Segment images, folders, films or what a camera sees.

An image gives index/NAME.png (class indices), colour/NAME.png and overlay/NAME.png (with a legend of its classes). A
film, a moving GIF, PNG or WebP, or a camera gives overlay/NAME.mp4, each frame at its own time. Images may have any
size: they are resized for the network, and its logits back.
"""

import time
from dataclasses import asdict, dataclass, field
from typing import Any

from experiments.options.device import resolve_device
from experiments.options.leaves import WHOLE
from experiments.prediction.options import EvalOptions
from experiments.runs.files import write_json
from experiments.runs.folder import new_run
from experiments.runs.threads import Threads, check_threads, computing
from nas_space.errors import InputError

SUMMARY = "predictions.json"
MOST_CAMERAS = 9999
TELLING = 5
"""Images from which on a speed is told: the first ones are slow, for libraries and files are read then."""


@dataclass(kw_only=True)
class Options:
    """Options of ``ssr-nas predict``.

    Args:
        inputs: images, films, and folders, which stand for all images and films in them and in their subfolders.
        checkpoint: the trained network: a run folder of ``ssr-nas retrain`` or of a discrete search, its
            model.safetensors, or one that comes with the package: camvid_paper_360x480 or camvid_360x480.
        camera: the number of a camera instead (0 is the first); Ctrl-C ends the recording.
        frames: stop each film, or the camera, after so many frames.
        eval: how the network is applied.
        device: auto, cpu or cuda.
        threads: of torch on the CPU; as many as are fastest, measured now and then, if absent.
        out: a new or empty folder for the results; ``runs/predict-<date>-<time>`` if absent.
    """

    POSITIONAL = "inputs"
    inputs: list[str] = field(default_factory=list, metadata=WHOLE)
    checkpoint: str
    camera: int | None = None
    frames: int | None = None
    eval: EvalOptions = field(default_factory=EvalOptions)
    device: str = "auto"
    threads: int | None = None
    out: str | None = None


def run(options: Options) -> dict[str, Any]:
    """Predict everything that can be, then fail if something could not; return the content of ``predictions.json``.

    Raises:
        InputError: no input, or inputs that could not be used; the results of the others have been written.
    """
    _check(options)
    measured = resolve_device(options.device) == "cpu"
    with computing(options.threads, measured, quiet=True) as threads:
        return _predict(options, threads)


def _predict(options: Options, threads: Threads) -> dict[str, Any]:
    from experiments.prediction.film_reader import Camera
    from experiments.prediction.inputs import find_sources
    from experiments.prediction.predict import Predictions, predict_all
    from experiments.prediction.segmenter import load_segmenter
    from experiments.runs.environment import device_name, versions

    segmenter, info = load_segmenter(options.checkpoint, options.eval, options.device, threads)
    sources, empty = find_sources(options.inputs)
    camera = None if options.camera is None else Camera(options.camera)
    if camera is None and not sources:
        raise InputError("; ".join(empty))
    with new_run(options.out, "predict", "predict") as folder:
        predictions, start = Predictions(), time.perf_counter()
        for reason in empty:
            predictions.fail(reason)
        predict_all(sources, camera, segmenter, info, folder, options.frames, predictions)
        seconds = time.perf_counter() - start
        count = len(predictions.images) + sum(film["frames"] for film in predictions.films)
        result = {
            "checkpoint": options.checkpoint,
            "eval": {**asdict(segmenter.views), "size": "{}x{}".format(*segmenter.views.size)},
            "device": device_name(segmenter.device),
            "versions": versions(),
            "fps": {"pipeline": count / seconds, "network": segmenter.network_fps},
            **asdict(predictions),
            "out": str(folder),
        }
        write_json(folder / SUMMARY, result)
    print(_format_summary(result, str(segmenter.views)))
    if predictions.failed:
        rest = f"; the others are in {folder}" if predictions.images or predictions.films else ""
        failed = f"{len(predictions.failed)} of {len(sources) + len(empty)} inputs failed"
        raise InputError(f"{failed}, as told above{rest}")
    return result


def _check(options: Options) -> None:
    check_threads(options.threads)
    if (options.camera is None) == (not options.inputs):
        camera = ", or --camera 0" if options.camera is None else " or --camera, not both"
        raise InputError(f"give images, films or folders{camera}")
    for key, least in (("frames", 1), ("camera", 0)):
        value = getattr(options, key)
        if value is not None and value < least:
            raise InputError(f"{key}: {value} must be at least {least}")
    if options.camera is not None and options.camera > MOST_CAMERAS:
        raise InputError(f"camera: {options.camera} must be at most {MOST_CAMERAS}")


def _format_summary(result: dict[str, Any], views: str) -> str:
    rows = {"image": result["images"], "film": result["films"]}
    counts = [f"{len(some)} {kind}{'s'[: len(some) != 1]}" for kind, some in rows.items() if some]
    frames = f" ({sum(film['frames'] for film in result['films'])} frames)" if result["films"] else ""
    lines = [f"{' and '.join(counts) or 'nothing'} predicted{frames}"]
    seen = len(result["images"]) + sum(film["frames"] for film in result["films"])
    where = f"at {views}, {result['device']}"
    if seen >= TELLING:
        rates = result["fps"]
        alone = f"the network alone {rates['network']:.1f} ({where})"
        lines.append(f"{rates['pipeline']:.1f} images a second with reading, drawing and writing; {alone}")
    elif counts:
        lines.append(f"the network ran {where}")
    return "\n".join((*lines, f"results  {result['out']}"))
