"""The text of a network is read back, for every kind of space; what is none is named."""

import random
from collections.abc import Callable

import pytest

from experiments.landscape.notation import from_text, to_text
from nas_space.architecture import Architecture, baseline2
from nas_space.config import DIMENSIONS, SpaceConfig
from nas_space.errors import InputError


@pytest.mark.parametrize("search", [DIMENSIONS, ("dilation", "pooling"), ("width",)], ids=str)
def test_what_is_written_is_read(search: tuple[str, ...], deep: Callable[..., SpaceConfig]) -> None:
    generator = random.Random(0)
    for space in (deep(3, search), deep(4, search), SpaceConfig.paper(search)):
        for network in (Architecture.random(space, generator) for _ in range(20)):
            assert from_text(space, to_text(network)) == network


def test_the_text_is_short(tiny: Callable[..., SpaceConfig]) -> None:
    assert to_text(baseline2(SpaceConfig.compact())) == "d1s1 d1s1 | d2s1 d4s1 d8s1"
    space = tiny()
    assert to_text(from_text(space, "d2s2:8x4|d1s1")) == "d2s2:8x4 | d1s1"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "has 0 layers|1 stages"),
        ("d1s1 d1s1", "1 stages, the space has 2"),
        ("d1s1 | d1s1 | d1s1", "3 stages, the space has 2"),
        ("d1s1 | d3s1", "dilation is 3"),
        ("d1s1 | d1s1:8x7", "width_1x3 is 7"),
        ("d1s1 | e1s1", "'e1s1' is no layer"),
        ("d1s1 | d1s1:8", "'d1s1:8' is no layer"),
        ("d1s1 d1s1 d1s1 d1s1 | d1s1", "has 4 layers"),
    ],
)
def test_what_is_no_network_is_named(text: str, problem: str, tiny: Callable[..., SpaceConfig]) -> None:
    with pytest.raises(InputError, match=problem):
        from_text(tiny(), text)
