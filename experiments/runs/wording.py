"""What the terminal and the reports say in the same words."""

import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from experiments.runs.processes import program

CASCADE = "cascade"
"""The rule of what leaves with what it belongs to: it decides nothing."""


def deciding_rules(removals: Iterable[Mapping[str, Any]]) -> str:
    """The rules that have decided a search, such as ``threshold``; empty where nothing was removed.

    Args:
        removals: of ``search.json``.
    """
    return " and ".join(sorted({removal["rule"] for removal in removals} - {CASCADE}))


def look_command(run: Path, dataset: str) -> str:
    """What shows a trained network at work: on photos, or on scenes where it knows nothing else.

    Args:
        run: the folder of the training.
        dataset: the name of what it was trained on.
    """
    checkpoint = f"--checkpoint {shlex.quote(str(run))}"
    return f"{program()} figures {checkpoint}" if dataset == "streets" else f"{program()} predict {checkpoint} IMAGE"
