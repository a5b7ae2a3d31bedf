"""What stands in a street scene: buildings, vehicles, trees, poles with signs, people. Each function draws one on the canvas."""

from dataclasses import dataclass

import numpy as np

from experiments.data.street_canvas import Canvas, Colour, Plane, rectangle
from experiments.data.street_sprites import GLASS, WHITE, Rng, car_end, car_side, near, pedestrian, pick, plate, shade, tree

CLASSES = ("sky", "building", "pole", "road", "lane mark", "pavement", "tree", "sign", "car", "pedestrian")
SKY, BUILDING, POLE, ROAD, LANE_MARK, PAVEMENT, TREE, SIGN, CAR, PEDESTRIAN = range(len(CLASSES))


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
        tint = rng.normal(0, 6, 3)
        red, green, blue = np.clip(rng.uniform(85, 190) + tint, 0, 255).tolist()
        stone = (red, green, blue)
        walls = tuple(pick(rng, ((150, 92, 74), (196, 180, 150), (120, 112, 104), (210, 208, 200), (96, 88, 84), (172, 140, 110))) for _ in range(2))
        paints = tuple(
            pick(rng, ((168, 40, 38), (42, 66, 130), (34, 36, 40), (214, 214, 212), (56, 104, 70), (208, 172, 52), (120, 124, 130))) for _ in range(3)
        )
        leaf = pick(rng, ((74, 104, 48), (58, 88, 52), (112, 112, 50), (146, 104, 46), (92, 118, 66)))
        return cls(stone, walls, (*paints, stone, walls[0]), shade(near(rng, (92, 88, 84), 14), rng.uniform(0.5, 1.6)), leaf, bool(rng.random() < 0.15))

    def wall(self, rng: Rng) -> Colour:
        """A wall's colour: more often than not that of the ground."""
        return near(rng, self.stone, 6) if rng.random() < 0.8 else near(rng, pick(rng, self.walls), 8)

    def glass(self, rng: Rng) -> Colour:
        """A pane's colour: dark, reflecting, or lit at night."""
        return (236, 206, 130) if self.night and rng.random() < 0.4 else pick(rng, (*GLASS, self.stone))


def building(canvas: Canvas, rng: Rng, palette: Palette, x: float, start: float, length: float, height: float) -> None:
    """A block along the road whose front stands at ``x``, from ``start`` to ``start + length`` metres ahead."""
    side = 1.0 if x > canvas.camera.eye[0] else -1.0
    wall, deep = palette.wall(rng), rng.uniform(6, 14)
    gable = Plane((x, 0.0, start), (side, 0.0))
    face(canvas, rng, palette, gable, deep, height, shade(wall, rng.uniform(0.9, 1.0)))
    front = Plane((x, 0.0, start), (0.0, 1.0))
    face(canvas, rng, palette, front, length, height, shade(wall, rng.uniform(0.92, 1.05)))


def face(canvas: Canvas, rng: Rng, palette: Palette, plane: Plane, length: float, height: float, wall: Colour) -> None:
    """One wall of a building, blank or with windows, and with what hangs on it; all of it is building."""
    canvas.polygon(plane.at(rectangle(0, 0, length, height)), wall, BUILDING)
    if rng.random() < 0.25:
        canvas.details(plane.at(rectangle(0, height - 0.5, length, height))[None], pick(rng, (WHITE, shade(wall, 0.6))))
    ground_floor = rng.uniform(3, 4)
    if rng.random() < 0.5:
        _windows(canvas, rng, palette, plane, length, height, ground_floor)
    if rng.random() < 0.4:  # pilasters and downpipes look like poles
        along = rng.uniform(0, length, int(rng.integers(1, 3)))
        thick = rng.uniform(0.1, 0.3)
        canvas.details(np.stack([plane.at(rectangle(a, 0, a + thick, height)) for a in along]), pick(rng, (palette.metal, WHITE)))
    for _ in range(int(rng.integers(0, 4)) if plane.origin[2] < 30 else 0):
        _hang(canvas, rng, palette, plane.moved(rng.uniform(0, max(length - 3, 0.1)), 0, 1), ground_floor, height)


def _windows(canvas: Canvas, rng: Rng, palette: Palette, plane: Plane, length: float, height: float, bottom: float) -> None:
    wide, high = rng.uniform(0.8, 2.6), rng.uniform(1.0, 1.8)
    step, storey = wide + rng.uniform(0.8, 4), high + rng.uniform(1.2, 2.4)
    left, low = np.meshgrid(np.arange(0.6, length - wide, step), np.arange(bottom, height - high, storey))
    corners = np.stack([left.ravel(), low.ravel()], -1)[:, None]  # (windows, 1, 2)
    frame = rng.uniform(0.05, 0.2)
    if rng.random() < 0.5:
        canvas.details(plane.at(corners + rectangle(-frame, -frame, wide + frame, high + frame)), pick(rng, (WHITE, palette.metal)))
    canvas.details(plane.at(corners + rectangle(0, 0, wide, high)), palette.glass(rng))


def _hang(canvas: Canvas, rng: Rng, palette: Palette, plane: Plane, low: float, height: float) -> None:
    """A poster, a shop window, a shop sign or a garage door: pictures and paints of other classes on a wall."""
    kind = rng.integers(5)
    if kind == 0:  # mural or poster
        side = rng.uniform(2.5, min(6.0, max(height - low, 2.6)))
        canvas.details(plane.at(rectangle(0, low - 1, side, low - 1 + side))[None], pick(rng, (*palette.walls, palette.stone, WHITE)))
        picture = plane.moved(side / 2, low - 1 + 0.04 * side, side)
        content = rng.integers(3)
        if content == 0:
            canvas.sprite(pedestrian(rng, palette.paints), picture.moved(rng.uniform(-0.2, 0.2), 0, 0.5), BUILDING)
        elif content == 1:
            canvas.sprite(tree(rng, palette.metal, palette.leaf), picture.moved(rng.uniform(-0.2, 0.2), 0, 0.11), BUILDING)
        else:
            sprite = car_side(rng, pick(rng, palette.paints), palette.glass(rng), bool(rng.random() < 0.3))
            canvas.sprite(sprite, picture.moved(-0.45, 0.1, 0.2), BUILDING)
    elif kind == 1:  # shop window with dummies, or a doorway with somebody in it
        wide = rng.uniform(1.5, 5)
        canvas.details(plane.at(rectangle(0, 0.15, wide, 2.6))[None], palette.glass(rng))
        for x in rng.uniform(0.4, wide - 0.4, int(rng.integers(1, 4))):
            canvas.sprite(pedestrian(rng, palette.paints), plane.moved(float(x), 0.3, 1.0), BUILDING)
    elif kind == 2:  # shop signs
        for x in rng.uniform(0, 3, 2):
            canvas.sprite(plate(rng, palette.paints), plane.moved(float(x), rng.uniform(2.2, 3.6), rng.uniform(0.8, 1.6)), BUILDING)
    elif kind == 3:  # garage door
        canvas.details(plane.at(rectangle(0, 0, rng.uniform(2.2, 3.2), rng.uniform(1.8, 2.4)))[None], pick(rng, palette.paints))
    else:  # ivy
        for x in rng.uniform(0, 3, 2):
            canvas.sprite(tree(rng, palette.metal, palette.leaf)[1:], plane.moved(float(x), rng.uniform(-2, 0), rng.uniform(0.6, 1)), BUILDING)


def car(canvas: Canvas, rng: Rng, palette: Palette, x: float, z: float) -> None:
    """A car or van at ``x`` whose near end is ``z`` metres ahead; one in six crosses the road."""
    van = bool(rng.random() < 0.3)
    paint, glass = pick(rng, palette.paints), palette.glass(rng)
    sidewise = car_side(rng, paint, glass, van)
    if rng.random() < 1 / 6:
        canvas.sprite(sidewise, Plane((x - 2, 0.0, z)), CAR)
        return
    length, roof = (5.0, 2.2) if van else (4.2, 1.45)
    top = np.array([(x - 0.7, roof, z), (x + 0.7, roof, z), (x + 0.7, roof, z + length), (x - 0.7, roof, z + length)])
    canvas.polygon(top, shade(paint, 1.1), CAR)
    seen = canvas.camera.eye[0] - canvas.camera.bend * z * z - x  # which side of the car the camera is on
    if abs(seen) > 0.9:
        canvas.sprite(sidewise, Plane((x + 0.9 * np.sign(seen), 0.0, z), (0.0, 1.0)), CAR)
    canvas.sprite(car_end(rng, shade(paint, 0.9), glass, van), Plane((x, 0.0, z)), CAR)


def pole(canvas: Canvas, rng: Rng, palette: Palette, x: float, z: float) -> None:
    """A lamp post, or the post of one or two signs."""
    thick, height = rng.uniform(0.12, 0.25), rng.uniform(3, 6.5)
    canvas.polygon(Plane((x, 0.0, z)).at(rectangle(-thick, 0, thick, height)), palette.metal, POLE)
    if rng.random() < 0.25:
        reach = rng.uniform(0.6, 1.6) * rng.choice((-1, 1))
        canvas.polygon(Plane((x, height, z)).at(rectangle(0, -0.15, reach, 0.1)), palette.metal, POLE)
        return
    size = rng.uniform(1.2, 2.2)
    for i in range(int(rng.integers(1, 3))):
        canvas.sprite(plate(rng, palette.paints), Plane((x, height - 0.4 * size - 1.1 * size * i, z), (size, 0.0), size), SIGN)


def walker(canvas: Canvas, rng: Rng, palette: Palette, x: float, z: float) -> None:
    """Somebody on foot."""
    canvas.sprite(pedestrian(rng, palette.paints), Plane((x, 0.0, z), (float(rng.choice((-1, 1))), 0.0)), PEDESTRIAN)


def street_tree(canvas: Canvas, rng: Rng, palette: Palette, x: float, z: float) -> None:
    """A tree; its trunk has the colour of the poles."""
    canvas.sprite(tree(rng, near(rng, palette.metal, 5), near(rng, palette.leaf, 8)), Plane((x, 0.0, z)), TREE)
