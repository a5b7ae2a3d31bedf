"""Forced decisions: which candidates leave at which epoch, against plain-Python references and exhaustive sorting."""

import io
import math
import random
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import combinations
from typing import Any

import pytest
import torch
from torch import Tensor

from nas_space.config import DIMENSIONS, SpaceConfig
from strategies.alive import LEVELS, Alive
from strategies.forced import Decisions, GloballyLowest, GreedyDecisions, Stages, certainty, ranks, stability
from strategies.shrinking import Shrinking

WARMUP = 0.2
RULES: dict[str, Callable[[], Shrinking]] = {
    "stages": Stages,
    "lowest": lambda: GloballyLowest(WARMUP),
    "greedy": lambda: GreedyDecisions(WARMUP),
    "greedy2": lambda: GreedyDecisions(WARMUP, 2),
}
DECISIONS = ["lowest", "greedy", "greedy2"]


def drawn(alive: Alive, seed: int) -> Alive:
    """Retaining ratios at random, float64: the best of each choice 1, the dead 0."""
    generator = torch.Generator().manual_seed(seed)
    values = [torch.rand(mask.shape, generator=generator, dtype=torch.float64) * mask for mask in alive]
    return Alive(*(v / v.amax(-1, keepdim=True).clamp(min=1e-30) for v in values))


def run(
    rule: Shrinking, space: SpaceConfig, epochs: int, seed: int = 0, first: int = 1
) -> Iterator[tuple[int, Alive, Alive, Alive]]:
    """Epoch by epoch ``(epoch, before, kept, ratios)``, the cascade in between, new ratios every epoch."""
    alive = Alive.full(space)
    if first == 1:
        rule.start(alive)
    for epoch in range(first, epochs + 1):
        ratios = drawn(alive, 1000 * seed + epoch)
        kept = rule.keep(ratios, alive, epoch / epochs)
        yield epoch, alive, kept, ratios
        alive = kept.cascade(space)


def rows(level: Tensor) -> list[list[Any]]:
    return level.reshape(-1, level.shape[-1]).tolist()


def best(ratio: list[float], alive: list[bool], count: int) -> list[bool]:
    """The ``count`` best survivors of one choice, by sorting."""
    order = sorted((k for k, living in enumerate(alive) if living), key=lambda k: -ratio[k])
    return [k in order[:count] for k in range(len(ratio))]


def same(first: Alive, second: Alive) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def levels(mask: Tensor) -> Alive:
    return Alive(mask, mask, mask)


def random_space(seed: int) -> SpaceConfig:
    generator = random.Random(seed)
    search = tuple(name for name in DIMENSIONS if generator.random() < 0.7) or ("width",)
    depths = tuple(tuple(sorted(generator.sample(range(1, 6), generator.randint(1, 4)))) for _ in range(2))
    dilations = (1, 2, 4, 8)[: generator.randint(1, 4)]
    return SpaceConfig(
        4, (8, 12), depths, dilations, (1, 2)[: generator.randint(1, 2)], 2 * generator.randint(0, 3), 2, search
    )


# ranks


@pytest.mark.parametrize("shape", [(4,), (3, 5), (2, 3, 2, 4)], ids=str)
@pytest.mark.parametrize("seed", range(3))
def test_ranks_by_counting_the_better_ones(shape: tuple[int, ...], seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    ratio = torch.randint(0, 4, shape, generator=generator).float() / 3  # many ties
    alive = torch.rand(shape, generator=generator) < 0.6
    found = ranks(ratio, alive)
    for values, living, places in zip(rows(ratio), rows(alive), rows(found), strict=True):
        keys = [(-values[k] if living[k] else 1.0, k) for k in range(len(values))]
        assert places == [sum(other < key for other in keys) for key in keys]


# stages


def expected_count(size: int, epoch: int, epochs: int) -> int:
    """How many of a choice's first ``size`` candidates are left after an epoch, in exact arithmetic."""
    shares = (Fraction(1), Fraction(3, 5), Fraction(2, 5), Fraction(0))
    return max(1, math.ceil(size * shares[3 * epoch // epochs]))


@pytest.mark.parametrize(
    ("epochs", "ends"), [(3, (1, 2, 3)), (6, (2, 4, 6)), (7, (3, 5, 7)), (200, (67, 134, 200)), (1, (1, 1, 1))]
)
def test_five_three_two_one(epochs: int, ends: tuple[int, int, int]) -> None:
    rule, alive = Stages(), levels(torch.ones(2, 5, dtype=torch.bool))
    rule.start(alive)
    for epoch in range(1, epochs + 1):
        alive = rule.keep(drawn(alive, epoch), alive, epoch / epochs)
        left = 1 if epoch >= ends[2] else 2 if epoch >= ends[1] else 3 if epoch >= ends[0] else 5
        assert all((mask.sum(-1) == left).all() for mask in alive), epoch


@pytest.mark.parametrize("size", range(1, 17))
@pytest.mark.parametrize("epochs", [3, 10])
def test_any_number_of_candidates(size: int, epochs: int) -> None:
    rule, alive = Stages(), levels(torch.ones(1, size, dtype=torch.bool))
    rule.start(alive)
    for epoch in range(1, epochs + 1):
        alive = rule.keep(drawn(alive, epoch), alive, epoch / epochs)
        assert alive.counts() == dict.fromkeys(LEVELS, expected_count(size, epoch, epochs))


@pytest.mark.parametrize("epochs", [1, 2, 3, 6, 7, 20])
@pytest.mark.parametrize("seed", range(2))
def test_stages_keep_the_best_of_a_ragged_space(epochs: int, seed: int, tiny: Callable[..., SpaceConfig]) -> None:
    space = tiny(depths=((1, 2, 3, 4, 5), (1, 3)))
    sizes = [rows(mask) for mask in Alive.full(space)]
    for epoch, before, kept, ratios in run(Stages(), space, epochs, seed):
        for level, size in enumerate(sizes):
            for ratio, old, new, full in zip(
                rows(ratios[level]), rows(before[level]), rows(kept[level]), size, strict=True
            ):
                assert new == best(ratio, old, expected_count(sum(full), epoch, epochs))
    assert kept.cascade(space).is_discrete()


def test_only_stages_restart_the_logits() -> None:
    alive = levels(torch.ones(2, 3, dtype=torch.bool))
    assert [name for name, rule in RULES.items() if rule().renewed(alive, alive)] == ["stages"]


# when decisions fall


@pytest.mark.parametrize("name", DECISIONS)
def test_thirteen_layers_in_two_hundred_epochs(name: str) -> None:
    """One layer a decision (or, by rank, four candidates), every eleven or twelve epochs."""
    changes = {}
    for epoch, before, kept, _ in run(RULES[name](), SpaceConfig.paper(("dilation",)), 200):
        if not same(before, kept):
            decided = int((kept.operator.sum(-1) == 1).sum() - (before.operator.sum(-1) == 1).sum())
            changes[epoch] = decided, int((before.operator & ~kept.operator).sum())
    moments = [40 + Fraction(160 * k, 14) for k in range(1, 14)]
    assert list(changes) == [math.ceil(moment) for moment in moments]
    assert [min(changes), max(changes)] == pytest.approx([51.4, 188.6], abs=1)
    assert {gone for _, gone in changes.values()} == {4}
    if name != "lowest":
        assert {decided for decided, _ in changes.values()} == {1}


@pytest.mark.parametrize("name", DECISIONS)
@pytest.mark.parametrize("epochs", range(1, 31))
def test_complete_at_any_number_of_epochs(name: str, epochs: int) -> None:
    """Nothing before the warm-up is over, no choice emptied, no winner removed, everything decided at the end."""
    space = random_space(epochs)
    for epoch, before, kept, ratios in run(RULES[name](), space, epochs, seed=epochs):
        if epoch / epochs <= WARMUP:
            assert same(before, kept)
        for ratio, old, new in zip(ratios, before, kept, strict=True):
            exists = old.any(-1)
            assert not (new & ~old).any()
            assert torch.equal(new.any(-1), exists)
            assert new.gather(-1, ratio.argmax(-1, keepdim=True)).squeeze(-1)[exists].all()
    assert kept.is_discrete()


@pytest.mark.parametrize("name", DECISIONS)
@pytest.mark.parametrize("epochs", [7, 20, 90])
def test_decisions_are_spread_evenly(name: str, epochs: int) -> None:
    """After every epoch at least the due share is decided, and not much more: the cascade only helps."""
    space = SpaceConfig.paper(("dilation", "pooling"))  # 13 layers, nothing goes by cascade
    total = 13 * 9
    for epoch, _, kept, _ in run(RULES[name](), space, epochs):
        due = (
            sum(Fraction(1, 5) + Fraction(4 * k, 70) <= Fraction(epoch, epochs) for k in range(1, 14))
            if epoch < epochs
            else 13
        )
        assert total - int(kept.operator.sum() - 13) == due * 9


@pytest.mark.parametrize("warmup", [0.0, 0.5, 0.9])
def test_decisions_wait_for_the_warm_up(warmup: float, tiny: Callable[..., SpaceConfig]) -> None:
    """Six layers: the k-th decision falls at k sevenths of the time between the warm-up and the end of the search."""
    changed = [epoch for epoch, before, kept, _ in run(GreedyDecisions(warmup), tiny(), 1000) if not same(before, kept)]
    assert changed[0] == math.ceil(1000 * (warmup + (1 - warmup) / 7))


@pytest.mark.parametrize("name", RULES)
def test_what_came_back_is_decided_at_the_end(name: str, tiny: Callable[..., SpaceConfig]) -> None:
    """The guard of a bound may take removals back after the last decision: at the end all is decided nevertheless."""
    rule, full = RULES[name](), Alive.full(tiny())
    rule.start(full)
    for epoch in range(1, 101):
        kept = rule.keep(drawn(full, epoch), full, epoch / 100)
    assert kept.cascade(tiny()).is_discrete()


def test_a_plain_decision_rule_has_to_say_what_it_decides(tiny: Callable[..., SpaceConfig]) -> None:
    rule = Decisions(0.0)
    rule.start(Alive.full(tiny()))
    with pytest.raises(NotImplementedError):
        rule.keep(Alive.full(tiny()), Alive.full(tiny()), 1.0)


# globally lowest


@pytest.mark.parametrize("left", [1, 2, 5, 13])
@pytest.mark.parametrize("seed", range(4))
def test_the_globally_lowest_leave(left: int, seed: int) -> None:
    """Against sorting every candidate of a level but the best of each choice."""
    generator = torch.Generator().manual_seed(seed)
    alive = torch.rand(4, 3, 5, generator=generator) < 0.7
    alive[0, 0] = False  # a choice that is gone
    ratio = drawn(levels(alive), seed).width
    kept = GloballyLowest(WARMUP).decide("width", ratio, alive, left)
    candidates = []
    for row, (values, living) in enumerate(zip(rows(ratio), rows(alive), strict=True)):
        mass = sum(values)
        winner = max(range(5), key=lambda k: values[k])
        candidates += [(values[k] / mass, row, k) for k in range(5) if living[k] and k != winner]
    leaving = {(row, k) for _, row, k in sorted(candidates)[: math.ceil(len(candidates) / left)]}
    gone = {tuple(index) for index in (alive & ~kept).reshape(-1, 5).nonzero().tolist()}
    assert gone == leaving and not (kept & ~alive).any()


def test_probabilities_are_compared_not_ratios() -> None:
    """Ratio 0.5 beside three others is less mass than ratio 0.4 alone beside the best."""
    ratio = torch.tensor([[1.0, 0.9, 0.9, 0.5], [1.0, 0.4, 0.0, 0.0]])
    alive = ratio > 0
    kept = GloballyLowest(WARMUP).decide("operator", ratio, alive, 4)
    assert (alive & ~kept).nonzero().tolist() == [[0, 3]]


# greedy decisions: scores


@pytest.mark.parametrize("n", [2, 3, 5, 10])
def test_certainty_of_a_vertex_and_of_the_middle(n: int) -> None:
    alive = torch.ones(2, n, dtype=torch.bool)
    p = torch.stack((torch.full((n,), 1 / n), torch.eye(n)[0])).double()
    assert certainty(p, alive).tolist() == pytest.approx([0.0, 1.0], abs=1e-7)


def test_certainty_counts_survivors() -> None:
    p = torch.tensor([[0.5, 0.5, 0.0], [0.8, 0.2, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]], dtype=torch.float64)
    entropy = -(0.8 * math.log(0.8) + 0.2 * math.log(0.2))
    assert certainty(p, p > 0).tolist() == pytest.approx([0.0, 1 - entropy / math.log(2), 1.0, 1.0], abs=1e-7)
    assert float(certainty(p[1], torch.ones(3, dtype=torch.bool))) == pytest.approx(1 - entropy / math.log(3), rel=1e-6)


def test_stability_is_the_mean_intersection() -> None:
    p = torch.tensor([[0.7, 0.3], [1.0, 0.0]])
    past = torch.tensor([[[0.5, 0.5], [0.0, 1.0]], [[0.7, 0.3], [1.0, 0.0]], [[0.9, 0.1], [0.4, 0.6]]])
    assert stability(p, past).tolist() == pytest.approx([(0.8 + 1.0 + 0.8) / 3, (0.0 + 1.0 + 0.4) / 3])


class Reference:
    """SGAS on lists of choices, in plain Python."""

    def __init__(self, criterion: int, decisions: int) -> None:
        self.criterion, self.decisions, self.made = criterion, decisions, 0
        self.past: list[list[list[list[float]]]] = []

    def keep(
        self, ratios: list[list[list[float]]], alive: list[list[list[bool]]], progress: Fraction
    ) -> list[list[list[bool]]]:
        due = [
            Fraction(1, 5) + Fraction(4 * k, 5 * (self.decisions + 1)) <= progress for k in range(1, self.decisions + 1)
        ]
        while self.made < (self.decisions if progress == 1 else sum(due)):
            alive = [self.decide(level, ratios[level], alive[level]) for level in range(3)]
            self.made += 1
        self.past.append([[self.p(r, [True] * len(r)) for r in level] for level in ratios])
        return alive

    @staticmethod
    def p(ratio: list[float], alive: list[bool]) -> list[float]:
        values = [r if living else 0.0 for r, living in zip(ratio, alive, strict=True)]
        return [v / (sum(values) or 1.0) for v in values]

    @staticmethod
    def scaled(values: dict[int, float]) -> dict[int, float]:
        low, high = min(values.values()), max(values.values())
        return {key: (value - low) / (high - low) if high > low else 1.0 for key, value in values.items()}

    def decide(self, level: int, ratios: list[list[float]], alive: list[list[bool]]) -> list[list[bool]]:
        undecided = [i for i, living in enumerate(alive) if sum(living) > 1]
        if not undecided:
            return alive
        p = {i: self.p(ratios[i], alive[i]) for i in undecided}
        sure = {i: 1 + sum(x * math.log(x) for x in p[i] if x > 0) / math.log(sum(alive[i])) for i in undecided}
        scores = self.scaled(sure)
        if self.criterion == 2 and self.past:
            last = self.past[-4:]
            steady = {i: sum(sum(map(min, p[i], then[level][i])) for then in last) / len(last) for i in undecided}
            scores = {i: scores[i] * self.scaled(steady)[i] for i in undecided}
        count = math.ceil(len(undecided) / (self.decisions - self.made))
        chosen = sorted(undecided, key=lambda i: (-scores[i], i))[:count]
        return [best(ratios[i], living, 1) if i in chosen else living for i, living in enumerate(alive)]


@pytest.mark.parametrize("criterion", [1, 2])
@pytest.mark.parametrize("epochs", [1, 4, 20])
@pytest.mark.parametrize("seed", range(3))
def test_greedy_decisions_against_plain_python(
    criterion: int, epochs: int, seed: int, tiny: Callable[..., SpaceConfig]
) -> None:
    reference = Reference(criterion, 6)
    for epoch, before, kept, ratios in run(GreedyDecisions(WARMUP, criterion), tiny(), epochs, seed):
        expected = reference.keep([rows(r) for r in ratios], [rows(mask) for mask in before], Fraction(epoch, epochs))
        assert [rows(mask) for mask in kept] == expected, epoch


def decided(rule: GreedyDecisions, history: list[list[list[float]]], now: list[list[float]]) -> list[int]:
    """Which choices (of as many as there are decisions) the first decision fixes after these epochs."""
    full = levels(torch.ones(len(now), len(now[0]), dtype=torch.bool))
    rule.start(full)
    for p in history:  # far too early for any decision
        ratio = torch.tensor(p, dtype=torch.float64)
        assert same(rule.keep(levels(ratio / ratio.amax(-1, keepdim=True)), full, 0.01), full)
    ratio = torch.tensor(now, dtype=torch.float64)
    kept = rule.keep(levels(ratio / ratio.amax(-1, keepdim=True)), full, WARMUP + 0.8 / (len(now) + 1) + 1e-6)
    assert torch.equal(kept.depth, kept.width)
    return (kept.width.sum(-1) == 1).nonzero().flatten().tolist()


@pytest.mark.parametrize("criterion", [1, 2])
def test_the_most_certain_is_first(criterion: int) -> None:
    now = [[0.6, 0.4], [0.2, 0.8], [0.9, 0.1], [0.5, 0.5]]
    assert decided(GreedyDecisions(WARMUP, criterion), [], now) == [2]


def test_an_unstable_choice_waits_under_criterion_2_alone() -> None:
    now = [[0.6, 0.4], [0.2, 0.8], [0.9, 0.1]]
    history = [[[0.6, 0.4], [0.2, 0.8], [0.1, 0.9]]] * 4
    assert decided(GreedyDecisions(WARMUP, 1), history, now) == [2]
    assert decided(GreedyDecisions(WARMUP, 2), history, now) == [1]


def test_the_history_ends_after_four_epochs() -> None:
    now = [[0.6, 0.4], [0.2, 0.8], [0.9, 0.1]]
    old, recent = [[0.6, 0.4], [0.2, 0.8], [0.1, 0.9]], [[0.5, 0.5], [0.3, 0.7], [0.9, 0.1]]
    assert decided(GreedyDecisions(WARMUP, 2), [old] * 9 + [recent] * 4, now) == [2]
    assert decided(GreedyDecisions(WARMUP, 2), [old] * 9 + [recent], now) == [1]


@pytest.mark.parametrize(
    "now", [[[0.7, 0.3]] * 3, [[0.7, 0.3], [0.3, 0.7], [0.7, 0.3]], [[0.5, 0.3, 0.2], [0.2, 0.5, 0.3], [0.3, 0.2, 0.5]]]
)
@pytest.mark.parametrize("steady", range(3))
def test_equal_certainty_counts_as_one(now: list[list[float]], steady: int) -> None:
    """Then stability alone decides: 0/0 in the scaling, or its rounding error, must not kill the score."""
    past = [p if i == steady else [0.01, *p[:-2], p[-2] + p[-1] - 0.01] for i, p in enumerate(now)]
    assert decided(GreedyDecisions(WARMUP, 2), [past] * 2, now) == [steady]


@pytest.mark.parametrize("sure", [0.7, 0.8, 0.9, 0.95])
def test_equal_stability_counts_as_one(sure: float) -> None:
    """Nothing has moved: certainty alone decides, whatever rounding makes of the sums."""
    now = [[0.6, 0.4], [0.35, 0.65], [sure, 1 - sure]]
    assert decided(GreedyDecisions(WARMUP, 2), [now] * 3, now) == [2]


@pytest.mark.parametrize("seed", range(5))
def test_certainty_is_told_apart_near_the_start(seed: int) -> None:
    """Single precision, probabilities within a hundredth of uniform: the squared distance from the middle decides."""
    logits = (0.01 * torch.randn(12, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)).float()
    p = logits.softmax(-1)
    distance = (p.double() - p.double().mean(-1, keepdim=True)).square().sum(-1)
    score = certainty(p, torch.ones_like(p, dtype=torch.bool))
    assert score.argsort().tolist() == distance.argsort().tolist()


def test_all_equal_is_decided_in_order() -> None:
    assert decided(GreedyDecisions(WARMUP, 2), [[[0.5, 0.5]] * 3] * 2, [[0.5, 0.5]] * 3) == [0]


@pytest.mark.parametrize("criterion", [1, 2])
def test_decided_choices_do_not_stretch_the_scale(criterion: int) -> None:
    """Certainty 1 of a decided choice is no bound of the min-max: else stability would count too much."""
    now = torch.tensor([[1.0, 0.0], [0.75, 0.25], [0.7, 0.3], [0.65, 0.35]], dtype=torch.float64)
    past = torch.tensor([[1.0, 0.0], [0.45, 0.55], [0.62, 0.38], [0.65, 0.35]], dtype=torch.float64)
    alive = torch.tensor([[True, False], [True, True], [True, True], [True, True]])
    rule = GreedyDecisions(WARMUP, criterion)
    rule.start(levels(alive))
    rule.keep(levels(past), levels(alive), 0.0)
    kept = rule.decide("operator", now, alive, 3)
    sure = [1 + sum(x * math.log2(x) for x in row) for row in now[1:].tolist()]
    steady = [sum(map(min, a, b)) for a, b in zip(now[1:].tolist(), past[1:].tolist(), strict=True)]

    def scaled(values: list[float]) -> list[float]:
        return [(v - min(values)) / (max(values) - min(values)) for v in values]

    scores = scaled(sure) if criterion == 1 else [a * b for a, b in zip(scaled(sure), scaled(steady), strict=True)]
    assert (kept.sum(-1)[1:] == 1).nonzero().flatten().tolist() == [scores.index(max(scores))]


# memory


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("seed", range(3))
def test_a_resumed_rule_decides_the_same(name: str, seed: int, tiny: Callable[..., SpaceConfig]) -> None:
    space, epochs, half = tiny(), 20, 11
    rule, masks, saved = RULES[name](), [], io.BytesIO()
    for epoch, _, kept, _ in run(rule, space, epochs, seed):
        masks.append(kept)
        if epoch == half:
            torch.save(rule.state_dict(), saved)
    saved.seek(0)
    resumed = RULES[name]()
    resumed.start(Alive.full(space))
    resumed.load_state_dict(torch.load(saved, weights_only=True))
    alive = masks[half - 1].cascade(space)
    for epoch in range(half + 1, epochs + 1):
        kept = resumed.keep(drawn(alive, 1000 * seed + epoch), alive, epoch / epochs)
        assert same(kept, masks[epoch - 1])
        alive = kept.cascade(space)


@pytest.mark.parametrize(("first", "second"), list(combinations(DECISIONS, 2)))
def test_the_rules_differ(first: str, second: str, tiny: Callable[..., SpaceConfig]) -> None:
    ends = [list(run(RULES[name](), tiny(), 20))[11][2] for name in (first, second)]
    assert not same(*ends)
