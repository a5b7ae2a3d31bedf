"""A chain of stages over a stream, each stage in a thread of its own, with short queues between them.

Decoders, OpenCV, NumPy and the engines let other threads run while they work, so that one frame is decoded while an
earlier one is in the network. Memory is bounded: a stage waits when what it has made has not been taken.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
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
        Exception: what the source or a stage has raised, after all results that came before; every thread has ended
            then.
    """
    stop = threading.Event()
    links = [_Link(Queue(capacity), stop) for _ in range(len(stages) + 1)]
    threads = [threading.Thread(target=_feed, args=(source, links[0]), name="source", daemon=True)]
    for number, stage in enumerate(stages):
        arguments = (stage, links[number], links[number + 1])
        threads.append(threading.Thread(target=_work, args=arguments, name=f"stage {number + 1}", daemon=True))
    for thread in threads:
        thread.start()
    try:
        while not isinstance(item := links[-1].get(), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        stop.set()
        for thread in threads:
            thread.join()


@dataclass(frozen=True)
class _End:
    """The last item of a link, with what ended the stream early."""

    error: BaseException | None = None


class _Stopped(Exception):
    """Nobody wants the rest."""


@dataclass(frozen=True)
class _Link:
    """A queue between two threads that gives up when the chain is stopped."""

    queue: "Queue[Any]"
    stop: threading.Event

    def put(self, item: Any) -> None:
        while not self.stop.is_set():
            try:
                return self.queue.put(item, timeout=POLL)
            except Full:
                continue
        raise _Stopped

    def get(self) -> Any:
        while not self.stop.is_set():
            try:
                return self.queue.get(timeout=POLL)
            except Empty:
                continue
        raise _Stopped


def _feed(source: Iterable[Any], out: _Link) -> None:
    end = _End()
    try:
        try:
            for item in source:
                out.put(item)
        except _Stopped:
            raise
        except BaseException as error:
            end = _End(error)
        out.put(end)
    except _Stopped:
        pass


def _work(stage: Stage, inside: _Link, out: _Link) -> None:
    def results() -> Iterator[Any]:
        while not isinstance(item := inside.get(), _End):
            yield stage(item)
        if item.error is not None:
            raise item.error

    _feed(results(), out)
