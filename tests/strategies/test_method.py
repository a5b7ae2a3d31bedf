"""Options of a search method: the paper's weights, and every range."""

import pytest

from nas_space.errors import InputError
from strategies.method import MethodOptions, Rho


def test_weights_and_threshold_are_the_papers() -> None:
    method = MethodOptions()
    method.check()
    assert (method.rho.depth, method.rho.operator, method.rho.width, method.h) == (0.15, 0.30, 0.30, 0.1)
    assert method.arch_split is None


@pytest.mark.parametrize(
    ("method", "key"),
    [
        (MethodOptions(lr=-1.0), "lr"),
        (MethodOptions(lr=float("nan")), "lr"),
        (MethodOptions(lr=float("inf")), "lr"),
        (MethodOptions(weight_decay=-0.1), "weight_decay"),
        (MethodOptions(h=1.0), "h"),
        (MethodOptions(h=-0.1), "h"),
        (MethodOptions(h=float("nan")), "h"),
        (MethodOptions(warmup=1.0), "warmup"),
        (MethodOptions(explore=1.5), "explore"),
        (MethodOptions(ramp=-0.1), "ramp"),
        (MethodOptions(ramp=float("nan")), "ramp"),
        (MethodOptions(warmup=0.2, explore=0.1, ramp=0.7), "ramp"),
        (MethodOptions(rho=Rho(depth=-1)), "rho.depth"),
        (MethodOptions(rho=Rho(operator=float("nan"))), "rho.operator"),
        (MethodOptions(rho=Rho(width=float("inf"))), "rho.width"),
        (MethodOptions(arch_split=0.0), "arch_split"),
        (MethodOptions(arch_split=1.0), "arch_split"),
        (MethodOptions(arch_split=float("nan")), "arch_split"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_out_of_range_names_the_key(method: MethodOptions, key: str) -> None:
    with pytest.raises(InputError, match=rf"^method\.{key}: .*must be"):
        method.check()


@pytest.mark.parametrize(
    "method",
    [
        MethodOptions(h=0.0),
        MethodOptions(arch_split=0.5),
        MethodOptions(warmup=0.5, explore=0.4),
        MethodOptions(ramp=0.4),
    ],
)
def test_the_ends_of_the_ranges(method: MethodOptions) -> None:
    method.check()
