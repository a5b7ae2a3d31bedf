"""A network as a TorchScript file: for LibTorch and PyTorch, without this project."""

import io
import json
import warnings
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn

from experiments.export.deployed import Deployed, example
from experiments.runs.files import write_atomic
from experiments.runtime.interface import Interface
from nas_space.lowering import Lowering, lower

EXTRA_FILE = "ssr-nas.json"


def export_torchscript(
    network: nn.Module,
    path: str | Path,
    size: tuple[int, int],
    *,
    interface: Interface = Interface(),  # noqa: B008  # frozen
    lowering: Lowering = "concat",
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write ``network`` as a TorchScript file, atomically. It takes any number of images of any size; arguments as of ``export_onnx``.

    Besides ``forward``, its method ``logits`` gives what the classes are taken from. The metadata is the archive's
    extra file ``ssr-nas.json``.
    """
    image = example(interface, size)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # that it traces shapes, and is called old
        module = Deployed(lower(network, lowering), interface).eval()
        traced = torch.jit.trace_module(module, {"forward": image, "logits": image})
        buffer = io.BytesIO()
        frozen = torch.jit.freeze(traced, preserved_attrs=["logits"])
        torch.jit.save(frozen, buffer, _extra_files={EXTRA_FILE: json.dumps(dict(metadata or {}))})
    write_atomic(path, buffer.getvalue())
