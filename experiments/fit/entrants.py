"""What races for a latency: networks that are searched at it, and hand-made ones that are scaled to it."""

from pathlib import Path

from experiments.benchmark.networks.scaled import Scaler
from experiments.fit.shared import Shared
from experiments.options.groups import ConstraintOptions, TargetOptions
from experiments.race.entrants import ARCHITECTURE
from experiments.runs.files import write_atomic
from experiments.search.options import SearchRunOptions
from nas_space.errors import InputError


def search_options(shared: Shared, target: float, number: int, epochs: int, folder: Path) -> SearchRunOptions:
    """The options of one of a point's searches.

    Args:
        shared: of all points.
        target: milliseconds. A target that is above the slowest network is a bound.
        number: of the search, from 0 on.
        epochs: of the search.
        folder: of the search.
    """
    options = shared.options
    reachable = target <= shared.span[1]
    constraint = ConstraintOptions(
        latency_ms=None if reachable else target,
        engine=options.engine,
        threads=options.engine_threads,
        head=shared.head,
        table=str(shared.table),
    )
    return SearchRunOptions(
        epochs=epochs,
        seed=options.seed + number,
        device=options.device,
        precision=options.precision,
        threads=options.threads,
        data=shared.data,
        space=options.space.of(shared.plan.space),
        constraint=constraint,
        target=TargetOptions(latency_ms=[target]) if reachable else TargetOptions(),
        out=str(folder),
    )


def scale_hand_made(shared: Shared, reference: str, bound: float, folder: Path) -> str | None:
    """Scale a hand-made network to a latency in milliseconds, measured, and write its ``architecture.json``.

    Returns:
        None, or why there is none.
    """
    scaler = Scaler(shared.plan.size, shared.options.engine, shared.options.engine_threads)
    try:
        network = scaler(f"{reference}@{bound:.6f}ms", shared.space, shared.facts.classes, shared.head)
    except InputError as error:
        print(f"note: {error}", flush=True)
        return str(error)
    write_atomic(folder / ARCHITECTURE, network.to_json())
    return None
