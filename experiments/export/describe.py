"""What an exported file says of the trained network in it. No torch."""

import json
from typing import TYPE_CHECKING, Literal

from experiments.export.formats import FORMATS
from experiments.runtime.description import Description
from experiments.runtime.interface import PLAIN, Interface

if TYPE_CHECKING:
    from experiments.model_file import ModelInfo

REAL_IMAGES = 4
"""Images of the data set that a file is tried on."""


def describe_model(
    info: "ModelInfo",
    kind: str,
    *,
    size: tuple[int, int],
    dynamic: bool = False,
    interface: Interface = PLAIN,
    precision: Literal["fp32", "int8"] = "fp32",
    lowering: str | None = None,
) -> Description:
    """The description of a file.

    Args:
        info: of the trained network.
        kind: name of the file's format.
        size: height and width of the images that it takes.
        dynamic: whether it takes any number of images of any size.
        interface: what else lies inside.
        precision: ``fp32`` or ``int8``.
        lowering: form of partial residuals; absent, the one that the format's engine runs fastest.
    """
    file_format = FORMATS[kind]
    return Description(
        classes=info.classes,
        colours=info.colours,
        size=size,
        dynamic=dynamic or file_format.any_size,
        interface=interface,
        precision=precision,
        lowering=lowering or file_format.fastest,
        head=info.head or "peer",
        dataset=info.dataset,
        architecture={"peer": info.peer} if info.architecture is None else json.loads(info.architecture.to_json()),
        image_bits=info.image_bits,
    )
