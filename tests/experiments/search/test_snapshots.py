"""Batch norms of the networks on the way."""

import torch
from torch import nn

from experiments.data.dataset import Split
from experiments.data.streams import WEIGHTS, BatchStream
from experiments.search.snapshots import CALIBRATION, calibrate


def test_calibration_is_the_mean_over_the_first_batches() -> None:
    count = CALIBRATION + 3
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (2 * count, 3, 8, 8), generator=generator, dtype=torch.uint8)
    split = Split(images, torch.zeros(2 * count, 8, 8, dtype=torch.uint8), tuple(map(str, range(2 * count))))
    stream = BatchStream(split, 2, 0, WEIGHTS, label_stride=1)
    norm = nn.BatchNorm2d(3, momentum=0.1)
    network = nn.Sequential(norm)
    norm(torch.full((2, 3, 4, 4), 50.0))  # statistics of something else
    for _ in range(2):  # and again: what it was before does not matter
        calibrate(network, stream)
        batches = [batch for batch, _ in stream][:CALIBRATION]
        torch.testing.assert_close(norm.running_mean, torch.stack([b.mean((0, 2, 3)) for b in batches]).mean(0))
        torch.testing.assert_close(norm.running_var, torch.stack([b.var((0, 2, 3)) for b in batches]).mean(0))
        assert norm.momentum == 0.1
