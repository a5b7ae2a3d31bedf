"""The classes of a user's data set, from a YAML or CSV file: name, id, colour, and what is ignored."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from experiments.options.groups import IGNORE
from experiments.options.yaml_text import load_yaml
from nas_space.errors import InputError

Colour = tuple[int, int, int]

NAMES = ("classes.yml", "classes.yaml", "classes.csv")
"""Where the file is looked for in a data set's root."""

KEYS = ("name", "id", "colour", "ignore")
IGNORED_NAMES = ("ignore", "ignored", "void")
EXAMPLE = "{name: road, id: 0, colour: [128, 64, 128]}"
MOST = IGNORE
LARGEST_ID = 2**16 - 1


@dataclass(frozen=True)
class Entry:
    """One line of the file.

    Args:
        name: the class.
        id: its value in index masks.
        colour: its colour in colour masks.
        ignored: it counts neither in the loss nor in the score, and is no class of the network.
    """

    name: str
    id: int | None
    colour: Colour | None
    ignored: bool


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
        """What the network tells apart."""
        return tuple(entry for entry in self.entries if not entry.ignored)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the classes."""
        return tuple(entry.name for entry in self.classes)

    @property
    def colours(self) -> tuple[Colour, ...]:
        """Colours of the classes; where the file gives none, those of PASCAL VOC."""
        return tuple(
            voc_colour(index) if entry.colour is None else entry.colour for index, entry in enumerate(self.classes)
        )

    @property
    def by_id(self) -> dict[int, int]:
        """Value in an index mask -> class index or 255. 255 itself is ignored, unless it is a class, or white is one."""
        found = {entry.id: index for entry, index in self._indexed() if entry.id is not None}
        return found if not found or (255, 255, 255) in self.by_colour else {IGNORE: IGNORE} | found

    @property
    def by_colour(self) -> dict[Colour, int]:
        """Colour in a colour mask -> class index or 255."""
        return {entry.colour: index for entry, index in self._indexed() if entry.colour is not None}

    def _indexed(self) -> list[tuple[Entry, int]]:
        return [
            *zip(self.classes, range(MOST), strict=False),
            *((entry, IGNORE) for entry in self.entries if entry.ignored),
        ]


def voc_colour(index: int) -> Colour:
    """Colour ``index`` of the palette of PASCAL VOC: the bits of the index, dealt out to the highest bits of R, G and B."""
    colour = [0, 0, 0]
    for place in range(8):
        for channel in range(3):
            colour[channel] |= (index >> (3 * place + channel) & 1) << (7 - place)
    return colour[0], colour[1], colour[2]


def find_class_file(root: Path, given: str | None) -> Path:
    """The file that is given, or the one in the root.

    Raises:
        InputError: there is none, or more than one.
    """
    if given is not None:
        return Path(given).expanduser()
    found = [root / name for name in NAMES if (root / name).exists()]
    if not found:
        raise InputError(
            f"{root}: holds no file of classes ({', '.join(NAMES)}); write one, with entries such as {EXAMPLE}, or give --data.classes"
        )
    if len(found) > 1:
        raise InputError(
            f"{found[0]} and {found[1].name}: two files of classes; remove one, or name one with --data.classes"
        )
    return found[0]


def read_class_file(path: Path) -> ClassList:
    """Read and check a file of classes.

    Raises:
        InputError: it cannot be read, or an entry is wrong; the message names file and place.
    """
    if path.suffix.lower() not in (".yml", ".yaml", ".csv"):
        raise InputError(f"{path}: a file of classes ends in .yml, .yaml or .csv")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror}); --data.classes takes a YAML or CSV file"
        ) from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: is not UTF-8 text; save it as UTF-8") from None
    rows = _csv_rows(path, text) if path.suffix.lower() == ".csv" else _yaml_rows(path, text)
    entries = tuple(_entry(place, row) for place, row in rows)
    _check(path, entries, [place for place, _ in rows])
    has_ids = any(entry.id is not None for entry in entries)
    # Ignored entries have no output, so their place among the classes does not matter.
    return ClassList(
        path, tuple(sorted(entries, key=lambda entry: -1 if entry.id is None else entry.id)) if has_ids else entries
    )


def _yaml_rows(path: Path, text: str) -> list[tuple[str, Mapping[str, Any]]]:
    try:
        content = load_yaml(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: not valid YAML: {error}") from None
    if isinstance(content, Mapping) and set(content) == {"classes"}:
        content = content["classes"]
    if not isinstance(content, list) or not all(isinstance(row, Mapping) for row in content):
        raise InputError(f"{path}: expected a list of entries such as {EXAMPLE}")
    places = [f"{path}: entry {number}" for number in range(1, len(content) + 1)]
    rows = [(place, _renamed(place, row)) for place, row in zip(places, content, strict=True)]
    for place, row in rows:
        if row.get("colour", "") is None:
            raise InputError(f'{place}: colour is empty; write "#rrggbb" in quotes, for # begins a comment')
    return [*rows]


def _csv_rows(path: Path, text: str) -> list[tuple[str, Mapping[str, Any]]]:
    header = text.partition("\n")[0]
    delimiter = next((mark for mark in (",", ";", "\t") if mark in header), ",")
    reader = csv.reader(text.splitlines(), delimiter=delimiter, skipinitialspace=True, strict=True)
    rows: list[tuple[str, Mapping[str, Any]]] = []
    try:
        columns = next(reader, [])
        _check_columns(f"{path}: line 1", columns)
        if "name" not in {column.strip().lower() for column in columns}:
            raise InputError(
                f"{path}: column name is missing; the first line names the columns: name, id, colour (or r, g, b), ignore"
            )
        for values in reader:
            place = f"{path}: line {reader.line_num}"
            if not "".join(values).strip():
                continue
            if len(values) != len(columns):
                raise InputError(
                    f"{place}: {len(values)} values for {len(columns)} columns; put quotes around a value that holds {delimiter!r}"
                )
            rows.append(
                (
                    place,
                    _renamed(
                        place, {column: value.strip() or None for column, value in zip(columns, values, strict=True)}
                    ),
                )
            )
    except csv.Error as error:
        raise InputError(f"{path}: not valid CSV: {error}") from None
    return rows


def _check_columns(place: str, columns: Sequence[str]) -> None:
    _renamed(place, dict.fromkeys(columns))
    # A colour may stand in one column or in three: r stands for all of them.
    keys = ["colour" if key in ("color", "r") else key for key in (column.strip().lower() for column in columns)]
    twice = next((key for key in keys if keys.count(key) > 1), None)
    if twice is not None:
        raise InputError(f"{place}: {twice} is given twice; keep one of the columns")


def _renamed(place: str, row: Mapping[Any, Any]) -> dict[str, Any]:
    """The row with the keys' usual spellings made one, and r, g, b made a colour."""
    named = {str(key).strip().lower(): value for key, value in row.items()}
    if "color" in named:
        named["colour"] = named.pop("color")
    if {"r", "g", "b"} <= named.keys():
        named["colour"] = [named.pop(channel) for channel in "rgb"]
    for key in named:
        if key not in KEYS:
            near = get_close_matches(key, KEYS, n=1)
            raise InputError(
                f"{place}: unknown key {key!r}; {f'did you mean {near[0]}?' if near else 'keys are ' + ', '.join(KEYS)}"
            )
    return named


def _entry(place: str, row: Mapping[str, Any]) -> Entry:
    name, number = row.get("name"), row.get("id")
    if isinstance(name, bool) or not isinstance(name, str | int | float) or not str(name).strip():
        raise InputError(f"{place}: name is missing, or no text; write it in quotes")
    name = str(name).strip()
    if (
        isinstance(number, str) and number.isascii() and number.isdigit() and len(number) < 20
    ):  # Python reads none of thousands
        number = int(number)
    if number is not None and (
        isinstance(number, bool) or not isinstance(number, int) or not 0 <= number <= LARGEST_ID
    ):
        raise InputError(f"{place}: id {number!r} must be a whole number from 0 to {LARGEST_ID}")
    ignored = _flag(place, row.get("ignore"))
    if ignored is None:
        ignored = number == IGNORE or name.lower() in IGNORED_NAMES
    return Entry(name, number, _colour(place, row.get("colour")), ignored)


def _flag(place: str, value: Any) -> bool | None:
    words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if value is not None and str(value).lower() not in words:
        raise InputError(f"{place}: ignore is {value!r}; write true or false")
    return None if value is None else words[str(value).lower()]


def _colour(place: str, value: Any) -> Colour | None:
    if value is None or (isinstance(value, Sequence) and all(part is None for part in value) and value):
        return None
    try:
        if isinstance(value, str) and value.startswith("#") and len(value) == 7:
            channels = list(bytes.fromhex(value[1:]))
        elif isinstance(value, str):
            channels = [int(part) for part in value.strip("()[]").replace(",", " ").split()]
        else:
            channels = [int(part) for part in value if not isinstance(part, bool | float)]
        red, green, blue = channels
        if not 0 <= min(channels) <= max(channels) <= 255:
            raise ValueError
    except (TypeError, ValueError):
        raise InputError(
            f'{place}: colour {value!r} must be three numbers from 0 to 255, or "#rrggbb" in quotes'
        ) from None
    return red, green, blue


def _check(path: Path, entries: Sequence[Entry], places: Sequence[str]) -> None:
    classes = [entry for entry in entries if not entry.ignored]
    for key in ("name", "id", "colour"):
        seen: dict[Any, str] = {}
        for entry in entries:
            value = getattr(entry, key)
            if value is not None and value in seen:
                raise InputError(
                    f"{path}: {key} {value} is given twice (for {seen[value]} and {entry.name}); give each its own"
                )
            seen[value] = entry.name
    given = [key for key in ("id", "colour") if any(getattr(entry, key) is not None for entry in entries)]
    if entries and not given:
        raise InputError(
            f"{path}: gives neither ids nor colours; add id where masks hold numbers, colour where they hold colours"
        )
    for entry, place in zip(entries, places, strict=True):
        lacking = [key for key in given if getattr(entry, key) is None]
        if lacking and (not entry.ignored or len(lacking) == len(given)):
            raise InputError(
                f"{place}: {lacking[0]} of {entry.name} is missing, others have one; give one to all or to none"
            )
    if len(classes) > MOST:
        raise InputError(
            f"{path}: {len(classes)} classes; at most {MOST} are possible, for {IGNORE} marks ignored pixels"
        )
    if len(classes) < 2:
        white = next((entry.name for entry in entries if entry.ignored and entry.id == IGNORE), None)
        hint = f" (id {IGNORE} is ignored; add ignore: false to {white} to make it a class)" if white else ""
        raise InputError(f"{path}: gives {len(classes)} classes; at least two must not be ignored{hint}")
