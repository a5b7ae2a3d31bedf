"""Measured tables, kept for the next command: in the user's cache folder, one file for everything that decides them."""

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from experiments.latency import ROUNDS, build
from experiments.runs.environment import engine_versions, processor_name
from experiments.runs.files import write_atomic
from experiments.runs.load import LoadMeter, warning
from experiments.runs.tables import counted
from experiments.runtime.engines import PACKAGES
from experiments.runtime.interface import PLAIN, Interface
from nas_space.config import Head, SpaceConfig
from nas_space.errors import InputError
from nas_space.latency import BUILDING, LatencyTable, build_command

Progress = Callable[[int, int], object]
WRITERS = (
    "nas_space.blocks",
    "nas_space.network",
    "nas_space.denormals",
    "nas_space.lowering",
    "experiments.export.deployed",
    "experiments.export.timed_file",
    "experiments.export.onnx_file",
    "experiments.export.openvino_file",
)
"""Modules that decide what a timed file holds: a table that was measured before one of them changed is out of date."""


@dataclass(frozen=True)
class Wanted:
    """What a table is measured for.

    Args:
        space: the space.
        size: image height and width, in pixels.
        classes: channels of the logits.
        engine: what runs the networks: onnxruntime or openvino.
        precision: fp32 or int8.
        threads: threads of the engine.
        head: of the networks.
        interface: what else lies inside their files.
    """

    space: SpaceConfig
    size: tuple[int, int]
    classes: int
    engine: str = "onnxruntime"
    precision: str = "fp32"
    threads: int = 1
    head: Head = "encoder"
    interface: Interface = PLAIN

    def file(self) -> Path:
        """The file of such a table, measured on this machine with the software that is installed now."""
        kept = ("size", "classes", "engine", "precision", "threads", "head")
        key = {
            **{name: getattr(self, name) for name in kept},
            "space": {name: getattr(self.space, name) for name in BUILDING},
            "interface": asdict(self.interface),
            "device": processor_name(),
            "versions": engine_versions(PACKAGES[self.engine]),
            "writers": [_content(module) for module in WRITERS],
        }
        name = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]
        return cache_folder() / "latency" / f"{name}.json"

    def fitted_by(self, table: LatencyTable) -> bool:
        """Whether a table is such a one, from this machine."""
        own = [item.name for item in fields(self) if item.name not in ("space", "interface")]
        same = all(getattr(table, name) == getattr(self, name) for name in own)
        spaces = all(getattr(table.space, name) == getattr(self.space, name) for name in BUILDING)
        inside = all(getattr(table, name) == value for name, value in asdict(self.interface).items())
        return same and spaces and inside and table.device == processor_name()

    def measure(self, rounds: int = ROUNDS, progress: Progress = lambda done, of: None) -> LatencyTable:
        """Measure such a table; arguments and errors as of ``build_table``."""
        inside: dict[str, Any] = {"precision": self.precision, "head": self.head, "interface": self.interface}
        where = (self.space, self.size, self.classes, self.engine, self.threads, rounds)
        return build.build_table(*where, **inside, progress=progress)


def _content(module: str) -> str:
    """A digest of a module's source."""
    spec = find_spec(module)
    assert spec is not None and spec.origin is not None
    return hashlib.sha256(Path(spec.origin).read_bytes()).hexdigest()


def cache_folder() -> Path:
    """Where this toolkit keeps what it can make again: below ``$XDG_CACHE_HOME``, or ``~/.cache``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()) / "ssr-nas"


def find_table(
    wanted: Wanted,
    say: Callable[[str], object] = print,
    rounds: int = ROUNDS,
    again: bool = False,
    progress: Progress = lambda done, of: None,
) -> LatencyTable:
    """The table that the cache holds, or one that is measured now and kept there.

    One line says which. Another one warns where the machine was loaded meanwhile.

    Args:
        wanted: what it is for.
        say: told the lines.
        rounds: quiet turns of each network in a pass.
        again: measure, whatever the cache holds.
        progress: as of ``build_table``.

    Raises:
        InputError: as of ``build_table``.
    """
    build.check_clock(wanted.engine, wanted.precision)
    file = wanted.file()
    if not again and (table := _read(wanted, file)) is not None:
        say(f"latency table: cached of {table.date}, {file}")
        return table
    how = (wanted.precision, counted(wanted.threads, "thread"))
    size = "{}x{}".format(*wanted.size)
    say(f"latency table: measuring with {wanted.engine}, {', '.join(how)}, at {size}; kept in {file}")
    meter = LoadMeter()
    table = wanted.measure(rounds, progress)
    if loaded := warning(meter.others(), wanted.threads):
        what = {"engine": wanted.engine, "precision": wanted.precision, "threads": wanted.threads}
        more = {"classes": wanted.classes, "head": wanted.head, "again": "true"}
        command = build_command(wanted.space, wanted.size, **what, **more)
        say(f"warning: {loaded}; when it is idle, measure anew: {command}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(file, table.to_json())
    except OSError as error:
        say(f"latency table: not kept, {file}: {error.strerror}")
    return table


def _read(wanted: Wanted, file: Path) -> LatencyTable | None:
    """The table in a file of the cache; None where there is none, or where it is damaged: it is measured again."""
    try:
        table = LatencyTable.load(file)
    except InputError:
        return None
    return table if wanted.fitted_by(table) else None
