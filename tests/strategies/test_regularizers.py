"""The theory of solution space regularization as properties (SSR paper, equations 9 to 21)."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from strategies.fairdarts import mean_zero_one
from strategies.regularizers import information_entropy, none, ssr, zero_one_l1, zero_one_l2
from strategies.relaxation import SigmoidNormalised, Softmax

SIZES = range(2, 17)


def drawn(n: int, seed: int = 0) -> Tensor:
    """A random point of the open simplex, float64."""
    p = 0.05 + torch.rand(n, dtype=torch.float64, generator=torch.Generator().manual_seed(100 * n + seed))
    return p / p.sum()


def energy(p: Tensor, m: float) -> float:
    """``E^m(p) = sum |p_i|^m`` (equation 12)."""
    return sum(x**m for x in p.tolist())


def loss(p: Tensor) -> float:
    """The code's SSR loss of one choice."""
    return float(ssr(p.log(), torch.zeros_like(p), torch.ones_like(p, dtype=torch.bool)))


@pytest.mark.parametrize("n", SIZES)
def test_t1_derivative_of_the_energy(n: int) -> None:  # equation 13
    p, d = drawn(n), 1e-5
    for m in (-1.0, 0.1, 0.5, 1.0, 2.0):
        difference = (energy(p, m + d) - energy(p, m - d)) / (2 * d)
        assert difference == pytest.approx(sum(x**m * math.log(x) for x in p.tolist()), rel=1e-6)


@pytest.mark.parametrize("n", SIZES)
def test_t2_the_loss_is_the_derivative_at_zero(n: int) -> None:  # equation 14
    p, m, d = drawn(n), 1e-6, 1e-4
    derivative = sum(x**m * math.log(x) for x in p.tolist())
    assert loss(p) == pytest.approx(derivative, abs=1e-4 if n < 8 else 3e-4)
    assert loss(p) == pytest.approx((energy(p, d) - energy(p, -d)) / (2 * d), rel=1e-6)


@pytest.mark.parametrize("n", SIZES)
def test_t3_expansion_around_the_number_of_candidates(n: int) -> None:  # equations 12 and 15
    p = drawn(n)
    assert energy(p, 0) == n
    limit = 0.5 * sum(math.log(x) ** 2 for x in p.tolist())
    errors = [abs((energy(p, m) - n - m * loss(p)) / m**2 - limit) for m in (1e-2, 1e-3)]
    assert errors[1] < 0.15 * errors[0] and errors[1] < 0.01 * limit


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("m", [-2, -1, -0.1, 0.1, 1, 2])
def test_t4_geometric_below_arithmetic_mean(n: int, m: float) -> None:  # equation 16
    p, uniform = drawn(n), torch.full((n,), 1 / n, dtype=torch.float64)
    assert math.exp(m * loss(p) / n) < energy(p, m) / n
    assert math.exp(m * loss(uniform) / n) == pytest.approx(energy(uniform, m) / n, rel=1e-12)


@pytest.mark.parametrize("n", SIZES)
def test_t5_power_means_enclose_the_loss(n: int) -> None:  # equations 17 and 18
    p = drawn(n)

    def mean(m: float) -> float:
        return (energy(p, m) / n) ** (1 / m)

    middle = math.exp(loss(p) / n)
    orders = [-2, -1, -0.5, -0.1, -0.01, 0.01, 0.1, 0.5, 1, 2]
    means = [mean(m) for m in orders]
    assert means == sorted(means) and means[4] <= middle <= means[5]
    for sign in (-1, 1):
        gaps = [abs(mean(sign * m) - middle) for m in (0.1, 0.01)]
        assert gaps[1] == pytest.approx(gaps[0] / 10, rel=0.25)


@pytest.mark.parametrize("n", SIZES)
def test_t6_gradient_of_the_energy_over_m_becomes_the_losses(n: int) -> None:  # equations 19 to 21
    p = drawn(n).requires_grad_()
    (gradient,) = torch.autograd.grad(ssr(p.log(), p, torch.ones(n, dtype=torch.bool)), p)
    torch.testing.assert_close(gradient, 1 / p.detach(), rtol=1e-12, atol=0)
    for m in (-1e-6, 1e-6):  # m |p|^(m-2) p, with m and not |m|: the sign below 0 is the paper's slip
        (of_energy,) = torch.autograd.grad(p.pow(m).sum(), p)
        torch.testing.assert_close(of_energy / m, gradient, rtol=1e-4, atol=0)
    ratio = p.detach() ** (1e-3 - 2) * p.detach() ** 2
    torch.testing.assert_close(ratio, torch.ones_like(ratio), rtol=0, atol=6e-3)


@pytest.mark.parametrize("n", SIZES)
def test_t7_largest_at_uniform_symmetric_and_concave(n: int) -> None:  # equation 9
    uniform = torch.full((n,), 1 / n, dtype=torch.float64)
    p, q = drawn(n), drawn(n, 1)
    assert loss(uniform) == pytest.approx(-n * math.log(n), rel=1e-12)
    assert loss(p) < loss(uniform)
    assert loss(p.flip(0)) == pytest.approx(loss(p), rel=1e-14)
    for t in (0.1, 0.5, 0.9):
        assert loss(t * p + (1 - t) * q) > t * loss(p) + (1 - t) * loss(q)
    for k in range(n):  # any candidate that vanishes, whatever the others do
        values = [
            loss(torch.cat((p[:k], torch.full((1,), tiny, dtype=torch.float64), p[k + 1 :])))
            for tiny in (1e-3, 1e-30, 1e-300)
        ]
        assert values[0] > values[1] > values[2] and values[2] < -600


@pytest.mark.parametrize(("n", "expected"), [(5, -8.047), (9, -19.775), (10, -23.026)])
def test_start_of_a_choice(n: int, expected: float) -> None:
    assert loss(torch.full((n,), 1 / n, dtype=torch.float64)) == pytest.approx(expected, abs=5e-4)


def closed_form(kind: str, relaxation: str, a: list[float]) -> list[float]:
    """Section 4.2, in plain Python."""
    sg = [1 / (1 + math.exp(-x)) for x in a] if relaxation == "sigmoid" else [math.exp(x) for x in a]
    p = [x / sum(sg) for x in sg]
    damp = [1 - x if relaxation == "sigmoid" else 1.0 for x in sg]
    if kind == "ssr":
        return [d * (1 - len(a) * q) for d, q in zip(damp, p, strict=True)]
    entropy = -sum(q * math.log(q) for q in p)
    return [-d * q * (math.log(q) + entropy) for d, q in zip(damp, p, strict=True)]


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("relaxation", ["sigmoid", "softmax"])
@pytest.mark.parametrize(("kind", "regularizer"), [("ssr", ssr), ("entropy", information_entropy)])
def test_logit_gradients(kind: str, regularizer: Callable[..., Tensor], relaxation: str, n: int) -> None:
    """With two dead candidates among the living, and a second choice beside the first."""
    generator = torch.Generator().manual_seed(n)
    logits = (3 * torch.randn(2, n + 2, dtype=torch.float64, generator=generator)).requires_grad_()
    alive = torch.ones(2, n + 2, dtype=torch.bool)
    alive[:, [0, n // 2 + 1]] = False
    relaxed = SigmoidNormalised() if relaxation == "sigmoid" else Softmax()
    regularizer(relaxed.log_probabilities(logits, alive), logits, alive).sum().backward()
    assert logits.grad is not None
    for row in range(2):
        living = [k for k in range(n + 2) if alive[row, k]]
        expected = closed_form(kind, relaxation, logits[row, living].tolist())
        assert logits.grad[row, living].tolist() == pytest.approx(expected, abs=1e-12)
        assert (logits.grad[row, ~alive[row]] == 0).all()


def push(regularizer: Callable[..., Tensor], relaxed: SigmoidNormalised | Softmax, values: list[float]) -> list[float]:
    logits = torch.tensor(values, dtype=torch.float64, requires_grad=True)
    alive = torch.ones(len(values), dtype=torch.bool)
    regularizer(relaxed.log_probabilities(logits, alive), logits, alive).backward()
    assert logits.grad is not None
    return [-g for g in logits.grad.tolist()]


def test_descent_raises_the_strong_and_lowers_the_weak() -> None:
    for relaxed in (SigmoidNormalised(), Softmax()):
        upward = push(ssr, relaxed, [2.0, 1.0, -1.0, -2.0])
        assert upward[0] > 0 and upward[2] < 0 and upward[3] < 0
        assert push(ssr, relaxed, [0.3] * 4) == pytest.approx([0.0] * 4, abs=1e-15)


def test_the_push_on_a_loser_stays_for_ssr_and_dies_for_entropy() -> None:
    for relaxed in (SigmoidNormalised(), Softmax()):
        assert push(ssr, relaxed, [0.0, -20.0])[1] == pytest.approx(-1, abs=1e-6)
        assert abs(push(information_entropy, relaxed, [0.0, -20.0])[1]) < 1e-6


def test_gradient_sums_to_zero_under_softmax_alone() -> None:
    values = [1.0, 0.2, -0.7]
    assert sum(push(ssr, Softmax(), values)) == pytest.approx(0, abs=1e-12)
    assert abs(sum(push(ssr, SigmoidNormalised(), values))) > 0.05


def test_ssr_is_unbounded_on_a_face_and_zero_when_decided() -> None:
    logits = torch.tensor([0.0, 0.0, -500.0], dtype=torch.float64)
    alive = torch.tensor([True, True, True])
    assert float(ssr(Softmax().log_probabilities(logits, alive), logits, alive)) < -500
    only = torch.tensor([True, False, False])
    assert float(ssr(Softmax().log_probabilities(logits, only), logits, only)) == 0


REGULARIZERS = [ssr, information_entropy, zero_one_l1, zero_one_l2, none]
NAMES = [regularizer.__name__ for regularizer in REGULARIZERS]


@pytest.mark.parametrize("regularizer", REGULARIZERS, ids=NAMES)
@pytest.mark.parametrize("shape", [(4,), (3, 4), (2, 3, 2, 5)], ids=str)
def test_one_value_for_each_choice(regularizer: Callable[..., Tensor], shape: tuple[int, ...]) -> None:
    """That of the choice by itself, whatever the others are."""
    logits, alive = torch.randn(shape, dtype=torch.float64), torch.rand(shape) < 0.7
    log_p = SigmoidNormalised().log_probabilities(logits, alive)
    found = regularizer(log_p, logits, alive)
    assert found.shape == shape[:-1]
    rows = zip(log_p.reshape(-1, shape[-1]), logits.reshape(-1, shape[-1]), alive.reshape(-1, shape[-1]), strict=True)
    assert found.flatten().tolist() == pytest.approx([float(regularizer(*row)) for row in rows], abs=1e-14)


def test_sums_over_the_candidates_of_each_choice() -> None:
    log_p = torch.stack((drawn(4, 1).log(), drawn(4, 2).log()))[:, None]
    alive = torch.ones_like(log_p, dtype=torch.bool)
    alive[1, 0, 3] = False
    first, second = log_p[0, 0].tolist(), log_p[1, 0].tolist()[:3]
    assert ssr(log_p, log_p, alive).tolist() == [[pytest.approx(sum(values), rel=1e-12)] for values in (first, second)]
    entropies = [[pytest.approx(-sum(math.exp(v) * v for v in values), rel=1e-12)] for values in (first, second)]
    assert information_entropy(log_p, log_p, alive).tolist() == entropies


ZERO_ONE = pytest.mark.parametrize(
    ("regularizer", "value", "slope"),
    [
        (zero_one_l1, lambda s: abs(s - 0.5), lambda s: math.copysign(s * (1 - s), s - 0.5)),
        (zero_one_l2, lambda s: (s - 0.5) ** 2, lambda s: 2 * (s - 0.5) * s * (1 - s)),
    ],
    ids=("l1", "l2"),
)


def zero_one_case() -> tuple[Tensor, Tensor, list[list[float]]]:
    """Logits of two choices, the masks, and the sigmoids of the survivors."""
    logits = torch.tensor([[1.0, -2.0, 0.3], [4.0, -0.1, 30.0]], dtype=torch.float64, requires_grad=True)
    alive = torch.tensor([[True, True, False], [True, True, True]])
    return logits, alive, [[1 / (1 + math.exp(-a)) for a in values] for values in ((1.0, -2.0), (4.0, -0.1, 30.0))]


@ZERO_ONE
def test_zero_one(
    regularizer: Callable[..., Tensor], value: Callable[[float], float], slope: Callable[[float], float]
) -> None:
    logits, alive, sigmoids = zero_one_case()
    result = regularizer(logits, logits, alive)
    result.sum().backward()
    assert result.tolist() == pytest.approx([-sum(map(value, choice)) for choice in sigmoids], rel=1e-12)
    assert logits.grad is not None
    assert logits.grad[alive].tolist() == pytest.approx([-slope(s) for choice in sigmoids for s in choice], abs=1e-14)
    assert logits.grad[0, 2] == 0
    assert abs(float(logits.grad[1, 2])) < 1e-12  # vanishes at the vertex


def test_fairdarts_takes_the_mean_over_the_level() -> None:
    """``-1/N sum (sg(a) - 1/2)^2`` over all N living logits of all choices, once the choices are summed."""
    logits, alive, sigmoids = zero_one_case()
    every = [s for choice in sigmoids for s in choice]
    result = mean_zero_one(logits, logits, alive)
    assert result.tolist() == pytest.approx(
        [-sum((s - 0.5) ** 2 for s in choice) / 5 for choice in sigmoids], rel=1e-12
    )
    result.sum().backward()
    assert float(result.detach().sum()) == pytest.approx(-sum((s - 0.5) ** 2 for s in every) / 5, rel=1e-12)
    assert logits.grad is not None and logits.grad[0, 2] == 0
    assert logits.grad[alive].tolist() == pytest.approx([-2 * (s - 0.5) * s * (1 - s) / 5 for s in every], abs=1e-14)


@pytest.mark.parametrize(("logit", "flat"), [(0.0, True), (40.0, True), (-40.0, True), (1.0, False), (-1.0, False)])
def test_fairdarts_is_flat_in_the_middle_and_at_both_ends(logit: float, flat: bool) -> None:
    """In between the descent leads away from 1/2."""
    logits = torch.full((2, 3), logit, dtype=torch.float64, requires_grad=True)
    mean_zero_one(logits, logits, torch.ones(2, 3, dtype=torch.bool)).sum().backward()
    assert logits.grad is not None
    if flat:
        assert logits.grad.abs().max() < 1e-12
    else:
        assert (logits.grad * math.copysign(1.0, logit) < -0.01).all()


@pytest.mark.parametrize("level", [(3, 5), (13, 10, 2, 9)], ids=str)
def test_fairdarts_does_not_grow_with_the_level(level: tuple[int, ...]) -> None:
    logits, alive = torch.full(level, 1.3, dtype=torch.float64), torch.ones(level, dtype=torch.bool)
    expected = -((1 / (1 + math.exp(-1.3)) - 0.5) ** 2)
    assert float(mean_zero_one(logits, logits, alive).sum()) == pytest.approx(expected, rel=1e-12)


def test_fairdarts_without_survivors_costs_nothing() -> None:
    assert mean_zero_one(torch.randn(2, 3), torch.randn(2, 3), torch.zeros(2, 3, dtype=torch.bool)).tolist() == [
        0.0,
        0.0,
    ]


def test_zero_one_l2_is_flat_in_the_middle() -> None:
    logits = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    zero_one_l2(logits, logits, torch.ones(3, dtype=torch.bool)).backward()
    assert logits.grad is not None and not logits.grad.any()


@pytest.mark.parametrize("regularizer", REGULARIZERS, ids=NAMES)
def test_no_choice_left_costs_nothing(regularizer: Callable[..., Tensor]) -> None:
    logits = torch.randn(2, 3, requires_grad=True)
    alive = torch.zeros(2, 3, dtype=torch.bool)
    result = regularizer(SigmoidNormalised().log_probabilities(logits, alive), logits, alive)
    result.sum().backward()
    assert result.tolist() == [0.0, 0.0] and logits.grad is not None and not logits.grad.any()


def test_none_is_zero_with_a_zero_gradient() -> None:
    logits = torch.randn(4, requires_grad=True)
    result = none(logits, logits, torch.ones(4, dtype=torch.bool))
    result.backward()
    assert float(result.detach()) == 0 and logits.grad is not None and not logits.grad.any()
