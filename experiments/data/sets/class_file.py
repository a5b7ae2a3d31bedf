"""The classes of a user's ``folder``, from a YAML or CSV file: name, id, colour, and what is ignored."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import zip_longest
from pathlib import Path
from typing import Any

import yaml

from experiments.data.faults import broken, nameless
from experiments.options.groups import IGNORE
from experiments.options.yaml_text import load_yaml
from nas_space.errors import InputError

Colour = tuple[int, int, int]
Row = tuple[str, dict[str, Any]]
"""Where an entry stands, for messages, and its keys with their values."""
NAMES = ("classes.yml", "classes.yaml", "classes.csv")
"""Where the file is looked for in a data set's root."""
OF_ROBOFLOW = "_classes.csv"
"""Name of Roboflow's file of classes; looked for where there is no other."""
COLUMNS_OF_ROBOFLOW = {"pixel value": "id", "class": "name"}
"""Its columns, as ours are called. None of its values and names is ignored."""
KEYS = ("name", "id", "colour", "ignore")
FLAGS = {
    **dict.fromkeys(("true", "yes", "on", "1"), True),
    **dict.fromkeys(("false", "no", "off", "0"), False),
}
DELIMITERS = (",", ";", "\t")
EMPTY = "".join(DELIMITERS) + ' "'
"""What an empty line of a spreadsheet may hold."""
IGNORED_NAMES = ("ignore", "ignored", "void")
EXAMPLE = "{name: road, id: 0, colour: [128, 64, 128]}"
PROPOSE = "ssr-nas data classes FOLDER --out FILE counts what the labels hold, and writes one to complete"
MOST = IGNORE
LARGEST_ID = 2**16 - 1


@dataclass(frozen=True)
class Entry:
    """One class of the file.

    Args:
        name: the class.
        id: its value in index masks.
        colour: its colour in colour masks.
        ignored: it counts neither in the loss nor in the score; the network does not know it.
        is_unasked: it is ignored for its id 255 alone, which the file need not mean.
    """

    name: str
    id: int | None
    colour: Colour | None
    ignored: bool
    is_unasked: bool = False


@dataclass(frozen=True)
class ClassList:
    """The classes in the order of the network's outputs: by id where there are ids, else as they stand in the file.

    Args:
        path: the file.
        entries: classes and ignored ones.
    """

    path: Path
    entries: tuple[Entry, ...]

    @property
    def classes(self) -> tuple[Entry, ...]:
        return tuple(entry for entry in self.entries if not entry.ignored)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(entry.name for entry in self.classes)

    @property
    def colours(self) -> tuple[Colour, ...]:
        """Colours of the classes; those of PASCAL VOC if the file gives none."""
        return tuple(entry.colour or voc_colour(index) for index, entry in enumerate(self.classes))

    @property
    def by_id(self) -> dict[int, int]:
        """Value in an index mask -> class index or 255. The value 255 is ignored unless the file has it, or white."""
        ids = {entry.id: index for entry, index in self._indexed() if entry.id is not None}
        return ids if not ids or (255, 255, 255) in self.by_colour else {IGNORE: IGNORE} | ids

    @property
    def by_colour(self) -> dict[Colour, int]:
        """Colour in a colour mask -> class index or 255."""
        return {entry.colour: index for entry, index in self._indexed() if entry.colour is not None}

    def _indexed(self) -> list[tuple[Entry, int]]:
        ignored = ((entry, IGNORE) for entry in self.entries if entry.ignored)
        return [*zip(self.classes, range(MOST), strict=False), *ignored]


def voc_colour(index: int) -> Colour:
    """Colour ``index`` of the palette of PASCAL VOC: its bits are the highest bits of R, G and B in turn."""
    red, green, blue = (sum((index >> (3 * bit + offset) & 1) << (7 - bit) for bit in range(8)) for offset in range(3))
    return red, green, blue


def class_files(root: Path) -> list[Path]:
    """The files of classes in a data set's root; Roboflow's where there is no other."""
    files = [root / name for name in NAMES if (root / name).exists()]
    return files or [path for path in (root / OF_ROBOFLOW,) if path.exists()]


def find_class_file(root: Path, given: str | None) -> Path:
    """The file that is given, or the one in the root.

    Raises:
        InputError: there is none, or more than one.
    """
    if given is not None:
        return Path(given).expanduser()
    files = class_files(root)
    if not files:
        hint = f"write one, with entries such as {EXAMPLE}, or give --data.classes; {PROPOSE}"
        raise InputError(f"{root}: holds no file of classes ({', '.join((*NAMES, OF_ROBOFLOW))}); {hint}")
    if len(files) > 1:
        raise InputError(f"{files[0]} and {files[1].name}: two files of classes; remove one, or give --data.classes")
    return files[0]


def flag_words(path: Path, is_ignored: bool) -> str:
    """How ``ignore`` is written in this file."""
    word = str(is_ignored).lower()
    return f"{word} in the column ignore" if path.suffix.lower() == ".csv" else f"ignore: {word}"


def read_class_file(path: Path, by_threshold: bool = False) -> ClassList:
    """Read and check a file of classes.

    Args:
        path: the file.
        by_threshold: a threshold divides shades into two classes, so that 255 is one of them where there is but one
            other.

    Raises:
        InputError: it cannot be read, or an entry is wrong; the message names file and place.
    """
    suffix = path.suffix.lower()
    if suffix not in (".yml", ".yaml", ".csv"):
        raise InputError(f"{path}: a file of classes ends in .yml, .yaml or .csv")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); --data.classes takes YAML or CSV") from None
    except UnicodeDecodeError:
        raise broken(path, suffix[1:].upper().replace("YML", "YAML"), "it is not UTF-8 text") from None
    rows = _csv_rows(path, text) if suffix == ".csv" else _yaml_rows(path, text)
    entries = [_entry(path, place, row) for place, row in rows]
    if by_threshold and sum(not entry.ignored for entry in entries) == 1:
        entries = [_entry(path, place, row, is_white_a_class=True) for place, row in rows]
    check_entries(path, entries, [place for place, _ in rows], by_threshold)
    if any(entry.id is not None for entry in entries):
        # Ignored entries have no output, so their place among the classes does not matter.
        entries.sort(key=lambda entry: -1 if entry.id is None else entry.id)
    return ClassList(path, tuple(entries))


def _yaml_rows(path: Path, text: str) -> list[Row]:
    try:
        content = load_yaml(text, as_text=True)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise broken(path, "YAML", " ".join(str(error).split())) from None
    if isinstance(content, Mapping) and set(content) == {"classes"}:
        content = content["classes"]
    if not isinstance(content, list) or not all(isinstance(row, Mapping) for row in content):
        raise broken(path, "list of classes", f"expected a list of entries such as {EXAMPLE}")
    places = [f"{path}: entry {number}" for number in range(1, len(content) + 1)]
    rows = [(place, _with_known_keys(place, row)) for place, row in zip(places, content, strict=True)]
    for place, row in rows:
        if row.get("colour", "") is None:
            raise InputError(f'{place}: colour is empty; write "#rrggbb" in quotes, for # begins a comment')
    return rows


def _csv_rows(path: Path, text: str) -> list[Row]:
    """Lines as spreadsheets write them: some are empty, and empty values may stand at a line's end or be left out."""
    lines = text.splitlines()
    first = next((number for number, line in enumerate(lines) if line.strip(EMPTY)), 0)
    delimiter = next((mark for mark in DELIMITERS if mark in "".join(lines[first : first + 1])), ",")
    if lines and lines[first].lower() == f"sep={delimiter}":
        first += 1
    reader = csv.reader(lines[first:], delimiter=delimiter, skipinitialspace=True, strict=True)
    rows: list[Row] = []
    try:
        columns = [column.strip().lower() for column in _without_empty_end(next(reader, []))]
        is_roboflows = set(COLUMNS_OF_ROBOFLOW) <= set(columns)
        if is_roboflows:
            columns = [COLUMNS_OF_ROBOFLOW.get(column, column) for column in columns]
        _check_columns(f"{path}: line {first + 1}", path, columns)
        for line in reader:
            place = f"{path}: line {first + reader.line_num}"
            values = _without_empty_end(line)
            if not values:
                continue
            if len(values) > len(columns):
                hint = f"put quotes around a value that holds {delimiter!r}"
                raise InputError(f"{place}: {len(values)} values for {len(columns)} columns; {hint}")
            row = {column: value.strip() or None for column, value in zip_longest(columns, values, fillvalue="")}
            row = {"ignore": "false", **row} if is_roboflows else row
            rows.append((place, _with_known_keys(place, row)))
    except csv.Error as error:
        raise broken(path, "CSV", str(error)) from None
    return rows


def _without_empty_end(values: Sequence[str]) -> list[str]:
    """The values of a line up to its last one that is not empty."""
    return list(values[: max((number for number, value in enumerate(values, 1) if value.strip()), default=0)])


def _check_columns(place: str, path: Path, columns: Sequence[str]) -> None:
    _with_known_keys(place, dict.fromkeys(columns))
    names = ["colour" if column == "color" else column for column in columns]
    # A colour may be one column or three: r stands for all of them.
    keys = ["colour" if name == "r" else name for name in names]
    twice = next((key for key in keys if keys.count(key) > 1), None)
    if twice is not None:
        raise InputError(f"{place}: {twice} is given twice; keep one of the columns")
    if "name" not in names:
        hint = "the first line names the columns: name, id, colour (or r, g, b), ignore"
        raise InputError(f"{path}: column name is missing; {hint}")


def _with_known_keys(place: str, row: Mapping[Any, Any]) -> dict[str, Any]:
    """The row with each key in its usual spelling, and one colour instead of r, g, b."""
    named: dict[str, Any] = {}
    for key, value in row.items():
        usual = str(key).strip().lower()
        usual = "colour" if usual == "color" else usual
        if usual in named:
            raise InputError(f"{place}: {usual} is given twice; keep one")
        named[usual] = value
    if {"r", "g", "b"} <= named.keys():
        named["colour"] = [named.pop(channel) for channel in "rgb"]
    for key in named:
        if key not in KEYS:
            near = get_close_matches(key, KEYS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"keys are {', '.join(KEYS)}"
            raise InputError(f"{place}: unknown key {key!r}; {hint}")
    return named


def _entry(path: Path, place: str, row: Mapping[str, Any], is_white_a_class: bool = False) -> Entry:
    name = row.get("name")
    if name is not None and not isinstance(name, str):
        raise InputError(f"{place}: name {name!r} is no text; write it in quotes")
    if name is None or not name.strip():
        value = next((row[key] for key in ("id", "colour") if row.get(key) is not None), "without id")
        raise nameless(path, place.removeprefix(f"{path}: "), value, path.name)
    name, number = name.strip(), _id(place, row.get("id"))
    ignored, is_unasked = _flag(place, row.get("ignore")), False
    if ignored is None:
        is_named = name.lower() in IGNORED_NAMES
        is_unasked = number == IGNORE and not is_white_a_class and not is_named
        ignored = is_unasked or is_named
    return Entry(name, number, _colour(place, row.get("colour")), ignored, is_unasked)


def _id(place: str, value: Any) -> int | None:
    """A number as it is written: ``010`` is ten, also in YAML, which would make eight of it."""
    if value is None:
        return None
    # Python refuses to read thousands of digits.
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20 and int(value) <= LARGEST_ID:
        return int(value)
    raise InputError(f"{place}: id {value!r} must be a whole number from 0 to {LARGEST_ID}")


def _flag(place: str, value: Any) -> bool | None:
    if value is not None and str(value).lower() not in FLAGS:
        raise InputError(f"{place}: ignore is {value!r}; write true or false")
    return None if value is None else FLAGS[str(value).lower()]


def _colour(place: str, value: Any) -> Colour | None:
    if value is None or (isinstance(value, Sequence) and all(part is None for part in value) and value):
        return None
    try:
        if isinstance(value, str) and value.startswith("#") and len(value) == 7:
            channels = list(bytes.fromhex(value[1:]))
        elif isinstance(value, str):
            channels = [int(part) for part in value.strip("()[]").replace(",", " ").split()]
        else:
            channels = [int(part) for part in value]
        red, green, blue = channels
        if not 0 <= min(channels) <= max(channels) <= 255:
            raise ValueError
    except (TypeError, ValueError):
        expected = 'three numbers from 0 to 255, or "#rrggbb" in quotes'
        raise InputError(f"{place}: colour {value!r} must be {expected}") from None
    return red, green, blue


def check_entries(path: Path, entries: Sequence[Entry], places: Sequence[str], by_threshold: bool = False) -> None:
    """Refuse entries that do not make a list of classes.

    Args:
        path: the file.
        entries: of all its lines.
        places: where each of them stands, for messages.
        by_threshold: a threshold divides shades into two classes.

    Raises:
        InputError: the message names file and place.
    """
    for key in ("name", "id", "colour"):
        seen: dict[Any, str] = {}
        for entry in entries:
            value = getattr(entry, key)
            if value is not None and value in seen:
                both = f"{seen[value]} and {entry.name}"
                raise InputError(f"{path}: {key} {value} is given twice (for {both}); give each its own")
            seen[value] = entry.name
    given = [key for key in ("id", "colour") if any(getattr(entry, key) is not None for entry in entries)]
    if entries and not given:
        raise InputError(f"{path}: gives neither ids nor colours; add id for index masks, colour for colour masks")
    for entry, place in zip(entries, places, strict=True):
        lacking = [key for key in given if getattr(entry, key) is None]
        if lacking and (not entry.ignored or len(lacking) == len(given)):
            raise InputError(f"{place}: {lacking[0]} of {entry.name} is missing; give one to all entries or to none")
    count = sum(not entry.ignored for entry in entries)
    if count > MOST:
        raise InputError(f"{path}: {count} classes; at most {MOST} are possible, for {IGNORE} marks ignored pixels")
    if count < 2:
        white = next((entry.name for entry in entries if entry.ignored and entry.id == IGNORE), None)
        # A name such as void, or ignore: true, keeps it ignored, whatever the threshold.
        can_be_cut = white and not by_threshold and white.lower() not in IGNORED_NAMES
        cure = "for masks of black and white give --data.threshold 128, or " if can_be_cut else ""
        hint = f" (id {IGNORE} is ignored: {cure}give {white} {flag_words(path, False)})" if white else ""
        number = f"{count} class{'es' * (count != 1)}"
        raise InputError(f"{path}: gives {number}; at least two must not be ignored{hint}")
