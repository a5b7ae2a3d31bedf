"""``ssr-nas figures``: two pictures of what networks see."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

from experiments.cli import main
from experiments.commands.figures import _names
from nas_space.architecture import baseline1, baseline2
from nas_space.config import SpaceConfig

pytestmark = pytest.mark.usefixtures("real_figures")

Checkpoint = Callable[..., Path]


def test_both_figures(tmp_path: Path, checkpoint: Checkpoint, capsys: pytest.CaptureFixture[str]) -> None:
    found, baseline, out = str(checkpoint("found")), str(checkpoint("baseline1", seed=1)), tmp_path / "out"
    assert (
        main(["figures", "--checkpoint", found, "--against", baseline, "--count", "2", "--out", str(out), "--json"])
        == 0
    )
    *text, last = capsys.readouterr().out.splitlines()
    result = json.loads(last)
    assert result["images"] == ["val0000", "val0040"] and result["files"] == [
        str(out / "segmentations.png"),
        str(out / "features.png"),
    ]
    assert text[:-1] == [f"figure  {file}" for file in result["files"]] and text[-1].startswith("features.png: how")
    for file in result["files"]:
        with Image.open(file) as picture:
            assert min(picture.size) > 400


@pytest.mark.parametrize(
    ("arguments", "culprit"),
    [
        (["--count", "0"], "count: 0"),
        (["--split", "x"], "split: streets has no 'x'"),
        (["--against", "nowhere"], "nowhere: no such file"),
        (["--data.name", "mars"], "mars"),
    ],
)
def test_bad_input(
    arguments: list[str], culprit: str, tmp_path: Path, checkpoint: Checkpoint, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["figures", "--checkpoint", str(checkpoint()), *arguments, "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert culprit in error and error.count("\n") == 1 and not (tmp_path / "out").exists()


def test_networks_of_other_classes(tmp_path: Path, checkpoint: Checkpoint, capsys: pytest.CaptureFixture[str]) -> None:
    other = checkpoint("other", classes=("a", "b"), colours=((0, 0, 0), (9, 9, 9)))
    assert (
        main(["figures", "--checkpoint", str(checkpoint()), "--against", str(other), "--out", str(tmp_path / "out")])
        == 2
    )
    assert f"--against {other}: its classes are not those of" in capsys.readouterr().err


def test_networks_are_called_by_what_they_are(tmp_path: Path, tiny: Callable[..., SpaceConfig]) -> None:
    made, found = baseline1(tiny()), baseline2(tiny())
    changed = replace(found, stages=(found.stages[0][:1], *found.stages[1:]))
    runs = {"hand": made, "a": changed, "b": changed, "scaled": changed, "peer": None}
    for name in runs:
        (tmp_path / name).mkdir()
    (tmp_path / "scaled" / "config.yml").write_text("arch: baseline2@20ms\n")
    infos = [SimpleNamespace(architecture=one, peer="erfnet" if one is None else None) for one in runs.values()]
    names = _names([str(tmp_path / name) for name in runs], infos)
    assert names == ["baseline1", "found a", "found b", "baseline2@20ms", "erfnet"]
