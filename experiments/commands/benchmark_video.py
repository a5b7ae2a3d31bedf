"""Measure how many frames of a video a network segments a second, from file to class maps, sequentially and as a pipeline.

Decoding, preparing, inference and finishing (upsampled to the frame, the largest class of each pixel) run one after the
other, or each in a thread of its own; both in turns, on the same frames.
"""

import shlex
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from tqdm import tqdm

from experiments.benchmark.networks.files import check_file, write_batched
from experiments.benchmark.networks.load import LoadMeter
from experiments.benchmark.networks.machine import conditions, described
from experiments.benchmark.networks.networks import Baselines, find_networks
from experiments.benchmark.networks.statistics import ratio
from experiments.benchmark.networks.timing import make_setup
from experiments.benchmark.networks.video import measure_stream, read_frames
from experiments.options.groups import parse_size
from experiments.runs.files import check_new_file, write_json
from experiments.runtime.engines import Runner, open_onnxruntime, open_openvino
from experiments.runtime.images import Pixels
from nas_space.errors import InputError


@dataclass
class Options:
    """Options of ``ssr-nas benchmark video``.

    Args:
        video: a video that OpenCV decodes, or a folder of JPEG and PNG images.
        arch: the network: a model.safetensors, a run folder, an architecture.json, baseline1, baseline2, erfnet,
            lraspp_mobilenet_v3_large, or an ONNX file.
        engine: onnxruntime or openvino.
        size: size HEIGHTxWIDTH in pixels at which the network sees the frames.
        batch: frames of an inference.
        frames: at most so many frames, from the beginning.
        threads: threads of the engine; all cores that may be used if absent.
        rounds: how often the frames are segmented both ways.
        classes: classes of the segmentation, for networks without trained weights.
        space: of baseline1 and baseline2.
        out: write the result as JSON to this new file.
    """

    POSITIONAL = "video"

    video: str
    arch: str
    engine: str = "onnxruntime"
    size: str = "512x1024"
    batch: int = 1
    frames: int = 100
    threads: int | None = None
    rounds: int = 5
    classes: int = 19
    space: Baselines = field(default_factory=Baselines)
    out: str | None = None


def run(options: Options) -> dict[str, Any]:
    """Measure, and print frames a second both ways and what each stage takes.

    Returns:
        The set-up, the command that repeats it, and the figures.
    """
    size = parse_size(options.size)
    for key in ("batch", "frames"):
        if getattr(options, key) < 1:
            raise InputError(f"{key}: {getattr(options, key)} must be at least 1")
    if options.engine not in ("onnxruntime", "openvino"):
        raise InputError(f"engine: {options.engine!r} segments no videos; choose onnxruntime or openvino")
    setup = make_setup(options.engine, options.threads, "cpu", options.rounds, options.batch, 1)
    out, source = check_new_file(options.out), Path(options.video)
    next(read_frames(source))
    (network,) = find_networks([options.arch], options.space.preset, options.classes)
    check_file(network, options.engine, "fp32", size)

    def open_stream() -> Iterator[Pixels]:
        return islice(read_frames(source), options.frames)

    with (
        tempfile.TemporaryDirectory(prefix="ssr-nas-") as folder,
        tqdm(total=setup.rounds, unit="round", leave=False, disable=None) as bar,
    ):
        file = write_batched(network, options.engine, size, options.batch, Path(folder))
        shape = (options.batch, 3, *size)
        session = _open(options, file, setup.threads, shape)
        meter = LoadMeter(lambda: sum(psutil.Process().cpu_times()[:2]))
        found = measure_stream(open_stream, session, size, options.batch, setup.rounds, bar.update)
        others = meter.others()
    speedup = ratio(found.sequential, found.pipelined)
    command = _repeating(options, setup.threads)
    result = {
        **conditions(setup, others),
        "size": options.size,
        "batch": options.batch,
        "command": command,
        "frames": found.frames,
        "frame_size": list(found.frame_size),
        "stage_ms": found.stage_ms,
        "sequential_fps": found.frames / float(sorted(found.sequential[:, 0])[setup.rounds // 2]),
        "pipelined_fps": found.frames / float(sorted(found.pipelined[:, 0])[setup.rounds // 2]),
        "speedup": speedup.median,
        "speedup_spread": [speedup.low, speedup.high],
    }
    print(_told(options, result))
    if out is not None:
        write_json(out, result, new=True)
        print(f"written  {out}")
    return result


def _open(options: Options, file: Path, threads: int, shape: tuple[int, int, int, int]) -> Runner:
    """The network in ``file``, which has run once.

    Raises:
        InputError: the engine cannot open or run it.
    """
    try:
        session = (
            open_onnxruntime(file, threads) if options.engine == "onnxruntime" else open_openvino(file, threads, shape)
        )
        session(np.zeros(shape, np.float32))
    except Exception as error:  # each engine has its own kinds of errors
        raise InputError(f"{options.arch}: {options.engine} cannot run it: {error}") from None
    return session


def _repeating(options: Options, threads: int) -> str:
    words = ["ssr-nas", "benchmark", "video", options.video]
    for key in ("arch", "engine", "size", "batch", "frames", "rounds", "classes"):
        words += [f"--{key}", str(getattr(options, key))]
    preset = [] if options.space.preset is None else ["--space.preset", options.space.preset]
    return shlex.join([*words, *preset, "--threads", str(threads)])


def _told(options: Options, result: dict[str, Any]) -> str:
    parts = ", ".join(f"{name} {value:.1f}" for name, value in result["stage_ms"].items())
    height, width = result["frame_size"]
    low, high = result["speedup_spread"]
    return "\n".join(
        (
            described(result),
            f"{options.video}: {result['frames']} frames of {height}x{width}; {options.arch} at {options.size}, batch {options.batch}",
            "",
            f"  milliseconds a frame, one after the other: {parts}",
            f"  sequential  {result['sequential_fps']:.1f} FPS",
            f"  pipelined   {result['pipelined_fps']:.1f} FPS, {result['speedup']:.2f} times as many ({low:.2f} to {high:.2f})",
            "",
            f"to repeat it: {result['command']}",
        )
    )
