"""Figures of a confusion matrix: what stands in them, against scikit-learn."""

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from sklearn.metrics import confusion_matrix as reference_matrix
from sklearn.metrics import jaccard_score

from experiments.metrics.miou import confusion_matrix
from experiments.report.confusion import confusion_figure, scores_figure


def test_a_confusion_matrix_names_its_classes_and_shares() -> None:
    figure = confusion_figure(np.array([[3, 1], [0, 0]]), ["$road$", "sky_1"])
    FigureCanvasAgg(figure).draw()  # tick labels are written again when they are drawn
    (axes,) = figure.axes
    for labels in (axes.get_xticklabels(), axes.get_yticklabels()):
        assert [label.get_text() for label in labels] == ["$road$", "sky_1"]
        assert not any(label.get_parse_math() for label in labels)
    assert [text.get_text() for text in axes.texts] == ["75", "25", "0", "0"]  # shares of each label's pixels


def test_scores_are_those_of_another_library() -> None:
    rng = np.random.default_rng(0)
    label = rng.integers(0, 4, 500)
    prediction = np.where(rng.random(500) < 0.6, label, rng.integers(0, 4, 500))
    counts = confusion_matrix(torch.from_numpy(prediction), torch.from_numpy(label), 4).numpy()
    matrix, bars = scores_figure(counts, list("abcd")).axes
    shares = reference_matrix(label, prediction, normalize="true")
    np.testing.assert_allclose(matrix.images[0].get_array(), shares)
    iou = 100 * jaccard_score(label, prediction, average=None)
    np.testing.assert_allclose([bar.get_width() for bar in bars.patches], iou)
    assert [text.get_text() for text in bars.texts] == [f" {value:.1f}" for value in iou]
    # The bar of a class lies beside its row.
    assert [bar.get_y() + bar.get_height() / 2 for bar in bars.patches] == [0, 1, 2, 3]
    assert bars.get_ylim() == matrix.get_ylim()


def test_a_class_that_never_occurs_has_no_score() -> None:
    _, bars = scores_figure(np.array([[3, 1, 0], [0, 2, 0], [0, 0, 0]]), ["a", "b", "c"]).axes
    assert [text.get_text() for text in bars.texts] == [" 75.0", " 66.7", " in no label, never predicted"]
