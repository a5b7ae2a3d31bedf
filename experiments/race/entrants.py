"""The networks of a race, by what a user calls them."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.landscape.runs import unfinished_searches
from experiments.runs.files import write_json
from experiments.runs.folder import CONFIG, read_summary
from experiments.runs.shipped import find_network
from nas_space.architecture import Architecture, Layer
from nas_space.errors import InputError
from nas_space.scaling import REFERENCES, parse_scaled

ENTRANTS = "entrants.json"
ARCHITECTURE = "architecture.json"


@dataclass(frozen=True)
class Entrant:
    """A network of a race.

    Args:
        names: what it is called; several where the same network was given several times. The first one counts.
        architecture: the network.
    """

    names: tuple[str, ...]
    architecture: Architecture

    @property
    def name(self) -> str:
        """What it is called in tables."""
        return self.names[0]


def find_entrants(given: Sequence[str], resolve: Callable[[str], Architecture]) -> list[Entrant]:
    """The different networks that are given, in order.

    Args:
        given: files, folders and names of hand-made networks.
        resolve: makes the network of such a name; called when all files have been read.

    Raises:
        InputError: one does not exist or holds no network, or there are fewer than two different ones.
    """
    found: dict[str | Path, Architecture | None] = {}
    for text in given:
        if text in REFERENCES or parse_scaled(text) is not None:
            found[text] = None
        else:
            found |= {file.resolve(): Architecture.load(file) for file in _files(Path(text))}
    architectures = [resolve(str(one)) if network is None else network for one, network in found.items()]
    names: dict[tuple[Any, ...], list[str]] = {}
    networks: dict[tuple[Any, ...], Architecture] = {}
    for name, network in zip(_names(list(found)), architectures, strict=True):
        names.setdefault(content_of(network), []).append(name)
        networks.setdefault(content_of(network), network)
    if len(networks) < 2:
        what = f"{', '.join(given)}: hold one network" if networks else "hold no network"
        raise InputError(f"entrants: {what}; a race needs at least two different ones")
    return [Entrant(tuple(names[content]), network) for content, network in networks.items()]


def find_unfinished(given: Sequence[str]) -> list[Path]:
    """The searches of the comparisons among the given folders that have found no network yet."""
    folders = [Path(text) for text in given if (Path(text) / "search").is_dir()]
    comparisons = [folder for folder in folders if not (folder / ARCHITECTURE).is_file()]
    return [search for folder in comparisons for search in unfinished_searches(folder, ARCHITECTURE)]


def content_of(network: Architecture) -> tuple[int, tuple[int, ...], tuple[tuple[Layer, ...], ...]]:
    """What the network is, whatever else its space contains."""
    return network.space.stem, network.space.widths, network.stages


def _files(path: Path) -> list[Path]:
    """The architecture files that a path stands for."""
    path = find_network(path)
    if not path.is_dir():
        return [path]
    if (path / ARCHITECTURE).is_file():
        return [path / ARCHITECTURE]
    files = sorted(path.glob(f"search/*/{ARCHITECTURE}"))
    if not files and path.absolute().name == "snapshots":
        files = sorted(path.glob("*.json"))
    if not files:
        begun = (path / CONFIG).is_file() and not (path / "landscape.json").is_file()  # which has no network
        kind = "an unfinished run" if begun else "no run, comparison or folder of snapshots"
        raise InputError(f"entrants: {path}: {kind}; give folders or files that hold a network")
    return files


def _names(found: Sequence[str | Path]) -> list[str]:
    """Of each file as many last parts of its path as tell it from the others; a hand-made network is called as given.

    A run's ``architecture.json`` is called as its folder.
    """
    parts = [
        (one,) if isinstance(one, str) else (one.parent if one.name == ARCHITECTURE else one.with_suffix("")).parts
        for one in found
    ]
    names = []
    for place, own in enumerate(parts):
        others = [other for i, other in enumerate(parts) if i != place]
        length = next((n for n in range(1, len(own)) if all(other[-n:] != own[-n:] for other in others)), len(own))
        names.append("/".join(own[-length:]))
    return names


def write_entrants(folder: Path, entrants: Sequence[Entrant]) -> None:
    """Keep the networks: a race goes on with them, whatever becomes of the files that they were read from."""
    rows = [{"names": one.names, "architecture": json.loads(one.architecture.to_json())} for one in entrants]
    write_json(folder / ENTRANTS, {"entrants": rows})


def read_entrants(folder: Path) -> list[Entrant]:
    """What ``write_entrants`` wrote.

    Raises:
        InputError: the file is damaged.
    """
    content = read_summary(folder / ENTRANTS, ("entrants",))["entrants"]
    fix = "remove it, and the same command reads the networks again"
    try:
        entrants = [
            Entrant(tuple(map(str, row["names"])), Architecture.from_json(json.dumps(row["architecture"])))
            for row in content
        ]
        names = {one.name for one in entrants}
    except (IndexError, KeyError, TypeError, InputError) as error:
        raise InputError(f"{folder / ENTRANTS}: cannot be read ({type(error).__name__}); {fix}") from None
    if len(names) < max(len(entrants), 2):
        raise InputError(f"{folder / ENTRANTS}: holds fewer than two networks, or two of one name; {fix}")
    return entrants
