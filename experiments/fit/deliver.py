"""The folder to take away: exported files, the trained network, its classes, a script that uses it, and the report."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments.data.plain_copy import class_file
from experiments.fit.page import write_page
from experiments.fit.score import validate
from experiments.model_file import ARCHITECTURE, WEIGHTS, load_model
from experiments.runs.decoration import decoration
from experiments.runs.files import write_atomic

SCRIPT = '''"""Segments photos with the network beside this file: python predict.py PHOTO..."""

import sys
from pathlib import Path

from PIL import Image

try:
    from ssr_nas_runtime import Segmenter
except ImportError:
    from experiments import Segmenter

segment = Segmenter(Path(__file__).with_name("{file}"))
for photo in map(Path, sys.argv[1:]):
    result = segment(photo)
    Image.fromarray(result.overlay()).save(f"{{photo.stem}}_overlay.png")
    print(photo, result.shares())
'''


def deliver(folder: Path, out: Path, points: Sequence[Mapping[str, Any]], told: Mapping[str, Any]) -> dict[str, Any]:
    """Write ``out``; what a killed try has left there is written anew.

    Args:
        folder: of the fit.
        out: in it, made already.
        points: of ``fit.json``, the slowest first; its network lies at the top, the others in folders of their own.
        told: for the report: ``minutes``, ``plan``, ``title``.

    Returns:
        The validation scores of the first point's network.
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
    validation = validate(folder / points[0]["chosen"]["run"])
    with decoration(f"the report {out / 'report.html'}"):
        write_page(out / "report.html", points, validation, told)
    return dict(validation.summary())
