"""The known worlds: a space in NNI's mutables, and the file of its table."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from experiments.landscape.known_space import NAS_BENCH_201, NAS_BENCH_MACRO, KnownSpace

if TYPE_CHECKING:
    from nni.nas.nn.pytorch import ModelSpace


@dataclass
class Sizes:
    """How wide and deep the networks are, in both worlds.

    Args:
        cell_channels: of the first cell of NAS-Bench-201 (the benchmark: 16).
        cells: of each of its three stages (the benchmark: 5).
        chain_channels: of the first convolution of NAS-Bench-Macro (the benchmark: 32).
        chain_last: channels before its classifier (the benchmark: 1280).
    """

    cell_channels: int = 8
    cells: int = 1
    chain_channels: int = 8
    chain_last: int = 320


@dataclass(frozen=True)
class World:
    """A space whose networks' accuracies are known.

    Args:
        space: its choices, and how its table writes a network.
        table: name of the table's file.
        make: the space in NNI's mutables, with 10 classes.
    """

    space: KnownSpace
    table: str
    make: Callable[[Sizes], "ModelSpace"]


def _cells(sizes: Sizes) -> "ModelSpace":
    import nni.nas.strategy  # noqa: F401  # first: NNI's packages import each other in a circle
    from nni.nas.hub.pytorch import NasBench201

    return NasBench201(sizes.cell_channels, sizes.cells)


def _chain(sizes: Sizes) -> "ModelSpace":
    from experiments.examples.nas_bench.macro import MacroSpace

    return MacroSpace(sizes.chain_channels, sizes.chain_last)


WORLDS: Mapping[str, World] = {
    NAS_BENCH_201.name: World(NAS_BENCH_201, "nas_bench_201.csv", _cells),
    NAS_BENCH_MACRO.name: World(NAS_BENCH_MACRO, "nas_bench_macro_cifar10.json", _chain),
}
