"""The finished searches that are compared in a landscape."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments.landscape.groups import deciding
from experiments.landscape.ruler import FoundNetwork, group_of
from experiments.landscape.table import Landscape
from experiments.runs.files import plain
from experiments.runs.folder import CONFIG, read_config, read_summary
from experiments.runs.probabilities import PROBABILITIES, read_probabilities
from experiments.search.comparison import strategy_label
from nas_space.architecture import Architecture
from nas_space.config import SpaceConfig
from nas_space.errors import InputError
from nas_space.expected_cost import Probabilities


def run_folders(given: Sequence[str]) -> tuple[dict[str, Path], list[Path]]:
    """The run folders of searches; a comparison's folder stands for all searches in it.

    Returns:
        Those of finished searches by name, and those of a comparison's that are not finished.

    Raises:
        InputError: a folder that is neither, or a run that is named twice.
    """
    folders: list[Path] = []
    unfinished: list[Path] = []
    for text in given:
        folder = Path(text)
        inside = sorted(path.parent for path in (folder / "search").glob("*/search.json"))
        if not (folder / "search.json").is_file() and not inside:
            begun = read_config(folder) if (folder / CONFIG).is_file() else {}
            searches = begun.keys() & {"strategy", "strategies"}
            kind = "an unfinished run" if searches else "no run of a search, and no comparison"
            raise InputError(f"--runs {folder}: {kind}; give folders that hold a search.json")
        folders += inside or [folder]
        if inside:
            unfinished += unfinished_searches(folder, "search.json")
    resolved = [folder.resolve() for folder in folders]
    for folder in resolved:
        if resolved.count(folder) > 1:
            raise InputError(f"--runs {folder}: is named twice; leave it out")
    return dict(zip(_names(resolved), folders, strict=True)), unfinished


def unfinished_searches(folder: Path, proof: str) -> list[Path]:
    """The searches of a comparison that have begun or are planned, and have not ended.

    Args:
        folder: the comparison's.
        proof: the file that a search leaves at its end.
    """
    begun = [path.name for path in sorted((folder / "search").iterdir()) if path.is_dir()]
    options = read_config(folder) if (folder / CONFIG).is_file() else {}
    strategies, seeds = (options.get(key) for key in ("strategies", "seeds"))
    planned = (
        [f"{strategy_label(str(strategy))}-{seed}" for strategy in strategies for seed in seeds]
        if isinstance(strategies, list) and isinstance(seeds, list)
        else []
    )
    searches = [folder / "search" / name for name in dict.fromkeys([*planned, *begun])]
    return [search for search in searches if not (search / proof).is_file()]


def left_out(unfinished: Sequence[Path]) -> str:
    """What to tell about searches that are not looked at."""
    return f"left out, for they are not finished: {', '.join(map(str, unfinished))}"


def _names(folders: Sequence[Path]) -> list[str]:
    """As many last parts of each path as tell it from the others."""
    for parts in range(1, max((len(folder.parts) for folder in folders), default=0)):
        names = ["/".join(folder.parts[-parts:]) for folder in folders]
        if len(set(names)) == len(names):
            return names
    return [str(folder) for folder in folders]


def read_found(name: str, folder: Path, landscape: Landscape) -> FoundNetwork[Architecture, Probabilities]:
    """What the search in a folder has found.

    Raises:
        InputError: a file is missing or damaged, or the search had another space than the landscape.
    """
    summary = read_summary(folder / "search.json", ("strategy", "seed"))
    if "space" not in summary:
        what = f"its space is {summary.get('world', 'not told')}, and the landscape {landscape.name} has our own"
        raise InputError(f"{folder}: {what}; give the search's own table as --landscape")
    try:
        space = SpaceConfig.from_dict(summary["space"])
    except InputError as error:
        raise InputError(f"{folder / 'search.json'}: {error}; remove the file and repeat the search") from None
    check_space(space, landscape, f"{folder}: its space")
    architecture, read = Architecture.load(folder), read_probabilities(folder, space)
    config = read_config(folder) if (folder / CONFIG).is_file() else {}
    data = config.get("data")
    epochs, probabilities = ((), None) if read is None else (read[0].tolist(), read[1])
    strategy = str(summary["strategy"])
    group = group_of(name, summary["seed"])
    return FoundNetwork(
        name,
        strategy,
        group,
        architecture,
        epochs,
        probabilities,
        data if isinstance(data, Mapping) else {},
        deciding(config),
    )


def check_space(space: SpaceConfig, landscape: Landscape, what: str) -> None:
    """Refuse a space that is not the landscape's.

    Args:
        space: of a search.
        landscape: where its choice is looked up.
        what: begins the message.

    Raises:
        InputError: they differ, with the first difference, and the options that give the landscape's space.
    """
    differing = [key for key, value in vars(landscape.space).items() if getattr(space, key) != value]
    if not differing:
        return
    key = differing[0]
    own, other = (_option(getattr(one, key)) for one in (space, landscape.space))
    keys = " ".join(f"--space.{key} {_option(getattr(landscape.space, key))}" for key in differing)
    raise InputError(
        f"{what} has {key} {own}, and the landscape {landscape.name} {other}; "
        f"search with {keys}, or give another --landscape"
    )


def _option(value: Any) -> str:
    """A part of a space as the command line takes it."""
    if not isinstance(value, tuple):
        return str(value)
    flat = not any(isinstance(each, tuple) for each in value)
    return ",".join(map(str, value)) if flat else f"'{json.dumps(plain(value))}'"


def differences(found: FoundNetwork[Architecture, Probabilities], landscape: Landscape) -> list[str]:
    """Options of the data, in words, with which the search and the landscape differ: they decide what is true."""
    told = landscape.facts["data"]
    keys = [key for key in ("name", "size", "limit") if key in found.data and found.data[key] != told.get(key)]
    return [f"data.{key} {_shown(key, found.data[key])} (landscape: {_shown(key, told.get(key))})" for key in keys]


def _shown(key: str, value: Any) -> Any:
    return ("all" if key == "limit" else "not told") if value is None else value


def probabilities_missing(found: FoundNetwork[Any, Any]) -> bool:
    """Whether a differentiable search has left no probabilities, as one of an earlier version."""
    from strategies.registry import MULTI_TRIAL

    return found.probabilities is None and found.strategy not in MULTI_TRIAL


MISSING_NOTE = f"has no {PROBABILITIES} (of an earlier version): its correlation is not known"
