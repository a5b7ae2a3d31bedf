"""Single choices of a search: their candidates, numbers and ends, as a search's file holds them."""

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from experiments.report.choices import (
    Choice,
    choices_of,
    probabilities_figure,
    read_history,
    searches_figure,
    shown_labels,
)
from experiments.report.figures import png
from experiments.runs.probabilities import probability_metrics, write_probabilities
from nas_space.architecture import Architecture, Layer, baseline1
from nas_space.config import SpaceConfig
from nas_space.errors import InputError
from nas_space.expected_cost import Probabilities
from strategies.alive import Alive, candidate_labels

pytestmark = pytest.mark.usefixtures("real_figures")


def history(space: SpaceConfig, epochs: int = 3) -> Probabilities:
    generator = torch.Generator().manual_seed(0)
    levels = [torch.rand((epochs, *mask.shape), generator=generator) * mask for mask in Alive.full(space)]
    return Probabilities(*(level / level.sum(-1, keepdim=True).clamp(min=1e-9) for level in levels))


def test_a_choice_has_the_numbers_of_its_label(tiny: Callable[..., SpaceConfig]) -> None:
    space = tiny()
    choices = choices_of(space, history(space))
    assert len(choices) == space.sizes()["choices"]
    np.testing.assert_allclose([choice.probabilities.sum(-1) for choice in choices.values()], 1, rtol=1e-6)
    operator = choices["stage2/layer1/op"]  # the fourth layer of all
    assert operator.candidates == ("d1s1", "d2s1", "d4s1", "d1s2", "d2s2", "d4s2")
    np.testing.assert_allclose(operator.probabilities, history(space).operator[:, 3])
    width = choices["stage1/layer2/d4s1/width_1x3"]
    assert width.candidates == ("4", "6", "8")
    np.testing.assert_allclose(width.probabilities, history(space).width[:, 1, 2, 1])
    assert choices["stage2/depth"].candidates == ("1", "3")


def test_what_is_not_searched_is_no_choice(tiny: Callable[..., SpaceConfig]) -> None:
    space = tiny(("dilation",))
    layers = [
        f"stage{stage}/layer{layer}" for stage, many in enumerate(space.layers, 1) for layer in range(1, many + 1)
    ]
    assert set(choices_of(space, history(space))) == {f"{layer}/op" for layer in layers}
    now = Probabilities(*(level[0] for level in history(space)))
    expected = {f"prob/{layer}/op/d{dilation}s1" for layer in layers for dilation in (1, 2, 4)}
    assert set(probability_metrics(space, now)) == expected


def test_a_logger_gets_the_numbers_of_depths_and_operators(tiny: Callable[..., SpaceConfig]) -> None:
    space = tiny()
    now = Probabilities(*(level[0] for level in history(space)))
    metrics = probability_metrics(space, now)
    table = candidate_labels(space)
    assert len(metrics) == len(table["depth"]) + len(table["operator"])
    assert metrics["prob/stage2/depth/3"] == float(now.depth[1, 1])
    assert metrics["prob/stage2/layer1/op/d2s2"] == float(now.operator[3, 4])


def test_the_found_network_says_which_choices_are_shown(tiny: Callable[..., SpaceConfig]) -> None:
    first, second = Layer(1, 1, 8, 8), Layer(4, 2, 12, 12)
    architecture = Architecture(tiny(), ((first, Layer(2, 1, 8, 8)), (second,)))
    assert shown_labels(architecture) == [
        *("stage1/depth", "stage2/depth", "stage1/layer1/op", "stage1/layer2/op", "stage2/layer1/op"),
        *("stage1/layer1/d1s1/width_3x1", "stage1/layer2/d2s1/width_3x1", "stage2/layer1/d4s2/width_3x1"),
    ]


def test_a_line_ends_where_its_candidate_leaves() -> None:
    values = np.array([[0.5, 0.3, 0.2], [0.6, 0.3, 0.1], [0.7, 0.3, 0.0], [1.0, 0.0, 0.0]])
    choice = Choice("stage1/layer1/op", ("d1s1", "d2s1", "d1s2"), values)
    figure = searches_figure({"a $\\frac{$-0": ([1, 2, 4, 8], [choice])})
    best, second, cross, third, other_cross = figure.axes[0].lines
    assert best.get_xydata().tolist() == [[1, 0.5], [2, 0.6], [4, 0.7], [8, 1.0]]
    assert second.get_xydata().tolist() == [[1, 0.3], [2, 0.3], [4, 0.3]]
    assert third.get_xydata().tolist() == [[1, 0.2], [2, 0.1]]
    assert cross.get_xydata().tolist() == [[4, 0.3]] and other_cross.get_xydata().tolist() == [[2, 0.1]]
    assert best.get_linewidth() > second.get_linewidth() == third.get_linewidth()
    # Dilation is the colour, pooling the dashes.
    assert best.get_color() == third.get_color() != second.get_color()
    assert (best.get_linestyle(), third.get_linestyle()) == ("-", "--")
    assert figure.axes[0].get_title(loc="left") == "a $\\frac{$-0: stage1/layer1/op" and png(figure)


def test_the_figure_of_a_run(tmp_path: Path, tiny: Callable[..., SpaceConfig]) -> None:
    space = tiny()
    (tmp_path / "architecture.json").write_text(Architecture.random(space, random.Random(0)).to_json())
    with pytest.raises(InputError, match="probabilities.npz: no such file"):
        probabilities_figure(tmp_path)
    logged = history(space)
    write_probabilities(tmp_path, [1, 2, 3], [Probabilities(*(level[i] for level in logged)) for i in range(3)])
    assert read_history(tmp_path, space)[0] == [1, 2, 3]
    figure = probabilities_figure(tmp_path)
    shown = [axes.get_title(loc="left") for axes in figure.axes if axes.get_title(loc="left")]
    assert shown == shown_labels(Architecture.load(tmp_path / "architecture.json"))
    assert shown_labels(baseline1(space))[2] == "stage1/layer1/op"
