"""The distribution for applications runs with NumPy, Pillow and an engine alone."""

import importlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from experiments import Segmenter, __version__

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "experiments" / "runtime_package"
APPLICATION = """
import json, os, runpy, sys
folder, place, network, *photos = sys.argv[1:]
os.chdir(folder)
sys.argv = ["setup.py", "-q", "build_py", "--build-lib", place]
runpy.run_path("setup.py")
for absent in ("experiments", "nas_space", "strategies", "torch", "nni", "pytorch_lightning", "cv2", "yaml"):
    sys.modules[absent] = None
sys.path.insert(0, place)
import ssr_nas_runtime
segment = ssr_nas_runtime.Segmenter(network)
told = []
for photo in photos:
    try:
        told.append(segment(photo).classes.tolist())
    except ValueError as error:
        told.append(str(error))
print(json.dumps([ssr_nas_runtime.__version__, *told]))
"""


def read_toml(path: Path) -> dict[str, Any]:
    name = "tomllib" if sys.version_info >= (3, 11) else "tomli"
    content: dict[str, Any] = importlib.import_module(name).loads(path.read_text(encoding="utf-8"))
    return content["project"]


def test_it_runs_an_exported_file_without_the_toolkit(model: Callable[..., Any], tmp_path: Path) -> None:
    network, _, _ = model()
    coarse = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    photos = [tmp_path / "photo.png", tmp_path / "photo.jpg", tmp_path / "small.png"]
    for photo, side in zip(photos, (100, 100, 30), strict=True):
        Image.fromarray(coarse).resize((side + 31, side), Image.Resampling.BILINEAR).save(photo)
    deep = tmp_path / "deep.png"
    _write_deep(deep)
    command = [sys.executable, "-c", APPLICATION, str(FOLDER), str(tmp_path / "lib"), str(network)]
    run = subprocess.run([*command, *map(str, photos), str(deep)], capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    version, *told, refused = json.loads(run.stdout.splitlines()[-1])
    assert version == __version__
    segment = Segmenter(network)
    for photo, classes in zip(photos, told, strict=True):
        expected = segment(photo).classes
        assert len(np.unique(expected)) > 1
        assert np.mean(np.array(classes) == expected) > 0.99
    assert refused.endswith("deep.png: has colours of 16 bits; save it with 8, or install opencv-python-headless")
    # No file of it belongs to the toolkit, so both may be installed.
    assert [path.name for path in (tmp_path / "lib").iterdir()] == ["ssr_nas_runtime"]


def _write_deep(path: Path) -> None:
    import cv2

    cv2.imwrite(str(path), np.full((40, 50, 3), 40_000, np.uint16))


def test_its_requirements_are_those_of_the_toolkit() -> None:
    toolkit, runtime = read_toml(ROOT / "pyproject.toml"), read_toml(FOLDER / "pyproject.toml")
    known = {*toolkit["dependencies"], *toolkit["optional-dependencies"]["deploy"]}
    wanted = {*runtime["dependencies"], *runtime["optional-dependencies"]["opencv"]}
    assert wanted <= known and runtime["requires-python"] == toolkit["requires-python"]
