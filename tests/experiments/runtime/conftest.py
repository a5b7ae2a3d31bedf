"""Files as an application gets them."""

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from experiments.export.formats import FORMATS
from experiments.export.settings import ExportSettings
from experiments.runtime.description import Description
from experiments.runtime.interface import Interface
from nas_space.architecture import Architecture
from nas_space.network import SegmentationNetwork


@pytest.fixture
def model(tmp_path: Path, tiny: Callable[..., Any]) -> Callable[..., tuple[Path, SegmentationNetwork, Description]]:
    """``model(suffix, **changes of the description)``: a file, the network in it, and what it says of itself."""

    def make(suffix: str = ".onnx", **changes: Any) -> tuple[Path, SegmentationNetwork, Description]:
        network = SegmentationNetwork(Architecture.random(tiny(), random.Random(1)), 3).eval()
        with torch.no_grad():
            network.head.weight.mul_(4)  # type: ignore[union-attr, operator]
            network.head.bias.sub_(network(torch.empty(1, 3, 64, 96).uniform_(-2, 2)).mean((0, 2, 3)))  # type: ignore[union-attr, operator]
        description = Description(
            classes=("road", "tree", "sky"),
            colours=((128, 64, 128), (0, 255, 0), (70, 130, 180)),
            size=(48, 64),
            dynamic=False,
            interface=Interface(),
            precision="fp32",
            lowering="zeros",
            head="encoder",
            dataset="streets",
            architecture={"schema": 1},
        )
        description = replace(description, **changes)
        path = tmp_path / f"model{suffix}"
        FORMATS["openvino" if suffix == ".xml" else "onnx"].write(network, path, ExportSettings.of(description))
        return path, network, description

    return make
