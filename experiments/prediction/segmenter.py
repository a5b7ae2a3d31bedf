"""From an image of any size to a class for each of its pixels: what evaluation, prediction and figures share.

An image is resized as it was for training (without its aspect ratio), and the logits are upsampled bilinearly to
wherever classes are wanted: to the label's own resolution, or the image's.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from experiments.data.files import Array
from experiments.data.memory import resize_image
from experiments.data.transforms import normalise
from experiments.model_file import ModelInfo, load_model
from experiments.options.device import resolve_device
from experiments.options.groups import parse_size
from experiments.runs.measure import now
from nas_space.blocks import upsample
from nas_space.errors import InputError

BAND = 2**25
"""Logits that are upsampled at once (128 MiB): an image of any size is done in bands of rows."""


@dataclass
class EvalOptions:
    """How a trained network is applied to images.

    Args:
        size: HEIGHTxWIDTH in pixels that images are resized to for the network; what it was trained at if absent.
        scales: probabilities are averaged over the image at these multiples of the size.
        flip: and over the image mirrored left to right.
    """

    size: str | None = None
    scales: list[float] = field(default_factory=lambda: [1.0])
    flip: bool = False

    def views(self, trained: tuple[int, int]) -> "Views":
        """What these options describe for a network trained at ``trained`` pixels.

        Raises:
            InputError: the key that is out of range.
        """
        height, width = trained if self.size is None else parse_size(self.size)
        if not self.scales or len(set(self.scales)) < len(self.scales):
            raise InputError(f"eval.scales: {self.scales} must be one or more different numbers, such as 0.75,1,1.25")
        for scale in self.scales:
            if not 0 < scale < float("inf"):
                raise InputError(f"eval.scales: {scale:g} must be above 0")
            scaled = f"{round(scale * height)}x{round(scale * width)}"
            try:
                parse_size(scaled)
            except InputError as error:
                raise InputError(f"eval.scales: {scale:g} of {height}x{width}: {error}") from None
        return Views((height, width), tuple(self.scales), self.flip)


@dataclass(frozen=True)
class Views:
    """At what sizes a network sees each image.

    Args:
        size: height and width in pixels.
        scales: multiples of it.
        flip: mirrored as well.
    """

    size: tuple[int, int]
    scales: tuple[float, ...] = (1.0,)
    flip: bool = False

    @property
    def sizes(self) -> list[tuple[int, int]]:
        """Height and width at each scale."""
        return [(round(scale * self.size[0]), round(scale * self.size[1])) for scale in self.scales]

    def __str__(self) -> str:
        scales = "" if self.scales == (1.0,) else f", scales {', '.join(f'{scale:g}' for scale in self.scales)}"
        return "{}x{}".format(*self.size) + scales + (", flipped too" if self.flip else "")


class Segmenter:
    """A trained network that takes images as they come.

    Args:
        network: normalised images ``(N, 3, h, w)`` -> logits ``(N, classes, h', w')``.
        views: the sizes at which it sees an image.
        device: ``cpu`` or ``cuda``.
    """

    def __init__(self, network: nn.Module, views: Views, device: str = "cpu") -> None:
        self.network = network.to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
        self.views = views
        self.device = device
        self.seconds: list[float] = []  # what the network alone took for each image

    @torch.inference_mode()
    def __call__(self, image: Array, resolution: tuple[int, int] | None = None) -> Array:
        """The class of each pixel.

        Args:
            image: ``(H, W, 3)`` uint8 RGB.
            resolution: height and width of the result; the image's own if absent.

        Returns:
            ``resolution``, uint8.

        Raises:
            InputError: the logits are not finite.
        """
        inputs = [to_input(image, size).to(self.device) for size in self.views.sizes]
        start = now(self.device)
        logits = [self.network(x).float() for x in inputs]
        if self.views.flip:
            logits += [self.network(x.flip(-1)).float().flip(-1) for x in inputs]
        self.seconds.append(now(self.device) - start)
        if not all(bool(view.isfinite().all()) for view in logits):
            raise InputError("checkpoint: the network's logits are not finite numbers; train it again")
        return classify(logits, (image.shape[0], image.shape[1]) if resolution is None else resolution).numpy()

    @property
    def network_fps(self) -> float:
        """Images a second through the network alone, without the first one, which warms it up (unless there is no other)."""
        timed = self.seconds[1:] or self.seconds
        return len(timed) / sum(timed) if timed else float("nan")


def load_segmenter(checkpoint: str | Path, options: EvalOptions, device: str) -> tuple[Segmenter, ModelInfo]:
    """Read a trained network, ready for images.

    Args:
        checkpoint: ``model.safetensors``, or the folder that holds it.
        options: how it is applied.
        device: auto, cpu or cuda.

    Raises:
        InputError: a checkpoint that cannot be used, or an option without meaning.
    """
    resolved = resolve_device(device)
    network, info = load_model(checkpoint)
    return Segmenter(network, options.views(info.size), resolved), info


def to_input(image: Array, size: tuple[int, int]) -> Tensor:
    """``(H, W, 3)`` uint8 RGB -> what a network takes, ``(1, 3, *size)``: resized and normalised as for training."""
    planes = torch.from_numpy(resize_image(image, size)).permute(2, 0, 1)[None]
    return normalise(planes).contiguous(memory_format=torch.channels_last)


def classify(logits: Sequence[Tensor], resolution: tuple[int, int], band: int = BAND) -> Tensor:
    """The most probable class of each pixel; of several logits of one image, by the mean of their probabilities.

    Args:
        logits: each ``(1, classes, h, w)``, h and w of their own.
        resolution: height and width of the result, to which they are upsampled bilinearly.
        band: most elements of upsampled logits to hold at once.

    Returns:
        ``resolution``, uint8, on the CPU.
    """
    height, width = resolution
    classes = torch.empty(resolution, dtype=torch.uint8)
    rows = max(band // (logits[0].shape[1] * width), 1)
    for start in range(0, height, rows):
        stop = min(start + rows, height)
        views = [_upsample_rows(view, resolution, start, stop) for view in logits]
        scores = views[0] if len(views) == 1 else torch.stack([view.softmax(1) for view in views]).sum(0)
        classes[start:stop] = scores.max(1).indices[0]  # on a CPU eight times as fast as argmax
    return classes


def _upsample_rows(logits: Tensor, resolution: tuple[int, int], start: int, stop: int) -> Tensor:
    """Rows ``start`` to ``stop`` of ``upsample(logits, resolution)``."""
    height, width = resolution
    if (start, stop) == (0, height):
        return upsample(logits, resolution)
    source = ((torch.arange(start, stop, device=logits.device) + 0.5) * (logits.shape[-2] / height) - 0.5).clamp(min=0)
    above = source.long()
    below = (above + 1).clamp(max=logits.shape[-2] - 1)
    weight = (source - above).to(logits.dtype)[:, None]
    return upsample(logits[:, :, above] * (1 - weight) + logits[:, :, below] * weight, (stop - start, width))
