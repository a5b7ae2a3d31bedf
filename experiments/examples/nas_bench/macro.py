"""The chain space of NAS-Bench-Macro (CVPR 2021, arXiv 2103.11922) in NNI's mutables."""

from nni.nas.nn.pytorch import LayerChoice, ModelSpace
from torch import Tensor, nn

DEPTHS = (2, 3, 3)
"""Layers of each stage; the first layer of each halves the sides and doubles the channels."""


def convolution(inside: int, outside: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    """A convolution and its batch norm."""
    conv = nn.Conv2d(inside, outside, kernel, stride, kernel // 2, groups=groups, bias=False)
    return [conv, nn.BatchNorm2d(outside)]


class InvertedResidual(nn.Module):
    """1x1, depthwise and 1x1 convolution (MobileNetV2, arXiv 1801.04381); a shortcut where the shapes agree.

    Args:
        inside: channels of the input.
        outside: channels of the output.
        kernel: of the depthwise convolution.
        expansion: channels of the depthwise convolution, in multiples of ``inside``.
        stride: of the depthwise convolution.

    Shape:
        ``(N, inside, H, W)`` -> ``(N, outside, H / stride, W / stride)``, rounded up.
    """

    def __init__(self, inside: int, outside: int, kernel: int, expansion: int, stride: int) -> None:
        super().__init__()
        wide = inside * expansion
        self.has_shortcut = stride == 1 and inside == outside
        self.layers = nn.Sequential(
            *convolution(inside, wide),
            nn.ReLU(inplace=True),
            *convolution(wide, wide, kernel, stride, groups=wide),
            nn.ReLU(inplace=True),
            *convolution(wide, outside),
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layers(x)
        return x + y if self.has_shortcut else y


class MacroSpace(ModelSpace):
    """A chain of 8 layers with 3 choices each: 6,561 networks.

    Args:
        stem: channels of the first convolution; the benchmark has 32.
        last: channels before the classifier; the benchmark has 1280.
        classes: of the images.

    Shape:
        ``(N, 3, H, W)`` -> ``(N, classes)``.
    """

    def __init__(self, stem: int = 32, last: int = 1280, classes: int = 10) -> None:
        super().__init__()
        layers: list[nn.Module] = [*convolution(3, stem, 3), nn.ReLU(inplace=True)]
        width = stem
        for depth in DEPTHS:
            for number in range(depth):
                stride, outside = (1, width) if number else (2, 2 * width)
                layers.append(_layer(width, outside, stride, f"layer{_count(layers)}"))
                width = outside
        self.features = nn.Sequential(*layers, *convolution(width, last), nn.ReLU(inplace=True))
        self.classifier = nn.Linear(last, classes)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.features(images).mean((2, 3)))
        return logits


def _count(layers: list[nn.Module]) -> int:
    return sum(isinstance(layer, LayerChoice) for layer in layers)


def _layer(inside: int, outside: int, stride: int, label: str) -> LayerChoice:
    identity = nn.Identity() if stride == 1 else nn.Sequential(*convolution(inside, outside, stride=stride))
    candidates = {
        "identity": identity,
        "kernel3_expansion3": InvertedResidual(inside, outside, 3, 3, stride),
        "kernel5_expansion6": InvertedResidual(inside, outside, 5, 6, stride),
    }
    return LayerChoice(candidates, label=label)
