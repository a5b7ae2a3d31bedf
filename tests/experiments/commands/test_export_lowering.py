"""``ssr-nas export lowering``: a table of forms, and the fastest of them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from experiments.benchmark.lowering import rotated, time_lowerings
from experiments.cli import main
from experiments.export.formats import FORMATS, Format
from experiments.export.settings import Answer, ExportSettings
from nas_space.architecture import baseline1
from nas_space.config import SpaceConfig
from nas_space.lowering import LOWERINGS
from nas_space.network import SegmentationNetwork

TINY = (
    "--space.stem=4 --space.widths=8,12 --space.depths=[[1,2],[1,2]] --space.dilations=1,4 --space.span=4 "
    "--space.step=2 --size=32x64 --classes=3 --rounds=2 --count=2"
).split()


def test_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "lowering", *TINY, "--json"]) == 0
    *text, last = capsys.readouterr().out.splitlines()
    result = json.loads(last)
    assert set(result["fastest"]) == {"onnx", "openvino", "torchscript"} == set(result["ratios"])
    for kind, ratios in result["ratios"].items():
        assert set(ratios) == set(LOWERINGS) and ratios["pad"] == pytest.approx(1.0)
        assert ratios[result["fastest"][kind]] == min(ratios.values())
        assert sum(line.split()[0] == kind for line in text if line.strip()) == 2
    assert torch.get_num_threads() == 1


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("--count=0", "count: 0 must be at least 1"),
        ("--formats=onnx,x", "formats: unknown 'x'; choose from onnx, openvino, torchscript"),
    ],
)
def test_mistakes(argument: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "lowering", *TINY, argument]) == 2
    assert words in capsys.readouterr().err


def test_the_fastest_form_is_found_whatever_its_turn(monkeypatch: pytest.MonkeyPatch, tiny: Any) -> None:
    now, costs = [0.0], {"pad": 2.0, "concat": 1.0, "zeros": 4.0}

    def write(network: Any, file: Path, settings: ExportSettings) -> None:
        file.write_text(settings.lowering)

    def read(file: Path, settings: ExportSettings) -> Any:
        cost = costs[file.read_text()]

        def run(image: Any) -> Answer:
            now[0] += cost * (10 if now[0] > 100 else 1)  # a slow spell of the machine
            return Answer(np.zeros(1), np.zeros(1))

        return run

    monkeypatch.setitem(FORMATS, "fake", Format("fake", (".fake",), (), write, read))
    space: SpaceConfig = tiny()
    timing = time_lowerings(SegmentationNetwork(baseline1(space), 3), "fake", (32, 32), 20, lambda: now[0])
    assert timing.fastest == "concat"
    assert timing.ratio == pytest.approx({"pad": 1.0, "concat": 0.5, "zeros": 2.0})
    assert [rotated("abc", turn)[0] for turn in range(4)] == ["a", "b", "c", "a"]
