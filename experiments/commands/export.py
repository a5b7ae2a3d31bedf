"""Write a trained network for ONNX Runtime, OpenVINO, TorchScript or TensorRT, and prove that the file gives the same answer.

The file is run on random and on real images beside the network. Unless logits agree to 1e-3 and 99.9 % of the pixels
are equal, it is not kept. It carries its classes, colours, normalisation and architecture: ``from experiments import
Segmenter`` needs nothing else.
"""

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from experiments.benchmark.lowering import time_lowerings
from experiments.data import SegmentationData, load
from experiments.export.export import FORMATS, Exported, Format, Quantisation, check_out, export, files_of, trial_images
from experiments.export.tensorrt import check_tensorrt
from experiments.latency.engines import find_engine
from experiments.model_file import ModelInfo, load_model
from experiments.options.groups import DataOptions, parse_size
from experiments.prediction.trained_on import AS_TRAINED, as_trained, completed
from experiments.runtime.description import Description
from experiments.runtime.interface import Interface
from nas_space.errors import InputError
from nas_space.lowering import FASTEST, LOWERINGS

AUTO, MEASURED = "auto", "fastest"
ROUNDS = 10
REAL_IMAGES, CALIBRATION_IMAGES = 4, 128


@dataclass
class Options:
    """Options of ``ssr-nas export``.

    Args:
        checkpoint: the trained network: model.safetensors, or the run folder that holds it.
        format: onnx, openvino (FILE.xml and FILE.bin), torchscript or tensorrt (by trtexec).
        out: the file; it must not be there yet.
        size: image size HEIGHTxWIDTH in pixels that the file takes; ``auto`` is the one that the network was trained
            on.
        dynamic: take any number of images of any size.
        pixels: take images as they are read, uint8 (N, H, W, 3) RGB, and normalise them inside.
        resize: give logits, or classes, at the image's size.
        argmax: give class indices, uint8, instead of logits.
        lowering: form of partial residuals: pad, concat or zeros; ``auto`` is what was fastest for most networks on the
            format's engine, ``fastest`` times all three for this network on this machine.
        precision: 32, or int8 for onnx and openvino: calibrated on training images, scored on the validation images
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
    precision: str = "32"
    most_lost: float = 0.05
    data: DataOptions = field(default_factory=as_trained)


def run(options: Options) -> dict[str, Any]:
    """Export, try, keep or refuse.

    Returns:
        The file, how far it agrees with the network, and what it holds.
    """
    _check(options)
    network, info = load_model(options.checkpoint)
    description = _described(options, info)
    out = Path(options.out)
    kind: Format = options.format  # type: ignore[assignment]  # checked above
    check_out(out, kind)
    data = _data(options, info, description)
    if options.lowering == MEASURED:
        description = replace(
            description, lowering=time_lowerings(network, options.format, description.size, ROUNDS).fastest
        )
    images = trial_images(description.size, description.dynamic, data.val.images[:REAL_IMAGES])
    quantisation = None
    if options.precision == "int8":
        count = min(len(data.train), CALIBRATION_IMAGES)
        spread = [i * len(data.train) // count for i in range(count)]
        quantisation = Quantisation(data.train.images[spread], data.val, options.most_lost)
    exported = export(network, description, kind, out, images, quantisation)
    print(_told(description, exported, data.name))
    result = {
        "file": str(exported.file),
        "max_logit_difference": exported.agreement.max_logit_difference,
        "equal_pixels": exported.agreement.equal_pixels,
        "images": exported.agreement.images,
        "format": options.format,
        "precision": options.precision,
        "lowering": description.lowering,
        "size": "{}x{}".format(*description.size),
        "dynamic": description.dynamic,
        "bytes": sum(path.stat().st_size for path in files_of(out, kind)),
    }
    if exported.miou is not None:
        result |= {"miou_before": exported.miou_before, "miou": exported.miou}
    return result


def _check(options: Options) -> None:
    choices = {"format": FORMATS, "lowering": (AUTO, MEASURED, *LOWERINGS), "precision": ("32", "int8")}
    for key, allowed in choices.items():
        if getattr(options, key) not in allowed:
            raise InputError(f"{key}: unknown {getattr(options, key)!r}; choose from {', '.join(allowed)}")
    if options.precision == "int8" and options.format not in ("onnx", "openvino"):
        raise InputError(f"precision int8: format {options.format} has none; choose onnx or openvino")
    if not 0.0 <= options.most_lost <= 1.0:
        raise InputError(f"most_lost: {options.most_lost:g} must be from 0 to 1")
    if options.format == "tensorrt":
        if options.argmax:
            raise InputError(
                "argmax: a TensorRT engine with classes alone cannot be compared with the network; leave it out"
            )
        if options.lowering == MEASURED:
            raise InputError(
                "lowering fastest: TensorRT's time is not measured here; choose auto, pad, concat or zeros"
            )
        check_tensorrt()
    if options.format != "torchscript":
        find_engine("openvino" if options.format == "openvino" else "onnxruntime")


def _described(options: Options, info: ModelInfo) -> Description:
    return Description(
        classes=info.classes,
        colours=info.colours,
        size=info.size if options.size == AUTO else parse_size(options.size),
        dynamic=options.dynamic or options.format == "torchscript",
        interface=Interface(options.pixels, options.resize, options.argmax),
        precision="int8" if options.precision == "int8" else "32",
        lowering=FASTEST[options.format] if options.lowering in (AUTO, MEASURED) else options.lowering,
        head=info.head or "peer",
        dataset=info.dataset,
        architecture={"peer": info.peer} if info.architecture is None else json.loads(info.architecture.to_json()),
    )


def _data(options: Options, info: ModelInfo, description: Description) -> SegmentationData:
    """Real images at the file's size; all that are needed for quantisation, otherwise a few."""
    size = "{}x{}".format(*description.size)
    given = options.data
    if given.size not in (AS_TRAINED, size) and not description.dynamic:
        raise InputError(
            f"data.size: {given.size}, but the file takes {size}; leave it out, or export with --dynamic true"
        )
    chosen = replace(
        completed(options.checkpoint, info, given),
        size=size if given.size == AS_TRAINED else given.size,
        limit=given.limit if options.precision == "int8" else min(given.limit or REAL_IMAGES, REAL_IMAGES),
    )
    data = load(chosen)
    if options.precision == "int8" and data.classes != info.classes:
        raise InputError(
            f"data.name: {data.name} has other classes than the network; int8 needs labels of the network's"
        )
    return data


def _told(description: Description, exported: Exported, dataset: str) -> str:
    agreement, form = exported.agreement, description.interface
    size = "{}x{}".format(*description.size)
    takes = "any size" if description.dynamic else size
    lines = [
        f"{agreement.images} images, random ones and some of {dataset}: logits differ by at most {agreement.max_logit_difference:.2g}, "
        f"{100 * agreement.equal_pixels:.3f} % of the pixels are equal",
        f"takes {'uint8 (N, H, W, 3)' if form.pixels else 'normalised float32 (N, 3, H, W)'} of {takes}; gives "
        f"{'classes' if form.argmax else 'logits'} {'at the size of the image' if form.resize else 'at the resolution of the network'}",
        f"batch norms folded, partial residuals as {description.lowering}, precision {description.precision}",
    ]
    if exported.miou is not None and exported.miou_before is not None:
        lines.append(
            f"mIoU on the validation split: {100 * exported.miou_before:.1f} % in float32, {100 * exported.miou:.1f} % in 8 bits"
        )
    return "\n".join((*lines, f"file  {exported.file}"))
