"""Strategies on NNI model spaces that are not ours: every kind of mutable, the formulas, no gap."""

import copy
import gc
import itertools
import weakref

import pytest
import pytorch_lightning as pl
import torch
from nni.nas.evaluator.pytorch import LightningModule
from nni.nas.nn.pytorch import (
    LayerChoice,
    ModelSpace,
    Repeat,
)
from torch import Tensor, nn

from strategies.alive import LEVELS, Alive
from strategies.any_space import freeze_network
from strategies.darts import DARTS
from strategies.fairdarts import FairDARTS
from strategies.method import MethodOptions
from strategies.registry import STRATEGIES, create_strategy
from strategies.ssr import SSR
from tests.strategies.any_spaces import (
    EVERYTHING,
    FAST,
    FORCED,
    KINDS,
    Recipe,
    Space,
    Stream,
    decide,
    parameters_of,
    search,
    supernet_of,
)

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
