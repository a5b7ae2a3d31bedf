"""A landscape from options to its table: what is missing is trained."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from experiments.data import SegmentationData, load
from experiments.landscape.facts import facts_of
from experiments.landscape.options import FREE, LandscapeOptions, check_landscape
from experiments.landscape.plan import Planned, planned_networks, planned_trainings
from experiments.landscape.progress import Progress
from experiments.landscape.setup import TrainingSetup
from experiments.landscape.summary import summarise
from experiments.landscape.table import HAND_MADE, TABLE, Trained, read_rows, write_facts, write_rows
from experiments.landscape.workers import train_all
from experiments.options.groups import part_of
from experiments.runs.begun import check_begun, is_begun
from experiments.runs.folder import make_folder, write_config
from experiments.runs.lock import locked
from experiments.runs.tables import counted
from experiments.training.few_steps import few_training_steps, warn
from experiments.training.recipe import RetrainOptions
from experiments.training.retrain import check_data, plan
from nas_space.architecture import Architecture
from nas_space.memory import TRAINED, check_network


def landscape_folder(options: LandscapeOptions) -> Path:
    """The landscape's folder: new, empty, or that of one whose networks were trained with the same options.

    Raises:
        InputError: it cannot be made, or holds something else, or a landscape with other options.
    """
    folder = make_folder(options.out, "landscape")
    if is_begun(folder, "landscape", ("networks", "seeds", "out")):
        check_begun(folder, options, FREE)
    return folder


def build(options: LandscapeOptions) -> dict[str, Any]:
    """Train what is missing, and write the table after every training.

    Args:
        options: of the landscape.

    Returns:
        What ``summarise`` says of the table, with ``run`` (the folder) and ``failed`` (a line for each training that
        has failed).

    Raises:
        InputError: an option or a file that cannot be used.
        RuntimeError: a process cannot start.
    """
    check_landscape(options)
    data, networks = load(options.data), planned_networks(options)
    _check(options, data, networks)
    folder = landscape_folder(options)  # before a lock is left in a folder of something else
    with locked(folder):
        landscape_folder(options)  # whoever held it has written since
        table = folder / TABLE
        space = options.space.resolve()
        rows = read_rows(table, space) if table.is_file() else ()
        trainings = planned_trainings(options, networks)
        facts = facts_of(options, data, table, rows, trainings)
        write_config(folder, replace(options, out=str(folder), resume=None))
        write_facts(table, facts)
        write_rows(table, rows)  # also where there are none yet: whoever reads it is told so
        sampled = sum(name not in HAND_MADE for name in networks)
        if sampled < options.network_count:
            found = f"the space has only {counted(sampled, 'network')} beside the hand-made ones"
            warn(f"networks {options.network_count}: {found}; all are trained")
        tally = _Tally(table, trainings, {(row.architecture, row.seed): row for row in rows})
        print(
            f"landscape   {folder}: {len(networks)} networks x {len(options.seed_list)} seeds, {tally.counts()}",
            flush=True,
        )
        try:
            setup = TrainingSetup(part_of(RetrainOptions, options))
            train_all(tally.missing, setup, options.workers, options.threads_each, tally.add)
        finally:
            tally.progress.close()
        summary = summarise(space, list(tally.rows.values()))
        write_facts(table, {**facts, "summary": summary})
    return {**summary, "run": str(folder), "failed": tally.progress.failed}


def _check(options: LandscapeOptions, data: SegmentationData, networks: Mapping[str, Architecture]) -> None:
    recipe, baseline = part_of(RetrainOptions, options), next(iter(networks.values()))
    check_data(recipe, data, baseline)
    for name, network in networks.items():
        check_network(name, network, num_classes=len(data.classes), copies=TRAINED)
    stages = plan(recipe, baseline)
    warn(few_training_steps(recipe, stages, max(len(data.train) // options.data.batch, 1)))


@dataclass(eq=False)
class _Tally:
    """The rows of the table, and how far the trainings are.

    Args:
        table: the CSV file.
        trainings: all, in order.
        rows: those that are done.
    """

    table: Path
    trainings: Sequence[Planned]
    rows: Mapping[tuple[Architecture, int], Trained]

    def __post_init__(self) -> None:
        self.missing = [one for one in self.trainings if (one.architecture, one.seed) not in self.rows]
        self.progress = Progress("landscape", len(self.missing))

    def counts(self) -> str:
        """How many trainings there are, in words."""
        return f"{len(self.trainings) - len(self.missing)} of {len(self.trainings)} trainings are done"

    def add(self, planned: Planned, result: Trained | str) -> None:
        """Keep a training's row, or its failure, and say so."""
        if not isinstance(result, str):
            done = {**self.rows, (planned.architecture, planned.seed): result}
            order = [(one.architecture, one.seed) for one in self.trainings]
            # What a larger landscape has trained stays, at the end.
            self.rows = {key: done[key] for key in dict.fromkeys([*order, *done]) if key in done}
            write_rows(self.table, self.rows.values())
        self.progress.add(planned, result)
