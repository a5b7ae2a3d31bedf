"""Which networks are measured for a table, and the table from their times. No torch: a board reads a plan too.

The reference network has one layer in each stage, undilated, not pooled and of full width. For each other kind of layer
there is a network with ``COPIES`` of it behind the reference's layer: what that takes longer is the time of the layers,
in their true place, in a file as it is exported. So the table's constant and the layers add up to whole networks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from itertools import product
from typing import Any

from experiments.runtime.interface import Interface
from nas_space.architecture import Architecture, Layer
from nas_space.config import Head, SpaceConfig
from nas_space.latency import LatencyTable, all_operators

COPIES = 4  # layers of a measured chain: noise then weighs a quarter

Places = tuple[tuple[tuple[tuple[int, ...], ...], ...], ...]


@dataclass(frozen=True)
class Plan:
    """What is measured.

    Args:
        space: the space; all its operators and widths are measured, searched or not.
        size: image height and width, in pixels.
        classes: channels of the logits.
        head: of the networks.
        interface: what else lies inside their files.
        engine: what runs them.
        precision: fp32 or int8.
        widths: the measured widths of each stage, ascending.
        layers: the stage and the kind of layer of each network but the reference, in the order of the networks.
        places: ``[stage][operator][c1][c2]``: number of the network that has the layer, from 1. Layers whose files
            differ in the values of their weights alone share one.
    """

    space: SpaceConfig
    size: tuple[int, int]
    classes: int
    head: Head
    interface: Interface
    engine: str
    precision: str
    widths: tuple[tuple[int, ...], ...]
    layers: tuple[tuple[int, Layer], ...]
    places: Places

    def networks(self) -> list[Architecture]:
        """The reference, then the network of each of ``layers``."""
        stages = range(len(self.space.widths))
        space = replace(self.space, depths=tuple(tuple(range(1, COPIES + 2)) for _ in stages))
        plain = tuple((_plain(space, stage),) for stage in stages)
        networks = [Architecture(space, plain)]
        for stage, layer in self.layers:
            chain = plain[stage] + (layer,) * COPIES
            networks.append(Architecture(space, (*plain[:stage], chain, *plain[stage + 1 :])))
        return networks

    def table(
        self, milliseconds: Sequence[float], threads: int, device: str, date: str, versions: Mapping[str, str]
    ) -> LatencyTable:
        """The table.

        Args:
            milliseconds: of each of ``networks``.
            threads: threads of the engine.
            device: the processor's name.
            date: ISO 8601.
            versions: of the software, by name.
        """
        reference, *chains = milliseconds
        layers = [round(max(chain - reference, 0.0) / COPIES, 6) for chain in chains]
        grids = tuple(
            tuple(tuple(tuple(layers[place - 1] for place in row) for row in grid) for grid in operators)
            for operators in self.places
        )
        plain = sum(operators[0][-1][-1] for operators in grids)  # operator 0 is undilated and not pooled
        return LatencyTable(
            space=self.space,
            size=self.size,
            classes=self.classes,
            head=self.head,
            engine=self.engine,
            precision=self.precision,
            widths=self.widths,
            **asdict(self.interface),
            threads=threads,
            device=device,
            date=date,
            versions=versions,
            fixed_ms=round(max(reference - plain, 1e-6), 6),
            layers_ms=grids,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON; ``from_dict`` is the inverse."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Plan":
        """Read what ``to_dict`` wrote, also after a way through JSON."""
        values = {item.name: data[item.name] for item in fields(cls)}
        values["space"] = SpaceConfig.from_dict(data["space"])
        values["size"] = tuple(data["size"])
        values["interface"] = Interface(**data["interface"])
        values["layers"] = tuple((stage, Layer(**layer)) for stage, layer in data["layers"])
        values["widths"], values["places"] = _tuples(data["widths"]), _tuples(data["places"])
        return cls(**values)


def kinds(space: SpaceConfig, widths: Sequence[Sequence[int]], stage: int) -> list[Layer]:
    """All layers of a stage in the order of a table: operators, widths of the 3x1, widths of the 1x3 convolution."""
    return [
        Layer(*operator, c1, c2) for operator, c1, c2 in product(all_operators(space), widths[stage], widths[stage])
    ]


def _plain(space: SpaceConfig, stage: int) -> Layer:
    return Layer(1, 1, space.widths[stage], space.widths[stage])


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list | tuple) else value
