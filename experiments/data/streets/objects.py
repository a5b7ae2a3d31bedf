"""Objects of a street scene: buildings, vehicles, trees, sign posts, people. Each function draws one of them."""

import numpy as np

from experiments.data.streets.canvas import Canvas, Colour, Floats, Plane, Sprite, rectangle
from experiments.data.streets.palette import BUILDING, CAR, PEDESTRIAN, SIGN, TREE, Palette
from experiments.data.streets.sprites import WHITE, Rng, near, pedestrian, pick, plate, shade, tree
from experiments.data.streets.vehicles import car_end, car_side, lorry_end, lorry_side


def building(canvas: Canvas, rng: Rng, palette: Palette, x: float, start: float, length: float, height: float) -> None:
    """A block along the road whose front stands at ``x``, from ``start`` to ``start + length`` metres ahead."""
    side = 1.0 if x > canvas.camera.eye[0] else -1.0
    wall, deep = palette.wall(rng), rng.uniform(6, 14)
    gable = Plane((x, 0.0, start), (side, 0.0))
    face(canvas, rng, palette, gable, deep, height, shade(wall, rng.uniform(0.9, 1.0)))
    front = Plane((x, 0.0, start), (0.0, 1.0))
    face(canvas, rng, palette, front, length, height, shade(wall, rng.uniform(0.92, 1.05)))


def face(canvas: Canvas, rng: Rng, palette: Palette, plane: Plane, length: float, height: float, wall: Colour) -> None:
    """One wall of a building, blank or with windows, and with posters and signs; all of it is building."""
    canvas.polygon(plane.at(rectangle(0, 0, length, height)), wall, BUILDING)
    if rng.random() < 0.25:
        _patch(canvas, plane, rectangle(0, height - 0.5, length, height), pick(rng, (WHITE, shade(wall, 0.6))))
    ground_floor = rng.uniform(3, 4)
    if rng.random() < 0.5:
        _windows(canvas, rng, palette, plane, length, height, ground_floor)
    if rng.random() < 0.4:  # pilasters and downpipes look like posts
        along = rng.uniform(0, length, int(rng.integers(1, 3)))
        thick = rng.uniform(0.1, 0.3)
        posts = np.stack([plane.at(rectangle(left, 0, left + thick, height)) for left in along])
        canvas.details(posts, pick(rng, (palette.metal, WHITE)))
    for _ in range(int(rng.integers(0, 3)) if plane.origin[2] < 25 else 0):
        _hang(canvas, rng, palette, plane.moved(rng.uniform(0, max(length - 3, 0.1)), 0, 1), ground_floor, height)


def _windows(canvas: Canvas, rng: Rng, palette: Palette, wall: Plane, length: float, height: float, low: float) -> None:
    wide, high = rng.uniform(0.8, 2.6), rng.uniform(1.0, 1.8)
    step, storey = wide + rng.uniform(0.8, 4), high + rng.uniform(1.2, 2.4)
    left, foot = np.meshgrid(np.arange(0.6, length - wide, step), np.arange(low, height - high, storey))
    corners = np.stack([left.ravel(), foot.ravel()], -1)[:, None]  # (windows, 1, 2)
    frame = rng.uniform(0.05, 0.2)
    if rng.random() < 0.5:
        frames = wall.at(corners + rectangle(-frame, -frame, wide + frame, high + frame))
        canvas.details(frames, pick(rng, (WHITE, palette.metal)))
    canvas.details(wall.at(corners + rectangle(0, 0, wide, high)), palette.glass(rng))


def _hang(canvas: Canvas, rng: Rng, palette: Palette, plane: Plane, low: float, height: float) -> None:
    """A poster, a shop window, a shop sign, a garage door or ivy: looks of other classes on a wall."""

    def draw(sprite: Sprite, right: float, up: float, scale: float) -> None:
        canvas.sprite(sprite, plane.moved(right, up, scale), BUILDING)

    kind = rng.integers(5)
    if kind == 0:  # mural or poster
        side = rng.uniform(2.5, min(6.0, max(height - low, 2.6)))
        ground = rectangle(0, low - 1, side, low - 1 + side)
        _patch(canvas, plane, ground, pick(rng, (*palette.walls, palette.stone, WHITE)))
        plane = plane.moved(side / 2, low - 1 + 0.04 * side, side)
        content = rng.integers(3)
        if content == 0:
            draw(pedestrian(rng, palette.paints), rng.uniform(-0.2, 0.2), 0, 0.5)
        elif content == 1:
            draw(tree(rng, palette.metal, palette.leaf), rng.uniform(-0.2, 0.2), 0, 0.11)
        else:
            draw(car_side(pick(rng, palette.paints), palette.glass(rng)), -0.45, 0.1, 0.2)
    elif kind == 1:  # shop window with dummies, or a doorway with somebody in it
        wide = rng.uniform(1.5, 5)
        _patch(canvas, plane, rectangle(0, 0.15, wide, 2.6), palette.glass(rng))
        for x in rng.uniform(0.4, wide - 0.4, int(rng.integers(1, 4))):
            draw(pedestrian(rng, palette.paints), float(x), 0.3, 1.0)
    elif kind == 2:  # shop signs
        for x in rng.uniform(0, 3, 2):
            draw(plate(rng, palette.paints), float(x), rng.uniform(2.2, 3.6), rng.uniform(0.8, 1.6))
    elif kind == 3:  # garage door
        _patch(canvas, plane, rectangle(0, 0, rng.uniform(2.2, 3.2), rng.uniform(1.8, 2.4)), pick(rng, palette.paints))
    else:  # ivy
        for x in rng.uniform(0, 3, 2):
            draw(tree(rng, palette.metal, palette.leaf)[1:], float(x), rng.uniform(-2, 0), rng.uniform(0.6, 1))


def _patch(canvas: Canvas, plane: Plane, corners: Floats, colour: Colour) -> None:
    canvas.details(plane.at(corners)[None], colour)


def vehicle(canvas: Canvas, rng: Rng, palette: Palette, x: float, z: float) -> None:
    """A car or lorry at ``x`` whose near end is ``z`` metres ahead; one in five crosses the road."""
    paint, glass = pick(rng, palette.paints), palette.glass(rng)
    if rng.random() < 0.4:
        box = palette.surface(rng)
        width, length, height, paint = 2.4, 7.0, 3.3, box
        side, end = lorry_side(pick(rng, palette.paints), box, glass), lorry_end(shade(box, 0.92))
    else:
        width, length, height = 1.8, 4.2, 1.45
        side, end = car_side(paint, glass), car_end(rng, shade(paint, 0.92), glass)
    if rng.random() < 0.2:
        canvas.sprite(side, Plane((x - length / 2, 0.0, z + 2)), CAR)
        return
    roof = rectangle(x - width / 2, z, x + width / 2, z + length - 2)  # bonnet or cab are lower
    canvas.polygon(np.insert(roof, 1, height, axis=1), shade(paint, 1.1), CAR)
    seen = canvas.camera.eye[0] - canvas.camera.bend * z * z - x  # the sign says on which side the camera is
    if abs(seen) > width / 2:
        canvas.sprite(side, Plane((x + width / 2 * np.sign(seen), 0.0, z + length), (0.0, -1.0)), CAR)
    canvas.sprite(end, Plane((x, 0.0, z)), CAR)


def sign(canvas: Canvas, rng: Rng, palette: Palette, x: float, z: float) -> None:
    """A post with one or two signs, or a lamp; post and plates are one class."""
    thick, height = rng.uniform(0.12, 0.25), rng.uniform(3, 5.5)
    canvas.polygon(Plane((x, 0.0, z)).at(rectangle(-thick, 0, thick, height)), palette.metal, SIGN)
    if rng.random() < 0.15:
        reach = rng.uniform(0.6, 1.6) * rng.choice((-1, 1))
        canvas.polygon(Plane((x, height, z)).at(rectangle(0, -0.15, reach, 0.1)), palette.metal, SIGN)
        return
    size = rng.uniform(1.2, 2.0)
    for middle in (height - 0.4 * size, height - 1.5 * size)[: int(rng.integers(1, 3))]:
        back = palette.surface(rng) if rng.random() < 0.3 else None
        if middle - 0.6 * size > 1:  # above people's heads
            canvas.sprite(plate(rng, palette.paints, back), Plane((x, middle, z), (size, 0.0), size), SIGN)


def walker(canvas: Canvas, rng: Rng, palette: Palette, x: float, z: float) -> None:
    """Somebody on foot."""
    canvas.sprite(pedestrian(rng, palette.paints), Plane((x, 0.0, z), (float(rng.choice((-1, 1))), 0.0)), PEDESTRIAN)


def street_tree(canvas: Canvas, rng: Rng, palette: Palette, x: float, z: float) -> None:
    """A tree; its trunk has the colour of the sign posts."""
    canvas.sprite(tree(rng, near(rng, palette.metal, 5), near(rng, palette.leaf, 8)), Plane((x, 0.0, z)), TREE)
