"""The folder to take away: exported files, the trained network, its classes, a script that uses it, and the report."""

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments.data.plain_copy import class_file
from experiments.fit.page import write_page
from experiments.fit.score import validate
from experiments.model_file import ARCHITECTURE, WEIGHTS, load_model
from experiments.runs.decoration import decoration
from experiments.runs.files import write_atomic
from experiments.runtime.segmenter import Segmenter

SCRIPT = '''"""Segments photos with the network beside this file: python predict.py PHOTO..."""

import sys
from pathlib import Path


def stop(text):
    print(text, file=sys.stderr)
    sys.exit(2)


try:
    from PIL import Image, ImageDraw, ImageFont

    try:
        from ssr_nas_runtime import Segmenter
    except ImportError:
        from experiments import Segmenter
except ImportError as error:
    stop(f"{{error}}; install the runtime: pip install PATH-TO-SSR-NAS/experiments/runtime_package")


def with_legend(picture, found):
    line = max(picture.width // 25, 16)
    font = ImageFont.load_default(0.7 * line)
    width = max(picture.width, *(line + 16 + int(font.getlength(name)) for name, _ in found))
    canvas = Image.new("RGB", (width, picture.height + line * len(found)), "white")
    canvas.paste(picture)
    draw, top = ImageDraw.Draw(canvas), picture.height
    for name, colour in found:
        draw.rectangle((4, top + 3, line, top + line - 3), fill=colour, outline="black")
        draw.text((line + 8, top + 2), name, fill="black", font=font)
        top += line
    return canvas


if len(sys.argv) < 2:
    stop("usage: python predict.py PHOTO...")
try:
    segment = Segmenter(Path(__file__).with_name("{file}"))
except ValueError as error:  # one line that says what is wrong
    stop(error)
for photo in map(Path, sys.argv[1:]):
    try:
        result = segment(photo)
    except ValueError as error:
        stop(error)
    overlay = f"{{photo.stem}}_overlay.png"
    found, told = [], []
    for i, (name, share) in enumerate(result.shares().items()):
        if share:
            plain = name.isascii()  # the picture's font has no other letters
            found.append((name if plain else f"class {{i}}", result.colours[i]))
            told.append(f"{{name}} {{share:.1%}}" if plain else f"{{name}} (class {{i}}) {{share:.1%}}")
    with_legend(Image.fromarray(result.overlay()), found).save(overlay)
    print(f"{{overlay}}: {{', '.join(told)}}")
'''
TIMED = 9
"""Times that a photo is segmented, to learn how long one takes."""


def deliver(
    folder: Path, out: Path, points: Sequence[Mapping[str, Any]], told: Mapping[str, Any], threads: int
) -> dict[str, Any]:
    """Write ``out``; what a killed try has left there is written anew.

    Args:
        folder: of the fit.
        out: in it, made already.
        points: of ``fit.json``, the slowest first; its network lies at the top, the others in folders of their own.
        told: for the report: ``minutes``, ``plan``, ``title``, ``size``.
        threads: of the engine.

    Returns:
        The validation scores of the first point's network, and ``photo`` (of ``time_photo``).
    """
    for place, point in enumerate(points):
        chosen, place_of = point["chosen"], out if place == 0 else out / point["name"]
        place_of.mkdir(exist_ok=True)
        for file in sorted((folder / chosen["export"]).iterdir()):
            if file.suffix != ".json":
                shutil.copyfile(file, place_of / file.name)
        for name in (WEIGHTS, ARCHITECTURE):
            shutil.copyfile(folder / chosen["run"] / name, place_of / name)
        _, info = load_model(folder / chosen["run"])
        write_atomic(place_of / "classes.csv", class_file(info.classes, info.colours))
        write_atomic(place_of / "predict.py", SCRIPT.format(file=chosen["file"]))
    chosen = points[0]["chosen"]
    validation = validate(folder / chosen["run"])
    photo = time_photo(Segmenter(out / chosen["file"], threads=threads), validation.samples[0].read()[0])
    with decoration(f"the report {out / 'report.html'}"):
        write_page(out / "report.html", points, validation, {**told, "photo": photo})
    return {**validation.summary(), "photo": photo}


def time_photo(segment: Callable[[Any], Any], image: Any) -> dict[str, Any]:
    """How long a whole photo takes: resizing, the network, and a class for each of its pixels.

    Args:
        segment: a ``Segmenter``.
        image: uint8 ``(H, W, 3)``.

    Returns:
        ``size`` (height, width) and ``ms``: the least by the clock on the wall, for what disturbs only adds.
    """
    pixels, took = np.asarray(image), []
    for _ in range(TIMED):
        begin = time.perf_counter()
        segment(pixels)
        took.append(time.perf_counter() - begin)
    return {"size": list(pixels.shape[:2]), "ms": 1000 * min(took)}
