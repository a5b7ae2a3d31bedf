"""What is refused of NNI model spaces that are not ours, and which defaults hold there."""

from collections.abc import Callable
from typing import Any

import nni
import pytest
from nni.nas.nn.pytorch import (
    InputChoice,
    LayerChoice,
    ModelSpace,
    MutableBatchNorm2d,
    MutableConv2d,
    MutableDropout,
    MutableLayerNorm,
    MutableLinear,
    MutableModule,
)
from torch import nn

from nas_space.config import SpaceConfig
from nas_space.errors import InputError
from nas_space.space import JointSpace
from strategies.constraint import Constraint
from strategies.method import MethodOptions
from strategies.relaxation import UniformAtFirst
from strategies.ssr import ANY_SPACE, SSR, SSRInformationEntropy
from tests.strategies.any_spaces import Space


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
