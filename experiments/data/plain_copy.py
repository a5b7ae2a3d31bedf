"""A data set written in the plain layout: images and masks of each split, and a file of classes."""

import csv
import io
import os
import shutil
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from experiments.data.faults import unlabelled
from experiments.data.parallel import in_threads
from experiments.data.source import DataSource, Sample
from experiments.options.groups import IGNORE
from experiments.runs.files import named, write_atomic
from experiments.runs.lock import hidden_beside

CLASS_FILE = "classes.csv"
IGNORED = ("ignored", "void", "ignore")


def write_plain(source: DataSource, out: Path, labelled: Path | None = None) -> Mapping[str, int]:
    """Write everything into a new folder, which appears whole or not at all.

    Images are copied as they are. Masks are PNG files of class indices with the classes' colours as palette, 255 where
    ignored.

    Args:
        source: the data set.
        out: the folder; it is not there yet.
        labelled: the folder in which something must be labelled, for the message; absent, that is not looked at.

    Returns:
        Images of each split.

    Raises:
        InputError: an image or a label is wrong, or nothing is labelled.
        OSError: the folder cannot be written, or somebody has made it meanwhile.
    """
    present: set[int] = set()
    temporary = hidden_beside(out, f".{os.urandom(16).hex()}.tmp")
    with named(out):
        temporary.mkdir()
    try:
        for split, samples in source.splits.items():
            for kind in ("images", "masks"):
                (temporary / split / kind).mkdir(parents=True)
            write = partial(_write_sample, temporary / split, _palette(source))
            for indices in in_threads(write, samples, f"{source.name}: {split}"):
                present |= indices
        if labelled is not None and len(present) < 2:
            raise unlabelled(labelled)
        write_atomic(temporary / CLASS_FILE, class_file(source.classes, source.colours))
        os.rename(temporary, out)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return {split: len(samples) for split, samples in source.splits.items()}


def _write_sample(folder: Path, palette: bytes, sample: Sample) -> set[int]:
    """Write image and mask; return the class indices in it."""
    image, label = sample.read()
    suffix = ".png" if sample.image is None else sample.image.suffix.lower()
    place = folder / "images" / f"{sample.name}{suffix}"
    with named(place):
        if sample.image is None:
            Image.fromarray(image).save(place)
        else:
            shutil.copyfile(sample.image, place)
    mask = Image.fromarray(label)
    mask.putpalette(palette)
    place = folder / "masks" / f"{sample.name}.png"
    with named(place):
        mask.save(place)
    return set(np.unique(label).tolist())


def _palette(source: DataSource) -> bytes:
    colours = np.zeros((256, 3), np.uint8)
    colours[: len(source.colours)] = source.colours
    colours[IGNORE] = 255
    return colours.tobytes()


def class_file(classes: Sequence[str], colours: Sequence[Sequence[int]]) -> str:
    """The content of a ``classes.csv`` with these names and RGB colours, in the order of their ids."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["name", "id", "colour", "ignore"])
    for index, (name, colour) in enumerate(zip(classes, colours, strict=True)):
        writer.writerow([name, index, " ".join(map(str, colour)), "no"])
    free = next(name for name in (*IGNORED, "".join(classes) + "?") if name not in classes)
    writer.writerow([free, IGNORE, "", "yes"])
    return text.getvalue()
