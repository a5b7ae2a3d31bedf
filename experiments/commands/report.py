"""Draw reports again, or the table of an NNI experiment.

A run is the folder of a search, a retraining or a comparison: its ``report.html`` and figures are made from its other
files. An experiment is named by NNI's id; it may be running, or its manager stopped.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from experiments.nni_manager.records import read_record
from experiments.options.leaves import WHOLE
from experiments.report.markdown import markdown
from experiments.runs.files import plain
from experiments.runs.names import visible
from experiments.runs.tables import counted, new_table, write_table
from nas_space.errors import InputError


@dataclass
class Options:
    """Options of ``ssr-nas report``.

    Args:
        runs: each the folder of a search, a retraining or a comparison, or an NNI experiment's id.
        out: write the table of one experiment to this new file, .md, .csv or .json.
    """

    POSITIONAL = "runs"
    runs: list[str] = field(metadata=WHOLE)
    out: str | None = None


def run(options: Options) -> dict[str, Any]:
    """Write the pages, print the tables; return the pages by run, and the rows by experiment."""
    experiments = [name for name in options.runs if not Path(name).exists()]
    for name in experiments:
        if "/" in name or "." in name:  # a path, and no name of NNI's
            raise InputError(f"{name}: no such folder; give a run's folder, or an NNI experiment's id")
    if options.out is not None and (len(experiments) != 1 or len(options.runs) != 1):
        taken = "takes the table of one experiment; the report of a run lies in its folder"
        raise InputError(f"--out {options.out}: {taken}")
    with new_table(options.out) as out:
        return _run(options, experiments, out)


def _run(options: Options, experiments: list[str], out: Path | None) -> dict[str, Any]:
    records = {name: read_record(name) for name in experiments}
    tables = {name: record.table() for name, record in records.items()}
    rows = {name: plain(table.to_dict("records")) for name, table in tables.items()}
    if out is not None:
        (table,) = tables.values()
        write_table(out, markdown(table), table, rows)
    for name, table in tables.items():
        print(f"{visible(records[name].name)} ({name}), {counted(len(table), 'trial')}\n\n{markdown(table)}")
    pages = _write_pages([name for name in options.runs if name not in records])
    return {"reports": pages, "experiments": rows}


def _write_pages(runs: list[str]) -> dict[str, str]:
    from experiments.report.comparison_page import COMPARISON, rewrite_comparison_page
    from experiments.report.page import write_report
    from experiments.report.retrain_page import write_retrain_report

    writers = {"retrain.json": write_retrain_report, COMPARISON: rewrite_comparison_page}
    pages = {}
    for name in runs:
        run = Path(name)
        if (run / "fit.json").is_file():
            raise InputError(f"{name}: a fit writes its report once: {run / 'deliver' / 'report.html'}")
        write = next((writer for file, writer in writers.items() if (run / file).is_file()), write_report)
        pages[name] = str(write(run))
    for page in pages.values():
        print(page)
    return pages
