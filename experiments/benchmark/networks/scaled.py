"""Names with a bound, such as ``baseline2@20ms``, as architectures: the one place where such a name is resolved."""

from dataclasses import dataclass
from functools import cache

from experiments.benchmark.networks.networks import Network, random_weights
from experiments.benchmark.networks.statistics import latency
from experiments.benchmark.networks.timing import Entry, Setup, make_setup, measure
from experiments.runs.tables import counted
from nas_space.architecture import Architecture, resolve_architecture
from nas_space.config import Head, SpaceConfig, check_size
from nas_space.cost import cost
from nas_space.scaling import ScaledName, largest_measured, largest_within, parse_scaled

ROUNDS, CALLS, WARMUP = 10, 5, 3


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
    setup = make_setup(scaler.engine, scaler.threads, scaler.device, ROUNDS, CALLS, WARMUP)

    def milliseconds(one: Architecture) -> float:
        return _milliseconds(one, scaler, setup, classes, head)

    network, taken = largest_measured(name, space, milliseconds, lambda one: amount("macs_total", one))
    threads = counted(setup.threads, "thread")
    how = f"measured as exported, {setup.engine}, {scaler.precision}, {threads}, {_by(scaler.size)}"
    print(f"{name.name}: {of}, {describe(network)}, {taken:.3g} ms {how}", flush=True)
    return network


def _milliseconds(network: Architecture, scaler: Scaler, setup: Setup, classes: int, head: Head | None) -> float:
    entry = Entry(random_weights(Network("scaled", architecture=network, head=head), classes), scaler.precision)
    (timing,), _ = measure([entry], scaler.size, setup)
    return latency(timing.seconds).quiet_ms


def describe(network: Architecture) -> str:
    """The size of a network, in words."""
    widths, depths = network.space.widths, map(len, network.stages)
    stages = ", ".join(f"{depth} x {width}" for depth, width in zip(depths, widths, strict=True))
    return f"stem {network.space.stem}, layers x channels {stages}"


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
