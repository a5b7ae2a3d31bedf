"""A child process that cannot search says why."""

import pytest

from experiments.benchmark.search.child import Child, Problem
from nas_space.config import SpaceConfig


@pytest.fixture(autouse=True)
def one_thread_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def test_a_child_that_fails_says_so() -> None:
    space = SpaceConfig.compact()
    with (
        pytest.raises(RuntimeError, match="nni"),
        Child("nni", Problem(space, (0, 0), 2, 3, "32", "cpu", 0), "contiguous") as child,
    ):
        child.seconds(1)
