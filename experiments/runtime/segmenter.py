"""Segment images with an exported network, in an application: no torch, no training code."""

from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from experiments.runtime.images import Pixels, read_image
from experiments.runtime.resizing import Way, resize
from experiments.runtime.segmentation import Segmentation
from experiments.runtime.session import open_session
from nas_space.errors import InputError

Size = tuple[int, int] | Literal["image"]


class Segmenter:
    """A trained network that ``ssr-nas export`` wrote, as a function of an image.

    Images are resized to the size that the network was trained on (or exported for), the logits back to the image's
    size: the class of a pixel is that of the largest logit there.

    Args:
        file: ``model.onnx`` or ``model.tflite``; or ``model.xml`` of an OpenVINO model or ``model.param`` of an NCNN
            model, whose ``model.bin`` lies beside it.
        engine: ``onnxruntime``, ``openvino``, ``ncnn`` or ``litert``; absent, ONNX Runtime for ``.onnx``.
        threads: threads of one inference; absent, all cores.
        size: height and width at which the network sees an image, or ``"image"`` for each image's own; files exported
            with ``--dynamic true`` take any of at least 32 pixels (64 with four stages). Absent, the file's.

    Raises:
        InputError: the file or an argument is wrong; the message is one line.
    """

    def __init__(
        self, file: str | Path, engine: str | None = None, threads: int | None = None, size: Size | None = None
    ) -> None:
        self._file = file
        self._session = open_session(file, engine, threads)
        self.description = self._session.description
        self.engine = self._session.engine
        if size not in (None, self.description.size) and not self.description.dynamic:
            only = "{}x{} only; export it with --dynamic true".format(*self.description.size)
            raise InputError(f"size: {file} takes images of {only}")
        least = self.description.smallest_side
        if size is not None and size != "image" and min(size) < least:
            raise InputError(f"size: {size[0]}x{size[1]}: both sides must be at least {least} pixels")
        self.size = size or self.description.size

    def __call__(self, image: str | Path | npt.ArrayLike) -> Segmentation:
        """Segment one image; may be called from several threads at once.

        Args:
            image: uint8 ``(H, W, 3)`` RGB, any height and width; or the path of a JPEG or PNG file.

        Returns:
            A class for every pixel, at the image's size.

        Raises:
            InputError: it is no such image, or the file is not what it says of itself.
        """
        pixels = (
            read_image(image, bits=self.description.image_bits)
            if isinstance(image, str | Path)
            else _check_image(image)
        )
        output = self._run(self._prepare(pixels))[0]
        size = pixels.shape[0], pixels.shape[1]
        if self.description.interface.argmax:
            classes = resize(output, size, "nearest").astype(np.uint8, copy=False)
        else:
            classes = largest(output, size)
        return Segmentation(classes, self.description.classes, self.description.colours, pixels)

    def _run(self, prepared: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """What the network makes of its input: classes ``(1, h, w)``, or logits ``(1, classes, h, w)``."""
        try:
            output = np.asarray(self._session.run(prepared))
        except Exception as error:  # each engine has its own kinds of errors, not all of them named
            reason = " ".join(str(error).split())[:200]
            raise InputError(f"{self._file}: {self.engine} cannot run it ({reason}); export it again") from None
        argmax = self.description.interface.argmax
        expected = (1,) if argmax else (1, len(self.description.classes))
        if output.ndim != len(expected) + 2 or output.shape[:-2] != expected or argmax and output.dtype != np.uint8:
            kind = f"{output.dtype} of shape {output.shape}"
            raise InputError(f"{self._file}: gives {kind}, not what it says of itself; export it again")
        if not argmax and not np.isfinite(output).all():
            raise InputError(
                f"{self._file}: its logits are not finite numbers; train the network again, then export it"
            )
        return output

    def _prepare(self, pixels: Pixels) -> npt.NDArray[Any]:
        """The network's input: resized as training images are, one image, normalised unless the graph does it."""
        height, width = pixels.shape[:2] if self.size == "image" else self.size
        least = self.description.smallest_side
        if min(height, width) < least:
            raise InputError(f"image: {height}x{width}: both sides must be at least {least} pixels; leave size out")
        if (height, width) != pixels.shape[:2]:
            shrinks = pixels.shape[0] >= height and pixels.shape[1] >= width
            way: Way = "area" if shrinks else "linear"
            pixels = resize(pixels, (height, width), way).astype(np.uint8)
        if self.description.interface.pixels:
            return np.ascontiguousarray(pixels[None])
        planes = np.ascontiguousarray(pixels.transpose(2, 0, 1)[None]).astype(np.float32)
        planes *= np.float32(self.description.scale)
        planes += np.float32(self.description.offset)
        return planes


def largest(logits: npt.NDArray[np.float32], size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """The class of the largest logit of each pixel, among equals the first, after bilinear interpolation to ``size``.

    Args:
        logits: ``(classes, h, w)``.
        size: height and width of the result ``(H, W)``.
    """
    # Class by class: all logits of a photograph at once would take a gigabyte.
    best = resize(logits[0], size, "linear")
    classes = np.zeros(size, np.uint8)
    for index in range(1, len(logits)):
        plane = resize(logits[index], size, "linear")
        np.copyto(classes, np.uint8(index), where=plane > best)
        np.maximum(best, plane, out=best)
    return classes


def _check_image(image: npt.ArrayLike) -> Pixels:
    array = np.asarray(image)
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or array.size == 0:
        given = f"{array.dtype} of shape {array.shape}"
        raise InputError(f"image: expected uint8 of shape (height, width, 3), RGB; got {given}")
    return array
