"""How fast the network of a finished run is, as exported, beside ``baseline1``: for the run's closing text."""

from collections.abc import Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from experiments.export.formats import TABLE_ENGINES
from experiments.export.timed_file import write_timed
from experiments.latency.measuring import Writer, clock_of, measure
from experiments.latency.networks import patterned
from experiments.latency.wording import describe_clock
from experiments.runs.environment import engine_versions, processor_name
from experiments.runs.files import write_json
from experiments.runs.folder import SPEED
from experiments.runs.load import LoadMeter, warning
from experiments.runs.processes import free_cores
from experiments.runs.tables import counted, number
from experiments.runtime.engines import INSTALL, PACKAGES, timed_call
from experiments.runtime.interface import PLAIN
from nas_space.architecture import Architecture, baseline1
from nas_space.config import Head
from nas_space.latency import LatencyTable
from nas_space.network import SegmentationNetwork

ROUNDS = 6  # quiet turns of the network in each pass, between turns of baseline1


class Speed(NamedTuple):
    """Milliseconds of one image through a network and through ``baseline1``.

    Attributes:
        found_ms: of the network.
        baseline_ms: of ``baseline1``.
        source: what says so, in words.
        warning: what makes the figures uncertain; None where nothing does.
    """

    found_ms: float
    baseline_ms: float
    source: str
    warning: str | None = None


def predicted(network: Architecture, table: LatencyTable) -> Speed:
    """What a table says."""
    both = (table.predict(network), table.predict(baseline1(network.space)))
    return Speed(*both, f"predicted by the latency table: {describe_clock(table)}")


def measured(
    network: Architecture, size: tuple[int, int], classes: int, head: Head | None = None, threads: int | None = None
) -> Speed | None:
    """What a quick measurement says, in an engine that is installed; None where there is none.

    Args:
        network: the network; its weights do not matter.
        size: image height and width, in pixels.
        classes: channels of the logits.
        head: of both networks; absent, that of a search.
        threads: of the engine; absent, all cores that may be used.
    """
    for engine in TABLE_ENGINES:
        if all(map(find_spec, PACKAGES[engine])):
            with suppress(ImportError):  # it is there, and broken
                return _measured_with(engine, network, size, classes, head, threads or free_cores())
    return None


def _measured_with(
    engine: str, network: Architecture, size: tuple[int, int], classes: int, head: Head | None, threads: int
) -> Speed:
    networks = [writer(one, engine, size, classes, head) for one in (baseline1(network.space), network)]
    (baseline_ms, found_ms), warned = time_files(networks, engine, size, threads)
    head_name = head or network.space.heads[0]
    return Speed(found_ms, baseline_ms, f"measured now: {describe_run(engine, size, threads, head_name)}", warned)


def describe_run(engine: str, size: tuple[int, int], threads: int, head: str) -> str:
    """What a measurement of ``time_files`` is one of, in words."""
    version = engine_versions(PACKAGES[engine])[engine]
    how = f"fp32, {counted(threads, 'thread')}, {size[0]}x{size[1]}, {head} head"
    return f"{engine} {version}, {how}, on {processor_name()}"


def writer(network: Architecture, engine: str, size: tuple[int, int], classes: int, head: Head | None = None) -> Writer:
    """What writes a network as it would be exported in fp32; arguments as of ``measured``."""

    def write(folder: Path) -> Path:
        return write_timed(patterned(SegmentationNetwork, network, classes, head), engine, "fp32", size, folder)

    return write


def time_files(
    networks: Sequence[Writer], engine: str, size: tuple[int, int], threads: int, rounds: int = ROUNDS
) -> tuple[list[float], str | None]:
    """Milliseconds of each network, in turns with the first one, and what makes them uncertain, if anything does.

    Args:
        networks: what writes their files.
        engine: what runs them.
        size: image height and width, in pixels.
        threads: threads of the engine. With one, processor time is measured.
        rounds: quiet turns of each network in each pass.
    """
    meter, shape = LoadMeter(), PLAIN.shape(size)
    times = measure(networks, lambda file: timed_call(engine, file, threads, shape), rounds, clock_of(threads))
    return times, warning(meter.others(), threads)


def write_speed(run: Path, speed: Speed | None) -> None:
    """Keep it in a run's folder, for its report; nothing where nothing was measured."""
    if speed is not None:
        write_json(run / SPEED, speed._asdict())


def describe_speed(speed: Speed | None) -> list[str]:
    """A line with the figures, one with their source, and a warning if there is one; or one line that says why not."""
    if speed is None:
        return [f"not measured: neither {' nor '.join(TABLE_ENGINES)} is installed and works; {INSTALL}"]
    found, baseline = (f"{number(ms)} ms, {number(1000 / ms)} FPS" for ms in (speed.found_ms, speed.baseline_ms))
    share = f"{speed.found_ms / speed.baseline_ms:.2f} of baseline1 ({baseline})"
    warned = [f"warning: {speed.warning}"] if speed.warning else []
    return [f"{found} as exported, {share}", speed.source, *warned]
