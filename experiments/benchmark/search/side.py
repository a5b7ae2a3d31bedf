"""The two sides of the comparison: a search by our ``ssr``, and one by NNI's own ``DARTS``, on the same space.

Both run as a user runs them: an NNI one-shot strategy in a Lightning trainer. Both have the same training module and
the same batches, and neither has validation, logger, checkpoint or progress bar.

NNI is made as fast as it can be: plain mutables, no log of its probabilities (by default every tenth step), the memory
format in which it is faster, and one pooling for all candidates of a layer (``share_pooling``).
"""

from collections.abc import Callable, Iterator
from typing import Any

import nni.nas.strategy as nni_strategies
import pytorch_lightning as pl
import torch
from nni.nas.evaluator.pytorch import Lightning, Trainer
from pytorch_lightning.callbacks import Callback, LambdaCallback
from torch import Tensor
from torch.utils.data import IterableDataset

from experiments.benchmark.search.child import Problem
from experiments.options.device import resolve_precision
from experiments.options.groups import TrainOptions
from experiments.search.nni_experiment import run_experiment
from experiments.training.module import SegmentationModule
from nas_space import space as space_module
from nas_space.space import JointSpace
from strategies.method import MethodOptions
from strategies.ssr import SSR

FORMATS = {"channels_last": torch.channels_last, "contiguous": torch.contiguous_format}
ENDLESS = 1_000_000
"""Batches of the only epoch; the parent ends it."""
BATCHES = 4
"""Different batches, used in turn."""


class FixedBatches(IterableDataset[tuple[Tensor, Tensor]]):
    """The same few random batches for ever, on their device.

    Args:
        problem: what is searched on.
        stream: 0 for the weights', 1 for the architecture's.
        layout: of the images in memory.
    """

    def __init__(self, problem: Problem, stream: int, layout: str) -> None:
        super().__init__()
        self.problem = problem
        self.stream = stream
        self.layout = layout
        self.resize(problem.size)

    def resize(self, size: tuple[int, int]) -> None:
        """Make the batches that follow of another size."""
        problem = self.problem
        generator = torch.Generator().manual_seed(2 * problem.seed + self.stream)
        self.batches = []
        for _ in range(BATCHES):
            images = torch.randn(problem.batch, 3, *size, generator=generator)
            images = images.contiguous(memory_format=FORMATS[self.layout])
            cells = (problem.batch, -(-size[0] // 8), -(-size[1] // 8))
            labels = torch.randint(problem.classes, cells, generator=generator)
            self.batches.append((images.to(problem.device), labels.to(problem.device)))

    def __len__(self) -> int:
        return ENDLESS

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for step in range(ENDLESS):
            yield self.batches[step % BATCHES]


def search(
    side: str, problem: Problem, layout: str, streams: tuple[FixedBatches, FixedBatches], callback: Callback
) -> None:
    """Search until ``callback`` stops the trainer.

    Args:
        side: ``ours`` or ``nni``.
        problem: what is searched on.
        layout: memory format of weights and images.
        streams: of weights and architecture.
        callback: called at every batch.
    """
    pl.seed_everything(problem.seed, verbose=False)
    space = JointSpace(problem.space, problem.classes)
    strategy: Any
    callbacks = [callback]
    if side == "nni":
        share_pooling()
        # NNI's strategy makes its weights when the fit begins.
        to_layout = LambdaCallback(on_fit_start=lambda trainer, module: module.to(memory_format=FORMATS[layout]))
        callbacks.insert(0, to_layout)
        strategy = nni_strategies.DARTS(arc_learning_rate=MethodOptions().lr, log_prob_every_n_step=2 * ENDLESS)
    else:
        space.to(memory_format=FORMATS[layout])
        strategy = SSR(MethodOptions(warmup=0.0, explore=0.0), problem.seed)
    module = SegmentationModule(TrainOptions(), 1, torch.ones(problem.classes))
    trainer = Trainer(
        max_epochs=1,
        accelerator="gpu" if problem.device == "cuda" else "cpu",
        devices=1,
        precision=resolve_precision(problem.precision),
        callbacks=callbacks,
        **dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False),
        limit_val_batches=0,
        num_sanity_val_steps=0,
    )
    evaluator = Lightning(module, trainer, train_dataloaders=streams[0], val_dataloaders=streams[1])
    run_experiment(space, evaluator, strategy)


def share_pooling() -> None:
    """Let all candidates of an NNI layer share one pooling of their input, for the rest of this process.

    NNI 3.0 calls every candidate of a ``LayerChoice`` by itself, so each of them pools the same input again, where
    our own search pools once. NNI has no hook for it, so the name ``pool`` that the operator calls is replaced.

    Raises:
        RuntimeError: ``nas_space.space`` has no ``pool`` any more.
    """
    names = vars(space_module)
    if "pool" not in names:
        raise RuntimeError("nas_space.space has no name pool any more: give NNI's candidates one pooling another way")
    names["pool"] = cache_last_input(names["pool"])


def cache_last_input(function: Callable[[Tensor, int], Tensor]) -> Callable[[Tensor, int], Tensor]:
    """``function``, which keeps its last result for each second argument and returns it if the input is the same."""
    last: dict[int, tuple[Tensor, bool, Tensor]] = {}

    def call(x: Tensor, argument: int) -> Tensor:
        if argument not in last or last[argument][0] is not x or last[argument][1] != torch.is_grad_enabled():
            last[argument] = (x, torch.is_grad_enabled(), function(x, argument))
        return last[argument][2]

    return call
