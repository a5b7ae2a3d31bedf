"""The data set that a trained network is scored on: by default the one that it was trained on."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.options.groups import DataOptions
from experiments.runs.folder import CONFIG, read_config
from experiments.runs.shipped import find_network
from nas_space.errors import InputError

if TYPE_CHECKING:
    from experiments.data.source import DataSource, Sample
    from experiments.model_file import ModelInfo

AS_TRAINED = "as-trained"


def as_trained() -> DataOptions:
    """Options that leave name, place, division and size of the data set to the network's training."""
    return DataOptions(name=AS_TRAINED, size=AS_TRAINED)


def find_split(
    checkpoint: str, info: "ModelInfo", options: DataOptions, split: str
) -> tuple["DataSource", Sequence["Sample"]]:
    """The data set that ``completed`` options describe, and the samples of one of its splits.

    Raises:
        InputError: the data set cannot be found, has no such split, or its classes are not the network's.
    """
    from experiments.data.files import LEFT_OUT
    from experiments.data.source import open_source

    source = open_source(completed(checkpoint, info, options))
    if source.classes != info.classes:
        difference = _difference(info.classes, source)
        raise InputError(f"--checkpoint {checkpoint}: {difference}; give the data that it was trained for")
    if split not in source.splits:
        why = "".join(f"; {problem}" for problem in source.problems if problem.kind == LEFT_OUT)
        raise InputError(f"split: {source.name} has no {split!r}; choose from {', '.join(source.splits)}{why}")
    return source, source.splits[split]


def completed(checkpoint: str, info: "ModelInfo", options: DataOptions) -> DataOptions:
    """``options`` with what they leave out taken from the network's training.

    Args:
        checkpoint: the network's file or folder. A ``config.yml`` beside it, or in the folder above, may say where its
            data set lies and how it is divided.
        info: what the network is.
        options: ``name`` and ``size`` may be ``as-trained``.
    """
    if options.name in (AS_TRAINED, info.dataset):
        trained = _trained_on(checkpoint, info.dataset)
        keys = ("root", "classes", "val_fraction", "format", "labels", "threshold")
        taken: dict[str, Any] = {key: trained.get(key) for key in keys if getattr(options, key) in (None, "")}
        taken["first_page"] = options.first_page or trained.get("first_page") is True
        options = replace(options, name=info.dataset, **taken)
    if options.image_bits is None:
        options = replace(options, image_bits=info.image_bits)
    if options.size == AS_TRAINED:
        options = replace(options, size="{}x{}".format(*info.size))
    return options


def _trained_on(checkpoint: str, dataset: str) -> dict[str, Any]:
    """The group ``data`` of the run's ``config.yml``; empty without such a file, or if it names another data set."""
    run = _run_of(checkpoint)
    data = None if run is None else read_config(run).get("data")
    if not isinstance(data, dict) or data.get("name") != dataset:
        return {}
    for key, kind in (("root", str), ("classes", str), ("val_fraction", int | float)):
        if not isinstance(data.get(key), kind | None):
            raise InputError(f"{run}/{CONFIG}: data.{key}: {data[key]!r} is none; mend it, or give --data.{key}")
    return data


def trained_as(checkpoint: str) -> Any:
    """``arch`` of the run's ``config.yml``, such as ``baseline2@20ms``; None without such a file."""
    run = _run_of(checkpoint)
    return None if run is None else read_config(run).get("arch")


def _run_of(checkpoint: str) -> Path | None:
    """The folder with the ``config.yml`` of a network's training: its own, or that above ``best/``."""
    path = find_network(checkpoint)
    folder = path if path.is_dir() else path.parent
    return next((place for place in (folder, folder.parent) if (place / CONFIG).is_file()), None)


def _difference(classes: tuple[str, ...], source: "DataSource") -> str:
    if len(classes) != len(source.classes):
        return f"it has {len(classes)} classes, {source.name} has {len(source.classes)}"
    place = next(i for i, pair in enumerate(zip(classes, source.classes, strict=True)) if pair[0] != pair[1])
    return f"its class {place} is {classes[place]!r}, that of {source.name} is {source.classes[place]!r}"
