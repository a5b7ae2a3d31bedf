"""Classes and colours of the street scenes: each scene draws a few colours, and different classes share them."""

from dataclasses import dataclass

import numpy as np

from experiments.data.streets.canvas import Colour
from experiments.data.streets.sprites import GLASS, Rng, near, pick, shade

CLASSES = ("sky", "building", "road", "lane mark", "pavement", "tree", "sign", "car", "pedestrian")
"""A sign is the plate with its post; cars include lorries."""
SKY, BUILDING, ROAD, LANE_MARK, PAVEMENT, TREE, SIGN, CAR, PEDESTRIAN = range(len(CLASSES))

WALLS: tuple[Colour, ...] = (
    (150, 92, 74), (196, 180, 150), (120, 112, 104), (210, 208, 200), (96, 88, 84), (172, 140, 110),
)  # fmt: skip
PAINTS: tuple[Colour, ...] = (
    (168, 40, 38), (42, 66, 130), (34, 36, 40), (214, 214, 212), (56, 104, 70), (208, 172, 52), (120, 124, 130),
)  # fmt: skip
LEAVES: tuple[Colour, ...] = ((74, 104, 48), (58, 88, 52), (112, 112, 50), (146, 104, 46), (92, 118, 66))


@dataclass(frozen=True)
class Palette:
    """The colours of one scene, few enough that different things share them.

    Args:
        stone: of ground, walls and clouds.
        walls: other wall colours.
        paints: of cars, doors, clothes and signs.
        metal: of poles, trunks and downpipes.
        leaf: of trees.
        night: lit windows.
    """

    stone: Colour
    walls: tuple[Colour, ...]
    paints: tuple[Colour, ...]
    metal: Colour
    leaf: Colour
    night: bool

    @classmethod
    def draw(cls, rng: Rng) -> "Palette":
        """Colours of a new scene."""
        red, green, blue = np.clip(rng.normal(0, 6, 3) + rng.uniform(85, 190), 0, 255).tolist()
        stone = (red, green, blue)
        walls = tuple(pick(rng, WALLS) for _ in range(2))
        paints = tuple(pick(rng, PAINTS) for _ in range(3))
        leaf = pick(rng, LEAVES)
        metal = shade(near(rng, (92, 88, 84), 14), rng.uniform(0.5, 1.6))
        return cls(stone, walls, (*paints, stone, walls[0]), metal, leaf, bool(rng.random() < 0.1))

    def surface(self, rng: Rng) -> Colour:
        """A colour for road, pavement, wall and cloud alike: it differs between neighbours, not between classes."""
        return near(rng, self.stone, 20)

    def wall(self, rng: Rng) -> Colour:
        """A wall's colour: mostly that of the stone."""
        return self.surface(rng) if rng.random() < 0.8 else near(rng, pick(rng, self.walls), 8)

    def glass(self, rng: Rng) -> Colour:
        """A pane's colour: dark, reflecting, or lit at night."""
        return (236, 206, 130) if self.night and rng.random() < 0.4 else pick(rng, (*GLASS, self.stone))
