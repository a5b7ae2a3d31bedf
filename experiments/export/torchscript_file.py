"""A network as a TorchScript file: for LibTorch and PyTorch, without this project."""

import io
import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.export.settings import Answer, ExportSettings, FileRunner
from experiments.runs.files import write_atomic
from experiments.runtime.engines import Array

if TYPE_CHECKING:
    from torch import nn

EXTRA_FILE = "ssr-nas.json"


def write(network: "nn.Module", file: Path, settings: ExportSettings) -> None:
    """Write ``network`` as a TorchScript file, atomically; arguments as of ``onnx_file.write``.

    The file takes any number of images of any size. Besides ``forward``, its method ``logits`` gives what the classes
    are taken from. The metadata is the archive's extra file ``ssr-nas.json``.
    """
    import torch

    from experiments.export.deployed import Deployed, example
    from nas_space.lowering import lower

    image = example(settings.interface, settings.size)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # that it traces shapes, and is called old
        module = Deployed(lower(network, settings.lowering), settings.interface).eval()
        traced = torch.jit.trace_module(module, {"forward": image, "logits": image})
        buffer = io.BytesIO()
        frozen = torch.jit.freeze(traced, preserved_attrs=["logits"])
        torch.jit.save(frozen, buffer, _extra_files={EXTRA_FILE: json.dumps(dict(settings.metadata))})
    write_atomic(file, buffer.getvalue())


def open_file(file: Path, settings: ExportSettings) -> FileRunner:
    """Open a TorchScript file in PyTorch."""
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that TorchScript is called old
        module = torch.jit.load(file)

    @torch.inference_mode()
    def run(image: Array) -> Answer:
        tensor = torch.from_numpy(image)
        output = module(tensor)
        return Answer(output.numpy(), (output if output.is_floating_point() else module.logits(tensor)).numpy())

    return run
