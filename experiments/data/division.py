"""Which images validate where a data set is not divided: the names decide, so that the division stays as it is."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from experiments.data.files import DataError
from experiments.data.misplaced import SPLITS
from experiments.options.groups import DataOptions
from nas_space.errors import InputError

ItemT = TypeVar("ItemT")
VAL_FRACTION = 0.2


def validation_fraction(options: DataOptions) -> float:
    """``data.val_fraction``, or its default.

    Raises:
        InputError: it does not lie between 0 and 1.
    """
    fraction = VAL_FRACTION if options.val_fraction is None else options.val_fraction
    if not 0 < fraction < 1:
        raise InputError(f"data.val_fraction: {fraction} must lie between 0 and 1")
    return fraction


def validation_names(names: list[str], fraction: float) -> set[str]:
    """The images that validate: the ``fraction`` of the names with the smallest hashes, at least one, never all.

    It depends on the names alone, and a new image moves at most one other.
    """
    count = min(max(round(fraction * len(names)), 1), len(names) - 1)
    return set(sorted(names, key=lambda name: hashlib.sha256(os.fsencode(name)).digest())[: max(count, 0)])


def check_divisible(names: Sequence[Path]) -> None:
    """Refuse to divide a single image.

    Args:
        names: files of the images.

    Raises:
        InputError: there is one.
    """
    if len(names) == 1:
        raise InputError(f"{names[0]}: the only image cannot be divided into training and validation; add more")


def divide(
    root: Path,
    parts: Mapping[str, Mapping[str, tuple[Path, ItemT]]],
    fraction: float,
    problems: Sequence[DataError] = (),
) -> tuple[dict[str, dict[str, tuple[Path, ItemT]]], list[DataError]]:
    """The splits of an export: as they are, or with a validation split that is taken from the training images.

    Args:
        root: the data set's folder, for messages.
        parts: split -> name -> image and whatever belongs to it; ``""`` is what belongs to no split.
        fraction: share that validates, where it is to be chosen.

        problems: of listing them. If they stop a training, they are told instead of what cannot be divided.

    Returns:
        The splits, and a remark that tells the choice.

    Raises:
        InputError: there is but one image.
        DataError: images of a split lie beside others of none, or there is no training split.
    """
    try:
        return _divide(root, parts, fraction)
    except InputError:
        if not any(problem.stops for problem in problems):
            raise
    whole = {split: dict(parts.get(split, {})) for split in ("train", "val")}
    return {**whole, "train": whole["train"] | dict(parts.get("", {}))}, []


def _divide(
    root: Path, parts: Mapping[str, Mapping[str, tuple[Path, ItemT]]], fraction: float
) -> tuple[dict[str, dict[str, tuple[Path, ItemT]]], list[DataError]]:
    result = {split: dict(items) for split, items in parts.items() if items or split}
    if "" in result:
        if "train" in result or "val" in result:
            split = "train" if "train" in result else "val"
            image = next(iter(result[""].values()))[0]
            text = f"{root}: {image} belongs to no split, while {split} is there; put it into train/, val/ or test/"
            raise DataError("no split", root, text)
        result["train"] = result.pop("")
    if "train" not in result:
        hint = "put the images to train on into train/"
        raise DataError("no split", root, f"{root}: holds no training split{_found(result)}; {hint}")
    problems = []
    if "val" not in result:
        pool = result["train"]
        check_divisible([image for image, _ in pool.values()])
        chosen = validation_names(list(pool), fraction)
        result["val"] = {name: pool[name] for name in pool if name in chosen}
        result["train"] = {name: pool[name] for name in pool if name not in chosen}
        text = (
            f"{root}: has no validation split: {len(chosen)} of {len(pool)} images validate, chosen by the hash of "
            f"their names (--data.val_fraction {fraction:g}); frames of one film are better divided by hand, into "
            f"train/ and val/"
        )
        problems.append(DataError("divided", root, text, stops=False))
    order = [*SPLITS, *result]
    return {split: result[split] for split in dict.fromkeys(order) if split in result}, problems


def _found(parts: Mapping[str, object]) -> str:
    return f" (found: {', '.join(parts)})" if parts else ""
