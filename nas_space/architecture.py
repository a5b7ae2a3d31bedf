"""One point of the search space as data: JSON in and out, NNI samples in and out, the reference networks."""

import json
import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from itertools import cycle
from pathlib import Path
from typing import Any

from nas_space.config import WIDTH_KEYS, SpaceConfig, operator_name
from nas_space.errors import InputError
from nas_space.text_file import read_text, reason

SCHEMAS = (1, 2)
"""Versions of the file. 1: two stages with one span and one step. 2: everything else; older programs read 1 alone."""


@dataclass(frozen=True)
class Layer:
    """One residual layer: dilation rate, pooling factor, and output channels of its 3x1 and 1x3 convolution."""

    dilation: int
    pooling: int
    width_3x1: int
    width_1x3: int


@dataclass(frozen=True)
class Architecture:
    """The layers of each stage, and the space they came from.

    Raises:
        InputError: a layer or depth that the space does not contain, named by its place.
    """

    space: SpaceConfig
    stages: tuple[tuple[Layer, ...], ...]

    def __post_init__(self) -> None:
        if len(self.stages) != len(self.space.widths):
            raise InputError(f"architecture: {len(self.stages)} stages, the space has {len(self.space.widths)}")
        for i, (layers, depths) in enumerate(zip(self.stages, self.space.depths, strict=True)):
            if len(layers) not in depths:
                raise InputError(f"architecture: stages[{i}] has {len(layers)} layers, the space allows {list(depths)}")
            for j, layer in enumerate(layers):
                self._check_layer(f"stages[{i}][{j}]", i, layer)

    def _check_layer(self, place: str, stage: int, layer: Layer) -> None:
        widths = self.space.stage_widths(stage)
        allowed = (self.space.dilations, self.space.poolings, widths, widths)
        for (key, value), candidates in zip(vars(layer).items(), allowed, strict=True):
            if type(value) is not int or value not in candidates:
                hint = f"one of {list(candidates)}"
                if key.startswith("width"):
                    hint = f"a multiple of {self.space.steps[stage]} from {widths[0]} to {widths[-1]}"
                raise InputError(f"architecture: {place}.{key} is {value!r}; it must be {hint}")

    def to_json(self) -> str:
        """Readable JSON with a schema version; ``from_json`` is its inverse."""
        space = self.space
        is_first = len(space.widths) == 2 and type(space.span) is type(space.step) is int
        return json.dumps({"schema": 1 if is_first else 2, **asdict(self)}, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Architecture":
        """Read what ``to_json`` wrote.

        Raises:
            InputError: not JSON, another schema version, missing or unknown keys, or values outside the space.
        """
        try:
            data = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise InputError(f"architecture: not valid JSON ({error})") from None
        keys = {"schema", "space", "stages"}
        if not isinstance(data, dict) or data.get("schema") not in SCHEMAS or set(data) != keys:
            known = " or ".join(map(str, SCHEMAS))
            raise InputError(f'architecture: expected the keys "schema" (= {known}), "space" and "stages"')
        try:
            stages = tuple(tuple(Layer(**layer) for layer in layers) for layers in data["stages"])
        except TypeError as error:
            raise InputError(f"architecture: stages: {error}") from None
        return cls(SpaceConfig.from_dict(data["space"]), stages)

    @classmethod
    def load(cls, path: str | Path) -> "Architecture":
        """Read an architecture file, or that of a run's folder.

        Raises:
            InputError: the file is missing, unreadable or invalid; the message names it.
        """
        is_folder = Path(path).is_dir()
        path = Path(path) / "architecture.json" if is_folder else path
        try:
            text = read_text(path)
        except FileNotFoundError:
            wanted = "the folder of a finished run" if is_folder else "an architecture.json, a run folder"
            raise InputError(f"{path}: no such file; give {wanted}, baseline1 or baseline2") from None
        except (OSError, UnicodeDecodeError) as error:
            problem = f"cannot be read as an architecture ({reason(error)})"
            raise InputError(f"{path}: {problem}; give an architecture.json") from None
        try:
            return cls.from_json(text)
        except InputError as error:
            raise InputError(f"{path}: {error}") from None

    def to_sample(self) -> dict[str, Any]:
        """The NNI sample of this network: a value for every label of the searched space, used by the network or not.

        Unused labels (operators that were not chosen, layers beyond the depth) get full width and the first operator.

        Raises:
            InputError: the network differs from the baseline in a dimension that its space does not search.
        """
        space, sample = self.space, {}
        for i, layers in enumerate(self.stages):
            if len(layers) not in space.depth_candidates[i]:
                raise InputError(f"architecture: stage {i + 1} has depth {len(layers)}, but depth is not searched")
            if len(space.depth_candidates[i]) > 1:
                sample[f"stage{i + 1}/depth"] = len(layers)
            for j in range(space.layers[i]):
                sample |= self._layer_sample(i, j, layers[j] if j < len(layers) else None)
        return sample

    def _layer_sample(self, stage: int, index: int, layer: Layer | None) -> dict[str, Any]:
        space, prefix = self.space, f"stage{stage + 1}/layer{index + 1}"
        sample: dict[str, Any] = {}
        full = space.widths[stage]
        layer = layer or Layer(*space.operators[0], full, full)
        chosen = (layer.dilation, layer.pooling)
        widths = {key: getattr(layer, key) for key in WIDTH_KEYS}
        if chosen not in space.operators or not set(widths.values()) <= set(space.width_candidates(stage)):
            searched = ", ".join(space.search)
            raise InputError(f"architecture: {prefix} uses a dimension that is not searched ({searched} are)")
        if len(space.operators) > 1:
            sample[f"{prefix}/op"] = operator_name(*chosen)
        if len(space.width_candidates(stage)) > 1:
            for operator in space.operators:
                for key, width in widths.items():
                    sample[f"{prefix}/{operator_name(*operator)}/{key}"] = width if operator == chosen else full
        return sample

    @classmethod
    def from_sample(cls, space: SpaceConfig, sample: Mapping[str, Any]) -> "Architecture":
        """The network that an NNI sample describes; labels that the network does not use are ignored.

        Raises:
            InputError: a label that the network needs is missing, or its value is not a candidate.
        """

        def value(label: str, default: Any, searched: bool) -> Any:
            if searched and label not in sample:
                raise InputError(f"sample: label {label!r} is missing")
            return sample[label] if searched else default

        by_name = {operator_name(*operator): operator for operator in space.operators}
        stages = []
        for i, depths in enumerate(space.depth_candidates):
            layers, widths_differ = [], len(space.width_candidates(i)) > 1
            depth = value(f"stage{i + 1}/depth", depths[0], len(depths) > 1)
            if type(depth) is not int or depth not in depths:
                raise InputError(f"sample: stage{i + 1}/depth is {depth!r}; choose from {list(depths)}")
            for j in range(depth):
                prefix = f"stage{i + 1}/layer{j + 1}"
                name = value(f"{prefix}/op", operator_name(*space.operators[0]), len(space.operators) > 1)
                if name not in by_name:
                    raise InputError(f"sample: {prefix}/op is {name!r}; choose from {', '.join(by_name)}")
                widths = (value(f"{prefix}/{name}/{key}", space.widths[i], widths_differ) for key in WIDTH_KEYS)
                layers.append(Layer(*by_name[name], *widths))
            stages.append(tuple(layers))
        return cls(space, tuple(stages))

    @classmethod
    def random(cls, space: SpaceConfig, generator: random.Random) -> "Architecture":
        """Every choice drawn uniformly from its candidates."""
        draw, stages = generator.choice, []
        for i, depths in enumerate(space.depth_candidates):
            widths, depth = space.width_candidates(i), draw(depths)
            stages.append(tuple(Layer(*draw(space.operators), draw(widths), draw(widths)) for _ in range(depth)))
        return cls(space, tuple(stages))

    def table(self) -> str:
        """The layers as a readable text table, one row for each layer."""
        rows = ["stage  layer  dilation  pooling  3x1 width  1x3 width"]
        for i, layers in enumerate(self.stages):
            for j, layer in enumerate(layers):
                widths = [f"{width}/{self.space.widths[i]}" for width in (layer.width_3x1, layer.width_1x3)]
                place = f"{i + 1:>5}  {j + 1:>5}  {layer.dilation:>8}  {layer.pooling:>7}"
                rows.append(f"{place}  {widths[0]:>9}  {widths[1]:>9}")
        return "\n".join(rows)


def baseline1(space: SpaceConfig) -> Architecture:
    """Middle depth, dilation 1, no pooling, full width: the paper's first reference network."""
    sizes = zip(space.widths, space.baseline_depths, strict=True)
    return Architecture(space, tuple((Layer(1, 1, width, width),) * depth for width, depth in sizes))


def baseline2(space: SpaceConfig) -> Architecture:
    """baseline1 with ERFNet's hand-made dilations: those above 1, cycled over the stage at 1/8, as in ERFNet."""
    first, eighth, *deeper = baseline1(space).stages
    dilations = cycle(space.dilations[1:] or (1,))
    dilated = tuple(replace(layer, dilation=next(dilations)) for layer in eighth)
    return Architecture(space, (first, dilated, *deeper))


def resolve_architecture(name: str, space: SpaceConfig) -> Architecture:
    """``baseline1`` or ``baseline2`` of ``space``, or the architecture in the file ``name``.

    Raises:
        InputError: the file is missing or invalid.
    """
    references = {"baseline1": baseline1, "baseline2": baseline2}
    return references[name](space) if name in references else Architecture.load(name)
