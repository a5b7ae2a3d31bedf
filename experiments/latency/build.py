"""Build a latency table: write the networks of its plan, and measure them with an engine."""

from collections.abc import Callable
from datetime import datetime

from experiments.export.formats import TABLE_ENGINES
from experiments.export.timed_file import check_precision
from experiments.latency import ROUNDS
from experiments.latency.measuring import Clock, clock_of, measure
from experiments.latency.networks import make_plan, writers
from experiments.runs.environment import engine_versions, processor_name
from experiments.runtime.engines import PACKAGES, check_engine, timed_call
from experiments.runtime.interface import PLAIN, Interface
from nas_space.config import Head, SpaceConfig
from nas_space.latency import LatencyTable


def check_clock(engine: str, precision: str) -> None:
    """Refuse what no table can be measured with.

    Raises:
        InputError: an unknown engine or precision, an engine that is not installed.
    """
    check_engine(engine, {key: PACKAGES[key] for key in TABLE_ENGINES})
    check_precision(precision)


def build_table(
    space: SpaceConfig,
    size: tuple[int, int],
    classes: int,
    engine: str,
    threads: int = 1,
    rounds: int = ROUNDS,
    clock: Clock | None = None,
    *,
    precision: str = "fp32",
    head: Head = "encoder",
    interface: Interface = PLAIN,
    progress: Callable[[int, int], object] = lambda done, of: None,
) -> LatencyTable:
    """Measure all layers of ``space``, and the rest of the network.

    Args:
        space: the space; all its operators and widths are measured, searched or not.
        size: image height and width, in pixels.
        classes: channels of the logits.
        engine: what runs the networks: onnxruntime or openvino.
        threads: threads of the engine.
        rounds: quiet turns of each network in a pass, at least 1.
        clock: the clock, in seconds; ``clock_of(threads)`` if absent.
        precision: fp32 or int8.
        head: of the networks.
        interface: what else lies inside the files.
        progress: told how many measurements are done, and of how many.

    Raises:
        InputError: an unknown engine or precision, or one that is not installed.
    """
    check_clock(engine, precision)
    plan = make_plan(space, size, classes, head, interface, engine, precision)
    networks = writers(plan)
    shape, pixels = interface.shape(size), interface.pixels
    times = measure(
        networks,
        lambda file: timed_call(engine, file, threads, shape, pixels),
        rounds,
        clock or clock_of(threads),
        progress,
    )
    date = datetime.now().astimezone().isoformat(timespec="seconds")
    return plan.table(times, threads, processor_name(), date, engine_versions(PACKAGES[engine]))
