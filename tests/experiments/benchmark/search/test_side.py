"""NNI's candidates share the pooling of their input, as ours do."""

import pytest
import torch

from experiments.benchmark.search.side import cache_last_input, share_pooling
from nas_space import space as space_module
from nas_space.blocks import pool


def test_candidates_share_one_pooling(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def counted(x: torch.Tensor, pooling: int) -> torch.Tensor:
        calls.append(pooling)
        return pool(x, pooling)

    monkeypatch.setattr(space_module, "pool", counted)  # and what the benchmark replaces is undone
    candidates = [space_module.MutableOperator(4, (4,), dilation, 2) for dilation in (1, 2, 4)]
    share_pooling()
    x = torch.randn(1, 4, 8, 8)
    for candidate in candidates:
        candidate(x)
    assert calls == [2]


def test_a_pooling_of_another_name_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(space_module, "pool")
    with pytest.raises(RuntimeError, match=r"nas_space\.space has no name pool"):
        share_pooling()


def test_nni_pools_each_input_once() -> None:
    calls = []

    def counted(x: torch.Tensor, pooling: int) -> torch.Tensor:
        calls.append(pooling)
        return pool(x, pooling)

    shared, x = cache_last_input(counted), torch.randn(1, 2, 4, 4, requires_grad=True)
    first = shared(x, 2)
    assert shared(x, 2) is first and shared(x, 1) is x and calls == [2, 1]
    with torch.no_grad():
        assert shared(x, 2) is not first
    assert torch.equal(shared(x + 1, 2), pool(x + 1, 2)) and calls == [2, 1, 2, 2]
