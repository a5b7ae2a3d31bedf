"""Pictures show what they are given."""

import torch
from torch import nn

from experiments.data import load
from experiments.options.groups import DataOptions
from experiments.report.figures import png
from experiments.report.gallery import colour_map, predict, side_by_side, validation_figure


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


def test_any_name_of_a_file_or_class_is_drawn() -> None:
    for name in ("$\\frac{$", "a_b $x$", "base #2", "caf\udce9"):
        assert png(side_by_side([[torch.eye(5).numpy()]], [name], [name], [(0, 0, 0)]))
