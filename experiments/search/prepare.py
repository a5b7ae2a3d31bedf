"""From checked options to a search that is ready to run: data, bounds, latency table, kind of search."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.data import SegmentationData, load
from experiments.data.label_counts import EIGHTH
from experiments.data.presence import check_classes
from experiments.options.groups import part_of
from experiments.runs.files import write_atomic
from experiments.runs.folder import CONFIG
from experiments.runs.threads import Threads, computing
from experiments.search.base import BaseSearch
from experiments.search.bounds import TABLE, latency_table, make_constraint
from experiments.search.multi_trial import MultiTrialSearch
from experiments.search.one_shot import Search
from experiments.search.options import SearchOptions, check_data
from nas_space.latency import LatencyTable
from strategies.constraint import Constraint
from strategies.registry import MULTI_TRIAL, NNI_STRATEGIES


@dataclass(frozen=True)
class PreparedSearch:
    """Everything that a search needs before it has a run folder.

    Args:
        options: checked options.
        data: the data set that they name.
        table: the latency table, where latency is bounded.
        constraint: the bounds, if there are any.
    """

    options: SearchOptions
    data: SegmentationData
    table: LatencyTable | None
    constraint: Constraint | None

    def write_table(self, run: Path) -> None:
        """Keep the latency table in the run's folder: a resumed run needs the same one."""
        if self.table is not None:
            write_atomic(run / TABLE, self.table.to_json())

    def create(
        self,
        run: Path,
        on_row: Callable[[Mapping[str, Any]], None] | None = None,
        threads: Threads | None = None,
    ) -> BaseSearch:
        """The search of the strategy's kind; arguments as of ``BaseSearch``."""
        kind = MultiTrialSearch if self.options.strategy in MULTI_TRIAL else Search
        return kind(self.options, self.data, run, self.constraint, on_row, threads)

    def execute(self, run: Path, on_row: Callable[[Mapping[str, Any]], None] | None = None) -> dict[str, Any]:
        """Search to the end, from the run's last checkpoint where it has one; NNI's own strategies cannot use it."""
        checkpoint = run / "checkpoints" / "last.ckpt"
        goes_on = checkpoint.is_file() and self.options.strategy not in NNI_STRATEGIES
        alone = self.options.resolved_device == "cpu" and self.options.devices == 1
        with computing(self.options.threads, measured=alone) as threads:
            return self.create(run, on_row, threads).execute(checkpoint if goes_on else None)


def load_data(options: SearchOptions, goes_on: bool = False) -> SegmentationData:
    """Read the data set, and check everything that can be checked before latency is measured.

    Args:
        options: checked options.
        goes_on: the search has begun: what it cannot learn is told and stops nothing.

    Raises:
        InputError: what is wrong with the files, with options and data together, or with a bound that is counted.
    """
    data = load(options.data)
    check_data(options, data)
    check_classes(data, options.data, (1, EIGHTH), goes_on)
    make_constraint(options, len(data.classes))  # refuses a counted bound that no network meets
    return data


def prepare_search(options: SearchOptions, run: Path | None = None) -> PreparedSearch:
    """Prepare a search. Nothing is written.

    Args:
        options: checked options, also those of a class that extends ``SearchOptions``.
        run: the folder of a run that goes on; its own latency table counts.

    Raises:
        InputError: as of ``load_data`` and ``latency_table``, or a bound on latency that no network meets.
    """
    data = load_data(options, goes_on=run is not None and (run / CONFIG).is_file())
    table = latency_table(options, len(data.classes), run)
    constraint = make_constraint(options, len(data.classes), table)
    return PreparedSearch(part_of(SearchOptions, options), data, table, constraint)
