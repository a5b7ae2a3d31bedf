"""Relaxations: who sums to one, who gets no gradient, and that nothing overflows."""

import math

import pytest
import torch
from torch import Tensor

from nas_space.errors import InputError
from strategies.method import LARGEST_SPREAD, MethodOptions
from strategies.relaxation import (
    GumbelSoftmax,
    IndependentSigmoids,
    Relaxation,
    SigmoidNormalised,
    Softmax,
    UniformAtFirst,
    drawn_parts,
    equal_parts,
)

NORMALISED = [SigmoidNormalised(), Softmax(), GumbelSoftmax(0.5)]
ALL = [*NORMALISED, IndependentSigmoids()]
IDS = ["sigmoid", "softmax", "gumbel", "independent"]


def case(scale: float = 2.0) -> tuple[Tensor, Tensor]:
    """Logits and masks ``(5, 6)``: choices with 6, 3, 2, 1 and no survivors."""
    logits = scale * torch.randn(5, 6)
    alive = torch.zeros(5, 6, dtype=torch.bool)
    for row, living in enumerate(((0, 1, 2, 3, 4, 5), (0, 2, 5), (1, 4), (3,), ())):
        alive[row, list(living)] = True
    return logits, alive


@pytest.mark.parametrize("scale", [0.0, 1.0, 100.0])
@pytest.mark.parametrize("relaxation", NORMALISED, ids=IDS[:3])
def test_survivors_sum_to_one_and_the_dead_have_nothing(relaxation: Relaxation, scale: float) -> None:
    logits, alive = case(scale)
    for p in (relaxation.weights(logits, alive), relaxation.log_probabilities(logits, alive).exp() * alive):
        assert torch.isfinite(p).all() and (p >= 0).all()
        assert (p[~alive] == 0).all()
        torch.testing.assert_close(p.sum(-1), torch.tensor([1.0, 1.0, 1.0, 1.0, 0.0]), rtol=0, atol=1e-6)


@pytest.mark.parametrize("scale", [1.0, 100.0])
@pytest.mark.parametrize("relaxation", ALL, ids=IDS)
def test_no_gradient_reaches_the_dead(relaxation: Relaxation, scale: float) -> None:
    logits, alive = case(scale)
    logits.requires_grad_()
    coefficients = torch.randn(5, 6)
    (relaxation.weights(logits, alive) * coefficients).sum().backward()
    log_p = relaxation.log_probabilities(logits, alive)
    (log_p * coefficients).masked_fill(~alive, 0.0).sum().backward()
    assert logits.grad is not None and torch.isfinite(logits.grad).all()
    assert (logits.grad[~alive] == 0).all()
    if scale == 1.0:
        assert (logits.grad[:3][alive[:3]] != 0).all()


@pytest.mark.parametrize("relaxation", ALL, ids=IDS)
def test_dead_logits_have_no_influence(relaxation: Relaxation) -> None:
    logits, alive = case()
    changed = torch.where(alive, logits, torch.tensor(50.0))
    for function in (relaxation.weights, relaxation.log_probabilities):
        torch.manual_seed(0)
        before = function(logits, alive)
        torch.manual_seed(0)
        after = function(changed, alive)
        torch.testing.assert_close(before[alive], after[alive], rtol=0, atol=0)


def test_sigmoid_normalised_by_its_equation() -> None:
    logits, alive = (x.double() if x.dtype.is_floating_point else x for x in case())
    p = SigmoidNormalised().weights(logits, alive)
    for row in range(5):
        sigmoids = [float(alive[row, k]) / (1 + math.exp(-float(logits[row, k]))) for k in range(6)]
        for k in range(6):
            assert float(p[row, k]) == pytest.approx(sigmoids[k] / max(sum(sigmoids), 1e-9), abs=1e-12)


def test_softmax_by_its_equation() -> None:
    logits, alive = case()
    for row in range(4):
        expected = logits[row, alive[row]].softmax(-1)
        torch.testing.assert_close(Softmax().weights(logits, alive)[row, alive[row]], expected)


def test_independent_sigmoids_do_not_compete() -> None:
    logits, alive = case()
    torch.testing.assert_close(IndependentSigmoids().weights(logits, alive), logits.sigmoid() * alive)


@pytest.mark.parametrize("relaxation", [SigmoidNormalised(), Softmax()], ids=IDS[:2])
@pytest.mark.parametrize(
    "values", [[100.0, -100.0], [-100.0, -101.0], [100.0, 101.0], [-100.0, -100.0, -100.0]], ids=str
)
def test_logits_of_a_hundred_are_harmless(relaxation: Relaxation, values: list[float]) -> None:
    logits = torch.tensor(values, requires_grad=True)
    alive = torch.ones(len(values), dtype=torch.bool)
    log_p = relaxation.log_probabilities(logits, alive)
    log_p.sum().backward()
    assert torch.isfinite(log_p).all() and logits.grad is not None and torch.isfinite(logits.grad).all()
    score = [-math.log1p(math.exp(-v)) if isinstance(relaxation, SigmoidNormalised) else v for v in values]
    largest = max(score)
    total = largest + math.log(sum(math.exp(s - largest) for s in score))
    assert log_p.tolist() == pytest.approx([s - total for s in score], rel=1e-5, abs=1e-5)


@pytest.mark.parametrize(
    "values", [[2.0, 1.0, -3.0], [9.0, 8.9], [-7.0, -7.5, -30.0], [0.0, 0.0], [100.0, 99.0, -50.0], [40.0]], ids=str
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_rescaling_moves_no_probability(values: list[float], dtype: torch.dtype) -> None:
    relaxation = SigmoidNormalised()
    logits = torch.tensor([[*values, 5.0]], dtype=dtype)  # the last is dead
    alive = torch.tensor([[True] * len(values) + [False]])
    moved = relaxation.rescale(logits, alive)
    before, after = (relaxation.weights(a, alive) for a in (logits, moved))
    torch.testing.assert_close(after, before, rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(after / after.max(), before / before.max(), rtol=1e-6, atol=1e-9)
    assert float(moved.sigmoid()[alive].max()) == pytest.approx(0.5, abs=1e-6)
    assert moved[0, -1] == 5.0
    torch.testing.assert_close(relaxation.rescale(moved, alive), moved, rtol=1e-5, atol=1e-6)


def test_rescaling_brings_the_gradient_back() -> None:
    alive = torch.ones(2, dtype=torch.bool)
    slopes = []
    for logits in (torch.tensor([9.0, 8.0]), SigmoidNormalised().rescale(torch.tensor([9.0, 8.0]), alive)):
        logits.requires_grad_()
        SigmoidNormalised().weights(logits, alive)[0].backward()
        assert logits.grad is not None
        slopes.append(float(logits.grad[0]))
    assert slopes[0] < 1e-3 and slopes[1] > 0.1


def test_rescaling_an_empty_choice_is_harmless() -> None:
    logits, alive = case()
    moved = SigmoidNormalised().rescale(logits, alive)
    assert torch.isfinite(moved).all() and torch.equal(moved[~alive], logits[~alive])


@pytest.mark.parametrize("relaxation", [Softmax(), GumbelSoftmax(), IndependentSigmoids()], ids=IDS[1:])
def test_others_have_nothing_to_rescale(relaxation: Relaxation) -> None:
    logits, alive = case()
    assert torch.equal(relaxation.rescale(logits, alive), logits)


def test_gumbel_samples_have_the_probabilities() -> None:
    """At a low temperature the largest weight is the sampled candidate, drawn with probability p."""
    logits = torch.tensor([1.0, 0.0, -1.0, 3.0]).expand(20_000, 4)
    alive = torch.tensor([True, True, True, False]).expand_as(logits)
    winners = GumbelSoftmax(0.1).weights(logits, alive).argmax(-1)
    shares = torch.bincount(winners, minlength=4) / len(winners)
    torch.testing.assert_close(shares, Softmax().weights(logits, alive)[0], rtol=0, atol=0.015)


def test_gumbel_sharpens_with_the_temperature() -> None:
    logits, alive = torch.zeros(2000, 4), torch.ones(2000, 4, dtype=torch.bool)
    means = [float(GumbelSoftmax(tau).weights(logits, alive).amax(-1).mean()) for tau in (10.0, 1.0, 0.03)]
    assert means == sorted(means) and means[0] < 0.35 and means[2] > 0.95


def test_gumbel_follows_the_global_generator() -> None:
    logits, alive = case()
    torch.manual_seed(5)
    first = GumbelSoftmax().weights(logits, alive)
    second = GumbelSoftmax().weights(logits, alive)
    torch.manual_seed(5)
    assert torch.equal(GumbelSoftmax().weights(logits, alive), first) and not torch.equal(first, second)


@pytest.mark.parametrize(
    ("progress", "expected"), [(0.0, 1.0), (0.25, 0.7575), (0.5, 0.515), (0.9, 0.127), (1.0, 0.03)]
)
def test_gumbel_anneals_linearly(progress: float, expected: float) -> None:
    relaxation = GumbelSoftmax()
    assert relaxation.temperature == 1.0
    relaxation.advance(progress)
    assert relaxation.temperature == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("start", "end"), [(5.0, 0.1), (0.3, 0.3), (0.1, 2.0)])
def test_gumbel_goes_from_start_to_end(start: float, end: float) -> None:
    """Where it is depends on the progress alone, so a resumed search finds its temperature again."""
    relaxation = GumbelSoftmax(start, end)
    for progress in (0.7, 0.2, 1.0, 0.0):
        relaxation.advance(progress)
        assert relaxation.temperature == pytest.approx((1 - progress) * start + progress * end, rel=1e-12)


def test_the_temperature_divides_logits_and_noise_alike() -> None:
    """Log-ratios of one sample at two temperatures are in inverse proportion to them."""
    logits, alive = torch.randn(20, 4, dtype=torch.float64), torch.ones(20, 4, dtype=torch.bool)
    relaxation, log_ratios = GumbelSoftmax(2.0, 0.5), []
    for progress in (0.0, 1.0):
        relaxation.advance(progress)
        torch.manual_seed(3)
        sample = relaxation.weights(logits, alive).log()
        log_ratios.append(sample[:, 1:] - sample[:, :1])
    torch.testing.assert_close(log_ratios[1], 4 * log_ratios[0], rtol=1e-9, atol=1e-9)


def test_annealing_changes_samples_only() -> None:
    """Shrinking, cost and the found network look at the distribution itself."""
    logits, alive = case()
    relaxation = GumbelSoftmax()
    before = relaxation.log_probabilities(logits, alive)
    relaxation.advance(0.9)
    assert torch.equal(relaxation.log_probabilities(logits, alive), before)
    torch.testing.assert_close(before[alive], Softmax().log_probabilities(logits, alive)[alive], rtol=0, atol=0)


def test_the_last_samples_are_finite() -> None:
    logits = torch.randn(500, 9, requires_grad=True)
    alive = torch.rand(500, 9) < 0.8
    relaxation = GumbelSoftmax()
    relaxation.advance(1.0)
    sample = relaxation.weights(logits, alive)
    (sample * torch.randn(500, 9)).sum().backward()
    assert torch.isfinite(sample).all() and logits.grad is not None and torch.isfinite(logits.grad).all()


@pytest.mark.parametrize(
    "relaxation", [SigmoidNormalised(), Softmax(), IndependentSigmoids()], ids=["sigmoid", "softmax", "independent"]
)
def test_others_have_no_schedule(relaxation: Relaxation) -> None:
    logits, alive = case()
    before = relaxation.weights(logits, alive)
    relaxation.advance(0.9)
    assert torch.equal(relaxation.weights(logits, alive), before)


def test_equal_parts_until_a_time_with_the_gradient_of_the_probabilities() -> None:
    inner = SigmoidNormalised()
    relaxation = UniformAtFirst(inner, 0.25)
    alive = torch.tensor([[True, True, False, True], [False, True, False, False], [False, False, False, False]])
    logits = torch.randn(3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64, requires_grad=True)
    pull = torch.randn(3, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    (expected,) = torch.autograd.grad((inner.weights(logits, alive) * pull).sum(), logits)
    for progress, changes, equal in ((0.0, True, True), (0.2, False, True), (0.25, True, False), (0.9, False, False)):
        assert relaxation.advance(progress) is changes
        weights = relaxation.weights(logits, alive)
        parts = torch.tensor([[1 / 3, 1 / 3, 0, 1 / 3], [0, 1, 0, 0], [0, 0, 0, 0]], dtype=torch.float64)
        torch.testing.assert_close(weights, parts if equal else inner.weights(logits, alive))
        (gradient,) = torch.autograd.grad((weights * pull).sum(), logits)
        torch.testing.assert_close(gradient, expected)
    assert relaxation.log_probabilities(logits, alive).equal(inner.log_probabilities(logits, alive))
    assert relaxation.rescale(logits, alive).equal(inner.rescale(logits, alive))


def test_drawn_parts_follow_the_dirichlet_distribution() -> None:
    """Mean ``1/n`` and variance ``(n - 1) / (n^2 (n c + 1))`` of each part over the n survivors."""
    alive = torch.tensor([True, False, True, True]).repeat(20_000, 1)
    torch.manual_seed(0)
    for c in (0.1, 1.0, 5.0):
        parts = drawn_parts(alive, 1 / c)
        assert (parts >= 0).all() and (parts[:, 1] == 0).all()
        torch.testing.assert_close(parts.sum(-1), torch.ones(len(parts)))
        living, variance = parts[:, [0, 2, 3]], 2 / (9 * (3 * c + 1))
        torch.testing.assert_close(living.mean(0), torch.full((3,), 1 / 3), rtol=0, atol=0.01)
        torch.testing.assert_close(living.var(0), torch.full((3,), variance), rtol=0.04, atol=0)


def test_a_spread_without_meaning_is_refused() -> None:
    for spread in (-0.1, LARGEST_SPREAD * 1.01, math.nan):
        with pytest.raises(InputError, match="method.spread: .* must be from 0 to 100"):
            MethodOptions(spread=spread).check()
    with pytest.raises(InputError, match="method.spread: both sides of a second-order step"):
        MethodOptions(spread=1.0, order=2).check()
    with pytest.raises(InputError, match="method.spread: nothing is drawn without method.uniform"):
        MethodOptions(spread=1.0, uniform=False).check()


def test_drawn_parts_of_few_survivors() -> None:
    alive = torch.tensor([[False, True, False], [False, False, False]])
    for spread in (LARGEST_SPREAD, 1.0):
        assert drawn_parts(alive, spread).tolist() == [[0, 1, 0], [0, 0, 0]]
    some = drawn_parts(torch.ones(5_000, 3, dtype=torch.bool), LARGEST_SPREAD)
    assert torch.isfinite(some).all()
    torch.testing.assert_close(some.sum(-1), torch.ones(len(some)))


def test_parts_are_drawn_in_every_pass_until_a_time_with_the_gradient_of_the_probabilities() -> None:
    inner = SigmoidNormalised()
    relaxation = UniformAtFirst(inner, 0.25, 1.0)
    logits, alive = case()
    logits.requires_grad_()
    pull = torch.randn(5, 6)
    (expected,) = torch.autograd.grad((inner.weights(logits, alive) * pull).sum(), logits)
    assert relaxation.advance(0.0) and relaxation.scheduled
    first, second = (relaxation.weights(logits, alive) for _ in range(2))
    assert not first[:3].equal(second[:3])
    for weights in (first, second):
        (gradient,) = torch.autograd.grad((weights * pull).sum(), logits)
        torch.testing.assert_close(gradient, expected)
    looked_at = relaxation.expected_weights(logits, alive)
    torch.testing.assert_close(looked_at, alive / alive.sum(-1, keepdim=True).clamp(min=1))
    assert relaxation.advance(0.2)  # what was recorded has old parts
    assert relaxation.advance(0.25) and not relaxation.scheduled and not relaxation.advance(0.3)
    for weights in (relaxation.weights(logits, alive), relaxation.expected_weights(logits, alive)):
        torch.testing.assert_close(weights, inner.weights(logits, alive))


def test_evidence_of_drawn_parts_tells_what_equal_parts_cannot() -> None:
    """Two regressors with weights of their own, and one candidate that does nothing: ``y = sum_k d_k v_k x_k``.

    The weights are at rest, so at equal parts no candidate has a gradient: a useful one looks like one that does
    nothing. Drawn parts tell them apart, in the order of what each is worth.
    """
    torch.manual_seed(0)
    x = torch.randn(256, 2, dtype=torch.float64)
    target = x @ torch.tensor([2.0, 1.0], dtype=torch.float64)
    alive, gradients = torch.ones(4_000, 3, dtype=torch.bool), {}
    for spread in (0.0, 1.0):
        parts = (drawn_parts(alive, spread) if spread else equal_parts(alive)).double()
        # The mean over parts and images is quadratic in the weights: its minimum is the solution of a linear system.
        second = torch.einsum("pi,pj,ni,nj->ij", parts[:, :2], parts[:, :2], x, x)
        weights = torch.linalg.solve(second, torch.einsum("pi,ni,n->i", parts[:, :2], x, target))
        weights = torch.cat([weights, weights.new_zeros(1)])
        features = torch.cat([x, x.new_ones(256, 1)], 1)
        errors = (parts * weights) @ features.T - target
        gradients[spread] = (errors @ (features * weights)).mean(0) / len(x)
    assert gradients[0.0].abs().max() < 1e-9
    first, second_best, nothing = (-gradients[1.0]).tolist()
    assert first > 2 * second_best > 0.1 and abs(nothing) < 1e-9


def test_a_schedule_inside_still_moves() -> None:
    relaxation = UniformAtFirst(GumbelSoftmax(1.0, 0.5), 0.25)
    assert relaxation.scheduled and not UniformAtFirst(Softmax(), 0.25).scheduled
    assert [relaxation.advance(progress) for progress in (0.0, 0.2, 0.5)] == [True, True, True]
    inner = relaxation.relaxation
    assert isinstance(inner, GumbelSoftmax) and inner.temperature == 0.75
