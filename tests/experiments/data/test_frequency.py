import math

import torch

from experiments.data.frequency import class_frequencies, class_weights


def test_weights_follow_the_formula_and_skip_ignored_pixels() -> None:
    labels = torch.tensor([[0, 0, 0, 1], [255, 255, 255, 255]], dtype=torch.uint8)
    assert class_frequencies(labels, 3).tolist() == [0.75, 0.25, 0.0]
    expected = torch.tensor([1 / math.log(1.2 + f) for f in (0.75, 0.25, 0.0)])
    torch.testing.assert_close(class_weights(labels, 3), expected)
    torch.testing.assert_close(class_weights(labels.long(), 3, k=1.02)[2], torch.tensor(1 / math.log(1.02)))


def test_all_ignored_is_finite() -> None:
    weights = class_weights(torch.full((4, 4), 255), 2)
    assert weights.dtype == torch.float32 and torch.isfinite(weights).all()
