"""Measure FPS of a video, from its file to class maps.

Decoding, preparing, inference and finishing (upsampled to the frame, the largest class of each pixel) run one after the
other, or each in a thread of its own; both in turns, on the same frames.
"""

import shlex
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

from experiments.benchmark.networks.options import Baselines
from experiments.options.groups import parse_size
from experiments.runs.files import new_file, write_json
from experiments.runtime.engines import Runner, open_timed
from nas_space.errors import InputError


@dataclass
class Options:
    """Options of ``ssr-nas benchmark video``.

    Args:
        video: a video that FFmpeg decodes, or a folder of JPEG and PNG images.
        arch: the network: a model.safetensors, a run folder, an architecture.json, baseline1, baseline2, erfnet,
            lraspp_mobilenet_v3_large, an ONNX file, or a scaled baseline such as baseline2@20ms.
        engine: onnxruntime, openvino, ncnn or litert.
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
    """Measure; print and return frames per second both ways, what each stage takes, and the set-up."""
    with new_file(options.out) as out:
        return _run(options, out)


def _run(options: Options, out: Path | None) -> dict[str, Any]:
    import tempfile

    from tqdm import tqdm

    from experiments.benchmark.networks.files import check_file, write_file
    from experiments.benchmark.networks.machine import conditions, describe_conditions
    from experiments.benchmark.networks.networks import find_networks
    from experiments.benchmark.networks.scaled import Scaler
    from experiments.benchmark.networks.statistics import ratio
    from experiments.benchmark.networks.timing import make_setup
    from experiments.benchmark.networks.video import measure_stream, read_frames
    from experiments.export.timed_file import FILE_ENGINES
    from experiments.runs.load import LoadMeter

    size = parse_size(options.size)
    for key in ("batch", "frames"):
        if getattr(options, key) < 1:
            raise InputError(f"{key}: {getattr(options, key)} must be at least 1")
    if options.engine not in FILE_ENGINES:
        raise InputError(f"engine: {options.engine!r} segments no videos; choose from {', '.join(FILE_ENGINES)}")
    setup = make_setup(options.engine, options.threads, "cpu", options.rounds, options.batch, 1)
    source = Path(options.video)
    next(read_frames(source))
    scaler = Scaler(size, options.engine, setup.threads)
    (network,) = find_networks([options.arch], options.space.preset, options.classes, scaler)
    check_file(network, options.engine, "fp32", size)

    with (
        tempfile.TemporaryDirectory(prefix="ssr-nas-") as folder,
        tqdm(total=setup.rounds, unit="round", leave=False, disable=None) as bar,
    ):
        file = write_file(network, options.engine, "fp32", size, Path(folder), options.batch)
        run_file = _open(options, file, setup.threads, (options.batch, 3, *size))
        meter = LoadMeter()
        throughput = measure_stream(
            lambda: islice(read_frames(source), options.frames), run_file, size, options.batch, setup.rounds, bar.update
        )
        others = meter.others()
    speedup, middle = ratio(throughput.sequential, throughput.pipelined), setup.rounds // 2
    result = {
        **conditions(setup, others),
        "size": options.size,
        "batch": options.batch,
        "command": _repeat_command(replace(options, classes=network.classes or options.classes), setup.threads),
        "frames": throughput.frames,
        "frame_size": list(throughput.frame_size),
        "stage_ms": throughput.stage_ms,
        "sequential_fps": throughput.frames / float(sorted(throughput.sequential[:, 0])[middle]),
        "pipelined_fps": throughput.frames / float(sorted(throughput.pipelined[:, 0])[middle]),
        "speedup": speedup.median,
        "speedup_spread": [speedup.low, speedup.high],
    }
    if out is not None:
        write_json(out, result, new=True)
    print("\n".join((describe_conditions(result), *_summary_lines(options, result))))
    if out is not None:
        print(f"written  {out}")
    return result


def _open(options: Options, file: Path, threads: int, shape: tuple[int, int, int, int]) -> Runner:
    """The network in ``file``, which has run once; ``InputError`` where the engine cannot."""
    import numpy as np

    try:
        run_file = open_timed(options.engine, file, threads, shape)
        run_file(np.zeros(shape, np.float32))
    except Exception as error:  # each engine has its own kinds of errors
        raise InputError(f"{options.arch}: {options.engine} cannot run it: {error}") from None
    return run_file


def _repeat_command(options: Options, threads: int) -> str:
    words = ["ssr-nas", "benchmark", "video", options.video]
    for key in ("arch", "engine", "size", "batch", "frames", "rounds", "classes"):
        words += [f"--{key}", str(getattr(options, key))]
    preset = [] if options.space.preset is None else ["--space.preset", options.space.preset]
    return shlex.join([*words, *preset, "--threads", str(threads)])


def _summary_lines(options: Options, result: dict[str, Any]) -> list[str]:
    stages = ", ".join(f"{name} {value:.1f}" for name, value in result["stage_ms"].items())
    frames = "{} frames of {}x{}".format(result["frames"], *result["frame_size"])
    spread = "{:.2f} to {:.2f}".format(*result["speedup_spread"])
    return [
        f"{options.video}: {frames}; {options.arch} at {options.size}, batch {options.batch}",
        "",
        f"  milliseconds a frame, one after the other: {stages}",
        f"  sequential  {result['sequential_fps']:.1f} FPS",
        f"  pipelined   {result['pipelined_fps']:.1f} FPS, {result['speedup']:.2f} times as many ({spread})",
        "",
        f"to repeat it: {result['command']}",
    ]
