"""A TensorRT engine, built and run by ``trtexec``, which comes with TensorRT. Experimental: never run on a GPU here."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from experiments.export import onnx_file
from experiments.export.settings import Answer, ExportError, ExportSettings, FileRunner
from experiments.runtime.engines import Array
from experiments.runtime.interface import INPUT
from nas_space.errors import InputError

if TYPE_CHECKING:
    from torch import nn

COMMAND = "trtexec"
LARGEST = 4  # a dynamic engine takes sides up to so many times the usual size


def find_trtexec() -> str:
    """Where ``trtexec`` is.

    Raises:
        InputError: it is not installed.
    """
    command = shutil.which(COMMAND)
    if command is None:
        raise InputError(f"format tensorrt: {COMMAND} is not on the PATH; install TensorRT, or choose onnx")
    return command


def write(network: "nn.Module", file: Path, settings: ExportSettings) -> None:
    """Build an engine in full float32, from an ONNX file beside it; arguments as of ``onnx_file.write``.

    A dynamic engine takes one image, each side from the network's least to four times its size.

    Raises:
        InputError: ``trtexec`` is not installed.
        ExportError: it failed.
    """
    source, shapes = file.with_suffix(".onnx"), []
    onnx_file.write(network, source, settings)
    if settings.dynamic:
        (height, width), least = settings.size, settings.smallest_side
        sizes = {"min": (least, least), "opt": (height, width), "max": (LARGEST * height, LARGEST * width)}
        form = "1x{}x{}x3" if settings.interface.pixels else "1x3x{}x{}"
        shapes = [f"--{name}Shapes={INPUT}:{form.format(*sides)}" for name, sides in sizes.items()]
    arguments = [f"--onnx={source.name}", f"--saveEngine={file.name}", "--noTF32", "--skipInference", *shapes]
    try:
        _trtexec(arguments, file.parent)
    except RuntimeError as error:
        raise ExportError(f"{error}; no file was kept") from None


def open_file(file: Path, settings: ExportSettings) -> FileRunner:
    """An engine that ``trtexec`` runs once per image.

    Raises:
        RuntimeError: when it is called: ``trtexec`` failed, or wrote no output that can be read.
    """

    def run(image: Array) -> Answer:
        image.tofile(file.parent / "image.bin")
        arguments = [f"--loadEngine={file.name}", f"--loadInputs={INPUT}:image.bin", "--exportOutput=output.json"]
        shape = [f"--shapes={INPUT}:{'x'.join(map(str, image.shape))}"] if settings.dynamic else []
        _trtexec([*arguments, *shape, "--iterations=1", "--warmUp=0", "--duration=0"], file.parent)
        try:
            (tensor,) = json.loads((file.parent / "output.json").read_text(encoding="utf-8"))
            sides = [int(side) for side in str(tensor["dimensions"]).split("x")]
            values = np.array(tensor["values"], np.float32).reshape(sides)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RuntimeError(f"{COMMAND} wrote no readable output ({type(error).__name__})") from None
        return Answer(values, values)

    return run


def _trtexec(arguments: list[str], folder: Path) -> None:
    """Run it in ``folder``, so that files have plain names: it splits its arguments at colons and commas."""
    command = [find_trtexec(), *arguments]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if result.returncode != 0:
        last = " ".join(line.strip() for line in (result.stderr or result.stdout).splitlines()[-3:])
        raise RuntimeError(f"{COMMAND} failed with exit code {result.returncode}: {last or 'it says nothing'}")
