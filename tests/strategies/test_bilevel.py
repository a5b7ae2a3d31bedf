"""The second order of the bi-level step: the unrolled gradient against the analytic one and double backward."""

import pytest
import torch
from torch import Tensor, nn

from strategies.bilevel import unrolled_gradient

SEEDS = range(4)


class Quadratic:
    """``L_train = 1/2 (w - B a)^T H (w - B a)``, ``L_val = 1/2 |w - c|^2 + 1/2 |a|^2``; w and a in two parts."""

    def __init__(self, seed: int, weights: tuple[int, int] = (4, 3), logits: tuple[int, int] = (2, 3)) -> None:
        generator = torch.Generator().manual_seed(seed)

        def normal(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator, dtype=torch.float64)

        n = sum(weights)
        root = normal(n, n)
        self.h, self.b, self.c = root @ root.T / n + 0.1 * torch.eye(n), normal(n, sum(logits)), normal(n)
        self.w = tuple(nn.Parameter(normal(size)) for size in weights)
        self.a = tuple(nn.Parameter(normal(size)) for size in logits)

    def train(self) -> Tensor:
        rest = torch.cat(self.w) - self.b @ torch.cat(self.a)
        return 0.5 * rest @ self.h @ rest

    def val(self) -> Tensor:
        return 0.5 * (torch.cat(self.w) - self.c).square().sum() + 0.5 * torch.cat(self.a).square().sum()

    def analytic(self, xi: float) -> tuple[Tensor, float]:
        """``a + xi B^T H (w' - c)`` with ``w' = w - xi H (w - B a)``, and the loss at w'."""
        w, a = torch.cat(self.w).detach(), torch.cat(self.a).detach()
        stepped = w - xi * self.h @ (w - self.b @ a)
        value = 0.5 * (stepped - self.c).square().sum() + 0.5 * a.square().sum()
        return a + xi * self.b.T @ self.h @ (stepped - self.c), float(value)


def bits(parameters: list[nn.Parameter]) -> list[list[int]]:
    kinds = {torch.float64: torch.int64, torch.float32: torch.int32}
    return [p.detach().view(kinds[p.dtype]).flatten().tolist() for p in parameters]


@pytest.mark.parametrize("xi", [0.001, 0.01, 0.1, 0.5, 2.0])
@pytest.mark.parametrize("seed", SEEDS)
def test_the_analytic_gradient_of_a_quadratic(seed: int, xi: float) -> None:
    toy = Quadratic(seed)
    gradients, value = unrolled_gradient(toy.train, toy.val, toy.w, toy.a, xi)
    assert [g.shape for g in gradients] == [a.shape for a in toy.a]
    expected, loss = toy.analytic(xi)
    assert float((torch.cat(gradients) - expected).norm() / expected.norm()) < 1e-4
    # The second-order part by itself, which is small beside the first where xi is.
    a = torch.cat(toy.a).detach()
    assert float((torch.cat(gradients) - expected).norm() / (expected - a).norm()) < 1e-4
    assert float(value) == pytest.approx(loss, rel=1e-12) and not value.requires_grad


@pytest.mark.parametrize("seed", SEEDS)
def test_without_a_step_it_is_the_first_order(seed: int) -> None:
    toy = Quadratic(seed)
    gradients, value = unrolled_gradient(toy.train, toy.val, toy.w, toy.a, 0.0)
    for gradient, a in zip(gradients, toy.a, strict=True):
        torch.testing.assert_close(gradient, a.detach(), rtol=0, atol=1e-14)
    assert float(value) == float(toy.val().detach())


@pytest.mark.parametrize("xi", [0.05, 0.5])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_network_against_double_backward(seed: int, xi: float) -> None:
    """Not quadratic: the finite difference is as exact as its small step."""
    generator = torch.Generator().manual_seed(seed)
    x, y, shift = (torch.randn(8, 3, generator=generator, dtype=torch.float64) for _ in range(3))
    w = [nn.Parameter(torch.randn(3, 3, generator=generator, dtype=torch.float64)) for _ in range(2)]
    a = [nn.Parameter(torch.randn(2, generator=generator, dtype=torch.float64))]

    def loss(inputs: Tensor, first: Tensor, second: Tensor) -> Tensor:
        p = a[0].softmax(0)
        hidden = p[0] * torch.tanh(inputs @ first) + p[1] * torch.sin(inputs @ first)
        return (hidden @ second - y).square().mean()

    gradients, value = unrolled_gradient(lambda: loss(x, *w), lambda: loss(x + shift, *w), w, a, xi)
    steps = torch.autograd.grad(loss(x, *w), w, create_graph=True)
    exact = loss(x + shift, *(part - xi * step for part, step in zip(w, steps, strict=True)))
    (expected,) = torch.autograd.grad(exact, a)
    (first_order,) = torch.autograd.grad(
        loss(x + shift, *(part - xi * step.detach() for part, step in zip(w, steps, strict=True))), a
    )
    error = float((gradients[0] - expected).norm())
    assert error < 1e-3 * float(expected.norm()) and error < 1e-2 * float((first_order - expected).norm())
    assert float(value) == pytest.approx(float(exact.detach()), rel=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("xi", [0.0, 0.1, 1e4])
def test_weights_come_back_bit_for_bit(dtype: torch.dtype, xi: float) -> None:
    w = [
        nn.Parameter(torch.randn(50, dtype=dtype) * 10.0 ** torch.randint(-30, 10, (50,))),
        nn.Parameter(torch.randn(3, 2, dtype=dtype)),
    ]
    a = [nn.Parameter(torch.randn(3, dtype=dtype))]
    before, logits = bits(w), bits(a)
    unrolled_gradient(
        lambda: (w[0].tanh().sum() - a[0].sum()) ** 2 + (w[1].T @ a[0]).sum(),
        lambda: w[0].sigmoid().sum() + w[1].square().sum(),
        w,
        a,
        xi,
    )
    assert bits(w) == before and bits(a) == logits
    assert all(p.grad is None and p.requires_grad for p in [*w, *a])


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_negative_zero_comes_back_as_such(sign: float) -> None:
    w, a = [nn.Parameter(torch.tensor([-0.0, 0.0]))], [nn.Parameter(torch.ones(2))]
    before = bits(w)
    unrolled_gradient(lambda: (w[0] * a[0]).sum(), lambda: sign * w[0].sum(), w, a, 0.1)
    assert bits(w) == before


def test_weights_survive_a_gradient_that_is_not_finite() -> None:
    """The root has slope infinity at 0; a search may skip the step, but not lose its weights."""
    w, a = [nn.Parameter(torch.tensor([0.0, 1.0]))], [nn.Parameter(torch.ones(2))]
    before = bits(w)
    unrolled_gradient(lambda: (w[0] * 0.0 * a[0]).sum(), lambda: w[0].sqrt().sum(), w, a, 0.1)
    assert bits(w) == before


@pytest.mark.parametrize("place", ["neither", "train", "val"])
def test_a_weight_without_influence(place: str) -> None:
    toy = Quadratic(0)
    idle = nn.Parameter(torch.ones(2, dtype=torch.float64))
    gradients, _ = unrolled_gradient(
        lambda: toy.train() + (idle.square().sum() if place == "train" else 0),
        lambda: toy.val() + (idle.square().sum() if place == "val" else 0),
        [*toy.w, idle],
        toy.a,
        0.1,
    )
    expected, _ = toy.analytic(0.1)  # a weight that the logits do not touch adds nothing
    torch.testing.assert_close(torch.cat(gradients), expected, rtol=1e-6, atol=1e-9)
    assert idle.tolist() == [1.0, 1.0]


@pytest.mark.parametrize("place", ["neither", "train", "val"])
def test_a_logit_without_influence(place: str) -> None:
    """In training alone and apart from the weights its mixed derivative is 0; in validation it has its own slope."""
    toy = Quadratic(1)
    idle = nn.Parameter(torch.full((2,), 3.0, dtype=torch.float64))
    gradients, _ = unrolled_gradient(
        lambda: toy.train() + (idle.square().sum() if place == "train" else 0),
        lambda: toy.val() + (idle.square().sum() if place == "val" else 0),
        toy.w,
        [*toy.a, idle],
        0.1,
    )
    assert gradients[-1].tolist() == pytest.approx([6.0, 6.0] if place == "val" else [0.0, 0.0], abs=1e-9)
    torch.testing.assert_close(torch.cat(gradients[:-1]), toy.analytic(0.1)[0], rtol=1e-6, atol=1e-9)


def test_weights_that_validation_ignores() -> None:
    """No direction for the finite difference: what is left is the first order."""
    toy = Quadratic(2)
    gradients, _ = unrolled_gradient(toy.train, lambda: torch.cat(toy.a).pow(3).sum(), toy.w, toy.a, 0.1)
    torch.testing.assert_close(torch.cat(gradients), 3 * torch.cat(toy.a).detach() ** 2, rtol=1e-12, atol=0)
