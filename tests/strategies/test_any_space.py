"""Strategies on NNI model spaces that are not ours: every kind of mutable, the formulas, no gap, what is refused."""

import copy
import gc
import itertools
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import nni
import pytest
import pytorch_lightning as pl
import torch
from nni.nas.evaluator.pytorch import LightningModule
from nni.nas.nn.pytorch import (
    Cell,
    InputChoice,
    LayerChoice,
    ModelSpace,
    MutableBatchNorm2d,
    MutableConv2d,
    MutableDropout,
    MutableLayerNorm,
    MutableLinear,
    MutableModule,
    Repeat,
)
from nni.nas.oneshot.pytorch.supermodule.base import BaseSuperNetModule
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import SGD

from nas_space.config import SpaceConfig
from nas_space.errors import InputError
from nas_space.space import JointSpace
from strategies.alive import LEVELS, Alive
from strategies.any_space import freeze_network
from strategies.choices import ChoiceParameters
from strategies.constraint import Constraint
from strategies.darts import DARTS
from strategies.fairdarts import FairDARTS
from strategies.method import MethodOptions
from strategies.registry import STRATEGIES, create_strategy
from strategies.relaxation import UniformAtFirst
from strategies.search_module import SearchModule
from strategies.ssr import ANY_SPACE, SSR, SSRInformationEntropy
from strategies.strategy import DifferentiableStrategy
from strategies.supernet import shrink_supernet

FORCED = {"progressive", "pdarts", "pdarts-ssr", "sgas", "sgas2", "sgas-ssr"}
FAST = MethodOptions(lr=1.0, h=0.5, warmup=0.1, explore=0.1)
"""Decides a tiny space within a few epochs of two steps."""


def conv(channels: int = 4, size: int = 3) -> nn.Module:
    return nn.Conv2d(channels, channels, size, padding=size // 2)


class Space(ModelSpace):
    """3 channels in, 3 numbers out, with the kinds of mutables that are asked for between.

    Args:
        kinds: of ``layer``, ``input``, ``repeat``, ``width``, ``cell``, ``plain cell``, ``loose cell``.
        linear: without activations, so that the mean over all networks is the mixture.
    """

    def __init__(self, kinds: tuple[str, ...], linear: bool = False) -> None:
        super().__init__()
        self.kinds, self.linear = kinds, linear
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        if "layer" in kinds:
            nested = nn.Sequential(LayerChoice([conv(), nn.Identity()], label="nested"), conv())
            self.layer = LayerChoice({"conv": conv(), "nested": nested, "pool": nn.AvgPool2d(3, 1, 1)}, label="layer")
        if "repeat" in kinds:
            depth = nni.choice("depth", [0, 1, 3])
            self.repeat = Repeat(lambda i: LayerChoice([conv(), conv(size=1)], label=f"block{i}"), depth)
        if "input" in kinds:
            self.before, self.input = conv(), InputChoice(3, label="input")
        if "width" in kinds:
            width, kernel, other = nni.choice("width", [2, 4, 6]), nni.choice("kernel", [1, 3]), nni.choice("c", [1, 3])
            self.grow = MutableConv2d(4, width, kernel, padding=kernel // 2)
            self.depthwise = MutableConv2d(width, width, 3, padding=1, groups=width)
            self.norm = nn.Identity() if linear else MutableBatchNorm2d(width)
            self.reduce = MutableConv2d(width, 2 * other, 1)
            self.back = MutableConv2d(2 * other, 4, 1, bias=False)
            hidden = nni.choice("hidden", [3, 5])
            self.hidden, self.out = MutableLinear(4, hidden), MutableLinear(hidden, 4)
        if "cell" in kinds or "loose cell" in kinds:
            made = {"a": lambda *_: conv(size=1), "b": lambda *_: conv(), "skip": lambda *_: nn.Identity()}
            if linear:
                del made["a"]
            merge = "all" if "cell" in kinds else "loose_end"
            self.cell = Cell(made, 2, 2, 2, merge, label="cell")
            self.after = nn.Conv2d(8, 4, 1)
        if "plain cell" in kinds:
            self.cell, self.after = Cell([conv(), conv(size=1)], 2, 1, 2, label="plain"), nn.Conv2d(8, 4, 1)
        self.fixed = MutableLinear(4, 3)

    def activate(self, x: Tensor) -> Tensor:
        return x if self.linear else functional.relu(x)

    def forward(self, image: Tensor) -> Tensor:
        stem = x = self.activate(self.stem(image))
        if hasattr(self, "layer"):
            x = self.activate(self.layer(x))
        if hasattr(self, "repeat"):
            x = self.activate(self.repeat(x))
        if hasattr(self, "input"):
            x = self.activate(self.input([stem, x, self.before(x)]))
        if hasattr(self, "grow"):
            x = self.activate(self.norm(self.depthwise(self.activate(self.grow(x)))))
            x = self.back(self.activate(self.reduce(x)))
            x = self.out(self.activate(self.hidden(x.permute(0, 2, 3, 1)))).permute(0, 3, 1, 2)
        if hasattr(self, "cell"):
            x = self.after(self.activate(self.cell([stem, x])))
        result: Tensor = self.fixed(x.mean((2, 3)))
        return result


KINDS = ("layer", "input", "repeat", "width", "cell", "plain cell")
EVERYTHING = ("layer", "input", "repeat", "width", "cell")


class Recipe(LightningModule):
    """Classification that returns its loss as many modules do, in a dict."""

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> dict[str, Tensor]:
        images, labels = batch
        return {"loss": functional.cross_entropy(self.model(images), labels)}

    def configure_optimizers(self) -> Any:
        optimizer = SGD(self.parameters(), lr=0.05, momentum=0.9)
        return {"optimizer": optimizer, "lr_scheduler": torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.9)}


class Stream:
    """Batches of random images, at most two."""

    def __init__(self, seed: int, count: int = 2) -> None:
        generator = torch.Generator().manual_seed(seed)
        images = torch.randn(2, 4, 3, 6, 6, generator=generator)
        self.items = list(zip(images, torch.randint(0, 3, (2, 4), generator=generator), strict=True))[:count]

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return iter(self.items)


def search(strategy: DifferentiableStrategy, space: ModelSpace, epochs: int, steps: int = 2) -> SearchModule:
    recipe = Recipe()
    recipe.set_model(strategy.mutate_model(space))
    module = strategy.configure_oneshot_module(recipe)
    flags = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
    trainer = pl.Trainer(max_epochs=epochs, accelerator="cpu", **flags)
    trainer.fit(module, {"train": Stream(1, steps), "val": Stream(2, steps)})
    return module


def parameters_of(supernet: nn.Module) -> ChoiceParameters:
    parameters = supernet.architecture_parameters
    assert isinstance(parameters, ChoiceParameters)
    return parameters


def supernet_of(space: ModelSpace, strategy: DifferentiableStrategy | None = None, scale: float = 1000.0) -> ModelSpace:
    """In float64, with logits far from equal, and statistics of batch norms that are not those of the start."""
    supernet = (strategy or SSR()).mutate_model(space).double()
    with torch.no_grad():
        for logits in parameters_of(supernet).logits():
            logits.mul_(scale)
        for name, tensor in supernet.named_buffers():
            if name.endswith("running_mean"):
                tensor.normal_(std=0.3)
            elif name.endswith("running_var"):
                tensor.uniform_(0.5, 2.0)
    return supernet


def decide(supernet: ModelSpace, share: float, seed: int, shrink: bool = True) -> Alive:
    """Keep a random part of the candidates of each choice, at least one: with share 0, exactly one."""
    parameters, generator = parameters_of(supernet), torch.Generator().manual_seed(seed)
    masks = []
    for mask in parameters.alive:
        score = torch.rand(mask.shape, generator=generator).masked_fill(~mask, -1.0)
        masks.append(mask & ((score < share) | (score == score.amax(-1, keepdim=True))))
    alive = parameters.cascade(Alive(*masks))
    parameters.set_alive(alive)
    if shrink:
        shrink_supernet(list(mixed(supernet)), alive)
    return alive


def mixed(supernet: nn.Module) -> Iterator[nn.Module]:
    return (module for module in supernet.modules() if isinstance(module, BaseSuperNetModule))


OFTEN = ("ssr", "darts", "pdarts")
"""Strategies that are tried on each kind alone in every run of the tests, and the others with ``-m slow``."""
ALONE = [
    pytest.param(name, (kind,), marks=[] if name in OFTEN else pytest.mark.slow, id=f"{name}-{kind}")
    for name in STRATEGIES
    for kind in KINDS
]
TOGETHER = [pytest.param(name, EVERYTHING, id=f"{name}-all") for name in STRATEGIES]


@pytest.mark.parametrize(("name", "kinds"), [*ALONE, *TOGETHER])
def test_every_strategy_on_every_kind_of_mutable(name: str, kinds: tuple[str, ...]) -> None:
    """It runs, removes what it should, and its sample makes a network of a fresh space that computes the same."""
    strategy = create_strategy(name, FAST, 0)
    labels = set(Space(kinds).simplify())
    module = search(strategy, Space(kinds), epochs=5, steps=1)
    sample, parameters = module.export(), parameters_of(module.model)
    assert set(sample) == labels
    images = torch.randn(2, 3, 6, 6)
    network = Space(kinds).freeze(sample)
    found = freeze_network(module.model, sample)
    network.load_state_dict(found.state_dict())
    decided = parameters.alive.is_discrete()
    rules = {removal.rule for removal in module.removals} - {"cascade"}
    if name in FORCED:
        assert decided and len(rules) == 1
    elif name == "ssr":
        assert decided and rules == {"threshold"} and module.discrete_epoch is not None
    elif not name.startswith("ssr"):
        assert not module.removals
        assert all(len(choice.survivors) == len(choice.values) for choice in parameters.choices.all())
    if decided:  # no discretization gap
        for training in (True, False):
            for one in (network, module.model):
                one.train(training)
            torch.testing.assert_close(network(images), module.model(images), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("stagger", [False, True])
def test_ssr_decides_a_space_of_all_kinds(stagger: bool) -> None:
    torch.manual_seed(0)
    method = MethodOptions(lr=1.0, h=0.5, warmup=0.1, explore=0.1, uniform=False, stagger=stagger)
    module = search(SSR(method), Space(EVERYTHING), epochs=20 if stagger else 6)
    assert {removal.rule for removal in module.removals} <= {"threshold", "cascade"}
    assert parameters_of(module.model).alive.is_discrete()
    assert {removal.label for removal in module.removals} >= {"layer", "depth", "width", "kernel", "input", "c"}
    assert {removal.level for removal in module.removals} == set(LEVELS)
    if stagger:
        operator = [removal for removal in module.removals if removal.level == "operator"]
        others = [removal for removal in module.removals if removal.level != "operator"]
        assert max(r.epoch for r in operator) <= min(r.epoch for r in others)


def test_choices_are_rows_in_the_order_in_which_they_appear() -> None:
    supernet = SSR().mutate_model(Space(EVERYTHING))
    rows = {
        level: list(dict.fromkeys(e[0] for e in entries)) for level, entries in parameters_of(supernet).labels().items()
    }
    assert rows["depth"] == ["depth"] and rows["width"] == ["width", "kernel", "c", "hidden"]
    assert rows["operator"][:6] == ["layer", "nested", "block0", "block1", "block2", "input"]
    assert [alive.shape for alive in parameters_of(supernet).alive] == [(1, 3), (6 + 2 + 2 + 3, 3), (4, 3)]


@pytest.mark.parametrize("kind", ["layer", "input", "repeat", "width", "cell", "plain cell"])
def test_the_mixture_is_the_mean_over_all_networks(kind: str) -> None:
    """In a linear space, where no choice is read twice, by brute force over all networks."""
    torch.manual_seed(0)
    space = Space((kind,), linear=True)
    if kind == "width":  # the depthwise convolution reads the width again, and a mask with it
        space.depthwise = nn.Identity()
    supernet = supernet_of(space)
    parameters, image = parameters_of(supernet), torch.randn(2, 3, 5, 5, dtype=torch.float64)
    result = supernet(image)
    choices = [choice for rows in parameters.choices.rows.values() for choice in rows]
    weights = {choice: choice.weights() for choice in choices}
    expected, total = torch.zeros_like(result), 0.0
    for places in itertools.product(*(range(len(choice.values)) for choice in choices)):
        best = dict(zip(choices, places, strict=True))
        p = torch.stack([weights[choice][k].detach() for choice, k in best.items()]).prod()
        network = freeze_network(supernet, parameters.choices.sample(lambda choice, best=best: best[choice]))
        expected, total = expected + p * network(image), total + float(p)
    assert total == pytest.approx(1.0)
    torch.testing.assert_close(result, expected, rtol=1e-9, atol=1e-9)


def test_closed_form_of_two_candidates() -> None:
    """Probabilities, the task's gradient, SSR's gradient, and one architecture step of Adam."""

    class Scale(nn.Module):
        def __init__(self, factor: float) -> None:
            super().__init__()
            self.factor = factor

        def forward(self, x: Tensor) -> Tensor:
            return self.factor * x

    class Two(ModelSpace):
        def __init__(self) -> None:
            super().__init__()
            self.layer = LayerChoice([Scale(2.0), Scale(5.0)], label="two")
            self.weight = nn.Linear(1, 1)

        def forward(self, x: Tensor) -> Tensor:
            result: Tensor = self.layer(x)
            return result

    supernet = SSR().mutate_model(Two()).double()
    parameters = parameters_of(supernet)
    a = torch.tensor([[0.4, -0.3]], dtype=torch.float64)
    with torch.no_grad():
        parameters.beta.copy_(a)
    sigmoid = a[0].sigmoid()
    p = sigmoid / sigmoid.sum()
    out = supernet(torch.ones(1, 1, dtype=torch.float64))
    torch.testing.assert_close(out.item(), float(2 * p[0] + 5 * p[1]))
    (gradient,) = torch.autograd.grad(out.sum(), [parameters.beta])
    # d out / d a_k = (1 - sg(a_k)) p_k (factor_k - out)
    torch.testing.assert_close(gradient[0], (1 - sigmoid) * p * (torch.tensor([2.0, 5.0]) - out.detach()[0]))
    recipe = LightningModule()
    recipe.set_model(supernet)
    module = SSR(MethodOptions(warmup=0.0, explore=0.0)).configure_oneshot_module(recipe)
    (gradient,) = torch.autograd.grad(module.bilevel.regularization(0.5), [parameters.beta])
    torch.testing.assert_close(gradient[0], 0.3 * (1 - sigmoid) * (1 - 2 * p))  # rho (1 - sg(a_k)) (1 - n p_k)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("training", [True, False], ids=("train", "eval"))
def test_a_decided_supernetwork_is_the_frozen_network(seed: int, training: bool) -> None:
    """To 1e-9 in float64, whatever was decided."""
    supernet = supernet_of(Space(EVERYTHING)).train(training)
    alive = decide(supernet, 0.0, seed)
    assert alive.is_discrete()
    sample = parameters_of(supernet).sample()
    network, image = freeze_network(supernet, sample), torch.randn(2, 3, 7, 6, dtype=torch.float64)
    torch.testing.assert_close(network(image), supernet(image), rtol=1e-9, atol=1e-10)
    fresh = Space(EVERYTHING).double().freeze(sample)
    assert {n: p.shape for n, p in fresh.named_parameters()} == {n: p.shape for n, p in network.named_parameters()}
    weights = {p for name, p in supernet.named_parameters() if not name.startswith("architecture_parameters")}
    assert not set(network.parameters()) & weights and not list(network._forward_pre_hooks)
    # Nothing that the network lacks is left, but for edges of the cell that share an operation's weights.
    assert sum(p.numel() for p in weights) <= sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize("kinds", [("width",), EVERYTHING], ids=("width", "all"))
@pytest.mark.parametrize("seed", range(3))
def test_narrowing_changes_nothing_but_sizes(seed: int, kinds: tuple[str, ...]) -> None:
    """Outputs, gradients and statistics of a shrunk super-network are those of one that only knows the masks."""
    supernet = supernet_of(Space(kinds))
    wide = copy.deepcopy(supernet)
    image = torch.randn(2, 3, 7, 6, dtype=torch.float64)
    for round_ in range(2):
        before = sum(p.numel() for p in supernet.parameters())
        parameters_of(wide).set_alive(decide(supernet, 0.5, 10 * seed + round_))
        results, gradients = [], []
        for network in (supernet, wide):
            network.zero_grad()
            result = network(image)
            result.square().sum().backward()
            results.append(result.detach())
            gradients.append({name: p.grad for name, p in network.named_parameters() if p.grad is not None})
        torch.testing.assert_close(*results, rtol=1e-9, atol=1e-9)
        for name, gradient in gradients[0].items():
            full = gradients[1][name]
            assert float(gradient.abs().sum()) == pytest.approx(float(full.abs().sum()), rel=1e-6, abs=1e-9), name
        assert sum(p.numel() for p in supernet.parameters()) <= before


def test_the_dead_are_neither_called_nor_trained_nor_kept() -> None:
    called: list[str] = []

    class Candidate(nn.Module):
        def __init__(self, name: str) -> None:
            super().__init__()
            self.name, self.weight = name, nn.Parameter(torch.ones(1))

        def forward(self, x: Tensor) -> Tensor:
            called.append(self.name)
            return x * self.weight

    class Attacked(ModelSpace):
        def __init__(self) -> None:
            super().__init__()
            self.stem = nn.Conv2d(3, 3, 1)
            shared = Candidate("shared")
            self.first = LayerChoice({"shared": shared, "a": Candidate("a"), "b": Candidate("b")}, label="first")
            self.second = LayerChoice({"shared": shared, "c": Candidate("c")}, label="second")
            self.deep = Repeat(lambda i: Candidate(f"layer{i}"), (1, 3), label="depth")

        def forward(self, image: Tensor) -> Tensor:
            return self.deep(self.second(self.first(self.stem(image)))).mean((2, 3))  # type: ignore[no-any-return]

    strategy = DARTS(MethodOptions(warmup=0.0))
    recipe = Recipe()
    recipe.set_model(strategy.mutate_model(Attacked()))
    module = strategy.configure_oneshot_module(recipe)
    parameters, watched, logits = parameters_of(module.model), {}, []

    class Kill(pl.Callback):
        def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
            if trainer.current_epoch:
                return
            modules = {m.name: m for m in module.model.modules() if isinstance(m, Candidate)}
            watched.update({name: weakref.ref(m.weight) for name, m in modules.items()})
            del modules
            depth, operator = torch.tensor([[True, False, False]]), torch.tensor([[0, 1, 0], [1, 0, 0]]).bool()
            alive = Alive(depth, operator, parameters.alive.width)
            module.apply_alive(alive)
            module._forget_moments(alive)
            called.clear()
            logits.extend(level.detach().clone() for level in parameters.logits())

    flags = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
    pl.Trainer(max_epochs=2, accelerator="cpu", callbacks=[Kill()], **flags).fit(
        module, {"train": Stream(1), "val": Stream(2)}
    )
    assert set(called) == {"a", "shared", "layer0"} and len(called) == 2 * 2 * 3
    gc.collect()
    assert {name for name, weight in watched.items() if weight() is not None} == {"a", "shared", "layer0"}
    left = {id(p) for group in module.trainer.optimizers[0].param_groups for p in group["params"]}
    assert left == {id(p) for n, p in module.model.named_parameters() if not n.startswith("architecture_parameters")}
    for before, after, alive in zip(logits, parameters.logits(), parameters.alive, strict=True):
        assert torch.equal(before[~alive], after[~alive])


class Own(MutableModule):
    def __init__(self, choice: Any) -> None:
        super().__init__()
        self.add_mutable(choice)


REFUSED: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "two inputs": (lambda: InputChoice(4, 2, label="x"), "'x' takes 2 of its inputs"),
    "any inputs": (lambda: InputChoice(4, None, label="x"), "'x' takes any number"),
    "a list": (lambda: InputChoice(4, 1, "none", label="x"), "'x' takes a list"),
    "stride": (lambda: MutableConv2d(3, 3, 1, stride=nni.choice("x", [1, 2])), "'x' is stride of part"),
    "dilation": (lambda: MutableConv2d(3, 3, 3, dilation=nni.choice("x", [1, 2])), "'x' is dilation of part"),
    "bias": (lambda: MutableLinear(3, 3, bias=nni.choice("x", [True, False])), "'x' is bias of part"),
    "kernel": (lambda: MutableConv2d(3, 3, nni.choice("x", [(1, 3), (3, 1)])), "'x' is kernel_size of part"),
    "groups": (lambda: MutableConv2d(4, 4, 1, groups=nni.choice("x", [1, 2])), "'x' sets the groups of part"),
    "momentum": (lambda: MutableBatchNorm2d(3, momentum=nni.choice("x", [0.1, 0.2])), "'x' is momentum of part"),
    "shape": (lambda: MutableLayerNorm(nni.choice("x", [(3, 4), (3, 5)])), "'x' is a shape of part"),
    "dropout": (lambda: MutableDropout(nni.choice("x", [0.1, 0.2])), "'x' of part .*Dropout"),
    "number": (lambda: MutableLinear(3, nni.quniform("x", 1, 8, 1)), "'x' of Refused is a Numerical"),
    "too many": (
        lambda: MutableLinear(3, sum(nni.choice(f"x{i}", list(range(1, 11))) for i in range(5))),
        "100,000 combinations of 5 choices, 'x0' first",
    ),
    "own module": (lambda: Own(nni.choice("x", [1, 2])), "'x' of part .Own"),
    "twice": (
        lambda: nn.Sequential(LayerChoice([nn.ReLU(), nn.Identity()], label="x"), Own(nni.choice("y", [1, 2]))),
        "'y' of part.1",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_searched_is_refused_by_its_label(what: str) -> None:
    make, message = REFUSED[what]

    class Refused(ModelSpace):
        def __init__(self) -> None:
            super().__init__()
            self.part = make()

    with pytest.raises(InputError, match=message) as error:
        SSR().mutate_model(Refused())
    assert "\n" not in str(error.value)


def test_a_choice_of_the_space_itself_is_refused() -> None:
    class Root(ModelSpace):
        def __init__(self) -> None:
            super().__init__()
            self.add_mutable(nni.choice("x", [1, 2]))

    with pytest.raises(InputError, match="'x' is a choice of Root itself"):
        SSR().mutate_model(Root())


@pytest.mark.parametrize(
    ("option", "value"), [("share_widths", True), ("arch_split", 0.5)], ids=("share_widths", "arch_split")
)
def test_options_of_a_joint_space_are_refused(option: str, value: Any) -> None:
    with pytest.raises(InputError, match=f"method.{option}: has no meaning on Space"):
        SSR(MethodOptions(**{option: value})).mutate_model(Space(("layer",)))


@pytest.mark.parametrize("kind", [SSR, SSRInformationEntropy])
def test_the_space_decides_about_the_defaults(kind: type[SSR], tiny: Callable[..., SpaceConfig]) -> None:
    """Drawn parts and a long exploration where a candidate may do nothing; what is given holds everywhere."""
    other, own, given = kind(), kind(), kind(MethodOptions())
    other.mutate_model(Space(("layer",)))
    own.mutate_model(JointSpace(tiny(("dilation",)), 3))
    given.mutate_model(Space(("layer",)))
    assert other.composition.method == ANY_SPACE and other.composition.regularizer is kind.loss
    relaxation = other.composition.relaxation
    assert isinstance(relaxation, UniformAtFirst) and (relaxation.spread, relaxation.until) == (1.0, 0.75)
    assert other.composition.phases.explore == 0.6
    for strategy in (own, given):
        assert strategy.composition.method == MethodOptions()


def test_bounds_are_refused() -> None:
    strategy = SSR()
    strategy.constraint = Constraint.__new__(Constraint)
    with pytest.raises(InputError, match="constraint: Space has no table of costs"):
        strategy.mutate_model(Space(("layer",)))


def test_loose_ends() -> None:
    """A node counts as much as it is probable that nobody reads it; in the end the super-network is the network."""
    with pytest.warns(UserWarning, match="'cell' joins loose ends"):
        supernet = supernet_of(Space(("loose cell",)))
    cell = supernet.cell
    weights = cell.input_choices[3].weights()
    reads = sum(w for w, inputs in zip(weights, cell.input_choices[3].values, strict=True) if 2 in inputs)
    torch.testing.assert_close(cell._loose(2), 1 - reads)
    assert cell._loose(3) == 1
    parameters_of(supernet).forget()
    for seed in range(4):
        decided = copy.deepcopy(supernet)
        decide(decided, 0.0, seed)
        sample = parameters_of(decided).sample()
        states = [torch.randn(2, 4, 5, 5, dtype=torch.float64) for _ in range(2)]
        frozen = decided.cell.freeze(sample)
        joined, left = decided.cell(states), [k - 2 for k in frozen.output_node_indices]
        nodes = joined.split(4, 1)
        torch.testing.assert_close(frozen(states), torch.cat([nodes[k] for k in left], 1), rtol=1e-12, atol=1e-12)
        assert all(not nodes[k].any() for k in range(2) if k not in left)


def test_fair_weights_need_not_sum_to_one() -> None:
    """FairDARTS: every candidate has its own sigmoid; a decided choice mixes nothing."""
    supernet = supernet_of(Space(("layer",)), FairDARTS())
    choice = parameters_of(supernet).choices.rows["operator"][0]
    torch.testing.assert_close(torch.stack(choice.weights()), parameters_of(supernet).beta[0].sigmoid())
    decide(supernet, 0.0, 0)
    supernet(torch.randn(1, 3, 4, 4, dtype=torch.float64))
    assert sorted(float(weight.detach()) for weight in choice.weights()) == [0.0, 0.0, 1.0]


SAME = [("dilation", "pooling", "depth"), ("depth",), ("dilation", "pooling", "width", "depth")]


@pytest.mark.parametrize("search", SAME, ids=lambda search: "+".join(search))
def test_a_joint_space_is_the_same_made_of_mixed_modules(
    search: tuple[str, ...], tiny: Callable[..., SpaceConfig]
) -> None:
    """Loss and gradients of our own super-network and of NNI's mixed modules.

    With widths they agree up to the batch norms' eps: a mixed convolution is masked before its batch norm as well,
    which divides the mask out again. So eps is next to 0 here, and the mode is training.
    """
    config, strategies = tiny(search), (SSR(), SSR())
    fast = strategies[0].mutate_model(JointSpace(config, 3)).double()
    mixed_space = JointSpace(config, 3)
    strategies[1].mutate_model = strategies[1]._mix_any_space  # type: ignore[method-assign, assignment]
    general = strategies[1].mutate_model(mixed_space).double()
    torch.manual_seed(0)
    for logits in fast.architecture_parameters.logits():  # type: ignore[union-attr, operator]
        logits.data.normal_()
    copy_weights(fast, general)
    image = torch.randn(2, 3, 33, 40, dtype=torch.float64)
    labels = torch.randint(0, 3, (2, 5, 5))
    found = []
    for model in (fast, general):
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eps = 1e-14
                if hasattr(module, "init_arguments"):
                    module.init_arguments["eps"] = 1e-14
        model.architecture_parameters.refresh()  # type: ignore[union-attr, operator]
        loss = functional.cross_entropy(model(image), labels)
        loss.backward()
        found.append(loss.detach())
    torch.testing.assert_close(*found, rtol=1e-9, atol=1e-9)
    own, other = fast.architecture_parameters, general.architecture_parameters
    table = gradients_by_label(other)
    for label, gradient in gradients_by_label(own).items():
        if label in table:
            torch.testing.assert_close(
                gradient, table[label], rtol=1e-6, atol=1e-9, msg=lambda t, label=label: label + t
            )
    assert {label for label, _ in table} == set(JointSpace(config, 3).simplify())


def gradients_by_label(parameters: Any) -> dict[tuple[str, str], Tensor]:
    return {
        (label, candidate): torch.zeros(()).double() if logits.grad is None else logits.grad[index]
        for logits, entries in zip(parameters.logits(), parameters.labels().values(), strict=True)
        for label, candidate, index in entries
    }


def copy_weights(fast: ModelSpace, general: ModelSpace) -> None:
    """Weights and logits of our super-network, in the modules of the other."""
    source = dict(fast.named_parameters())
    places = {
        (label, candidate): logits[index]
        for logits, entries in zip(
            fast.architecture_parameters.logits(),  # type: ignore[union-attr, operator]
            fast.architecture_parameters.labels().values(),  # type: ignore[union-attr, operator]
            strict=True,
        )
        for label, candidate, index in entries
    }
    with torch.no_grad():
        for name, target in general.named_parameters():
            if not name.startswith("architecture_parameters"):
                own = name.replace(".blocks.", ".layers.").replace(".op.", ".operators.")
                if own not in source and own.startswith("stage"):
                    stage, layers, layer, *rest = own.split(".")
                    single = rest[1] == "bn" or rest[1].startswith("conv")
                    operator, rest = ("d1s1", rest[1:]) if single else (rest[1], rest[2:])
                    own = ".".join([stage, layers, layer, "operators", operator, "conv", *rest])
                target.copy_(source[own])
        parameters = parameters_of(general)
        for logits, entries in zip(parameters.logits(), parameters.labels().values(), strict=True):
            for label, candidate, index in entries:
                logits[index] = places[label, candidate]
