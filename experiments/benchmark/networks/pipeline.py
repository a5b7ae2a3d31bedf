"""A chain of stages over a stream, each stage in a thread of its own, with short queues between them.

Decoders, OpenCV, NumPy and the engines let other threads run while they work, so that one frame is decoded while an
earlier one is in the network. Memory is bounded: a stage waits when what it has made has not been taken.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, Full, Queue
from typing import Any

Stage = Callable[[Any], Any]
POLL = 0.05
"""Seconds after which a waiting thread looks whether it is to stop."""


def sequential(source: Iterable[Any], stages: Sequence[Stage]) -> Iterator[Any]:
    """Each item through all stages before the next one is read."""
    for item in source:
        for stage in stages:
            item = stage(item)
        yield item


def pipelined(source: Iterable[Any], stages: Sequence[Stage], capacity: int = 2) -> Iterator[Any]:
    """The same results in the same order, with the source and every stage in a thread of its own.

    Close the iterator, or exhaust it, to end the threads.

    Args:
        source: the stream, read in a thread.
        stages: functions of one item; each is called from one thread only.
        capacity: items that wait between two stages, at most.

    Raises:
        Exception: what the source or a stage has raised, after all earlier results; every thread has ended then.
    """
    stop, threads, stream = threading.Event(), [], source
    for stage in (lambda item: item, *stages):  # the first one reads the source
        queue: Queue[Any] = Queue(capacity)
        threads.append(threading.Thread(target=_fill, args=(queue, stream, stage, stop), daemon=True))
        stream = _drain(queue, stop)
    for thread in threads:
        thread.start()
    try:
        yield from stream
    finally:
        stop.set()
        for thread in threads:
            thread.join()


@dataclass(frozen=True)
class _End:
    """The last item of a queue, with what ended the stream early."""

    error: BaseException | None = None


class _Stopped(Exception):
    """Raised in a stage when the consumer has closed the chain."""


def _fill(queue: "Queue[Any]", items: Iterable[Any], stage: Stage, stop: threading.Event) -> None:
    end = _End()
    with suppress(_Stopped):
        try:
            for item in items:
                result = stage(item)
                _retry(lambda result=result: queue.put(result, timeout=POLL), Full, stop)  # type: ignore[misc]
        except _Stopped:
            raise
        except BaseException as error:
            end = _End(error)
        _retry(lambda: queue.put(end, timeout=POLL), Full, stop)


def _drain(queue: "Queue[Any]", stop: threading.Event) -> Iterator[Any]:
    while not isinstance(item := _retry(lambda: queue.get(timeout=POLL), Empty, stop), _End):
        yield item
    if item.error is not None:
        raise item.error


def _retry(action: Callable[[], Any], busy: type[Exception], stop: threading.Event) -> Any:
    """Repeat while the queue is ``busy``, until the chain stops."""
    while not stop.is_set():
        with suppress(busy):
            return action()
    raise _Stopped
