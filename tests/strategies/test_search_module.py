"""The bi-level step: who learns from which batch, what is removed when, and what a checkpoint brings back."""

import gc
import io
import json
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from nni.nas.evaluator.pytorch import LightningModule
from pytorch_lightning.callbacks import Callback
from torch import Tensor
from torch.nn import functional
from torch.optim import Adam
from torch.optim.lr_scheduler import LambdaLR

from nas_space.config import SpaceConfig
from nas_space.expected_cost import counted_cost
from nas_space.space import JointSpace
from strategies.alive import LEVELS, Alive
from strategies.constraint import Bound, Constraint
from strategies.darts import DARTS
from strategies.method import MethodOptions, Rho
from strategies.search_module import SearchModule
from strategies.shrinking import LevelThreshold
from strategies.ssr import SSR
from strategies.strategy import DifferentiableStrategy

Space = Callable[..., SpaceConfig]


def method(**changes: Any) -> MethodOptions:
    """The paper's plain method with some changes, whatever the defaults are."""
    paper = {"lr": 0.002, "weight_decay": 0.001, "h": 0.1, "warmup": 0.0, "explore": 0.0, "rescale": False}
    return MethodOptions(**{**paper, **changes})


FAST = method(lr=0.3, h=0.9, rescale=True)
"""Decides a tiny space within a few epochs of two steps."""


class Toy(LightningModule):
    """A training recipe that writes down what it sees."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[int, str, bool, bool]] = []

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        images, labels = batch
        logits = self.model.architecture_parameters.logits()
        ids = {id(p) for p in logits}
        weights = [p for p in self.model.parameters() if id(p) not in ids]
        flags = (any(p.requires_grad for p in weights), any(p.requires_grad for p in logits))
        assert all(p.requires_grad for p in weights) == flags[0]
        self.seen.append((self.trainer.current_epoch, "val" if float(images[0, 0, 0, 0]) > 50 else "train", *flags))
        return functional.cross_entropy(self.model(images / 100), labels)

    def configure_optimizers(self) -> Any:
        optimizer = Adam(self.parameters(), lr=0.01)
        return [optimizer], [LambdaLR(optimizer, lambda epoch: 0.5**epoch)]


class Stream:
    """Batches that Lightning takes for one loader (a plain list would be a list of loaders)."""

    def __init__(self, items: list[tuple[Tensor, Tensor]]) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return iter(self.items)


def batches(tag: float, count: int = 2) -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(int(tag))
    found = []
    for _ in range(count):
        images = 40 * torch.rand(2, 3, 32, 32, generator=generator)
        images[:, :, 0, 0] = tag
        found.append((images, torch.randint(0, 3, (2, 4, 4), generator=generator)))
    return found


def prepare(strategy: DifferentiableStrategy, space: SpaceConfig) -> SearchModule:
    torch.manual_seed(0)
    model = strategy.mutate_model(JointSpace(space, 3))
    toy = Toy()
    toy.set_model(model)
    return strategy.configure_oneshot_module(toy)


def fit(module: SearchModule, epochs: int, *callbacks: Callback) -> pl.Trainer:
    trainer = pl.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        callbacks=list(callbacks),
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    trainer.fit(module, {"train": Stream(batches(0.0)), "val": Stream(batches(100.0))})
    return trainer


def seen(module: SearchModule) -> list[tuple[int, str, bool, bool]]:
    assert isinstance(module.training_module, Toy)
    return module.training_module.seen


class AtEpochs(Callback):
    """Calls a function at the start and the end of every epoch (before and after shrinking)."""

    def __init__(
        self, start: Callable[[SearchModule], None] | None = None, end: Callable[[SearchModule], None] | None = None
    ) -> None:
        self.start, self.end = start, end

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, SearchModule)
        if self.start:
            self.start(pl_module)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, SearchModule)
        if self.end:
            self.end(pl_module)


# who learns


@pytest.mark.parametrize("kind", [SSR, DARTS], ids=("ssr", "darts"))
def test_architecture_then_weights_each_on_its_stream(kind: type[SSR] | type[DARTS], tiny: Space) -> None:
    module = prepare(kind(method()), tiny())
    fit(module, 2)
    step = [("val", False, True), ("train", True, False)]
    assert [entry[1:] for entry in seen(module)] == step * 4


def test_optimisers_do_not_share_parameters(tiny: Space) -> None:
    module = prepare(SSR(method(lr=0.03)), tiny())
    trainer = fit(module, 1)
    weights, architecture = trainer.optimizers
    groups = [[p for group in optimizer.param_groups for p in group["params"]] for optimizer in (weights, architecture)]
    assert [id(p) for p in groups[1]] == [id(p) for p in module.architecture_parameters.logits()]
    assert {id(p) for p in groups[0]}.isdisjoint({id(p) for p in groups[1]})
    assert len(groups[0]) + 3 == len(list(module.model.parameters()))
    assert getattr(architecture, "is_arch_optimizer", False) and not getattr(weights, "is_arch_optimizer", False)
    assert architecture.param_groups[0]["betas"] == (0.5, 0.999) and architecture.param_groups[0]["lr"] == 0.03
    assert architecture.param_groups[0]["weight_decay"] == 0


def test_the_weights_learning_rate_follows_its_schedule(tiny: Space) -> None:
    rates: list[float] = []
    trainer = fit(
        prepare(SSR(method()), tiny()),
        3,
        AtEpochs(lambda m: rates.append(m.trainer.optimizers[0].param_groups[0]["lr"])),
    )
    assert rates == pytest.approx([0.01, 0.005, 0.0025]) and trainer.optimizers[1].param_groups[0]["lr"] == 0.002


def test_warmup_trains_only_weights(tiny: Space) -> None:
    start: list[Tensor] = []
    module = prepare(SSR(method(warmup=0.5, lr=0.1)), tiny())
    fit(module, 4, AtEpochs(lambda m: start.append(m.architecture_parameters.beta.detach().clone())))
    assert torch.equal(start[0], start[1]) and torch.equal(start[1], start[2]) and not torch.equal(start[2], start[3])
    assert [entry[1] for entry in seen(module)] == ["train"] * 4 + ["val", "train"] * 4


def test_the_architecture_step_descends_its_loss_and_no_other(tiny: Space) -> None:
    """One step of Adam by hand: gradient of the val batch's loss plus regularizer plus decay."""
    options = method(weight_decay=0.1, lr=0.05)
    module, twin = (prepare(SSR(options, 3), tiny()) for _ in range(2))
    logits = twin.arch_parameters()
    for parameter in logits:
        parameter.requires_grad_(True)
    first = batches(100.0)[0]
    loss = functional.cross_entropy(twin.model(first[0] / 100), first[1])
    p = [a.sigmoid() / (a.sigmoid() * m).sum(-1, keepdim=True) for a, m in zip(logits, Alive.full(tiny()), strict=True)]
    for rho, q, alive in zip((0.15, 0.3, 0.3), p, Alive.full(tiny()), strict=True):
        loss = loss + rho * q[alive].log().sum()
    gradients = torch.autograd.grad(loss, logits)
    optimizer = Adam(logits, lr=0.05, betas=(0.5, 0.999))
    for parameter, gradient, alive in zip(logits, gradients, Alive.full(tiny()), strict=True):
        parameter.grad = gradient + 0.1 * parameter.detach() * alive
    optimizer.step()

    class OneStep(Callback):
        def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *rest: Any) -> None:
            trainer.should_stop = True
            assert isinstance(pl_module, SearchModule)
            found.extend(x.detach().clone() for x in pl_module.arch_parameters())

    found: list[Tensor] = []
    module.trainer = None  # type: ignore[assignment]
    trainer = pl.Trainer(
        max_epochs=1, limit_train_batches=1, accelerator="cpu", callbacks=[OneStep()], logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(module, {"train": Stream(batches(0.0)), "val": Stream(batches(100.0))})
    for own, expected in zip(found, logits, strict=True):
        torch.testing.assert_close(own, expected.detach(), rtol=1e-4, atol=1e-5)


# the regularizer


def test_weighted_ssr_at_the_papers_start(tiny: Space) -> None:
    """Of uniform choices, -n ln n each: -16.09, -391.44 and -6723.51, weighted -2136.90."""
    module = prepare(SSR(method()), SpaceConfig.paper())
    with torch.no_grad():
        for logits in module.arch_parameters():
            logits.zero_()
    assert float(module.bilevel.regularization(0.0).detach()) == pytest.approx(-2136.90, abs=5e-2)
    for rho, value in ((Rho(1, 0, 0), -16.09), (Rho(0, 1, 0), -391.44), (Rho(0, 0, 1), -6723.51)):
        module.composition.rho = rho
        assert float(module.bilevel.regularization(0.0).detach()) == pytest.approx(value, abs=2e-2)


def test_exploration_has_no_regularizer(tiny: Space) -> None:
    module = prepare(SSR(method(warmup=0.25, explore=0.25)), tiny())
    values = [float(module.bilevel.regularization(progress).detach()) for progress in (0.0, 0.25, 0.45, 0.5, 0.9)]
    assert values[:3] == [0, 0, 0] and values[3] == values[4] < -50


def test_a_ramp_weighs_the_regularizer_little_at_first(tiny: Space) -> None:
    module = prepare(SSR(method(warmup=0.25, explore=0.0, ramp=0.5)), tiny())
    start, middle, end = (float(module.bilevel.regularization(progress).detach()) for progress in (0.25, 0.5, 0.75))
    assert end < -50 and start == pytest.approx(1e-4 * end, rel=1e-5) and middle == pytest.approx(1e-2 * end, rel=1e-5)


def test_exploration_follows_the_task_alone(tiny: Space) -> None:
    """Architecture steps begin after the warm-up; until exploration ends, a regularizer of weight 0 gives the same."""
    ends: list[list[Tensor]] = [[], []]
    for found, options in zip(
        ends, (method(explore=0.5, h=0.0, uniform=False), method(rho=Rho(0, 0, 0), h=0.0, uniform=False)), strict=True
    ):
        fit(
            prepare(SSR(options), tiny()),
            4,
            AtEpochs(lambda m, found=found: found.append(m.arch_parameters()[1].detach().clone())),
        )  # type: ignore[misc]
    for explored, plain in list(zip(*ends, strict=True))[:3]:
        assert torch.equal(explored, plain)
    assert not torch.equal(ends[0][0], ends[0][1]) and not torch.equal(ends[0][3], ends[1][3])


# shrinking


def test_a_search_to_the_end(tiny: Space) -> None:
    """Discrete by threshold, every removal listed once, the architecture fixed, and weights trained on alone."""
    space = tiny()
    module = prepare(SSR(FAST), space)
    counts: list[dict[str, int]] = []
    fit(module, 8, AtEpochs(lambda m: counts.append(m.architecture_parameters.alive.counts())))
    alive = module.architecture_parameters.alive
    assert alive.is_discrete() and module.discrete_epoch is not None and 1 < module.discrete_epoch < 8
    for level in LEVELS:
        falling = [count[level] for count in counts]
        assert falling == sorted(falling, reverse=True)
    full, left = Alive.full(space).counts(), alive.counts()
    assert len(module.removals) == sum(full[level] - left[level] for level in LEVELS)
    assert len({(r.label, r.candidate) for r in module.removals}) == len(module.removals)
    assert {r.rule for r in module.removals} == {"threshold", "cascade"}
    assert max(r.epoch for r in module.removals) == module.discrete_epoch
    assert all(r.ratio <= 0.9 for r in module.removals if r.rule == "threshold")
    streams = {epoch: [entry[1] for entry in seen(module) if entry[0] == epoch] for epoch in range(8)}
    for epoch, order in streams.items():
        assert order == (["val", "train"] * 2 if epoch < module.discrete_epoch else ["train"] * 2)
    assert module.export() == module.architecture_parameters.architecture().to_sample()
    assert all(float(value.detach()) == 0 for value in module.architecture_parameters.entropies().values())
    assert sum(p.numel() for p in module.trainer.optimizers[0].param_groups[0]["params"]) == sum(
        p.numel() for name, p in module.model.named_parameters() if not name.startswith("architecture_parameters")
    )


@pytest.mark.parametrize("rescale", [False, True])
def test_dead_logits_never_move(rescale: bool, tiny: Space) -> None:
    module = prepare(SSR(method(lr=0.1, h=0.98, weight_decay=0.5, rescale=rescale)), tiny())
    history: list[tuple[Alive, list[Tensor]]] = []

    def remember(m: SearchModule) -> None:
        alive = Alive(*(mask.clone() for mask in m.architecture_parameters.alive))
        history.append((alive, [logits.detach().clone() for logits in m.arch_parameters()]))

    fit(module, 4, AtEpochs(remember))
    remember(module)
    moved = 0
    for (alive, before), (_, after) in zip(history, history[1:], strict=False):
        for mask, old, new in zip(alive, before, after, strict=True):
            assert torch.equal(old[~mask], new[~mask])
            moved += int((old[mask] != new[mask]).sum())
    assert moved > 0 and int((~history[-2][0].width).sum()) > 0
    optimizer = module.trainer.optimizers[1]
    for logits, mask in zip(module.arch_parameters(), module.architecture_parameters.alive, strict=True):
        for key in ("exp_avg", "exp_avg_sq"):
            assert not optimizer.state[logits][key][~mask].any()


def test_rescaling_brings_the_largest_sigmoid_to_a_half(tiny: Space) -> None:
    module = prepare(SSR(method(lr=0.1, rescale=True)), tiny())
    fit(module, 1)
    for logits, mask in zip(module.arch_parameters(), module.architecture_parameters.alive, strict=True):
        largest = logits.detach().sigmoid().masked_fill(~mask, 0.0).amax(-1)[mask.any(-1)]
        torch.testing.assert_close(largest, torch.full_like(largest, 0.5), rtol=0, atol=1e-5)


def test_darts_removes_nothing(tiny: Space) -> None:
    module = prepare(DARTS(method(lr=1.0)), tiny())
    fit(module, 3)
    assert module.removals == [] and module.discrete_epoch is None
    assert module.architecture_parameters.alive.counts() == Alive.full(tiny()).counts()


def test_memory_of_what_left_is_freed(tiny: Space) -> None:
    """In a running search: Lightning, the optimiser and the module's lists keep no reference to what left."""
    references: dict[str, weakref.ref[Any]] = {}
    shapes: dict[str, torch.Size] = {}

    def remember(m: SearchModule) -> None:
        if m.trainer.current_epoch == 1 and not references:
            references.update({name: weakref.ref(p) for name, p in m.model.named_parameters()})
            shapes.update({name: p.shape for name, p in m.model.named_parameters()})

    checked: list[int] = []

    def check(m: SearchModule) -> None:
        if m.trainer.current_epoch == 2 and not checked:
            gc.collect()
            now = {name: p.shape for name, p in m.model.named_parameters()}
            gone = [name for name, shape in shapes.items() if now.get(name) != shape]
            assert all(references[name]() is None for name in gone)
            assert all(references[name]() is not None for name in set(shapes) - set(gone))
            checked.append(len(gone))

    module = prepare(SSR(method(lr=0.1, h=0.7)), tiny())
    fit(module, 3, AtEpochs(remember), AtEpochs(check))
    assert checked and checked[0] > 20


@pytest.mark.parametrize("search", [(), ("depth",), ("width",), ("dilation",)], ids=str)
def test_subspaces_search_too(search: tuple[str, ...], tiny: Space) -> None:
    module = prepare(SSR(FAST), tiny(search))
    fit(module, 6)
    assert module.architecture_parameters.alive.is_discrete() and module.discrete_epoch is not None


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_choice_that_a_bound_forces_to_take_something_back_takes_it_for_good(share: float, tiny: Space) -> None:
    """Every unpooled operator is about to win: as many pooled ones as the bound needs come back, and stay alone."""
    space = tiny(("pooling",))
    cost = counted_cost(space, "macs_total", (32, 32), 3)
    full = Alive.full(space)

    def all_with(pooled: bool) -> float:
        return cost.cheapest(full.depth, torch.tensor([[not pooled, pooled]]).expand_as(full.operator), full.width)

    low, high = all_with(True), all_with(False)
    strategy = SSR(method(h=0.5, lr=1e-6))
    strategy.constraint = Constraint([Bound("macs", cost, low + share * (high - low))], space)
    module = prepare(strategy, space)
    with torch.no_grad():
        module.architecture_parameters.beta.copy_(
            torch.tensor([[3.0, -3.0]]).expand_as(module.architecture_parameters.beta)
        )
    fit(module, 2)
    alive = module.architecture_parameters.alive
    assert alive.is_discrete() and module.discrete_epoch == 1
    assert alive.operator[:, 1].any() and cost.cheapest(*alive) <= low + share * (high - low)


# exports and checkpoints


def test_exports_have_every_label(tiny: Space) -> None:
    module = prepare(SSR(method()), tiny())
    labels = set(JointSpace(tiny(), 3).simplify())
    assert set(module.export()) == set(module.export_probs()) == labels


def test_a_checkpoint_is_plain_and_rebuilds_the_shapes(tiny: Space) -> None:
    module = prepare(SSR(method(lr=0.1, h=0.7)), tiny())
    fit(module, 2)
    assert module.removals and not module.architecture_parameters.alive.is_discrete()
    checkpoint: dict[str, Any] = {"state_dict": module.state_dict()}
    module.on_save_checkpoint(checkpoint)
    state = {key: value for key, value in checkpoint["search"].items() if key != "random_state"}
    assert json.loads(json.dumps(state)) == state
    file = io.BytesIO()
    torch.save(checkpoint, file)
    file.seek(0)
    loaded = torch.load(file, weights_only=True)
    fresh = prepare(SSR(method(lr=0.1, h=0.7), seed=9), tiny())
    torch.rand(7)
    fresh.on_load_checkpoint(loaded)
    fresh.load_state_dict(loaded["state_dict"])
    assert torch.equal(torch.get_rng_state(), checkpoint["search"]["random_state"])
    assert fresh.removals == module.removals and fresh.discrete_epoch == module.discrete_epoch
    for a, b in zip(fresh.model.parameters(), module.model.parameters(), strict=True):
        assert torch.equal(a, b)
    image = torch.randn(1, 3, 40, 33)
    with torch.no_grad():
        assert torch.equal(fresh.model.eval()(image), module.model.eval()(image))


def test_what_begins_anew_loses_its_momentum_and_keeps_its_scale(tiny: Space) -> None:
    """Without its scale, Adam's first steps would be many times the learning rate. Rules of users may restart all."""

    class Restarts(LevelThreshold):
        restarts = True

    module = prepare(SSR(FAST), tiny())
    module.composition.shrinking = Restarts(0.9)
    checked: list[int] = []

    def check(module: SearchModule) -> None:
        if module.removals and not checked:
            optimizer = module.trainer.optimizers[1]
            for logits, alive in zip(module.arch_parameters(), module.architecture_parameters.alive, strict=True):
                state = optimizer.state[logits]
                assert not state["exp_avg"].any() and not state["exp_avg_sq"][~alive].any()
                assert logits.detach()[alive].abs().max() < 0.02 and state["exp_avg_sq"][alive].any()
                checked.append(1)

    fit(module, 4, AtEpochs(start=check))
    assert len(checked) == 3
