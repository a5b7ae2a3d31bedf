"""What is made of the seconds of several rounds."""

from collections.abc import Callable
from typing import Any

import pytest

from experiments.benchmark.search.child import Problem
from experiments.benchmark.search.rounds import _smaller_images, summarise
from nas_space.config import SpaceConfig


def test_the_ratio_is_that_of_the_rounds() -> None:
    """Rounds in which the machine was slow for both sides do not move it."""
    summary = summarise((1.0, 10.0, 1.0), (3.0, 30.0, 4.0))
    assert summary == {"ours_s": 1.0, "nni_s": 4.0, "ratio": 3.0, "ratio_spread": [3.0, 4.0]}


class Quick:
    """A side that takes a second for everything."""

    def ask(self, do: str, **values: Any) -> dict[str, Any]:
        return {"macs": 5.0}

    def seconds(self, count: int) -> float:
        return 1.0


@pytest.mark.parametrize(("stages", "sizes"), [(3, ["32x64", "32x128", "64x128"]), (4, ["64x128"])])
def test_no_smaller_image_than_the_space_takes(stages: int, sizes: list[str], deep: Callable[..., SpaceConfig]) -> None:
    problem = Problem(deep(stages), (64, 128), 2, 3, "32", "cpu", 0)
    rows = _smaller_images(Quick(), problem, 1, 1)  # type: ignore[arg-type]
    assert rows == [{"size": size, "ours_s": 1.0, "macs": 5.0} for size in sizes]
