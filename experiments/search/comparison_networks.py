"""The networks of a comparison that no search has found: hand-made ones, random ones, and random ones of equal cost."""

import random
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from experiments.runs.files import write_atomic
from experiments.search.comparison import ComparisonOptions
from nas_space.architecture import Architecture
from nas_space.config import SpaceConfig
from nas_space.cost import cost
from nas_space.scaling import parse_scaled


def reference_networks(
    options: ComparisonOptions, resolve: Callable[[str, SpaceConfig], Architecture]
) -> dict[str, Architecture]:
    """The hand-made networks by name; a scaled one that an earlier call has made stays what it was.

    Args:
        options: of the comparison.
        resolve: makes a network from its name and the space.
    """
    networks, space = {}, options.space.resolve()
    for name in options.references:
        file = Path(options.out) / "networks" / f"{name}.json"
        made = parse_scaled(name) is not None and file.is_file()
        networks[name] = Architecture.load(file) if made else resolve(name, space)
    return networks


def write_networks(
    folder: Path, options: ComparisonOptions, searches: Iterable[str], references: Mapping[str, Architecture]
) -> dict[str, Path]:
    """Write the networks to retrain beside the found ones into ``networks/``.

    Args:
        folder: of the comparison, with the finished searches.
        options: of the comparison.
        searches: names of the searches.
        references: of ``reference_networks``.

    Returns:
        The architecture files of all networks to retrain, the found ones first, by name.
    """
    networks = {name: folder / "search" / name / "architecture.json" for name in searches}
    space = options.space.resolve()
    added = dict(references)
    added |= {f"random-{i}": Architecture.random(space, random.Random(i)) for i in range(options.random)}
    if options.matched:
        for name, file in networks.items():
            added[f"matched-{name}"] = matched(Architecture.load(file), options.cost_size, name)
    (folder / "networks").mkdir(exist_ok=True)
    for name, architecture in added.items():
        networks[name] = folder / "networks" / f"{name}.json"
        write_atomic(networks[name], architecture.to_json())
    return networks


def matched(
    architecture: Architecture, size: tuple[int, int], seed: str, share: float = 0.9, draws: int = 10_000
) -> Architecture:
    """A random network of the same space that costs as much as ``architecture``, and no more.

    Args:
        architecture: whose multiply-accumulates are the limit.
        size: height and width of the image at which they are counted.
        seed: of the draws.
        share: of the limit that is reached at least.
        draws: networks drawn at most.

    Returns:
        The first that fits; if none does, the one that comes nearest from below, or the cheapest drawn.
    """
    generator = random.Random(seed)
    limit = cost(architecture, size, 1).macs_total  # classes do not matter: the classifier is the same everywhere
    best: tuple[tuple[bool, float], Architecture] | None = None
    for _ in range(draws):
        drawn = Architecture.random(architecture.space, generator)
        macs = cost(drawn, size, 1).macs_total
        if share * limit <= macs <= limit:
            return drawn
        rank = (True, macs) if macs <= limit else (False, -macs)
        if best is None or rank > best[0]:
            best = rank, drawn
    assert best is not None
    return best[1]
