"""The steps of a fit: what is done stays done, and what it took is known after a kill too."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from experiments.runs.files import plain, write_json
from experiments.runs.folder import read_summary
from experiments.runs.tables import duration
from nas_space.errors import InputError

DONE = "done.json"
"""The completion mark in a step's folder, with its result and its seconds."""


class Ledger:
    """Runs the steps, and counts the time.

    Args:
        budget: seconds of the whole.
        spent: seconds of what was done before the first step.
        clock: in seconds.
    """

    def __init__(self, budget: float, spent: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.budget, self.spent = budget, spent
        self.minutes: dict[str, float] = {}
        self._clock = clock

    @property
    def left(self) -> float:
        """Seconds that are left; below 0 where the budget is exceeded."""
        return self.budget - self.spent

    def step(self, name: str, folder: Path, work: Callable[[Path], dict[str, Any]]) -> dict[str, Any]:
        """Do a step, unless it is done; what it needs is decided by ``work`` when it begins.

        Args:
            name: in words.
            folder: of the step; made here.
            work: does it in its folder, also where it was begun and killed, and returns plain values.

        Returns:
            What ``work`` has returned, now or before.

        Raises:
            InputError: the step's mark is damaged.
        """
        mark = folder / DONE
        if mark.is_file():
            done = read_summary(mark, ("seconds", "result"))
            if not (isinstance(done["seconds"], int | float) and isinstance(done["result"], dict)):
                raise InputError(f"{mark}: is damaged; remove it, and the step is done again")
        else:
            print(f"{name}: begins, with {duration(max(self.left, 0.0))} left of all", flush=True)
            start = self._clock()
            folder.mkdir(parents=True, exist_ok=True)
            result = plain(work(folder))
            done = {"seconds": self._clock() - start, "result": result}
            write_json(mark, done)
        self.spent += done["seconds"]
        self.minutes[name] = done["seconds"] / 60
        return dict(done["result"])
