"""A network as an NCNN model: two files, ``NAME.param`` (the graph, as text) and ``NAME.bin`` (its weights).

NCNN runs on phones and boards. The model's input ``in0`` is one normalised image ``(3, H, W)``; its output ``out0`` is
the logits.
"""

import json
import os
import re
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.export import torchscript_file
from experiments.export.settings import Answer, ExportError, ExportSettings, FileRunner
from experiments.runs.files import write_atomic
from experiments.runtime.engines import NCNN_NOTE, open_ncnn

if TYPE_CHECKING:
    from torch import nn

LACKS = {
    "dynamic": "take one image of one size",
    "pixels": "take float32 alone",
    "argmax": "give float32 alone",
}
"""Options of ``ssr-nas export`` that such a file cannot have, and why."""
INPUT_LAYER = re.compile(r"^Input +in0 +0 1 in0$", re.MULTILINE)


def write(network: "nn.Module", file: Path, settings: ExportSettings) -> None:
    """Write ``network`` in float32, from a TorchScript file by ``pnnx``; arguments as of ``onnx_file.write``.

    Raises:
        ExportError: ``pnnx`` failed.
    """
    height, width = settings.size
    with tempfile.TemporaryDirectory(prefix=f".{file.name[:40]}.", dir=file.parent) as folder:
        torchscript_file.write(network, Path(folder, "network.pt"), replace(settings, metadata={}))
        _pnnx(["network.pt", f"inputshape=[1,3,{height},{width}]f32", "fp16=0"], Path(folder))
        graph, weights = (Path(folder, f"network.ncnn{suffix}") for suffix in (".param", ".bin"))
        text, found = INPUT_LAYER.subn(rf"\g<0> 0={width} 1={height} 2=3", graph.read_text(encoding="utf-8"))
        if found != 1:
            raise ExportError("pnnx wrote a graph without one image as its input; no file was kept")
        if settings.metadata:  # NCNN reads as many lines as the head of the file says, and no further
            text += f"{NCNN_NOTE}{json.dumps(dict(settings.metadata))}\n"
        os.replace(weights, file.with_suffix(".bin"))  # the graph appears last: where it is, its weights are
        write_atomic(file, text)


def open_file(file: Path, settings: ExportSettings) -> FileRunner:
    """Open the ``.param`` of a model in NCNN."""
    import torch

    run = open_ncnn(file, torch.get_num_threads()).run
    return lambda image: Answer(*2 * (run(image),))


def _pnnx(arguments: list[str], folder: Path) -> None:
    """Run the converter in ``folder``, where it leaves files of its own too.

    Raises:
        ExportError: it failed, or wrote no model.
    """
    import pnnx

    result = subprocess.run(
        [pnnx.EXEC_PATH, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        errors="replace",
        stdin=subprocess.DEVNULL,
    )
    written = all((folder / f"network.ncnn{suffix}").is_file() for suffix in (".param", ".bin"))
    if result.returncode != 0 or not written:
        last = " ".join(line.strip() for line in (result.stderr.strip() or result.stdout.strip()).splitlines()[-3:])
        how = f"with exit code {result.returncode}" if result.returncode else "to write a model"
        raise ExportError(f"pnnx failed {how}: {last[:300] or 'it says nothing'}; no file was kept")
