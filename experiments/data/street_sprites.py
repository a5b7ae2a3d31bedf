"""Flat drawings of what is found in a street. The same drawing is a real thing in one place and a poster on a wall in another."""

import numpy as np

from experiments.data.street_canvas import Colour, Sprite, disc, rectangle

Rng = np.random.Generator

GLASS: tuple[Colour, ...] = ((38, 46, 58), (70, 84, 98), (120, 136, 150), (165, 178, 188))
"""Window panes: of buildings and of cars alike."""

WHITE: Colour = (232, 232, 224)


def shade(colour: Colour, factor: float) -> Colour:
    """A darker (below 1) or lighter (above 1) tone, still a colour."""
    red, green, blue = (min(max(channel * factor, 0), 255) for channel in colour)
    return red, green, blue


def near(rng: Rng, colour: Colour, spread: float) -> Colour:
    """A colour close by: brightness and tint each move by about ``spread`` of 255."""
    red, green, blue = np.clip(np.array(colour) + rng.normal(0, spread) + rng.normal(0, spread / 3, 3), 4, 251).tolist()
    return red, green, blue


def pick(rng: Rng, colours: tuple[Colour, ...]) -> Colour:
    """One of the colours, at random."""
    return colours[int(rng.integers(len(colours)))]


def pedestrian(rng: Rng, cloth: tuple[Colour, ...]) -> Sprite:
    """Somebody 1.5 to 1.9 m tall, mid-stride, feet at (0, 0), in colours from ``cloth``."""
    height, stride, lean = rng.uniform(1.5, 1.9), rng.uniform(0.05, 0.3), rng.uniform(-0.05, 0.05)
    skin = shade((224, 180, 150), rng.uniform(0.4, 1.05))
    trousers, coat = pick(rng, cloth), pick(rng, cloth)
    hip, shoulder, wide = 0.48 * height, 0.83 * height, rng.uniform(0.22, 0.3)
    hem = hip - rng.uniform(0, 0.25)
    parts = [
        (np.array([(-0.16, hip), (0.02, hip), (stride / 2 + 0.1, 0), (stride / 2 - 0.04, 0)]), trousers),
        (np.array([(-0.02, hip), (0.16, hip), (-stride / 2 + 0.04, 0), (-stride / 2 - 0.1, 0)]), shade(trousers, 0.85)),
        (np.array([(-wide, hem), (wide, hem), (wide + lean, shoulder), (-wide + lean, shoulder)]), coat),
        (np.array([(wide, hip), (wide + 0.1, hip), (wide + lean + 0.02, shoulder), (wide + lean - 0.1, shoulder)]), shade(coat, 0.8)),
        (disc(lean, 0.91 * height, 0.13), skin),
        (rectangle(lean - 0.12, 0.94 * height, lean + 0.12, height), shade(pick(rng, cloth), 0.5)),
    ]
    if rng.random() < 0.3:
        parts.append((rectangle(wide - 0.02, hip - 0.25, wide + 0.3, hip + 0.05), pick(rng, cloth)))  # a bag
    return parts


def tree(rng: Rng, bark: Colour, leaf: Colour) -> Sprite:
    """A tree of 4 to 8 m: trunk from (0, 0) up, crown of many lit and shaded tufts."""
    height, spread = rng.uniform(4, 8), rng.uniform(1.2, 2.4)
    thick, bare = rng.uniform(0.1, 0.22), rng.uniform(0.25, 0.5) * height
    trunk = np.array([(-thick, 0), (thick, 0), (thick * 0.6, height * 0.75), (-thick * 0.6, height * 0.75)])
    tufts = int(rng.integers(14, 26))
    across, up = rng.normal(0, 0.45, tufts).clip(-1, 1), rng.uniform(0, 1, tufts)
    light = rng.uniform(0.6, 1.25, tufts) * (0.8 + 0.3 * up)
    room = np.sqrt(1 - (2 * up - 1) ** 2 * 0.8)
    size = rng.uniform(0.3, 0.55, tufts) * spread
    crown = [
        (disc(across[i] * spread * room[i], bare + up[i] * (height - bare), size[i], 7), shade(leaf, light[i])) for i in range(tufts)
    ]
    return [(trunk, bark), *crown]


def plate(rng: Rng, paints: tuple[Colour, ...]) -> Sprite:
    """A sign about 1 m across, centred on (0, 0): a disc, a triangle or a board with marks."""
    ground, mark = pick(rng, (*paints, WHITE)), pick(rng, (*paints, WHITE))
    kind = rng.integers(3)
    if kind == 0:
        return [(disc(0, 0, 0.5, 12), ground), (disc(0, 0, 0.34), mark)]
    if kind == 1:
        return [(disc(0, 0, 0.55, 3) @ np.array([(0, 1), (1, 0)]), ground), (disc(0, -0.02, 0.3, 3) @ np.array([(0, 1), (1, 0)]), mark)]
    wide, high = rng.uniform(0.5, 0.9), rng.uniform(0.3, 0.5)
    lines = [(rectangle(-0.7 * wide, y, rng.uniform(0, 0.7) * wide, y + 0.14 * high), mark) for y in (-0.5 * high, 0.0, 0.45 * high)]
    return [(rectangle(-wide, -high, wide, high), ground), *lines]


def car_side(rng: Rng, paint: Colour, glass: Colour, van: bool) -> Sprite:
    """A car seen from the side: 4.2 m from its nose at x = 0 (a van: 5 m), wheels on y = 0."""
    length, roof = (5.0, 2.2) if van else (4.2, 1.45)
    if van:
        body = np.array([(0, 0.3), (length, 0.3), (length, roof), (0.9, roof), (0.25, 1.2), (0, 1.1)])
        panes = [np.array([(0.45, 1.25), (1.5, 1.25), (1.5, 1.9), (1.0, 1.9)])]
        if rng.random() < 0.6:
            panes += [rectangle(x, 1.25, x + 0.9, 1.9) for x in (1.75, 2.8, 3.85)]
    else:
        body = np.array([(0, 0.3), (length, 0.3), (length, 0.85), (3.8, 0.95), (3.3, roof), (1.7, roof), (1.0, 0.92), (0.1, 0.8)])
        panes = [np.array([(1.25, 0.95), (2.35, 0.95), (2.35, 1.36), (1.8, 1.36)]), np.array([(2.45, 0.95), (3.55, 0.95), (3.2, 1.36), (2.45, 1.36)])]
    wheels = [disc(x, 0.33, 0.33) for x in (0.85, length - 0.85)]
    sill = rectangle(0.05, 0.25, length - 0.05, 0.4)
    return [
        (body, paint),
        (sill, shade(paint, 0.6)),
        *((pane, glass) for pane in panes),
        *((wheel, (28, 28, 30)) for wheel in wheels),
        *((disc(x, 0.33, 0.16, 6), (130, 130, 132)) for x in (0.85, length - 0.85)),
    ]


def car_end(rng: Rng, paint: Colour, glass: Colour, van: bool) -> Sprite:
    """A car seen from before or behind: 1.8 m wide, centred on x = 0, wheels on y = 0."""
    roof, waist = (2.2, 1.2) if van else (1.45, 0.92)
    lamps = pick(rng, ((215, 40, 35), (250, 240, 200)))
    return [
        (rectangle(-0.85, 0, -0.55, 0.4), (28, 28, 30)),
        (rectangle(0.55, 0, 0.85, 0.4), (28, 28, 30)),
        (np.array([(-0.9, 0.28), (0.9, 0.28), (0.9, waist), (0.7, roof), (-0.7, roof), (-0.9, waist)]), paint),
        (np.array([(-0.76, waist + 0.04), (0.76, waist + 0.04), (0.6, roof - 0.1), (-0.6, roof - 0.1)]), glass),
        (rectangle(-0.9, 0.28, 0.9, 0.42), shade(paint, 0.6)),
        (rectangle(-0.88, 0.6, -0.6, 0.78), lamps),
        (rectangle(0.6, 0.6, 0.88, 0.78), lamps),
        (rectangle(-0.26, 0.5, 0.26, 0.62), WHITE),
    ]
