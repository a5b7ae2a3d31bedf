"""Count the values in labels; write a file of classes.

For masks, and text files, whose classes nothing names. The names are left empty: only you know them.
"""

from dataclasses import asdict, dataclass, field
from typing import Any

from experiments.options.groups import DataOptions, of_folder
from experiments.runs.files import new_file, write_atomic


@dataclass(kw_only=True)
class Options:
    """Options of ``ssr-nas data classes``.

    Args:
        source: the folder with images and labels.
        out: the new file, such as classes.csv in that folder, where it is found, or another one for ``data.classes``.
        data: where two formats are found, ``data.format`` says which one counts.
    """

    POSITIONAL = "source"
    source: str
    out: str
    data: DataOptions = field(default_factory=DataOptions)


def run(options: Options) -> dict[str, Any]:
    """Write the file; return it with the values.

    Raises:
        InputError: the file exists already, the labels name their classes, or cannot be read.
    """
    from experiments.data.formats.detection import count_values
    from experiments.data.formats.values import table_of

    with new_file(options.out) as out:
        assert out is not None
        found = count_values(of_folder(options.data, options.source))
        write_atomic(out, found.as_csv(), new=True)
    for line in table_of(found):
        print(line)
    if found.note:
        print(found.note)
    print(f"{options.out}: {len(found.values)} classes without names; write them in, and mark what shall not count")
    return {"out": options.out, "values": [asdict(value) for value in found.values], "note": found.note}
