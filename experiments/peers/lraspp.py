"""LR-ASPP on MobileNetV3-Large (Howard et al., ICCV 2019, https://arxiv.org/abs/1905.02244), built by torchvision."""

from torch import Tensor, nn
from torchvision.models.segmentation import lraspp_mobilenet_v3_large


class LRASPP(nn.Module):
    """torchvision's network without its last step: the logits are not resized, as those of our networks are not.

    Args:
        num_classes: channels of the logits.

    Shape:
        ``(N, 3, H, W)`` -> logits ``(N, num_classes, ceil(H/8), ceil(W/8))``.
    """

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        network = lraspp_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=num_classes)
        self.backbone, self.classifier = network.backbone, network.classifier

    def forward(self, image: Tensor) -> Tensor:
        return self.classifier(self.backbone(image))
