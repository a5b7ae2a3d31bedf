"""Segmenting a stream of frames: decode, prepare, infer, finish; one after the other, or as a pipeline."""

import itertools
import time
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from experiments.benchmark.networks.pipeline import Stage, pipelined, sequential
from experiments.benchmark.networks.statistics import Seconds
from experiments.prediction.film_reader import open_film
from experiments.runtime.description import OFFSET, SCALE
from experiments.runtime.engines import Runner
from experiments.runtime.images import Pixels, read_image
from experiments.runtime.segmenter import largest
from nas_space.errors import InputError

T = TypeVar("T")
IMAGES = (".jpg", ".jpeg", ".png")


class Batch(NamedTuple):
    """A batch of frames and the result of each stage."""

    sizes: tuple[tuple[int, int], ...]
    array: NDArray[np.float32]


def read_frames(source: Path) -> Iterator[Pixels]:
    """The frames of a video, or the images in a folder by their names, uint8 ``(H, W, 3)`` RGB.

    Raises:
        InputError: there is none, or a file is damaged.
    """
    if source.is_dir():
        files = sorted(file for file in source.iterdir() if file.suffix.lower() in IMAGES)
        if not files:
            raise InputError(f"{source}: no images in it ({', '.join(IMAGES)})")
        yield from (read_image(file) for file in files)
        return
    if not source.is_file():
        raise InputError(f"{source}: no such file; give a video, or a folder of images")
    film = open_film(source)
    try:
        frame = None
        for frame in film:
            yield frame.pixels
        if frame is None:
            raise InputError(f"{source}: has no frame that can be read")
    finally:
        film.close()


def batches(frames: Iterable[T], size: int) -> Iterator[list[T]]:
    """Group ``frames`` in lists of ``size``. An incomplete last list is dropped: an engine may need full batches."""
    iterator = iter(frames)
    while len(batch := list(itertools.islice(iterator, size))) == size:
        yield batch


def stages(run: Runner, size: tuple[int, int]) -> dict[str, Stage]:
    """The stages after decoding, by name: lists of frames in, lists of class maps at the frames' sizes out.

    Args:
        run: the network: ``(N, 3, H, W)`` -> logits ``(N, classes, h, w)``.
        size: height and width at which it sees the frames.
    """

    def prepare(frames: Sequence[Pixels]) -> Batch:
        array = np.empty((len(frames), 3, *size), np.float32)
        for place, frame in zip(array, frames, strict=True):
            resized = frame if frame.shape[:2] == size else cv2.resize(frame, size[::-1], interpolation=cv2.INTER_AREA)
            place[:] = resized.transpose(2, 0, 1)
            place *= np.float32(SCALE)
            place += np.float32(OFFSET)
        return Batch(tuple((frame.shape[0], frame.shape[1]) for frame in frames), array)

    def infer(batch: Batch) -> Batch:
        logits = np.array(run(batch.array))  # a copy: the engine may write its next answer into the same memory
        if logits.ndim != 4:
            needed = "logits of (N, classes, h, w) are needed, so export it without argmax"
            raise InputError(f"the network gives {logits.ndim} dimensions; {needed}")
        if not np.isfinite(logits).all():
            raise InputError("the network's logits are not finite numbers; train it again")
        return batch._replace(array=logits)

    def finish(batch: Batch) -> list[NDArray[np.uint8]]:
        return [largest(logits, size) for logits, size in zip(batch.array, batch.sizes, strict=True)]

    return {"prepare": prepare, "infer": infer, "finish": finish}


@dataclass(frozen=True)
class Throughput:
    """A stream segmented both ways.

    Args:
        frames: how many were segmented each time.
        frame_size: height and width of the first.
        sequential: seconds of each round, one stage after the other, ``(rounds, 1)``.
        pipelined: seconds of each round, all stages at once, ``(rounds, 1)``.
        stage_ms: milliseconds of each stage for one frame, when nothing else goes on.
    """

    frames: int
    frame_size: tuple[int, int]
    sequential: Seconds
    pipelined: Seconds
    stage_ms: dict[str, float]


def measure_stream(
    open_stream: Callable[[], Iterable[Pixels]],
    run: Runner,
    size: tuple[int, int],
    batch: int,
    rounds: int,
    done: Callable[[], object],
) -> Throughput:
    """Segment a stream from its first to its last frame, in turns sequentially and as a pipeline.

    A first round is not timed: it warms up, and shows that both give the same class maps in the same order.

    Args:
        open_stream: the frames, from the beginning.
        run: the network.
        size: height and width at which it sees the frames.
        batch: frames of an inference.
        rounds: timed rounds, at least 1.
        done: called after each.

    Raises:
        InputError: fewer frames than a batch.
        Exception: what a stage has raised.
    """
    steps = stages(run, size)
    first = next(iter(open_stream()))
    both = [_checksums(way(batches(open_stream(), batch), list(steps.values()))) for way in (sequential, pipelined)]
    if both[0] != both[1]:
        raise RuntimeError("the pipeline gives other class maps than one stage after the other")
    if not both[0]:
        raise InputError(f"batch: {batch} is more than there are frames")
    spent = dict.fromkeys(("decode", *steps), 0.0)
    timed = [_add_up(spent, name, step) for name, step in steps.items()]

    def read(stream: Iterator[list[Pixels]]) -> Iterator[list[Pixels]]:
        take = _add_up(spent, "decode", lambda _: next(stream, None))
        while (frames := take(None)) is not None:
            yield frames

    seconds = np.empty((2, rounds, 1))
    for turn in range(rounds):
        for way in (0, 1) if turn % 2 == 0 else (1, 0):
            start = time.perf_counter()
            stream = batches(open_stream(), batch)
            results = pipelined(stream, list(steps.values())) if way else sequential(read(stream), timed)
            with closing(results):  # type: ignore[type-var]  # generators
                deque(results, maxlen=0)
            seconds[way, turn, 0] = time.perf_counter() - start
        done()
    each = {name: 1000 * seconds_of / (rounds * len(both[0])) for name, seconds_of in spent.items()}
    return Throughput(len(both[0]), (first.shape[0], first.shape[1]), seconds[0], seconds[1], each)


def _checksums(results: Iterator[list[NDArray[np.uint8]]]) -> list[int]:
    with closing(results):  # type: ignore[type-var]  # generators
        return [zlib.crc32(classes.tobytes()) for some in results for classes in some]


def _add_up(spent: dict[str, float], name: str, step: Stage) -> Stage:
    """``step``, which then adds the seconds of each call to ``spent[name]``."""

    def timed(item: object) -> object:
        start = time.perf_counter()
        try:
            return step(item)
        finally:
            spent[name] += time.perf_counter() - start

    return timed
