"""What goes into an exported network, what comes out, and which steps lie inside its graph. No torch."""

from dataclasses import dataclass

INPUT = "image"


@dataclass(frozen=True)
class Interface:
    """Input and output of an exported network.

    Args:
        pixels: take images as they are read, uint8 ``(N, H, W, 3)`` RGB, and normalise them inside; otherwise float32
            ``(N, 3, H, W)``, normalised as in training.
        resize: upsample the logits to the images' size.
        argmax: give class indices, uint8 ``(N, h, w)``, instead of logits, float32 ``(N, classes, h, w)``.
    """

    pixels: bool = False
    resize: bool = False
    argmax: bool = False

    @property
    def output(self) -> str:
        return "classes" if self.argmax else "logits"
