"""The probabilities of a search's single choices after every epoch, before its shrinking: ``probabilities.npz``."""

import io
import zipfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from experiments.runs.files import write_atomic
from nas_space.config import SpaceConfig
from nas_space.errors import InputError
from nas_space.expected_cost import Probabilities

PROBABILITIES = "probabilities.npz"
EPOCH = "epoch"
MOST_NUMBERS = 2**22
"""In a history, 16 MiB: the file and the checkpoint are written anew after every epoch."""


def thinned(history: Mapping[int, Probabilities]) -> dict[int, Probabilities]:
    """A history that holds no more than ``MOST_NUMBERS``: every second, fourth, ... epoch, and always the last one.

    Args:
        history: the probabilities by epoch, from 1, ascending; one that was thinned before, and the epochs since.
    """
    last = max(history)
    numbers = sum(level.numel() for level in history[last])
    most, stride = max(MOST_NUMBERS // numbers, 2), 1
    while -(-last // stride) > most:
        stride *= 2
    return {epoch: one for epoch, one in history.items() if epoch % stride == 0 or epoch == last}


def probability_metrics(space: SpaceConfig, probabilities: Probabilities) -> dict[str, float]:
    """What a logger shows of an epoch, by NNI's names, such as ``prob/stage1/layer1/op/d1s1``: depths and operators.

    Widths are left out: the paper's space has 3,060 of them. A choice with one candidate at the start is none.
    """
    from strategies.alive import candidate_labels

    table = candidate_labels(space)
    entries = [(level, *entry) for level in ("depth", "operator") for entry in table[level]]
    candidates = Counter(label for _, label, *_ in entries)
    return {
        f"prob/{label}/{candidate}": float(getattr(probabilities, level)[index])
        for level, label, candidate, index in entries
        if candidates[label] > 1
    }


def write_probabilities(run: Path, epochs: Sequence[int], history: Sequence[Probabilities]) -> None:
    """Write the file, whole.

    Args:
        run: the run's folder.
        epochs: number of each epoch, from 1.
        history: the probabilities of each epoch.

    Shape:
        In the file: epoch ``(epochs,)``, and the levels of ``Probabilities``, each with the epochs as first axis.
    """
    levels = {
        name: np.stack([getattr(probabilities, name).numpy() for probabilities in history])
        for name in Probabilities._fields
    }
    content = io.BytesIO()
    np.savez_compressed(content, **{EPOCH: np.asarray(epochs)}, **levels)  # type: ignore[arg-type]
    write_atomic(run / PROBABILITIES, content.getvalue())


def read_probabilities(run: Path, space: SpaceConfig) -> tuple[npt.NDArray[np.int64], Probabilities] | None:
    """What ``write_probabilities`` wrote.

    Args:
        run: the run's folder.
        space: of the search.

    Returns:
        The epochs, and the probabilities with the epochs as first axis; None where there is no such file, as of
        sampled networks or of an earlier version.

    Raises:
        InputError: the file is damaged, or of another space.
    """
    import torch

    from strategies.alive import Alive

    path = run / PROBABILITIES
    if not path.is_file():
        return None
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
            epochs = file[EPOCH].astype(np.int64)
            levels = [torch.from_numpy(file[name].astype(np.float64)) for name in Probabilities._fields]
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: cannot be read ({type(error).__name__}); remove it, or search again") from None
    if [tuple(level.shape) for level in levels] != [(len(epochs), *mask.shape) for mask in Alive.full(space)]:
        raise InputError(f"{path}: is of another space than its run; remove it, or search again")
    if not all(bool(((level >= 0) & (level <= 1.001)).all()) for level in levels):
        raise InputError(f"{path}: holds what is no probability; remove it, or search again")
    return epochs, Probabilities(*levels)
