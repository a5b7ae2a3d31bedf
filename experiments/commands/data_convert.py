"""Write labels of any tool as images, masks, classes.csv.

The format is found by the files, as in every command that reads a folder. The new folder appears whole or not at all.
"""

import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from experiments.options.groups import DataOptions, of_folder
from experiments.runs.files import new_file
from experiments.runs.processes import program


@dataclass(kw_only=True)
class Options:
    """Options of ``ssr-nas data convert``.

    Args:
        source: the folder that a tool has exported.
        out: the new folder.
        data: how the labels are read; ``data.limit`` takes a part of the images.
    """

    POSITIONAL = "source"
    source: str
    out: str
    data: DataOptions = field(default_factory=DataOptions)


def run(options: Options) -> dict[str, Any]:
    """Write the folder; return it with its classes and the images of each split.

    Raises:
        InputError: the folder exists already, or something is wrong with the labels; nothing is written.
    """
    from experiments.data.plain_copy import write_plain
    from experiments.data.remarks import notes
    from experiments.data.source import open_source

    data = of_folder(options.data, options.source)
    with new_file(options.out) as out:
        assert out is not None
        source = open_source(data)
        # A part of the images need not hold any object.
        labelled = None if data.root is None or data.limit is not None else Path(data.root)
        counts = write_plain(source, out, labelled)
    for line in notes(source.problems):
        print(line)
    if source.reading:
        print(source.reading)
    images = ", ".join(f"{count} images in {split}" for split, count in counts.items())
    print(f"{options.out}: {images}, {len(source.classes)} classes")
    print(f"next: {program()} data check {shlex.quote(options.out)}")
    return {"out": options.out, "classes": list(source.classes), "images": dict(counts), "reading": source.reading}
