"""How a trained network is applied to images: the options, and the sizes at which it then sees each image. No torch."""

from dataclasses import dataclass, field

from experiments.options.groups import parse_size
from nas_space.errors import InputError


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
            try:
                parse_size(f"{round(scale * height)}x{round(scale * width)}")
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
        return [(round(scale * self.size[0]), round(scale * self.size[1])) for scale in self.scales]

    def __str__(self) -> str:
        scales = "" if self.scales == (1.0,) else f", scales {', '.join(f'{scale:g}' for scale in self.scales)}"
        return "{}x{}".format(*self.size) + scales + (", flipped too" if self.flip else "")
