"""Two processes with half of every batch each, against one process that averages the gradients of both halves."""

import gc
import multiprocessing
import os
import pickle
import sys
import traceback
import weakref
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import cloudpickle
import pytest
import pytorch_lightning as pl
import torch
from nni.nas.evaluator.pytorch import LightningModule
from pytorch_lightning.callbacks import Callback
from torch import Tensor, distributed, nn
from torch.nn import functional
from torch.optim import Adam
from torch.optim.lr_scheduler import LambdaLR

from nas_space.config import SpaceConfig
from nas_space.space import JointSpace
from strategies.alive import Alive
from strategies.bilevel import unrolled_gradient
from strategies.darts import DARTSSecondOrder
from strategies.distributed import average, average_gradients, broadcast, broadcast_random_state
from strategies.method import MethodOptions
from strategies.pdarts import PDARTS
from strategies.search_module import SearchModule
from strategies.snas import SNAS
from strategies.ssr import SSR
from strategies.strategy import DifferentiableStrategy
from strategies.supernet import shrink_supernet

EPOCHS, STEPS, IMAGES = 4, 2, 4
METHOD: dict[str, Any] = {"lr": 0.3, "h": 0.8, "warmup": 0.0, "explore": 0.0, "rescale": True}
"""Removes something at the end of every epoch."""
Kind = Callable[[MethodOptions], DifferentiableStrategy]
Batch = tuple[Tensor, Tensor]


PRELOADED = ["nni.nas.strategy", "pytorch_lightning", "strategies.ssr", "strategies.search_module"]


def together(world: int, work: Callable[[int], Any], folder: Path) -> list[Any]:
    """Run ``work(rank)`` in a group of ``world`` processes; returns what each of them returns, tensors in dicts."""
    folder.mkdir()
    # Not forked from this process: of its threads, which earlier tests have left, a child would keep the locks.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    told = cloudpickle.dumps((work, world, folder))
    processes = [context.Process(target=in_group, args=(told, rank)) for rank in range(world)]
    for one in processes:
        one.start()
    for one in processes:
        one.join(120)
    codes = [one.exitcode for one in processes]
    for one in processes:
        one.kill()
    assert codes == [0] * world
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(world)]


def in_group(told: bytes, rank: int) -> None:
    """One process of ``together``."""
    try:
        work, world, folder = pickle.loads(told)
        torch.set_num_threads(1)
        torch.set_default_dtype(torch.float64)
        if world > 1:
            distributed.init_process_group("gloo", init_method=f"file://{folder}/group", rank=rank, world_size=world)
        torch.save(work(rank), folder / f"{rank}.pt")
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


class Recipe(LightningModule):
    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        images, labels = batch
        return functional.cross_entropy(self.model(images), labels)

    def configure_optimizers(self) -> Any:
        optimizer = Adam(self.parameters(), lr=0.01)
        return [optimizer], [LambdaLR(optimizer, lambda epoch: 0.5**epoch)]


class Stream:
    """The part of every batch that is one rank's; ``rank=None`` gives whole batches."""

    def __init__(self, seed: int, rank: int | None) -> None:
        generator = torch.Generator().manual_seed(seed)
        draw = [(torch.rand(IMAGES, 3, 32, 32, generator=generator), _labels(generator)) for _ in range(STEPS)]
        half = slice(None) if rank is None else slice(rank * IMAGES // 2, (rank + 1) * IMAGES // 2)
        self.items = [(images[half], labels[half]) for images, labels in draw]

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Batch]:
        return iter(self.items)


def _labels(generator: torch.Generator) -> Tensor:
    return torch.randint(0, 3, (IMAGES, 4, 4), generator=generator)


def prepare(kind: Kind, space: SpaceConfig, seed: int = 0) -> SearchModule:
    strategy = kind(MethodOptions(**METHOD))
    torch.manual_seed(seed)
    recipe = Recipe()
    recipe.set_model(strategy.mutate_model(JointSpace(space, 3)).double())
    return strategy.configure_oneshot_module(recipe)


def fit(module: SearchModule, rank: int | None, *callbacks: Callback) -> None:
    trainer = pl.Trainer(
        max_epochs=EPOCHS,
        accelerator="cpu",
        callbacks=list(callbacks),
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    trainer.fit(module, {"train": Stream(1, rank), "val": Stream(2, rank)})


def parameters_of(module: SearchModule) -> dict[str, Tensor]:
    alive = {f"alive_{i}": mask.clone() for i, mask in enumerate(module.architecture_parameters.alive)}
    return {name: parameter.detach().clone() for name, parameter in module.named_parameters()} | alive


def assert_same(one: dict[str, Tensor], other: dict[str, Tensor], tolerance: float = 0.0) -> None:
    assert one.keys() == other.keys()
    for name in one:
        torch.testing.assert_close(
            one[name], other[name], rtol=0.0, atol=tolerance, msg=lambda text, name=name: f"{name}: {text}"
        )


# the collectives


def test_gradients_that_exist_are_averaged_in_one_collective(tmp_path: Path) -> None:
    def work(rank: int) -> Any:
        first, second, without = (
            nn.Parameter(torch.zeros(2, 3)),
            nn.Parameter(torch.zeros(())),
            nn.Parameter(torch.zeros(5)),
        )
        first.grad, second.grad = torch.arange(6.0).view(2, 3) * (rank + 1), torch.tensor(float(rank))
        calls, reduce = [], distributed.all_reduce
        distributed.all_reduce = lambda tensor: (calls.append(tensor.numel()), reduce(tensor))
        average_gradients([first, without, second])
        return {"first": first.grad, "second": second.grad, "calls": calls, "without": without.grad}

    for result in together(2, work, tmp_path / "group"):
        assert torch.equal(result["first"], torch.arange(6.0, dtype=torch.float64).view(2, 3) * 1.5)
        assert float(result["second"]) == 0.5 and result["calls"] == [7] and result["without"] is None


def test_everyone_gets_what_the_first_has(tmp_path: Path) -> None:
    def work(rank: int) -> Any:
        torch.manual_seed(rank)
        image = torch.rand(2, 3, 4, 4).to(memory_format=torch.channels_last)
        tensors = [image, torch.tensor(rank), torch.tensor([rank == 0, rank == 1]), torch.rand(3)]
        broadcast(tensors)
        broadcast_random_state(torch.device("cpu"))
        assert image.is_contiguous(memory_format=torch.channels_last)
        return {"tensors": tensors, "next": torch.rand(4), "mean": average(torch.tensor([float(rank), 1.0]))}

    first, second = together(2, work, tmp_path / "group")
    assert all(torch.equal(a, b) for a, b in zip(first["tensors"], second["tensors"], strict=True))
    assert int(second["tensors"][1]) == 0 and second["tensors"][2].tolist() == [True, False]
    assert torch.equal(first["next"], second["next"])
    assert first["mean"].tolist() == second["mean"].tolist() == [0.5, 1.0]


def test_alone_nothing_happens() -> None:
    parameter = nn.Parameter(torch.ones(2))
    parameter.grad = gradient = torch.ones(2)
    average_gradients(iter([parameter]))
    broadcast(iter([parameter]))
    assert parameter.grad is gradient and average(gradient) is gradient


# the search


class Notes(Callback):
    """Writes down parameters and masks where each process is still on its own: before the first one's are handed round.

    Like a validation, it draws random numbers in the first process alone.
    """

    def __init__(self, rank: int) -> None:
        self.rank = rank
        self.notes: list[dict[str, Tensor]] = []

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, SearchModule)
        self.notes.append(parameters_of(pl_module))
        if self.rank == 0:
            torch.rand(7)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, SearchModule)
        if trainer.current_epoch > 0:  # the shrunk
            self.notes.append(
                parameters_of(pl_module) | {f"buffer {name}": b.clone() for name, b in pl_module.named_buffers()}
            )


@pytest.mark.parametrize("kind", [SSR, PDARTS, SNAS], ids=lambda kind: kind.__name__)
def test_both_hold_the_same_after_all_steps_and_every_shrink(
    kind: Kind, tiny: Callable[..., SpaceConfig], deep: Callable[..., SpaceConfig], tmp_path: Path
) -> None:
    space = deep(3) if kind is PDARTS else tiny()

    def work(rank: int) -> Any:
        module, notes = prepare(kind, space, seed=rank), Notes(rank)  # what one process began with is overwritten
        fit(module, rank, notes)
        return {
            "notes": notes.notes,
            "removed": [removal.epoch for removal in module.removals],
            "end": parameters_of(module),
        }

    first, second = together(2, work, tmp_path / "group")
    assert len(first["notes"]) == 2 * EPOCHS - 1
    for one, other in zip(first["notes"], second["notes"], strict=True):
        assert_same(one, other)
    assert_same(first["end"], second["end"])
    assert first["removed"] == second["removed"]
    assert kind is SNAS or len(set(first["removed"])) > 1


def averaged(module: SearchModule) -> dict[str, Tensor]:
    """The search written down plainly, in one process: gradients of both halves one after the other, averaged."""
    recipe, parameters, composition = module.training_module, module.architecture_parameters, module.composition
    logits = list(parameters.logits())
    weights = [p for p in recipe.parameters() if all(p is not one for one in logits)]
    weight_optimizer, optimizer = Adam(weights, lr=0.01), Adam(logits, lr=METHOD["lr"], betas=(0.5, 0.999))
    halves = {name: [Stream(seed, rank).items for rank in (0, 1)] for name, seed in (("train", 1), ("val", 2))}
    discrete = False

    def step_architecture(progress: float) -> None:
        for p in logits:
            p.requires_grad_(True)
        module.bilevel.regularization(progress).backward()
        for p, mask in zip(logits, parameters.alive, strict=True):
            p.grad += composition.method.weight_decay * p.detach() * mask  # type: ignore[operator]
        optimizer.step()

    for epoch in range(EPOCHS):
        for group in weight_optimizer.param_groups:
            group["lr"] = 0.01 * 0.5**epoch
        for step in range(STEPS):
            progress = (epoch + step / STEPS) / EPOCHS
            composition.relaxation.advance(progress)
            train, val = ([half[step] for half in halves[name]] for name in ("train", "val"))
            noise = torch.get_rng_state()
            gathers = not discrete and composition.same_images and composition.relaxation.is_uniform
            if not discrete and not gathers and not composition.single_level:
                gradients = []
                for half, other in zip(val, train, strict=True):
                    if composition.method.order == 2:
                        losses = (lambda b=other: recipe.training_step(b, 0), lambda b=half: recipe.training_step(b, 0))
                        gradients.append(
                            unrolled_gradient(*losses, weights, logits, weight_optimizer.param_groups[0]["lr"])[0]
                        )
                    else:
                        gradients.append(
                            torch.autograd.grad(recipe.training_step(half, 0), logits, materialize_grads=True)
                        )
                for p, *parts in zip(logits, *gradients, strict=True):
                    p.grad = sum(parts) / 2  # type: ignore[assignment]
                step_architecture(progress)
            for p in chain(weights, logits):
                p.grad = None
            for half in train:
                torch.set_rng_state(noise)  # both halves meet the same sample
                (recipe.training_step(half, 0) / 2).backward()
            weight_optimizer.step()
            if composition.single_level or gathers:
                step_architecture(progress)
        if composition.shrinking is not None and not discrete:
            ratios = parameters.ratios()
            after = (parameters.alive & Alive(*(ratio > METHOD["h"] for ratio in ratios))).cascade(parameters.space)
            parameters.set_alive(after)
            shrink_supernet(module.model.stages(), after, weight_optimizer)
            weights = weight_optimizer.param_groups[0]["params"]
            for p, mask in zip(logits, after, strict=True):
                optimizer.state[p]["exp_avg"] *= mask
                optimizer.state[p]["exp_avg_sq"] *= mask
            parameters.rescale()
            discrete = after.is_discrete()
    return parameters_of(module)


def explores_in_one_pass(method: MethodOptions) -> SSR:
    strategy = SSR(replace(method, explore=0.5))
    strategy.same_images = True
    return strategy


@pytest.mark.parametrize("kind", [SSR, explores_in_one_pass, DARTSSecondOrder, SNAS], ids=lambda kind: kind.__name__)
def test_two_processes_do_what_one_does_that_averages(
    kind: Kind, tiny: Callable[..., SpaceConfig], tmp_path: Path
) -> None:
    def work(rank: int) -> Any:
        module = prepare(kind, tiny())
        fit(module, rank)
        return {"end": parameters_of(module), "epochs": len({removal.epoch for removal in module.removals})}

    results = together(2, work, tmp_path / "two")
    (alone,) = together(1, lambda rank: averaged(prepare(kind, tiny())), tmp_path / "one")
    (whole,) = together(
        1, lambda rank: (fit(module := prepare(kind, tiny()), None), parameters_of(module))[1], tmp_path / "whole"
    )
    for result in results:
        assert_same(result["end"], alone, tolerance=1e-7)
        assert kind is not SSR or result["epochs"] > 1
    name = "training_module._model.head.weight"  # whole batches normalise over more images: another search
    assert (alone[name] - whole[name]).abs().max() > 1e-4


class Freed(Callback):
    """Asserts after every shrink that a parameter is in the network and the optimisers, or is no more."""

    def __init__(self) -> None:
        self.before: list[Any] = []
        self.freed = 0

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.before = [weakref.ref(parameter) for parameter in pl_module.parameters()]

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        gc.collect()
        present = {id(parameter) for parameter in pl_module.parameters()}
        left = [ref() for ref in self.before if ref() is not None]
        assert all(id(parameter) in present for parameter in left)
        self.freed += len(self.before) - len(left)
        optimised = {id(p) for o in trainer.optimizers for group in o.param_groups for p in group["params"]}
        assert optimised == present
        assert all(id(p) in present for o in trainer.optimizers for p in o.state)


def test_removed_parameters_are_freed(tiny: Callable[..., SpaceConfig], tmp_path: Path) -> None:
    def work(rank: int) -> Any:
        freed = Freed()
        fit(prepare(SSR, tiny()), rank, freed)
        return {"freed": freed.freed}

    assert all(result["freed"] > 10 for result in together(2, work, tmp_path / "group"))
