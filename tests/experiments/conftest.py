"""Trained networks for tests, without training."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def checkpoint(tmp_path: Path, tiny: Callable[..., Any]) -> Callable[..., Path]:
    """``checkpoint(name="run", **changes)``: the folder of a tiny network for street scenes, with random weights that tell images apart."""
    import torch

    from experiments.data.street_palette import CLASSES
    from experiments.data.streets import COLOURS
    from experiments.model_file import ModelInfo, save_model
    from nas_space.architecture import baseline1
    from nas_space.network import SegmentationNetwork

    def make(name: str = "run", seed: int = 0, **changes: Any) -> Path:
        torch.manual_seed(seed)
        values: dict[str, Any] = {"classes": CLASSES, "colours": COLOURS, "size": (32, 40), "dataset": "streets", **changes}
        info = ModelInfo(architecture=baseline1(tiny()), head="encoder", **values)
        network = SegmentationNetwork(info.architecture, len(info.classes), "encoder")
        torch.nn.init.normal_(network.head.weight, std=0.5)  # type: ignore[arg-type]
        network.train()(torch.randn(8, 3, 32, 40) * torch.rand(8, 1, 1, 1) * 2)  # statistics of the batch norms
        folder = tmp_path / name
        folder.mkdir()
        save_model(folder, network.eval(), info)
        return folder

    return make
