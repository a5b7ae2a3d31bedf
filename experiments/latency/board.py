"""The script of a bundle: it times the bundle's networks on this machine and writes their table. No torch.

It runs on a board that has Python, NumPy and ONNX Runtime (or OpenVINO), and nothing else of the toolkit.
"""

import argparse
import json
import os
import platform
import sys
import zipfile
from collections.abc import Sequence
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any

from experiments.latency import ROUNDS
from experiments.latency.measuring import Writer, clock_of, measure
from experiments.latency.plan import Plan
from experiments.runs.environment import processor_name
from experiments.runtime.engines import timed_call

MANIFEST, NETWORKS = "plan.json", "networks"


def main(bundle: str, arguments: Sequence[str] | None = None) -> int:
    """Measure, with progress, and write the table; returns the exit code.

    Args:
        bundle: the zip file, or the folder that it was unpacked into.
        arguments: of the command line.
    """
    parser = argparse.ArgumentParser(prog=f"python {bundle}", description="Measure this bundle's latency table here.")
    parser.add_argument("--out", default="table.json", help="the table's file, a new one (default: table.json)")
    parser.add_argument("--threads", type=int, default=1, help="threads of the engine (default: 1)")
    parser.add_argument(
        "--rounds", type=int, default=ROUNDS, help=f"quiet turns of each network in a pass (default: {ROUNDS})"
    )
    options = parser.parse_args(arguments)
    out = Path(options.out)
    if options.threads < 1 or options.rounds < 1:
        return _fail("--threads and --rounds must be at least 1")
    if os.path.lexists(out):
        return _fail(f"--out {out}: exists already; choose another --out")
    if not out.absolute().parent.is_dir() or not os.access(out.absolute().parent, os.W_OK):
        return _fail(f"--out {out}: no file can be made there; choose another --out")
    place = zipfile.Path(bundle) if Path(bundle).is_file() else Path(bundle)
    manifest = json.loads((place / MANIFEST).read_text(encoding="utf-8"))
    plan = Plan.from_dict(manifest["plan"])
    try:
        version = import_module(plan.engine).__version__.partition("-")[0]
    except ImportError:
        return _fail(f"{plan.engine} is not installed; pip install {plan.engine}")
    try:
        text = _measure(plan, manifest, place, options.threads, options.rounds, version)
    except KeyboardInterrupt:
        print("\ninterrupted; nothing was written", file=sys.stderr)
        return 130
    temporary = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, out)
    size = "{}x{}".format(*plan.size)
    use = f"ssr-nas search --constraint.latency_ms MILLISECONDS --constraint.table {out} --cost.size {size}"
    print(f"table  {out}\nuse it, with the data of {plan.classes} classes and the space that it was made for: {use}")
    return 0


def _measure(plan: Plan, manifest: dict[str, Any], place: Any, threads: int, rounds: int, version: str) -> str:
    device, count = processor_name(), len(manifest["files"])
    print(f"{count} networks, two or three measurements of each")
    print(f"with {plan.engine} {version}, {plan.precision}, threads: {threads}, on {device}")

    def progress(done: int, of: int) -> None:
        if sys.stderr.isatty():
            print(f"\r{done} of {of} measurements", end="", file=sys.stderr, flush=True)
        elif done * 10 // of > (done - 1) * 10 // of:  # in a log, a line for each tenth
            print(f"{done} of {of} measurements", file=sys.stderr, flush=True)

    networks = [_extract(place / NETWORKS / f"{number:04}", name) for number, name in enumerate(manifest["files"])]
    shape, pixels = plan.interface.shape(plan.size), plan.interface.pixels
    times = measure(
        networks,
        lambda file: timed_call(plan.engine, file, threads, shape, pixels),
        rounds,
        clock_of(threads),
        progress,
    )
    if sys.stderr.isatty():
        print(file=sys.stderr)
    versions = {"ssr-nas": manifest["ssr_nas"], "python": platform.python_version(), plan.engine: version}
    date = datetime.now().astimezone().isoformat(timespec="seconds")
    return plan.table(times, threads, device, date, versions).to_json()


def _extract(folder: Any, name: str) -> Writer:
    def write(into: Path) -> Path:
        for part in folder.iterdir():
            (into / part.name).write_bytes(part.read_bytes())
        return into / name

    return write


def _fail(message: str) -> int:
    print(f"error: {message}", file=sys.stderr)
    return 2
