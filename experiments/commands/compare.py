"""Compare searches: strategies x seeds, their networks retrained beside baselines and random networks, one table."""

import json
import random
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from experiments.options.groups import part_of
from experiments.report.comparison import (
    comparison_table,
    markdown,
    percentiles,
    spread,
    summary_table,
    verdicts,
    with_deviations,
)
from experiments.report.figures import comparison_figure, png
from experiments.runs.files import plain, write_atomic, write_json
from experiments.runs.folder import CONFIG, filled, is_leftover, read_config, read_summary, write_config
from experiments.runs.jobs import Job, run_jobs
from experiments.runs.lock import locked
from experiments.search.options import SearchOptions, check_options
from experiments.search.prepare import load_data
from experiments.training.recipe import RetrainOptions, plain_recipe
from nas_space.architecture import Architecture, resolve_architecture
from nas_space.cost import cost
from nas_space.errors import InputError
from strategies.registry import MULTI_TRIAL, NNI_STRATEGIES


@dataclass
class Options(SearchOptions):
    """Options of ``ssr-nas compare``; all options of ``search`` hold for each of its searches.

    Args:
        strategies: the search methods to compare.
        seeds: one search a strategy and seed.
        references: networks to retrain beside the found ones, any of baseline1 and baseline2.
        random: how many random networks of the space to retrain beside them.
        matched: also retrain, for each found network, a random one of as many multiply-accumulates (at most its own, at
            least 0.9 of them).
        control: also search on shuffled labels, where there is nothing to find; its networks are retrained on the true
            ones.
        retrain_epochs: epochs of every retraining; 0 to leave it out.
        retrain_seeds: retrainings of every network, with different seeds.
        workers: runs at a time; they share the cores.
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
    out: str = "runs/compare"


def run(options: Options) -> dict[str, Any]:
    """Run what is missing, then write and print the table.

    Returns:
        Rows of the table, and both spreads: between random networks, and between retrainings of one network.
    """
    _check(options)
    load_data(options)
    folder = Path(options.out)
    _make(folder)
    _check_folder(folder, options)  # before a lock is left in a folder of something else
    with locked(folder):
        _check_folder(folder, options)  # whoever held it has written since
        write_config(folder, options)
        return _compare(folder, options)


def _compare(folder: Path, options: Options) -> dict[str, Any]:
    searches = _planned(options)
    _run([_search_job(folder, name, own) for name, own in searches.items()], options.workers, "searches")
    networks = _networks(folder, options, list(searches))
    if options.retrain_epochs:
        jobs = [
            _retrain_job(folder, options, name, path, seed)
            for name, path in networks.items()
            for seed in range(options.retrain_seeds)
        ]
        _run(jobs, options.workers, "retrainings")
    return _summarise(folder, options, list(searches), networks)


def _run(jobs: list[Job], workers: int, title: str) -> None:
    failures = run_jobs(jobs, workers, title)
    if failures:
        message = "; ".join(failure.line for failure in failures)
        raise InputError(message) if all(failure.code == 2 for failure in failures) else RuntimeError(message)


def _planned(options: Options) -> dict[str, SearchOptions]:
    """The searches by name, ``<strategy>-<seed>``; the controls are called ``shuffled-<seed>``."""
    own = part_of(SearchOptions, options)
    pairs = [(name, seed) for name in options.strategies for seed in options.seeds]
    planned = {f"{folder_name(name)}-{seed}": replace(own, strategy=name, seed=seed) for name, seed in pairs}
    if options.control:
        data = replace(own.data, shuffle_labels=True)
        planned |= {
            f"shuffled-{seed}": replace(own, strategy=options.strategies[0], seed=seed, data=data)
            for seed in options.seeds
        }
    return planned


def folder_name(strategy: str) -> str:
    """A strategy's name in files and tables: ``module:Class`` with a dot, and random search apart from the random networks."""
    return "random-search" if strategy == "random" else strategy.replace(":", ".")


def _check(options: Options) -> None:
    for key in ("strategy", "seed"):
        if getattr(options, key) != getattr(SearchOptions(), key):
            raise InputError(
                f"{key}: a comparison takes several, give --{'strategies' if key == 'strategy' else 'seeds'}"
            )
    for strategy in options.strategies:
        for seed in options.seeds:
            check_options(replace(part_of(SearchOptions, options), strategy=strategy, seed=seed))
    for key in ("strategies", "seeds", "references"):
        values = getattr(options, key)
        if len(set(values)) < len(values):
            raise InputError(f"{key}: {','.join(map(str, values))} names one twice; leave it out")
    for name in options.references:
        if name not in ("baseline1", "baseline2"):
            raise InputError(f"references: unknown {name!r}; choose from baseline1, baseline2")
    for key in ("workers", "retrain_seeds"):
        if getattr(options, key) < 1:
            raise InputError(f"{key}: {getattr(options, key)} must be at least 1")
    if options.retrain_epochs < 0 or options.random < 0 or not options.seeds or not options.strategies:
        raise InputError("compare: give at least one strategy and one seed, and no negative random or retrain_epochs")


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"--out {folder}: cannot be made a comparison's folder ({error.strerror}); choose another --out"
        ) from None


def _check_folder(folder: Path, options: Options) -> None:
    """Make sure that the folder is empty, or a comparison's whose runs were made with the same options."""
    names = [entry.name for entry in folder.iterdir() if not is_leftover(entry.name)]
    if not names:
        return
    if (
        CONFIG not in names or not {"strategies", "out"} <= read_config(folder).keys()
    ):  # what is written by hand names no folder
        raise InputError(f"--out {folder}: holds files already, and no comparison; choose another --out")
    free = {
        "strategies",
        "seeds",
        "references",
        "random",
        "matched",
        "control",
        "retrain_seeds",
        "workers",
        "out",
        "strategy",
        "seed",
    }
    if any((folder / part).is_dir() for part in ("search", "retrain")):
        # An option that a run does not know is younger than the run, and had its default.
        before, now = filled(read_config(folder), plain(asdict(Options()))), plain(asdict(options))
        changed = [key for key in now if key not in free and before[key] != now[key]]
        if changed:
            raise InputError(f"--out {folder}: its runs were made with another {changed[0]!r}; choose another --out")


def _search_job(folder: Path, name: str, options: SearchOptions) -> Job:
    run = folder / "search" / name
    proof = run / "search.json"
    if options.strategy in NNI_STRATEGIES:  # cannot be continued
        _set_aside(run, proof)
    if (run / CONFIG).is_file():
        return Job(("search", f"--resume={run}"), proof)
    config = folder / "configs" / f"{name}.yml"
    config.parent.mkdir(exist_ok=True)
    write_atomic(config, yaml.safe_dump(plain(asdict(options)), sort_keys=False))
    return Job(("search", f"--config={config}", f"--out={run}"), proof)


def _networks(folder: Path, options: Options, searches: list[str]) -> dict[str, Path]:
    """Architecture files of all networks to retrain, by name."""
    networks = {name: folder / "search" / name / "architecture.json" for name in searches}
    space = options.space.resolve()
    made = {name: resolve_architecture(name, space) for name in options.references}
    made |= {f"random-{i}": Architecture.random(space, random.Random(i)) for i in range(options.random)}
    if options.matched:
        for name in searches:
            made[f"matched-{name}"] = matched(Architecture.load(networks[name]), options.cost_size, name)
    (folder / "networks").mkdir(exist_ok=True)
    for name, architecture in made.items():
        networks[name] = folder / "networks" / f"{name}.json"
        write_atomic(networks[name], architecture.to_json())
    return networks


def matched(
    architecture: Architecture, size: tuple[int, int], seed: str, share: float = 0.9, draws: int = 10_000
) -> Architecture:
    """A random network of the same space with at most the multiply-accumulates of ``architecture``, and at least ``share`` of them.

    The first of so many draws that fits; if none does, the one that comes nearest from below (or the cheapest drawn).
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


def _retrain_job(folder: Path, options: Options, name: str, arch: Path, seed: int) -> Job:
    run = folder / "retrain" / f"{name}-seed{seed}"
    proof = run / "retrain.json"
    if (run / CONFIG).is_file():
        return Job(("retrain", f"--resume={run}"), proof)
    recipe = plain_recipe(options.train)
    own = RetrainOptions(
        options.retrain_epochs, ["encoder"], seed, options.device, options.precision, options.data, recipe
    )
    config = folder / "configs" / f"retrain-seed{seed}.yml"
    write_atomic(config, yaml.safe_dump(plain(asdict(own)), sort_keys=False))
    return Job(("retrain", f"--config={config}", f"--arch={arch}", f"--out={run}"), proof)


def _set_aside(run: Path, proof: Path) -> None:
    """Rename an unfinished run.

    Raises:
        InputError: a process works in it, such as a child of a comparison that was killed.
    """
    if proof.is_file() or not run.is_dir():
        return
    with locked(run):
        if proof.is_file():  # meanwhile
            return
        count = 1
        while (target := run.with_name(f"{run.name}.unfinished{count}")).exists():
            count += 1
        run.rename(target)


def _summarise(folder: Path, options: Options, searches: list[str], networks: dict[str, Path]) -> dict[str, Any]:
    found = {name: read_summary(folder / "search" / name / "search.json") for name in searches}
    costs = {name: summary["cost"] for name, summary in found.items()}
    scores: dict[str, list[float]] = {}
    for name in networks if options.retrain_epochs else ():
        files = [folder / "retrain" / f"{name}-seed{seed}" / "retrain.json" for seed in range(options.retrain_seeds)]
        runs = [read_summary(file) for file in files]
        scores[name], costs[name] = [run["miou"] for run in runs], runs[0]["cost"]
    names = [*(folder_name(strategy) for strategy in options.strategies), "shuffled"]
    sampled = tuple(f"{folder_name(name)}-" for name in MULTI_TRIAL)
    curves = {
        name: pd.read_csv(folder / "search" / name / "metrics.csv") for name in found if not name.startswith(sampled)
    }
    areas = {name: float(curve["entropy"].sum()) for name, curve in curves.items()}
    table = comparison_table(costs, found, scores, names, areas)
    by_strategy = summary_table(table, names)
    result: dict[str, Any] = {
        "rows": json.loads(table.to_json(orient="records")),
        "strategies": json.loads(by_strategy.to_json(orient="records")),
        **spread(scores),
        "percentiles": percentiles(scores),
    }
    write_atomic(folder / "compare.csv", table.to_csv(index=False))
    write_atomic(folder / "compare.md", f"{markdown(with_deviations(by_strategy))}\n{markdown(table)}")
    write_json(folder / "compare.json", result)
    write_atomic(folder / "entropy.png", png(comparison_figure(curves)))
    for part in (table, with_deviations(by_strategy)):
        print(part.to_string(index=False, float_format=lambda value: f"{value:.3g}", na_rep="-"), end="\n\n")
    print("\n".join(verdicts(scores, costs, list(found))))
    print(f"\n{folder}: compare.md, compare.csv, compare.json, entropy.png")
    return result
