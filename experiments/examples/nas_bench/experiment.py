"""Strategies judged by NAS-Bench-201 and NAS-Bench-Macro, where the accuracy of every network is known.

    python -m experiments.examples.nas_bench.experiment --data FOLDER --out runs/nas_bench

Every search has a folder ``OUT/WORLD/search/STRATEGY-SEED``. A finished one is skipped; one that was cut off begins
anew. After each search ``results.csv`` and ``results.md`` are written. docs/nas_bench.md walks through it.
"""

import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import fmean

import pandas as pd

from experiments.examples.nas_bench.entrants import RANDOM
from experiments.examples.nas_bench.images import Images, read_images
from experiments.examples.nas_bench.options import FREE, NasBenchOptions, check_options
from experiments.examples.nas_bench.results import FILES, write_results
from experiments.examples.nas_bench.worlds import WORLDS, World
from experiments.landscape.known_probabilities import write_known_probabilities
from experiments.landscape.known_ruler import KnownRuler
from experiments.landscape.known_table import read_known_table
from experiments.options.arguments import parse
from experiments.runs.begun import check_begun, is_begun
from experiments.runs.failures import guarded
from experiments.runs.files import write_json
from experiments.runs.folder import make_folder, read_summary, write_config
from experiments.runs.lock import locked
from experiments.runs.processes import termination_handled
from nas_space.errors import InputError

PROG = "experiments.examples.nas_bench.experiment"
PROOF = "search.json"


def run(options: NasBenchOptions) -> pd.DataFrame:
    """Run the searches that are missing; return the table of all.

    Raises:
        InputError: an option, a table or the images cannot be used, or another process works on a world.
    """
    check_options(options)
    folder = Path(options.out)
    begun = is_begun(folder, "experiment", ("worlds", "strategies"))
    if begun:
        check_begun(folder, options, FREE)
    searched = [name for name in WORLDS if name in options.worlds or (folder / name / "search").is_dir()]
    rulers = {name: read_world(options.data, WORLDS[name]) for name in searched}  # all stand in the table
    images = read_images(options.data, options.images, options.side)
    if not begun:
        make_folder(options.out, "experiment")
        write_config(folder, options)
    with ExitStack() as stack:
        for name in options.worlds:  # another process may work on another world
            (folder / name).mkdir(exist_ok=True)
            stack.enter_context(locked(folder / name))
        for name, entrant, seed in missing(folder, options):
            print(f"{name}: {entrant}, seed {seed}", file=sys.stderr, flush=True)
            run_one(folder / name / "search", WORLDS[name], entrant, seed, images, options)
            write_results(folder, rulers)
        return write_results(folder, rulers)


def read_world(data: str, world: World) -> KnownRuler:
    """The table of a world as a ruler.

    Raises:
        InputError: it is not in the folder, or cannot be used.
    """
    path = Path(data) / world.table
    table = read_known_table(path)
    if table is None or table.space is not world.space:
        raise InputError(f"{path}: is no table of {world.space.name}; give the folder that holds it by --data")
    return KnownRuler(table)


def missing(folder: Path, options: NasBenchOptions) -> Iterator[tuple[str, str, int]]:
    """World, entrant and seed of what is not finished; random search comes last, for it takes the others' time."""
    entrants = sorted(options.strategies, key=lambda entrant: entrant == RANDOM)
    for seed in options.seeds:
        for name in options.worlds:
            for entrant in entrants:
                if not (folder / name / "search" / f"{entrant}-{seed}" / PROOF).is_file():
                    yield name, entrant, seed


def run_one(searches: Path, world: World, entrant: str, seed: int, images: Images, options: NasBenchOptions) -> None:
    """Run one search and write what it has found; its proof comes last."""
    run = searches / f"{entrant}-{seed}"
    begin = time.perf_counter()
    if entrant == RANDOM:
        from experiments.examples.nas_bench.random_search import random_search

        found = random_search(world, seed, images, options, mean_seconds(searches, seed))
        run.mkdir(parents=True, exist_ok=True)
    else:
        from experiments.examples.nas_bench.search import search

        found, history = search(world, entrant, seed, images, options)
        run.mkdir(parents=True, exist_ok=True)
        write_known_probabilities(run, history)
    seconds = time.perf_counter() - begin
    shared = {"world": world.space.name, "strategy": entrant, "seed": seed, "seconds": seconds}
    write_json(run / PROOF, {**shared, "key": world.space.key(found["sample"]), **found})


def mean_seconds(searches: Path, seed: int) -> float:
    """Mean time of the finished searches of this seed.

    Raises:
        InputError: there is none.
    """
    proofs = [path for path in searches.glob(f"*-{seed}/{PROOF}") if path.parent.name != f"{RANDOM}-{seed}"]
    if not proofs:
        raise InputError(f"strategies: {RANDOM} takes the time of a search with seed {seed}; name one before it")
    return fmean(float(read_summary(proof, ("seconds",))["seconds"]) for proof in proofs)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    warnings.filterwarnings("ignore", message=".*is found to be not a nn.Module", category=RuntimeWarning)

    def command() -> int:
        options, _ = parse(
            PROG, "Strategies judged by benchmarks in which every network is known.", NasBenchOptions, words
        )
        table = run(options)
        shown = table[["world", "strategy", "seed", "accuracy", "percentile", "regret", "discrete", "skips", "minutes"]]
        print(shown.to_string(index=False), f"\n{options.out}: {', '.join(FILES)}", sep="\n")
        return 0

    with termination_handled():
        return guarded(PROG, "the same command goes on", command)


if __name__ == "__main__":
    sys.exit(main())
