"""What a trial of a fit does: a search, a training of its race, or its final training, as the fit itself would."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from experiments.fit.contest import network_of, read_race_options
from experiments.fit.searching import read_options, search
from experiments.fit.training import decide_once, train_network
from experiments.nni_manager.trial import Manager, offer_curves
from experiments.race.alone import run_alone
from experiments.runs.folder import CONFIG
from experiments.runs.lock import locked
from experiments.runs.threads import computing
from experiments.training.recipe import RetrainOptions
from nas_space.architecture import Architecture
from nas_space.errors import InputError

SEARCH, RACE, TRAIN = "search", "race", "train"
NEEDED: dict[str, dict[str, type]] = {
    SEARCH: {},
    RACE: {"network": str, "epochs": int, "seed": int, "threads": int},
    TRAIN: {"network": str},
}
"""The parameters of each kind, beside ``kind`` and ``folder``."""


def check(parameters: Mapping[str, Any]) -> Path:
    """The folder in which a trial works; anybody can submit a trial in the web UI.

    Raises:
        InputError: these are no parameters of a fit's trial.
    """
    expected = "expected what ssr-nas fit --web true submits"
    kind, folder = parameters.get("kind"), parameters.get("folder")
    if not isinstance(kind, str) or kind not in NEEDED or not isinstance(folder, str):
        raise InputError(f"parameters: kind and folder are missing or unknown; {expected}")
    optional = {"init": str} if parameters.get("init") is not None else {}
    for key, wanted in (NEEDED[kind] | optional).items():
        if type(parameters.get(key)) is not wanted:
            raise InputError(f"parameters: {key}: {parameters.get(key)!r:.40} is no {wanted.__name__}; {expected}")
    if not (Path(folder) / CONFIG).is_file():
        raise InputError(f"parameters: folder: {folder} has not been begun; {expected}")
    return Path(folder)


def run_trial(manager: Manager, output: Path) -> dict[str, Any]:
    """Do what NNI's parameters say, and report it.

    Args:
        manager: NNI's.
        output: folder that NNI keeps for the trial.

    Returns:
        ``default``, the score that is reported, and ``run``, the folder of the result.

    Raises:
        InputError: no parameters of a fit's trial, or what stops a search or training.
    """
    parameters = manager.parameters
    folder = check(parameters)
    if parameters["kind"] == RACE:
        return _race(parameters, folder, manager, output)
    offer_curves(output, folder)
    with locked(folder, wait=True):
        return (_search if parameters["kind"] == SEARCH else _train)(parameters, folder, manager, output)


def _search(parameters: Mapping[str, Any], folder: Path, manager: Manager, output: Path) -> dict[str, Any]:
    options = read_options(folder)
    summary = search(options, folder, lambda images: manager.listen(output, images))
    manager.finish(output, summary, (folder / "architecture.json").read_text(encoding="utf-8"), options.data)
    return {"default": summary["miou"]["derived"], "run": str(folder)}


def _race(parameters: Mapping[str, Any], folder: Path, manager: Manager, output: Path) -> dict[str, Any]:
    """One training: a race of one network and one round."""
    one = {"entrants": [parameters["network"]], "seeds": [parameters["seed"]], "epochs": parameters["epochs"]}
    options = replace(read_race_options(folder), **one, rounds=1)

    def resolve(name: str, classes: int) -> Architecture:
        return network_of(folder, name)

    with computing(parameters["threads"], quiet=True):
        network, result = run_alone(options, output, resolve, manager.report_round)
    manager.finish_with(output, result, network.to_json(), options.data)
    return {"default": result["default"], "run": str(output)}


def _train(parameters: Mapping[str, Any], folder: Path, manager: Manager, output: Path) -> dict[str, Any]:
    network, init = network_of(folder.parent / "race", parameters["network"]), parameters.get("init")

    def begun() -> RetrainOptions:
        raise AssertionError(f"{folder}: has begun")

    options, weights = decide_once(folder, begun), None if init is None else Path(init)
    summary = train_network(folder, network, begun, weights, manager.report_training)
    cost = {"macs": summary["cost"]["macs_total"], "params": summary["cost"]["params"]}
    result = {"default": summary["miou"], **cost, "seconds": 60 * summary["minutes"]}
    manager.finish_with(output, result | {"resolution": summary["resolution"]}, network.to_json(), options.data)
    return {"default": summary["miou"], "run": str(folder)}
