"""Flat drawings of things in a street. The same drawing is a real thing in one place and a poster in another."""

import numpy as np

from experiments.data.streets.canvas import Colour, Floats, Sprite, disc, rectangle

Rng = np.random.Generator

GLASS: tuple[Colour, ...] = ((38, 46, 58), (70, 84, 98), (120, 136, 150), (165, 178, 188))
"""Window panes: of buildings and of cars alike."""
WHITE: Colour = (232, 232, 224)


def shade(colour: Colour, factor: float) -> Colour:
    """A darker (below 1) or lighter (above 1) tone, still a colour."""
    red, green, blue = (min(max(channel * factor, 0), 255) for channel in colour)
    return red, green, blue


def near(rng: Rng, colour: Colour, spread: float) -> Colour:
    """A similar colour: brightness and tint each change by about ``spread`` of 255."""
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
    arm = np.array([(wide, hip), (wide + 0.1, hip), (wide + lean + 0.02, shoulder), (wide + lean - 0.1, shoulder)])
    parts = [
        (np.array([(-0.16, hip), (0.02, hip), (stride / 2 + 0.1, 0), (stride / 2 - 0.04, 0)]), trousers),
        (np.array([(-0.02, hip), (0.16, hip), (-stride / 2 + 0.04, 0), (-stride / 2 - 0.1, 0)]), shade(trousers, 0.85)),
        (np.array([(-wide, hem), (wide, hem), (wide + lean, shoulder), (-wide + lean, shoulder)]), coat),
        (arm, shade(coat, 0.8)),
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
        (disc(across[i] * spread * room[i], bare + up[i] * (height - bare), size[i], 7), shade(leaf, light[i]))
        for i in range(tufts)
    ]
    return [(trunk, bark), *crown]


def plate(rng: Rng, paints: tuple[Colour, ...], back: Colour | None = None) -> Sprite:
    """A sign about 1 m across, centred on (0, 0): a disc, a triangle or a board with marks, or its blank ``back``."""
    ground, mark = pick(rng, (*paints, WHITE)), pick(rng, (*paints, WHITE))
    wide, high = rng.uniform(0.5, 1.0), rng.uniform(0.35, 0.6)
    lines = [rectangle(-0.7 * wide, y * high, 0.5 * wide, (y + 0.14) * high) for y in (-0.5, 0.0, 0.45)]
    outline, marks = (
        (disc(0, 0, 0.5, 12), [disc(0, 0, 0.34)]),
        (_triangle(0.6), [_triangle(0.33)]),
        (rectangle(-wide, -high, wide, high), lines),
    )[int(rng.integers(3))]
    if back is not None:
        return [(outline, back)]
    return [(outline, ground), *((part, mark) for part in marks)]


def _triangle(radius: float) -> Floats:
    return radius * np.array([(-0.87, -0.5), (0.87, -0.5), (0, 1)])
