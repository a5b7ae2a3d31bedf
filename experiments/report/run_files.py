"""What the pages of all runs show of a run's files."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from experiments.options.arguments import from_plain
from experiments.options.groups import DataOptions, data_flags
from experiments.options.yaml_text import load_yaml
from experiments.runs.columns import IOU, cells
from experiments.runs.folder import CONFIG
from experiments.runs.names import labels
from nas_space.errors import InputError
from nas_space.text_file import read_text, reason


def config_text(run: Path) -> str:
    """The run's ``config.yml`` as it is, or that there is none."""
    file = run / CONFIG
    if not file.is_file():
        return "not kept"
    try:
        return read_text(file)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: cannot be read ({reason(error)}); mend it, or take it away") from None


def value_of(config: str, key: str) -> Any:
    """What stands under ``key`` in the text of a run's ``config.yml``; None where it cannot be read."""
    try:
        content = load_yaml(config)
    except (yaml.YAMLError, ValueError, RecursionError):
        return None
    return content.get(key) if isinstance(content, Mapping) else None


def data_flags_of(config: str) -> str:
    """What a command must be given to read the same data as a run, with a space before each flag.

    Args:
        config: text of the run's ``config.yml``; nothing is given where it cannot be read.
    """
    data = value_of(config, "data")
    try:
        return data_flags(from_plain(DataOptions, data if isinstance(data, Mapping) else {}))
    except InputError:
        return ""


def class_rows(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The name of each class and its IoU in percent; none of an earlier version, which has no such scores."""
    scores = summary.get("per_class") or {}
    return list(zip(labels(list(scores)), cells(IOU, list(scores.values())), strict=True))
