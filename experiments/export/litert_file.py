"""A network as a LiteRT file, ``.tflite``: for Android, and what else ran TensorFlow Lite.

The description is in the file ``ssr-nas.json`` of a ZIP archive behind the model. LiteRT reads over it; TensorFlow Lite
keeps its own metadata so.
"""

import json
import subprocess
import tempfile
import warnings
import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.export.settings import Answer, ExportError, ExportSettings, FileRunner
from experiments.runs.files import write_atomic
from experiments.runs.processes import module_command
from experiments.runtime.engines import LITERT_NOTE, install_hint, open_litert
from nas_space.errors import InputError

if TYPE_CHECKING:
    from torch import nn

LACKS = {
    "dynamic": "take one image of one size",
    "argmax": "with classes alone cannot be compared with the network",
}
"""Options of ``ssr-nas export`` that such a file cannot have, and why."""
CONVERTER = "litert_torch"


def find_converter() -> None:
    """Refuse the format without its converter. It is not imported: it loads JAX and more.

    Raises:
        InputError: the converter is not installed.
    """
    if find_spec(CONVERTER) is None:
        raise InputError(f"format litert: {CONVERTER} is not installed; {install_hint('ai_edge_litert')}")


def write(network: "nn.Module", file: Path, settings: ExportSettings) -> None:
    """Write ``network`` in float32, by ``litert_torch``; arguments as of ``onnx_file.write``.

    Raises:
        InputError: the converter is not installed.
        ExportError: it failed.
    """
    import torch

    from experiments.export.deployed import Deployed, example
    from nas_space.lowering import lower

    find_converter()
    with tempfile.TemporaryDirectory(prefix=f".{file.name[:40]}.", dir=file.parent) as folder:
        program, converted = Path(folder, "network.pt2"), Path(folder, "network.tflite")
        deployed = Deployed(lower(network, settings.lowering), settings.interface).eval()
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            exported = torch.export.export(deployed, (example(settings.interface, settings.size),))
            torch.export.save(exported, program)
        _convert(program, converted)
        if settings.metadata:
            with zipfile.ZipFile(converted, "a") as archive:
                archive.writestr(LITERT_NOTE, json.dumps(dict(settings.metadata)))
        write_atomic(file, converted.read_bytes())


def open_file(file: Path, settings: ExportSettings) -> FileRunner:
    """Open a ``.tflite`` file in LiteRT."""
    import torch

    run = open_litert(file, torch.get_num_threads()).run
    return lambda image: Answer(*2 * (run(image),))


def _convert(program: Path, converted: Path) -> None:
    """Convert in a process of its own: the converter prints a lot, and changes settings of the whole process.

    Raises:
        ExportError: it failed, or wrote no file.
    """
    command = module_command("experiments.export.litert_convert", str(program.absolute()), str(converted.absolute()))
    result = subprocess.run(
        command, cwd=program.parent, capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL
    )
    if result.returncode != 0 or not converted.is_file():
        last = " ".join(line.strip() for line in result.stderr.strip().splitlines()[-3:])
        how = f"with exit code {result.returncode}" if result.returncode else "to write a file"
        raise ExportError(f"{CONVERTER} failed {how}: {last[-300:] or 'it says nothing'}; no file was kept")
