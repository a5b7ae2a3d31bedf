"""Scores of a split against torchmetrics and scikit-learn."""

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, jaccard_score, recall_score
from torchmetrics.classification import MulticlassAccuracy, MulticlassJaccardIndex

from experiments.data.files import Array
from experiments.data.source import Sample
from experiments.metrics.boundary import boundary_counts, boundary_f1
from experiments.prediction.options import Views
from experiments.prediction.scoring import Evaluation, score
from experiments.prediction.segmenter import TorchSegmenter
from nas_space.errors import InputError

CLASSES = ("a", "b", "c", "d", "e", "never")


class Given(TorchSegmenter):
    """Gives the prediction that is hidden in an image's red plane."""

    def __init__(self) -> None:
        super().__init__(torch.nn.Identity(), Views((32, 32)))

    def __call__(self, image: Array, resolution: tuple[int, int] | None = None) -> Array:
        """The red plane."""
        assert resolution == image.shape[:2]
        return image[..., 0].copy()


def maps(count: int = 4, seed: int = 0) -> list[tuple[Array, Array]]:
    """Random predictions and labels of several sizes; class 5 never occurs, a tenth is ignored."""
    rng, pairs = np.random.default_rng(seed), []
    for i in range(count):
        shape = (20 + 7 * i, 30)
        label = rng.integers(0, 5, shape, dtype=np.uint8)
        prediction = np.where(rng.random(shape) < 0.6, label, rng.integers(0, 5, shape, dtype=np.uint8))
        label[rng.random(shape) < 0.1] = 255
        pairs.append((prediction, label))
    return pairs


def evaluated(pairs: list[tuple[Array, Array]]) -> Evaluation:
    samples = [
        Sample(f"s{i}", None, None, lambda p=p, t=t: (np.stack([p] * 3, -1), t)) for i, (p, t) in enumerate(pairs)
    ]
    return score(Given(), samples, len(CLASSES))


@pytest.mark.parametrize("seed", range(3))
def test_scores_equal_those_of_torchmetrics_and_scikit_learn(seed: int) -> None:
    pairs = maps(seed=seed)
    summary = evaluated(pairs).summary(CLASSES)
    guess, truth = (np.concatenate([pair[i].reshape(-1) for pair in pairs]) for i in (0, 1))
    index = MulticlassJaccardIndex(6, average=None, ignore_index=255)
    accuracy = MulticlassAccuracy(6, average=None, ignore_index=255)
    for prediction, label in pairs:  # one image at a time
        index.update(torch.from_numpy(prediction)[None].long(), torch.from_numpy(label)[None].long())
        accuracy.update(torch.from_numpy(prediction)[None].long(), torch.from_numpy(label)[None].long())
    iou = list(summary["per_class"].values())
    assert iou[:5] == pytest.approx(index.compute()[:5].tolist(), rel=1e-5) and math.isnan(iou[5])
    assert list(summary["per_class_accuracy"].values())[:5] == pytest.approx(accuracy.compute()[:5].tolist(), rel=1e-5)
    guess, truth = guess[truth != 255], truth[truth != 255]
    assert summary["miou"] == pytest.approx(jaccard_score(truth, guess, average="macro"))
    assert summary["pixel_accuracy"] == pytest.approx(accuracy_score(truth, guess))
    assert summary["mean_class_accuracy"] == pytest.approx(recall_score(truth, guess, average="macro"))
    assert summary["pixels"] == truth.size and summary["images"] == 4 and summary["resolution"] == "20x30 to 41x30"


def test_boundary_f1_is_that_of_the_pooled_counts() -> None:
    pairs = maps()
    summary = evaluated(pairs).summary(CLASSES)
    expected = boundary_f1(np.sum([boundary_counts(p, t, 6) for p, t in pairs], axis=0))
    assert list(summary["per_class_boundary_f1"].values()) == pytest.approx(expected.tolist(), nan_ok=True)
    assert summary["boundary_f1"] == pytest.approx(np.nanmean(expected))


def test_a_class_that_is_only_predicted_scores_zero_and_has_no_accuracy() -> None:
    label = np.zeros((8, 8), np.uint8)
    prediction = label.copy()
    prediction[0] = 1
    summary = evaluated([(prediction, label)]).summary(CLASSES)
    assert list(summary["per_class"].values())[:2] == [7 / 8, 0.0] and summary["miou"] == pytest.approx(7 / 16)
    assert list(summary["per_class_accuracy"].values())[0] == 7 / 8 and math.isnan(summary["per_class_accuracy"]["b"])
    assert summary["mean_class_accuracy"] == 7 / 8 and summary["resolution"] == "8x8"


def test_one_flat_class_has_no_outline() -> None:
    flat = np.zeros((8, 8), np.uint8)
    summary = evaluated([(flat, flat)]).summary(CLASSES)
    assert summary["miou"] == 1.0 and math.isnan(summary["boundary_f1"])


def test_nothing_but_ignored_pixels() -> None:
    with pytest.raises(InputError, match="no image of the split has a labelled pixel"):
        evaluated([(np.zeros((8, 8), np.uint8), np.full((8, 8), 255, np.uint8))])


def test_a_wrong_file_ends_it() -> None:
    def wrong() -> tuple[Array, Array]:
        raise InputError("x.png: not an image")

    with pytest.raises(InputError, match=r"x\.png"):
        score(Given(), [Sample("x", None, None, wrong)], 2)
