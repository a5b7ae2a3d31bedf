"""Names with a bound, such as ``baseline2@20ms``, as architectures: the one place where such a name is resolved."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from experiments.benchmark.networks.networks import Network, find_networks, is_reference, random_weights
from experiments.benchmark.networks.statistics import Seconds, latency, ratio
from experiments.benchmark.networks.timing import Entry, Setup, make_setup, measure
from experiments.runs.load import warning
from experiments.runs.tables import counted
from nas_space.architecture import Architecture, resolve_architecture
from nas_space.config import Head, SpaceConfig, check_size
from nas_space.cost import cost
from nas_space.errors import InputError
from nas_space.scaling import MOST_MEASURED, REFERENCES, ScaledName, largest_measured, largest_within, parse_scaled

CALLS, WARMUP = 5, 3
TURN_ROUNDS, TURN_SECONDS = (7, 15), 5.0  # of a candidate and the anchor: least and most, and what they may take
ANCHOR_ROUNDS, ANCHOR_SECONDS = (10, 60), 10.0  # of the anchor alone: some of them while the host is quick


@dataclass(frozen=True)
class Scaler:
    """Resolves names of networks with bounds; each measurement is made once in a process.

    Args:
        size: height and width of the image at which cost is counted or measured.
        engine: what measures milliseconds, as ``ssr-nas benchmark`` does.
        threads: of the engine; None for all cores that this process may use.
        device: ``cpu`` or ``cuda``.
        precision: ``fp32`` or ``int8``.
    """

    size: tuple[int, int]
    engine: str = "onnxruntime"
    threads: int | None = 1
    device: str = "cpu"
    precision: str = "fp32"

    def __call__(self, name: str, space: SpaceConfig, classes: int, head: Head | None = None) -> Architecture:
        """The architecture called ``name``: with a bound, a reference network, or a file.

        Raises:
            InputError: a name, bound or file that is none, a bound below the smallest network, an engine that is not
                there.
        """
        scaled = parse_scaled(name)
        return resolve_architecture(name, space) if scaled is None else _scaled(self, scaled, space, classes, head)

    def milliseconds(self, networks: Sequence[tuple[Architecture, Head | None]], classes: int) -> list[float]:
        """How long networks with their heads take as exported, each measured in turns with the first one.

        Raises:
            InputError: an engine that is not there, or a size that a network does not take.
        """
        for network, _ in networks:
            check_size("size", self.size, len(network.space.widths))
        named = [random_weights(Network("scaled", architecture=one, head=head), classes) for one, head in networks]
        clock = _Clock(self, named[0])
        return [clock.anchor_ms, *map(clock, named[1:])]


@cache
def _scaled(scaler: Scaler, name: ScaledName, space: SpaceConfig, classes: int, head: Head | None) -> Architecture:
    of = f"scaled from the {space.preset_name or 'given'} space"

    def amount(kind: str, network: Architecture) -> float:
        return float(getattr(cost(network, scaler.size, classes, head), kind))

    if name.kind != "ms":
        network = largest_within(name, space, lambda one: amount(name.kind, one))
        unit = "parameters" if name.kind == "params" else f"MACs at {_by(scaler.size)}"
        print(f"{name.name}: {of}, {describe(network)}, {amount(name.kind, network):,.0f} {unit}", flush=True)
        return network
    check_size(f"{name.name}, size", scaler.size, len(space.widths))
    anchor = _anchor(name, space, classes, head)
    at = f"at {_by(scaler.size)}"
    print(f"{name.name}: measuring up to {MOST_MEASURED} sizes, each in turns with {anchor.name}, {at}", flush=True)
    clock = _Clock(scaler, anchor)
    bounded = replace(name, limit=clock.anchor_ms) if name.like else name

    def milliseconds(one: Architecture) -> float:
        return clock(random_weights(Network("scaled", architecture=one, head=head), classes))

    network, taken = largest_measured(bounded, space, milliseconds, lambda one: amount("macs_total", one))
    threads = counted(clock.setup.threads, "thread")
    how = f"measured as exported, {clock.setup.engine}, {scaler.precision}, {threads}, {_by(scaler.size)}"
    share = f", {taken / clock.anchor_ms:.3g} of the time of {name.like}" if name.like else ""
    print(f"{name.name}: {of}, {describe(network)}, {taken:.3g} ms {how}{share}", flush=True)
    if loaded := warning(clock.busy_cores, clock.setup.threads):
        print(f"warning: {loaded}", flush=True)
    return network


def _anchor(name: ScaledName, space: SpaceConfig, classes: int, head: Head | None) -> Network:
    """The network that takes turns with each candidate: the one whose time is the bound, or else the baseline."""
    if not name.like or name.like in REFERENCES:
        reference = name.like or name.reference
        return random_weights(Network(reference, architecture=REFERENCES[reference](space), head=head), classes)
    if is_reference(name.like):
        raise InputError(f"{name.name}: {name.like} has a bound itself; give a network that has none")
    try:
        (found,) = find_networks([name.like], None, classes, head=head)
    except InputError as error:
        raise InputError(f"{name.name}: {error}") from None
    return found


class _Clock:
    """Milliseconds of networks, each measured in turns with the same one, the anchor.

    ``anchor_ms`` is what the anchor takes where nothing slows it down. ``busy_cores`` is the most that others had.

    A host may be a third slower for seconds. This hits both networks of a turn, so their ratio keeps. Networks measured
    one after the other without an anchor are refused or taken by the speed that the host happens to have.
    """

    def __init__(self, scaler: Scaler, anchor: Network) -> None:
        self._scaler, self._anchor = scaler, anchor
        trial = make_setup(scaler.engine, scaler.threads, scaler.device, 3, 1, WARMUP)
        (timing,), _ = _time([anchor], scaler, trial)
        once = float(np.median(timing))
        calls = min(max(round(TURN_SECONDS / TURN_ROUNDS[1] / (2 * once)), 1), CALLS)
        self.setup = replace(trial, rounds=_rounds(TURN_ROUNDS, TURN_SECONDS, 2 * once * calls), calls=calls)
        alone = replace(self.setup, rounds=_rounds(ANCHOR_ROUNDS, ANCHOR_SECONDS, once * calls))
        (timing,), self.busy_cores = _time([anchor], scaler, alone)
        self.anchor_ms = latency(timing).quiet_ms

    def __call__(self, network: Network) -> float:
        (own, anchor), busy = _time([network, self._anchor], self._scaler, self.setup)
        self.busy_cores = max(self.busy_cores, busy)
        return self.anchor_ms * ratio(own, anchor).median


def _rounds(limits: tuple[int, int], seconds: float, one: float) -> int:
    """As many rounds of ``one`` second each as fit into ``seconds``, within limits."""
    least, most = limits
    return min(max(int(seconds / max(one, 1e-9)), least), most)


def _time(networks: Sequence[Network], scaler: Scaler, setup: Setup) -> tuple[list[Seconds], float]:
    """Seconds of the calls of each network, ``(rounds, calls)``, and how many cores others kept busy meanwhile."""
    timings, others = measure([Entry(network, scaler.precision) for network in networks], scaler.size, setup)
    return [timing.seconds for timing in timings], others


def describe(network: Architecture) -> str:
    """The size of a network, in words."""
    widths, depths = network.space.widths, map(len, network.stages)
    stages = ", ".join(f"{depth} x {width}" for depth, width in zip(depths, widths, strict=True))
    return f"stem {network.space.stem}, layers x channels {stages}"


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
