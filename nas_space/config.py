"""The search space as data: candidate depths, dilations, poolings and widths, and which of them are searched."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import chain
from typing import Any, Literal

from nas_space.errors import InputError

LARGEST = 4096  # of every number of a space: far beyond any network
MOST_FORMS = 2**22  # of a layer: its operators times pairs of widths; a table of costs holds each, 32 MiB
MOST_CANDIDATES = 2**20  # of all choices together; a search keeps a number for each (the paper's space has 3240)
DIMENSIONS = ("dilation", "pooling", "width", "depth")
PRESETS = ("compact", "paper", "pyramid")
Head = Literal["encoder", "aggregation", "fusion"]
LEAST_STAGES, MOST_STAGES = 2, 4  # searched stages of a space
WIDTH_KEYS = ("width_3x1", "width_1x3")  # the searched widths of an operator, as labels and fields
PYRAMID_BINS = (1, 2, 3, 6)  # sides of the grids that the aggregation head pools the deepest stage to


@dataclass(frozen=True)
class SpaceConfig:
    """A chain of two to four searched stages, at 1/4, 1/8, 1/16 and 1/32 of the input resolution.

    The SSR paper's two (Tables 1 and 2) are a ``preset``. Stages may have different numbers of depths and widths.

    The candidate lists always describe the whole space; ``search`` says which dimensions vary. A dimension that is not
    searched stays at its baseline: middle depth, dilation 1, pooling 1, full width.

    Args:
        stem: channels of the first downsampler, at 1/2 resolution.
        widths: full channel width of each stage.
        depths: candidate depths of each stage, ascending.
        dilations: candidate dilation rates of an operator, ascending.
        poolings: candidate pooling factors of an operator: 1 (none), 2 (2x2 average pooling, bilinear upsampling back).
        span: widest minus narrowest candidate width, in channels: one number, or one for each stage. Equal ones become
            one number.
        step: difference between neighbouring candidate widths, in channels, given like ``span``.
        search: the searched dimensions, a subset of ``DIMENSIONS``.

    Raises:
        InputError: a value that does not make a space, named with its key.
    """

    stem: int
    widths: tuple[int, ...]
    depths: tuple[tuple[int, ...], ...]
    dilations: tuple[int, ...]
    poolings: tuple[int, ...]
    span: int | tuple[int, ...]
    step: int | tuple[int, ...]
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
        for key in ("span", "step"):
            set_field(self, key, self._one_or_each(key, getattr(self, key)))
        self._check()

    def _one_or_each(self, key: str, value: Any) -> Any:
        """A number for all stages as it is, a list of one for each as a tuple, or as one number where all are equal."""
        if not isinstance(value, list | tuple):
            return value
        if not value or any(type(number) is not int for number in value) or len(value) not in (1, len(self.widths)):
            each = f"or one for each of the {len(self.widths)} stages"
            raise InputError(f"space.{key}: {list(value)}: give one whole number, {each}")
        return value[0] if len(set(value)) == 1 else tuple(value)

    def _check(self) -> None:
        lists = (self.widths, self.dilations, self.poolings, *self.depths)
        steps = self.step if isinstance(self.step, tuple) else (self.step,)
        numbers = (self.stem, *steps, *chain(*lists))
        if any(type(n) is not int or not 1 <= n <= LARGEST for n in numbers):
            expected = f"whole numbers of at least 1 (and at most {LARGEST}), got {numbers}"
            raise InputError(f"space: stem, step, widths, depths, dilations and poolings must be {expected}")
        if not LEAST_STAGES <= len(self.widths) == len(self.depths) <= MOST_STAGES:
            given = f"got {len(self.widths)} and {len(self.depths)}"
            raise InputError(f"space.widths and space.depths: give one entry for each of two to four stages, {given}")
        for key, candidates in zip(("dilations", "poolings", *["depths"] * len(self.depths)), lists[1:], strict=True):
            if not candidates or list(candidates) != sorted(set(candidates)):
                raise InputError(f"space.{key}: {list(candidates)} must be ascending and without repetition")
        if self.dilations[0] != 1 or self.poolings[0] != 1 or self.poolings[-1] > 2:
            raise InputError("space.dilations must begin with 1 (the baseline), and space.poolings be [1] or [1, 2]")
        for width, span, step in zip(self.widths, self.spans, self.steps, strict=True):
            if not isinstance(span, int) or span < 0 or span % step:
                raise InputError(f"space.span: {span} is no multiple of space.step {step}")
            if width % step:
                raise InputError(f"space.widths: {width} is no multiple of space.step {step}")
            if width <= span:
                raise InputError(f"space.widths: {width} must exceed space.span {span}")
        self._check_total()
        channels = (3, self.stem, *self.widths)
        if list(channels) != sorted(set(channels)):
            given = f"stem {self.stem} and widths {list(self.widths)}"
            raise InputError(f"space: channels must grow, 3 < stem < widths, got {given}")

    def _check_total(self) -> None:
        widths, operators = [len(self.stage_widths(i)) for i in self.stages], len(self.dilations) * len(self.poolings)
        forms = operators * max(widths) ** 2
        candidates = sum(
            depths[-1] * operators * (1 + 2 * count) for depths, count in zip(self.depths, widths, strict=True)
        )
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
    def pyramid(cls, search: tuple[str, ...] = DIMENSIONS) -> "SpaceConfig":
        """Four stages, down to stride 32: for the latency of small networks from the shelf (results/pyramid.md)."""
        depths = ((1, 2, 3, 4), (1, 2, 3, 4, 5, 6), (1, 2, 3, 4, 5, 6, 7, 8, 9), (1, 2, 3, 4, 5, 6))
        span, step = (32, 64, 96, 128), (8, 16, 32, 32)
        return cls(16, (48, 96, 160, 224), depths, (1, 2, 4, 8), (1, 2), span, step, search)

    @classmethod
    def preset(cls, name: str, search: tuple[str, ...] = DIMENSIONS, **overrides: Any) -> "SpaceConfig":
        """The space called ``name`` with some fields replaced.

        Raises:
            InputError: an unknown name, or fields that do not make a space.
        """
        if name not in PRESETS:
            raise InputError(f"space.preset: unknown {name!r}; choose from {', '.join(PRESETS)}")
        return cls(**{**asdict(getattr(cls, name)()), "search": tuple(search), **overrides})

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
    def preset_name(self) -> str | None:
        """The preset that this space is, whatever is searched; None where it is none."""
        return next((name for name in PRESETS if SpaceConfig.preset(name, self.search) == self), None)

    @property
    def stages(self) -> range:
        """The numbers of the stages, from 0 at 1/4 of the input resolution."""
        return range(len(self.widths))

    @property
    def spans(self) -> tuple[int, ...]:
        """``span`` of each stage."""
        return self.span if isinstance(self.span, tuple) else (self.span,) * len(self.widths)

    @property
    def steps(self) -> tuple[int, ...]:
        """``step`` of each stage."""
        return self.step if isinstance(self.step, tuple) else (self.step,) * len(self.widths)

    @property
    def heads(self) -> tuple[Head, Head]:
        """The head of a search, whose logits lie at 1/8, and that of a finished network, whose logits lie at 1/4."""
        return "encoder" if len(self.widths) == 2 else "fusion", "aggregation"

    def head_named(self, name: str | None, key: str = "head") -> Head:
        """The head of this name; absent, that of a search. ``encoder`` is that of a search in every space.

        Raises:
            InputError: networks of this space have no such head. ``key`` is the option that the message names.
        """
        for head in self.heads:
            if head == name:
                return head
        if name in (None, "encoder"):
            return self.heads[0]
        raise InputError(f"{key}: this space has no {name!r}; choose from {', '.join(self.heads)}")

    @property
    def smallest_side(self) -> int:
        """Least height and width of an image, in pixels."""
        return smallest_side(len(self.widths))

    @property
    def most_widths(self) -> int:
        """Candidate widths of the stage that searches most of them: masks and tables have room for so many."""
        return max(len(self.width_candidates(stage)) for stage in self.stages)

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
        """All candidate widths of a stage (from 0), ascending, whether or not width is searched."""
        full = self.widths[stage]
        return tuple(range(full - self.spans[stage], full + 1, self.steps[stage]))

    def width_candidates(self, stage: int) -> tuple[int, ...]:
        """The widths that a search chooses from in a stage (from 0), ascending."""
        return self.stage_widths(stage) if "width" in self.search else (self.widths[stage],)

    def sizes(self) -> dict[str, float]:
        """How large the searched space is.

        Returns:
            ``choices`` and ``architecture_parameters`` (choices with one candidate are none), ``entropy_nats`` at the
            start, ``log10_supernet_configurations``: widths^2 per operator of every layer, plus the product of the
            depth counts, as the paper prints it (81^170 + 5*5), and ``log10_networks``: distinct networks that can be
            derived, a sum over depths.
        """
        operators, depths = len(self.operators), [len(candidates) for candidates in self.depth_candidates]
        widths: Counter[int] = Counter()  # number of candidates -> choices that have so many
        for stage, layers in enumerate(self.layers):
            widths[len(self.width_candidates(stage))] += 2 * layers * operators
        choices = [(count, 1) for count in depths] + [(operators, sum(self.layers)), *widths.items()]
        choices = [(candidates, times) for candidates, times in choices if candidates > 1]
        configurations = [sum(times * math.log10(count) for count, times in widths.items())]
        if "depth" in self.search:
            configurations.append(math.log10(math.prod(depths)))
        networks = []
        for stage, candidates in enumerate(self.depth_candidates):
            a_layer = math.log10(operators * len(self.width_candidates(stage)) ** 2)
            networks.append(_log10_sum([depth * a_layer for depth in candidates]))
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


def smallest_side(stages: int) -> int:
    """Least height and width of an image for a network of ``stages`` stages: two cells of the deepest, at least 32."""
    return max(32, 2 * 2 ** (stages + 1))


def check_size(name: str, size: tuple[int, int], stages: int) -> None:
    """Refuse an image that is too small for a network.

    Args:
        name: what to call the size: its option.
        size: height and width of the image, in pixels.
        stages: searched stages of the network.

    Raises:
        InputError: a side is too small.
    """
    least = smallest_side(stages)
    if min(size) < least:
        why = f"both sides must be at least {least} pixels for {stages} stages"
        raise InputError(f"{name}: {size[0]}x{size[1]}: {why}")


def operator_name(dilation: int, pooling: int) -> str:
    """Label of an operator, such as ``d4s2``: dilation rate 4, pooling factor 2."""
    return f"d{dilation}s{pooling}"
