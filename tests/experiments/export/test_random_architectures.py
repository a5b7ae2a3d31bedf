"""Random networks of both spaces, in every format, at odd sizes: the exported file gives PyTorch's answer."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from experiments.export.formats import FORMATS, TIMED
from experiments.export.settings import ExportSettings
from experiments.export.verify import compare_answers
from experiments.runtime.interface import Interface
from nas_space.architecture import Architecture
from nas_space.config import SpaceConfig
from nas_space.network import SegmentationNetwork

SIZES = [(64, 96), (67, 101), (97, 64)]
PAPER = (3, 9)  # these of the ten are of the paper's space
FOUR_STAGES = (4,)  # and this of a space of four stages
DEEP = SpaceConfig(16, (32, 48, 64, 96), ((1, 2), (1, 2, 3), (1, 2), (1, 2)), (1, 2, 4), (1, 2), (16, 16, 32, 48), 8)


def tried(
    kind: str, seeds: list[int], learned: Callable[[SegmentationNetwork], SegmentationNetwork], folder: Path
) -> tuple[float, float]:
    """Worst difference of logits and worst share of equal pixels."""
    file_format = FORMATS[kind]
    for package in file_format.packages:
        pytest.importorskip(package, reason=f"{package} is not installed")
    file = folder / f"network{file_format.suffixes[0]}"
    dynamic = "dynamic" not in file_format.lacks
    sizes = SIZES if dynamic else SIZES[1:2]
    settings = ExportSettings(sizes[0], dynamic, lowering=file_format.fastest)
    differences, equal = [], []
    for seed in seeds:
        torch.manual_seed(seed)
        space = SpaceConfig.paper() if seed in PAPER else DEEP if seed in FOUR_STAGES else SpaceConfig.compact()
        network = SegmentationNetwork(Architecture.random(space, random.Random(seed)), 11, space.heads[seed % 2])
        learned(network)
        file_format.write(network, file, settings)
        images = [torch.randint(0, 256, (1, 3, *size), dtype=torch.uint8) for size in sizes]
        agreement = compare_answers(file_format.open(file, settings), network, Interface(), images)
        differences.append(agreement.max_logit_difference)
        equal.append(agreement.equal_pixels)
        assert agreement.within(1e-3, 0.999), (kind, seed, agreement)
    found = f"largest difference of logits {max(differences):.2g}, equal pixels at least {min(equal):.5f}"
    print(f"{kind}: {len(seeds)} networks, {found}")
    return max(differences), min(equal)


@pytest.mark.parametrize("kind", [kind for kind in TIMED if kind != "litert"])  # it converts for half a minute
def test_two_random_networks(kind: str, randomised: Any, tmp_path: Path) -> None:
    difference, equal = tried(kind, [4, 1], randomised, tmp_path)
    assert difference > 0 and equal <= 1


@pytest.mark.slow
@pytest.mark.parametrize("kind", TIMED)
def test_ten_random_networks(kind: str, randomised: Any, tmp_path: Path) -> None:
    tried(kind, list(range(10)), randomised, tmp_path)
