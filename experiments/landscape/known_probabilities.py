"""The probabilities of a search of a known space after every epoch, before its shrinking: ``probabilities.json``."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from experiments.landscape.known_space import KnownSpace
from experiments.landscape.truth import Floats
from experiments.runs.files import write_json
from nas_space.errors import InputError
from nas_space.text_file import read_text

FILE = "probabilities.json"

KnownProbabilities = Mapping[str, Floats]
"""Of each choice, by its label, ``(epochs, candidates)``."""


def write_known_probabilities(run: Path, history: Mapping[int, Mapping[str, Mapping[str, float]]]) -> None:
    """Write the file, whole.

    Args:
        run: the run's folder.
        history: by epoch, from 1, by label, by candidate.
    """
    write_json(run / FILE, {"epochs": list(history), "probabilities": list(history.values())})


def read_known_probabilities(run: Path, space: KnownSpace) -> tuple[Sequence[int], KnownProbabilities] | None:
    """What ``write_known_probabilities`` wrote: the epochs, and the probabilities; None where there is no such file.

    Raises:
        InputError: the file is damaged, or of another space.
    """
    path = run / FILE
    if not path.is_file():
        return None
    try:
        content = json.loads(read_text(path))
        epochs, rows = [int(epoch) for epoch in content["epochs"]], content["probabilities"]
        levels = {
            label: np.array([[float(row[label][name]) for name in names] for row in rows]).reshape(-1, len(names))
            for label, names in space.choices.items()
        }
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        what = f"cannot be read as probabilities of {space.name} ({type(error).__name__})"
        raise InputError(f"{path}: {what}; remove it, or search again") from None
    good = bool(epochs) and all(
        len(level) == len(epochs) and bool(((level >= 0) & (level <= 1.001)).all()) for level in levels.values()
    )
    if not good:
        raise InputError(f"{path}: holds what is no probability; remove it, or search again")
    return epochs, levels
