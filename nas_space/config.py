"""The search space as data: candidate depths, dilations, poolings and widths, and which of them are searched."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import chain
from typing import Any, Literal

from nas_space.errors import InputError

LARGEST = 4096  # of every number of a space: far beyond any network
MOST_FORMS = 2**22  # of a layer: its operators times pairs of widths; a table of costs holds each, 32 MiB
MOST_CANDIDATES = 2**20  # of all choices together; a search keeps a number for each (the paper's space has 3240)
DIMENSIONS = ("dilation", "pooling", "width", "depth")
Head = Literal["encoder", "aggregation"]
WIDTH_KEYS = ("width_3x1", "width_1x3")  # the searched widths of an operator, as labels and fields
PYRAMID_BINS = (1, 2, 3, 6)  # sides of the grids that the aggregation head pools the deepest stage to


@dataclass(frozen=True)
class SpaceConfig:
    """A chain of two searched stages, at 1/4 and 1/8 of the input resolution (SSR paper, Tables 1 and 2).

    The candidate lists always describe the whole space; ``search`` says which dimensions vary. A dimension that is not
    searched stays at its baseline: middle depth, dilation 1, pooling 1, full width.

    Args:
        stem: channels of the first downsampler, at 1/2 resolution.
        widths: full channel width of each stage.
        depths: candidate depths of each stage, ascending.
        dilations: candidate dilation rates of an operator, ascending.
        poolings: candidate pooling factors of an operator: 1 (none), 2 (2x2 average pooling, bilinear upsampling back).
        span: widest minus narrowest candidate width, in channels.
        step: difference between neighbouring candidate widths, in channels.
        search: the searched dimensions, a subset of ``DIMENSIONS``.

    Raises:
        InputError: a value that does not make a space, named with its key.
    """

    stem: int
    widths: tuple[int, ...]
    depths: tuple[tuple[int, ...], ...]
    dilations: tuple[int, ...]
    poolings: tuple[int, ...]
    span: int
    step: int
    search: tuple[str, ...] = DIMENSIONS

    def __post_init__(self) -> None:
        set_field = object.__setattr__  # tuples replace the lists of YAML and JSON
        for key in ("widths", "dilations", "poolings"):
            set_field(self, key, _listed(key, getattr(self, key)))
        set_field(self, "depths", tuple(_listed("depths", stage) for stage in _listed("depths", self.depths)))
        set_field(self, "search", _listed("search", self.search))
        unknown = [name for name in self.search if name not in DIMENSIONS]
        if unknown:
            raise InputError(f"space.search: unknown dimension {unknown[0]!r}; choose from {', '.join(DIMENSIONS)}")
        set_field(self, "search", tuple(name for name in DIMENSIONS if name in self.search))
        self._check()

    def _check(self) -> None:
        lists = (self.widths, self.dilations, self.poolings, *self.depths)
        numbers = (self.stem, self.step, *chain(*lists))
        if any(type(n) is not int or not 1 <= n <= LARGEST for n in numbers):
            expected = f"whole numbers of at least 1 (and at most {LARGEST}), got {numbers}"
            raise InputError(f"space: stem, step, widths, depths, dilations and poolings must be {expected}")
        if len(self.widths) != 2 or len(self.depths) != 2:
            raise InputError("space.widths and space.depths: give one entry for each of the two stages")
        for key, candidates in zip(("dilations", "poolings", "depths", "depths"), lists[1:], strict=True):
            if not candidates or list(candidates) != sorted(set(candidates)):
                raise InputError(f"space.{key}: {list(candidates)} must be ascending and without repetition")
        if self.dilations[0] != 1 or self.poolings[0] != 1 or self.poolings[-1] > 2:
            raise InputError("space.dilations must begin with 1 (the baseline), and space.poolings be [1] or [1, 2]")
        if not isinstance(self.span, int) or self.span < 0 or self.span % self.step:
            raise InputError(f"space.span: {self.span} is no multiple of space.step {self.step}")
        for width in self.widths:
            if width % self.step:
                raise InputError(f"space.widths: {width} is no multiple of space.step {self.step}")
            if width <= self.span:
                raise InputError(f"space.widths: {width} must exceed space.span {self.span}")
        self._check_total()
        if not self.stem < self.widths[0] < self.widths[1] or self.stem <= 3:
            given = f"stem {self.stem} and widths {list(self.widths)}"
            raise InputError(f"space: channels must grow, 3 < stem < widths, got {given}")

    def _check_total(self) -> None:
        widths, operators = self.span // self.step + 1, len(self.dilations) * len(self.poolings)
        forms = operators * widths**2
        candidates = sum(depths[-1] for depths in self.depths) * operators * (1 + 2 * widths)
        limits = ((forms, MOST_FORMS, "forms of a layer"), (candidates, MOST_CANDIDATES, "candidates"))
        for number, most, what in limits:
            if number > most:
                fix = "fewer dilations or depths, a smaller span or a larger step"
                raise InputError(f"space: {number:,} {what} are too many, at most {most:,}; give {fix}")

    @classmethod
    def paper(cls, search: tuple[str, ...] = DIMENSIONS) -> "SpaceConfig":
        """Tables 1 and 2 of the SSR paper: 359 choices, 3240 architecture parameters."""
        return cls(16, (64, 128), ((3, 4, 5, 6, 7), (6, 7, 8, 9, 10)), (1, 2, 4, 8, 16), (1, 2), 32, 4, search)

    @classmethod
    def compact(cls, search: tuple[str, ...] = DIMENSIONS) -> "SpaceConfig":
        """Small enough to search on two CPU cores in minutes."""
        return cls(16, (32, 64), ((1, 2, 3), (2, 3, 4)), (1, 2, 4, 8), (1, 2), 16, 4, search)

    @classmethod
    def preset(cls, name: str, search: tuple[str, ...] = DIMENSIONS, **overrides: Any) -> "SpaceConfig":
        """The space called ``name`` with some fields replaced.

        Raises:
            InputError: an unknown name, or fields that do not make a space.
        """
        presets = {"compact": cls.compact, "paper": cls.paper}
        if name not in presets:
            raise InputError(f"space.preset: unknown {name!r}; choose from {', '.join(presets)}")
        return cls(**{**asdict(presets[name]()), "search": tuple(search), **overrides})

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "SpaceConfig":
        """Inverse of ``dataclasses.asdict``, for JSON.

        Raises:
            InputError: a missing or unknown key, or a value that does not make a space.
        """
        names = {field.name for field in fields(cls)}
        if not isinstance(data, Mapping) or set(data) != names:
            raise InputError(f"space: expected exactly the keys {', '.join(sorted(names))}")
        try:
            return cls(**data)
        except TypeError as error:
            raise InputError(f"space: {error}") from None

    @property
    def baseline_depths(self) -> tuple[int, ...]:
        """The middle candidate of each stage's depths (5 and 8 in the paper's space)."""
        return tuple(depths[(len(depths) - 1) // 2] for depths in self.depths)

    @property
    def depth_candidates(self) -> tuple[tuple[int, ...], ...]:
        """The depths that a search chooses from, a tuple for each stage; one candidate where depth is not searched."""
        return self.depths if "depth" in self.search else tuple((depth,) for depth in self.baseline_depths)

    @property
    def layers(self) -> tuple[int, ...]:
        """Layers of the super-network in each stage: the deepest candidate."""
        return tuple(depths[-1] for depths in self.depth_candidates)

    @property
    def operators(self) -> tuple[tuple[int, int], ...]:
        """The (dilation, pooling) pairs that a layer chooses from."""
        dilations = self.dilations if "dilation" in self.search else (1,)
        poolings = self.poolings if "pooling" in self.search else (1,)
        return tuple((dilation, pooling) for pooling in poolings for dilation in dilations)

    def stage_widths(self, stage: int) -> tuple[int, ...]:
        """All candidate widths of a stage (0 or 1), ascending, whether or not width is searched."""
        full = self.widths[stage]
        return tuple(range(full - self.span, full + 1, self.step))

    def width_candidates(self, stage: int) -> tuple[int, ...]:
        """The widths that a search chooses from in a stage (0 or 1), ascending."""
        return self.stage_widths(stage) if "width" in self.search else (self.widths[stage],)

    def sizes(self) -> dict[str, float]:
        """How large the searched space is.

        Returns:
            ``choices`` and ``architecture_parameters`` (choices with one candidate are none), ``entropy_nats`` at the
            start, ``log10_supernet_configurations``: widths^2 per operator of every layer, plus the product of the
            depth counts, as the paper prints it (81^170 + 5*5), and ``log10_networks``: distinct networks that can be
            derived, a sum over depths.
        """
        layers, operators, widths = sum(self.layers), len(self.operators), len(self.width_candidates(0))
        depths = [len(candidates) for candidates in self.depth_candidates]
        widths_chosen = 2 * layers * operators
        choices = [(count, 1) for count in depths] + [(operators, layers), (widths, widths_chosen)]
        choices = [(candidates, times) for candidates, times in choices if candidates > 1]
        configurations = [widths_chosen * math.log10(widths)]
        if "depth" in self.search:
            configurations.append(math.log10(math.prod(depths)))
        a_layer = math.log10(operators * widths**2)
        networks = [_log10_sum([depth * a_layer for depth in candidates]) for candidates in self.depth_candidates]
        return {
            "choices": sum(times for _, times in choices),
            "architecture_parameters": sum(candidates * times for candidates, times in choices),
            "log10_supernet_configurations": _log10_sum(configurations),
            "log10_networks": sum(networks),
            "entropy_nats": sum(math.log(candidates) * times for candidates, times in choices),
        }


def _log10_sum(logarithms: Sequence[float]) -> float:
    """Decimal logarithm of a sum, of the logarithms of its terms: the terms may have millions of digits."""
    largest = max(logarithms)
    return largest + math.log10(sum(10.0 ** (logarithm - largest) for logarithm in logarithms))


def _listed(key: str, value: Any) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise InputError(f"space.{key}: expected a list, got {value!r}")
    return tuple(value)


def operator_name(dilation: int, pooling: int) -> str:
    """Label of an operator, such as ``d4s2``: dilation rate 4, pooling factor 2."""
    return f"d{dilation}s{pooling}"
