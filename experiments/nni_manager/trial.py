"""What an NNI trial runs: parameters in, one search, a metric after every epoch and one at the end.

A trial that ``nnictl resume`` submits again goes on from its last epoch, in the output folder that it had before.
"""

import json
import os
import signal
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import nni
import pandas as pd
import requests
from nni.runtime.trial_command_channel import get_default_trial_command_channel

from experiments.nni_manager.records import LEFT
from experiments.options.arguments import parse
from experiments.options.groups import DataOptions, data_flags
from experiments.options.leaves import leaves
from experiments.report.comparison import loss_jump
from experiments.runs.files import write_json
from experiments.runs.folder import METRICS, read_summary
from experiments.runs.processes import Terminated
from nas_space.config import DIMENSIONS
from nas_space.errors import InputError

OUTPUT, RECORD = "NNI_OUTPUT_DIR", "parameter.json"
OptionsT = TypeVar("OptionsT")


def output_folder() -> Path | None:
    """The folder that NNI keeps for this trial; None outside of an experiment."""
    folder = os.environ.get(OUTPUT)
    return Path(folder) if folder else None


@contextmanager
def stopped_by_signal() -> Iterator[None]:
    """Inside, an interrupt of NNI's manager ends this process as the signal does.

    An assessor stops a trial by SIGINT. One that then ends with an exit code, even 130, is a failed trial to NNI.
    """
    try:
        yield
    except (KeyboardInterrupt, SystemExit) as error:  # Lightning makes the second of the first
        chain = (error, error.__cause__, error.__context__)
        interrupted = any(isinstance(one, KeyboardInterrupt) and not isinstance(one, Terminated) for one in chain)
        if output_folder() is None or not interrupted:
            raise
        sys.stdout.flush()
        sys.stderr.flush()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.raise_signal(signal.SIGINT)


def offer_curves(folder: Path, run: Path | None = None) -> None:
    """Let the TensorBoard button of NNI's web UI find the trial's curves.

    NNI's local service runs a trial in ``ROOT/environments/ENV/trials/ID``, and looks for curves in
    ``ROOT/trials/ID/output/tensorboard``.

    Args:
        folder: of the trial; elsewhere than there nothing is done.
        run: folder of the run that draws them; absent, the trial's.
    """
    if folder.parent.name != "trials" or len(folder.parents) < 4 or folder.parents[2].name != "environments":
        return
    link = folder.parents[3] / "trials" / folder.name / "output" / "tensorboard"
    curves = (run or folder) / "tensorboard"
    curves.mkdir(exist_ok=True)
    with suppress(FileExistsError):
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(curves, target_is_directory=True)


def with_parameters(options: OptionsT, parameters: Mapping[str, Any]) -> OptionsT:
    """``options`` with NNI's parameters in place of their own values.

    Args:
        options: a dataclass of options.
        parameters: values by dotted key, as on the command line. The keys of a nested choice count as if they stood
            alone. Its name is the value of its own key where that is an option; else only the web UI shows it.

    Raises:
        InputError: an unknown key or a value of the wrong type, or no parameters at all.
    """
    if not isinstance(parameters, Mapping):
        raise InputError(f"search space: expected parameters by dotted key, such as method.h, got {parameters!s:.40}")
    defaults = {leaf.key: leaf.default for leaf in leaves(type(options), defaults=options)}
    values = {key: value for key, value in defaults.items() if value is not None} | dict(_flat(parameters, defaults))
    arguments = [f"--{key}={value if isinstance(value, str) else json.dumps(value)}" for key, value in values.items()]
    try:
        return parse("ssr-nas trial", "", type(options), arguments)[0]
    except InputError as error:
        raise InputError(f"search space: {error}") from None


def _flat(parameters: Mapping[str, Any], options: Collection[str]) -> Iterator[tuple[str, Any]]:
    for key, value in parameters.items():
        if not isinstance(value, Mapping):
            yield key, value
            continue
        if key in options:
            yield key, value.get("_name")
        yield from _flat({inner: part for inner, part in value.items() if inner != "_name"}, options)


class Manager:
    """NNI's manager as a trial sees it: gives the parameters, and gets one metric per epoch and one at the end.

    While ``NasExperiment`` runs, ``nni.trial`` holds its command channel and parameters: NNI's functions would report
    to its engine, or under another trial's parameter id. So this class takes the trial's own channel before.

    Args:
        folder: of the trial; keeps what the trial was given, for a process that goes on with it.
    """

    def __init__(self, folder: Path) -> None:
        self.channel = get_default_trial_command_channel()
        received = self.channel.receive_parameter()
        earlier = read_summary(folder / RECORD, ("parameter_id", "parameters")) if (folder / RECORD).is_file() else None
        record = earlier or _assigned_parameters() or received or {"parameter_id": None, "parameters": {}}
        self.parameter_id, self.parameters = record["parameter_id"], record["parameters"]
        write_json(folder / RECORD, {"parameter_id": self.parameter_id, "parameters": self.parameters})

    def listen(self, folder: Path, images: int) -> Callable[[Mapping[str, Any]], None]:
        """A listener to the rows of ``metrics.csv``, which reports each row once.

        Args:
            folder: of the run; its ``metrics.csv`` holds what an earlier process of the same trial has reported.
            images: training images per epoch, for the throughput.
        """
        reported = _last_epoch(folder)

        def report(row: Mapping[str, Any]) -> None:
            if row["epoch"] > reported:
                metric = epoch_metric(row, images)
                self._send("PERIODICAL", row["epoch"] - 1, metric)
                at = f" at {row['miou_resolution']}" if "miou_resolution" in row else ""
                scores = (
                    f"mIoU {100 * row['miou']:.1f} %{at}, entropy {row['entropy']:.1f}, alive {metric['alive']:.0f}"
                )
                print(f"epoch {row['epoch']}: {scores}", flush=True)

        return report

    def report_training(self, row: Mapping[str, Any]) -> None:
        """Report an epoch of a training, a row of its ``metrics.csv``, where the network was scored in it."""
        if row["miou"] is not None:
            metric = {"default": row["miou"], "loss": row["loss_w"], "val_loss": row["val_loss"]}
            self._send("PERIODICAL", row["epoch"] - 1, {key: float(value) for key, value in metric.items()})

    def report_round(self, number: int, metric: Mapping[str, Any]) -> None:
        """Report what a network has reached in a round of a race, from 1 on; its score is ``default``."""
        self._send("PERIODICAL", number - 1, dict(metric))
        print(f"round {number}: mIoU {100 * metric['default']:.1f} % after epochs {metric['epochs']}", flush=True)

    def finish(self, folder: Path, summary: Mapping[str, Any], architecture: str, data: DataOptions) -> None:
        """Report the result of a search: arguments as of ``finish_with``, ``summary`` is that of ``search.json``."""
        self.finish_with(folder, final_metric(summary), architecture, data)

    def finish_with(self, folder: Path, metric: Mapping[str, Any], architecture: str, data: DataOptions) -> None:
        """Report the result. The network and the data's options go into a file beside it.

        On another machine nobody could fetch that file: there they go into the metric, and so into NNI's database.

        Args:
            folder: of the trial.
            metric: the result; its score is ``default``.
            architecture: content of ``architecture.json``.
            data: what was trained on.
        """
        left = {"data": data_flags(data), "architecture": json.dumps(json.loads(architecture), separators=(",", ":"))}
        write_json(folder / LEFT, left)
        is_here = os.environ.get("NNI_PLATFORM", "local") == "local"
        self._send("FINAL", 0, {**metric, **({} if is_here else left)})

    def _send(self, kind: Any, sequence: int, metric: dict[str, Any]) -> None:
        try:
            self.channel.send_metric(kind, self.parameter_id, nni.get_trial_id(), sequence, metric)
        except requests.ConnectionError:
            fix = "once it is resumed, this trial goes on from its last epoch"
            raise ConnectionError(f"NNI's manager does not answer; {fix}") from None


def _assigned_parameters() -> Any:
    """What the web UI shows for this trial; None where its manager cannot be asked, as from a remote machine.

    NNI hands its parameters out in the order in which trials ask: of two that start together, each may get the other's.
    """
    base, local, _ = os.environ.get("NNI_TRIAL_COMMAND_CHANNEL", "").partition("/env/")
    if not local:
        return None
    with requests.Session() as session:
        session.trust_env = False  # no proxy on the way to this machine
        try:
            answer = session.get(f"{base}/api/v1/nni/trial-jobs/{nni.get_trial_id()}", timeout=10).json()
            return json.loads(answer["hyperParameters"][-1])
        except (requests.RequestException, ValueError, KeyError, IndexError, TypeError):
            return None


def epoch_metric(row: Mapping[str, Any], images: int) -> dict[str, float]:
    """What the web UI draws of a row of ``metrics.csv``; ``images`` are those of an epoch."""
    levels = {key: row[key] for key in row if key.startswith("alive_")}
    metric = {
        "default": row["miou"],
        "loss": row["loss_w"],
        "entropy": row["entropy"],
        "alive": sum(levels.values()),
        "expected_macs": row["expected_macs"],
        "images_per_s": images / row["seconds"],
    }
    return {key: float(value) for key, value in (metric | levels).items()}


def final_metric(summary: Mapping[str, Any]) -> dict[str, Any]:
    """What NNI's tuners maximise: mIoU of the derived network. Beside it cost, gap, and what was searched how.

    Args:
        summary: content of ``search.json``.
    """
    return {
        "default": summary["miou"]["derived"],
        "gap": loss_jump(summary["gap"]),
        "macs": summary["cost"]["macs_total"],
        "params": summary["cost"]["params"],
        "miou_supernet": summary["miou"]["supernet"],
        "miou_full": summary["miou"].get("derived_full"),
        "resolution": summary["miou"].get("resolution"),
        "resolution_full": summary["miou"].get("resolution_full"),
        "discrete": int(summary["discrete"]),
        "discrete_epoch": summary["discrete_epoch"] or 0,
        "entropy": summary["entropy"]["final"],
        "seconds": summary["time"]["total_s"],
        "strategy": summary["strategy"],
        "seed": summary["seed"],
        # In the web UI's chart a longer text lies over its neighbour.
        "searched": "all"
        if len(summary["space"]["search"]) == len(DIMENSIONS)
        else "+".join(summary["space"]["search"]),
    }


def _last_epoch(folder: Path) -> int:
    """The last epoch in ``metrics.csv``: each is reported just before it is written."""
    try:
        return int(pd.read_csv(folder / METRICS)["epoch"].max())
    except (OSError, ValueError, KeyError):
        return 0
