"""What all parts of a fit's points work with."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from experiments.fit.calibrate import own_head
from experiments.fit.facts import Facts, Speeds, Wishes
from experiments.fit.ledger import Ledger
from experiments.fit.look import sized
from experiments.fit.options import FitOptions, resolve_space
from experiments.fit.runner import Runner
from experiments.fit.timing import time_again
from experiments.fit.work import Plan
from experiments.latency.closing import time_files, writer
from experiments.options.groups import DataOptions
from nas_space.architecture import Architecture
from nas_space.config import Head, SpaceConfig


@dataclass(frozen=True)
class Shared:
    """What all points of a fit have.

    Args:
        options: of the fit.
        wishes: the same for the plan.
        facts: of the data.
        speeds: as measured.
        plan: as made.
        ledger: of the steps.
        folder: of the fit.
        table: file of the latency table.
        span: milliseconds of the fastest and the slowest network, by the table.
        runner: runs the searches and trainings.
    """

    options: FitOptions
    wishes: Wishes
    facts: Facts
    speeds: Speeds
    plan: Plan
    ledger: Ledger
    folder: Path
    table: Path
    span: tuple[float, float]
    runner: Runner

    @property
    def space(self) -> SpaceConfig:
        """The space that is searched."""
        return resolve_space(self.options, self.plan.space)

    @property
    def head(self) -> Head:
        """Of the finished networks."""
        return own_head(self.space, self.plan.stages[-1])

    @property
    def data(self) -> DataOptions:
        """The data set as searches and trainings read it."""
        return sized(self.options, self.plan.size_text, self.plan.batch)

    def relative(self, folder: Path) -> str:
        """A folder of the fit as its summary names it."""
        return str(folder.relative_to(self.folder))

    def milliseconds(self, networks: Sequence[Architecture], bound: float) -> list[float]:
        """How long one image takes in each network as exported in fp32; warns where the machine was loaded.

        Args:
            networks: as they are built.
            bound: milliseconds; where a network is not within it, all are measured again.
        """
        options, size = self.options, self.plan.size
        files = [writer(one, options.engine, size, self.facts.classes, self.head) for one in networks]
        times, warned = time_again(
            lambda: time_files(files, options.engine, size, options.engine_threads), lambda times: max(times) <= bound
        )
        if warned:
            print(f"warning: {warned}", flush=True)
        return times
