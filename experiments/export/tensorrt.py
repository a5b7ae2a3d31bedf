"""A TensorRT engine, built and run by ``trtexec``, which comes with TensorRT."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.export.verify import Answer, Runner
from experiments.runtime.interface import INPUT, Interface
from nas_space.errors import InputError

COMMAND = "trtexec"
LARGEST = 4  # times the usual size that a dynamic engine takes
OUTPUT_LINES = 3


def check_tensorrt() -> str:
    """Where ``trtexec`` is.

    Raises:
        InputError: it is not installed.
    """
    found = shutil.which(COMMAND)
    if found is None:
        raise InputError(f"format tensorrt: {COMMAND} is not on the PATH; install TensorRT, or choose onnx")
    return found


def build_engine(source: Path, target: Path, size: tuple[int, int], dynamic: bool, interface: Interface) -> None:
    """Build an engine of an ONNX file, in full float32; a dynamic one for one image, each side from 32 pixels to four times its size.

    Raises:
        InputError: ``trtexec`` is not installed.
        RuntimeError: it failed.
    """
    shapes = []
    if dynamic:
        sizes = {"min": (32, 32), "opt": size, "max": (LARGEST * size[0], LARGEST * size[1])}
        shapes = [f"--{name}Shapes={INPUT}:{_shape(sides, interface)}" for name, sides in sizes.items()]
    _run(
        [f"--onnx={source.name}", f"--saveEngine={target.name}", "--noTF32", "--skipInference", *shapes], source.parent
    )


def run_tensorrt(file: Path, dynamic: bool) -> Runner:
    """An engine, run once an image by ``trtexec``."""

    def run(image: NDArray[Any]) -> Answer:
        image.tofile(file.parent / "image.bin")
        arguments = [f"--loadEngine={file.name}", f"--loadInputs={INPUT}:image.bin", "--exportOutput=output.json"]
        shape = [f"--shapes={INPUT}:{'x'.join(map(str, image.shape))}"] if dynamic else []
        _run([*arguments, *shape, "--iterations=1", "--warmUp=0", "--duration=0"], file.parent)
        try:
            (tensor,) = json.loads((file.parent / "output.json").read_text(encoding="utf-8"))
            sides = [int(side) for side in str(tensor["dimensions"]).split("x")]
            values = np.array(tensor["values"], np.uint8 if tensor["name"] == "classes" else np.float32).reshape(sides)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RuntimeError(f"{COMMAND} wrote no readable output ({type(error).__name__})") from None
        return Answer(values, values)

    return run


def _shape(size: tuple[int, int], interface: Interface) -> str:
    return "1x{}x{}x3".format(*size) if interface.pixels else "1x3x{}x{}".format(*size)


def _run(arguments: list[str], folder: Path) -> None:
    """Plain names in ``folder``: trtexec splits its arguments at colons and commas."""
    result = subprocess.run(
        [check_tensorrt(), *arguments], cwd=folder, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    if result.returncode != 0:
        last = " ".join(line.strip() for line in (result.stderr or result.stdout).splitlines()[-OUTPUT_LINES:])
        raise RuntimeError(f"{COMMAND} failed with exit code {result.returncode}: {last or 'it says nothing'}")
