"""Generated street scenes: a data set without files, on which a search finds something within minutes.

They are hard for the reasons that make streets hard. The same surface is road, pavement, wall or cloud; the same pane
belongs to a car or to a house; the same figure walks by or is printed on a poster. Only the surroundings decide. The
camera's height, tilt, roll and position vary widely, so the place in the image does not decide.
"""

from functools import partial

import numpy as np
import numpy.typing as npt

from experiments.data.source import DataSource, Sample
from experiments.data.streets.canvas import Camera, Canvas, Colour, Floats, Plane, noise, rectangle
from experiments.data.streets.objects import building, sign, street_tree, vehicle, walker
from experiments.data.streets.palette import BUILDING, CLASSES, LANE_MARK, PAVEMENT, ROAD, SKY, TREE, Palette
from experiments.data.streets.sprites import WHITE, Rng, near, pick, shade
from experiments.data.streets.weather import weather
from experiments.options.groups import DataOptions, parse_size

COLOURS = (
    (128, 128, 128), (128, 0, 0), (128, 64, 128), (255, 255, 255), (60, 40, 222),
    (128, 128, 0), (192, 128, 128), (64, 0, 128), (64, 64, 0),
)  # fmt: skip
TRAIN, VAL = 240, 80
"""Scenes of each split."""
OVERSAMPLE = 2
"""Scenes are drawn so many times larger and averaged, which smooths the edges."""


def find_streets(options: DataOptions) -> DataSource:
    """Both splits, generated at ``data.size`` as they are read; scene i does not depend on limit and seed.

    Raises:
        InputError: a bad size.
    """
    size = parse_size(options.size)
    splits = {}
    for split, count in (("train", TRAIN), ("val", VAL)):
        indices = range(min(count, options.limit or count))
        splits[split] = [Sample(f"{split}{i:04d}", None, None, partial(render_scene, split, i, size)) for i in indices]
    return DataSource("streets", CLASSES, COLOURS, splits)


def render_scene(split: str, index: int, size: tuple[int, int]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Scene ``index`` of ``split`` (``train`` or ``val``), always the same at one size.

    Returns:
        Image ``(H, W, 3)`` uint8 RGB and label ``(H, W)`` uint8; every pixel has a class.
    """
    rng = np.random.default_rng([("train", "val").index(split), index])
    height, width = size[0] * OVERSAMPLE, size[1] * OVERSAMPLE
    palette = Palette.draw(rng)
    road = rng.uniform(3.2, 4.5)  # half the width, metres
    fronts = -road - rng.uniform(2.5, 4), road + rng.uniform(2.5, 4)  # where buildings stand, left and right
    canvas = Canvas(_camera(rng, height, width, road), height, width)
    _sky(canvas, rng, palette)
    _ground(canvas, rng, palette, road)
    _things(canvas, rng, palette, road, fronts)
    grain = noise(rng, height, width, (6, 14, 40, 90)) * np.float32(rng.uniform(2, 5))
    image = np.clip(canvas.image + grain[..., None], 0, 255).astype(np.uint8)
    # Strided slices are several times faster than a mean over two axes of a reshaped image.
    step = OVERSAMPLE
    parts = [image[i::step, j::step].astype(np.uint16) for i in range(step) for j in range(step)]
    image = (np.add.reduce(parts) // len(parts)).astype(np.uint8)
    label, depth = canvas.label[1::step, 1::step], canvas.depth[1::step, 1::step]
    return weather(rng, image, depth, palette.night), label


def _camera(rng: Rng, height: int, width: int, road: float) -> Camera:
    """A camera on the road or at its side, looking along it, up or down."""
    return Camera(
        focal=float(np.sqrt(height * width) * rng.uniform(0.8, 1.4)),
        vanishing=(width * rng.uniform(0.1, 0.9), height * rng.uniform(0.15, 0.8)),
        eye=(rng.uniform(-road - 1, road + 1), rng.uniform(1.5, 2.3)),
        roll=rng.normal(0, 0.03),
        bend=rng.normal(0, 0.002),
    )


def _sky(canvas: Canvas, rng: Rng, palette: Palette) -> None:
    """Overcast in the colour of the stones, or clear with clouds in it, or dark."""
    height, width = canvas.label.shape
    canvas.label[:] = SKY
    if palette.night:
        low, high = (60.0, 62.0, 72.0), (30.0, 32.0, 44.0)
    elif rng.random() < 0.85:
        low = palette.surface(rng)
        high = shade(low, rng.uniform(0.9, 1.1))
    else:
        low, high = (206.0, 216.0, 226.0), pick(rng, ((96, 140, 196), (130, 165, 205), (214, 176, 150)))
    up = np.linspace(1, 0, height, dtype=np.float32)[:, None, None]
    sky = np.array(high, np.float32) * up + np.array(low, np.float32) * (1 - up)
    clouds = noise(rng, height, width, (3, 7)) > rng.uniform(0.3, 2.5)
    canvas.image[:] = np.where(clouds[..., None], np.array(near(rng, low, 6), np.float32), sky).astype(np.uint8)


def _ground(canvas: Canvas, rng: Rng, palette: Palette, road: float) -> None:
    """Road between two pavements: alike but for the kerbs, with marks on the one and stripes on the other."""
    x, z = canvas.camera.ground(*canvas.label.shape)
    below = np.isfinite(z)
    finite = np.where(below, z, 0)
    on_road = below & (np.abs(x) < road)
    aside = below & ~on_road
    _paint(canvas, aside, palette.surface(rng), PAVEMENT)
    _paint(canvas, on_road, palette.surface(rng), ROAD)
    for _ in range(int(rng.integers(0, 3))):  # repaired patches, of either
        left, start = rng.uniform(-road - 3, road), np.exp(rng.uniform(1, 3.3))
        patch = (x > left) & (x < left + rng.uniform(1, 4)) & (z > start) & (z < start + rng.uniform(1, 8))
        canvas.image[patch & below] = _rgb(near(rng, palette.stone, 15))
    paint = shade(WHITE, rng.uniform(0.75, 1.0))
    _paint(canvas, _marks(rng, x, finite, road) & on_road, paint, LANE_MARK)
    edge = aside & (np.abs(x) < road + rng.uniform(0.12, 0.3))
    canvas.image[edge] = _rgb(pick(rng, (paint, shade(palette.stone, 0.6), shade(palette.stone, 1.3))))
    for side in (-1, 1):  # stripes along the pavement: cycle paths, tactile paving, gutters
        if rng.random() < 0.5:
            middle, dash = road + rng.uniform(0.6, 2), rng.uniform(1.5, 4)
            stripe = aside & (np.abs(side * x - middle) < rng.uniform(0.07, 0.2))
            canvas.image[stripe & (finite % dash < dash * rng.uniform(0.5, 1.2))] = _rgb(paint)
    canvas.depth[below] = z[below]
    if rng.random() < 0.3:  # the shadow of one row of houses
        shadow = below & (x * rng.choice((-1, 1)) > rng.uniform(-road, road + 1)) & (finite % 25 > rng.uniform(0, 12))
        canvas.image[shadow] = (canvas.image[shadow] * rng.uniform(0.5, 0.8)).astype(np.uint8)


def _marks(rng: Rng, x: Floats, z: Floats, road: float) -> npt.NDArray[np.bool_]:
    """Centre line, edge lines, and zebra crossings."""
    half, dash = rng.uniform(0.08, 0.18), rng.uniform(3, 8)
    marks = (np.abs(x) < half) & (z % dash < dash * rng.uniform(0.4, 1.3))
    if rng.random() < 0.5:
        marks |= np.abs(np.abs(x) - road + rng.uniform(0.3, 0.8)) < half
    if rng.random() < 0.6:
        start, bar = np.exp(rng.uniform(0.9, 2.5)), rng.uniform(0.4, 0.6)
        marks |= (z > start) & (z < start + rng.uniform(2, 4)) & (x % (2 * bar) < bar)
    return marks


def _rgb(colour: Colour) -> npt.NDArray[np.uint8]:
    return np.array(colour).astype(np.uint8)


def _paint(canvas: Canvas, where: npt.NDArray[np.bool_], colour: Colour, label: int) -> None:
    canvas.image[where] = _rgb(colour)
    canvas.label[where] = label


def _things(canvas: Canvas, rng: Rng, palette: Palette, road: float, fronts: tuple[float, float]) -> None:
    """Everything that stands on the ground, the farthest first."""
    things: list[tuple[float, str, float, float]] = []  # distance of the far end, kind, x, length
    for front in fronts:
        start = rng.uniform(-4, 2)
        while start < 80:
            length = rng.uniform(6, 22)
            if rng.random() < 0.85:
                things.append((start + length, "building", front, length))
            start += length
    things.append((100, "backdrop", 0, 0))
    for kind, low, high, farthest in (("car", 1, 4, 18), ("walker", 3, 7, 9), ("tree", 1, 4, 22), ("sign", 2, 5, 12)):
        for _ in range(int(rng.integers(low, high))):
            z = float(np.exp(rng.uniform(np.log(4), np.log(farthest))))
            on_road = kind == "car" or (kind == "walker" and rng.random() < 0.3)
            x = rng.uniform(-road + 1, road - 1) if on_road else _aside(rng, road, fronts)
            things.append((z, kind, x, 0))
    draw = {"car": vehicle, "walker": walker, "tree": street_tree, "sign": sign}
    for z, kind, x, length in sorted(things, key=lambda thing: -thing[0]):
        if kind == "building":
            near_end = max(z - length, 1.0)
            if z > near_end + 0.5:
                building(canvas, rng, palette, x, near_end, z - near_end, rng.uniform(5, 18))
        elif kind == "backdrop":
            _backdrop(canvas, rng, palette)
        else:
            draw[kind](canvas, rng, palette, x, z)


def _aside(rng: Rng, road: float, fronts: tuple[float, float]) -> float:
    """A place on one of the pavements."""
    return rng.uniform(fronts[0] + 0.3, -road - 0.4) if rng.random() < 0.5 else rng.uniform(road + 0.4, fronts[1] - 0.3)


def _backdrop(canvas: Canvas, rng: Rng, palette: Palette) -> None:
    """Where the road ends: a row of houses or of trees across the horizon."""
    if rng.random() < 0.5:
        for i, top in enumerate(rng.uniform(4, 16, 12)):
            canvas.polygon(Plane((-150 + 25 * i, 0, 100)).at(rectangle(0, 0, 25, top)), palette.wall(rng), BUILDING)
    else:
        for x in np.arange(-150, 150, 8):
            edge = np.array([(-6, 0), (6, 0), (5, 6), (0, rng.uniform(7, 12)), (-5, 6)])
            canvas.polygon(Plane((float(x), 0, 100)).at(edge), shade(palette.leaf, rng.uniform(0.7, 1.1)), TREE)
