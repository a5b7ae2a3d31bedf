"""Look at every image and label, and tell what is wrong.

The exit code is 0 if training can go on, and 2 if something stops it; remarks stop nothing.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.options.groups import DataOptions, of_folder, parse_size
from experiments.runs.decoration import decoration
from experiments.runs.files import write_atomic
from experiments.runs.folder import new_run
from experiments.runs.names import labels
from nas_space.errors import InputError

if TYPE_CHECKING:
    from experiments.data.files import DataError
    from experiments.data.inspection import Inspection, SplitReport
    from experiments.data.source import DataSource

SHOWN = 20
"""Most lines of one kind that are printed."""
NAME = 60
"""Columns of a terminal that the name of a class may take in the table."""
UNKNOWN = "unknown value"
"""Kind of a problem that is counted by its values."""
EQUAL = 3
"""Most lines that are printed one by one where they differ in their files alone."""


@dataclass
class Options:
    """Options of ``ssr-nas data check``.

    Args:
        data: the data set.
        source: the user's own folder, in place of --data.name folder --data.root FOLDER.
        out: a new or empty folder for a picture of each split, images with their labels beside them; absent, none.
    """

    POSITIONAL = "source"
    data: DataOptions = field(default_factory=DataOptions)
    source: str | None = None
    out: str | None = None


def run(options: Options) -> dict[str, Any]:
    """Read everything once; print and return the verdict, the classes, what each split holds, and all problems."""
    with nullcontext() if options.out is None else new_run(options.out, "data check", "data") as folder:
        return _run(options, folder)


def _run(options: Options, folder: Path | None) -> dict[str, Any]:
    size = parse_size(options.data.size)
    data = options.data if options.source is None else of_folder(options.data, options.source)
    from experiments.data.files import DataError
    from experiments.data.inspection import inspect
    from experiments.data.memory import check_memory
    from experiments.data.presence import VANISHING
    from experiments.data.source import survey

    result = inspect(survey(data), data)
    try:
        check_memory(result.source, size)
    except InputError as error:
        result.problems.append(DataError("memory", None, str(error)))
    if result.source.is_undecided:
        print(f"{_title(result)}; how labels are read is undecided, so that none was looked at")
    else:
        print(_format_table(result))
    for words in (result.source.reading, result.source.image_reading):
        if words:
            print(f"\n{words}")
    stopping = [problem for problem in result.problems if problem.stops]
    unknown = "{value}: no class, {pixels} pixels in {files} file{plural}, first {first}"
    values = [unknown.format(**row, plural="s"[: row["files"] != 1]) for row in result.unknown]
    _print_capped("label values that are no class", values)
    unknown_values = [one for one in stopping if one.kind == UNKNOWN]
    # One of them has the words that other commands have for it, with the cure.
    shown = [one for one in stopping if one.kind != UNKNOWN] + unknown_values[:1]
    _print_capped("problems that stop training", grouped(shown))
    _print_capped("remarks", grouped([one for one in result.problems if not one.stops]))
    kinds = ", ".join(f"{kind} ({count})" for kind, count in Counter(problem.kind for problem in stopping).items())
    verdict = "usable" if result.usable else f"NOT usable: {kinds}"
    if result.usable and not any(problem.kind == VANISHING for problem in result.problems):
        verdict += f"; no class vanishes at {options.data.size} (--data.size)"
    print(f"\n{result.source.name}: {verdict}")
    return {**_as_json(result), "pictures": [] if folder is None else _draw(folder, result.source)}


def _draw(folder: Path, source: "DataSource") -> list[str]:
    """A picture of each split; returns their files. None where it is undecided how labels are read."""
    from experiments.report.figures import png
    from experiments.report.label_sheet import label_sheet

    files = []
    for split, samples in source.splits.items() if not source.is_undecided else ():
        figure = label_sheet(samples, source.classes, source.colours)
        if figure is not None:
            file = folder / f"{split}.png"
            with decoration(f"the picture {file}"):
                write_atomic(file, png(figure))
                files.append(file)
                print(f"picture  {file}")
    if not files:
        print(f"picture  none could be drawn; {folder} is empty")
    return [str(file) for file in files]


def grouped(problems: "Sequence[DataError]") -> list[str]:
    """A line for each problem; one with a count and the first files for many that differ in their files alone."""
    groups: dict[str, list[DataError]] = {}
    for problem in problems:
        groups.setdefault(_pattern(problem), []).append(problem)
    lines: list[str] = []
    for same in groups.values():
        if len(same) <= EQUAL:
            lines += map(str, same)
        elif len({one.file for one in same}) == 1:  # one file holds the labels of all images
            lines.append(f"{len(same)} times: {same[0]}")
        else:
            files = ", ".join(one.file.name for one in same[:EQUAL] if one.file is not None)
            lines.append(f"{len(same)} files ({files}, ...): {same[0]}")
    return lines


def _pattern(problem: "DataError") -> str:
    """The message without what is peculiar to the file."""
    if problem.file is None:
        return str(problem)
    text = str(problem)
    for part in (str(problem.file), problem.file.name, problem.file.stem):
        text = text.replace(part, "")
    text = re.sub(r"\S*/\S*", "", text)  # the file that belongs to it
    return f"{problem.kind} {problem.stops} {problem.file.parent} " + re.sub(r"\d+", "", text)


def exit_code(result: dict[str, Any]) -> int:
    """2 if something stops training."""
    return 0 if result["usable"] else 2


def _format_table(result: "Inspection") -> str:
    import pandas as pd

    classes = labels(result.source.classes, lambda name: sum(map(_columns_of, name)) <= NAME)
    columns = {split: _column(classes, report) for split, report in result.splits.items()}
    table = pd.DataFrame(columns).rename_axis(columns=_title(result)).to_string()
    return f"{table}\nshares of classes are of the pixels that are not ignored, the ignored share is of all pixels"


def _columns_of(letter: str) -> int:
    return 2 if unicodedata.east_asian_width(letter) in "FW" else 1


def _title(result: "Inspection") -> str:
    return f"{result.source.name}, {len(result.source.classes)} classes"


def _column(classes: Sequence[str], report: "SplitReport") -> dict[str, str]:
    sizes = _sizes(report)
    never = "never" if report.pixels.any() else "-"
    shares = zip(classes, report.pixels, report.frequencies, strict=True)
    return {
        "images with a label": str(report.images),
        "of them usable": str(len(report.sizes)),
        **{f"{key} size": str(sizes[key]) for key in ("smallest", "median", "largest")},
        "different sizes": str(sizes["distinct"]),
        **{f"class {name}": _percent(share) if pixels else never for name, pixels, share in shares},
        "ignored pixels": _percent(report.ignored_share),
    }


def _percent(share: float) -> str:
    return "0 %" if share == 0 else "< 0.01 %" if share < 1e-4 else f"{100 * share:.2f} %"


def _print_capped(title: str, lines: list[str]) -> None:
    if not lines:
        return
    print(f"\n{title} ({len(lines)}):")
    for line in lines[:SHOWN]:
        # A file's name need not be valid text.
        print(f"  {' '.join(line.split())}".encode("utf-8", "backslashreplace").decode())
    if len(lines) > SHOWN:
        print(f"  and {len(lines) - SHOWN} more (--json gives all of them)")


def _sizes(report: "SplitReport") -> dict[str, Any]:
    """Height x width by area, and how many different ones there are."""
    if not report.sizes:
        return {"smallest": "-", "median": "-", "largest": "-", "distinct": 0}
    places = {"smallest": 0, "median": len(report.sizes) // 2, "largest": -1}
    named = {key: "{}x{}".format(*report.sizes[place]) for key, place in places.items()}
    return {**named, "distinct": len(set(report.sizes))}


def _as_json(result: "Inspection") -> dict[str, Any]:
    splits = {
        split: {
            "images": report.images,
            "usable": len(report.sizes),
            "sizes": _sizes(report),
            "frequencies": dict(zip(result.source.classes, report.frequencies.tolist(), strict=True)),
            "ignored": report.ignored_share,
        }
        for split, report in result.splits.items()
    }
    problems = [
        {"kind": one.kind, "file": one.file and str(one.file), "message": str(one), "stops": one.stops}
        for one in result.problems
    ]
    return {
        "name": result.source.name,
        "reading": result.source.reading,
        "image_bits": result.source.image_bits,
        "image_reading": result.source.image_reading,
        "usable": result.usable,
        "classes": list(result.source.classes),
        "splits": splits,
        "unknown_values": result.unknown,
        "problems": problems,
    }
