"""The runs of a comparison: its searches and retrainings as child processes."""

from collections.abc import Sequence
from dataclasses import asdict
from itertools import count
from pathlib import Path

import yaml

from experiments.runs.child_runs import ChildRun, run_children
from experiments.runs.files import plain, write_atomic
from experiments.runs.folder import CONFIG
from experiments.runs.lock import locked
from experiments.search.comparison import ComparisonOptions
from experiments.search.options import SearchOptions
from experiments.training.recipe import RetrainOptions, plain_recipe
from nas_space.errors import InputError
from strategies.registry import NNI_STRATEGIES


def run_all(runs: Sequence[ChildRun], workers: int, title: str) -> None:
    """Start the runs that are not done yet.

    Raises:
        InputError: every failure is a mistake in the input.
        RuntimeError: another failure.
    """
    failures = run_children(runs, workers, title)
    if failures:
        message = "; ".join(failure.line for failure in failures)
        raise InputError(message) if all(failure.code == 2 for failure in failures) else RuntimeError(message)


def search_run(folder: Path, name: str, options: SearchOptions) -> ChildRun:
    """A search of the comparison; one that was begun is continued, or set aside where it is NNI's own."""
    run = folder / "search" / name
    proof = run / "search.json"
    if options.strategy in NNI_STRATEGIES:  # cannot be continued
        _set_aside(run, proof)
    return _child_run("search", proof, folder / "configs" / f"{name}.yml", options)


def retrain_run(folder: Path, options: ComparisonOptions, name: str, architecture: Path, seed: int) -> ChildRun:
    """A retraining of a network; one that was begun is continued."""
    retraining = RetrainOptions(
        epochs=options.retrain_epochs,
        stages=["encoder"],
        seed=seed,
        device=options.device,
        precision=options.precision,
        threads=options.threads,
        data=options.data,
        train=plain_recipe(options.train),
    )
    proof = folder / "retrain" / f"{name}-seed{seed}" / "retrain.json"
    return _child_run(
        "retrain", proof, folder / "configs" / f"retrain-seed{seed}.yml", retraining, f"--arch={architecture}"
    )


def _child_run(
    command: str, proof: Path, config: Path, options: SearchOptions | RetrainOptions, *arguments: str
) -> ChildRun:
    run = proof.parent
    if (run / CONFIG).is_file():
        return ChildRun((command, f"--resume={run}"), proof)
    config.parent.mkdir(exist_ok=True)
    write_atomic(config, yaml.safe_dump(plain(asdict(options)), sort_keys=False))
    return ChildRun((command, f"--config={config}", *arguments, f"--out={run}"), proof)


def _set_aside(run: Path, proof: Path) -> None:
    """Rename an unfinished run, unless a process works in it, such as a child of a comparison that was killed."""
    if proof.is_file() or not run.is_dir():
        return
    with locked(run):
        if proof.is_file():  # meanwhile
            return
        targets = (run.with_name(f"{run.name}.unfinished{number}") for number in count(1))
        run.rename(next(target for target in targets if not target.exists()))
