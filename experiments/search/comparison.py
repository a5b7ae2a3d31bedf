"""What a comparison is: its options, the searches that they ask for, and the folder that holds its runs."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from experiments.options.groups import part_of
from experiments.runs.begun import check_begun, is_begun
from experiments.runs.folder import make_folder
from experiments.search.options import SearchOptions, check_options
from nas_space.errors import InputError
from nas_space.scaling import REFERENCES, parse_scaled

FREE = {"strategies", "seeds", "references", "random", "matched", "control", "retrain_seeds", "workers", "out"}
FREE |= {"landscape", "runs"}
"""Options that may change from one call to the next: they choose runs, and do not alter one."""


@dataclass
class ComparisonOptions(SearchOptions):
    """Options of ``ssr-nas compare``; all options of ``search`` hold for each of its searches.

    Args:
        strategies: the search methods to compare.
        seeds: one search for each strategy and seed.
        references: networks to retrain beside the found ones: baseline1, baseline2, or one of these scaled to a bound,
            such as baseline2@20ms, baseline2@2.6G (MACs) or baseline2@0.5M (parameters), at cost.size.
        random: how many random networks of the space to retrain beside them.
        matched: also retrain, for each found network, a random one with 0.9 to 1 times its multiply-accumulates.
        control: also search on shuffled labels, where there is nothing to find; its networks retrain on the true ones.
        retrain_epochs: epochs of every retraining; 0 to leave it out.
        retrain_seeds: retrainings of every network, with different seeds.
        workers: runs at a time; they share the cores.
        landscape: the table of ssr-nas landscape, its folder, or the name of one that comes with the package: it tells
            where each search's choice stands among networks that are trained already.
        runs: with landscape, folders of finished searches or comparisons, which are compared in place of strategies x
            seeds; nothing is trained, and all options but out are without effect.
        out: the comparison's folder; runs that it holds are reused, unfinished ones continued.
    """

    strategies: list[str] = field(default_factory=lambda: ["ssr", "darts"])
    seeds: list[int] = field(default_factory=lambda: [0, 1, 2])
    references: list[str] = field(default_factory=lambda: ["baseline1"])
    random: int = 5
    matched: bool = False
    control: bool = False
    retrain_epochs: int = 30
    retrain_seeds: int = 1
    workers: int = 1
    landscape: str | None = None
    runs: list[str] = field(default_factory=list)
    out: str = "runs/compare"


def check_comparison(options: ComparisonOptions) -> None:
    """Everything about the options that can be wrong without reading data.

    Raises:
        InputError: the key, and what it should be.
    """
    from strategies.registry import OF_SSR

    for key, several in (("strategy", "strategies"), ("seed", "seeds")):
        if getattr(options, key) != getattr(SearchOptions(), key):
            raise InputError(f"{key}: a comparison takes several, give --{several}")
    for strategy in options.strategies:
        for seed in options.seeds:
            check_options(_search(options, strategy, seed))
    methods = [_search(options, strategy, 0).method for strategy in options.strategies]
    for option, what in OF_SSR.items():
        if getattr(options.method, option) and not any(getattr(method, option) for method in methods):
            names = ", ".join(options.strategies)
            raise InputError(f"method.{option}: none of {names} can {what}; leave it out")
    for key in ("strategies", "seeds", "references"):
        values = getattr(options, key)
        if len(set(values)) < len(values):
            raise InputError(f"{key}: {','.join(map(str, values))} names one twice; leave it out")
    for name in options.references:
        if name not in REFERENCES and parse_scaled(name) is None:
            choice = "choose from baseline1, baseline2, or scale one, such as baseline2@20ms"
            raise InputError(f"references: unknown {name!r}; {choice}")
        if "/" in name or "\\" in name:  # it names files of the comparison
            raise InputError(f"references: {name!r} names a folder; give a number, such as baseline2@20ms")
    for key in ("workers", "retrain_seeds"):
        if getattr(options, key) < 1:
            raise InputError(f"{key}: {getattr(options, key)} must be at least 1")
    if options.retrain_epochs < 0 or options.random < 0 or not options.seeds or not options.strategies:
        raise InputError("compare: give at least one strategy and one seed, and no negative random or retrain_epochs")


def strategy_label(strategy: str) -> str:
    """A strategy's name in files and tables: ``module:Class`` with a dot; random search is not the random networks."""
    return "random-search" if strategy == "random" else strategy.replace(":", ".")


def planned_searches(options: ComparisonOptions) -> dict[str, SearchOptions]:
    """The searches by name, ``<strategy>-<seed>``; the controls are called ``shuffled-<seed>``."""
    planned = {
        f"{strategy_label(strategy)}-{seed}": _search(options, strategy, seed)
        for strategy in options.strategies
        for seed in options.seeds
    }
    if options.control:
        shuffled = _search(options, options.strategies[0], 0)
        shuffled = replace(shuffled, data=replace(shuffled.data, shuffle_labels=True))
        planned |= {f"shuffled-{seed}": replace(shuffled, seed=seed) for seed in options.seeds}
    return planned


def _search(options: ComparisonOptions, strategy: str, seed: int) -> SearchOptions:
    """One search of a comparison. The options of ``OF_SSR`` are for those of its strategies that can."""
    from strategies.registry import OF_SSR, check_name, follows

    shared = part_of(SearchOptions, options)
    asked = [option for option in OF_SSR if getattr(shared.method, option)]
    if asked:
        check_name(strategy)
        followed: dict[str, Any] = {option: follows(strategy, shared.method, option) for option in asked}
        shared = replace(shared, method=replace(shared.method, **followed))
    return replace(shared, strategy=strategy, seed=seed)


def unfollowed(options: ComparisonOptions) -> list[str]:
    """For each strategy, the options asked for that it searches without, in words."""
    from strategies.registry import OF_SSR, without_effect

    lines = []
    for strategy in options.strategies:
        method = _search(options, strategy, 0).method
        left_out = [option for option in OF_SSR if getattr(options.method, option) and not getattr(method, option)]
        keys = ", ".join(f"method.{option}" for option in (*left_out, *without_effect(strategy, method)))
        if keys:
            lines.append(f"{strategy_label(strategy)} searches without {keys}")
    return lines


def comparison_folder(options: ComparisonOptions) -> Path:
    """The comparison's folder: new, empty, or that of a comparison whose runs were made with the same options.

    Raises:
        InputError: it cannot be made, or holds something else, or runs with other options.
    """
    folder = make_folder(options.out, "comparison")
    # Before its first run the options may still change.
    if is_begun(folder, "comparison", ("strategies", "out")) and any(
        (folder / part).is_dir() for part in ("search", "retrain")
    ):
        check_begun(folder, options, {*FREE, "strategy", "seed"})
    return folder
