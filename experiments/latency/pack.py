"""A bundle that measures a table on another device: the networks' files, and the code that times them.

The zip file runs as it is (``python bundle.zip``) and holds copies of the toolkit's own modules, so that a board
measures what this machine measures. It needs Python, NumPy and the engine.
"""

import json
import zipfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from experiments import __version__
from experiments.latency.board import MANIFEST, NETWORKS
from experiments.latency.cache import Wanted
from experiments.latency.networks import make_plan, writers

MODULES = (
    *("experiments", "experiments.latency", "experiments.latency.board", "experiments.latency.measuring"),
    *("experiments.latency.plan", "experiments.runs", "experiments.runs.environment", "experiments.runtime"),
    *("experiments.runtime.engines", "experiments.runtime.interface", "experiments.runtime.telemetry"),
    *("nas_space", "nas_space.architecture"),
    *("nas_space.config", "nas_space.errors", "nas_space.latency", "nas_space.text_file"),
)
"""What the script on the board imports. Only files of this toolkit, none of which loads torch."""
SCRIPT = '''"""Measure the latency table of this bundle here: python bundle.zip --out table.json"""

import signal
import sys

signal.signal(signal.SIGTERM, signal.default_int_handler)  # what is unpacked is removed, as after Ctrl+C
try:
    from experiments.latency.board import main
except ModuleNotFoundError as error:
    print(f"error: {error.name} is not installed; pip install {error.name}", file=sys.stderr)
    sys.exit(2)
sys.exit(main(sys.path[0]))
'''


def write_bundle(wanted: Wanted, out: Path, progress: Callable[[int, int], object] = lambda done, of: None) -> int:
    """Write the bundle of a table.

    Args:
        wanted: what the table is for; its threads are chosen on the board.
        out: the zip file, a new one.
        progress: told how many networks are written, and of how many.

    Returns:
        How many networks are in it.

    Raises:
        InputError: a package is missing that writing the files needs.
    """
    of_table = (wanted.space, wanted.size, wanted.classes, wanted.head, wanted.interface, wanted.engine)
    plan = make_plan(*of_table, wanted.precision)
    networks = writers(plan)
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as bundle:
        bundle.writestr("__main__.py", SCRIPT)
        for module in MODULES:
            _add_module(bundle, module)
        files = []
        for number, write in enumerate(networks):
            progress(number, len(networks))
            with TemporaryDirectory(prefix="ssr-nas-") as folder:
                file = write(Path(folder))
                for part in sorted(Path(folder).iterdir()):
                    bundle.write(part, f"{NETWORKS}/{number:04}/{part.name}")
            files.append(file.name)
        manifest = {"plan": plan.to_dict(), "files": files, "ssr_nas": __version__}
        bundle.writestr(MANIFEST, json.dumps(manifest))
    return len(networks)


def _add_module(bundle: zipfile.ZipFile, module: str) -> None:
    spec = find_spec(module)
    assert spec is not None and spec.origin is not None
    name = module.replace(".", "/")
    bundle.write(spec.origin, f"{name}/__init__.py" if spec.submodule_search_locations is not None else f"{name}.py")
