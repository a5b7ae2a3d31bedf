"""Write the best networks of an NNI experiment."""

from dataclasses import dataclass
from typing import Any

from experiments.nni_manager.export import export_best, export_pareto
from experiments.nni_manager.records import read_record
from experiments.runs.folder import new_run
from nas_space.errors import InputError

SELECT = ("best", "pareto")


@dataclass
class Options:
    """Options of ``ssr-nas export-best``.

    Args:
        experiment: NNI's id of the experiment, as its web UI and ``nnictl experiment list --all`` show it.
        select: best (the highest mIoU) or pareto (all that no other beats in mIoU and MACs).
        out: a new folder for the architectures; ``runs/<experiment>-<date>-<time>`` if absent.
    """

    POSITIONAL = "experiment"
    experiment: str
    select: str = "best"
    out: str | None = None


def run(options: Options) -> dict[str, Any]:
    """Write and return the best trial (``architecture.json``, ``trial.json``), or the Pareto set (``networks``)."""
    if options.select not in SELECT:
        raise InputError(f"--select {options.select}: choose from {', '.join(SELECT)}")
    record = read_record(options.experiment)
    record.best()  # before anything is written
    with new_run(options.out, "export-best", record.name) as folder:
        networks = [export_best(record, folder)] if options.select == "best" else export_pareto(record, folder)
    for network in networks:
        miou, macs = (network["result"][key] for key in ("default", "macs"))
        resolution = network["result"].get("resolution")
        at = f" at {resolution}" if resolution else ""
        print(f"{network['file']}  mIoU {100 * miou:.1f} %{at}, {macs / 1e6:.1f} M MACs, {network['parameters']}")
    return networks[0] if options.select == "best" else {"networks": networks}
