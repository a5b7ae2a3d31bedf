"""The networks that an experiment leaves, as files."""

from pathlib import Path
from typing import Any

from experiments.nni_manager.records import LEFT, Record, Trial
from experiments.runs.files import write_atomic, write_json
from nas_space.architecture import Architecture
from nas_space.errors import InputError


def _architecture(trial: Trial) -> Architecture:
    try:
        return Architecture.from_json(str(trial.result["architecture"]))
    except KeyError:
        fix = f"its output folder no longer holds {LEFT}; copy it back, or search again with its parameters"
        raise InputError(f"trial {trial.name}: its network is gone: {fix}") from None
    except InputError as error:
        raise InputError(f"trial {trial.name}: its final metric holds no architecture ({error})") from None


def _describe(trial: Trial) -> dict[str, Any]:
    """A trial without its network."""
    result = {key: value for key, value in trial.result.items() if key != "architecture"}
    return {"trial": trial.name, "parameters": trial.parameters, "result": result}


def export_best(record: Record, folder: Path) -> dict[str, Any]:
    """Write ``architecture.json`` of the best trial and ``trial.json``, what it was.

    Returns:
        The trial's id, parameters and result, and where its network is.

    Raises:
        InputError: no trial has left a network, or that of the best one cannot be read.
    """
    trial = record.best()
    architecture = _architecture(trial)
    write_json(folder / "trial.json", {"experiment": record.name, **_describe(trial)})
    write_atomic(folder / "architecture.json", architecture.to_json())
    return {**_describe(trial), "file": str(folder / "architecture.json")}


def export_pareto(record: Record, folder: Path) -> list[dict[str, Any]]:
    """Write the networks that no other beats in mIoU and MACs, one file each, and ``pareto.json``, what they are.

    Returns:
        The same of each, the cheapest first.

    Raises:
        InputError: no trial has left a network, or one of these cannot be read.
    """
    networks = [(trial, _architecture(trial)) for trial in record.pareto()]  # all are read before one is written
    rows = [{**_describe(trial), "file": f"architecture-{trial.name}.json"} for trial, _ in networks]
    for row, (_, architecture) in zip(rows, networks, strict=True):
        write_atomic(folder / row["file"], architecture.to_json())
    write_json(folder / "pareto.json", {"experiment": record.name, "networks": rows})
    return [{**row, "file": str(folder / row["file"])} for row in rows]
