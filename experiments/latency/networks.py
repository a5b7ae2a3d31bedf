"""The files of a plan's networks, written by the exporter for the engine that runs them."""

from collections.abc import Hashable, Sequence
from functools import partial
from itertools import islice
from pathlib import Path

import torch
from torch import nn

from experiments.export.timed_file import FILE_ENGINES, write_timed
from experiments.latency.measuring import Writer
from experiments.latency.plan import Plan, kinds
from experiments.runtime.interface import Interface
from nas_space.architecture import Architecture, Layer
from nas_space.blocks import ResidualLayer
from nas_space.config import Head, SpaceConfig
from nas_space.latency import all_operators, grid_widths
from nas_space.lowering import Lowering, lower
from nas_space.network import SegmentationNetwork

FEW = 5  # measured widths of a convolution where all would be too many networks
MANY = 256  # networks
PATTERN = 256  # weights after which they repeat: a bundle of files then packs to a hundredth
CALIBRATION_IMAGES = 1  # of noise: the form of an 8-bit file does not depend on them


def make_plan(
    space: SpaceConfig,
    size: tuple[int, int],
    classes: int,
    head: Head,
    interface: Interface,
    engine: str,
    precision: str,
) -> Plan:
    """What is measured for a table; arguments as of ``Plan``.

    All widths are measured where that takes at most ``MANY`` networks, else ``FEW`` of each convolution.
    """
    lowering, stages = FILE_ENGINES[engine].fastest, range(len(space.widths))
    for points in (max(len(space.stage_widths(stage)) for stage in stages), FEW):
        widths = tuple(grid_widths(space.stage_widths(stage), max(points, 2)) for stage in stages)
        layers, places = _share(space, widths, lowering)
        if len(layers) <= MANY:
            break
    return Plan(space, size, classes, head, interface, engine, precision, widths, layers, places)


def _share(
    space: SpaceConfig, widths: Sequence[Sequence[int]], lowering: Lowering
) -> tuple[tuple[tuple[int, Layer], ...], tuple[tuple[tuple[tuple[int, ...], ...], ...], ...]]:
    """One layer for all that have the same file, and the number of the one that stands for each."""
    layers: list[tuple[int, Layer]] = []
    places = []
    for stage, channels in enumerate(space.widths):
        numbers: dict[Hashable, int] = {}
        of_layers = []
        for layer in kinds(space, widths, stage):
            form = (layer.dilation, layer.pooling, *exported_shapes(channels, layer, lowering))
            if form not in numbers:
                layers.append((stage, layer))
                numbers[form] = len(layers)
            of_layers.append(numbers[form])
        count, rest = len(widths[stage]), iter(of_layers)
        grid = tuple(tuple(tuple(islice(rest, count)) for _ in range(count)) for _ in all_operators(space))
        places.append(grid)
    return tuple(layers), tuple(places)


def exported_shapes(channels: int, layer: Layer, lowering: Lowering) -> tuple[torch.Size, ...]:
    """Shapes of a layer's weights in its file: with its dilation and pooling they decide how long it takes."""
    with torch.random.fork_rng(devices=[]):
        lowered = lower(ResidualLayer(channels, **vars(layer)), lowering)
    return tuple(parameter.shape for parameter in lowered.parameters())


def writers(plan: Plan) -> list[Writer]:
    """What writes each of the plan's networks."""
    return [partial(_write, plan, architecture) for architecture in plan.networks()]


def _write(plan: Plan, architecture: Architecture, folder: Path) -> Path:
    network = patterned(SegmentationNetwork, architecture, plan.classes, plan.head)
    return write_timed(
        network, plan.engine, plan.precision, plan.size, folder, plan.interface, calibration=CALIBRATION_IMAGES
    )


def patterned(build: type[nn.Module], *arguments: object) -> nn.Module:
    """A module whose weights repeat, and are the same each time. Torch's random state is left as it is."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        module = build(*arguments).eval()
        for parameter in module.parameters():
            flat = parameter.view(-1)
            flat.copy_(flat[:PATTERN].repeat(-(-len(flat) // PATTERN))[: len(flat)])
    return module
