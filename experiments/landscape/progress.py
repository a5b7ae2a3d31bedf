"""How far many trainings are: a bar on a terminal, a line for each elsewhere."""

import sys
import time

from tqdm import tqdm

from experiments.landscape.plan import Planned
from experiments.landscape.table import Trained
from experiments.runs.tables import duration


class Progress:
    """Tells of trainings as they end.

    Args:
        title: of the whole, before every line.
        total: trainings to come.
    """

    def __init__(self, title: str, total: int) -> None:
        self.title, self.total = title, total
        self.failed: list[str] = []
        self._bar = tqdm(total=total, desc=title, unit="training", disable=None if total else True)
        self._start, self._ended = time.monotonic(), 0

    def add(self, planned: Planned, result: Trained | str) -> None:
        """Tell of a training's score, or of its failure, which is kept in ``failed``."""
        self._ended += 1
        name = f"{planned.name}, seed {planned.seed}"
        if isinstance(result, str):
            self.failed.append(f"{name}: {result}")
            tqdm.write(f"{self.title}: {name} has failed: {result}", file=sys.stderr)
        left = (time.monotonic() - self._start) / self._ended * (self.total - self._ended)
        self._bar.update()
        if self._bar.disable and not isinstance(result, str):
            count = f"{self._ended} of {self.total} trainings"
            score = f"{name}: {100 * result.miou:.1f} % in {duration(60 * result.minutes)}"
            print(f"{self.title}: {count}, {score}; {duration(left)} left", file=sys.stderr, flush=True)

    def close(self) -> None:
        """End the bar."""
        self._bar.close()
