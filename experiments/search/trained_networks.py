"""The networks that a multi-trial search has trained: on disk, to be continued, and as rows of ``metrics.csv``."""

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from experiments.runs.files import plain, write_atomic
from experiments.search.options import SearchOptions
from nas_space.architecture import Architecture
from nas_space.config import Head
from nas_space.cost import cost
from nas_space.errors import InputError
from strategies.alive import LEVELS, Alive

TRIALS = "trials.json"


@dataclass(frozen=True)
class TrainedNetwork:
    """One trained network.

    Args:
        architecture: the network.
        miou_heldout: what it is chosen by: mIoU in [0, 1] on the training images held out, labels at 1/8.
        loss_heldout: loss on them.
        miou: mIoU on the validation set, labels at 1/8; only reported.
        loss: loss on it.
        loss_train: mean loss of the last epoch, with learning rate ``lr``.
        seconds: training and scoring, without ``seconds_validation``.
        miou_full: as ``miou``, with the labels' own size; None for a network that was never the best.
    """

    architecture: Architecture
    miou_heldout: float
    loss_heldout: float
    miou: float
    loss: float
    loss_train: float
    lr: float
    seconds: float
    seconds_validation: float
    miou_full: float | None = None

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> "TrainedNetwork":
        """Read an entry of ``trials.json``; a loss that was not finite comes back as NaN.

        Raises:
            InputError: the architecture is not valid.
            KeyError, TypeError, ValueError: an entry is missing or no number.
        """
        names = [field.name for field in fields(cls)[1:] if field.name != "miou_full"]
        numbers = {name: math.nan if data[name] is None else float(data[name]) for name in names}
        full = data.get("miou_full")  # absent in files of earlier versions
        full = None if full is None else float(full)
        scores = (numbers["miou_heldout"], numbers["miou"], *([] if full is None else [full]))
        if not all(0.0 <= score <= 1.0 for score in scores):
            raise ValueError("a score must lie between 0 and 1")
        return cls(Architecture.from_json(json.dumps(data["architecture"])), **numbers, miou_full=full)


def read_networks(run: Path, options: SearchOptions) -> dict[Architecture, TrainedNetwork]:
    """The networks in a run's ``trials.json``, in the order of their training; none if there is no such file.

    Args:
        run: the run's folder.
        options: of the search that is to be continued.

    Raises:
        InputError: the file is damaged, or of a search with other options.
    """
    path = run / TRIALS
    if not path.is_file():
        return {}
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        networks = [TrainedNetwork.from_data(entry) for entry in entries]
        digests = {entry["options"] for entry in entries}
    except (OSError, ValueError, KeyError, TypeError, RecursionError, InputError) as error:
        raise InputError(f"{path}: cannot be read ({type(error).__name__}); remove it to start again") from None
    if digests - {_digest(options)}:
        fix = f"put it back, or remove {path} to start again"
        raise InputError(f"config.yml: an option is not what {path} was made with; {fix}")
    return {network.architecture: network for network in networks}


def write_networks(run: Path, options: SearchOptions, networks: Iterable[TrainedNetwork]) -> None:
    """Write ``trials.json``, whole: the fields of every network, with a fingerprint of the options."""
    digest = _digest(options)
    entries = [
        {**vars(network), "architecture": json.loads(network.architecture.to_json()), "options": digest}
        for network in networks
    ]
    write_atomic(run / TRIALS, json.dumps(plain(entries), indent=1, allow_nan=False) + "\n")


def metric_rows(
    networks: Iterable[TrainedNetwork], size: tuple[int, int], num_classes: int, head: Head
) -> list[dict[str, Any]]:
    """Rows of ``metrics.csv``, one a network in place of one an epoch.

    Args:
        networks: in the order of their training.
        size: height and width at which cost is counted, in pixels.
        num_classes: channels of the logits.
        head: whose cost counts.

    Returns:
        The columns of a differentiable search, and ``heldout_miou``. ``miou``, ``miou_derived`` and ``alive_*`` are
        those of the best network so far, all others the network's own; ``loss_a`` is its loss on the held-out images.
    """
    rows: list[dict[str, Any]] = []
    best: TrainedNetwork | None = None
    for number, network in enumerate(networks, 1):
        best = network if best is None or network.miou_heldout > best.miou_heldout else best
        exact = cost(network.architecture, size, num_classes, head)
        alive = Alive.only(best.architecture).counts()
        row: dict[str, Any] = {"epoch": number, "loss_w": network.loss_train, "loss_a": network.loss_heldout}
        row |= {"val_loss": network.loss, "miou": best.miou, "entropy": 0.0}
        row |= {f"entropy_{level}": 0.0 for level in LEVELS} | {f"alive_{level}": alive[level] for level in LEVELS}
        row |= {"expected_params": exact.params, "expected_macs": exact.macs_total, "lr": network.lr}
        row |= {"miou_derived": best.miou, "seconds": network.seconds}
        row |= {"seconds_validation": network.seconds_validation, "heldout_miou": network.miou_heldout}
        rows.append(row)
    return rows


def _digest(options: SearchOptions) -> str:
    """A fingerprint of what decides the result: device and precision may change when a run is continued."""
    given = plain(asdict(options))
    if options.target.key is None:
        del given["target"]  # younger than some runs that can be continued
    decisive = {key: value for key, value in given.items() if key not in ("device", "precision", "threads")}
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:16]
