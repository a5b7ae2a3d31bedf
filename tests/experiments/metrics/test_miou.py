"""Scores against scikit-learn and by hand."""

import pytest
import torch
from sklearn.metrics import accuracy_score, jaccard_score

from experiments.metrics.miou import class_iou, confusion_matrix, mean_iou, pixel_accuracy


@pytest.mark.parametrize("seed", range(5))
def test_scores_equal_scikit_learn_where_all_classes_occur(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    label = torch.randint(0, 6, (3, 20, 30), generator=generator)
    guesses = torch.randint(0, 6, label.shape, generator=generator)
    prediction = torch.where(torch.rand(label.shape, generator=generator) < 0.6, label, guesses)
    confusion = confusion_matrix(prediction, label, 6)
    truth, guess = label.flatten().numpy(), prediction.flatten().numpy()
    assert class_iou(confusion).tolist() == pytest.approx(jaccard_score(truth, guess, average=None).tolist())
    assert mean_iou(confusion) == pytest.approx(jaccard_score(truth, guess, average="macro"))
    assert pixel_accuracy(confusion) == pytest.approx(accuracy_score(truth, guess))


def test_ignored_pixels_do_not_count() -> None:
    label = torch.tensor([0, 1, 255, 255])
    assert confusion_matrix(torch.tensor([0, 0, 1, 0]), label, 2).tolist() == [[1, 0], [1, 0]]


def test_a_class_that_never_occurs_is_left_out_of_the_mean() -> None:
    confusion = confusion_matrix(torch.tensor([0, 1, 1]), torch.tensor([0, 1, 0]), 3)
    assert class_iou(confusion).isnan().tolist() == [False, False, True]
    assert mean_iou(confusion) == pytest.approx((1 / 2 + 1 / 2) / 2)


def test_matrices_of_batches_add_up_to_the_matrix_of_the_set() -> None:
    label, prediction = torch.randint(0, 4, (10, 8, 8)), torch.randint(0, 4, (10, 8, 8))
    parts = sum(confusion_matrix(prediction[i : i + 3], label[i : i + 3], 4) for i in range(0, 10, 3))
    assert torch.equal(torch.as_tensor(parts), confusion_matrix(prediction, label, 4))
