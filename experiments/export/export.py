"""Write a trained network for another engine, try the file, and keep it only if it gives the same answer."""

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from experiments.data.dataset import SegmentationData, Split
from experiments.export.describe import REAL_IMAGES
from experiments.export.formats import FORMATS, Format
from experiments.export.settings import ExportError, ExportSettings
from experiments.export.verify import Agreement, as_input, compare_answers, score
from experiments.runs.files import named
from experiments.runtime.decoding import check_utf8
from experiments.runtime.description import Description
from nas_space.errors import InputError

MOST_DIFFERENCE, LEAST_EQUAL = 1e-3, 0.999  # what float32 files are held to
CALIBRATION_IMAGES = 128
NO_ROOM = 2**20  # a disk with fewer free bytes counts as full


@dataclass(frozen=True)
class Exported:
    """A file that was written, tried and kept.

    Args:
        file: the file.
        agreement: with the network.
        miou_before: of the same file in float32 on the validation split, where it was quantised.
        miou: of the file.
    """

    file: Path
    agreement: Agreement
    miou_before: float | None = None
    miou: float | None = None


@dataclass(frozen=True)
class Quantisation:
    """What quantisation needs.

    Args:
        images: calibration images ``(N, 3, H, W)``, uint8.
        validation: what the file is scored on before and after.
        most_lost: mIoU that may be lost, in [0, 1]; a file that loses more is not kept.
    """

    images: Tensor
    validation: Split
    most_lost: float

    @classmethod
    def on(cls, data: SegmentationData, most_lost: float) -> "Quantisation":
        """Calibrated on training images that are spread evenly, scored on the validation images."""
        count = min(len(data.train), CALIBRATION_IMAGES)
        spread = [i * len(data.train) // count for i in range(count)]
        return cls(data.train.images[spread], data.val, most_lost)


def check_out(out: Path, kind: str) -> None:
    """Make sure that a file can be written.

    Args:
        out: the file.
        kind: name of its format.

    Raises:
        InputError: it has the wrong suffix, is there already, its folder is not, or its path is not UTF-8.
    """
    file_format = FORMATS[kind]
    if out.suffix.lower() not in file_format.suffixes:
        raise InputError(f"--out {out}: a file of format {kind} must end in {' or '.join(file_format.suffixes)}")
    check_utf8(out, "an exported file")
    if not out.parent.is_dir():
        raise InputError(f"--out {out}: its folder {out.parent} is missing; make it first")
    for path in file_format.files(out):
        if os.path.lexists(path):
            raise InputError(f"--out {out}: {path} is there already; choose another --out, or remove it")


def export(
    network: nn.Module,
    description: Description,
    kind: str,
    out: Path,
    images: Sequence[Tensor],
    quantisation: Quantisation | None = None,
) -> Exported:
    """Export a network, run the file on images beside the network, and keep it if both agree.

    The file is written and tried in a hidden folder beside ``out``, then renamed: whenever the process ends, ``out`` is
    whole and tried, or not there.

    Args:
        network: as it was trained.
        description: what is to be written; the file carries it.
        kind: name of the format.
        out: the file.
        images: what both are run on, uint8 ``(1, 3, H, W)`` each, of the description's size unless that is dynamic.
        quantisation: makes an 8-bit file.

    Raises:
        InputError: ``out`` cannot be used, or what the format needs is not installed.
        ExportError: the file cannot be run, or gives another answer.
    """
    file_format = FORMATS[kind]
    check_out(out, kind)
    staged = tempfile.TemporaryDirectory(".tmp", f".{out.name[:40]}.", out.parent, ignore_cleanup_errors=True)
    with staged as folder, named(out), _full_disk_told(out):
        file = Path(folder) / out.name
        settings = ExportSettings.of(description if quantisation is None else replace(description, precision="fp32"))
        file_format.write(network, file, settings)
        agreement = _compare(file_format, file, network, settings, images)
        if not agreement.within(MOST_DIFFERENCE, LEAST_EQUAL):
            difference, equal = agreement.max_logit_difference, 100 * agreement.equal_pixels
            logits = f"logits differ by up to {difference:.3g} (at most {MOST_DIFFERENCE:g} is allowed)"
            pixels = f"{equal:.3f} % of the pixels are equal (at least {100 * LEAST_EQUAL:g} % must be)"
            raise ExportError(f"the file does not give the network's answer: {logits}, {pixels}; no file was kept")
        exported = Exported(out, agreement)
        if quantisation is not None:
            exported = Exported(out, *_quantise(network, description, file_format, file, images, quantisation))
        check_out(out, kind)
        for path in reversed(file_format.files(out)):  # the named file last: where it is, the others are
            os.replace(file.with_name(path.name), path)
    return exported


@contextmanager
def _full_disk_told(out: Path) -> Iterator[None]:
    """OpenVINO and others raise a ``RuntimeError`` without a word of the disk; what is free says it.

    Raises:
        OSError: the disk of ``out``, or that of temporary files, is full.
    """
    try:
        yield
    except (InputError, OSError, ExportError):
        raise
    except Exception as error:
        for folder in (str(out.parent), tempfile.gettempdir()):
            if shutil.disk_usage(folder).free < NO_ROOM:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), folder) from error
        raise


def _compare(
    file_format: Format, file: Path, network: nn.Module, settings: ExportSettings, images: Sequence[Tensor]
) -> Agreement:
    try:
        return compare_answers(file_format.open(file, settings), network, settings.interface, images)
    except (InputError, KeyboardInterrupt):
        raise
    except Exception as error:  # engines raise what they like
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        raise ExportError(f"the exported file cannot be run ({reason}); no file was kept") from error


def _quantise(
    network: nn.Module,
    description: Description,
    file_format: Format,
    file: Path,
    images: Sequence[Tensor],
    quantisation: Quantisation,
) -> tuple[Agreement, float, float]:
    """Replace the staged float32 file by an 8-bit one; its agreement, and the mIoU before and after."""
    assert file_format.quantise is not None
    settings, classes = ExportSettings.of(description), len(description.classes)
    before = score(file_format.open(file, settings), settings.interface, quantisation.validation, classes)
    calibration = [as_input(image, settings.interface).numpy() for image in quantisation.images.split(1)]
    file_format.quantise(file, calibration, settings)
    agreement = _compare(file_format, file, network, settings, images)
    after = score(file_format.open(file, settings), settings.interface, quantisation.validation, classes)
    if not np.isfinite(agreement.max_logit_difference) or not before - after <= quantisation.most_lost:
        raise ExportError(
            f"the 8-bit file has {100 * after:.1f} % mIoU, {100 * (before - after):.1f} points less than the float32 "
            f"file (--most_lost allows {100 * quantisation.most_lost:g}); no file was kept"
        )
    return agreement, before, after


def trial_images(size: tuple[int, int], dynamic: bool, real: Tensor, seed: int = 0, least: int = 32) -> list[Tensor]:
    """Random images, then real ones; where any size is taken, random ones of odd and of other sizes too.

    Args:
        size: height and width.
        dynamic: whether any size is taken.
        real: ``(N, 3, H, W)`` uint8.
        seed: of the random images.
        least: height and width of the smallest random image.
    """
    generator = torch.Generator().manual_seed(seed)
    sizes = [size, size]
    if dynamic:
        sizes += [
            (size[0] + 1, size[1]),
            (size[0] + 3, size[1] + 5),
            (max(size[0] // 2, least), max(size[1] // 3, least + 1)),
        ]
    random = [torch.randint(0, 256, (1, 3, *sides), dtype=torch.uint8, generator=generator) for sides in sizes]
    return [*random, *real.split(1)]


def real_images(description: Description, data: SegmentationData) -> list[Tensor]:
    """Random images for a description, and a few validation images."""
    real, least = data.val.images[:REAL_IMAGES], description.smallest_side
    return trial_images(description.size, description.dynamic, real, least=least)
