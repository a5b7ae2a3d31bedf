"""An image goes to a network and back to its own pixels."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from experiments.data.files import Array
from experiments.data.memory import resize_image
from experiments.data.transforms import normalise
from experiments.prediction.options import EvalOptions, Views
from experiments.prediction.segmenter import TorchSegmenter, classify, to_input
from nas_space.blocks import upsample
from nas_space.errors import InputError


class Bright(nn.Module):
    """At 1/4, class 0 where red is dark and 1 where it is bright; remembers what it has seen."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Tensor] = []

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(N, 2, ceil(H/4), ceil(W/4))``."""
        self.seen.append(images)
        red = nn.functional.avg_pool2d(images[:, :1], 4, ceil_mode=True)
        return torch.cat((-red, red), 1)


def halves(height: int = 48, width: int = 64) -> Array:
    """Left half dark, right half bright."""
    image = np.full((height, width, 3), 40, np.uint8)
    image[:, width // 2 :] = 220
    return image


def test_the_input_is_that_of_training() -> None:
    image = np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8)
    expected = normalise(torch.from_numpy(resize_image(image, (32, 40))).permute(2, 0, 1)[None])
    assert torch.equal(to_input(image, (32, 40)), expected)
    torch.testing.assert_close(
        to_input(image, (50, 70))[0, :, 3, 5], (torch.from_numpy(image[3, 5]) / 255 - 0.5) / 0.25
    )


@pytest.mark.parametrize("shape", [(48, 64), (1, 1), (7, 300), (300, 7), (333, 127)])
def test_classes_have_the_images_size(shape: tuple[int, int]) -> None:
    image = np.full((*shape, 3), 220, np.uint8)
    classes = TorchSegmenter(Bright(), Views((32, 64)))(image)
    assert classes.shape == shape and classes.dtype == np.uint8 and (classes == 1).all()


def test_classes_lie_where_the_image_has_them() -> None:
    for resolution in ((48, 64), (96, 100), (20, 30)):
        classes = TorchSegmenter(Bright(), Views((32, 64)))(halves(), resolution)
        assert classes.shape == resolution
        assert (classes[:, : resolution[1] // 2] == 0).all() and (classes[:, resolution[1] // 2 :] == 1).all()


def test_scales_and_flip_are_averaged_probabilities() -> None:
    network, image = Bright(), halves(48, 60)
    views = EvalOptions("32x40", [1.0, 1.5], True).views((0, 0))
    assert str(views) == "32x40, scales 1, 1.5, flipped too" and str(Views((32, 40))) == "32x40"
    classes = TorchSegmenter(network, views)(image)
    sizes = [tuple(x.shape[-2:]) for x in network.seen]
    assert sizes == [(32, 40), (48, 60), (32, 40), (48, 60)]
    assert torch.equal(network.seen[2], network.seen[0].flip(-1))
    mean = torch.zeros(1, 2, 48, 60)
    for i, x in enumerate(list(network.seen)):
        logits = network(x)
        mean += upsample(logits if i < 2 else logits.flip(-1), (48, 60)).softmax(1) / 4
    assert torch.equal(torch.from_numpy(classes), mean.argmax(1)[0].to(torch.uint8))


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("resolution", [(97, 131), (20, 24), (11, 400), (1, 1)])
def test_bands_of_rows_give_the_classes_of_the_whole(resolution: tuple[int, int], count: int) -> None:
    logits = [torch.randn(1, 5, 12 + i, 17) for i in range(count)]
    whole = classify(logits, resolution)
    expected = torch.stack([upsample(view, resolution).softmax(1) for view in logits]).sum(0)
    assert torch.equal(whole.long(), expected.argmax(1)[0])
    for band in (1, 5 * resolution[1] * 3, 5 * resolution[1] * 10):
        differ = classify(logits, resolution, band) != whole
        # Rounding may decide between classes that are equally likely, nothing else.
        best = expected[0].topk(2, 0).values
        assert ((best[0] - best[1])[differ] < 1e-5).all() and differ.float().mean() < 0.01


def test_the_networks_own_speed() -> None:
    segmenter = TorchSegmenter(Bright(), Views((32, 40)))
    assert segmenter.network_fps != segmenter.network_fps
    segmenter.seconds = [9.0, 0.5, 0.25]
    assert segmenter.network_fps == pytest.approx(2 / 0.75)


def test_logits_that_are_no_numbers() -> None:
    broken = nn.Conv2d(3, 2, 1)
    nn.init.constant_(broken.weight, float("nan"))
    with pytest.raises(InputError, match="not finite"):
        TorchSegmenter(broken, Views((32, 40)))(halves())
