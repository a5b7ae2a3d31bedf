"""Recorded steps against plain ones, on a stand-in for CUDA graphs that repeats the dispatched operations."""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from nni.nas.evaluator.pytorch import LightningModule
from torch import Tensor
from torch.nn import functional
from torch.optim import Adam
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from nas_space.config import SpaceConfig
from nas_space.space import JointSpace
from strategies import bilevel, recording
from strategies.method import MethodOptions
from strategies.registry import create_strategy
from strategies.search_module import SearchModule

Space = Callable[..., SpaceConfig]
BATCHES = 4


class Tape(TorchDispatchMode):
    """Writes down every operation with the very tensors that it read and wrote."""

    def __init__(self) -> None:
        super().__init__()
        self.entries: list[tuple[Any, Any, Any, Any]] = []

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        self.entries.append((function, args, kwargs or {}, result))
        return result


class StandIn:
    """As a CUDA graph, on the CPU: a capture has no effect, and a replay reads and writes the captured tensors."""

    watched: list[Tensor] = []
    captures = 0
    replays = 0

    def capture_begin(self, pool: Any, capture_error_mode: str) -> None:
        StandIn.captures += 1
        self.before = [(tensor, tensor.detach().clone()) for tensor in StandIn.watched]
        self.tape = Tape()
        self.tape.__enter__()

    @torch.no_grad()
    def capture_end(self) -> None:
        self.tape.__exit__(None, None, None)
        for tensor, value in self.before:
            tensor.detach().copy_(value)

    @torch.no_grad()
    def replay(self) -> None:
        StandIn.replays += 1
        for function, args, kwargs, result in self.tape.entries:
            again = function(*args, **kwargs)
            for old, new in zip(tree_leaves(result), tree_leaves(again), strict=True):
                if isinstance(old, Tensor) and old.untyped_storage().data_ptr() != new.untyped_storage().data_ptr():
                    old.detach().copy_(new)


@pytest.fixture
def graphs(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[StandIn]]:
    """CUDA's part of ``torch`` as far as a recorder needs it."""
    stream = SimpleNamespace(wait_stream=lambda other: None)
    for name, value in {
        "CUDAGraph": StandIn,
        "Stream": lambda device: stream,
        "current_stream": lambda: stream,
        "stream": lambda own: nullcontext(),
        "synchronize": lambda: None,
        "empty_cache": lambda: None,
        "graph_pool_handle": lambda: (0, 0),
    }.items():
        monkeypatch.setattr(recording.torch.cuda, name, value)
    monkeypatch.setattr(recording, "uncached", nullcontext)
    monkeypatch.setattr(bilevel, "can_record", lambda device: True)
    StandIn.captures = StandIn.replays = 0
    yield StandIn
    StandIn.watched = []


class Recipe(LightningModule):
    """Cross-entropy, and Adam."""

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        return functional.cross_entropy(self.model(batch[0]), batch[1])

    def configure_optimizers(self) -> Any:
        return Adam(self.parameters(), lr=0.01)


class Stream:
    """A few batches, the last of another shape."""

    def __init__(self, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        sizes = [32] * (BATCHES - 1) + [40]
        images = [torch.randn(2, 3, size, size, generator=generator) for size in sizes]
        self.items = [
            (image, torch.randint(3, (2, image.shape[2] // 8, image.shape[3] // 8), generator=generator))
            for image in images
        ]

    def __len__(self) -> int:
        return BATCHES

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return iter(self.items)


class Watch(pl.Callback):
    """Tells the stand-in what must be as before after a capture; keeps all losses."""

    def __init__(self) -> None:
        self.losses: list[Tensor] = []

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        StandIn.watched = list(pl_module.buffers())

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.losses += [outputs["loss"].clone(), outputs["loss_a"].clone()]


def search(strategy: str, space: SpaceConfig, epochs: int, **changes: Any) -> tuple[SearchModule, list[Tensor]]:
    torch.manual_seed(0)
    same_images = changes.pop("same_images", False)
    method = MethodOptions(**{"lr": 0.2, "h": 0.8, "warmup": 0.2, "explore": 0.0, **changes})
    mutated = create_strategy(strategy, method, 0)
    mutated.same_images = same_images
    recipe = Recipe()
    recipe.set_model(mutated.mutate_model(JointSpace(space, 3)))
    module, watch = mutated.configure_oneshot_module(recipe), Watch()
    trainer = pl.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        callbacks=[watch],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(module, {"train": Stream(1), "val": Stream(2)})
    return module, watch.losses


@pytest.mark.parametrize(
    ("strategy", "changes"),
    # The mixture changes within an epoch: no removal makes the recorder begin anew at that time.
    [
        ("ssr", {}),
        ("ssr", {"uniform": True, "explore": 0.3}),
        ("ssr", {"uniform": True, "explore": 0.3, "same_images": True}),
        ("darts", {}),
        ("fairdarts", {}),
        ("snas", {}),
    ],
    ids=("ssr", "ssr-uniform", "ssr-one-pass", "darts", "fairdarts", "snas"),
)
def test_a_recorded_search_is_a_plain_one(
    strategy: str, changes: dict[str, Any], tiny: Space, graphs: type[StandIn], monkeypatch: pytest.MonkeyPatch
) -> None:
    epochs = 5 if strategy == "ssr" else 3  # the space narrows, and what was recorded is recorded anew
    recorded, losses = search(strategy, tiny(), epochs, **changes)
    assert (graphs.captures > 1 and graphs.replays > graphs.captures) == (
        strategy != "snas"
    )  # which reads the host's temperature
    monkeypatch.setattr(bilevel, "can_record", lambda device: False)
    plain, expected = search(strategy, tiny(), epochs, **changes)
    if strategy == "ssr":
        assert plain.removals
    assert [vars(removal) for removal in recorded.removals] == [vars(removal) for removal in plain.removals]
    torch.testing.assert_close(torch.stack(losses), torch.stack(expected), rtol=1e-4, atol=1e-5)
    for (name, own), (_, other) in zip(recorded.state_dict().items(), plain.state_dict().items(), strict=True):
        torch.testing.assert_close(own, other, rtol=1e-3, atol=1e-4, msg=lambda text, name=name: f"{name}: {text}")


def test_a_step_leaves_gradients_where_it_says_and_nowhere_else(graphs: type[StandIn]) -> None:
    one, other = torch.nn.Parameter(torch.ones(3)), torch.nn.Parameter(torch.ones(3))
    recorder = recording.Recorder(torch.device("cpu"))

    def step(batch: tuple[Tensor, ...]) -> Tensor:
        loss = (one * batch[0]).sum()
        loss.backward()
        return loss.detach()

    for number in range(1, 5):
        other.grad = torch.ones(3)
        loss = recorder.gradient("kind", step, (torch.full((3,), float(number)),), [one])
        assert float(loss) == 3 * number and one.grad is not None and one.grad.tolist() == [number] * 3
        assert other.grad.tolist() == [1.0] * 3
    assert (graphs.captures, graphs.replays) == (1, 3)
    recorder.forget()
    recorder.gradient("kind", step, (torch.ones(3),), [one])
    assert (graphs.captures, graphs.replays) == (1, 3)


def test_a_step_that_fails_while_it_is_recorded_says_so(graphs: type[StandIn]) -> None:
    recorder = recording.Recorder(torch.device("cpu"))
    met: list[int] = []

    def step(batch: tuple[Tensor, ...]) -> Tensor:
        met.append(0)
        if len(met) == 2:
            raise ValueError("not here")
        return batch[0].sum()

    recorder.gradient("kind", step, (torch.ones(3),), [])
    with pytest.raises(ValueError, match="not here"):
        recorder.gradient("kind", step, (torch.ones(3),), [])
