"""A table of measured layers that predicts the latency of every network of a space. No torch.

The prediction is ``fixed_ms`` (downsamplers, head, whatever lies inside the file, the overhead of a call) plus the
measured time of each layer. An operator is measured at some or all widths; between them the table interpolates.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas_space.architecture import Architecture
from nas_space.config import PRESETS, Head, SpaceConfig, operator_name
from nas_space.errors import InputError
from nas_space.text_file import read_text, reason

SCHEMA = 2
PRECISIONS = ("fp32", "int8")
LONGEST = 1e9  # milliseconds, eleven days: no measurement takes longer
BUILDING = ("stem", "widths", "dilations", "poolings", "span", "step")  # fields of a space that its layers depend on

Grid = tuple[tuple[float, ...], ...]


def all_operators(space: SpaceConfig) -> tuple[tuple[int, int], ...]:
    """Every (dilation, pooling) pair of the space, whether or not it is searched: the rows of a table."""
    return tuple((dilation, pooling) for pooling in space.poolings for dilation in space.dilations)


def grid_widths(candidates: tuple[int, ...], points: int) -> tuple[int, ...]:
    """Widths evenly spread from the narrowest to the widest candidate; all if there are no more than ``points``.

    Args:
        candidates: widths in channels, ascending.
        points: how many, at least 2.
    """
    last = len(candidates) - 1
    return tuple(sorted({candidates[round(i * last / (points - 1))] for i in range(points)}))


@dataclass(frozen=True)
class LatencyTable:
    """Milliseconds of the layers of a space, measured with one engine on one device for one image of one size.

    Args:
        space: the space whose layers were measured: all its operators and widths, searched or not.
        size: image height and width, in pixels.
        classes: channels of the logits.
        head: of the networks.
        pixels: whether their files take pixels and normalise them inside.
        resize: whether they give logits, or classes, at the image's size.
        argmax: whether they give classes instead of logits.
        engine: what ran the layers.
        precision: fp32 or int8.
        threads: threads of the engine.
        device: the processor's name.
        date: when it was measured, ISO 8601.
        versions: versions of the software, by name.
        fixed_ms: everything but the searched layers, in milliseconds.
        widths: the measured widths of each stage, ascending, from its narrowest to its widest candidate.
        layers_ms: milliseconds of a whole residual layer, ``[stage][operator][c1][c2]`` with the operators of
            ``all_operators`` and c1, c2 the measured widths of the 3x1 and the 1x3 convolution.

    Raises:
        InputError: a value that does not make a table, named with its key.
    """

    space: SpaceConfig
    size: tuple[int, int]
    classes: int
    head: Head
    pixels: bool
    resize: bool
    argmax: bool
    engine: str
    precision: str
    threads: int
    device: str
    date: str
    versions: Mapping[str, str]
    fixed_ms: float
    widths: tuple[tuple[int, ...], ...]
    layers_ms: tuple[tuple[Grid, ...], ...]

    def __post_init__(self) -> None:
        for key in ("head", "engine", "precision", "device", "date"):
            _expect(key, isinstance(getattr(self, key), str) and bool(getattr(self, key).strip()), "text")
        _expect("head", self.head in self.space.heads, f"one of {', '.join(self.space.heads)}")
        _expect("precision", self.precision in PRECISIONS, f"one of {', '.join(PRECISIONS)}")
        for key in ("pixels", "resize", "argmax"):
            _expect(key, isinstance(getattr(self, key), bool), "true or false")
        for key in ("classes", "threads"):
            _expect(key, _is_count(getattr(self, key)), "a whole number of at least 1")
        least = self.space.smallest_side
        sides = isinstance(self.size, tuple) and len(self.size) == 2 and all(_is_count(n, least) for n in self.size)
        _expect("size", sides, f"height and width of at least {least} pixels")
        texts = isinstance(self.versions, Mapping) and all(isinstance(t, str) for t in chain(*self.versions.items()))
        _expect("versions", texts, "texts by name")
        _expect("fixed_ms", _is_time(self.fixed_ms) and self.fixed_ms > 0, "a number above 0")
        stages = len(self.space.widths)
        _expect("stages", len(self.widths) == len(self.layers_ms) == stages, f"a list of {stages} stages")
        for stage, (widths, operators) in enumerate(zip(self.widths, self.layers_ms, strict=True)):
            candidates, count = self.space.stage_widths(stage), len(widths)
            known = all(type(width) is int and width in candidates for width in widths)
            ends = bool(widths) and (widths[0], widths[-1]) == (candidates[0], candidates[-1])
            expected = f"ascending candidates from {candidates[0]} to {candidates[-1]}"
            _expect(f"stages[{stage}].widths", known and ends and list(widths) == sorted(set(widths)), expected)
            for operator, grid in zip(all_operators(self.space), operators, strict=True):
                square = len(grid) == count and all(len(row) == count for row in grid)
                key = f"stages[{stage}].layer_ms.{operator_name(*operator)}"
                times = square and all(map(_is_time, chain(*grid)))
                _expect(key, times, f"{count} lists of {count} numbers of at least 0")

    def layer_ms(self, stage: int, dilation: int, pooling: int, c1: int, c2: int) -> float:
        """Milliseconds of a residual layer.

        Args:
            stage: its number, from 0.
            dilation: dilation rate of its operator.
            pooling: pooling factor of its operator.
            c1: output channels of the 3x1 convolution.
            c2: output channels of the 1x3 convolution.

        Raises:
            InputError: the table holds no such operator, or a width lies outside the measured ones.
        """
        operators, widths = all_operators(self.space), self.widths[stage]
        if (dilation, pooling) not in operators or not all(widths[0] <= width <= widths[-1] for width in (c1, c2)):
            missing = f"{operator_name(dilation, pooling)} of widths {c1} and {c2} in stage {stage + 1}"
            raise InputError(f"latency table: holds no {missing}")
        grid = np.array(self.layers_ms[stage][operators.index((dilation, pooling))])
        return float(_weights((c1,), widths)[0] @ grid @ _weights((c2,), widths)[0])

    def predict(self, architecture: Architecture) -> float:
        """Milliseconds of one image through ``architecture`` with the table's head, as exported.

        Raises:
            InputError: the architecture comes from a space that the table does not fit.
        """
        self._check_space(architecture.space)
        layers = ((stage, layer) for stage, layers in enumerate(architecture.stages) for layer in layers)
        return self.fixed_ms + sum(self.layer_ms(stage, *asdict(layer).values()) for stage, layer in layers)

    def span(self) -> tuple[float, float]:
        """Milliseconds of the fastest and of the slowest network of the table's space, whatever is searched."""
        depths = [(min(stage), max(stage)) for stage in self.space.depths]
        ends = [(np.min(grids), np.max(grids)) for grids in map(np.array, self.layers_ms)]
        both = zip(depths, ends, strict=True)
        sums = np.sum([(low * least, high * most) for (low, high), (least, most) in both], axis=0)
        return self.fixed_ms + float(sums[0]), self.fixed_ms + float(sums[1])

    def tabulate(self, space: SpaceConfig | None = None) -> list[NDArray[np.float64]]:
        """Milliseconds of every layer that a search chooses from.

        Args:
            space: the searched space, the table's own if absent; it must fit.

        Returns:
            For each stage an array ``(operators, widths, widths)``: ``space.operators``, then
            ``space.width_candidates(stage)`` of the 3x1 and of the 1x3 convolution.

        Raises:
            InputError: the table does not fit ``space``.
        """
        space = space or self.space
        self._check_space(space)
        rows = [all_operators(self.space).index(operator) for operator in space.operators]
        arrays = []
        for stage, operators in enumerate(self.layers_ms):
            weights = _weights(space.width_candidates(stage), self.widths[stage])
            arrays.append(weights @ np.array(operators, np.float64)[rows] @ weights.T)
        return arrays

    def check(self, space: SpaceConfig, size: tuple[int, int], **needed: object) -> None:
        """Refuse a table that cannot predict ``space`` at ``size``.

        The searched dimensions and the depths do not matter, and the table may hold more dilations and poolings.

        Args:
            space: the searched space.
            size: image height and width.
            needed: other fields of the table by name, such as ``engine``; one that is None may be anything.

        Raises:
            InputError: what differs, and the command that measures a fitting table.
        """
        needed = {key: value for key, value in needed.items() if value is not None}
        command = build_command(space, size, **{"engine": self.engine, **needed})
        self._check_space(space, command)
        if self.size != size:
            raise _misfit("size", _by(self.size), _by(size), command)
        for key, value in needed.items():
            if getattr(self, key) != value:
                raise _misfit(key, getattr(self, key), value, command)

    def _check_space(self, space: SpaceConfig, command: str | None = None) -> None:
        for key in BUILDING:
            value, needed = getattr(self.space, key), getattr(space, key)
            if not set(needed) <= set(value) if key in ("dilations", "poolings") else value != needed:
                command = command or build_command(space, self.size, engine=self.engine)
                raise _misfit(f"space.{key}", _plain(value), _plain(needed), command)

    def to_json(self) -> str:
        """JSON with a schema version, a line for each row of widths; ``from_json`` is its inverse."""
        names = [operator_name(*operator) for operator in all_operators(self.space)]
        stages = ",\n".join(
            f'  {{"widths": {json.dumps(widths)}, "layer_ms": {{\n'
            + ",\n".join(f'   "{name}": {json.dumps(grid)}' for name, grid in zip(names, operators, strict=True))
            + "}}"
            for widths, operators in zip(self.widths, self.layers_ms, strict=True)
        )
        head = {"schema": SCHEMA} | {key: getattr(self, key) for key in _HEAD}
        head |= {"space": asdict(self.space), "versions": dict(self.versions)}
        lines = [f' "{key}": {json.dumps(value, allow_nan=False)}' for key, value in head.items()]
        return "{\n" + ",\n".join(lines) + ',\n "stages": [\n' + stages + "]\n}\n"

    @classmethod
    def from_json(cls, text: str) -> "LatencyTable":
        """Read what ``to_json`` wrote.

        Raises:
            InputError: not JSON, another schema version, missing or unknown keys, or values that make no table.
        """
        try:
            data = json.loads(text, object_pairs_hook=_once)
        except (ValueError, RecursionError) as error:
            raise InputError(f"latency table: not valid JSON ({error})") from None
        _expect_keys("", data, ("schema", *_HEAD, "stages"))
        version = type(data["schema"]) is int and data["schema"] == SCHEMA
        _expect("schema", version, f"{SCHEMA}, the version that this program reads")
        head = {key: data[key] for key in _HEAD} | {"space": SpaceConfig.from_dict(data["space"])}
        head["size"] = tuple(data["size"]) if isinstance(data["size"], list) else data["size"]
        _expect("stages", isinstance(data["stages"], list), "a list")
        names = [operator_name(*operator) for operator in all_operators(head["space"])]
        widths, layers = [], []
        for i, stage in enumerate(data["stages"]):
            _expect_keys(f"stages[{i}].", stage, ("widths", "layer_ms"))
            _expect(f"stages[{i}].widths", isinstance(stage["widths"], list), "a list")
            _expect_keys(f"stages[{i}].layer_ms.", stage["layer_ms"], names)
            widths.append(tuple(stage["widths"]))
            layers.append(tuple(_grid(f"stages[{i}].layer_ms.{name}", stage["layer_ms"][name]) for name in names))
        return cls(**head, widths=tuple(widths), layers_ms=tuple(layers))

    @classmethod
    def load(cls, path: str | Path) -> "LatencyTable":
        """Read a table's file.

        Raises:
            InputError: the file is missing, unreadable or invalid; the message names it.
        """
        try:
            return cls.from_json(read_text(path))
        except FileNotFoundError:
            raise InputError(f"{path}: no such file; measure a table with ssr-nas latency") from None
        except InputError as error:
            raise InputError(f"{path}: {error}") from None
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{path}: cannot be read as a latency table ({reason(error)})") from None


_HEAD = tuple(field.name for field in fields(LatencyTable) if field.name not in ("widths", "layers_ms"))


def build_command(space: SpaceConfig, size: tuple[int, int], **options: object) -> str:
    """The command line that measures a table for ``space`` at ``size`` (height, width), with options by name."""

    def changes(preset: str) -> list[str]:
        base, options = SpaceConfig.preset(preset), [f"--preset {preset}"]
        for key in BUILDING:
            value = getattr(space, key)
            if value != getattr(base, key):
                options.append(f"--space.{key} {','.join(map(str, value)) if isinstance(value, tuple) else value}")
        if len(space.depths) != len(base.depths):
            options.append(f"--space.depths '{json.dumps(space.depths)}'")
        return options

    shortest = min(map(changes, PRESETS), key=len)
    return " ".join(["ssr-nas latency", *shortest, f"--size {_by(size)}", *(f"--{k} {v}" for k, v in options.items())])


def _weights(widths: tuple[int, ...], measured: tuple[int, ...]) -> NDArray[np.float64]:
    """Share of each measured width in the linear interpolation at ``widths``: ``(widths, measured)``, rows sum to 1."""
    return np.stack([np.interp(widths, measured, row) for row in np.eye(len(measured))], -1)


def _misfit(key: str, value: object, needed: object, command: str) -> InputError:
    fix = f"measure one with: {command}; for another device: ssr-nas latency pack"
    return InputError(f"latency table: {key} is {value}, but {needed} is needed; {fix}")


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


def _is_count(value: Any, least: int = 1) -> bool:
    return type(value) is int and value >= least


def _is_time(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value <= LONGEST


def _grid(key: str, rows: Any) -> Grid:
    _expect(key, isinstance(rows, list) and all(isinstance(row, list) for row in rows), "a list of lists of numbers")
    return tuple(tuple(row) for row in rows)


def _expect(key: str, holds: bool, expected: str) -> None:
    if not holds:
        raise InputError(f"latency table: {key}: expected {expected}")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON; a key that stands there twice is refused: nobody knows which of the two is meant."""
    names = [name for name, _ in pairs]
    for name in names:
        _expect(name, names.count(name) == 1, "one value; it stands there twice")
    return dict(pairs)


def _expect_keys(place: str, data: Any, keys: tuple[str, ...] | list[str]) -> None:
    if not isinstance(data, dict):
        raise InputError(f"latency table: {place.rstrip('.') or 'the file'}: expected keys and values")
    for wrong, what in ((set(keys) - set(data), "missing"), (set(data) - set(keys), "unknown")):
        if wrong:
            raise InputError(f"latency table: {place}{min(wrong)}: {what} key")
