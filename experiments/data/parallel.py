"""A function of many samples in threads, in order, with a progress bar if it takes long."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from tqdm import tqdm

from experiments.runs.processes import free_cores

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")

DELAY = 2.0
"""Seconds after which the bar appears."""
MOST_THREADS = 16


def in_threads(
    function: Callable[[ItemT], ResultT], items: Sequence[ItemT], title: str, unit: str = "image"
) -> Iterator[ResultT]:
    """``function`` of every item, in the items' order.

    Threads suffice: OpenCV works without Python's lock. Results should be small: they wait in memory to be taken.

    Raises:
        Exception: of ``function``, for the first item in order that fails; items that have not begun are left out.
    """
    with ThreadPoolExecutor(min(free_cores(), MOST_THREADS)) as pool:
        results = pool.map(function, items)
        yield from tqdm(results, total=len(items), desc=title, unit=unit, delay=DELAY, leave=False, disable=None)
