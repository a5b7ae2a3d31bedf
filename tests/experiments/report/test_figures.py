"""The figures show the numbers they are given."""

import json

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from matplotlib.text import Text

from experiments.report.choices import Choice, search_figure
from experiments.report.figures import (
    LEVELS,
    alive_figure,
    architecture_figure,
    comparison_figure,
    entropy_figure,
    front_figure,
    miou_figure,
    pareto_figure,
    png,
    training_figure,
)
from experiments.report.fit_figures import latency_figure
from nas_space.architecture import baseline2
from nas_space.config import SpaceConfig, operator_name

pytestmark = pytest.mark.usefixtures("real_figures")

METRICS = pd.DataFrame(
    {
        "epoch": [1, 2, 3],
        "miou": [0.1, None, 0.3],
        "loss_w": [2.0, 1.0, 0.5],
        "loss_a": [0.5, -0.5, -1.5],
        "entropy": [9.0, 3.0, 0.0],
        **{f"entropy_{level}": [3.0, 1.0, 0.0] for level in LEVELS},
    }
)


def lines(figure: Figure, panel: int) -> list[tuple[list[float], list[float]]]:
    """Points of a panel's lines, those over all its height left out."""
    drawn = [
        (list(map(float, line.get_xdata())), list(map(float, line.get_ydata()))) for line in figure.axes[panel].lines
    ]
    return [(x, y) for x, y in drawn if y != [0.0, 1.0]]


def test_training_curves_show_stages_and_skip_what_was_not_validated() -> None:
    metrics = METRICS.assign(stage=["encoder", "encoder", "aggregation"], val_loss=[1.5, None, 0.75])
    figure = training_figure(metrics)
    assert lines(figure, 0) == [([1.0, 3.0], [10.0, 30.0])]
    assert lines(figure, 1)[:2] == [([1.0, 2.0, 3.0], [2.0, 1.0, 0.5]), ([1.0, 3.0], [1.5, 0.75])]
    assert [text.get_text().strip() for text in figure.axes[0].texts] == ["encoder", "aggregation"]
    assert not training_figure(metrics.assign(stage="encoder")).axes[0].texts


def test_scores_are_drawn_with_the_resolution_of_their_labels() -> None:
    rows = {"epoch": [1, 2], "stage": ["a", "a"], "loss_w": [1.0, 0.5], "loss_a": [1.0, 0.5], "miou": [0.1, 0.2]}
    plain, named = pd.DataFrame(rows | {"val_loss": [1.0, 1.0]}), pd.DataFrame(rows | {"val_loss": [1.0, 1.0]})
    named["miou_resolution"] = "12x16"
    for draw in (training_figure, lambda metrics: miou_figure(metrics, None, 0.2)):
        assert draw(plain).axes[0].get_title(loc="left") == "validation mIoU (%)"
        assert draw(named).axes[0].get_title(loc="left") == "validation mIoU (%), labels at 12x16"
    network = {"epoch": 1, "macs_total": 1e6, "miou": 0.2, "front": True}
    assert pareto_figure([network]).axes[0].get_title(loc="left") == "validation mIoU (%), by epoch or trial"
    named_network = {**network, "miou_resolution": "12x16"}
    assert (
        pareto_figure([named_network]).axes[0].get_title(loc="left").startswith("validation mIoU (%), labels at 12x16")
    )


def test_entropy_of_every_level() -> None:
    figure = entropy_figure(METRICS, discrete_epoch=3)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["all levels", *LEVELS]
    assert lines(figure, 0) == [([1.0, 2.0, 3.0], [9.0, 3.0, 0.0])]


def test_removals_are_drawn_at_the_end_of_their_epoch() -> None:
    # 7 candidates during epochs 1 and 2, 4 from the end of epoch 2 on.
    alive = pd.DataFrame({"epoch": [1, 2, 3], **{level: [7, 7, 4] for level in LEVELS}})
    figure = alive_figure(alive, discrete_epoch=2)
    assert lines(figure, 2) == [([0.0, 1.0, 2.0], [7.0, 7.0, 4.0])]
    assert {line.get_drawstyle() for line in figure.axes[2].lines} == {"steps-post", "default"}


def test_epochs_without_validation_are_bridged_and_negative_losses_seen() -> None:
    figure = miou_figure(METRICS, discrete_epoch=None, derived=0.25)
    curve, star = lines(figure, 0)
    assert curve == ([1.0, 3.0], pytest.approx([10.0, 30.0])) and star == ([3.0], [25.0])
    assert figure.axes[1].get_ylim()[0] <= -1.5
    assert figure.axes[0].get_ylim()[0] == 0


def test_boxes_are_as_wide_as_their_convolutions() -> None:
    space = {"stem": 8, "widths": [16, 32], "dilations": [1, 4], "poolings": [1, 2]}
    first = {"dilation": 1, "pooling": 1, "width_3x1": 12, "width_1x3": 16}
    second = {"dilation": 4, "pooling": 2, "width_3x1": 24, "width_1x3": 32}
    stages = [[first], [second]]
    figure = architecture_figure({"schema": 1, "space": space, "stages": stages})
    boxes = [
        patch for patch in figure.axes[0].patches if isinstance(patch, FancyBboxPatch) and patch.get_edgecolor()[3] > 0
    ]
    assert [round(32 * box.get_width()) for box in boxes] == [12, 16, 24, 32]
    assert [bool(box.get_hatch()) for box in boxes] == [False, False, True, True]
    assert boxes[0].get_facecolor() == boxes[1].get_facecolor() != boxes[2].get_facecolor()


def test_searches_of_a_strategy_share_a_colour() -> None:
    figure = comparison_figure({"ssr-ie-0": METRICS, "ssr-ie-1": METRICS, "darts-0": METRICS})
    colors = [line.get_color() for line in figure.axes[0].lines]
    assert colors[0] == colors[1] != colors[2]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["ssr-ie", "darts"]


def test_png_is_the_same_each_time() -> None:
    first, second = (png(entropy_figure(METRICS, None)) for _ in range(2))
    assert first == second and first.startswith(b"\x89PNG")


def test_one_epoch_is_seen() -> None:
    """A line through one point shows nothing: it has a mark."""
    one = METRICS.head(1)
    row = one.assign(stage="encoder", val_loss=1.5)
    drawn = [entropy_figure(one, None), miou_figure(one, None, None), training_figure(row)]
    for figure in [*drawn, comparison_figure({"ssr-0": one})]:
        curves = [line for axes in figure.axes for line in axes.lines]
        assert curves and all(line.get_marker() not in ("", "None") for line in curves)
    assert {line.get_marker() for axes in entropy_figure(METRICS, None).axes for line in axes.lines} == {""}


def drawn_texts(figure: Figure) -> list[Text]:
    return [text for text in figure.findobj(Text) if isinstance(text, Text) and text.get_text().strip()]


def test_letters_can_be_read_on_a_telephone_and_none_is_cut() -> None:
    """The page is 400 pixels wide, the figure 368: its letters have 9 at least, and none stands beyond the edge."""
    alive = pd.DataFrame({"epoch": [1, 2, 3], **{level: [700, 70, 4] for level in LEVELS}})
    metrics = METRICS.assign(stage=["encoder", "encoder", "aggregation"], val_loss=1.0, miou_resolution="1024x2048")
    network = {"epoch": 20, "macs_total": 1e9, "miou": 0.2, "front": True, "miou_resolution": "128x256"}
    target = {**network, "key": "latency_ms", "target": 20.0, "found": 19.0}
    race = {"name": "baseline2@20ms", "ms": 20.0, "race": 0.5, "is_hand_made": True, "is_delivered": True}
    operators = tuple(operator_name(*operator) for operator in SpaceConfig.paper().operators)
    named = {"stage2/layer10/op": operators, "stage2/layer10/d16s2/width_3x1": ("96", "104", "112", "120", "128")}
    choices = [Choice(label, names, np.full((2, len(names)), 1 / len(names))) for label, names in named.items()]
    figures = {
        "entropy": entropy_figure(metrics, 2),
        "alive": alive_figure(alive, 2),
        "miou": miou_figure(metrics, 2, 0.3),
        "training": training_figure(metrics),
        "architecture": architecture_figure(json.loads(baseline2(SpaceConfig.paper()).to_json())),
        "fusion": architecture_figure(json.loads(baseline2(SpaceConfig.pyramid()).to_json())),
        "comparison": comparison_figure({"nni-proxyless-0": METRICS, "my_module.MyStrategy-0": METRICS}),
        "front": front_figure([target]),
        "pareto": pareto_figure([network]),
        "latency": latency_figure([race], [20.0]),
        "probabilities": search_figure([1, 2], {one.label: one for one in choices}, [one.label for one in choices]),
    }
    for name, figure in figures.items():
        figure.draw_without_rendering()
        width, height = figure.get_size_inches()
        for text in drawn_texts(figure):
            assert text.get_fontsize() / 72 / width * 368 >= 9, (name, text.get_text())
        left, bottom, right, top = figure.get_tightbbox().extents
        assert min(left, bottom) >= -0.01 and right <= width + 0.01 and top <= height + 0.01, name
