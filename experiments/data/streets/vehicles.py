"""Flat drawings of cars and lorries, from the side and from their ends."""

import numpy as np

from experiments.data.streets.canvas import Colour, Sprite, disc, rectangle
from experiments.data.streets.sprites import WHITE, Rng, pick, shade

TYRE: Colour = (28, 28, 30)
HUB: Colour = (130, 130, 132)
FRAME: Colour = (40, 40, 42)
RED: Colour = (215, 40, 35)


def car_side(paint: Colour, glass: Colour) -> Sprite:
    """A car seen from the side: 4.2 m from its nose at x = 0, wheels on y = 0."""
    boot, bonnet = [(4.2, 0.85), (4.15, 0.95), (4.0, 1.45)], [(1.7, 1.45), (1.0, 0.92), (0.1, 0.8)]
    body = np.array([(0, 0.3), (4.2, 0.3), *boot, *bonnet])
    front, back = np.array([(1.25, 0.95), (2.35, 0.95), (2.35, 1.36), (1.8, 1.36)]), rectangle(2.45, 0.95, 3.8, 1.36)
    sill = rectangle(0.05, 0.25, 4.15, 0.4)
    return [(body, paint), (sill, shade(paint, 0.6)), (front, glass), (back, glass), *_wheels(0.85, 3.35)]


def lorry_side(paint: Colour, box: Colour, glass: Colour) -> Sprite:
    """A lorry seen from the side: 7 m from its nose at x = 0, with a blank box of 3.3 m height."""
    cab = np.array([(0, 0.4), (1.9, 0.4), (1.9, 2.5), (0.5, 2.5), (0, 1.5)])
    pane = np.array([(0.35, 1.5), (1.5, 1.5), (1.5, 2.25), (0.65, 2.25)])
    load, bed = rectangle(2.0, 0.7, 7, 3.3), rectangle(1.8, 0.45, 7, 0.75)
    return [(cab, paint), (pane, glass), (load, box), (bed, FRAME), *_wheels(1.1, 4.8, 5.9)]


def _wheels(*places: float) -> Sprite:
    return [part for x in places for part in ((disc(x, 0.36, 0.36), TYRE), (disc(x, 0.36, 0.17, 6), HUB))]


def car_end(rng: Rng, paint: Colour, glass: Colour) -> Sprite:
    """A car seen from before or behind: 1.8 m wide, centred on x = 0, wheels on y = 0."""
    lamps = pick(rng, (RED, (250, 240, 200)))
    return [
        (rectangle(-0.85, 0, -0.55, 0.4), TYRE),
        (rectangle(0.55, 0, 0.85, 0.4), TYRE),
        (rectangle(-0.9, 0.28, 0.9, 1.45), paint),
        (np.array([(-0.76, 0.96), (0.76, 0.96), (0.68, 1.35), (-0.68, 1.35)]), glass),
        (rectangle(-0.9, 0.28, 0.9, 0.42), shade(paint, 0.6)),
        (rectangle(-0.88, 0.6, -0.6, 0.78), lamps),
        (rectangle(0.6, 0.6, 0.88, 0.78), lamps),
        (rectangle(-0.26, 0.5, 0.26, 0.62), WHITE),
    ]


def lorry_end(box: Colour) -> Sprite:
    """A lorry seen from behind: the blank doors of its box, 2.4 m wide, lights below."""
    return [
        (rectangle(-1.1, 0, -0.6, 0.7), TYRE),
        (rectangle(0.6, 0, 1.1, 0.7), TYRE),
        (rectangle(-1.2, 0.7, 1.2, 3.3), box),
        (rectangle(-1.2, 0.45, 1.2, 0.75), FRAME),
        (rectangle(-1.1, 0.5, -0.8, 0.68), RED),
        (rectangle(0.8, 0.5, 1.1, 0.68), RED),
    ]
