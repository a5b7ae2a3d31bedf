"""From an image of any size to a class for each of its pixels: what evaluation, prediction and figures share.

An image is resized as for training, without its aspect ratio. Its logits are upsampled to the label's or its own size.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from experiments.data.files import Array
from experiments.data.memory import resize_image
from experiments.data.transforms import normalise
from experiments.model_file import ModelInfo, load_model
from experiments.options.device import resolve_device
from experiments.prediction.options import EvalOptions, Views
from experiments.runs.measure import now
from experiments.runs.threads import Threads
from nas_space.blocks import upsample
from nas_space.config import check_size
from nas_space.errors import InputError

BAND = 2**25
"""Logits that are upsampled at once (128 MiB): an image of any size is classified in bands of rows."""


class TorchSegmenter:
    """A trained network in torch that takes images of any size.

    Args:
        network: normalised images ``(N, 3, h, w)`` -> logits ``(N, classes, h', w')``.
        views: the sizes at which it sees an image.
        device: ``cpu`` or ``cuda``.
        threads: measured again between two images; None for those that torch has.
    """

    def __init__(self, network: nn.Module, views: Views, device: str = "cpu", threads: Threads | None = None) -> None:
        self.network = network.to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
        self.views = views
        self.device = device
        self.threads = threads
        self.seconds: list[float] = []  # of the network alone, one an image

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
        if self.threads is not None:
            self.threads.refresh()
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
        """Images a second through the network alone; the first one warms it up and counts only if it is alone."""
        timed = self.seconds[1:] or self.seconds
        return len(timed) / sum(timed) if timed else float("nan")


def load_segmenter(
    checkpoint: str | Path, options: EvalOptions, device: str, threads: Threads | None = None
) -> tuple[TorchSegmenter, ModelInfo]:
    """Read a trained network, ready for images.

    Args:
        checkpoint: ``model.safetensors``, or the folder that holds it.
        options: how it is applied.
        device: auto, cpu or cuda.
        threads: measured again between two images; None for those that torch has.

    Raises:
        InputError: a checkpoint that cannot be used, or an option without meaning.
    """
    resolved = resolve_device(device)
    network, info = load_model(checkpoint)
    views = options.views(info.size)
    if info.architecture is not None:
        check_size("eval.size", min(views.sizes, key=min), len(info.architecture.stages))
    return TorchSegmenter(network, views, resolved, threads), info


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
        classes[start:stop] = scores.max(1).indices[0]  # eight times as fast on a CPU as argmax
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
