"""ERFNet (Romera et al., IEEE Transactions on Intelligent Transportation Systems 19(1), 2018), after the paper."""

from torch import Tensor, nn
from torch.nn import functional

from nas_space.blocks import BATCH_NORM_EPS, DownsamplerBlock

DILATIONS = (2, 4, 8, 16)  # of the last encoder stage, twice


class NonBottleneck1D(nn.Module):
    """``ReLU(x + f(x))`` with two factorised pairs of convolutions in ``f``, of which the second is dilated.

    Args:
        channels: channels of input and output.
        dilation: of the second pair, along the long axis of each convolution.
        dropout: probability that a channel of ``f`` is dropped in training.

    Shape:
        ``(N, channels, H, W)`` -> the same.
    """

    def __init__(self, channels: int, dilation: int = 1, dropout: float = 0.0) -> None:
        super().__init__()
        self.pairs = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(channels, channels, (3, 1), padding=(rate, 0), dilation=(rate, 1)),
                nn.ReLU(),
                nn.Conv2d(channels, channels, (1, 3), padding=(0, rate), dilation=(1, rate)),
                nn.BatchNorm2d(channels, eps=BATCH_NORM_EPS),
            )
            for rate in (1, dilation)
        )
        self.dropout = nn.Dropout2d(dropout)

    def forward(self, x: Tensor) -> Tensor:
        plain, dilated = self.pairs
        return functional.relu(x + self.dropout(dilated(functional.relu(plain(x)))))


class Upsampler(nn.Sequential):
    """Transposed 3x3 convolution of stride 2, batch norm, ReLU: ``(N, C, H, W)`` -> ``(N, C', 2H, 2W)``."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(
            nn.ConvTranspose2d(in_channels, out_channels, 3, stride=2, padding=1, output_padding=1),
            nn.BatchNorm2d(out_channels, eps=BATCH_NORM_EPS),
            nn.ReLU(),
        )


class ERFNet(nn.Module):
    """Encoder to 1/8 with hand-made dilations, whose blocks our space simplifies; decoder back to the image's size.

    Args:
        num_classes: channels of the logits.

    Shape:
        ``(N, 3, H, W)`` -> logits ``(N, num_classes, H, W)``. The encoder rounds sizes up, so where 8 does not divide a
        side, the decoder's last rows or columns are cut off.
    """

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            DownsamplerBlock(3, 16),
            DownsamplerBlock(16, 64),
            *(NonBottleneck1D(64, dropout=0.03) for _ in range(5)),
            DownsamplerBlock(64, 128),
            *(NonBottleneck1D(128, dilation, dropout=0.3) for _ in range(2) for dilation in DILATIONS),
        )
        self.decoder = nn.Sequential(
            Upsampler(128, 64),
            *(NonBottleneck1D(64) for _ in range(2)),
            Upsampler(64, 16),
            *(NonBottleneck1D(16) for _ in range(2)),
            nn.ConvTranspose2d(16, num_classes, 2, stride=2),
        )

    def forward(self, image: Tensor) -> Tensor:
        height, width = image.shape[-2:]
        return self.decoder(self.encoder(image))[..., :height, :width]
