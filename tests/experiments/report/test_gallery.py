"""Pictures show what they are given."""

import matplotlib
import pandas as pd
import pytest
import torch
from torch import nn

from experiments.data import load
from experiments.options.groups import DataOptions
from experiments.report import gallery
from experiments.report.figures import comparison_figure, png
from experiments.report.gallery import colour_map, predict, prediction_sheet, side_by_side, validation_figure

pytestmark = pytest.mark.usefixtures("real_figures")


class Constant(nn.Module):
    """Predicts one class everywhere, at 1/8."""

    def __init__(self, index: int, classes: int) -> None:
        super().__init__()
        self.logits = nn.functional.one_hot(torch.tensor(index), classes).float()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits ``(N, classes, ceil(H/8), ceil(W/8))``."""
        return self.logits[None, :, None, None].expand(
            len(images), -1, -(-images.shape[-2] // 8), -(-images.shape[-1] // 8)
        )


def test_colours_by_class_and_black_for_the_ignored() -> None:
    picture = colour_map(torch.tensor([[0, 1], [255, 0]], dtype=torch.uint8), [(1, 2, 3), (4, 5, 6)])
    assert picture.tolist() == [[[1, 2, 3], [4, 5, 6]], [[0, 0, 0], [1, 2, 3]]]


def test_predictions_have_the_images_size() -> None:
    prediction = predict(Constant(2, 5), torch.zeros(2, 3, 37, 50, dtype=torch.uint8))
    assert prediction.shape == (2, 37, 50) and (prediction == 2).all()


def test_the_figure_shows_image_label_and_prediction() -> None:
    data = load(DataOptions(size="32x40", limit=3))
    figure = validation_figure(Constant(1, len(data.classes)), data.val, data)
    pictures = [axes.images[0].get_array() for axes in figure.axes]
    assert len(pictures) == 9  # three images, three rows
    assert pictures[0] is not None and pictures[0].tolist() == data.val.images[0].permute(1, 2, 0).tolist()
    assert pictures[6] is not None and (pictures[6] == data.colours[1]).all()


def test_a_sheet_has_image_label_and_prediction_in_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    data = load(DataOptions(size="32x40", limit=3))
    network = Constant(1, len(data.classes))
    network.register_parameter("weight", nn.Parameter(torch.zeros(1)))
    sheet = prediction_sheet(network, data.val, data.colours, count=2)
    assert sheet.shape == (2 * 32, 3 * 40, 3) and sheet.dtype == "uint8"
    image, label, prediction = sheet[:32, :40], sheet[:32, 40:80], sheet[:32, 80:]
    assert image.tolist() == data.val.images[0].permute(1, 2, 0).tolist()
    assert label.tolist() == colour_map(data.val.labels[0], data.colours).tolist()
    assert (prediction == data.colours[1]).all()
    monkeypatch.setattr(gallery, "SHEET", 20)
    assert prediction_sheet(network, data.val, data.colours, count=2).tolist() == sheet[::2, ::2].tolist()


def test_pictures_side_by_side() -> None:
    import numpy as np

    image, panorama, small = np.zeros((30, 40, 3), np.uint8), np.zeros((4, 4000, 3), np.uint8), np.eye(5)
    figure = side_by_side([[image, small], [panorama, small]], ["image", "map"], ["road"], [(255, 0, 0)])
    assert [axes.get_title() for axes in figure.axes] == ["image", "map", "", ""]
    assert figure.axes[1].images[0].get_array().tolist() == small.tolist()
    assert figure.axes[1].images[0].get_extent() == [0, 40, 30, 0]  # as large as the image
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["road"]
    assert max(figure.get_size_inches()) < 20
    assert side_by_side([[image, small]], ["image", "map"]).legends == []


NAMES = (
    *(
        "$\\frac{$",
        "price $^{2$",
        "a $x$",
        "a $y$",
        "_background_",
        "x^2_3",
        "\\alpha {} % <b>&",
        "base #2",
        "caf\udce9",
    ),
    *(
        "\U0001f6a6",
        "\U0001f697",
        "\u05e9\u05dc\u05d5\u05dd",
        "\u4e2d\u6587",
        "\u4e2d\u56fd",
        "a\x1b[2J",
        "a\u202eb",
        "tab\tline\n",
    ),
    *("x" * 119 + "1", "x" * 119 + "2", "y" * 60 + "1" + "y" * 59, "y" * 60 + "2" + "y" * 59),
)


def test_any_name_of_a_file_or_class_is_drawn_and_different_ones_differ() -> None:
    """A warning, such as that of a missing letter, is an error in the tests."""
    with matplotlib.rc_context({"text.parse_math": True, "font.family": ["serif"]}):
        colours = [(i, i, i) for i in range(len(NAMES))]
        figure = side_by_side([[torch.eye(5).numpy()]], ["$\\frac{$"], NAMES, colours)
        assert png(figure)
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert len(set(texts)) == len(NAMES) and max(map(len, texts)) <= 28
    assert texts[:8] == list(NAMES[:8])
    box, page = figure.legends[0].get_window_extent(), figure.bbox
    assert box.width <= page.width


def test_many_titles_of_long_names_stay_apart() -> None:
    titles = ["r" * 120 + f"{i}" for i in range(6)]
    figure = side_by_side([[torch.eye(5).numpy()] * 6], titles)
    drawn = [axes.get_title() for axes in figure.axes]
    assert len(set(drawn)) == 6 and max(map(len, drawn)) <= 16 and png(figure)


def test_names_of_strategies_are_drawn_as_they_are() -> None:
    metrics = pd.DataFrame({"epoch": [1, 2], "entropy": [2.0, 1.0]})
    names = ["_mine.Gini", "a.$x$", "a.$\\frac{$", "\U0001f6a6.B"]
    figure = comparison_figure({f"{name}-0": metrics for name in names})
    assert png(figure)
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == [*names[:3], "3: \N{WHITE SQUARE}.B"]


def test_columns_of_one_network_share_its_name() -> None:
    pictures = [torch.eye(5).numpy()] * 4
    figure = side_by_side([pictures], ["image", "found", "found", "r" * 99], second_lines=["", "at 1/4", "at 1/8", "x"])
    first, *stages, last = [axes.get_title() for axes in figure.axes]
    assert (first.strip(), stages) == ("image", ["found\nat 1/4", "found\nat 1/8"])
    assert len(last.splitlines()[0]) <= 16 and png(figure)
