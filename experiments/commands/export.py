"""Write a trained network for another engine, and prove it.

The file is run on random and on real images beside the network. Unless logits agree to 1e-3 and 99.9 % of the pixels
are equal, it is not kept; an int8 file is held to its mIoU instead (``most_lost``). It carries its classes, colours,
normalisation and architecture: ``from experiments import Segmenter`` needs nothing else.
"""

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.export.describe import REAL_IMAGES, describe_model
from experiments.export.formats import EIGHT_BITS, FORMATS, describe_formats
from experiments.options.groups import DataOptions, parse_size
from experiments.prediction.trained_on import AS_TRAINED, as_trained
from experiments.runs.lock import held
from experiments.runs.tables import counted
from experiments.runtime.description import Description
from experiments.runtime.interface import Interface
from nas_space.config import check_size
from nas_space.errors import InputError
from nas_space.latency import PRECISIONS

if TYPE_CHECKING:
    from torch import nn

    from experiments.data import SegmentationData
    from experiments.export.export import Exported
    from experiments.model_file import ModelInfo

AUTO, MEASURED = "auto", "fastest"
ROUNDS = 10


@dataclass
class Options:
    """Options of ``ssr-nas export``.

    Args:
        checkpoint: the trained network: model.safetensors, the run folder that holds it, or one that comes with the
            package: camvid_paper_360x480 or camvid_360x480.
        format: one of FORMATS.
        out: the file; it must not be there yet.
        size: image size HEIGHTxWIDTH in pixels that the file takes; ``auto`` is that of the training.
        dynamic: take any number of images of any size.
        pixels: take images as they are read, uint8 (N, H, W, 3) RGB, and normalise them inside.
        resize: give logits, or classes, at the image's size.
        argmax: give class indices, uint8, instead of logits.
        lowering: form of partial residuals: pad, concat or zeros; ``auto`` is what was fastest for most networks on the
            format's engine, ``fastest`` times all three for this network on this machine.
        precision: fp32, or int8 (EIGHT_BITS): calibrated on training images, scored on the validation images
            before and after.
        most_lost: most mIoU that an int8 file may lose, from 0 to 1.
        data: real images to try the file on, and for int8; ``as-trained`` is the data set that the network was trained
            on.
    """

    checkpoint: str
    format: str
    out: str
    size: str = AUTO
    dynamic: bool = False
    pixels: bool = False
    resize: bool = False
    argmax: bool = False
    lowering: str = AUTO
    precision: str = "fp32"
    most_lost: float = 0.05
    data: DataOptions = field(default_factory=as_trained)


assert Options.__doc__ is not None
Options.__doc__ = Options.__doc__.replace("FORMATS", describe_formats()).replace("EIGHT_BITS", ", ".join(EIGHT_BITS))


def run(options: Options) -> dict[str, Any]:
    """Export, try, keep or refuse; return the file, how far it agrees with the network, and what it holds."""
    from experiments.export.export import check_out
    from experiments.model_file import load_model

    if options.precision == "32":  # its name before 2026-12
        options = replace(options, precision="fp32")
    _check(options)
    network, info = load_model(options.checkpoint)
    description, out = _describe(options, info), Path(options.out)
    if info.architecture is not None:
        stages, real = len(info.architecture.stages), options.data.size
        check_size("size", description.size, stages)
        if real != AS_TRAINED:
            check_size("data.size", parse_size(real), stages)
    check_out(out, options.format)
    with held(out, f"--out {out}"):
        return _run(options, network, info, description, out)


def _run(
    options: Options, network: "nn.Module", info: "ModelInfo", description: Description, out: Path
) -> dict[str, Any]:
    from experiments.benchmark.lowering import time_lowerings
    from experiments.export.export import Quantisation, export, real_images

    data = _load_data(options, info, description)
    if options.lowering == MEASURED:
        fastest = time_lowerings(network, options.format, description.size, ROUNDS).fastest
        description = replace(description, lowering=fastest)
    images = real_images(description, data)
    quantisation = None
    if options.precision == "int8":
        quantisation = Quantisation.on(data, options.most_lost)
    exported = export(network, description, options.format, out, images, quantisation)
    print("\n".join(_summary_lines(options, description, exported, data.name)))
    result = {
        "file": str(exported.file),
        **asdict(exported.agreement),
        "format": options.format,
        "precision": options.precision,
        "lowering": description.lowering,
        "size": "{}x{}".format(*description.size),
        "dynamic": description.dynamic,
        "bytes": sum(path.stat().st_size for path in FORMATS[options.format].files(out)),
    }
    if exported.miou is not None:
        result |= {"miou_before": exported.miou_before, "miou": exported.miou}
    return result


def _check(options: Options) -> None:
    from nas_space.lowering import LOWERINGS

    choices = {"format": FORMATS, "lowering": (AUTO, MEASURED, *LOWERINGS), "precision": PRECISIONS}
    for key, allowed in choices.items():
        if getattr(options, key) not in allowed:
            raise InputError(f"{key}: unknown {getattr(options, key)!r}; choose from {', '.join(allowed)}")
    file_format = FORMATS[options.format]
    if options.precision == "int8" and file_format.quantise is None:
        raise InputError(f"precision int8: format {options.format} has none; choose {' or '.join(EIGHT_BITS)}")
    if not 0.0 <= options.most_lost <= 1.0:
        raise InputError(f"most_lost: {options.most_lost:g} must be from 0 to 1")
    for key, reason in file_format.lacks.items():
        if getattr(options, key):
            raise InputError(f"{key}: {options.format} files {reason}; leave it out")
    if options.lowering == MEASURED and not file_format.timed:
        choice = f"choose auto, {', '.join(LOWERINGS[:-1])} or {LOWERINGS[-1]}"
        raise InputError(f"lowering fastest: the time of {options.format} is not measured here; {choice}")
    file_format.check_installed()


def _describe(options: Options, info: "ModelInfo") -> Description:
    return describe_model(
        info,
        options.format,
        size=info.size if options.size == AUTO else parse_size(options.size),
        dynamic=options.dynamic,
        interface=Interface(options.pixels, options.resize, options.argmax),
        precision="int8" if options.precision == "int8" else "fp32",
        lowering=None if options.lowering in (AUTO, MEASURED) else options.lowering,
    )


def _load_data(options: Options, info: "ModelInfo", description: Description) -> "SegmentationData":
    """Real images at the file's size; all that are needed for quantisation, otherwise a few."""
    from experiments.data import load
    from experiments.prediction.trained_on import completed

    size, given = "{}x{}".format(*description.size), options.data
    if given.size not in (AS_TRAINED, size) and not description.dynamic:
        fix = "leave it out, or export with --dynamic true"
        raise InputError(f"data.size: {given.size}, but the file takes {size}; {fix}")
    data_options = replace(
        completed(options.checkpoint, info, given),
        size=size if given.size == AS_TRAINED else given.size,
        limit=given.limit if options.precision == "int8" else min(given.limit or REAL_IMAGES, REAL_IMAGES),
    )
    data = load(data_options)
    if options.precision == "int8" and data.classes != info.classes:
        need = "int8 needs labels of the network's"
        raise InputError(f"data.name: {data.name} has other classes than the network; {need}")
    return data


def _summary_lines(options: Options, description: Description, exported: "Exported", dataset: str) -> list[str]:
    agreement, interface = exported.agreement, description.interface
    takes = "uint8 (N, H, W, 3)" if interface.pixels else "normalised float32 (N, 3, H, W)"
    size = "any size" if description.dynamic else "{}x{}".format(*description.size)
    gives = "classes" if interface.argmax else "logits"
    resolution = (
        "at the size of the image" if interface.resize else "at the size of the network's output, which is smaller"
    )
    lines = [
        f"{counted(agreement.images, 'image')}, random ones and some of {dataset}: logits differ by at most "
        f"{agreement.max_logit_difference:.2g}, {100 * agreement.equal_pixels:.3f} % of the pixels are equal",
        f"takes {takes} of {size}; gives {gives} {resolution}",
        f"batch norms folded, partial residuals as {description.lowering}, precision {options.precision}",
    ]
    if exported.miou is not None and exported.miou_before is not None:
        before, after = 100 * exported.miou_before, 100 * exported.miou
        lines.append(
            f"mIoU on the validation split: {before:.1f} % in float32, {after:.1f} % in 8 bits; the file is judged by "
            f"this alone: it may lose {100 * options.most_lost:g} points"
        )
    return [*lines, f"file  {exported.file}"]
