"""Start an NNI experiment with its web UI; follow it.

The web UI answers this machine alone. In the end the best network is exported.
"""

import shlex
import sys
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.nni_manager.contact import tell_workers
from experiments.nni_manager.definition import machines, read_experiment
from experiments.nni_manager.export import export_best
from experiments.nni_manager.follow import STOPPED_ELSEWHERE, follow
from experiments.nni_manager.nni_internals import manager_process, resuming
from experiments.nni_manager.records import Record, read_record
from experiments.nni_manager.rest import Rest
from experiments.nni_manager.start import LOOPBACK, PORT, addresses, check_ports, start_manager
from experiments.nni_manager.stop import failure_reason, resume_hint, stopping
from experiments.nni_manager.tunnel import Tunnels
from experiments.runs.folder import new_run
from experiments.runs.processes import program, terminable
from experiments.runs.tables import number, readable
from nas_space.errors import InputError


@dataclass
class Options:
    """Options of ``ssr-nas launch``.

    Args:
        experiment: the experiment's YAML file, as ``nnictl create --config`` takes it.
        resume: go on with the stopped experiment of this id instead: what has ended is not run again.
        port: of the web UI.
        host: address of this machine on which the web UI answers; 0.0.0.0 for all. It has no login: whoever reaches it
            can run commands here.
        keep: leave the web UI running when all trials have ended, until Ctrl+C.
        out: a new folder for the best network; ``runs/<experiment>-<date>-<time>`` if absent.
    """

    POSITIONAL = "experiment"
    experiment: str | None = None
    resume: str | None = None
    port: int = PORT
    host: str = LOOPBACK
    keep: bool = False
    out: str | None = None


def run(options: Options) -> dict[str, Any]:
    """Run the experiment to its end; return its id, its address, how many trials ended how, and the best one."""
    hosts = addresses(options.host)
    experiment, total = _prepare(options)
    platform = experiment.config.training_service.platform
    check_ports(hosts, options.port, platform)
    remote, closed = machines(experiment.config), hosts == [LOOPBACK]
    if closed and platform not in ("local", "remote"):
        fix = "its workers call this machine: give --host ADDRESS, and guard its port"
        raise InputError(f"trainingService: {platform}: {fix}")
    if remote:
        tell_workers(experiment, hosts)
    if not closed:
        warning = f"NNI's web UI has no login; whoever reaches port {options.port} can run commands here"
        print(f"warning: --host {options.host}: {warning}", file=sys.stderr)
    with ExitStack() as stack:
        # Held from now on: two that want one folder must not learn it when their trials have ended.
        folder = stack.enter_context(new_run(options.out, "launch", "")) if options.out is not None else None
        stack.enter_context(terminable())
        tunnels = Tunnels(remote if closed else [], options.port)
        stack.callback(tunnels.close)
        rest = Rest(options.port)
        with stopping(experiment, rest, resume_hint(experiment.id)):
            start_manager(experiment, hosts, options.port)
            manager = manager_process(experiment)
            url = f"http://{hosts[-1].replace('0.0.0.0', LOOPBACK)}:{options.port}"
            print(f"experiment {experiment.id}: web UI at {url}", flush=True)
            poll = (lambda: 1) if manager is None else manager.poll
            status = follow(rest, total, poll, tunnels.keep, resumed=options.resume is not None)
            failure = None
            if status == "ERROR":
                failure = f"ended in status ERROR: {failure_reason(experiment, rest)}"
            elif status in STOPPED_ELSEWHERE:
                failure = "was stopped from elsewhere"
            summary = _report(read_record(experiment.id), experiment.id, folder, failure)
            if options.keep:
                print("all trials have ended; the web UI stays until Ctrl+C", flush=True)
                with suppress(KeyboardInterrupt):
                    while True:
                        time.sleep(1)
        return {"experiment": experiment.id, "url": rest.url, **summary}


def _prepare(options: Options) -> tuple[Any, int | None]:
    """NNI's experiment, and how many trials it runs at most."""
    from nni.experiment import Experiment

    if (options.experiment is None) == (options.resume is None):
        raise InputError("give an experiment's YAML file, or --resume and an experiment's id")
    if options.experiment is not None:
        config = read_experiment(options.experiment)
        return Experiment(config), config.max_trial_number
    from nni.experiment.launcher import get_stopped_experiment_config

    record = read_record(str(options.resume))
    try:
        config = get_stopped_experiment_config(options.resume)
    except Exception:
        stop = f"stop it first: nnictl stop {options.resume}"
        raise InputError(f"--resume {options.resume}: experiment {record.name} runs still; {stop}") from None
    return resuming(config, str(options.resume)), config.max_trial_number


def _report(record: Record, experiment: str, out: Path | None, failure: str | None) -> dict[str, Any]:
    """Print the table of all trials, export the best network; fail by ``failure``, or where no trial has left one."""
    print("\n" + readable(record.table(), 1, missing="").to_string(index=False))
    best = _export(record, experiment, out) if any(trial.has_network for trial in record.trials) else None
    if failure is not None:
        raise RuntimeError(f"experiment {experiment} {failure}; {resume_hint(experiment)}")
    if best is None:
        raise RuntimeError(f"experiment {experiment}: no trial has left a network; the reasons are above")
    return {"trials": dict(Counter(trial.status for trial in record.trials)), "best": best}


def _export(record: Record, experiment: str, out: Path | None) -> dict[str, Any]:
    with new_run(None, "launch", record.name) if out is None else nullcontext(out) as folder:
        best = export_best(record, folder)
    print(f"\nbest network    {best['file']}  (trial {best['trial']}: {_score(best['result'])})")
    print(f"all of them     ssr-nas export-best {experiment} --select pareto")
    print(f"next            {program()} retrain --arch {shlex.quote(best['file'])}{best['result'].get('data', '')}")
    return best


def _score(result: Mapping[str, Any]) -> str:
    """By which score a trial is the best one. A search scores at two resolutions; earlier versions named none."""
    resolution, full, size = (result.get(key) for key in ("resolution", "miou_full", "resolution_full"))
    labels = f" with labels at {resolution}" if resolution else ""
    at_full = f"; {number(100 * full, 1)} % at {size}" if isinstance(full, float) and size else ""
    return f"the highest mIoU{labels}, {number(100 * result['default'], 1)} %{at_full}"
