"""The file that an engine is timed with: a network exported as a user would export it."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from experiments.export.formats import FORMATS, Format
from experiments.export.settings import ExportSettings
from experiments.runtime.interface import PLAIN, Interface
from nas_space.errors import InputError
from nas_space.latency import PRECISIONS

if TYPE_CHECKING:
    from torch import nn

FILE_ENGINES: dict[str, Format] = {kind.engine: kind for kind in FORMATS.values() if kind.engine is not None}
"""Engine -> the format whose files it runs; torch and compile run programs of ``torch.export``."""
CALIBRATION_IMAGES = 4  # of noise: they decide what an 8-bit network answers, not how long it takes


def check_precision(precision: str) -> None:
    """Refuse what is none of ``PRECISIONS``.

    Raises:
        InputError: it is unknown.
    """
    if precision not in PRECISIONS:
        raise InputError(f"precision: unknown {precision!r}; choose from {', '.join(PRECISIONS)}")


def write_timed(
    network: "nn.Module",
    engine: str,
    precision: str,
    size: tuple[int, int],
    folder: Path,
    interface: Interface = PLAIN,
    batch: int = 1,
    calibration: int = CALIBRATION_IMAGES,
) -> Path:
    """Write ``network`` for one of ``FILE_ENGINES``.

    Args:
        network: normalised images ``(N, 3, H, W)`` -> logits.
        engine: what runs the file.
        precision: ``fp32``, or ``int8``: quantised after training, on noise.
        size: height and width of the images.
        folder: an existing, empty folder.
        interface: what else lies inside the graph.
        batch: images at once; with more than one, the file takes images of any size.
        calibration: images of noise for ``int8``.

    Returns:
        The file.

    Raises:
        InputError: the quantiser is not installed.
    """
    file_format = FILE_ENGINES[engine]
    file = folder / f"network{file_format.suffixes[0]}"
    settings = ExportSettings(size, dynamic=batch > 1, interface=interface, lowering=file_format.fastest)
    file_format.write(network, file, settings)
    if precision == "int8":
        assert file_format.quantise is not None
        shape = interface.shape(size)
        generator = np.random.default_rng(0)
        images = [interface.noise(shape, generator) for _ in range(calibration)]
        file_format.quantise(file, images, settings)
    return file
